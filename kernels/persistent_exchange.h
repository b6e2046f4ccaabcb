/* The state's way from block to block in the variant "persistent": a cluster's shared memory.
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
#include "persistent_block.h"

/* STALL: what a wait in vain is called. */
template <class P, class ARGS, px_stall_kind STALL> struct persistent_exchange : persistent_block<P, ARGS> {
    typedef persistent_block<P, ARGS> base;
    using base::a, base::state, base::thread, base::rank, base::count, base::stream, base::unit, base::BF16;
    static constexpr int GATHER = BF16 ? 4 : 2; /* threads whose words make 16 bytes */
    static constexpr int TARGETS = (P::BLOCKS + GATHER - 1) / GATHER;

    uint64_t *const barrier; /* [2], the start of the block's shared memory */
    int lane;
    cluster_address target[TARGETS];

    __device__ __forceinline__ persistent_exchange(const persistent_window<ARGS> &w, unsigned char *shared)
        : base(w.a, w.aligned, shared, static_cast<int>(cluster_rank()),
               static_cast<int>(blockIdx.x) / P::BLOCKS * w.streams, w.streams),
          barrier(reinterpret_cast<uint64_t *>(shared)), lane(thread % PX_WARP)
    {
        /* every block begins with another one: all send at once */
#pragma unroll
        for (int q = 0; q < TARGETS; q++)
            target[q] = cluster_map(shared, static_cast<unsigned>((lane % GATHER + q * GATHER + rank) % P::BLOCKS));
    }

    __device__ __forceinline__ unsigned bytes() const { return static_cast<unsigned>(count * P::STATE_WORDS * 4); }

    /* Before the first step: state 0 is h [n,width], or nothing. */
    __device__ __forceinline__ void open(const float *h)
    {
        base::fill(h);
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
    static __device__ __forceinline__ int buffer_of(int s) { return s % 2 * P::BUFFER_WORDS; }
    __device__ __forceinline__ const uint32_t *state_of(int s) const { return state + buffer_of(s); }

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
        const int word = buffer_of(s) + P::state_at(stream(j), (g * P::WIDTH + unit(j)) / P::PER_WORD / 4 * 4);
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
