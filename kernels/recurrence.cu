/* Phase recurrence on the GPU: what stands between the products of a step, forward and backward, and dropout.
 *
 * Each step is one cuBLAS product for the whole minibatch (by the engine) and one fused kernel here, which is on the critical
 * path of T steps: every thread reads its operands at once and does one quad. The product is written to its own buffer
 * (beta = 0) and added here, so a reset drops a row's term instead of needing masked copies of H or dZ. */
#include "device.h"
#include "dropout.h"

#include "cell_maths.h"

namespace {

/* Cells of one gate that keep nothing but H. */
__device__ __forceinline__ float cell_forward(px_cell cell, float z)
{
    px_cell_unit unit;
    unit.z[0] = z;
    if (cell == PX_CELL_RELU) px_cell_relu_forward(&unit);
    else px_cell_tanh_forward(&unit);
    return unit.now[0];
}

__device__ __forceinline__ float cell_backward(px_cell cell, float h, float dh)
{
    px_cell_unit unit;
    unit.now[0] = h;
    unit.d[0] = dh;
    if (cell == PX_CELL_RELU) px_cell_relu_backward(&unit);
    else px_cell_tanh_backward(&unit);
    return unit.z[0];
}

template <bool ALIGNED> __global__ void __launch_bounds__(128) recurrence_forward_kernel(const px_step_forward_args a)
{
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (row >= static_cast<size_t>(a.n) || count <= 0) return;
    const size_t at = row * a.width + column;
    float4 z = load_quad<ALIGNED>(a.xz + at, count);
    const float4 bias = load_quad<ALIGNED>(a.bias + column, count);
    if (a.recurrent) { /* read also where it is dropped: the two loads need not wait for each other */
        const float4 recurrent = load_quad<ALIGNED>(a.recurrent + at, count);
        if (!(a.reset && a.reset[row])) z = z + recurrent;
    }
    /* h = act(xz + keep * recurrent + b) */
    z = z + bias;
    float4 h;
    h.x = cell_forward(a.cell, z.x);
    h.y = cell_forward(a.cell, z.y);
    h.z = cell_forward(a.cell, z.z);
    h.w = cell_forward(a.cell, z.w);
    store_quad<ALIGNED>(a.h + at, h, count);
    if (a.h_bf16) store_quad<ALIGNED>(a.h_bf16 + at, h, count);
    if (!a.output && !a.output_bf16) return;
    if (a.dropout.threshold)
        h = h * dropout_quad(a.dropout, dropout_row(a.dropout, a.window, a.t, static_cast<int>(row), a.width) +
                                            static_cast<uint64_t>(column));
    if (a.output) store_quad<ALIGNED>(a.output + at, h, count);
    if (a.output_bf16) store_quad<ALIGNED>(a.output_bf16 + at, h, count);
}

template <bool ALIGNED> __global__ void __launch_bounds__(128) recurrence_backward_kernel(const px_step_backward_args a)
{
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (row >= static_cast<size_t>(a.n) || count <= 0) return;
    const size_t at = row * a.width + column;
    const float4 h = load_quad<ALIGNED>(a.h + at, count);
    float4 dh = make_float4(0, 0, 0, 0);
    if (a.d_output) dh = load_quad<ALIGNED>(a.d_output + at, count);
    float4 recurrent = make_float4(0, 0, 0, 0);
    if (a.recurrent) {
        recurrent = load_quad<ALIGNED>(a.recurrent + at, count);
        if (a.reset_next && a.reset_next[row]) recurrent = make_float4(0, 0, 0, 0);
    }
    if (a.dropout.threshold)
        dh = dh * dropout_quad(a.dropout, dropout_row(a.dropout, a.window, a.t, static_cast<int>(row), a.width) +
                                              static_cast<uint64_t>(column));
    /* dz = (d_output * mask + keep * dz_next W_hh^T) * act'(h) */
    dh = dh + recurrent;
    float4 dz;
    dz.x = cell_backward(a.cell, h.x, dh.x);
    dz.y = cell_backward(a.cell, h.y, dh.y);
    dz.z = cell_backward(a.cell, h.z, dh.z);
    dz.w = cell_backward(a.cell, h.w, dh.w);
    store_quad<ALIGNED>(a.dz + at, dz, count);
    if (a.dz_bf16) store_quad<ALIGNED>(a.dz_bf16 + at, dz, count);
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
    if (dropout.threshold) v = v * dropout_quad(dropout, window->step * static_cast<uint64_t>(total) + static_cast<uint64_t>(at));
    if (accumulate) v = v + load_quad<ALIGNED>(out + at, count);
    if (out) store_quad<ALIGNED>(out + at, v, count);
    if (out_bf16) store_quad<ALIGNED>(out_bf16 + at, v, count);
}

/* A block sums one segment of rows for blockDim.x quads of columns: thread y takes rows y, y + blockDim.y, ..., then the
 * first row of threads adds what the others have, in order. With one segment the sum goes straight onto out. */
template <class ELEMENT, bool ALIGNED>
__global__ void __launch_bounds__(256)
    recurrence_column_sum_kernel(float *out, const ELEMENT *in, size_t rows, int cols, size_t ld, float *partial, int segments)
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
    if (segments == 1) store_quad<false>(out + column, load_quad<false>(out + column, count) + sum, count);
    else store_quad<false>(partial + static_cast<size_t>(blockIdx.x) * cols + column, sum, count);
}

