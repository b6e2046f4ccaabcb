/* Penalties on the top layer's outputs: their gradients beside that of the loss, in one pass over the window before the
 * steps go back. Bound by memory: three reads of H, of which two are in the cache, one read and one write of d_output.
 */
#include "device.h"
#include "dropout.h"

namespace
{

/* Whether the stream went on to this row from a scored one, and this one is scored too. */
__device__ __forceinline__ bool follows(const px_penalties_args &a, size_t row)
{
    const size_t n = static_cast<size_t>(a.n);
    return row >= n && a.targets[row - n] >= 0 && a.targets[row] >= 0 && !a.reset[row];
}

template <bool ALIGNED> __global__ void __launch_bounds__(256) penalties_kernel(const px_penalties_args a)
{
    wait_for_stream();
    const size_t row = row_of_thread(), rows = static_cast<size_t>(a.T) * static_cast<size_t>(a.n);
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (row >= rows || count <= 0) return;
    const size_t step = static_cast<size_t>(a.n) * static_cast<size_t>(a.width), at = row * a.width + column;
    const double unit = 2 * a.window->inv_count / a.width;
    const float activation = static_cast<float>(a.activation * unit), temporal = static_cast<float>(a.temporal * unit);
    const float4 h = load_quad<ALIGNED>(a.h + at, count);
    float4 mask = make_float4(1, 1, 1, 1);
    if (a.dropout.threshold) {
        const int t = static_cast<int>(row) / a.n, i = static_cast<int>(row) - t * a.n;
        mask = dropout_quad(a.dropout, dropout_row(a.dropout, a.window, t, i, a.width) + static_cast<uint64_t>(column));
    }
    float4 d = load_quad<ALIGNED>(a.d_output + at, count);
    if (a.targets[row] >= 0) d = d + h * mask * activation;
    d = d * mask;
    if (follows(a, row)) d = d + (h - load_quad<ALIGNED>(a.h + at - step, count)) * temporal;
    if (row + static_cast<size_t>(a.n) < rows && follows(a, row + static_cast<size_t>(a.n)))
        d = d - (load_quad<ALIGNED>(a.h + at + step, count) - h) * temporal;
    store_quad<ALIGNED>(a.d_output + at, d, count);
}

} // namespace

extern "C" cudaError_t px_launch_penalties(const px_penalties_args *args, px_stream stream)
{
    const size_t rows = static_cast<size_t>(args->T) * static_cast<size_t>(args->n),
                 width = static_cast<size_t>(args->width);
    if (args->T < 0 || args->n < 0 || args->width <= 0 || rows > 0x7fffffffu) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    const row_grid g = row_grid_for(rows, width, 256); /* bound by memory; see embed_forward */
    const bool aligned = px_aligned(args->d_output, sizeof(float), width) && px_aligned(args->h, sizeof(float), width);
    return PX_SWITCH(aligned, ALIGNED, PX_LAUNCH(penalties_kernel<ALIGNED>, g.grid, g.block, 0, stream, *args));
}
