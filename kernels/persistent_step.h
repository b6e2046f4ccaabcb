/* What surrounds the products of the variant "persistent": the state's way from block to block, the cell, and what is
 * read and written.
 *
 * Step s of a window (the s-th from its end in the backward pass) reads state s: H_{t-1}, or dZ_{t+1}. Every block has
 * all of it in one of two buffers, by s's parity, and makes its own units of state s + 1 from it. A thread finishes
 * pairs of units, each of one stream: it adds the slices' partial products in order, applies the cell, puts its words
 * together with its neighbours' to 16 bytes, and sends these to its share of the cluster's blocks. Then, off the
 * critical path, it writes the result and reads what the next step needs.
 *
 * Why two buffers are enough. Block X writes buffer (s + 1) % 2 of block Y in step s. X is in step s only after all of
 * Y's state s has come, and Y sent that after the __syncthreads() that follows its last reading of state s - 1, which
 * lay in the same buffer. The same holds for the partial products: a warp overwrites them in step s + 1 only after
 * state s + 1 of its own block has come, sent by threads that had read them in step s.
 *
 * Why it does not hang. All blocks of a cluster are on the device together and run the same T steps; the bytes that a
 * phase expects are those of the cluster's streams, known to all; and each block sends its units to every block, itself
 * included, in all steps but the last. */
#ifndef PX_PERSISTENT_STEP_H
#define PX_PERSISTENT_STEP_H

#include "cluster.h"
#include "persistent_plan.h"
#include "step.h"

/* A launch: the window, and how its streams are cut. */
struct persistent_window {
    px_persistent_args a;
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

template <class P, bool BACKWARD> struct persistent_steps {
    static constexpr bool BF16 = P::OPERAND == PX_BF16;
    static constexpr int ROW_PAIRS = P::UNITS / 2;
    static constexpr int GATHER = BF16 ? 4 : 2; /* threads whose words make 16 bytes */
    static constexpr int TARGETS = (P::BLOCKS + GATHER - 1) / GATHER, AHEAD = 3;

    const px_persistent_args &a;
    const int aligned;
    uint64_t *const barrier; /* [2], the start of the block's shared memory */
    uint32_t *const state;   /* [2, STREAMS, STATE_STRIDE] */
    float *const partial;    /* [SLICES, STREAMS, PARTIAL_STRIDE] */
    int thread, lane, rank;
    int first, count; /* streams */
    cluster_address target[TARGETS];
    float2 x[P::PAIRS], kept[P::PAIRS], bias[P::PAIRS];
    unsigned drop[P::PAIRS]; /* the mark as it was read: to test it at once would be to wait for it */

    __device__ __forceinline__ persistent_steps(const persistent_window &w, unsigned char *shared)
        : a(w.a), aligned(w.aligned), barrier(reinterpret_cast<uint64_t *>(shared)),
          state(reinterpret_cast<uint32_t *>(shared + PERSISTENT_STATE_AT)),
          partial(reinterpret_cast<float *>(shared + P::PARTIAL_AT)), thread(static_cast<int>(threadIdx.x)),
          lane(thread % PX_WARP), rank(static_cast<int>(cluster_rank()))
    {
        first = static_cast<int>(blockIdx.x) / P::BLOCKS * w.streams;
        count = a.n - first < w.streams ? a.n - first : w.streams;
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            x[j] = kept[j] = bias[j] = make_float2(0, 0);
            drop[j] = 0;
            if (!BACKWARD && exists(j)) bias[j] = load_pair(a.bias + unit(j), both(j), false);
        }
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

    __device__ __forceinline__ int time(int s) const { return BACKWARD ? a.T - 1 - s : s; }
    /* Its place in an array [.., n, width] of row t. */
    __device__ __forceinline__ size_t place(int t, int j) const
    {
        return (static_cast<size_t>(t) * a.n + first + stream(j)) * a.width + unit(j);
    }
    /* What step t adds to the product, and the result in its place: the input's term and H_t, or what comes down from
     * above and dZ_t. */
    __device__ __forceinline__ float *at(int t, int j) const
    {
        return BACKWARD ? a.dz + place(t, j) : a.h + place(t + 1, j);
    }
    __device__ __forceinline__ unsigned bytes() const { return static_cast<unsigned>(count * P::WORDS * 4); }

    /* Reads what step s needs beside the product, and asks the second-level cache for what a later one does. */
    __device__ __forceinline__ void fetch(int s)
    {
        if (s >= a.T) return;
        const int t = time(s),
                  marked = BACKWARD ? t + 1 : t; /* a reset before step t + 1 keeps dZ_{t+1} from going back */
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            if (!exists(j)) continue;
            x[j] = load_pair(at(t, j), both(j), aligned);
            if (BACKWARD) kept[j] = load_pair(a.h + place(t + 1, j), both(j), aligned);
            if (a.reset && marked < a.T) drop[j] = a.reset[static_cast<size_t>(marked) * a.n + first + stream(j)];
            if (s + AHEAD >= a.T) continue;
            prefetch(at(time(s + AHEAD), j));
            if (BACKWARD) prefetch(a.h + place(time(s + AHEAD) + 1, j));
        }
    }

