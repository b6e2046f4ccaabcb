/* What the kernels of the variant "persistent" share: the steps of a window, and how streams are cut and launched. */
#ifndef PX_PERSISTENT_KERNEL_H
#define PX_PERSISTENT_KERNEL_H

#include "persistent_product.h"

/* All steps of a window. */
template <class PRODUCT, class STEPS>
static __device__ __forceinline__ void persistent_run(const PRODUCT &product, STEPS &steps)
{
    steps.begin();
    for (int s = 0; s < steps.a.T; s++) {
        if (s > 0) steps.wait(s);
        if (s > 0 || steps.begins_with_state()) product.multiply(steps.state_of(s), steps.partial, steps.count);
        __syncthreads(); /* the partial sums of all warps are there, and all have read state s */
        steps.finish(s);
    }
    steps.end();
}

/* Streams of a cluster: the fewest with which the clusters need no more waves than with all that one can take. A step's
 * time grows with them, and every wave costs all steps anew. A cluster is of one group of multiprocessors, so that not
 * all find a place (of 132 an H200 has 7 times 16, and 15 or 16 times 8): one fewer is reckoned with, for one too many
 * would cost a wave. No number depends on it: a row's sums have one order. */
template <class P, class ARGS> static inline int persistent_streams(const ARGS &a)
{
    const int fit = a.multiprocessors / P::BLOCKS - (P::BLOCKS >= 4 ? 1 : 0), at_once = fit > 0 ? fit : 1;
    const int waves = (a.n + at_once * P::STREAMS - 1) / (at_once * P::STREAMS);
    return (a.n + at_once * waves - 1) / (at_once * waves);
}

/* Launches it with the window's clusters. */
template <class P, class ARGS>
static cudaError_t persistent_launch(void (*window_kernel)(persistent_window<ARGS>), const ARGS &a, bool aligned,
                                     px_stream stream)
{
    const persistent_window<ARGS> w = {a, persistent_streams<P>(a), aligned};
    const unsigned clusters = px_ceil_div(static_cast<size_t>(a.n), static_cast<size_t>(w.streams));
    px_launch_attributes attributes = {};
    attributes.cluster = P::BLOCKS;
    PX_TRY_CUDA(PX_ALLOW_SHARED(window_kernel, P::BYTES));
    if (P::BLOCKS > 8) PX_TRY_CUDA(PX_ALLOW_LARGE_CLUSTERS(window_kernel));
    return PX_LAUNCH_WITH(attributes, window_kernel, clusters * P::BLOCKS, P::THREADS, P::BYTES, stream, w);
}

/* Pairs of a row in any of these arrays can be moved at once: width even, and every base at an even place. */
static inline bool persistent_is_aligned(int width, const void *const *fp32, int floats, const void *const *bf16,
                                         int halves)
{
    uintptr_t all = 0;
    for (int i = 0; i < floats; i++) all |= reinterpret_cast<uintptr_t>(fp32[i]);
    for (int i = 0; i < halves; i++) all |= reinterpret_cast<uintptr_t>(bf16[i]) * 2;
    return width % 2 == 0 && all % (2 * sizeof(float)) == 0;
}

#endif