__global__ void __launch_bounds__(128) recurrence_column_join_kernel(float *out, const float *partial, int cols, int segments)
{
    const int j = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (j >= cols) return;
    float sum = 0;
#pragma unroll 8
    for (int s = 0; s < segments; s++) sum += partial[static_cast<size_t>(s) * cols + j];
    out[j] += sum;
}

template <class ELEMENT>
cudaError_t launch_reset(void *out, const void *in, const uint8_t *reset, size_t rows, int32_t width, cudaStream_t stream)
{
    /* bound by memory; see embed_forward */
    const row_grid g = row_grid_for(rows, static_cast<size_t>(width), 256);
    ELEMENT *to = static_cast<ELEMENT *>(out);
    const ELEMENT *from = static_cast<const ELEMENT *>(in);
    const size_t ld = static_cast<size_t>(width);
    if (px_aligned(out, sizeof(ELEMENT), ld) && px_aligned(in, sizeof(ELEMENT), ld))
        return PX_LAUNCH((recurrence_reset_kernel<ELEMENT, true>), g.grid, g.block, 0, stream, to, from, reset, rows, width);
    return PX_LAUNCH((recurrence_reset_kernel<ELEMENT, false>), g.grid, g.block, 0, stream, to, from, reset, rows, width);
}

template <class ELEMENT>
cudaError_t launch_column_sum(float *out, const void *in, size_t rows, int32_t cols, size_t ld, float *partial,
                              cudaStream_t stream)
{
    /* A segment of 128 rows by at most 32 quads: with 640 rows of 10,000 logits that is 395 blocks; narrow matrices get
     * more rows of threads instead. Fixed by the sizes alone, so sums repeat bitwise on every device. */
    const size_t quads = px_ceil_div(static_cast<size_t>(cols), 4);
    unsigned x = 1;
    while (x < quads && x < 32) x *= 2;
    const unsigned segments = px_ceil_div(rows, PX_COLUMN_SEGMENT);
    const dim3 block(x, 256 / x, 1), grid(segments, px_ceil_div(quads, x), 1);
    const ELEMENT *from = static_cast<const ELEMENT *>(in);
    if (px_aligned(in, sizeof(ELEMENT), ld))
        PX_TRY_CUDA(PX_LAUNCH((recurrence_column_sum_kernel<ELEMENT, true>), grid, block, 0, stream, out, from, rows, cols, ld,
                              partial, static_cast<int>(segments)));
    else
        PX_TRY_CUDA(PX_LAUNCH((recurrence_column_sum_kernel<ELEMENT, false>), grid, block, 0, stream, out, from, rows, cols, ld,
                              partial, static_cast<int>(segments)));
    if (segments == 1) return cudaSuccess;
    return PX_LAUNCH(recurrence_column_join_kernel, px_ceil_div(static_cast<size_t>(cols), 128), 128, 0, stream, out, partial,
                     cols, static_cast<int>(segments));
}

} // namespace

extern "C" cudaError_t px_launch_recurrence_forward(const px_step_forward_args *args, cudaStream_t stream)
{
    if (args->n < 0 || args->width <= 0) return cudaErrorInvalidValue;
    if (args->n == 0) return cudaSuccess;
    /* latency counts, not throughput: n * h / 4 threads are few (4,096 at n=32, h=512), so small blocks use more
     * multiprocessors */
    const size_t width = static_cast<size_t>(args->width);
    const row_grid g = row_grid_for(static_cast<size_t>(args->n), width, 128);
    const bool aligned = px_aligned(args->xz, sizeof(float), width) && px_aligned(args->recurrent, sizeof(float), width) &&
                         px_aligned(args->bias, sizeof(float), width) && px_aligned(args->h, sizeof(float), width) &&
                         px_aligned(args->output, sizeof(float), width) && px_aligned(args->h_bf16, sizeof(px_bf16), width) &&
                         px_aligned(args->output_bf16, sizeof(px_bf16), width);
    if (aligned) return PX_LAUNCH(recurrence_forward_kernel<true>, g.grid, g.block, 0, stream, *args);
    return PX_LAUNCH(recurrence_forward_kernel<false>, g.grid, g.block, 0, stream, *args);
}

