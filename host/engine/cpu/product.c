/* Matrix products: see product.h. Blocked as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication"
 * (2008): a block of B is packed into panels that all threads share, a block of A stays in a core's second-level cache, and a tile of C in registers. */
#include "product.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    K_BLOCK = 512,          /* a panel slice of 512 x 16 floats streams from the second-level cache as fast as it is used */
    ROW_BLOCK = 96,         /* 96 x 512 floats of A: two fifths of a 512 KiB second-level cache */
    BLOCK_LEADING = K_BLOCK + 16, /* rows of a transposed block start in different sets of the first-level cache */
    SHARED_FLOATS = 1 << 20 /* 4 MiB of packed B at a time */
};

static long panel_count(const px_isa *isa, long n)
{
    return (n + isa->panel - 1) / isa->panel;
}

size_t px_panels_floats(const px_isa *isa, long k, long n)
{
    return (size_t)k * (size_t)panel_count(isa, n) * (size_t)isa->panel;
}

size_t px_product_scratch_floats(int threads)
{
    return (size_t)SHARED_FLOATS + (size_t)threads * ROW_BLOCK * BLOCK_LEADING;
}

static void pack_panels(const px_isa *isa, px_view b, long k, long n, float *data, long begin, long end)
{
    const long first = begin * isa->panel, last = end * isa->panel < n ? end * isa->panel : n;
    if (first < last) isa->pack(b.data + (size_t)first * b.column, b.row, b.column, k, last - first, data + (size_t)first * (size_t)k);
}

