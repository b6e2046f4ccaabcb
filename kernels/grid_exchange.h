/* The state's way from block to block in the variant "grid": device memory, and a counter for the blocks that hold
 * W_hh together (a group).
 *
 * A block writes its units of state s + 1 in step s, arrives at its group's counter, waits until all of the group have,
 * and copies the whole state into its shared memory, past the first-level cache, which may hold what lay there before.
 *
 * Why two places in device memory are enough. Block X writes place (s + 1) % 2 in step s, after the group's barrier of
 * state s. Every block arrived there after it had copied state s - 1, which lay in the same place.
 *
 * Why it does not hang. The launch is cooperative, so all blocks run, and all of a group pass the same barriers. */
#ifndef PX_GRID_EXCHANGE_H
#define PX_GRID_EXCHANGE_H

#include "persistent_block.h"

/* A launch: the window, and how its streams are cut. A group takes `streams` of them at a time, in turns where the
 * groups together do not take all. */
struct grid_window {
    px_persistent_args a;
    unsigned *counters; /* [groups], zeros */
    uint32_t *words;    /* [2, n, words of a state] */
    int streams, groups, aligned;
};

/* Some streams of a group, from `first` on; its barriers begin at number `passed`. */
struct grid_turn {
    const grid_window &w;
    int first;
    unsigned passed;
};

/* STALL: what a wait in vain is called. */
template <class P, px_stall_kind STALL> struct grid_exchange : persistent_block<P, px_persistent_args> {
    typedef persistent_block<P, px_persistent_args> base;
    using base::a, base::state, base::thread, base::first, base::count, base::stream, base::unit, base::BF16;

    uint32_t *const words;
    unsigned *const counter;
    const unsigned passed;

    __device__ __forceinline__ grid_exchange(const grid_turn &turn, unsigned char *shared)
        : base(turn.w.a, turn.w.aligned, shared, static_cast<int>(blockIdx.x) % P::BLOCKS, turn.first, turn.w.streams),
          words(turn.w.words), counter(turn.w.counters + blockIdx.x / P::BLOCKS), passed(turn.passed)
    {
    }

    /* Before the first step: state 0 is h [n,width], or nothing. */
    __device__ __forceinline__ void open(const float *h) { base::fill(h); }

    /* After that. */
    __device__ __forceinline__ void meet() { __syncthreads(); }

    /* Stream i of state s in device memory. */
    __device__ __forceinline__ uint32_t *row_of(int s, int i) const
    {
        return words + (static_cast<size_t>(s % 2) * a.n + first + i) * P::STATE_WORDS;
    }

    /* Until all blocks have written state s > 0; by one thread. */
    __device__ __forceinline__ void wait_for_group(int s)
    {
        const unsigned all = P::BLOCKS * (passed + static_cast<unsigned>(s));
        unsigned tries = 0;
        counter_add(counter);
        while (counter_read(counter) < all) {
            if (++tries == PX_SPIN_TRIES)
                ::stall(a.stall, {STALL, blockIdx.x, static_cast<uint32_t>(s), static_cast<uint32_t>(a.T)});
            spin_pause();
        }
    }

    /* Until state s > 0 is in this block's shared memory. */
    __device__ __forceinline__ void wait(int s)
    {
        constexpr int QUADS = P::STATE_WORDS / 4;
        __syncthreads(); /* all units of this block are written, and all warps have read the state before */
        if (thread == 0) wait_for_group(s);
        __syncthreads(); /* the other blocks' are there */
        for (int p = thread; p < count * QUADS; p += P::THREADS)
            *reinterpret_cast<uint4 *>(state + p / QUADS * P::STATE_STRIDE + p % QUADS * 4) =
                load_shared_by_blocks(reinterpret_cast<const uint4 *>(row_of(s, p / QUADS)) + p % QUADS);
        __syncthreads(); /* the state is whole */
    }

    __device__ __forceinline__ const uint32_t *state_of(int) const { return state; }

    /* Pair j as a part of state s. */
    __device__ __forceinline__ void send(int s, int j, float2 v)
    {
        if (stream(j) >= count) return;
        uint32_t *to = row_of(s, stream(j)) + unit(j) / P::PER_WORD;
        if (BF16)
            *to = bf16_word(v.x, v.y);
        else
            *reinterpret_cast<uint2 *>(to) = make_uint2(operand_word<P::OPERAND>(v.x), operand_word<P::OPERAND>(v.y));
    }

    /* The next turn may overwrite what this block has. */
    __device__ __forceinline__ void end() { __syncthreads(); }
};

#endif
