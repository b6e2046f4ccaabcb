/* Matrix instructions of a warp: C [16,8] += A [16,k] B [k,8], k = 16 of bf16 or 8 of tf32, sums in fp32.
 *
 * Operands are words of 32 bits along k: two bf16, the lower half first, or one tf32. In words both have 8 along k and
 * the same layout, so one kernel serves both. Each function has a plain twin in px_twin, as in device.h. Source of the
 * layouts: PTX ISA, "Matrix Fragments for mma.m16n8k16" and "m16n8k8". */
#ifndef PX_MATRIX_H
#define PX_MATRIX_H

#include "device.h"

/* Which element of its matrix a lane's register is: of A row and word, of C row and column. B [word, column] is
 * register r of lane 4 column + word % 4, r = word / 4. */
static inline __host__ __device__ int fragment_a_row(int lane, int r) { return lane / 4 + r % 2 * 8; }
static inline __host__ __device__ int fragment_a_word(int lane, int r) { return lane % 4 + r / 2 * 4; }
static inline __host__ __device__ int fragment_c_row(int lane, int r) { return lane / 4 + r / 2 * 8; }
static inline __host__ __device__ int fragment_c_column(int lane, int r) { return lane % 4 * 2 + r % 2; }

namespace px_twin
{

/* To 10 bits of mantissa, ties away from zero; NaN becomes the one that hardware makes. */
static inline __host__ __device__ uint32_t to_tf32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffffffu;
    if ((bits & 0x7fffffffu) == 0x7f800000u) return bits;
    return (bits + 0x1000u) & 0xffffe000u;
}

static inline __host__ __device__ float float_of_word(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* a . b of two words. */
template <bool BF16> static inline __host__ __device__ float word_product(uint32_t a, uint32_t b)
{
    if (!BF16) return float_of_word(a) * float_of_word(b);
    return float_of_word(a << 16) * float_of_word(b << 16) +
           float_of_word(a & 0xffff0000u) * float_of_word(b & 0xffff0000u);
}

/* words [32,6]: every lane's registers of A (4) and B (2). Where they stand is written out once more here, so that a
 * mistake above does not meet itself. */
template <bool BF16>
static inline __host__ __device__ void matrix_multiply(float (&c)[4], int lane, const uint32_t *words)
{
    for (int r = 0; r < 4; r++) {
        const int row = r < 2 ? lane >> 2 : (lane >> 2) + 8, column = (lane & 3) << 1 | (r & 1);
        const uint32_t *a = words + row % 8 * 4 * 6, *b = words + column * 4 * 6;
        float sum = 0;
        for (int word = 0; word < 8; word++)
            sum += word_product<BF16>(a[word % 4 * 6 + row / 8 + word / 4 * 2], b[word % 4 * 6 + 4 + word / 4]);
        c[r] += sum;
    }
}

} // namespace px_twin

/* x as a tf32 operand. */
static __device__ __forceinline__ uint32_t to_tf32(float x)
{
#if !defined(PX_SIMULATOR) && defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    uint32_t y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
#else
    return px_twin::to_tf32(x);
#endif
}

/* All lanes of a warp call it. */
template <bool BF16>
static __device__ __forceinline__ void matrix_multiply(float (&c)[4], uint4 a, uint32_t b0, uint32_t b1)
{
#if defined(PX_SIMULATOR)
    const uint32_t mine[6] = {a.x, a.y, a.z, a.w, b0, b1};
    px_twin::matrix_multiply<BF16>(c, static_cast<int>(px_sim::lane()), px_sim::gather(mine, 6, PX_SIM_HERE));
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    if (BF16)
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
    else
        asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
#endif
}

#endif
