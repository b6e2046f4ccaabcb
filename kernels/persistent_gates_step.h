/* A step of the variant "persistent" for cells that keep gates (GRU, LSTM). All gates of a unit stand in one block, so
 * forward a block has the rows of its units of every gate and the state is H as in persistent_step.h. Backward the
 * state is the gradient of H_{t-1} W_hh, a segment for each gate. What goes from step to step past W_hh (C, a GRU's
 * (1 - z) path, and their gradients) stays in the registers of the thread that finishes the unit.
 *
 * The sums are in the order of gates.cu. */
#ifndef PX_PERSISTENT_GATES_STEP_H
#define PX_PERSISTENT_GATES_STEP_H

#include "persistent_exchange.h"

#include "cell_maths.h"

/* Half of a pair; which is a constant once loops are unrolled. */
static __device__ __forceinline__ float &half_of(float2 &v, int which) { return which ? v.y : v.x; }
static __device__ __forceinline__ float half_of(const float2 &v, int which) { return which ? v.y : v.x; }

static __device__ __forceinline__ float2 no_pair() { return make_float2(0, 0); }

/* What both directions have. */
template <class P, px_cell CELL, px_stall_kind STALL>
struct persistent_gates : persistent_exchange<P, px_persistent_gates_args, STALL> {
    typedef persistent_exchange<P, px_persistent_gates_args, STALL> base;
    typedef px_cell_type<CELL> cell;
    using base::a, base::aligned, base::unit, base::exists, base::both, base::row, base::place;
    static constexpr int AHEAD = 3;
    static constexpr bool LONE = cell::lone != PX_NO_GATE;

    __device__ __forceinline__ persistent_gates(const persistent_window<px_persistent_gates_args> &w,
                                                unsigned char *shared)
        : base(w, shared)
    {
    }

    /* Pair j's place in an array [T, n, G width], gate g. */
    __device__ __forceinline__ size_t wide_place(int t, int j, int g) const
    {
        return (row(t, j) * cell::gates + g) * a.width + unit(j);
    }
    __device__ __forceinline__ float2 load(const float *p, int j) const { return load_pair(p, both(j), aligned); }
    template <class T> __device__ __forceinline__ void store(T *p, float2 v, int j) const
    {
        store_pair(p, v, both(j), aligned);
    }
    __device__ __forceinline__ unsigned mark(int t, int j) const { return a.reset && t < a.T ? a.reset[row(t, j)] : 0; }
};

