/* The variant "wide": as "persistent", with products of warpgroups, so that a cluster takes up to 32 streams with the
 * registers that W_hh has anyway. Its kernel, and the launches by precision, each in a file of its own since they take
 * the compiler's time.
 *
 * Why warpgroups. What an mma.sync of 8 streams reads of the state, both rows of a block's warps read anew, and leave
 * 8 slices' partial sums, written and read again; a warpgroup's product reads it once for all 64 rows of the block, and
 * leaves 4 slices. At h = 1,024 and 19 streams in columns of 24 that is 127 KB of shared memory a step and block,
 * what comes from the other blocks included, instead of 215. */
#ifndef PX_WIDE_H
#define PX_WIDE_H

#include "persistent_exchange.h"
#include "persistent_kernel.h"
#include "persistent_product.h"
#include "persistent_step.h"
#include "warpgroup.h"

/* width is one of their list's (persistent_plan.h), cudaErrorInvalidValue else. */
cudaError_t wide_tf32(const px_persistent_args &a, int width, bool backward, px_stream stream);
cudaError_t wide_bf16(const px_persistent_args &a, int width, bool backward, px_stream stream);

#ifdef PX_HAS_WARPGROUPS

/* A warpgroup's slice of k. Columns past the streams hold zeros, or what a window before had; nobody reads their sums.
 */
template <class P, bool BACKWARD> struct warpgroup_product {
    uint4 kept[P::STEPS];
    int lane, row, slice; /* row: of the warp's fragments */

    __device__ __forceinline__ uint4 load(const persistent_weights &a, int rank, int step) const
    {
        uint32_t w[4];
#pragma unroll
        for (int r = 0; r < 4; r++)
            w[r] = weight_word<P, BACKWARD>(a, rank, row + fragment_a_row(lane, r),
                                            (slice * P::STEPS + step) * 8 + fragment_a_word(lane, r));
        return make_uint4(w[0], w[1], w[2], w[3]);
    }

    __device__ __forceinline__ warpgroup_product(const persistent_weights &a, int rank, unsigned char *shared)
    {
        constexpr int STAGED = static_cast<int>((P::BYTES - PERSISTENT_STATE_AT) / (P::WARPS * 512));
        const int warp = static_cast<int>(threadIdx.x) / PX_WARP;
        lane = static_cast<int>(threadIdx.x) % PX_WARP;
        row = warp % 4 * 16;
        slice = warp / 4;
        load_by_stages<STAGED>(kept,
                               reinterpret_cast<uint4 *>(shared + PERSISTENT_STATE_AT) + warp * STAGED * PX_WARP + lane,
                               [&](int step) { return load(a, rank, step); });
        __syncthreads(); /* the state takes the place of what was staged */
    }

    template <int N>
    __device__ __forceinline__ void multiply_columns(const uint32_t *state, float *partial, int count) const
    {
        constexpr uint32_t QUAD_BYTES = P::QUAD_STRIDE * 4;
        const uint64_t b = shared_matrix(matrix_address(state) + slice * P::STEPS * 2 * QUAD_BYTES, QUAD_BYTES, 128);
        float c[N / 2] = {};
        warpgroup_fence();
#pragma unroll
        for (int step = 0; step < P::STEPS; step++)
            warpgroup_multiply<P::OPERAND == PX_BF16>(c, kept[step], shared_matrix_at(b, step * 2 * QUAD_BYTES),
                                                      step > 0);
        warpgroup_wait(c);
#pragma unroll
        for (int r = 0; r < N / 2; r++) {
            const int stream = warpgroup_c_column(lane, r), unit = row + warpgroup_c_row(lane, r);
            if (stream < count) partial[(slice * P::STREAMS + stream) * P::PARTIAL_STRIDE + unit] = c[r];
        }
    }

    __device__ __forceinline__ void multiply(const uint32_t *state, float *partial, int count) const
    {
        __syncwarp(); /* the step's wait has parted them, and the instructions are of whole warps */
        shared_writes_fence();
        if (count <= 8)
            multiply_columns<8>(state, partial, count);
        else if (count <= 16)
            multiply_columns<16>(state, partial, count);
        else if (count <= 24)
            multiply_columns<24>(state, partial, count);
        else
            multiply_columns<32>(state, partial, count);
    }
};

#endif

template <class P, bool BACKWARD>
__global__ void __launch_bounds__(P::THREADS, 1) recurrence_wide_kernel(const persistent_window<px_persistent_args> w)
{
    wait_for_stream();
#ifdef PX_HAS_WARPGROUPS
    PX_DYN_SHARED(unsigned char, shared);
    const warpgroup_product<P, BACKWARD> product({w.a.w_hh, w.a.width}, static_cast<int>(cluster_rank()), shared);
    constexpr px_stall_kind STALL = BACKWARD ? PX_STALL_WIDE_BACKWARD : PX_STALL_WIDE_FORWARD;
    persistent_steps<P, BACKWARD, persistent_exchange<P, px_persistent_args, STALL>> steps(w, shared);
    persistent_run(product, steps);
#else
    __trap(); /* sm_90 beside sm_90a in one build: better a fault than nothing computed */
#endif
}

template <class P, bool BACKWARD> static cudaError_t wide_launch(const px_persistent_args &a, px_stream stream)
{
    const void *const fp32[] = {a.h, a.dz}, *const bf16[] = {a.h_bf16, a.dz_bf16};
    return persistent_launch<P>(recurrence_wide_kernel<P, BACKWARD>, a,
                                persistent_is_aligned(a.width, fp32, 2, bf16, 2), stream);
}

#endif
