/* Phase recurrence on the GPU: what stands between the products of a step, forward and backward, what follows
 * them, and dropout.
 *
 * Each step is one cuBLAS product for the whole minibatch (by the engine) and one fused kernel here, which is on the
 * critical path of T steps: every thread reads its operands at once and does one quad. The product is written to its
 * own buffer (beta = 0) and added here, so a reset drops a row's term instead of needing masked copies of H or dZ. */
#include "states.h"
#include "step.h"

namespace
{

template <bool ALIGNED> __global__ void __launch_bounds__(128) recurrence_forward_kernel(const px_step_forward_args a)
{
    wait_for_stream();
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
    wait_for_stream();
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (row >= static_cast<size_t>(a.n) || count <= 0) return;
    float4 recurrent = make_float4(0, 0, 0, 0);
    if (a.recurrent) recurrent = load_quad<ALIGNED>(a.recurrent + row * a.width + column, count);
    step_backward<ALIGNED>(a, row, column, count, recurrent);
}

template <bool ALIGNED>
__global__ void __launch_bounds__(256)
    recurrence_dropout_kernel(float *out, px_bf16 *out_bf16, const float *in, const px_dropout dropout,
                              const px_window_scalars *window, int first, int T, int n, int width)
{
    wait_for_stream();
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = width - column;
    if (row >= static_cast<size_t>(T) * static_cast<size_t>(n) || count <= 0) return;
    const int t = static_cast<int>(row) / n, i = static_cast<int>(row) - t * n;
    const size_t at = row * width + column;
    float4 v = load_quad<ALIGNED>(in + at, count);
    if (dropout.threshold)
        v = v *
            dropout_quad(dropout, dropout_row(dropout, window, first + t, i, width) + static_cast<uint64_t>(column));
    if (out) store_quad<ALIGNED>(out + at, v, count);
    if (out_bf16) store_quad<ALIGNED>(out_bf16 + at, v, count);
}

template <bool ALIGNED>
__global__ void __launch_bounds__(256)
    recurrence_weight_dropout_kernel(float *out, px_bf16 *out_bf16, const float *in, const px_dropout dropout,
                                     const px_window_scalars *window, size_t total, int accumulate)
{
    wait_for_stream();
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

enum { STATE_THREADS = 256 };

/* Out of a window that has no way back. */
__global__ void __launch_bounds__(STATE_THREADS) recurrence_states_kernel(const px_state_copies s)
{
    wait_for_stream();
    copy_states(s, blockIdx.x, threadIdx.x, STATE_THREADS);
}

enum { END_THREADS = 256, CLEARED_ROWS = 4 /* that a warp looks at */ };

/* The blocks of one set of columns: each sums one segment of rows for `quads` quads of columns. */
struct column_grid {
    unsigned quads, segments, blocks;
};
struct end_grid {
    column_grid sum[PX_COLUMN_SUMS_MAX];
    unsigned clearing; /* blocks that look for rows to clear */
};

/* Thread y of a column takes rows y, y + (threads of a column), ..., then the first one adds what the others have, in
 * order. With one segment the sum goes straight onto out. */
template <bool ALIGNED>
__device__ __forceinline__ void sum_columns(const px_layer_end_args &a, const px_column_sum &s, const column_grid &g,
                                            unsigned block, float4 *sums)
{
    const unsigned x = threadIdx.x % g.quads, segment = block % g.segments, threads = END_THREADS / g.quads;
    const int column = static_cast<int>((block / g.segments * g.quads + x) * 4), count = s.cols - column;
    const size_t begin = static_cast<size_t>(segment) * PX_COLUMN_SEGMENT;
    const size_t end = begin + PX_COLUMN_SEGMENT < a.rows ? begin + PX_COLUMN_SEGMENT : a.rows;
    float4 sum = make_float4(0, 0, 0, 0);
    if (count > 0)
#pragma unroll 4
        for (size_t row = begin + threadIdx.x / g.quads; row < end; row += threads)
            sum = sum + load_quad<ALIGNED>(s.in + row * s.cols + column, count);
    sums[threadIdx.x] = sum;
    __syncthreads(); /* column sums of this segment are complete */
    if (threadIdx.x >= g.quads || count <= 0) return;
    for (unsigned y = 1; y < threads; y++) sum = sum + sums[y * g.quads + x];
    if (g.segments == 1 && a.accumulate) sum = load_quad<false>(s.out + column, count) + sum;
    if (g.segments == 1)
        store_quad<false>(s.out + column, sum, count);
    else
        store_quad<false>(s.partial + static_cast<size_t>(segment) * s.cols + column, sum, count);
}

/* A warp clears those of its rows that are marked; few are. */
template <class ELEMENT> __device__ __forceinline__ void clear_rows(const px_layer_end_args &a, unsigned block)
{
    const unsigned warp = block * (END_THREADS / PX_WARP) + threadIdx.x / PX_WARP;
    for (size_t row = static_cast<size_t>(warp) * CLEARED_ROWS, k = 0; k < CLEARED_ROWS && row < a.rows; k++, row++) {
        if (!a.reset[row]) continue;
        ELEMENT *h = static_cast<ELEMENT *>(a.h_prev) + row * a.width;
        for (int j = static_cast<int>(threadIdx.x % PX_WARP); j < a.width; j += PX_WARP) h[j] = 0;
    }
}

/* Blocks of the sums, then those that clear rows, then those that carry states. */
template <bool ALIGNED>
__global__ void __launch_bounds__(END_THREADS) recurrence_end_kernel(const px_layer_end_args a, const end_grid g)
{
    wait_for_stream();
    PX_SHARED(float4, sums, [END_THREADS]);
    unsigned block = blockIdx.x;
    for (int k = 0; k < a.sums; k++) {
        if (block < g.sum[k].blocks) return sum_columns<ALIGNED>(a, a.sum[k], g.sum[k], block, sums);
        block -= g.sum[k].blocks;
    }
    if (block >= g.clearing) return copy_states(a.states, block - g.clearing, threadIdx.x, END_THREADS);
    if (a.element == PX_ELEMENT_BF16)
        clear_rows<px_bf16>(a, block);
    else
        clear_rows<float>(a, block);
}

/* Segments in order, of the columns of all sums. */
__global__ void __launch_bounds__(128) recurrence_column_join_kernel(const px_layer_end_args a, int segments)
{
    wait_for_stream();
    int j = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), k = 0;
    if (j >= a.sum[0].cols) j -= a.sum[k++].cols;
    if (k >= a.sums || j >= a.sum[k].cols) return;
    const px_column_sum &s = a.sum[k];
    float sum = 0;
#pragma unroll 8
    for (int i = 0; i < segments; i++) sum += s.partial[static_cast<size_t>(i) * s.cols + j];
    s.out[j] = a.accumulate ? s.out[j] + sum : sum;
}

/* A segment of 128 rows by at most 32 quads: with 640 rows of 10,000 columns that is 395 blocks; narrow matrices get
 * more threads to a column instead. Fixed by the sizes alone, so sums repeat bitwise on every device. */
column_grid column_grid_of(size_t rows, int32_t cols)
{
    const size_t quads = px_ceil_div(static_cast<size_t>(cols), 4);
    column_grid g = {1, px_ceil_div(rows, PX_COLUMN_SEGMENT), 0};
    while (g.quads < quads && g.quads < 32) g.quads *= 2;
    g.blocks = g.segments * px_ceil_div(quads, g.quads);
    return g;
}

} // namespace

