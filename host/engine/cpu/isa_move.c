/* Moving matrices: transposes, and loading for its own sake. Compiled once per instruction set. */
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

/* Four streams side by side, as a tile of one row reads four panels: the prefetchers then cross pages without a pause
 * (one stream alone got 126 GB/s where four got 136, from 1 MiB on two threads of a Zen 1). Joined by "or", which costs
 * least: sums of floats are no slower there, but would be where additions are fewer than loads. */
uint32_t PX_ISA_NAME(read)(const float *data, long count)
{
    typedef uint32_t bits __attribute__((vector_size(sizeof(vec)), may_alias));
    enum { STREAMS = 4 };
    const long part = count / STREAMS / PX_LANES * PX_LANES;
    bits seen[STREAMS] = {{0}};
    for (long i = 0; i < part; i += PX_LANES) {
        PX_UNROLL_ALL
        for (int s = 0; s < STREAMS; s++) seen[s] |= *(const bits *)(data + s * part + i);
    }
    for (long i = STREAMS * part; i < count; i += PX_LANES) seen[0] |= *(const bits *)(data + i);
    const bits all = seen[0] | seen[1] | seen[2] | seen[3];
    uint32_t result = 0;
    for (int i = 0; i < PX_LANES; i++) result |= all[i];
    return result;
}
