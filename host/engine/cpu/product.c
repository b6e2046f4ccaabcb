/* Matrix products: see product.h. Blocked as in Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication" (2008): a block of B is packed into panels that all threads share, a block of A stays in a core's
 * second-level cache, and a tile of C in registers. */
#include "product.h"

#include <stdlib.h>

enum {
    K_BLOCK = 512,  /* a panel slice of 512 x 16 floats streams from the second-level cache as fast as it is used */
    ROW_BLOCK = 96, /* 96 x 512 floats of A: two fifths of a 512 KiB second-level cache */
    BLOCK_LEADING = K_BLOCK + 16, /* rows of a transposed block start in different sets of the first-level cache */
    SHARED_FLOATS = 1 << 20,      /* 4 MiB of packed B at a time */
    PIECES = 4, /* of a phase, for each thread: a thread that has no core for a while leaves its share to the others */
    PIECE_MULTIPLY_ADDS = 1 << 17 /* below some 10 microseconds handing a piece out costs too much */
};

static long panel_count(const px_isa *isa, long n) { return (n + isa->panel - 1) / isa->panel; }

size_t px_panels_floats(const px_isa *isa, long k, long n)
{
    return (size_t)k * (size_t)panel_count(isa, n) * (size_t)isa->panel;
}

size_t px_product_scratch_floats(int threads)
{
    return (size_t)SHARED_FLOATS + (size_t)threads * ROW_BLOCK * BLOCK_LEADING;
}

/* A matrix and where its panels go. */
typedef struct packing {
    const px_isa *isa;
    px_view b;
    long k, n;
    float *data;
} packing;

static void pack_panels(void *context, int thread, long begin, long end)
{
    const packing *p = context;
    const px_isa *isa = p->isa;
    const long first = begin * isa->panel, last = end * isa->panel < p->n ? end * isa->panel : p->n;
    (void)thread;
    if (first < last)
        isa->pack(p->b.data + (size_t)first * p->b.column, p->b.row, p->b.column, p->k, last - first,
                  p->data + (size_t)first * (size_t)p->k);
}

static void pack(const px_product_context *context, px_view b, long k, long n, float *data)
{
    enum { LEAST_FLOATS = 8192 }; /* below, handing it out takes longer than doing it */
    packing p = {context->isa, b, k, n, data};
    const long count = panel_count(context->isa, n), least = LEAST_FLOATS / (k * context->isa->panel) + 1;
    px_team_for(context->team, count, px_team_grain(context->team, count, PIECES, least), pack_panels, &p);
}

void px_panels_pack(const px_product_context *context, px_view b, long k, long n, px_panels *panels)
{
    panels->k = k;
    panels->n = n;
    pack(context, b, k, n, panels->data);
}

/* Tiles of one slice of k: rows are cut as evenly as tile_rows allows; k slices after the first add to what is there.
 */
static void slice(const px_isa *isa, const px_rows_job *job, const float *panels, size_t panel_stride, long k_begin,
                  long k_count, long n, long panel_begin, long panel_end, int first)
{
    const long tiles = (job->rows + isa->tile_rows - 1) / isa->tile_rows;
    const long together = tiles > 1 ? 1 : job->rows == 1 ? 4 : job->rows == 2 ? 3 : job->rows == 3 ? 2 : 1;
    for (long p = panel_begin; p < panel_end;) {
        const long take = p + together <= panel_end ? together : panel_end - p;
        const long column = p * isa->panel, left = n - column;
        px_tile t = {.b = panels + (size_t)p * panel_stride + (size_t)k_begin * isa->panel,
                     .panel_stride = panel_stride,
                     .k_begin = k_begin,
                     .k = k_count,
                     .bias = first ? job->bias : NULL,
                     .column = job->column + column,
                     .columns = left < take * isa->panel ? left : take * isa->panel};
        for (long tile = 0; tile < tiles; tile++) {
            long begin, end;
            px_share(job->rows, (int)tile, (int)tiles, &begin, &end);
            t.next = tile + 1 < tiles ? t.b : p + take < panel_end ? t.b + panel_stride : job->next ? job->next : t.b;
            t.a = job->a + begin;
            t.out = job->out + begin;
            t.add = !first ? (const float *const *)t.out : job->add ? job->add + begin : NULL;
            isa->tile((int)(end - begin), (int)take, &t);
        }
        p += take;
    }
}