template <class P, px_cell CELL> struct persistent_gates_forward : persistent_gates<P, CELL, PX_STALL_GATES_FORWARD> {
    typedef persistent_gates<P, CELL, PX_STALL_GATES_FORWARD> base;
    typedef typename base::cell cell;
    using base::a, base::unit, base::exists, base::both, base::place, base::wide_place;

    /* Of a step: the inputs' terms. Over the window: the biases, and the states before the step. */
    float2 z[P::PAIRS][cell::gates], bias[P::PAIRS][cell::gates], bias_lone[P::PAIRS], states[P::PAIRS][cell::states];
    unsigned drop[P::PAIRS];

    __device__ __forceinline__ persistent_gates_forward(const persistent_window<px_persistent_gates_args> &w,
                                                        unsigned char *shared)
        : base(w, shared)
    {
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            drop[j] = 0;
            bias_lone[j] = no_pair();
            if (base::LONE && exists(j)) bias_lone[j] = load_pair(a.bias_lone + unit(j), both(j), false);
#pragma unroll
            for (int g = 0; g < cell::gates; g++) {
                z[j][g] = bias[j][g] = no_pair();
                if (exists(j)) bias[j][g] = load_pair(a.bias + g * a.width + unit(j), both(j), false);
            }
#pragma unroll
            for (int k = 0; k < cell::states; k++)
                states[j][k] = exists(j) ? base::load(a.state[k] + place(0, j), j) : no_pair();
        }
    }

    __device__ __forceinline__ bool begins_with_state() const { return true; }

    __device__ __forceinline__ void fetch(int s)
    {
        if (s >= a.T) return;
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            if (!exists(j)) continue;
            drop[j] = base::mark(s, j);
#pragma unroll
            for (int g = 0; g < cell::gates; g++) {
                z[j][g] = base::load(a.z + wide_place(s, j, g), j);
                if (s + base::AHEAD < a.T) prefetch(a.z + wide_place(s + base::AHEAD, j, g));
            }
        }
    }

    __device__ __forceinline__ void begin()
    {
        base::open(a.state[0]);
        fetch(0);
        base::meet();
    }

    /* One unit of pair j: product in, z, u and states become what the step leaves. */
    __device__ __forceinline__ void apply(int j, const float2 (&product)[cell::gates], float2 &u, int which)
    {
        px_cell_unit c;
        c.u = 0;
#pragma unroll
        for (int g = 0; g < cell::gates; g++) {
            /* z = xz + keep * product + b; a lone gate's product stands by itself, with a bias of its own */
            const float mine = half_of(product[g], which), input = half_of(z[j][g], which);
            if (g == cell::lone) c.u = mine + half_of(bias_lone[j], which);
            c.z[g] = (g == cell::lone ? input : input + mine) + half_of(bias[j][g], which);
        }
#pragma unroll
        for (int k = 0; k < cell::states; k++) c.before[k] = drop[j] ? 0.0f : half_of(states[j][k], which);
        cell::forward(&c);
#pragma unroll
        for (int g = 0; g < cell::gates; g++) half_of(z[j][g], which) = c.z[g];
#pragma unroll
        for (int k = 0; k < cell::states; k++) half_of(states[j][k], which) = c.now[k];
        half_of(u, which) = c.u;
    }

    /* The step of pair j; returns its u. Units past the layer's width stay exactly 0, also where a state is infinite.
     */
    __device__ __forceinline__ float2 step(int j)
    {
        float2 product[cell::gates], u = no_pair();
        if (!exists(j)) return u;
#pragma unroll
        for (int g = 0; g < cell::gates; g++) product[g] = drop[j] ? no_pair() : base::join(j, g);
        apply(j, product, u, 0);
        if (both(j)) apply(j, product, u, 1);
        return u;
    }

    __device__ __forceinline__ void write(int s, int j, float2 u)
    {
#pragma unroll
        for (int g = 0; g < cell::gates; g++) base::store(a.z + wide_place(s, j, g), z[j][g], j);
        if (base::LONE) base::store(a.u + place(s, j), u, j);
#pragma unroll
        for (int k = 0; k < cell::states; k++) base::store(a.state[k] + place(s + 1, j), states[j][k], j);
        if (base::BF16 && a.h_bf16) base::store(a.h_bf16 + place(s + 1, j), states[j][0], j);
    }

    /* After the __syncthreads() that follows the writing of the partial products. */
    __device__ __forceinline__ void finish(int s)
    {
        float2 u[P::PAIRS];
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            u[j] = step(j);
            if (s + 1 < a.T) base::send(s + 1, j, states[j][0]);
        }
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++)
            if (exists(j)) write(s, j, u[j]);
        fetch(s + 1);
    }
};

