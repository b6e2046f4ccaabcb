/* Matrix instructions of a warpgroup, four warps in a row (wgmma; sm_90a alone): C [64,N] += A [64,k] B [k,N], k = 8
 * words as in matrix.h, N = 8, 16, 24 or 32. A lies in registers, as four fragments of matrix.h, one for each warp; C
 * likewise, its columns in groups of 8; B in shared memory. Sums are fp32.
 *
 * They are asynchronous, and these are the rules (PTX ISA, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate"):
 *
 *     shared_writes_fence()   what ordinary stores and other blocks' have put into shared memory, and a barrier has
 *                             shown to this thread, is there for matrix instructions, too
 *     warpgroup_fence()       before the first that uses registers which have been touched in another way
 *     warpgroup_multiply()    ... any number of these; nobody touches their registers, nor writes what they read
 *     warpgroup_wait()        all of them have ended: C is there, and what they read may be overwritten
 *
 * Each function has a plain twin, as in device.h. In the simulator products arrive at warpgroup_wait(), C is NaN
 * before, B is read at once or as late as that by the schedule, and what is forgotten is named. */
#ifndef PX_WARPGROUP_H
#define PX_WARPGROUP_H

#include "cluster.h"
#include "matrix.h"

enum { PX_WARPGROUP = 4 * PX_WARP };

#if defined(PX_SIMULATOR) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define PX_HAS_WARPGROUPS 1
#endif

/* Which element of C [64,N] a lane's register is: the row in its warp's 16, and the column. */
static inline __host__ __device__ int warpgroup_c_row(int lane, int r) { return fragment_c_row(lane, r % 4); }
static inline __host__ __device__ int warpgroup_c_column(int lane, int r)
{
    return r / 4 * 8 + fragment_c_column(lane, r % 4);
}

/* How B lies in shared memory, as the instruction takes it (matrix descriptor, no swizzle): four words along k of a
 * column are 16 bytes; those of 8 columns follow each other; and such 128 bytes are `along_k` apart along k and
 * `along_columns` along the columns. All are multiples of 16 bytes below 256 KB. */
static inline __host__ __device__ uint64_t shared_matrix(uint32_t address, uint32_t along_k, uint32_t along_columns)
{
    return static_cast<uint64_t>(address >> 4 & 0x3fff) | static_cast<uint64_t>(along_k >> 4 & 0x3fff) << 16 |
           static_cast<uint64_t>(along_columns >> 4 & 0x3fff) << 32;
}

/* The matrix that begins so many bytes later. */
static inline __host__ __device__ uint64_t shared_matrix_at(uint64_t matrix, uint32_t bytes)
{
    return matrix + (bytes >> 4);
}

namespace px_twin
{

/* c [count = N/2] of a lane. a [4,4]: the registers of the four lanes of its rows; memory: of shared address 0. */
template <bool BF16>
static inline __host__ __device__ void warpgroup_multiply(float *c, int count, int lane, const uint32_t (*a)[4],
                                                          const char *memory, uint64_t matrix)
{
    const size_t at = (matrix & 0x3fff) << 4, along_k = (matrix >> 16 & 0x3fff) << 4,
                 along_columns = (matrix >> 32 & 0x3fff) << 4;
    for (int r = 0; r < count; r++) {
        const int column = (r >> 2) * 8 + ((lane & 3) << 1 | (r & 1)), below = (r & 2) >> 1; /* by 8 rows */
        const char *b =
            memory + at + static_cast<size_t>(column / 8) * along_columns + static_cast<size_t>(column % 8) * 16;
        float sum = 0;
        for (int word = 0; word < 8; word++)
            sum += word_product<BF16>(a[word % 4][below + word / 4 * 2],
                                      reinterpret_cast<const uint32_t *>(b + word / 4 * along_k)[word % 4]);
        c[r] += sum;
    }
}

} // namespace px_twin

#ifdef PX_SIMULATOR

/* Of dynamic shared memory, which the simulator numbers from 0. */
static inline uint32_t matrix_address(const void *p)
{
    return static_cast<uint32_t>(static_cast<const char *>(p) - static_cast<const char *>(px_sim::dynamic_shared()));
}

static inline void shared_writes_fence() { px_sim::shared_writes_fence(); }
static inline void warpgroup_fence() { px_sim::warpgroup_fence(); }