extern "C" cudaError_t px_launch_recurrence_forward(const px_step_forward_args *args, px_stream stream)
{
    if (args->n < 0 || args->width <= 0) return cudaErrorInvalidValue;
    if (args->n == 0) return cudaSuccess;
    /* latency counts, not throughput: n * h / 4 threads are few (4,096 at n=32, h=512), so small blocks use more
     * multiprocessors */
    const row_grid g = row_grid_for(static_cast<size_t>(args->n), static_cast<size_t>(args->width), 128);
    return PX_SWITCH(step_is_aligned(*args), ALIGNED,
                     PX_LAUNCH(recurrence_forward_kernel<ALIGNED>, g.grid, g.block, 0, stream, *args));
}

extern "C" cudaError_t px_launch_recurrence_backward(const px_step_backward_args *args, px_stream stream)
{
    if (args->n < 0 || args->width <= 0) return cudaErrorInvalidValue;
    if (args->n == 0) return cudaSuccess;
    const row_grid g =
        row_grid_for(static_cast<size_t>(args->n), static_cast<size_t>(args->width), 128); /* as forward */
    return PX_SWITCH(step_is_aligned(*args), ALIGNED,
                     PX_LAUNCH(recurrence_backward_kernel<ALIGNED>, g.grid, g.block, 0, stream, *args));
}

