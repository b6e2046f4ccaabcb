/* The CUDA vocabulary of the kernels beyond the language itself: quads of elements, bfloat16, reductions of a warp and
 * a block.
 *
 * What uses PTX or an intrinsic has a plain C++ twin of the same name in namespace px_twin: the simulator runs the
 * twin, and on a GPU tests/cuda_on_cpu/conformance.cu compares both. Everything else compiles everywhere as it stands.
 */
#ifndef PX_DEVICE_H
#define PX_DEVICE_H

#include "kernels.h"
#include "launch.h"

#include <math.h>
#include <stdint.h>

enum { PX_WARP = 32 };

/* ---- twins ------------------------------------------------------------------------------------------------------- */

namespace px_twin
{

/* Nearest even; NaN becomes the one that hardware makes. */
static inline __host__ __device__ px_bf16 to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
    return static_cast<px_bf16>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static inline __host__ __device__ float4 load_once(const float4 *p) { return *p; }

static inline __host__ __device__ void store_once(float4 *p, float4 v) { *p = v; }

} // namespace px_twin

/* bfloat16 of x, round to nearest even. */
static __device__ __forceinline__ px_bf16 to_bf16(float x)
{
#if !defined(PX_SIMULATOR) && defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    px_bf16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
#else
    return px_twin::to_bf16(x);
#endif
}

/* A quad that is read or written once per step and should not push others out of the L2 cache. */
static __device__ __forceinline__ float4 load_once(const float4 *p)
{
#if !defined(PX_SIMULATOR) && defined(__CUDA_ARCH__)
    return __ldcs(p);
#else
    return px_twin::load_once(p);
#endif
}

static __device__ __forceinline__ void store_once(float4 *p, float4 v)
{
#if !defined(PX_SIMULATOR) && defined(__CUDA_ARCH__)
    __stcs(p, v);
#else
    px_twin::store_once(p, v);
#endif
}

/* Between two looks at what another block will write. In the simulator others run meanwhile. */
static __device__ __forceinline__ void spin_pause()
{
#if defined(PX_SIMULATOR)
    px_sim::pause();
#elif defined(__CUDA_ARCH__)
    __nanosleep(20);
#endif
}

/* Looks at what another block will write before a wait counts as in vain: seconds on a device. */
#ifdef PX_SIMULATOR
enum { PX_SPIN_TRIES = 1 << 14 };
#else
enum { PX_SPIN_TRIES = 1 << 24 };
#endif

/* A counter in device memory that blocks of one launch count up and look at. Who has seen a number sees, after the
 * block's next barrier its whole block sees, what all those wrote before who made it that large; their blocks before
 * their last barrier. */
static __device__ __forceinline__ void counter_add(unsigned *counter)
{
#if defined(PX_SIMULATOR)
    px_sim::counter_add(counter);
#elif defined(__CUDA_ARCH__)
    __threadfence();
    atomicAdd(counter, 1);
#endif
}

/* The same, and how many came before: what they wrote is seen as by counter_read. */
static __device__ __forceinline__ unsigned counter_next(unsigned *counter)
{
#if defined(PX_SIMULATOR)
    return px_sim::counter_next(counter);
#elif defined(__CUDA_ARCH__)
    __threadfence();
    const unsigned before = atomicAdd(counter, 1);
    __threadfence();
    return before;
#else
    return (*counter)++;
#endif
}

static __device__ __forceinline__ unsigned counter_read(const unsigned *counter)
{
#if defined(PX_SIMULATOR)
    return px_sim::counter_read(counter);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
    unsigned v;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(counter) : "memory");
    return v;
#else
    return *counter;
#endif
}

/* What other blocks of this launch have written: not from the first-level cache, which may hold what was there before.
 */
static __device__ __forceinline__ uint4 load_shared_by_blocks(const uint4 *p)
{
#if !defined(PX_SIMULATOR) && defined(__CUDA_ARCH__)
    return __ldcg(p);
#else
    return *p;
#endif
}

