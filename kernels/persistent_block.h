/* What a block of the variants "persistent" and "grid" knows of its share of a window, however its state reaches the
 * others: a thread finishes pairs of units, each of one stream. */
#ifndef PX_PERSISTENT_BLOCK_H
#define PX_PERSISTENT_BLOCK_H

#include "device.h"
#include "persistent_plan.h"

/* A launch: the window, and how its streams are cut. */
template <class ARGS> struct persistent_window {
    ARGS a;
    int streams; /* of a cluster */
    int aligned; /* pairs of units lie at even places of rows: one access moves both */
};

/* Two neighbouring units of a row; the second may be past its end. */
static __device__ __forceinline__ float2 load_pair(const float *p, bool both, int aligned)
{
    if (aligned) return *reinterpret_cast<const float2 *>(p);
    return make_float2(p[0], both ? p[1] : 0.0f);
}

static __device__ __forceinline__ void store_pair(float *p, float2 v, bool both, int aligned)
{
    if (aligned) {
        *reinterpret_cast<float2 *>(p) = v;
        return;
    }
    p[0] = v.x;
    if (both) p[1] = v.y;
}

static __device__ __forceinline__ uint32_t bf16_word(float low, float high)
{
    return to_bf16(low) | static_cast<uint32_t>(to_bf16(high)) << 16;
}

static __device__ __forceinline__ void store_pair(px_bf16 *p, float2 v, bool both, int aligned)
{
    if (aligned) {
        *reinterpret_cast<uint32_t *>(p) = bf16_word(v.x, v.y);
        return;
    }
    p[0] = to_bf16(v.x);
    if (both) p[1] = to_bf16(v.y);
}

/* An fp32 number as an operand of one word. */
template <px_precision OPERAND> static __device__ __forceinline__ uint32_t operand_word(float v)
{
    return OPERAND == PX_TF32 ? to_tf32(v) : __float_as_uint(v);
}

static __device__ __forceinline__ void prefetch(const void *p)
{
#if !defined(PX_SIMULATOR) && defined(__CUDA_ARCH__)
    asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
#else
    (void)p;
#endif
}

/* ARGS has T, n, width and stall. */
template <class P, class ARGS> struct persistent_block {
    static constexpr bool BF16 = P::OPERAND == PX_BF16;
    static constexpr int ROW_PAIRS = P::UNITS / 2;

    const ARGS &a;
    const int aligned;
    uint32_t *const state; /* [P::BUFFERS, BUFFER_WORDS] */
    float *const partial;  /* [SLICES, STREAMS, PARTIAL_STRIDE] */
    int thread, rank;      /* rank: of the blocks that hold W_hh together */
    int first, count;      /* streams */

    __device__ __forceinline__ persistent_block(const ARGS &args, int is_aligned, unsigned char *shared, int my_rank,
                                                int my_first, int most)
        : a(args), aligned(is_aligned), state(reinterpret_cast<uint32_t *>(shared + PERSISTENT_STATE_AT)),
          partial(reinterpret_cast<float *>(shared + P::PARTIAL_AT)), thread(static_cast<int>(threadIdx.x)),
          rank(my_rank), first(my_first), count(a.n - my_first < most ? a.n - my_first : most)
    {
    }

    /* Pair j of this thread: which stream of these, which unit of the block and of the layer, whether there is
     * such a one. */
    __device__ __forceinline__ int stream(int j) const { return (thread + j * P::THREADS) / ROW_PAIRS; }
    __device__ __forceinline__ int local(int j) const { return (thread + j * P::THREADS) % ROW_PAIRS * 2; }
    __device__ __forceinline__ int unit(int j) const { return rank * P::UNITS + local(j); }
    __device__ __forceinline__ bool exists(int j) const { return stream(j) < count && unit(j) < a.width; }
    __device__ __forceinline__ bool both(int j) const { return unit(j) + 1 < a.width; }
    /* Its row of the window's arrays at step t, and its place in an array [.., n, width]. */
    __device__ __forceinline__ size_t row(int t, int j) const
    {
        return static_cast<size_t>(t) * a.n + first + stream(j);
    }
    __device__ __forceinline__ size_t place(int t, int j) const { return row(t, j) * a.width + unit(j); }

    /* One word of H_{-1} of a stream; h NULL: zeros. */
    __device__ __forceinline__ uint32_t first_word(const float *h, int i, int word) const
    {
        const int k = word * P::PER_WORD;
        if (!h || i >= count || word >= P::STATE_WORDS || k >= a.width) return 0;
        const float *own = h + static_cast<size_t>(first + i) * a.width;
        return BF16 ? bf16_word(own[k], k + 1 < a.width ? own[k + 1] : 0.0f) : operand_word<P::OPERAND>(own[k]);
    }

    /* State 0 is h [n,width], or nothing; further buffers are zeros. */
    __device__ __forceinline__ void fill(const float *h)
    {
        for (int p = thread; p < P::BUFFERS * P::BUFFER_WORDS; p += P::THREADS)
            state[p] = p < P::BUFFER_WORDS ? first_word(h, P::stream_at(p), P::word_at(p)) : 0;
    }

    /* The product's sum for pair j and gate g of the block's rows, its slices in order. */
    __device__ __forceinline__ float2 join(int j, int g = 0) const
    {
        const float *p = partial + stream(j) * P::PARTIAL_STRIDE + g * P::UNITS + local(j);
        float2 sum = make_float2(0, 0);
#pragma unroll
        for (int slice = 0; slice < P::SLICES; slice++) {
            const float2 v = *reinterpret_cast<const float2 *>(p + slice * P::STREAMS * P::PARTIAL_STRIDE);
            sum.x += v.x;
            sum.y += v.y;
        }
        return sum;
    }
};

#endif