template <class P, px_cell CELL> struct persistent_gates_backward : persistent_gates<P, CELL, PX_STALL_GATES_BACKWARD> {
    typedef persistent_gates<P, CELL, PX_STALL_GATES_BACKWARD> base;
    typedef typename base::cell cell;
    using base::a, base::exists, base::both, base::place, base::wide_place;

    /* Of a step: what the forward pass kept, and the gradient from above. From step to step: what was returned past
     * W_hh, and the states. */
    float2 z[P::PAIRS][cell::gates], u[P::PAIRS], d_output[P::PAIRS], returned[P::PAIRS][cell::states],
        before[P::PAIRS][cell::states], now[P::PAIRS][cell::states];
    unsigned drop[P::PAIRS], drop_next[P::PAIRS]; /* marks of this step and of the one after it in time */

    __device__ __forceinline__ persistent_gates_backward(const persistent_window<px_persistent_gates_args> &w,
                                                         unsigned char *shared)
        : base(w, shared)
    {
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            u[j] = d_output[j] = no_pair();
            drop[j] = drop_next[j] = 0;
#pragma unroll
            for (int g = 0; g < cell::gates; g++) z[j][g] = no_pair();
#pragma unroll
            for (int k = 0; k < cell::states; k++) {
                returned[j][k] = now[j][k] = no_pair();
                before[j][k] = exists(j) ? base::load(a.state[k] + place(a.T, j), j) : no_pair();
            }
        }
    }

    __device__ __forceinline__ int time(int s) const { return a.T - 1 - s; }
    __device__ __forceinline__ bool begins_with_state() const { return false; }

    __device__ __forceinline__ void fetch(int s)
    {
        if (s >= a.T) return;
        const int t = time(s), later = t - base::AHEAD;
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            if (!exists(j)) continue;
            drop_next[j] = drop[j];
            drop[j] = base::mark(t, j);
            d_output[j] = base::load(a.d_output + place(t, j), j);
            if (base::LONE) u[j] = base::load(a.u + place(t, j), j);
#pragma unroll
            for (int k = 0; k < cell::states; k++) {
                now[j][k] = before[j][k];
                before[j][k] = base::load(a.state[k] + place(t, j), j);
                if (later >= 0) prefetch(a.state[k] + place(later, j));
            }
#pragma unroll
            for (int g = 0; g < cell::gates; g++) {
                z[j][g] = base::load(a.z + wide_place(t, j, g), j);
                if (later >= 0) prefetch(a.z + wide_place(later, j, g));
            }
            if (later >= 0) prefetch(a.d_output + place(later, j));
        }
    }

    __device__ __forceinline__ void begin()
    {
        base::open(nullptr);
        fetch(0);
        base::meet();
    }

    /* One unit of pair j: what was kept becomes its gradient. */
    __device__ __forceinline__ void apply(int j, float2 product, bool comes_back, int which)
    {
        px_cell_unit c;
        c.u = half_of(u[j], which);
#pragma unroll
        for (int g = 0; g < cell::gates; g++) c.z[g] = half_of(z[j][g], which);
#pragma unroll
        for (int k = 0; k < cell::states; k++) {
            c.before[k] = drop[j] ? 0.0f : half_of(before[j][k], which);
            c.now[k] = half_of(now[j][k], which);
            c.d[k] = comes_back ? half_of(returned[j][k], which) : 0.0f;
        }
        /* dh = d_output + keep_next * (dz_hh_next W_hh + what the step after returned past it) */
        c.d[0] = half_of(d_output[j], which) + half_of(product, which) + c.d[0];
        cell::backward(&c);
#pragma unroll
        for (int g = 0; g < cell::gates; g++) half_of(z[j][g], which) = c.z[g];
#pragma unroll
        for (int k = 0; k < cell::states; k++) half_of(returned[j][k], which) = c.d[k];
        half_of(u[j], which) = c.u;
    }

    __device__ __forceinline__ void step(int s, int j)
    {
        if (!exists(j)) return;
        const bool comes_back = s > 0 && !drop_next[j];
        const float2 product = comes_back ? base::join(j) : no_pair();
        apply(j, product, comes_back, 0);
        if (both(j)) apply(j, product, comes_back, 1);
    }

    /* Gate g of the gradient of H_{t-1} W_hh. */
    __device__ __forceinline__ float2 back(int j, int g) const { return g == cell::lone ? u[j] : z[j][g]; }

    __device__ __forceinline__ void write(int t, int j)
    {
#pragma unroll
        for (int g = 0; g < cell::gates; g++) {
            const size_t to = wide_place(t, j, g);
            base::store(a.z + to, z[j][g], j);
            if (base::BF16) base::store(a.dz_bf16 + to, z[j][g], j);
            if (base::LONE && base::BF16) base::store(static_cast<px_bf16 *>(a.dz_hh) + to, back(j, g), j);
            if (base::LONE && !base::BF16) base::store(static_cast<float *>(a.dz_hh) + to, back(j, g), j);
        }
        if (base::LONE) base::store(a.u + place(t, j), u[j], j);
    }

    __device__ __forceinline__ void finish(int s)
    {
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++) {
            step(s, j);
#pragma unroll
            for (int g = 0; g < cell::gates; g++)
                if (s + 1 < a.T) base::send(s + 1, j, back(j, g), g);
        }
#pragma unroll
        for (int j = 0; j < P::PAIRS; j++)
            if (exists(j)) write(time(s), j);
        fetch(s + 1);
    }
};

#endif
