/* Instruction sets: the inner loops of the CPU engine, compiled once each for AVX-512, AVX2 and the compiler's baseline
 * (SSE2, NEON, ...), and chosen when an engine is created. */
#ifndef PX_ISA_H
#define PX_ISA_H

#include "cells.h"
#include "optimizer.h"

#include <stddef.h>
#include <stdint.h>

/* One register tile of rows r and columns j: out[r][column + j] = sum_k a[r][k_begin + k] * b[k][j] (+ add[r][column +
 * j]) (+ bias[column + j]). The sum runs over k in order, whatever the tile's shape, so that a row's bits do not depend
 * on the rows beside it. */
typedef struct px_tile {
    const float *const *a; /* row pointers, k contiguous */
    const float *b;        /* packed panel: [k][panel], 64-byte aligned; further panels at panel_stride floats */
    size_t panel_stride;
    const float
        *next; /* [k][panel] that is wanted soon: fetched while this tile is worked on, unless that has one row */
    long k_begin, k;
    float *const *out;       /* row pointers */
    const float *const *add; /* row pointers or NULL; may be out */
    const float *bias;       /* one row or NULL */
    long column;             /* first column of the tile */
    long columns;            /* columns to write, at most panels * panel width */
} px_tile;

/* A step's cells on some rows: units [first, first + units) of all gates. Every member is an array of row pointers, one
 * for each row, to rows of h or of [G,h]. A cell that keeps no gates works in place: forward z is now[0], backward d is
 * z, and `before`, `returned` and `returns` are not read. */
typedef struct px_cell_rows {
    long rows, first, units;
    long h; /* from one gate's place in a row [G,h] to the next */
    float *const
        *z; /* [G,h] forward: pre-activations, turned into what is kept; backward: what was kept, turned into dz */
    float *const *z_hh;    /* [G,h] with a lone gate: at its place, its recurrent part, kept; backward: the gradient of
                              H_{t-1} W_hh = */
    const float *const *x; /* [G,h] forward with a lone gate: the input's term, which is not in z for that gate */
    const float *bias;     /* [G,h] likewise */
    const float *const *before[PX_CELL_STATES_MAX]; /* [h] the states before the step */
    float *const *now[PX_CELL_STATES_MAX];          /* [h] the states after it: forward =, backward read */
    const float *const *d; /* [h] backward: the gradient of H, what comes through W_hh included */
    const float *const
        *returned[PX_CELL_STATES_MAX]; /* [h] backward: gradients of `now` that the step after has returned past W_hh */
    float *const *returns[PX_CELL_STATES_MAX]; /* [h] backward: gradients of `before` past W_hh =; may be `returned` */
    float *db, *db_lone;                       /* [G,h], [h] += gradients of the biases; NULL: not now */
} px_cell_rows;

/* What one optimiser step needs beside the buffers. */
typedef struct px_optimizer_step {
    float scale; /* clip factor of the gradient */
    float lr;
    float decay;  /* coupled weight decay: gradient + decay * w */
    float shrink; /* decoupled weight decay: w * shrink; 1 otherwise */
    float momentum, beta1, beta2, rest1, rest2, alpha, rest_alpha, epsilon; /* rest = 1 - beta, rounded once */
    float mean_scale, root_scale; /* Adam: lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
} px_optimizer_step;

/* One step of some parameters; m, v: the moments that the optimiser has, else NULL. */
typedef void (*px_optimizer_loop)(float *w, float *m, float *v, const float *g, long count,
                                  const px_optimizer_step *step);

/* Which dropout mask: see philox.h. */
typedef struct px_mask {
    uint64_t seed;
    uint32_t purpose, layer, threshold;
    float scale;
} px_mask;

/* What depends on the shape of a tile. */
#define PX_TILE_FUNCTIONS(X)                                                                                           \
    /* 1 .. tile_rows rows and one panel; or 1, 2, 3 rows and up to 4, 3, 2 panels */                                  \
    X(void, tile, (int rows, int panels, const px_tile *tile))                                                         \
    /* Panels [k][panel] one after the other from source[k * row_stride + j * column_stride], one stride of them 1; */ \
    /* the last panel's columns beyond `columns` are zeros */                                                          \
    X(void, pack, (const float *source, size_t row_stride, size_t column_stride, long k, long columns, float *packed)) \
    /* Whole panels of a packed matrix from rows: to[p * stride + i * panel + j] = rows[i][column + p * panel + j] */  \
    X(void, pack_rows, (float *const *rows, long count, long column, long panels, float *to, size_t stride))

/* What depends on the instruction set alone. */
#define PX_LOOP_FUNCTIONS(X)                                                                                           \
    /* to[c * to_leading + r] = from[r * from_leading + c] */                                                          \
    X(void, transpose,                                                                                                 \
      (const float *from, size_t from_leading, long rows, long columns, float *to, size_t to_leading))                 \
    /* logits become (softmax(x) - onehot(target)) * scale; returns -log p(target) in nats */                          \
    X(double, softmax_gradient, (float *x, long count, long target, float scale))                                      \
    X(double, softmax_nll, (float *x, long count, long target)) /* x is overwritten */                                 \
    X(void, softmax, (float *x, long count))                                                                           \
    /* loads all: whole rows of panels, 64-byte aligned; a value that depends on each */                               \
    X(uint32_t, read, (const float *data, long count))                                                                 \
    X(double, sum_squares, (const float *x, long count))                                                               \
    X(void, add, (float *y, const float *x, long count))                     /* y += x */                              \
    X(void, add_scaled, (float *y, const float *x, float scale, long count)) /* y += scale x */                        \
    /* out[i] = in[i] * scale where element + i is kept, else 0; out may be in */                                      \
    X(void, mask, (float *out, const float *in, long count, const px_mask *mask, uint64_t element))                    \
    X(void, average, (float *average, const float *w, long count, float weight)) /* average += weight (w - average) */

#define PX_ISA_FUNCTIONS(X) PX_TILE_FUNCTIONS(X) PX_LOOP_FUNCTIONS(X)

typedef struct px_isa {
    const char *name; /* "avx2"; another shape of its tile: "avx2-4x24" */
    int panel;        /* columns of a packed panel */
    int tile_rows;    /* most rows of a tile */
#define PX_ISA_MEMBER(type, function, arguments) type(*function) arguments;
    PX_ISA_FUNCTIONS(PX_ISA_MEMBER)
#undef PX_ISA_MEMBER
    const px_optimizer_loop *optimizer; /* [PX_OPTIMIZER_COUNT] */
    struct {
        void (*forward)(const px_cell_rows *rows), (*backward)(const px_cell_rows *rows);
    } cell[PX_CELL_COUNT];
} px_isa;

/* The best one that this processor runs, or the one that PERPLEX_ISA=avx512|avx2|baseline, or the name of a shape, asks
 * for (tests, comparisons); NULL where this build or processor has none of that name. */
const px_isa *px_isa_best(void);
/* All that were built and that this processor runs, best first, ended by NULL. */
const px_isa *const *px_isa_all(void);
/* The same loops with tiles of other shapes, ROWSxCOLUMNS, that this processor runs: for measuring which is fastest.
 * Results have the same bits. "-memory": each multiply-add broadcasts its factor from memory. */
const px_isa *const *px_isa_shapes(void);

#endif
