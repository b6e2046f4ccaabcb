/* Matrix products of the CPU engine: packed column panels times rows, on the threads of the engine.
 *
 * A packed matrix B [k,n] lies as panels of isa->panel columns, each [k][panel], columns beyond n zero. A product whose
 * B is packed gives each row of the result the same bits whatever rows, threads or windows go with it. */
#ifndef PX_PRODUCT_H
#define PX_PRODUCT_H

#include "isa.h"
#include "team.h"

typedef struct px_panels {
    float *data; /* 64-byte aligned, px_panels_floats(isa, k, n) floats */
    long k, n;
} px_panels;

/* Shared by all products of one engine. */
typedef struct px_product_context {
    const px_isa *isa;
    px_team *team;
    float *scratch; /* px_product_scratch_floats(), 64-byte aligned */
} px_product_context;

/* Floats of a packed [k,n]. */
size_t px_panels_floats(const px_isa *isa, long k, long n);
/* Floats that px_product needs as scratch for that many threads. */
size_t px_product_scratch_floats(int threads);

/* A matrix read through strides: element (i,j) at data[i * row + j * column]; one of the strides is 1. */
typedef struct px_view {
    const float *data;
    size_t row, column;
} px_view;

static inline px_view px_rows(const float *data, size_t leading) { return (px_view){data, leading, 1}; }
static inline px_view px_transposed(const float *data, size_t leading) { return (px_view){data, 1, leading}; }

/* Packs B [k,n]; panels->data has room. */
void px_panels_pack(const px_product_context *context, px_view b, long k, long n, px_panels *panels);

/* C [m,n] = A [m,k] B (+ C if accumulate) (+ bias [n] on every row, or NULL). A's rows are contiguous in k. */
void px_product_panels(const px_product_context *context, long m, const float *a, size_t lda, const px_panels *b,
                       const float *bias, int accumulate, float *c, size_t ldc);

/* C [m,n] = A [m,k] B [k,n] (+ C if accumulate), nothing packed before. */
void px_product(const px_product_context *context, long m, long n, long k, px_view a, px_view b, int accumulate,
                float *c, size_t ldc);

/* C [m,n] = A [m,k] B (+ C if accumulate), where B is rows [k_begin, k_begin + k) of a packed matrix. */
void px_product_packed_rows(const px_product_context *context, long m, long k, px_view a, const px_panels *b,
                            long k_begin, int accumulate, float *c, size_t ldc);

/* A part of a product on one thread: rows [row_begin, row_end) and panels [panel_begin, panel_end) of B, k in [k_begin,
 * k_end). add: rows to add, NULL for none. For use inside a phase of the team. */
typedef struct px_rows_job {
    const float *const *a;   /* pointers to each of the rows, k contiguous */
    float *const *out;       /* pointers to column 0 of each row of the result */
    const float *const *add; /* pointers to column 0 of each row to add, or NULL */
    const float *bias;       /* [n] or NULL */
    const float *next;       /* the packed panel that is read after the last of these, fetched in time; or NULL */
    long rows;
    long column; /* where B's first column stands in rows of out, add and bias: a gate's place in rows [G,h] */
} px_rows_job;
void px_rows_times_panels(const px_isa *isa, const px_rows_job *job, const px_panels *b, long panel_begin,
                          long panel_end);

#endif
