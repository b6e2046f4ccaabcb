/* The state's way from block to block in the variant "persistent", and the sums of the products: what is the same
 * whatever the cell does with them.
 *
 * Step s of a window (the s-th from its end in the backward pass) reads state s: H_{t-1}, or the gradients of what W_hh
 * gave to step t + 1. Every block has all of it in one of two buffers, by s's parity, and makes its own units of state
 * s + 1 from it. A thread finishes pairs of units, each of one stream: it adds the slices' partial products in order,
 * applies the cell, puts its words together with its neighbours' to 16 bytes, and sends these to its share of the
 * cluster's blocks.
 *
 * Why two buffers are enough. Block X writes buffer (s + 1) % 2 of block Y in step s. X is in step s only after all of
 * Y's state s has come, and Y sent that after the __syncthreads() that follows its last reading of state s - 1, which
 * lay in the same buffer. The same holds for the partial products: a warp overwrites them in step s + 1 only after
 * state s + 1 of its own block has come, sent by threads that had read them in step s.
 *
 * Why it does not hang. All blocks of a cluster are on the device together and run the same T steps; the bytes that a
 * phase expects are those of the cluster's streams, known to all; and each block sends its units to every block, itself
 * included, in all steps but the last. */
#ifndef PX_PERSISTENT_EXCHANGE_H
#define PX_PERSISTENT_EXCHANGE_H

#include "cluster.h"
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

