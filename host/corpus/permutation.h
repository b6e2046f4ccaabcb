/* A keyed permutation of 0 .. count-1 that needs no array: the shuffled order of windows in random sampling.
 *
 * A balanced Feistel network of 8 rounds over the least even number of bits that holds count (6 at least), whose round
 * function is Philox; values outside the range are sent through again (cycle walking), which leaves a bijection of the
 * range. The domain is below 4 count (or 64), so that few walks are needed.
 * Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002. */
#ifndef PX_PERMUTATION_H
#define PX_PERMUTATION_H

#include "philox.h"

typedef struct px_permutation {
    uint64_t count, seed;
    uint32_t purpose, layer, half_bits;
} px_permutation;

static inline px_permutation px_permutation_make(uint64_t count, uint64_t seed, uint32_t purpose, uint32_t layer)
{
    px_permutation p = {count, seed, purpose, layer, 3};
    while (p.half_bits < 31 && (uint64_t)1 << (2 * p.half_bits) < count) p.half_bits++;
    return p;
}

/* index < count. */
static inline uint64_t px_permutation_at(const px_permutation *p, uint64_t index)
{
    uint32_t mask = ((uint32_t)1 << p->half_bits) - 1;
    do {
        uint32_t left = (uint32_t)(index >> p->half_bits), right = (uint32_t)index & mask;
        for (uint64_t round = 0; round < 8; round++) {
            uint32_t mixed = left ^ (px_philox(p->seed, p->purpose, p->layer, round << 32 | right).lane[0] & mask);
            left = right;
            right = mixed;
        }
        index = (uint64_t)left << p->half_bits | right;
    } while (index >= p->count);
    return index;
}

#endif
