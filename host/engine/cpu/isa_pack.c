/* Packing columns into panels (product.h). Compiled once per instruction set and shape of its tile. */
#include "isa_local.h"

/* Panels side by side, some at a time: runs of a row are long enough to be fetched ahead. */
static void pack_rows(const float *source, size_t row_stride, long k_count, long columns, float *packed)
{
    enum { TOGETHER = 8 };
    const size_t panel_floats = (size_t)k_count * PX_PANEL;
    const long whole = columns / PX_PANEL, rest = columns % PX_PANEL;
    for (long first = 0; first < whole; first += TOGETHER) {
        const long last = first + TOGETHER < whole ? first + TOGETHER : whole;
        for (long k = 0; k < k_count; k++) {
            const float *from = source + (size_t)k * row_stride;
            for (long p = first; p < last; p++)
                memcpy(packed + (size_t)p * panel_floats + k * PX_PANEL, from + p * PX_PANEL, sizeof(float) * PX_PANEL);
        }
    }
    if (!rest) return;
    float *edge = packed + (size_t)whole * panel_floats;
    memset(edge, 0, sizeof(float) * panel_floats);
    for (long k = 0; k < k_count; k++)
        memcpy(edge + k * PX_PANEL, source + (size_t)k * row_stride + whole * PX_PANEL, sizeof(float) * (size_t)rest);
}

void PX_TILE_NAME(pack)(const float *source, size_t row_stride, size_t column_stride, long k_count, long columns,
                        float *packed)
{
    if (column_stride == 1) {
        pack_rows(source, row_stride, k_count, columns, packed);
        return;
    }
    for (long first = 0; first < columns; first += PX_PANEL, packed += k_count * PX_PANEL) {
        const long take = columns - first < PX_PANEL ? columns - first : PX_PANEL;
        if (take < PX_PANEL) memset(packed, 0, sizeof(float) * (size_t)k_count * PX_PANEL);
        PX_ISA_NAME(transpose)(source + (size_t)first * column_stride, column_stride, take, k_count, packed, PX_PANEL);
    }
}

void PX_TILE_NAME(pack_rows)(float *const *rows, long count, long column, long panels, float *to, size_t stride)
{
    for (long p = 0; p < panels; p++, column += PX_PANEL, to += stride)
        for (long i = 0; i < count; i++)
#pragma GCC unroll 2
            for (int v = 0; v < PX_VECTORS; v++)
                store(to + i * PX_PANEL + v * PX_LANES, load(rows[i] + column + v * PX_LANES));
}