static __device__ __forceinline__ double load_shared_by_blocks(const double *p)
{
#if !defined(PX_SIMULATOR) && defined(__CUDA_ARCH__)
    return __ldcg(p);
#else
    return *p;
#endif
}

/* Ends the launch with an error: this thread has waited in vain. what: left in *record for the host, unless NULL. Of
 * several threads the last one's words stay, whole. */
static __device__ __forceinline__ void stall(px_stall *record, px_stall what)
{
    if (record) *reinterpret_cast<uint4 *>(record) = make_uint4(what.kind, what.block, what.step, what.T);
#if defined(PX_SIMULATOR)
    px_sim::trap();
#elif defined(__CUDA_ARCH__)
    __threadfence_system(); /* the host sees it before the launch ends */
    __trap();
#endif
}

/* The first thing that every thread of every kernel does. Launched with `overlap` (stream.h) it waits until what is
 * before the kernel in the stream has ended and what that wrote can be seen; else it returns at once.
 *
 * Then it lets the kernel that follows come, should that overlap. It comes once all blocks of this one have got here or
 * ended, so that all of them are on the device and none can be kept from it by one that waits; and since they get here
 * after their own wait, everything before this kernel has ended by then: who waits for one kernel has waited for all.
 * (PTX, griddepcontrol, which asks this of one thread of a block; the rule for all is easier to keep.) */
#ifndef PX_SIMULATOR
static __device__ __forceinline__ void wait_for_stream()
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}
#endif

static __device__ __forceinline__ float from_bf16(px_bf16 x) { return __uint_as_float(static_cast<uint32_t>(x) << 16); }

/* ---- quads: four neighbouring elements of a row, the unit of work of a thread ------------------------------------ */

/* ALIGNED: the row starts at a multiple of 4 elements of an aligned buffer, and one access of 16 (bf16: 8) bytes moves
 * a whole quad. Otherwise, and for the last, partial quad, elements are moved one by one; count of them exist (1..4),
 * the rest read as fill. */
template <bool ALIGNED> static __device__ __forceinline__ float4 load_quad(const float *p, int count, float fill = 0.0f)
{
    if (ALIGNED && count >= 4) return *reinterpret_cast<const float4 *>(p);
    float4 v;
    v.x = p[0];
    v.y = count > 1 ? p[1] : fill;
    v.z = count > 2 ? p[2] : fill;
    v.w = count > 3 ? p[3] : fill;
    return v;
}

template <bool ALIGNED>
static __device__ __forceinline__ float4 load_quad(const px_bf16 *p, int count, float fill = 0.0f)
{
    if (ALIGNED && count >= 4) {
        uint2 bits = *reinterpret_cast<const uint2 *>(p);
        return make_float4(__uint_as_float(bits.x << 16), __uint_as_float(bits.x & 0xffff0000u),
                           __uint_as_float(bits.y << 16), __uint_as_float(bits.y & 0xffff0000u));
    }
    float4 v;
    v.x = from_bf16(p[0]);
    v.y = count > 1 ? from_bf16(p[1]) : fill;
    v.z = count > 2 ? from_bf16(p[2]) : fill;
    v.w = count > 3 ? from_bf16(p[3]) : fill;
    return v;
}

template <bool ALIGNED> static __device__ __forceinline__ void store_quad(float *p, float4 v, int count)
{
    if (ALIGNED && count >= 4) {
        *reinterpret_cast<float4 *>(p) = v;
        return;
    }
    p[0] = v.x;
    if (count > 1) p[1] = v.y;
    if (count > 2) p[2] = v.z;
    if (count > 3) p[3] = v.w;
}

