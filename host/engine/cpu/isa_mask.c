/* Dropout masks: Philox 4x32-10 (philox.h) for many blocks at a time. Compiled once per instruction set. */
#include "isa_local.h"

enum { BLOCKS = 32 }; /* blocks of four elements made together */

/* Lanes of blocks first .. first + BLOCKS - 1, in element order. The loops run over independent blocks and are vectorised. */
static void philox_blocks(const px_mask *mask, uint64_t first, uint32_t out[4 * BLOCKS])
{
    uint32_t c0[BLOCKS], c1[BLOCKS], c2[BLOCKS], c3[BLOCKS];
    uint32_t k0 = (uint32_t)mask->seed, k1 = (uint32_t)(mask->seed >> 32);
    for (int i = 0; i < BLOCKS; i++) {
        c0[i] = (uint32_t)(first + (uint64_t)i);
        c1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
        c2[i] = mask->layer;
        c3[i] = mask->purpose;
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < BLOCKS; i++) {
        out[4 * i] = c0[i];
        out[4 * i + 1] = c1[i];
        out[4 * i + 2] = c2[i];
        out[4 * i + 3] = c3[i];
    }
}

void PX_ISA_NAME(mask)(float *out, const float *in, long count, const px_mask *mask, uint64_t element)
{
    const uint32_t threshold = mask->threshold;
    const float scale = mask->scale;
    for (long done = 0; done < count;) {
        uint32_t lanes[4 * BLOCKS];
        const uint64_t block = (element + (uint64_t)done) / 4;
        const long skip = (long)((element + (uint64_t)done) % 4);
        const long take = count - done < 4 * BLOCKS - skip ? count - done : 4 * BLOCKS - skip;
        philox_blocks(mask, block, lanes);
        const uint32_t *lane = lanes + skip;
        for (long i = 0; i < take; i++) out[done + i] = lane[i] >= threshold ? in[done + i] * scale : 0.0f;
        done += take;
    }
}
