/* Moving matrices: transposes, and packing columns into panels. Compiled once per instruction set. */
#include "isa_local.h"

typedef float quad __attribute__((vector_size(16)));
typedef float quad_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

/* A 4 x 4 block through registers: two rounds of interleaving. */
static inline __attribute__((always_inline)) void transpose_quad(const float *from, size_t from_leading, float *to,
                                                                 size_t to_leading)
{
    const quad a = *(const quad_unaligned *)from, b = *(const quad_unaligned *)(from + from_leading);
    const quad c = *(const quad_unaligned *)(from + 2 * from_leading),
               d = *(const quad_unaligned *)(from + 3 * from_leading);
    const quad ab_low = PX_SHUFFLE(a, b, 0, 4, 1, 5), ab_high = PX_SHUFFLE(a, b, 2, 6, 3, 7);
    const quad cd_low = PX_SHUFFLE(c, d, 0, 4, 1, 5), cd_high = PX_SHUFFLE(c, d, 2, 6, 3, 7);
    *(quad_unaligned *)to = PX_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5);
    *(quad_unaligned *)(to + to_leading) = PX_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7);
    *(quad_unaligned *)(to + 2 * to_leading) = PX_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5);
    *(quad_unaligned *)(to + 3 * to_leading) = PX_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7);
}

/* Strips of 96 columns: runs of `from` are long enough to be fetched ahead, and the lines of `to` that they fill stay
 * near. */
void PX_ISA_NAME(transpose)(const float *from, size_t from_leading, long rows, long columns, float *to,
                            size_t to_leading)
{
    enum { STRIP = 96 };
    const long quads = rows / 4 * 4;
    for (long first = 0; first < columns; first += STRIP) {
        const long last = first + STRIP < columns ? first + STRIP : columns, quad_last = first + (last - first) / 4 * 4;
        for (long r = 0; r < quads; r += 4) {
            for (long c = first; c < quad_last; c += 4)
                transpose_quad(from + (size_t)r * from_leading + c, from_leading, to + (size_t)c * to_leading + r,
                               to_leading);
            for (long c = quad_last; c < last; c++)
                for (long i = r; i < r + 4; i++) to[(size_t)c * to_leading + i] = from[(size_t)i * from_leading + c];
        }
        for (long r = quads; r < rows; r++)
            for (long c = first; c < last; c++) to[(size_t)c * to_leading + r] = from[(size_t)r * from_leading + c];
    }
}

/* Panels side by side, some at a time for the same reason. */
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

void PX_ISA_NAME(pack)(const float *source, size_t row_stride, size_t column_stride, long k_count, long columns,
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

void PX_ISA_NAME(pack_rows)(float *const *rows, long count, long column, long panels, float *to, size_t stride)
{
    for (long p = 0; p < panels; p++, column += PX_PANEL, to += stride)
        for (long i = 0; i < count; i++)
#pragma GCC unroll 2
            for (int v = 0; v < PX_VECTORS; v++)
                store(to + i * PX_PANEL + v * PX_LANES, load(rows[i] + column + v * PX_LANES));
}