    /* One word of H_{-1} of a stream. */
    __device__ __forceinline__ uint32_t first_word(int i, int word) const
    {
        const int k = word * P::PER_WORD;
        if (BACKWARD || i >= count || word >= P::WORDS || k >= a.width) return 0;
        const float *row = a.h + static_cast<size_t>(first + i) * a.width;
        return BF16 ? bf16_word(row[k], k + 1 < a.width ? row[k + 1] : 0.0f) : operand_word<P::OPERAND>(row[k]);
    }

    /* Before the first step. */
    __device__ __forceinline__ void begin()
    {
        for (int p = thread; p < 2 * P::STREAMS * P::STATE_STRIDE; p += P::THREADS)
            state[p] = p < P::STREAMS * P::STATE_STRIDE ? first_word(p / P::STATE_STRIDE, p % P::STATE_STRIDE) : 0;
        if (thread == 0) {
            mbarrier_init(barrier, 1);
            mbarrier_init(barrier + 1, 1);
            expect(1);
            expect(2);
        }
        fetch(0);
        __syncthreads(); /* warps are whole again */
        cluster_arrive();
        cluster_wait(); /* barriers and zeros of all blocks are there before anybody sends */
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
            stall(a.stall, {BACKWARD ? PX_STALL_PERSISTENT_BACKWARD : PX_STALL_PERSISTENT_FORWARD, blockIdx.x,
                            static_cast<uint32_t>(s), static_cast<uint32_t>(a.T)});
        if (thread == 0) expect(s + 2);
    }

    /* Where state s lies, in words. */
    static __device__ __forceinline__ int buffer_of(int s) { return s % 2 * P::STREAMS * P::STATE_STRIDE; }
    __device__ __forceinline__ const uint32_t *state_of(int s) const { return state + buffer_of(s); }

    /* The product's sum for pair j, its slices in order. */
    __device__ __forceinline__ float2 join(int j) const
    {
        const float *p = partial + stream(j) * P::PARTIAL_STRIDE + local(j);
        float2 sum = make_float2(0, 0);
#pragma unroll
        for (int slice = 0; slice < P::SLICES; slice++) {
            const float2 v = *reinterpret_cast<const float2 *>(p + slice * P::STREAMS * P::PARTIAL_STRIDE);
            sum.x += v.x;
            sum.y += v.y;
        }
        return sum;
    }

    __device__ __forceinline__ float cell(float input, float product, float b, float h) const
    {
        return BACKWARD ? cell_backward(a.cell, h, input + product) : cell_forward(a.cell, input + product + b);
    }

    /* Units past the layer's width stay exactly 0, also where a state is infinite. */
    __device__ __forceinline__ float2 result(int s, int j) const
    {
        float2 product = make_float2(0, 0), out = make_float2(0, 0);
        if (!exists(j)) return out;
        if (!drop[j] && !(BACKWARD && s == 0)) product = join(j);
        out.x = cell(x[j].x, product.x, bias[j].x, kept[j].x);
        if (both(j)) out.y = cell(x[j].y, product.y, bias[j].y, kept[j].y);
        return out;
    }

    /* After the __syncthreads() that follows the writing of the partial products. */
    __device__ __forceinline__ void finish(int s)
    {
        float2 out[P::PAIRS];
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            out[j] = result(s, j);
            if (s + 1 < a.T) send(s + 1, j, out[j]);
        }
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            if (!exists(j)) continue;
            store_pair(at(time(s), j), out[j], both(j), aligned);
            px_bf16 *copy = BACKWARD ? a.dz_bf16 : a.h_bf16;
            if (BF16 && copy) store_pair(copy + place(BACKWARD ? time(s) : time(s) + 1, j), out[j], both(j), aligned);
        }
        fetch(s + 1);
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

    /* Pair j as a part of state s. */
    __device__ __forceinline__ void send(int s, int j, float2 v)
    {
        const uint4 quad = gather(v);
        if (stream(j) >= count) return;
        const int word = buffer_of(s) + stream(j) * P::STATE_STRIDE + unit(j) / P::PER_WORD / 4 * 4;
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
