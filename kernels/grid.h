/* The kernel of the variant "grid", and its launch; and the launches by precision, each in a file of its own since they
 * take the compiler's time. */
#ifndef PX_GRID_H
#define PX_GRID_H

#include "grid_exchange.h"
#include "persistent_kernel.h"
#include "persistent_product.h"
#include "persistent_step.h"

/* width is one of their list's (persistent_plan.h), cudaErrorInvalidValue else. */
cudaError_t grid_fp32(const px_grid_args &g, int width, bool backward, px_stream stream);
cudaError_t grid_tf32(const px_grid_args &g, int width, bool backward, px_stream stream);
cudaError_t grid_bf16(const px_grid_args &g, int width, bool backward, px_stream stream);

template <class P, template <class, bool> class PRODUCT, bool BACKWARD>
__global__ void __launch_bounds__(P::THREADS, 1) recurrence_grid_kernel(const grid_window w)
{
    wait_for_stream();
    constexpr px_stall_kind STALL = BACKWARD ? PX_STALL_GRID_BACKWARD : PX_STALL_GRID_FORWARD;
    const int group = static_cast<int>(blockIdx.x) / P::BLOCKS;
    PX_DYN_SHARED(unsigned char, shared);
    const PRODUCT<P, BACKWARD> product({w.a.w_hh, w.a.width}, static_cast<int>(blockIdx.x) % P::BLOCKS, shared);
    unsigned passed = 0;
    for (int first = group * w.streams; first < w.a.n; first += w.groups * w.streams) {
        persistent_steps<P, BACKWARD, grid_exchange<P, STALL>> steps(grid_turn{w, first, passed}, shared);
        persistent_run(product, steps);
        passed += static_cast<unsigned>(w.a.T - 1);
    }
}

/* Streams of a group: so few that all have one turn, where that can be. No number depends on it. */
template <class P> static inline int grid_streams(const px_persistent_args &a)
{
    const int at_once = a.multiprocessors / P::BLOCKS;
    const int streams = at_once > 0 ? (a.n + at_once - 1) / at_once : a.n;
    return streams < P::STREAMS ? streams : P::STREAMS;
}

template <class P, template <class, bool> class PRODUCT, bool BACKWARD>
static cudaError_t grid_launch(const px_grid_args &g, px_stream stream)
{
    static_assert(P::BYTES <= 64 * 1024, "what a block may have everywhere");
    const px_persistent_args &a = g.window;
    const void *const fp32[] = {a.h, a.dz}, *const bf16[] = {a.h_bf16, a.dz_bf16};
    const int streams = grid_streams<P>(a), most = a.multiprocessors / P::BLOCKS,
              wanted = (a.n + streams - 1) / streams;
    if (most == 0) return cudaErrorInvalidValue;
    grid_window w = {};
    w.a = a, w.streams = streams, w.groups = wanted < most ? wanted : most;
    w.counters = static_cast<unsigned *>(g.workspace);
    w.words = static_cast<uint32_t *>(g.workspace) + px_grid_counter_words(a.n);
    w.aligned = persistent_is_aligned(a.width, fp32, 2, bf16, 2);
    px_launch_attributes attributes = {};
    attributes.cooperative = true;
    PX_TRY_CUDA(PX_ALLOW_SHARED((recurrence_grid_kernel<P, PRODUCT, BACKWARD>), P::BYTES));
    return PX_LAUNCH_WITH(attributes, (recurrence_grid_kernel<P, PRODUCT, BACKWARD>), w.groups * P::BLOCKS, P::THREADS,
                          P::BYTES, stream, w);
}

#endif