template <bool ALIGNED> static __device__ __forceinline__ void store_quad(px_bf16 *p, float4 v, int count)
{
    if (ALIGNED && count >= 4) {
        uint2 bits;
        bits.x = to_bf16(v.x) | static_cast<uint32_t>(to_bf16(v.y)) << 16;
        bits.y = to_bf16(v.z) | static_cast<uint32_t>(to_bf16(v.w)) << 16;
        *reinterpret_cast<uint2 *>(p) = bits;
        return;
    }
    p[0] = to_bf16(v.x);
    if (count > 1) p[1] = to_bf16(v.y);
    if (count > 2) p[2] = to_bf16(v.z);
    if (count > 3) p[3] = to_bf16(v.w);
}

static __device__ __forceinline__ float4 operator+(float4 a, float4 b)
{
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

static __device__ __forceinline__ float4 operator-(float4 a, float4 b)
{
    return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
}

static __device__ __forceinline__ float4 operator*(float4 a, float4 b)
{
    return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}

static __device__ __forceinline__ float4 operator*(float4 a, float b)
{
    return make_float4(a.x * b, a.y * b, a.z * b, a.w * b);
}

/* ---- which thread does which quad -------------------------------------------------------------------------------- */

/* A grid over rows x quads of a row: threadIdx.x counts quads, threadIdx.y rows, so that no thread divides. */
struct row_grid {
    dim3 grid, block;
};

static inline unsigned px_ceil_div(size_t a, size_t b) { return static_cast<unsigned>((a + b - 1) / b); }

/* x is the power of two that covers a row's quads, at most `threads`; rows fill the rest of the block. Grid x runs over
 * rows, which may be many (up to 2^31 - 1), grid y over pieces of a row. */
static inline row_grid row_grid_for(size_t rows, size_t width, unsigned threads)
{
    size_t quads = px_ceil_div(width, 4);
    unsigned x = 1;
    while (x < quads && x < threads) x *= 2;
    row_grid g;
    g.block = dim3(x, threads / x, 1);
    g.grid = dim3(px_ceil_div(rows, g.block.y), px_ceil_div(quads, x), 1);
    return g;
}

static __device__ __forceinline__ size_t row_of_thread()
{
    return static_cast<size_t>(blockIdx.x) * blockDim.y + threadIdx.y;
}

static __device__ __forceinline__ size_t quad_of_thread()
{
    return static_cast<size_t>(blockIdx.y) * blockDim.x + threadIdx.x;
}

/* May rows of this buffer be moved by quads? (NULL: nothing is moved.) */
static inline bool px_aligned(const void *base, size_t element_bytes, size_t ld)
{
    return ld % 4 == 0 && reinterpret_cast<uintptr_t>(base) % (4 * element_bytes) == 0;
}

/* ---- reductions: every order is fixed by the sizes --------------------------------------------------------------- */

struct op_sum {
    template <class T> static __device__ __forceinline__ T of(T a, T b) { return a + b; }
};
struct op_max {
    static __device__ __forceinline__ float of(float a, float b) { return fmaxf(a, b); }
};

/* All lanes of the warp call it and all get the result. */
template <class OP, class T> static __device__ __forceinline__ T warp_reduce(T v)
{
#pragma unroll
    for (int offset = PX_WARP / 2; offset > 0; offset /= 2) v = OP::of(v, __shfl_xor_sync(0xffffffffu, v, offset));
    return v;
}

/* All threads of a block of full warps (one dimension) call it and all get the result. scratch: 32 values in shared
 * memory, free again after the next barrier that all threads pass; the first barrier makes it safe to call twice in a
 * row. */
template <class OP, class T> static __device__ __forceinline__ T block_reduce(T v, T *scratch, T identity)
{
    const unsigned lane = threadIdx.x % PX_WARP, warp = threadIdx.x / PX_WARP, warps = blockDim.x / PX_WARP;
    v = warp_reduce<OP>(v);
    __syncthreads(); /* the last call's readers are done */
    if (lane == 0) scratch[warp] = v;
    __syncthreads(); /* all warps have written */
    v = lane < warps ? scratch[lane] : identity;
    return warp_reduce<OP>(v);
}

#endif