void px_panels_pack(const px_product_context *context, px_view b, long k, long n, px_panels *panels)
{
    const long count = panel_count(context->isa, n);
    panels->k = k;
    panels->n = n;
    float *data = panels->data;
#pragma omp parallel num_threads(context->threads)
    {
        long begin, end;
        px_share(count, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        pack_panels(context->isa, b, k, n, data, begin, end);
    }
}

/* Tiles of one slice of k: rows are cut as evenly as tile_rows allows; k slices after the first add to what is there. */
static void slice(const px_isa *isa, const px_rows_job *job, const float *panels, size_t panel_stride, long k_begin, long k_count,
                  long n, long panel_begin, long panel_end, int first)
{
    const long tiles = (job->rows + isa->tile_rows - 1) / isa->tile_rows;
    const int together = tiles > 1 ? 1 : job->rows == 1 ? 4 : job->rows == 2 ? 3 : job->rows == 3 ? 2 : 1;
    for (long p = panel_begin; p < panel_end;) {
        const int take = p + together <= panel_end ? together : 1;
        const long column = p * isa->panel;
        px_tile t = {.b = panels + (size_t)p * panel_stride + (size_t)k_begin * isa->panel, .panel_stride = panel_stride, .k_begin = k_begin,
                     .k = k_count, .bias = first ? job->bias : NULL, .column = column,
                     .columns = n - column < (long)take * isa->panel ? n - column : (long)take * isa->panel};
        for (long tile = 0; tile < tiles; tile++) {
            long begin, end;
            px_share(job->rows, (int)tile, (int)tiles, &begin, &end);
            t.next = tile + 1 < tiles ? t.b : p + take < panel_end ? t.b + panel_stride : job->next ? job->next : t.b;
            t.a = job->a + begin;
            t.out = job->out + begin;
            t.add = !first ? (const float *const *)t.out : job->add ? job->add + begin : NULL;
            isa->tile((int)(end - begin), take, &t);
        }
        p += take;
    }
}

void px_rows_times_panels(const px_isa *isa, const px_rows_job *job, const px_panels *b, long panel_begin, long panel_end)
{
    slice(isa, job, b->data, (size_t)b->k * isa->panel, 0, b->k, b->n, panel_begin, panel_end, 1);
}

/* Threads as a grid of row parts and panel parts: the one with the least work for the busiest, wider in rows when equal. */
static void thread_grid(int threads, long row_tiles, long panels, int *row_parts, int *panel_parts)
{
    long least = -1;
    for (int rows = 1; rows <= threads; rows++) {
        if (threads % rows) continue;
        int columns = threads / rows;
        long work = ((row_tiles + rows - 1) / rows) * ((panels + columns - 1) / columns);
        if (least < 0 || work <= least) {
            least = work;
            *row_parts = rows;
            *panel_parts = columns;
        }
    }
}

/* One thread's rows [row_begin, row_end) times panels of a packed block B [k,n], panel_stride floats from one to the next. A is read in place where its rows are contiguous in k,
 * and through a packed block otherwise. */
static void rows_of_product(const px_isa *isa, px_view a, long row_begin, long row_end, const float *panels, size_t panel_stride,
                            long k, long n, long panel_begin, long panel_end, const float *bias, int accumulate, float *c, size_t ldc, float *block)
{
    for (long row = row_begin; row < row_end; row += ROW_BLOCK) {
        const long rows = row_end - row < ROW_BLOCK ? row_end - row : ROW_BLOCK;
        const float *a_rows[ROW_BLOCK];
        float *out[ROW_BLOCK];
        for (long k_begin = 0; k_begin < k; k_begin += K_BLOCK) {
            const long k_count = k - k_begin < K_BLOCK ? k - k_begin : K_BLOCK;
            if (a.column != 1) {
                isa->transpose(a.data + (size_t)k_begin * a.column + (size_t)row, a.column, k_count, rows, block, BLOCK_LEADING);
            }
            for (long r = 0; r < rows; r++) {
                /* slice() adds k_begin to the row pointer */
                a_rows[r] = a.column == 1 ? a.data + (size_t)(row + r) * a.row : block + r * BLOCK_LEADING - k_begin;
                out[r] = c + (size_t)(row + r) * ldc;
            }
            const px_rows_job job = {.a = a_rows, .out = out, .add = accumulate ? (const float *const *)out : NULL, .bias = bias, .rows = rows};
            slice(isa, &job, panels, panel_stride, k_begin, k_count, n, panel_begin, panel_end, k_begin == 0);
        }
    }
}

/* C [m,n] = A [m,k] times rows [k_begin, k_begin + k) of a packed matrix, on all threads. */
static void times_packed(const px_product_context *context, long m, long k, px_view a, const px_panels *b, long k_begin, const float *bias,
                         int accumulate, float *c, size_t ldc)
{
    const px_isa *isa = context->isa;
    const long panels = panel_count(isa, b->n);
    int row_parts = 1, panel_parts = 1;
    thread_grid(context->threads, (m + isa->tile_rows - 1) / isa->tile_rows, panels, &row_parts, &panel_parts);
#pragma omp parallel num_threads(context->threads)
    {
        const int me = omp_get_thread_num();
        /* only a transposed A needs a block to be packed into, and only training has one */
        float *block = a.column == 1 ? NULL : context->scratch + SHARED_FLOATS + (size_t)me * ROW_BLOCK * BLOCK_LEADING;
        long row_begin, row_end, panel_begin, panel_end;
        px_share(m, me / panel_parts, row_parts, &row_begin, &row_end);
        px_share(panels, me % panel_parts, panel_parts, &panel_begin, &panel_end);
        rows_of_product(isa, a, row_begin, row_end, b->data + k_begin * isa->panel, (size_t)b->k * isa->panel, k, b->n, panel_begin, panel_end,
                        bias, accumulate, c, ldc, block);
    }
}

void px_product_panels(const px_product_context *context, long m, const float *a, size_t lda, const px_panels *b, const float *bias,
                       int accumulate, float *c, size_t ldc)
{
    times_packed(context, m, b->k, px_rows(a, lda), b, 0, bias, accumulate, c, ldc);
}

void px_product_packed_rows(const px_product_context *context, long m, long k, px_view a, const px_panels *b, long k_begin, int accumulate,
                            float *c, size_t ldc)
{
    times_packed(context, m, k, a, b, k_begin, NULL, accumulate, c, ldc);
}

/* How BLAS sees a view [rows,columns]: plain or transposed, with its leading dimension. Where both strides are 1 (one column, one row)
 * the one that gives a legal leading dimension is meant. */
static char blas_view(px_view view, long rows, long columns, dnnl_dim_t *leading)
{
    const int plain = view.column == 1 && (view.row >= (size_t)columns || rows == 1);
    const size_t stride = plain ? view.row : view.column;
    const long least = plain ? columns : rows;
    *leading = (dnnl_dim_t)stride > least ? (dnnl_dim_t)stride : least;
    return plain ? 'N' : 'T';
}

static void product_onednn(long m, long n, long k, px_view a, px_view b, int accumulate, float *c, size_t ldc)
{
    dnnl_dim_t lda, ldb;
    const char a_form = blas_view(a, m, k, &lda), b_form = blas_view(b, k, n, &ldb);
    const dnnl_status_t status =
        dnnl_sgemm(a_form, b_form, m, n, k, 1.0f, a.data, lda, b.data, ldb, accumulate ? 1.0f : 0.0f, c, (dnnl_dim_t)ldc);
    if (status != dnnl_success) { /* only wrong sizes can cause it: a mistake in this file */
        fprintf(stderr, "perplex: dnnl_sgemm %c%c m=%ld n=%ld k=%ld: status %d\n", a_form, b_form, m, n, k, (int)status);
        abort();
    }
}

void px_product(const px_product_context *context, long m, long n, long k, px_view a, px_view b, int accumulate, float *c, size_t ldc)
{
    if (context->onednn) {
        product_onednn(m, n, k, a, b, accumulate, c, ldc);
        return;
    }
    const px_isa *isa = context->isa;
    float *shared = context->scratch;
    /* Blocks of B: all of k and as many columns as fit; where not even one panel's share fits, k is cut too. */
    long k_step = k, n_step = SHARED_FLOATS / k / isa->panel * isa->panel;
    if (n_step < 8 * isa->panel && n_step < n) {
        n_step = n < 512 ? (n + isa->panel - 1) / isa->panel * isa->panel : 512;
        k_step = SHARED_FLOATS / n_step / K_BLOCK * K_BLOCK;
    }
#pragma omp parallel num_threads(context->threads)
    {
        const int me = omp_get_thread_num(), threads = omp_get_num_threads();
        float *block = shared + SHARED_FLOATS + (size_t)me * ROW_BLOCK * BLOCK_LEADING;
        for (long n_begin = 0; n_begin < n; n_begin += n_step)
            for (long k_begin = 0; k_begin < k; k_begin += k_step) {
                const long n_count = n - n_begin < n_step ? n - n_begin : n_step, k_count = k - k_begin < k_step ? k - k_begin : k_step;
                const long panels = panel_count(isa, n_count);
                const px_view b_part = {b.data + (size_t)k_begin * b.row + (size_t)n_begin * b.column, b.row, b.column};
                const px_view a_part = {a.data + (size_t)k_begin * a.column, a.row, a.column};
                int row_parts = 1, panel_parts = 1;
                long begin, end, row_begin, row_end, panel_begin, panel_end;
                px_share(panels, me, threads, &begin, &end);
                pack_panels(isa, b_part, k_count, n_count, shared, begin, end);
#pragma omp barrier
                thread_grid(threads, (m + isa->tile_rows - 1) / isa->tile_rows, panels, &row_parts, &panel_parts);
                px_share(m, me / panel_parts, row_parts, &row_begin, &row_end);
                px_share(panels, me % panel_parts, panel_parts, &panel_begin, &panel_end);
                rows_of_product(isa, a_part, row_begin, row_end, shared, (size_t)k_count * isa->panel, k_count, n_count, panel_begin, panel_end, NULL,
                                accumulate || k_begin > 0, c + n_begin, ldc, block);
#pragma omp barrier
            }
    }
}
