/* Phase head on the GPU, beside the losses of rows (head_loss.cu): their sum, the gradient of the bias,
 * probabilities. */
#include "head_row.h"

namespace
{

enum { SUM_LANES = 32, SUM_QUADS = 32 }; /* threads that share the segments of a quad; quads of a block */

/* The losses, by one block: thread k adds rows k, k + 1024, ... in double, then the block's tree. */
__device__ __forceinline__ void sum_losses(const px_head_sum_args &a, double *scratch, long long *counts)
{
    double sum = 0;
    long long count = 0;
#pragma unroll 4
    for (size_t row = threadIdx.x; row < a.rows; row += blockDim.x) {
        sum += static_cast<double>(a.nll[row]);
        count += a.targets[row] >= 0;
    }
    sum = block_reduce<op_sum>(sum, scratch, 0.0);
    count = block_reduce<op_sum>(count, counts, 0LL);
    if (threadIdx.x != 0) return;
    a.metrics->loss_sum += sum;
    a.metrics->tokens += count;
    if (!a.training) return;
    a.metrics->step_loss += sum;
    if (a.poison && !isfinite(sum)) *a.poison = NAN;
}

/* One quad of the bias gradient: lane k of its SUM_LANES adds segments k, k + SUM_LANES, ..., then the lanes' tree. */
__device__ __forceinline__ void sum_columns(const px_head_sum_args &a, float4 (*parts)[SUM_QUADS])
{
    const int quad = static_cast<int>(threadIdx.x % SUM_QUADS), lane = static_cast<int>(threadIdx.x / SUM_QUADS);
    const size_t j = (static_cast<size_t>(blockIdx.x - 1) * SUM_QUADS + static_cast<size_t>(quad)) * 4;
    float4 sum = make_float4(0, 0, 0, 0);
    if (j < a.ld)
        for (size_t k = static_cast<size_t>(lane); k < a.segments; k += SUM_LANES)
            sum = sum + load_quad<true>(a.partial + k * a.ld + j, 4);
    parts[lane][quad] = sum;
    for (int half = SUM_LANES / 2; half > 0; half /= 2) {
        __syncthreads(); /* what is added now has been written */
        if (lane < half) parts[lane][quad] = sum = sum + parts[lane + half][quad];
    }
    if (lane > 0 || j >= a.ld) return;
    if (a.accumulate) sum = load_quad<true>(a.d_bias + j, 4) + sum;
    store_quad<true>(a.d_bias + j, sum, 4);
}

/* Block 0 adds up the losses, the others the gradient of the bias. */
__global__ void __launch_bounds__(1024, 1) head_sum_kernel(const px_head_sum_args a)
{
    wait_for_stream();
    PX_SHARED(double, scratch, [PX_WARP]);
    PX_SHARED(long long, counts, [PX_WARP]);
    PX_SHARED(float4, parts, [SUM_LANES][SUM_QUADS]);
    if (blockIdx.x == 0)
        sum_losses(a, scratch, counts);
    else
        sum_columns(a, parts);
}

template <bool ALIGNED>
__global__ void __launch_bounds__(512)
    head_softmax_kernel(float *probabilities, const float *logits, const float *bias, int V, size_t ld)
{
    wait_for_stream();
    PX_SHARED(float, scratch, [PX_WARP]);
    const float *in = logits + static_cast<size_t>(blockIdx.x) * ld;
    float *out = probabilities + static_cast<size_t>(blockIdx.x) * static_cast<size_t>(V);
    const row_sum s = sum_row<float, ALIGNED>(in, bias, V, -1, scratch);
    const float scale = 1.0f / s.others;
    for (int j = static_cast<int>(threadIdx.x) * 4; j < V; j += static_cast<int>(blockDim.x) * 4) {
        const float4 o = load_quad<ALIGNED>(in + j, V - j, -INFINITY) + load_quad<ALIGNED>(bias + j, V - j);
        store_quad<ALIGNED>(out + j, weights_of(o, s.max, V - j) * scale, V - j);
    }
}

} // namespace

extern "C" cudaError_t px_launch_head_sum(const px_head_sum_args *args, px_stream stream)
{
    const px_head_sum_args &a = *args;
    if (a.rows == 0) return cudaSuccess;
    if (a.d_bias && !(px_aligned(a.d_bias, sizeof(float), a.ld) && px_aligned(a.partial, sizeof(float), a.ld)))
        return cudaErrorInvalidValue;
    /* one block for the losses: one order; a window's 10^4 rows are 10 reads per thread */
    const unsigned blocks = 1 + (a.d_bias ? px_ceil_div(a.ld, 4 * SUM_QUADS) : 0);
    return PX_LAUNCH(head_sum_kernel, blocks, SUM_LANES * SUM_QUADS, 0, stream, a);
}

extern "C" cudaError_t px_launch_head_softmax(float *probabilities, const float *logits, const float *bias, size_t rows,
                                              int32_t V, size_t ld, px_stream stream)
{
    if (V <= 0 || ld < static_cast<size_t>(V) || rows > 0x7fffffffu) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    const unsigned blocks = static_cast<unsigned>(rows), threads = threads_for_row(static_cast<size_t>(V), 512);
    const bool aligned = px_aligned(probabilities, sizeof(float), static_cast<size_t>(V)) &&
                         px_aligned(logits, sizeof(float), ld) && px_aligned(bias, sizeof(float), 4);
    return PX_SWITCH(
        aligned, ALIGNED,
        PX_LAUNCH(head_softmax_kernel<ALIGNED>, blocks, threads, 0, stream, probabilities, logits, bias, V, ld));
}
