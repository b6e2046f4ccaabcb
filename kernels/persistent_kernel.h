/* The kernel of the variant "persistent", and its launch: one layer's whole window. */
#ifndef PX_PERSISTENT_KERNEL_H
#define PX_PERSISTENT_KERNEL_H

#include "persistent_product.h"

template <class P, template <class, bool> class PRODUCT, bool BACKWARD>
__global__ void __launch_bounds__(P::THREADS, 1) recurrence_persistent_kernel(const persistent_window w)
{
#ifdef PX_HAS_CLUSTERS
    PX_DYN_SHARED(unsigned char, shared);
    const PRODUCT<P, BACKWARD> product(w.a, static_cast<int>(cluster_rank()), shared);
    persistent_steps<P, BACKWARD> steps(w, shared);
    steps.begin();
    for (int s = 0; s < w.a.T; s++) {
        if (s > 0) steps.wait(s);
        if (s > 0 || !BACKWARD) product.multiply(steps.state_of(s), steps.partial, steps.count);
        __syncthreads(); /* the partial sums of all warps are there, and all have read state s */
        steps.finish(s);
    }
    steps.end();
#endif
}

/* Streams of a cluster: so few that all clusters run at once, where that can be. A cluster of 16 blocks does not fit
 * everywhere that 16 multiprocessors are left (7 of them on 132, as measured on an H200). No number depends on it: a
 * row's sums have one order. */
template <class P> static inline int persistent_streams(const px_persistent_args &a)
{
    const int at_once = a.multiprocessors / P::BLOCKS - (P::BLOCKS > 8 ? 1 : 0);
    const int streams = at_once > 0 ? (a.n + at_once - 1) / at_once : a.n;
    return streams < P::STREAMS ? streams : P::STREAMS;
}

static inline bool persistent_is_aligned(const px_persistent_args &a)
{
    const uintptr_t fp32 = reinterpret_cast<uintptr_t>(a.h) | reinterpret_cast<uintptr_t>(a.dz);
    const uintptr_t bf16 = reinterpret_cast<uintptr_t>(a.h_bf16) | reinterpret_cast<uintptr_t>(a.dz_bf16);
    return a.width % 2 == 0 && fp32 % (2 * sizeof(float)) == 0 && bf16 % (2 * sizeof(px_bf16)) == 0;
}

template <class P, template <class, bool> class PRODUCT, bool BACKWARD>
static cudaError_t persistent_launch(const px_persistent_args &a, cudaStream_t stream)
{
    const persistent_window w = {a, persistent_streams<P>(a), persistent_is_aligned(a)};
    const unsigned clusters = px_ceil_div(static_cast<size_t>(a.n), static_cast<size_t>(w.streams));
    px_launch_attributes attributes = {};
    attributes.cluster = P::BLOCKS;
    PX_TRY_CUDA(PX_ALLOW_SHARED((recurrence_persistent_kernel<P, PRODUCT, BACKWARD>), P::BYTES));
    if (P::BLOCKS > 8) PX_TRY_CUDA(PX_ALLOW_LARGE_CLUSTERS((recurrence_persistent_kernel<P, PRODUCT, BACKWARD>)));
    return PX_LAUNCH_WITH(attributes, (recurrence_persistent_kernel<P, PRODUCT, BACKWARD>), clusters * P::BLOCKS,
                          P::THREADS, P::BYTES, stream, w);
}

#endif