extern "C" cudaError_t px_launch_recurrence_backward(const px_step_backward_args *args, cudaStream_t stream)
{
    if (args->n < 0 || args->width <= 0) return cudaErrorInvalidValue;
    if (args->n == 0) return cudaSuccess;
    const size_t width = static_cast<size_t>(args->width);
    const row_grid g = row_grid_for(static_cast<size_t>(args->n), width, 128); /* as forward */
    const bool aligned = px_aligned(args->d_output, sizeof(float), width) && px_aligned(args->recurrent, sizeof(float), width) &&
                         px_aligned(args->h, sizeof(float), width) && px_aligned(args->dz, sizeof(float), width) &&
                         px_aligned(args->dz_bf16, sizeof(px_bf16), width);
    if (aligned) return PX_LAUNCH(recurrence_backward_kernel<true>, g.grid, g.block, 0, stream, *args);
    return PX_LAUNCH(recurrence_backward_kernel<false>, g.grid, g.block, 0, stream, *args);
}

extern "C" cudaError_t px_launch_recurrence_reset(void *out, const void *in, const uint8_t *reset, px_element element,
                                                  size_t rows, int32_t width, cudaStream_t stream)
{
    if (width <= 0) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    if (element == PX_ELEMENT_BF16) return launch_reset<px_bf16>(out, in, reset, rows, width, stream);
    return launch_reset<float>(out, in, reset, rows, width, stream);
}

extern "C" cudaError_t px_launch_recurrence_dropout(float *out, px_bf16 *out_bf16, const float *in, const px_dropout *dropout,
                                                    const px_window_scalars *window, int32_t T, int32_t n, int32_t width,
                                                    cudaStream_t stream)
{
    const size_t rows = static_cast<size_t>(T) * static_cast<size_t>(n), ld = static_cast<size_t>(width);
    if (T < 0 || n < 0 || width <= 0 || rows > 0x7fffffffu) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    /* bound by memory and, with narrow rows, by Philox; see embed_forward */
    const row_grid g = row_grid_for(rows, ld, 256);
    if (px_aligned(out, sizeof(float), ld) && px_aligned(out_bf16, sizeof(px_bf16), ld) && px_aligned(in, sizeof(float), ld))
        return PX_LAUNCH(recurrence_dropout_kernel<true>, g.grid, g.block, 0, stream, out, out_bf16, in, *dropout, window, T, n,
                         width);
    return PX_LAUNCH(recurrence_dropout_kernel<false>, g.grid, g.block, 0, stream, out, out_bf16, in, *dropout, window, T, n,
                     width);
}

extern "C" cudaError_t px_launch_recurrence_weight_dropout(float *out, px_bf16 *out_bf16, const float *in,
                                                           const px_dropout *dropout, const px_window_scalars *window,
                                                           size_t total, int32_t accumulate, cudaStream_t stream)
{
    if (total == 0 || (accumulate && !out)) return cudaErrorInvalidValue;
    const unsigned blocks = px_ceil_div(total, 4 * 256); /* once per window and layer: one quad per thread is enough */
    /* the whole matrix is one row here, so its width need not be a multiple of 4 */
    if (px_aligned(out, sizeof(float), 4) && px_aligned(out_bf16, sizeof(px_bf16), 4) && px_aligned(in, sizeof(float), 4))
        return PX_LAUNCH(recurrence_weight_dropout_kernel<true>, blocks, 256, 0, stream, out, out_bf16, in, *dropout, window,
                         total, accumulate);
    return PX_LAUNCH(recurrence_weight_dropout_kernel<false>, blocks, 256, 0, stream, out, out_bf16, in, *dropout, window, total,
                     accumulate);
}

extern "C" cudaError_t px_launch_column_sum(float *out, const void *in, px_element element, size_t rows, int32_t cols, size_t ld,
                                            float *partial, cudaStream_t stream)
{
    if (cols <= 0 || ld < static_cast<size_t>(cols)) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    if (element == PX_ELEMENT_BF16) return launch_column_sum<px_bf16>(out, in, rows, cols, ld, partial, stream);
    return launch_column_sum<float>(out, in, rows, cols, ld, partial, stream);
}
