/* Phase head on the GPU, of an adaptive output layer (host/model/output_layer.h): rows of a window into a cluster and
 * back, and the probabilities of every token from those of the head and of each cluster.
 *
 * A row of the window is in one cluster at most, so each element has one writer and nothing is summed over threads. All
 * are bound by memory: a thread moves one quad. The softmax of head and clusters is that of head.cu. */
#include "device.h"

namespace
{

/* out[r] = in[order[r]] */
template <class ELEMENT, bool ALIGNED>
__global__ void __launch_bounds__(256)
    adaptive_gather_kernel(ELEMENT *out, const ELEMENT *in, const int32_t *order, size_t rows, int width)
{
    wait_for_stream();
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = width - column;
    if (row >= rows || count <= 0) return;
    const size_t from = static_cast<size_t>(order[row]) * static_cast<size_t>(width) + static_cast<size_t>(column);
    store_quad<ALIGNED>(out + row * static_cast<size_t>(width) + column, load_quad<ALIGNED>(in + from, count), count);
}

/* out[order[r]] += in[r] */
template <bool ALIGNED>
__global__ void __launch_bounds__(256)
    adaptive_scatter_kernel(float *out, const float *in, const int32_t *order, size_t rows, int width)
{
    wait_for_stream();
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = width - column;
    if (row >= rows || count <= 0) return;
    float *to = out + static_cast<size_t>(order[row]) * static_cast<size_t>(width) + column;
    const float4 v = load_quad<ALIGNED>(in + row * static_cast<size_t>(width) + column, count);
    store_quad<ALIGNED>(to, load_quad<ALIGNED>(to, count) + v, count);
}

/* p[row][first + j] = part[row][j] * share[row], j < a.count */
__global__ void __launch_bounds__(256) adaptive_probabilities_kernel(const px_adaptive_probabilities_args a)
{
    wait_for_stream();
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.count - column;
    if (row >= a.rows || count <= 0) return;
    const float share = a.share ? a.share[row * static_cast<size_t>(a.share_ld)] : 1.0f;
    const float *part = a.part + row * static_cast<size_t>(a.part_ld) + column;
    float *p = a.p + row * static_cast<size_t>(a.V) + a.first + column;
    store_quad<false>(p, load_quad<false>(part, count) * share, count);
}

template <class ELEMENT>
cudaError_t launch_gather(ELEMENT *out, const ELEMENT *in, const int32_t *order, size_t rows, int32_t width,
                          px_stream stream)
{
    const row_grid g = row_grid_for(rows, static_cast<size_t>(width), 256);
    const bool aligned = px_aligned(out, sizeof(ELEMENT), static_cast<size_t>(width)) &&
                         px_aligned(in, sizeof(ELEMENT), static_cast<size_t>(width));
    return PX_SWITCH(
        aligned, ALIGNED,
        PX_LAUNCH((adaptive_gather_kernel<ELEMENT, ALIGNED>), g.grid, g.block, 0, stream, out, in, order, rows, width));
}

} // namespace

extern "C" cudaError_t px_launch_adaptive_gather(void *out, const void *in, const int32_t *order, px_element element,
                                                 size_t rows, int32_t width, px_stream stream)
{
    if (width <= 0 || rows > 0x7fffffffu) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    if (element == PX_ELEMENT_BF16)
        return launch_gather(static_cast<px_bf16 *>(out), static_cast<const px_bf16 *>(in), order, rows, width, stream);
    return launch_gather(static_cast<float *>(out), static_cast<const float *>(in), order, rows, width, stream);
}

extern "C" cudaError_t px_launch_adaptive_scatter(float *out, const float *in, const int32_t *order, size_t rows,
                                                  int32_t width, px_stream stream)
{
    if (width <= 0 || rows > 0x7fffffffu) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    const row_grid g = row_grid_for(rows, static_cast<size_t>(width), 256);
    const bool aligned = px_aligned(out, sizeof(float), static_cast<size_t>(width)) &&
                         px_aligned(in, sizeof(float), static_cast<size_t>(width));
    return PX_SWITCH(
        aligned, ALIGNED,
        PX_LAUNCH(adaptive_scatter_kernel<ALIGNED>, g.grid, g.block, 0, stream, out, in, order, rows, width));
}

extern "C" cudaError_t px_launch_adaptive_probabilities(const px_adaptive_probabilities_args *args, px_stream stream)
{
    const px_adaptive_probabilities_args &a = *args;
    if (a.count <= 0 || a.first < 0 || a.V - a.first < a.count || a.part_ld < a.count || a.rows > 0x7fffffffu)
        return cudaErrorInvalidValue;
    if (a.rows == 0) return cudaSuccess;
    const row_grid g = row_grid_for(a.rows, static_cast<size_t>(a.count), 256);
    return PX_LAUNCH(adaptive_probabilities_kernel, g.grid, g.block, 0, stream, a);
}
