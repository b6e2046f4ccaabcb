/* Phase recurrence on the GPU: what stands between the products of a step, forward and backward, and dropout.
 *
 * Each step is one cuBLAS product for the whole minibatch (by the engine) and one fused kernel here, which is on the
 * critical path of T steps: every thread reads its operands at once and does one quad. The product is written to its
 * own buffer (beta = 0) and added here, so a reset drops a row's term instead of needing masked copies of H or dZ. */
#include "step.h"

namespace
{

template <bool ALIGNED> __global__ void __launch_bounds__(128) recurrence_forward_kernel(const px_step_forward_args a)
{
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (row >= static_cast<size_t>(a.n) || count <= 0) return;
    float4 recurrent =
        make_float4(0, 0, 0, 0); /* read also where it is dropped: the loads need not wait for the mark */
    if (a.recurrent) recurrent = load_quad<ALIGNED>(a.recurrent + row * a.width + column, count);
    step_forward<ALIGNED>(a, row, column, count, recurrent);
}

template <bool ALIGNED> __global__ void __launch_bounds__(128) recurrence_backward_kernel(const px_step_backward_args a)
{
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (row >= static_cast<size_t>(a.n) || count <= 0) return;
    float4 recurrent = make_float4(0, 0, 0, 0);
    if (a.recurrent) recurrent = load_quad<ALIGNED>(a.recurrent + row * a.width + column, count);
    step_backward<ALIGNED>(a, row, column, count, recurrent);
}

/* ELEMENT is float or px_bf16; values are copied as they are. */
template <class ELEMENT, bool ALIGNED>
__global__ void __launch_bounds__(256)
    recurrence_reset_kernel(ELEMENT *out, const ELEMENT *in, const uint8_t *reset, size_t rows, int width)
{
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = width - column;
    if (row >= rows || count <= 0) return;
    const bool clear = reset[row] != 0;
    const size_t at = row * width + column;
    if (out == in && !clear) return;
    const float4 v = clear ? make_float4(0, 0, 0, 0) : load_quad<ALIGNED>(in + at, count);
    store_quad<ALIGNED>(out + at, v, count);
}

template <bool ALIGNED>
__global__ void __launch_bounds__(256)
    recurrence_dropout_kernel(float *out, px_bf16 *out_bf16, const float *in, const px_dropout dropout,
                              const px_window_scalars *window, int T, int n, int width)
{
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = width - column;
    if (row >= static_cast<size_t>(T) * static_cast<size_t>(n) || count <= 0) return;
    const int t = static_cast<int>(row) / n, i = static_cast<int>(row) - t * n;
    const size_t at = row * width + column;
    float4 v = load_quad<ALIGNED>(in + at, count);
    if (dropout.threshold)
        v = v * dropout_quad(dropout, dropout_row(dropout, window, t, i, width) + static_cast<uint64_t>(column));
    if (out) store_quad<ALIGNED>(out + at, v, count);
    if (out_bf16) store_quad<ALIGNED>(out_bf16 + at, v, count);
}

template <bool ALIGNED>
__global__ void __launch_bounds__(256)
    recurrence_weight_dropout_kernel(float *out, px_bf16 *out_bf16, const float *in, const px_dropout dropout,
                                     const px_window_scalars *window, size_t total, int accumulate)
{
    const size_t at = (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
    if (at >= total) return;
    const int count = total - at < 4 ? static_cast<int>(total - at) : 4;
    float4 v = load_quad<ALIGNED>(in + at, count);
    if (dropout.threshold)
        v = v * dropout_quad(dropout, window->step * static_cast<uint64_t>(total) + static_cast<uint64_t>(at));
    if (accumulate) v = v + load_quad<ALIGNED>(out + at, count);
    if (out) store_quad<ALIGNED>(out + at, v, count);
    if (out_bf16) store_quad<ALIGNED>(out_bf16 + at, v, count);
}

/* A block sums one segment of rows for blockDim.x quads of columns: thread y takes rows y, y + blockDim.y, ..., then
 * the first row of threads adds what the others have, in order. With one segment the sum goes straight onto out. */
template <class ELEMENT, bool ALIGNED>
__global__ void __launch_bounds__(256)
    recurrence_column_sum_kernel(float *out, const ELEMENT *in, size_t rows, int cols, size_t ld, float *partial,
                                 int segments, int accumulate)
{
    PX_SHARED(float4, sums, [256]);
    const int column = static_cast<int>(quad_of_thread() * 4), count = cols - column;
    const size_t begin = static_cast<size_t>(blockIdx.x) * PX_COLUMN_SEGMENT;
    const size_t end = begin + PX_COLUMN_SEGMENT < rows ? begin + PX_COLUMN_SEGMENT : rows;
    float4 sum = make_float4(0, 0, 0, 0);
    if (count > 0)
#pragma unroll 4
        for (size_t row = begin + threadIdx.y; row < end; row += blockDim.y)
            sum = sum + load_quad<ALIGNED>(in + row * ld + column, count);
    sums[threadIdx.y * blockDim.x + threadIdx.x] = sum;
    __syncthreads(); /* column sums of this segment are complete */
    if (threadIdx.y != 0 || count <= 0) return;
    for (unsigned y = 1; y < blockDim.y; y++) sum = sum + sums[y * blockDim.x + threadIdx.x];
    if (segments == 1 && accumulate) sum = load_quad<false>(out + column, count) + sum;
    if (segments == 1)
        store_quad<false>(out + column, sum, count);
    else
        store_quad<false>(partial + static_cast<size_t>(blockIdx.x) * cols + column, sum, count);
}

__global__ void __launch_bounds__(128)
    recurrence_column_join_kernel(float *out, const float *partial, int cols, int segments, int accumulate)
{
    const int j = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (j >= cols) return;
    float sum = 0;
#pragma unroll 8
    for (int s = 0; s < segments; s++) sum += partial[static_cast<size_t>(s) * cols + j];
    out[j] = accumulate ? out[j] + sum : sum;
}

template <class ELEMENT>
cudaError_t launch_reset(void *out, const void *in, const uint8_t *reset, size_t rows, int32_t width,
                         cudaStream_t stream)
{
    /* bound by memory; see embed_forward */
    const row_grid g = row_grid_for(rows, static_cast<size_t>(width), 256);
    ELEMENT *to = static_cast<ELEMENT *>(out);
    const ELEMENT *from = static_cast<const ELEMENT *>(in);
    const size_t ld = static_cast<size_t>(width);
    const bool aligned = px_aligned(out, sizeof(ELEMENT), ld) && px_aligned(in, sizeof(ELEMENT), ld);
    return PX_SWITCH(aligned, ALIGNED,
                     PX_LAUNCH((recurrence_reset_kernel<ELEMENT, ALIGNED>), g.grid, g.block, 0, stream, to, from, reset,
                               rows, width));
}

template <class ELEMENT>
cudaError_t launch_column_sum(float *out, const void *in, size_t rows, int32_t cols, size_t ld, float *partial,
                              int accumulate, cudaStream_t stream)
{
    /* A segment of 128 rows by at most 32 quads: with 640 rows of 10,000 logits that is 395 blocks; narrow matrices get
     * more rows of threads instead. Fixed by the sizes alone, so sums repeat bitwise on every device. */
    const size_t quads = px_ceil_div(static_cast<size_t>(cols), 4);
    unsigned x = 1;
    while (x < quads && x < 32) x *= 2;
    const unsigned segments = px_ceil_div(rows, PX_COLUMN_SEGMENT);
    const dim3 block(x, 256 / x, 1), grid(segments, px_ceil_div(quads, x), 1);
    const ELEMENT *from = static_cast<const ELEMENT *>(in);
    PX_TRY_CUDA(PX_SWITCH(px_aligned(in, sizeof(ELEMENT), ld), ALIGNED,
                          PX_LAUNCH((recurrence_column_sum_kernel<ELEMENT, ALIGNED>), grid, block, 0, stream, out, from,
                                    rows, cols, ld, partial, static_cast<int>(segments), accumulate)));
    if (segments == 1) return cudaSuccess;
    return PX_LAUNCH(recurrence_column_join_kernel, px_ceil_div(static_cast<size_t>(cols), 128), 128, 0, stream, out,
                     partial, cols, static_cast<int>(segments), accumulate);
}

} // namespace

extern "C" cudaError_t px_launch_recurrence_forward(const px_step_forward_args *args, cudaStream_t stream)
{
    if (args->n < 0 || args->width <= 0) return cudaErrorInvalidValue;
    if (args->n == 0) return cudaSuccess;
    /* latency counts, not throughput: n * h / 4 threads are few (4,096 at n=32, h=512), so small blocks use more
     * multiprocessors */
    const row_grid g = row_grid_for(static_cast<size_t>(args->n), static_cast<size_t>(args->width), 128);
    return PX_SWITCH(step_is_aligned(*args), ALIGNED,
                     PX_LAUNCH(recurrence_forward_kernel<ALIGNED>, g.grid, g.block, 0, stream, *args));
}

extern "C" cudaError_t px_launch_recurrence_backward(const px_step_backward_args *args, cudaStream_t stream)
{
    if (args->n < 0 || args->width <= 0) return cudaErrorInvalidValue;
    if (args->n == 0) return cudaSuccess;
    const row_grid g =
        row_grid_for(static_cast<size_t>(args->n), static_cast<size_t>(args->width), 128); /* as forward */
    return PX_SWITCH(step_is_aligned(*args), ALIGNED,
                     PX_LAUNCH(recurrence_backward_kernel<ALIGNED>, g.grid, g.block, 0, stream, *args));
}

extern "C" cudaError_t px_launch_recurrence_reset(void *out, const void *in, const uint8_t *reset, px_element element,
                                                  size_t rows, int32_t width, cudaStream_t stream)
{
    if (width <= 0) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    if (element == PX_ELEMENT_BF16) return launch_reset<px_bf16>(out, in, reset, rows, width, stream);
    return launch_reset<float>(out, in, reset, rows, width, stream);
}

extern "C" cudaError_t px_launch_recurrence_dropout(float *out, px_bf16 *out_bf16, const float *in,
                                                    const px_dropout *dropout, const px_window_scalars *window,
                                                    int32_t T, int32_t n, int32_t width, cudaStream_t stream)
{
    const size_t rows = static_cast<size_t>(T) * static_cast<size_t>(n), ld = static_cast<size_t>(width);
    if (T < 0 || n < 0 || width <= 0 || rows > 0x7fffffffu) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    /* bound by memory and, with narrow rows, by Philox; see embed_forward */
    const row_grid g = row_grid_for(rows, ld, 256);
    const bool aligned = px_aligned(out, sizeof(float), ld) && px_aligned(out_bf16, sizeof(px_bf16), ld) &&
                         px_aligned(in, sizeof(float), ld);
    return PX_SWITCH(aligned, ALIGNED,
                     PX_LAUNCH(recurrence_dropout_kernel<ALIGNED>, g.grid, g.block, 0, stream, out, out_bf16, in,
                               *dropout, window, T, n, width));
}

extern "C" cudaError_t px_launch_recurrence_weight_dropout(float *out, px_bf16 *out_bf16, const float *in,
                                                           const px_dropout *dropout, const px_window_scalars *window,
                                                           size_t total, int32_t accumulate, cudaStream_t stream)
{
    if (total == 0 || (accumulate && !out)) return cudaErrorInvalidValue;
    const unsigned blocks = px_ceil_div(total, 4 * 256); /* once per window and layer: one quad per thread is enough */
    /* the whole matrix is one row here, so its width need not be a multiple of 4 */
    const bool aligned = px_aligned(out, sizeof(float), 4) && px_aligned(out_bf16, sizeof(px_bf16), 4) &&
                         px_aligned(in, sizeof(float), 4);
    return PX_SWITCH(aligned, ALIGNED,
                     PX_LAUNCH(recurrence_weight_dropout_kernel<ALIGNED>, blocks, 256, 0, stream, out, out_bf16, in,
                               *dropout, window, total, accumulate));
}

extern "C" cudaError_t px_launch_column_sum(float *out, const void *in, px_element element, size_t rows, int32_t cols,
                                            size_t ld, float *partial, int32_t accumulate, cudaStream_t stream)
{
    if (cols <= 0 || ld < static_cast<size_t>(cols)) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    if (element == PX_ELEMENT_BF16)
        return launch_column_sum<px_bf16>(out, in, rows, cols, ld, partial, accumulate, stream);
    return launch_column_sum<float>(out, in, rows, cols, ld, partial, accumulate, stream);
}