/* ARGS has T, n, width and stall. STALL: what a wait in vain is called. */
template <class P, class ARGS, px_stall_kind STALL> struct persistent_exchange {
    static constexpr bool BF16 = P::OPERAND == PX_BF16;
    static constexpr int ROW_PAIRS = P::UNITS / 2;
    static constexpr int GATHER = BF16 ? 4 : 2; /* threads whose words make 16 bytes */
    static constexpr int TARGETS = (P::BLOCKS + GATHER - 1) / GATHER;

    const ARGS &a;
    const int aligned;
    uint64_t *const barrier; /* [2], the start of the block's shared memory */
    uint32_t *const state;   /* [2, STREAMS, STATE_STRIDE] */
    float *const partial;    /* [SLICES, STREAMS, PARTIAL_STRIDE] */
    int thread, lane, rank;
    int first, count; /* streams */
    cluster_address target[TARGETS];

    __device__ __forceinline__ persistent_exchange(const persistent_window<ARGS> &w, unsigned char *shared)
        : a(w.a), aligned(w.aligned), barrier(reinterpret_cast<uint64_t *>(shared)),
          state(reinterpret_cast<uint32_t *>(shared + PERSISTENT_STATE_AT)),
          partial(reinterpret_cast<float *>(shared + P::PARTIAL_AT)), thread(static_cast<int>(threadIdx.x)),
          lane(thread % PX_WARP), rank(static_cast<int>(cluster_rank()))
    {
        first = static_cast<int>(blockIdx.x) / P::BLOCKS * w.streams;
        count = a.n - first < w.streams ? a.n - first : w.streams;
        /* every block begins with another one: all send at once */
#pragma unroll
        for (int q = 0; q < TARGETS; q++)
            target[q] = cluster_map(shared, static_cast<unsigned>((lane % GATHER + q * GATHER + rank) % P::BLOCKS));
    }

    /* Pair j of this thread: which stream of the cluster, which unit of the block and of the layer, whether there is
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
    __device__ __forceinline__ unsigned bytes() const { return static_cast<unsigned>(count * P::STATE_WORDS * 4); }

    /* One word of H_{-1} of a stream; h NULL: zeros. */
    __device__ __forceinline__ uint32_t first_word(const float *h, int i, int word) const
    {
        const int k = word * P::PER_WORD;
        if (!h || i >= count || word >= P::STATE_WORDS || k >= a.width) return 0;
        const float *own = h + static_cast<size_t>(first + i) * a.width;
        return BF16 ? bf16_word(own[k], k + 1 < a.width ? own[k + 1] : 0.0f) : operand_word<P::OPERAND>(own[k]);
    }

    /* Before the first step: state 0 is h [n,width], or nothing. */
    __device__ __forceinline__ void open(const float *h)
    {
        for (int p = thread; p < 2 * P::STREAMS * P::STATE_STRIDE; p += P::THREADS)
            state[p] = p < P::STREAMS * P::STATE_STRIDE ? first_word(h, p / P::STATE_STRIDE, p % P::STATE_STRIDE) : 0;
        if (thread == 0) {
            mbarrier_init(barrier, 1);
            mbarrier_init(barrier + 1, 1);
            expect(1);
            expect(2);
        }
    }

    /* After that, and before anybody sends: barriers and zeros of all blocks are there. */
    __device__ __forceinline__ void meet()
    {
        __syncthreads(); /* warps are whole again */
        cluster_arrive();
        cluster_wait();
    }

    /* Tells its barrier how much state s will be; by one thread. */
    __device__ __forceinline__ void expect(int s)
    {
        if (s < a.T) mbarrier_expect(barrier + s % 2, bytes());
    }

    /* Until state s > 0 has come. State 1 is its barrier's phase 0, and so is state 2; and so on in turns. */
    __device__ __forceinline__ void wait(int s)
    {
        if (!mbarrier_wait(barrier + s % 2, static_cast<unsigned>((s - 1) / 2 % 2)))
            ::stall(a.stall, {STALL, blockIdx.x, static_cast<uint32_t>(s), static_cast<uint32_t>(a.T)});
        if (thread == 0) expect(s + 2);
    }

    /* Where state s lies, in words. */
    static __device__ __forceinline__ int buffer_of(int s) { return s % 2 * P::STREAMS * P::STATE_STRIDE; }
    __device__ __forceinline__ const uint32_t *state_of(int s) const { return state + buffer_of(s); }

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

    /* The 16 bytes of which pair j is a part; all lanes call it. */
    __device__ __forceinline__ uint4 gather(float2 v) const
    {
        const int lead = lane / GATHER * GATHER;
        __syncwarp(); /* a shuffle orders nothing: all have read the partial sums of what one of them sends */
        if (BF16) {
            const uint32_t word = bf16_word(v.x, v.y);
            return make_uint4(__shfl_sync(~0u, word, lead), __shfl_sync(~0u, word, lead + 1),
                              __shfl_sync(~0u, word, lead + 2), __shfl_sync(~0u, word, lead + 3));
        }
        const uint32_t low = operand_word<P::OPERAND>(v.x), high = operand_word<P::OPERAND>(v.y);
        return make_uint4(__shfl_sync(~0u, low, lead), __shfl_sync(~0u, high, lead), __shfl_sync(~0u, low, lead + 1),
                          __shfl_sync(~0u, high, lead + 1));
    }

    /* Pair j as a part of state s; of its segment g where a state has one for each gate. */
    __device__ __forceinline__ void send(int s, int j, float2 v, int g = 0)
    {
        const uint4 quad = gather(v);
        if (stream(j) >= count) return;
        const int word = buffer_of(s) + stream(j) * P::STATE_STRIDE + (g * P::WIDTH + unit(j)) / P::PER_WORD / 4 * 4;
        const unsigned offset = static_cast<unsigned>(PERSISTENT_STATE_AT + word * 4);
#pragma unroll
        for (int q = 0; q < TARGETS; q++)
            if (lane % GATHER + q * GATHER < P::BLOCKS)
                store_async(target[q] + offset, quad, target[q] + static_cast<unsigned>(s % 2 * 8));
    }

    /* A block stays until all have received what they wait for. */
    __device__ __forceinline__ void end()
    {
        __syncthreads();
        cluster_arrive();
        cluster_wait();
    }
};

#endif
