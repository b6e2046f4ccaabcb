/* What one compilation of the inner loops sees: vector width, tile shape and the name suffix of its instruction set. */
#ifndef PX_ISA_LOCAL_H
#define PX_ISA_LOCAL_H

#include "isa.h"
#include <string.h>

#if defined(__AVX512F__)
enum { PX_LANES = 16, PX_VECTORS = 2, PX_TILE_ROWS = 12 };
#define PX_ISA_NAME(function) px_avx512_##function
#define PX_ISA_TEXT "avx512"
#elif defined(__AVX2__)
enum { PX_LANES = 8, PX_VECTORS = 2, PX_TILE_ROWS = 6 };
#define PX_ISA_NAME(function) px_avx2_##function
#define PX_ISA_TEXT "avx2"
#else
#if defined(__aarch64__) /* 32 registers: 16 sums are enough for four multiply-adds a cycle of a latency of four */
enum { PX_LANES = 4, PX_VECTORS = 2, PX_TILE_ROWS = 8 };
#else
enum { PX_LANES = 4, PX_VECTORS = 2, PX_TILE_ROWS = 6 };
#endif
#define PX_ISA_NAME(function) px_baseline_##function
#define PX_ISA_TEXT "baseline"
#endif
enum { PX_PANEL = PX_LANES * PX_VECTORS, PX_TILE_PANELS = 4 };

/* Declared here, so that each definition is checked against the table in isa.h. */
#define PX_ISA_DECLARE(type, function, arguments) type PX_ISA_NAME(function) arguments;
PX_ISA_FUNCTIONS(PX_ISA_DECLARE)
#undef PX_ISA_DECLARE
extern const px_optimizer_loop PX_ISA_NAME(optimizers)[PX_OPTIMIZER_COUNT]; /* isa_update.c */
#define PX_ISA_DECLARE_CELL(NAME, name, ...)                                                                           \
    void PX_ISA_NAME(name##_forward)(const px_cell_rows *rows), PX_ISA_NAME(name##_backward)(const px_cell_rows *rows);
PX_CELLS(PX_ISA_DECLARE_CELL)
#undef PX_ISA_DECLARE_CELL
extern const px_isa PX_ISA_NAME(isa);

/* Before a loop of a constant, small number of turns inside one that becomes vectors: it must be gone before the outer
 * one is looked at. */
#if defined(__clang__)
#define PX_UNROLL_ALL _Pragma("clang loop unroll(full)")
#else
#define PX_UNROLL_ALL _Pragma("GCC unroll 8")
#endif

/* Four lanes by number: 0 to 3 are those of a, 4 to 7 those of b. Clang, and GCC from 12 on, have the first name; older
 * GCC the second. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define PX_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#endif
#endif
#ifndef PX_SHUFFLE
typedef int px_lane_numbers __attribute__((vector_size(16)));
#define PX_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (px_lane_numbers){i, j, k, l})
#endif

typedef float vec __attribute__((vector_size(sizeof(float) * PX_LANES)));
typedef float vec_unaligned __attribute__((vector_size(sizeof(float) * PX_LANES), aligned(4), may_alias));

static inline __attribute__((always_inline)) vec load(const float *p) { return *(const vec_unaligned *)p; }
static inline __attribute__((always_inline)) vec load_aligned(const float *p) { return *(const vec *)p; }
static inline __attribute__((always_inline)) void store(float *p, vec x) { *(vec_unaligned *)p = x; }
static inline __attribute__((always_inline)) vec broadcast(float x)
{
#if defined(__AVX512F__)
    return (vec){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#elif defined(__AVX2__)
    return (vec){x, x, x, x, x, x, x, x};
#else
    return (vec){x, x, x, x};
#endif
}

#endif