void px_rows_times_panels(const px_isa *isa, const px_rows_job *job, const px_panels *b, long panel_begin,
                          long panel_end)
{
    slice(isa, job, b->data, (size_t)b->k * isa->panel, 0, b->k, b->n, panel_begin, panel_end, 1);
}

/* A product cut into a grid of row parts and panel parts: the pieces that threads take. */
typedef struct product_grid {
    int row_parts, panel_parts;
} product_grid;

/* Some pieces for each thread, none too small to be handed out. The grid with the least work in the largest piece; more
 * row parts where that is nearly equal, since rows of a transposed A are then turned by one piece alone. */
static product_grid cut_product(const px_product_context *context, long m, long k, long panels)
{
    const int threads = px_team_threads(context->team);
    const long row_tiles = (m + context->isa->tile_rows - 1) / context->isa->tile_rows;
    const double turns = (double)m * (double)k * (double)panels * context->isa->panel / PIECE_MULTIPLY_ADDS / threads;
    if (threads == 1 || turns < 1) return (product_grid){1, 1};
    const int parts = threads * (turns < PIECES ? (int)turns : PIECES);
    product_grid grid = {1, 1};
    long least = -1;
    for (int rows = parts; rows >= 1; rows--) {
        if (parts % rows) continue;
        const int columns = parts / rows;
        const long work = ((row_tiles + rows - 1) / rows) * ((panels + columns - 1) / columns);
        if (least >= 0 && work >= least - least / 32) continue;
        least = work;
        grid = (product_grid){rows, columns};
    }
    return grid;
}

/* One thread's rows [row_begin, row_end) times panels of a packed block B [k,n], panel_stride floats from one to the
 * next. A is read in place where its rows are contiguous in k, and through a packed block otherwise. */
static void rows_of_product(const px_isa *isa, px_view a, long row_begin, long row_end, const float *panels,
                            size_t panel_stride, long k, long n, long panel_begin, long panel_end, const float *bias,
                            int accumulate, float *c, size_t ldc, float *block)
{
    for (long row = row_begin; row < row_end; row += ROW_BLOCK) {
        const long rows = row_end - row < ROW_BLOCK ? row_end - row : ROW_BLOCK;
        const float *a_rows[ROW_BLOCK];
        float *out[ROW_BLOCK];
        for (long k_begin = 0; k_begin < k; k_begin += K_BLOCK) {
            const long k_count = k - k_begin < K_BLOCK ? k - k_begin : K_BLOCK;
            if (a.column != 1) {
                isa->transpose(a.data + (size_t)k_begin * a.column + (size_t)row, a.column, k_count, rows, block,
                               BLOCK_LEADING);
            }
            for (long r = 0; r < rows; r++) {
                /* slice() adds k_begin to the row pointer */
                a_rows[r] = a.column == 1 ? a.data + (size_t)(row + r) * a.row : block + r * BLOCK_LEADING - k_begin;
                out[r] = c + (size_t)(row + r) * ldc;
            }
            const px_rows_job job = {.a = a_rows,
                                     .out = out,
                                     .add = accumulate ? (const float *const *)out : NULL,
                                     .bias = bias,
                                     .rows = rows};
            slice(isa, &job, panels, panel_stride, k_begin, k_count, n, panel_begin, panel_end, k_begin == 0);
        }
    }
}

/* One product whose B is in panels: what its pieces share. */
typedef struct panel_product {
    const px_product_context *context;
    product_grid grid;
    long m, n, k, panels;
    px_view a;
    const float *b; /* first panel, at its first k */
    size_t panel_stride;
    const float *bias;
    int accumulate;
    float *c;
    size_t ldc;
} panel_product;

