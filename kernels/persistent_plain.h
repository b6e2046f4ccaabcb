/* The kernel of the variant "persistent" for cells of one gate, and its launch. */
#ifndef PX_PERSISTENT_PLAIN_H
#define PX_PERSISTENT_PLAIN_H

#include "persistent_exchange.h"
#include "persistent_kernel.h"
#include "persistent_product.h"
#include "persistent_step.h"

template <class P, template <class, bool> class PRODUCT, bool BACKWARD>
__global__ void __launch_bounds__(P::THREADS, 1)
    recurrence_persistent_kernel(const persistent_window<px_persistent_args> w)
{
    wait_for_stream();
#ifdef PX_HAS_CLUSTERS
    PX_DYN_SHARED(unsigned char, shared);
    const PRODUCT<P, BACKWARD> product({w.a.w_hh, w.a.width}, static_cast<int>(cluster_rank()), shared);
    constexpr px_stall_kind STALL = BACKWARD ? PX_STALL_PERSISTENT_BACKWARD : PX_STALL_PERSISTENT_FORWARD;
    persistent_steps<P, BACKWARD, persistent_exchange<P, px_persistent_args, STALL>> steps(w, shared);
    persistent_run(product, steps);
#endif
}

template <class P, template <class, bool> class PRODUCT, bool BACKWARD>
static cudaError_t persistent_launch_plain(const px_persistent_args &a, px_stream stream)
{
    const void *const fp32[] = {a.h, a.dz}, *const bf16[] = {a.h_bf16, a.dz_bf16};
    return persistent_launch<P>(recurrence_persistent_kernel<P, PRODUCT, BACKWARD>, a,
                                persistent_is_aligned(a.width, fp32, 2, bf16, 2), stream);
}

#endif
