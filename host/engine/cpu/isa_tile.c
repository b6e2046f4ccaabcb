/* The register tile: up to PX_TILE_ROWS rows times one or more column panels of a matrix product, held in registers
 * over all of k. Compiled once per instruction set (isa.h); everything dense in the CPU engine ends here.
 *
 * Portable C: GNU vector extensions of PX_LANES floats; the compiler contracts a * b + c to a fused multiply-add. */
#include "isa_local.h"

/* The last panel of a matrix may be narrower than a panel: its row is written element by element. */
static __attribute__((noinline)) void store_edge(const px_tile *t, int r, const float *sums)
{
    for (long j = 0; j < t->columns; j++) {
        const long column = t->column + j;
        t->out[r][column] = sums[j] + (t->add ? t->add[r][column] : 0.0f) + (t->bias ? t->bias[column] : 0.0f);
    }
}

#ifdef PX_SHAPE_MEMORY
/* sum + *y x in one instruction, without a register for y. */
static inline __attribute__((always_inline)) vec add_product(vec sum, const float *y, vec x)
{
#ifdef __AVX512F__
    __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(x), "m"(*y));
    return sum;
#else
    return sum + broadcast(*y) * x;
#endif
}
#endif

/* One tile of R rows and P panels. The loops have constant bounds after inlining and are unrolled, so that the
 * accumulators live in registers: R * P * PX_VECTORS of them. */
static inline __attribute__((always_inline)) void tile_body(const int R, const int P, const px_tile *t)
{
    vec acc[PX_TILE_ROWS][PX_TILE_PANELS * PX_VECTORS];
    const float *a[PX_TILE_ROWS];
    const float *b = t->b, *next = t->next;
    const size_t stride = t->panel_stride;
    const long k_count = t->k;

#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
        a[r] = t->a[r] + t->k_begin;
        if (t->add) __builtin_prefetch(t->add[r] + t->column);
        __builtin_prefetch(t->out[r] + t->column, 1);
#pragma GCC unroll 16
        for (int v = 0; v < P * PX_VECTORS; v++) acc[r][v] = (vec){0};
    }
    for (long k = 0; k < k_count; k++) {
        vec x[PX_TILE_PANELS * PX_VECTORS];
#pragma GCC unroll 16
        for (int p = 0; p < P; p++)
#pragma GCC unroll 16
            for (int v = 0; v < PX_VECTORS; v++) x[p * PX_VECTORS + v] = load_aligned(b + p * stride + v * PX_LANES);
#pragma GCC unroll 16
        for (int r = 0; r < R; r++) {
#ifdef PX_SHAPE_MEMORY
#pragma GCC unroll 16
            for (int v = 0; v < P * PX_VECTORS; v++) acc[r][v] = add_product(acc[r][v], a[r] + k, x[v]);
#else
            const vec y = broadcast(a[r][k]);
#pragma GCC unroll 16
            for (int v = 0; v < P * PX_VECTORS; v++) acc[r][v] += y * x[v];
#endif
        }
        if (R > 1) { /* a single row is limited by its loads, and the processor itself fetches ahead in its panels */
            __builtin_prefetch(next);
            next += PX_PANEL;
        }
        b += PX_PANEL;
    }
    /* The addend comes last, so that the bits of a result do not depend on where its sum began. */
    const int whole = t->columns == P * PX_PANEL;
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
        if (whole) {
            float *out = t->out[r] + t->column;
            const float *add = t->add ? t->add[r] + t->column : NULL;
            const float *bias = t->bias ? t->bias + t->column : NULL;
#pragma GCC unroll 16
            for (int v = 0; v < P * PX_VECTORS; v++) {
                vec sum = acc[r][v];
                if (add) sum += load(add + v * PX_LANES);
                if (bias) sum += load(bias + v * PX_LANES);
                store(out + v * PX_LANES, sum);
            }
        } else {
            float sums[PX_TILE_PANELS * PX_PANEL] __attribute__((aligned(64)));
#pragma GCC unroll 16
            for (int v = 0; v < P * PX_VECTORS; v++) store(sums + v * PX_LANES, acc[r][v]);
            store_edge(t, r, sums);
        }
    }
}

#define TILE(R, P)                                                                                                     \
    static __attribute__((noinline)) void tile_##R##_##P(const px_tile *t) { tile_body(R, P, t); }

/* clang-format off */
/* Few rows take several panels at a time, so that enough independent sums hide the latency of an fma. */
TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1)
TILE(1, 2) TILE(1, 3) TILE(1, 4) TILE(2, 2) TILE(2, 3) TILE(3, 2)
#if PX_TILE_ROWS > 4
TILE(5, 1) TILE(6, 1)
#endif
#if PX_TILE_ROWS > 6
TILE(7, 1) TILE(8, 1)
#endif
#if PX_TILE_ROWS > 8
TILE(9, 1)
#endif
#if PX_TILE_ROWS > 9
TILE(10, 1) TILE(11, 1) TILE(12, 1)
#endif
#if PX_TILE_ROWS > 12
TILE(13, 1) TILE(14, 1)
#endif

static void (*const tiles_1[])(const px_tile *) = {
    NULL, tile_1_1, tile_2_1, tile_3_1, tile_4_1,
#if PX_TILE_ROWS > 4
    tile_5_1, tile_6_1,
#endif
#if PX_TILE_ROWS > 6
    tile_7_1, tile_8_1,
#endif
#if PX_TILE_ROWS > 8
    tile_9_1,
#endif
#if PX_TILE_ROWS > 9
    tile_10_1, tile_11_1, tile_12_1,
#endif
#if PX_TILE_ROWS > 12
    tile_13_1, tile_14_1,
#endif
};
/* clang-format on */

/* [rows][panels] of several panels */
static void (*const tiles_of_panels[][PX_TILE_PANELS + 1])(const px_tile *) = {
    [1] = {[2] = tile_1_2, [3] = tile_1_3, [4] = tile_1_4},
    [2] = {[2] = tile_2_2, [3] = tile_2_3},
    [3] = {[2] = tile_3_2},
};

void PX_TILE_NAME(tile)(int rows, int panels, const px_tile *t)
{
    (panels == 1 ? tiles_1[rows] : tiles_of_panels[rows][panels])(t);
}
