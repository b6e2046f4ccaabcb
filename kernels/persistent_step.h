/* A step of the variant "persistent" for cells of one gate: the cell, and what is read and written around it. Off the
 * critical path, once its part of the state has been sent, a thread writes the result and reads what the next step
 * needs. */
#ifndef PX_PERSISTENT_STEP_H
#define PX_PERSISTENT_STEP_H

#include "persistent_block.h"
#include "step.h"

/* EXCHANGE: how the state travels, as persistent_exchange. */
template <class P, bool BACKWARD, class EXCHANGE> struct persistent_steps : EXCHANGE {
    typedef EXCHANGE base;
    using base::a, base::aligned, base::first, base::stream, base::unit, base::exists, base::both, base::row,
        base::place;
    static constexpr int AHEAD = 3;

    float2 x[P::PAIRS], kept[P::PAIRS], bias[P::PAIRS];
    unsigned drop[P::PAIRS]; /* the mark as it was read: to test it at once would be to wait for it */

    template <class WINDOW>
    __device__ __forceinline__ persistent_steps(const WINDOW &w, unsigned char *shared) : base(w, shared)
    {
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            x[j] = kept[j] = bias[j] = make_float2(0, 0);
            drop[j] = 0;
            if (!BACKWARD && exists(j)) bias[j] = load_pair(a.bias + unit(j), both(j), false);
        }
    }

    __device__ __forceinline__ int time(int s) const { return BACKWARD ? a.T - 1 - s : s; }
    /* What step t adds to the product, and the result in its place: the input's term and H_t, or what comes down from
     * above and dZ_t. */
    __device__ __forceinline__ float *at(int t, int j) const
    {
        return BACKWARD ? a.dz + place(t, j) : a.h + place(t + 1, j);
    }

    /* A window's way back begins with nothing, that of a piece with what the piece after it left. */
    __device__ __forceinline__ bool begins_with_state() const { return !BACKWARD || a.dz_after; }

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
            if (a.reset && (marked < a.T || (BACKWARD && a.dz_after))) drop[j] = a.reset[row(marked, j)];
            if (s + AHEAD >= a.T) continue;
            prefetch(at(time(s + AHEAD), j));
            if (BACKWARD) prefetch(a.h + place(time(s + AHEAD) + 1, j));
        }
    }

    /* Before the first step. */
    __device__ __forceinline__ void begin()
    {
        base::open(BACKWARD ? a.dz_after : a.h);
        fetch(0);
        base::meet();
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
        if (!drop[j] && (s > 0 || begins_with_state())) product = base::join(j);
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
            if (s + 1 < a.T) base::send(s + 1, j, out[j]);
        }
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            if (!exists(j)) continue;
            store_pair(at(time(s), j), out[j], both(j), aligned);
            px_bf16 *copy = BACKWARD ? a.dz_bf16 : a.h_bf16;
            if (base::BF16 && copy)
                store_pair(copy + place(BACKWARD ? time(s) : time(s) + 1, j), out[j], both(j), aligned);
        }
        fetch(s + 1);
    }
};

#endif
