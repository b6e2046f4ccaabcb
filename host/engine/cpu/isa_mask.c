/* Dropout masks: Philox 4x32-10 (philox.h) for many blocks at a time. Compiled once per instruction set. */
#include "isa_local.h"

enum { BLOCKS = 32 }; /* blocks of four elements made together */

/* Both halves of 32 x 32 -> 64 bit products of whole vectors: what Philox is made of, and what compilers do not find by
 * themselves. */
#if defined(__AVX512F__)
#include <immintrin.h>
enum { WORDS = 16 };
typedef uint32_t words __attribute__((vector_size(64), may_alias));
static inline __attribute__((always_inline)) void multiply(words c, uint32_t factor, words *high, words *low)
{
    const __m512i m = _mm512_set1_epi64(factor), a = (__m512i)c;
    const __m512i even = _mm512_mul_epu32(a, m), odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), m);
    *low = (words)_mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
    *high = (words)_mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
}
#elif defined(__AVX2__)
#include <immintrin.h>
enum { WORDS = 8 };
typedef uint32_t words __attribute__((vector_size(32), may_alias));
static inline __attribute__((always_inline)) void multiply(words c, uint32_t factor, words *high, words *low)
{
    const __m256i m = _mm256_set1_epi64x(factor), a = (__m256i)c;
    const __m256i even = _mm256_mul_epu32(a, m), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), m);
    *low = (words)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    *high = (words)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}
#else
enum { WORDS = 4 };
typedef uint32_t words __attribute__((vector_size(16), may_alias));
static inline __attribute__((always_inline)) void multiply(words c, uint32_t factor, words *high, words *low)
{
    for (int i = 0; i < WORDS; i++) {
        const uint64_t product = (uint64_t)factor * c[i];
        (*high)[i] = (uint32_t)(product >> 32);
        (*low)[i] = (uint32_t)product;
    }
}
#endif

/* out[4 i + l] = c_l[i]: 4 x 4 transposes of quarters. */
static inline __attribute__((always_inline)) void interleave(words c0, words c1, words c2, words c3, uint32_t *out)
{
    typedef uint32_t quad __attribute__((vector_size(16), may_alias));
    const words columns[4] = {c0, c1, c2, c3};
    for (int q = 0; q < WORDS / 4; q++) {
        const quad a = ((const quad *)&columns[0])[q], b = ((const quad *)&columns[1])[q];
        const quad c = ((const quad *)&columns[2])[q], d = ((const quad *)&columns[3])[q];
        const quad ab_low = PX_SHUFFLE(a, b, 0, 4, 1, 5), ab_high = PX_SHUFFLE(a, b, 2, 6, 3, 7);
        const quad cd_low = PX_SHUFFLE(c, d, 0, 4, 1, 5), cd_high = PX_SHUFFLE(c, d, 2, 6, 3, 7);
        quad *to = (quad *)(out + 16 * q);
        to[0] = PX_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5);
        to[1] = PX_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7);
        to[2] = PX_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5);
        to[3] = PX_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7);
    }
}

/* Lanes of blocks first .. first + BLOCKS - 1, in element order. */
static void philox_blocks(const px_mask *mask, uint64_t first, uint32_t out[4 * BLOCKS])
{
    for (int begin = 0; begin < BLOCKS; begin += WORDS) {
        words c0 = {0}, c1 = {0}, c2 = (words){0} + mask->layer, c3 = (words){0} + mask->purpose;
        uint32_t k0 = (uint32_t)mask->seed, k1 = (uint32_t)(mask->seed >> 32);
        for (int i = 0; i < WORDS; i++) {
            c0[i] = (uint32_t)(first + (uint64_t)(begin + i));
            c1[i] = (uint32_t)((first + (uint64_t)(begin + i)) >> 32);
        }
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++) {
            words high0 = {0}, low0 = {0}, high2 = {0}, low2 = {0};
            multiply(c0, 0xD2511F53u, &high0, &low0);
            multiply(c2, 0xCD9E8D57u, &high2, &low2);
            c0 = high2 ^ c1 ^ k0;
            c2 = high0 ^ c3 ^ k1;
            c1 = low2;
            c3 = low0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        interleave(c0, c1, c2, c3, out + 4 * begin);
    }
}

void PX_ISA_NAME(mask)(float *out, const float *in, long count, const px_mask *mask, uint64_t element)
{
    const uint32_t threshold = mask->threshold;
    const float scale = mask->scale;
    for (long done = 0; done < count;) {
        uint32_t lanes[4 * BLOCKS] __attribute__((aligned(64)));
        const uint64_t block = (element + (uint64_t)done) / 4;
        const long skip = (long)((element + (uint64_t)done) % 4);
        const long take = count - done < 4 * BLOCKS - skip ? count - done : 4 * BLOCKS - skip;
        philox_blocks(mask, block, lanes);
        const uint32_t *lane = lanes + skip;
        for (long i = 0; i < take; i++) out[done + i] = lane[i] >= threshold ? in[done + i] * scale : 0.0f;
        done += take;
    }
}
