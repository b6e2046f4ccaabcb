/* The kernel of the variant "persistent" for cells that keep gates, and its launch. */
#ifndef PX_PERSISTENT_GATES_H
#define PX_PERSISTENT_GATES_H

#include "persistent_gates_step.h"
#include "persistent_kernel.h"
#include "persistent_product.h"

#include <type_traits>

template <class P, template <class, bool> class PRODUCT, px_cell CELL, bool BACKWARD>
__global__ void __launch_bounds__(P::THREADS, 1)
    gates_persistent_kernel(const persistent_window<px_persistent_gates_args> w)
{
    wait_for_stream();
#ifdef PX_HAS_CLUSTERS
    typedef std::conditional_t<BACKWARD, persistent_gates_backward<P, CELL>, persistent_gates_forward<P, CELL>>
        steps_of;
    PX_DYN_SHARED(unsigned char, shared);
    const PRODUCT<P, BACKWARD> product({w.a.w_hh, w.a.width}, static_cast<int>(cluster_rank()), shared);
    steps_of steps(w, shared);
    persistent_run(product, steps);
#endif
}

template <class P, template <class, bool> class PRODUCT, px_cell CELL, bool BACKWARD>
static cudaError_t persistent_launch_gates(const px_persistent_gates_args &a, px_stream stream)
{
    const bool wide_bf16 = a.operand == PX_BF16;
    const void *const fp32[] = {a.z, a.u, a.state[0], a.state[1], a.d_output, wide_bf16 ? nullptr : a.dz_hh};
    const void *const bf16[] = {a.h_bf16, a.dz_bf16, wide_bf16 ? a.dz_hh : nullptr};
    return persistent_launch<P>(gates_persistent_kernel<P, PRODUCT, CELL, BACKWARD>, a,
                                persistent_is_aligned(a.width, fp32, 6, bf16, 3), stream);
}

/* A launch by what is known when it is called. LAUNCH<CELL, BACKWARD>::of(a, stream). */
template <template <px_cell, bool> class LAUNCH>
static cudaError_t persistent_gates_switch(const px_persistent_gates_args &a, bool backward, px_stream stream)
{
    if (a.cell == PX_CELL_GRU) return PX_SWITCH(backward, BACKWARD, LAUNCH<PX_CELL_GRU, BACKWARD>::of(a, stream));
    return PX_SWITCH(backward, BACKWARD, LAUNCH<PX_CELL_LSTM, BACKWARD>::of(a, stream));
}

#endif