/* One that has been given, made now. */
template <bool BF16> static inline void make_product(const px_sim::product &p)
{
    for (unsigned r = 0; !p.adds && r < p.count; r++) p.c[r] = 0;
    px_twin::warpgroup_multiply<BF16>(p.c, static_cast<int>(p.count), static_cast<int>(px_sim::lane()), p.a,
                                      static_cast<const char *>(px_sim::dynamic_shared()), p.matrix);
}

template <bool BF16, int COUNT>
static inline void warpgroup_multiply(float (&c)[COUNT], uint4 a, uint64_t matrix, bool adds)
{
    const uint32_t mine[4] = {a.x, a.y, a.z, a.w};
    const uint32_t *lanes = px_sim::gather(mine, 4, PX_SIM_HERE), *rows = lanes + px_sim::lane() / 4 * 16;
    px_sim::product p = {px_sim::accumulators(c, COUNT, matrix, PX_SIM_HERE), COUNT, {}, matrix, adds};
    for (int k = 0; k < 16; k++) p.a[k / 4][k % 4] = rows[k];
    if (px_sim::products_are_prompt())
        make_product<BF16>(p);
    else
        px_sim::product_later(p, make_product<BF16>);
}

template <int COUNT> static inline void warpgroup_wait(float (&c)[COUNT])
{
    px_sim::product p;
    while (px_sim::product_maker make = px_sim::next_product(&p)) make(p);
    px_sim::land_products(c, PX_SIM_HERE);
}

#elif defined(PX_HAS_WARPGROUPS)

static __device__ __forceinline__ uint32_t matrix_address(const void *p) { return shared_address(p); }

static __device__ __forceinline__ void shared_writes_fence()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

static __device__ __forceinline__ void warpgroup_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

/* All threads of the warpgroup call it, with the same matrix. adds: to what c holds; else c is written anew. */
#define PX_WARPGROUP_MULTIPLY(COUNT, SHAPE, OPERANDS, ADDS, ...)                                                       \
    template <bool BF16>                                                                                               \
    static __device__ __forceinline__ void warpgroup_multiply(float(&c)[COUNT], uint4 a, uint64_t matrix, bool adds)   \
    {                                                                                                                  \
        if (BF16)                                                                                                      \
            asm volatile("{.reg .pred p; setp.ne.b32 p, " ADDS ", 0; wgmma.mma_async.sync.aligned." SHAPE              \
                         "k16.f32.bf16.bf16 " OPERANDS ", p, 1, 1, 0;}"                                                \
                         : __VA_ARGS__                                                                                 \
                         : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(matrix), "r"(static_cast<int>(adds)));          \
        else                                                                                                           \
            asm volatile("{.reg .pred p; setp.ne.b32 p, " ADDS ", 0; wgmma.mma_async.sync.aligned." SHAPE              \
                         "k8.f32.tf32.tf32 " OPERANDS ", p, 1, 1;}"                                                    \
                         : __VA_ARGS__                                                                                 \
                         : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(matrix), "r"(static_cast<int>(adds)));          \
    }
#define PX_FOUR_OF_C(i) "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3])
PX_WARPGROUP_MULTIPLY(4, "m64n8", "{%0,%1,%2,%3}, {%4,%5,%6,%7}, %8", "%9", PX_FOUR_OF_C(0))
PX_WARPGROUP_MULTIPLY(8, "m64n16", "{%0,%1,%2,%3,%4,%5,%6,%7}, {%8,%9,%10,%11}, %12", "%13", PX_FOUR_OF_C(0),
                      PX_FOUR_OF_C(4))
PX_WARPGROUP_MULTIPLY(12, "m64n24", "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11}, {%12,%13,%14,%15}, %16", "%17",
                      PX_FOUR_OF_C(0), PX_FOUR_OF_C(4), PX_FOUR_OF_C(8))
PX_WARPGROUP_MULTIPLY(16, "m64n32", "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15}, {%16,%17,%18,%19}, %20",
                      "%21", PX_FOUR_OF_C(0), PX_FOUR_OF_C(4), PX_FOUR_OF_C(8), PX_FOUR_OF_C(12))
#undef PX_FOUR_OF_C
#undef PX_WARPGROUP_MULTIPLY

/* c: of all that have been given. It passes through here, so that the compiler moves no reading of it ahead. */
template <int COUNT> static __device__ __forceinline__ void warpgroup_wait(float (&c)[COUNT])
{
    asm volatile("wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
    for (int r = 0; r < COUNT; r++) asm volatile("" : "+f"(c[r])::"memory");
}

#endif

#endif
