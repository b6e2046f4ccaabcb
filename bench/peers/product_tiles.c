/* The register tile alone (isa.h), on one thread: which shapes are slow is seen at once, on a processor that is met for
 * the first time. */
#include "products.h"

#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TILE_K = 512, MOST_ROWS = 32, MOST_PANELS = 4, MOST_ROUNDS = 64, L2_BYTES = 192 << 10, L1_BYTES = 16 << 10 };

/* Panels [k][panel] that a tile goes through again and again. */
typedef struct tile_run {
    const px_isa *isa;
    int rows, panels;
    long k, total; /* depth and number of panels in turn */
    float *b;
    const float *a[MOST_ROWS];
    float *out[MOST_ROWS];
} tile_run;

/* So many multiplications and additions were done. */
static double run_tiles(const tile_run *r, long times)
{
    const size_t panel = (size_t)r->k * (size_t)r->isa->panel;
    const long groups = r->total / r->panels;
    for (long i = 0; i < times; i++) {
        const long at = i % groups * r->panels, next = (i + 1) % groups * r->panels;
        const px_tile t = {.a = r->a,
                           .b = r->b + (size_t)at * panel,
                           .panel_stride = panel,
                           .next = r->b + (size_t)next * panel,
                           .k = r->k,
                           .out = r->out,
                           .columns = (long)r->panels * r->isa->panel};
        r->isa->tile(r->rows, r->panels, &t);
    }
    return 2.0 * (double)(times * r->rows * r->panels * r->isa->panel) * (double)r->k;
}

static double gflops_of(const tile_run *r, int rounds)
{
    double rates[MOST_ROUNDS];
    long times = 64;
    for (double seconds = 0; seconds < 0.001; times *= 2) {
        const double begin = px_clock();
        run_tiles(r, times);
        seconds = px_clock() - begin;
    }
    for (int i = 0; i < rounds; i++) {
        const double begin = px_clock(), work = run_tiles(r, times);
        rates[i] = work / (px_clock() - begin) * 1e-9;
    }
    return median(rates, rounds);
}

/* GFLOP/s with panels of k rows, as many as make `bytes`, in turn. */
static double measure(const px_isa *isa, int rows, int panels, long k, size_t bytes, int rounds)
{
    tile_run r = {.isa = isa,
                  .rows = rows,
                  .panels = panels,
                  .k = k,
                  .total = (long)(bytes / (sizeof(float) * (size_t)k * (size_t)isa->panel))};
    if (r.total < panels) r.total = panels;
    const size_t panel = (size_t)k * (size_t)isa->panel, row = (size_t)k + 16,
                 width = (size_t)MOST_PANELS * (size_t)isa->panel;
    float *a = floats((size_t)rows * row), *out = floats((size_t)rows * width);
    r.b = floats((size_t)r.total * panel);
    fill(r.b, (size_t)r.total * panel, 1);
    fill(a, (size_t)rows * row, 2);
    for (int i = 0; i < rows; i++) {
        r.a[i] = a + (size_t)i * row;
        r.out[i] = out + (size_t)i * width;
    }
    const double rate = gflops_of(&r, rounds);
    free(a), free(out), free(r.b);
    return rate;
}

static void add_tile(cJSON *list, const px_isa *isa, int rows, int panels, double peak, int rounds)
{
    cJSON *tile = cJSON_CreateObject();
    /* as deep as the panels leave room for the rows in a first-level cache of 32 KiB */
    const long k_near = (long)(L1_BYTES / (sizeof(float) * (size_t)isa->panel * (size_t)panels));
    cJSON_AddStringToObject(tile, "isa", isa->name);
    cJSON_AddNumberToObject(tile, "rows", rows);
    cJSON_AddNumberToObject(tile, "panels", panels);
    cJSON_AddNumberToObject(tile, "columns", panels * isa->panel);
    cJSON_AddNumberToObject(tile, "peak_gflops", peak);
    cJSON_AddNumberToObject(tile, "l1_gflops", measure(isa, rows, panels, k_near, L1_BYTES, rounds));
    cJSON_AddNumberToObject(tile, "l2_gflops", measure(isa, rows, panels, TILE_K, L2_BYTES, rounds));
    cJSON_AddItemToArray(list, tile);
}

static double peak_of(px_team *one, const char *name, int rounds)
{
    double probes[MOST_ROUNDS];
    for (int i = 0; i < rounds; i++) probes[i] = fma_gflops(one, name);
    return median(probes, rounds);
}

/* Whole tiles of the other shapes, "avx2-4x24": the first processor of its kind shows which should be the usual one. */
static void add_shapes(cJSON *list, px_team *one, int rounds)
{
    for (const px_isa *const *shape = px_isa_shapes(); *shape; shape++) {
        char name[16];
        snprintf(name, sizeof name, "%.*s", (int)strcspn((*shape)->name, "-"), (*shape)->name);
        add_tile(list, *shape, (*shape)->tile_rows, 1, peak_of(one, name, rounds), rounds);
    }
}

cJSON *tiles_measure(int rounds)
{
    cJSON *list = cJSON_CreateArray();
    px_team *one;
    if (px_team_create(1, &one) != PX_OK) return list;
    for (const px_isa *const *isa = px_isa_all(); *isa; isa++) {
        const double peak = peak_of(one, (*isa)->name, rounds);
        for (int rows = 1; rows <= (*isa)->tile_rows && rows <= MOST_ROWS; rows++)
            add_tile(list, *isa, rows, 1, peak, rounds);
        for (int rows = 1; rows <= 3; rows++) add_tile(list, *isa, rows, 5 - rows, peak, rounds);
    }
    add_shapes(list, one, rounds);
    px_team_destroy(one);
    return list;
}
