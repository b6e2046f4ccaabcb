/* What one compilation of the inner loops sees: vector width, tile shape and the name suffix of its instruction set.
 * Another shape of the tile is compiled with PX_SHAPE, its name suffix, PX_SHAPE_VECTORS and PX_SHAPE_ROWS, and perhaps
 * PX_SHAPE_MEMORY (the tile alone: isa_tile.c, isa_pack.c, isa_table.c); a test also with PX_SHAPE_LANES, to run a
 * wider instruction set's tile on a processor that lacks it. */
#ifndef PX_ISA_LOCAL_H
#define PX_ISA_LOCAL_H

#include "isa.h"
#include <string.h>

#if defined(__AVX512F__)
#define PX_ISA_LANES 16
#define PX_ISA_ROWS 12
#define PX_ISA_NAME(function) px_avx512_##function
#define PX_ISA_TEXT "avx512"
#elif defined(__AVX2__)
#define PX_ISA_LANES 8
#define PX_ISA_ROWS 6
#define PX_ISA_NAME(function) px_avx2_##function
#define PX_ISA_TEXT "avx2"
#else
#if defined(__aarch64__) /* 32 registers: 16 sums are enough for four multiply-adds a cycle of a latency of four */
#define PX_ISA_LANES 4
#define PX_ISA_ROWS 8
#else
#define PX_ISA_LANES 4
#define PX_ISA_ROWS 6
#endif
#define PX_ISA_NAME(function) px_baseline_##function
#define PX_ISA_TEXT "baseline"
#endif
#if defined(PX_SHAPE)
#define PX_TILE_NAME(function) PX_TILE_PASTE(PX_SHAPE, function)
#define PX_TILE_PASTE(shape, function) PX_TILE_PASTE_NOW(shape, function)
#define PX_TILE_PASTE_NOW(shape, function) px_##shape##_##function
#define PX_TILE_ROWS PX_SHAPE_ROWS
enum { PX_VECTORS = PX_SHAPE_VECTORS };
#else
#define PX_TILE_NAME(function) PX_ISA_NAME(function)
#define PX_TILE_ROWS PX_ISA_ROWS
enum { PX_VECTORS = 2 };
#endif
#if defined(PX_SHAPE_LANES)
enum { PX_LANES = PX_SHAPE_LANES };
#else
enum { PX_LANES = PX_ISA_LANES };
#endif
enum { PX_PANEL = PX_LANES * PX_VECTORS, PX_TILE_PANELS = 4 };

/* Declared here, so that each definition is checked against the table in isa.h. */
#define PX_DECLARE_LOOP(type, function, arguments) type PX_ISA_NAME(function) arguments;
PX_LOOP_FUNCTIONS(PX_DECLARE_LOOP)
#undef PX_DECLARE_LOOP
#define PX_DECLARE_TILE(type, function, arguments) type PX_TILE_NAME(function) arguments;
PX_TILE_FUNCTIONS(PX_DECLARE_TILE)
#undef PX_DECLARE_TILE
extern const px_optimizer_loop PX_ISA_NAME(optimizers)[PX_OPTIMIZER_COUNT]; /* isa_update.c */
#define PX_ISA_DECLARE_CELL(NAME, name, ...)                                                                           \
    void PX_ISA_NAME(name##_forward)(const px_cell_rows *rows), PX_ISA_NAME(name##_backward)(const px_cell_rows *rows);
PX_CELLS(PX_ISA_DECLARE_CELL)
#undef PX_ISA_DECLARE_CELL
extern const px_isa PX_TILE_NAME(isa);

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
static inline __attribute__((always_inline)) vec broadcast(float x) { return x - (vec){0}; }

#endif