static void product_piece(void *shared, int thread, long begin, long end)
{
    const panel_product *p = shared;
    /* only a transposed A needs a block to be packed into, and only training has one */
    float *block =
        p->a.column == 1 ? NULL : p->context->scratch + SHARED_FLOATS + (size_t)thread * ROW_BLOCK * BLOCK_LEADING;
    for (long piece = begin; piece < end; piece++) {
        long row_begin, row_end, panel_begin, panel_end;
        px_share(p->m, (int)(piece / p->grid.panel_parts), p->grid.row_parts, &row_begin, &row_end);
        px_share(p->panels, (int)(piece % p->grid.panel_parts), p->grid.panel_parts, &panel_begin, &panel_end);
        rows_of_product(p->context->isa, p->a, row_begin, row_end, p->b, p->panel_stride, p->k, p->n, panel_begin,
                        panel_end, p->bias, p->accumulate, p->c, p->ldc, block);
    }
}

static void run_product(panel_product *p)
{
    p->panels = panel_count(p->context->isa, p->n);
    p->grid = cut_product(p->context, p->m, p->k, p->panels);
    px_team_for(p->context->team, (long)p->grid.row_parts * p->grid.panel_parts, 1, product_piece, p);
}

void px_product_panels(const px_product_context *context, long m, const float *a, size_t lda, const px_panels *b,
                       const float *bias, int accumulate, float *c, size_t ldc)
{
    panel_product p = {.context = context,
                       .m = m,
                       .n = b->n,
                       .k = b->k,
                       .a = px_rows(a, lda),
                       .b = b->data,
                       .panel_stride = (size_t)b->k * context->isa->panel,
                       .bias = bias,
                       .accumulate = accumulate,
                       .c = c,
                       .ldc = ldc};
    run_product(&p);
}

void px_product_packed_rows(const px_product_context *context, long m, long k, px_view a, const px_panels *b,
                            long k_begin, int accumulate, float *c, size_t ldc)
{
    panel_product p = {.context = context,
                       .m = m,
                       .n = b->n,
                       .k = k,
                       .a = a,
                       .b = b->data + k_begin * context->isa->panel,
                       .panel_stride = (size_t)b->k * context->isa->panel,
                       .accumulate = accumulate,
                       .c = c,
                       .ldc = ldc};
    run_product(&p);
}

void px_product(const px_product_context *context, long m, long n, long k, px_view a, px_view b, int accumulate,
                float *c, size_t ldc)
{
    const px_isa *isa = context->isa;
    /* Blocks of B: all of k and as many columns as fit; where not even one panel's share fits, k is cut too. */
    long k_step = k, n_step = SHARED_FLOATS / k / isa->panel * isa->panel;
    if (n_step < 8 * isa->panel && n_step < n) {
        n_step = n < 512 ? (n + isa->panel - 1) / isa->panel * isa->panel : 512;
        k_step = SHARED_FLOATS / n_step / K_BLOCK * K_BLOCK;
    }
    for (long n_begin = 0; n_begin < n; n_begin += n_step)
        for (long k_begin = 0; k_begin < k; k_begin += k_step) {
            const long n_count = n - n_begin < n_step ? n - n_begin : n_step,
                       k_count = k - k_begin < k_step ? k - k_begin : k_step;
            const px_view b_part = {b.data + (size_t)k_begin * b.row + (size_t)n_begin * b.column, b.row, b.column};
            const px_view a_part = {a.data + (size_t)k_begin * a.column, a.row, a.column};
            pack(context, b_part, k_count, n_count, context->scratch);
            panel_product p = {.context = context,
                               .m = m,
                               .n = n_count,
                               .k = k_count,
                               .a = a_part,
                               .b = context->scratch,
                               .panel_stride = (size_t)k_count * isa->panel,
                               .accumulate = accumulate || k_begin > 0,
                               .c = c + n_begin,
                               .ldc = ldc};
            run_product(&p);
        }
}