extern "C" cudaError_t px_launch_recurrence_dropout(float *out, px_bf16 *out_bf16, const float *in,
                                                    const px_dropout *dropout, const px_window_scalars *window,
                                                    int32_t first, int32_t T, int32_t n, int32_t width,
                                                    px_stream stream)
{
    const size_t rows = static_cast<size_t>(T) * static_cast<size_t>(n), ld = static_cast<size_t>(width);
    if (first < 0 || T < 0 || n < 0 || width <= 0 || rows > 0x7fffffffu) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    /* bound by memory and, with narrow rows, by Philox; see embed_forward */
    const row_grid g = row_grid_for(rows, ld, 256);
    const bool aligned = px_aligned(out, sizeof(float), ld) && px_aligned(out_bf16, sizeof(px_bf16), ld) &&
                         px_aligned(in, sizeof(float), ld);
    return PX_SWITCH(aligned, ALIGNED,
                     PX_LAUNCH(recurrence_dropout_kernel<ALIGNED>, g.grid, g.block, 0, stream, out, out_bf16, in,
                               *dropout, window, first, T, n, width));
}

extern "C" cudaError_t px_launch_recurrence_weight_dropout(float *out, px_bf16 *out_bf16, const float *in,
                                                           const px_dropout *dropout, const px_window_scalars *window,
                                                           size_t total, int32_t accumulate, px_stream stream)
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

extern "C" cudaError_t px_launch_recurrence_states(const px_state_copies *states, px_stream stream)
{
    if (states->copies < 0 || states->copies > PX_STATE_COPIES_MAX) return cudaErrorInvalidValue;
    if (states->copies == 0 || states->count == 0) return cudaSuccess;
    return PX_LAUNCH(recurrence_states_kernel, state_blocks(*states, STATE_THREADS), STATE_THREADS, 0, stream, *states);
}

extern "C" cudaError_t px_launch_recurrence_end(const px_layer_end_args *args, px_stream stream)
{
    const px_layer_end_args &a = *args;
    end_grid g = {};
    size_t columns = 0;
    bool aligned = true;
    if (a.sums < 0 || a.sums > PX_COLUMN_SUMS_MAX || (a.h_prev && a.width <= 0)) return cudaErrorInvalidValue;
    if (a.rows == 0) return cudaSuccess;
    unsigned blocks = state_blocks(a.states, END_THREADS);
    for (int k = 0; k < a.sums; k++) {
        if (a.sum[k].cols <= 0) return cudaErrorInvalidValue;
        g.sum[k] = column_grid_of(a.rows, a.sum[k].cols);
        blocks += g.sum[k].blocks;
        columns += static_cast<size_t>(a.sum[k].cols);
        aligned = aligned && px_aligned(a.sum[k].in, sizeof(float), static_cast<size_t>(a.sum[k].cols));
    }
    if (a.h_prev) g.clearing = px_ceil_div(a.rows, END_THREADS / PX_WARP * CLEARED_ROWS);
    PX_TRY_CUDA(
        PX_SWITCH(aligned, ALIGNED,
                  PX_LAUNCH(recurrence_end_kernel<ALIGNED>, blocks + g.clearing, END_THREADS, 0, stream, a, g)));
    if (a.sums == 0 || g.sum[0].segments == 1) return cudaSuccess;
    return PX_LAUNCH(recurrence_column_join_kernel, px_ceil_div(columns, 128), 128, 0, stream, a,
                     static_cast<int>(g.sum[0].segments));
}
