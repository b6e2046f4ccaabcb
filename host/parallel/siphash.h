/* SipHash-2-4: 64 bits that only who knows the 128-bit key can make from a message. Used to show the bootstrap's key to
 * the other side without sending it. Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; a test
 * has their vectors. */
#ifndef PX_SIPHASH_H
#define PX_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t px_siphash_rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline void px_siphash_rounds(uint64_t v[4], int rounds)
{
    for (int i = 0; i < rounds; i++) {
        v[0] += v[1], v[1] = px_siphash_rotate(v[1], 13) ^ v[0], v[0] = px_siphash_rotate(v[0], 32);
        v[2] += v[3], v[3] = px_siphash_rotate(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = px_siphash_rotate(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = px_siphash_rotate(v[1], 17) ^ v[2], v[2] = px_siphash_rotate(v[2], 32);
    }
}

/* Little-endian, so that machines of either kind agree. */
static inline uint64_t px_siphash_word(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++) word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

static inline uint64_t px_siphash(const unsigned char key[16], const void *message, size_t bytes)
{
    const unsigned char *at = message;
    uint64_t k0 = px_siphash_word(key, 8), k1 = px_siphash_word(key + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    for (size_t left = bytes; left >= 8; left -= 8, at += 8) {
        uint64_t word = px_siphash_word(at, 8);
        v[3] ^= word;
        px_siphash_rounds(v, 2);
        v[0] ^= word;
    }
    uint64_t last = px_siphash_word(at, bytes % 8) | (uint64_t)bytes << 56;
    v[3] ^= last;
    px_siphash_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    px_siphash_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
