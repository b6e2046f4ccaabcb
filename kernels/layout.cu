/* Layout on the GPU: bfloat16 copies, and the transpose between a one-hot W_xh in memory [V,h] and in files [h,V]. */
#include "device.h"

namespace
{

enum { TILE = 32, TILE_ROWS = 8 };

template <bool ALIGNED>
__global__ void __launch_bounds__(256) layout_bf16_kernel(px_bf16 *out, const float *in, size_t count)
{
    wait_for_stream();
    const size_t at = (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
    if (at >= count) return;
    const int left = count - at < 4 ? static_cast<int>(count - at) : 4;
    store_quad<ALIGNED>(out + at, load_quad<ALIGNED>(in + at, left), left);
}

/* A tile of 32 x 32 goes through shared memory, so that both sides move whole lines; the 33rd column keeps a tile's
 * column in 32 different banks. */
__global__ void __launch_bounds__(TILE *TILE_ROWS)
    layout_transpose_kernel(float *out, const float *in, int rows, int cols)
{
    wait_for_stream();
    PX_SHARED(float, tile, [TILE][TILE + 1]);
    const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
    const int row0 = static_cast<int>(blockIdx.x) * TILE, col0 = static_cast<int>(blockIdx.y) * TILE;
    for (int k = y; k < TILE; k += TILE_ROWS)
        if (row0 + k < rows && col0 + x < cols) tile[k][x] = in[static_cast<size_t>(row0 + k) * cols + col0 + x];
    __syncthreads(); /* the tile is read by other threads than wrote it */
    for (int k = y; k < TILE; k += TILE_ROWS)
        if (col0 + k < cols && row0 + x < rows) out[static_cast<size_t>(col0 + k) * rows + row0 + x] = tile[x][k];
}

} // namespace

extern "C" cudaError_t px_launch_layout_bf16(px_bf16 *out, const float *in, size_t count, px_stream stream)
{
    if (count == 0) return cudaSuccess;
    const unsigned blocks = px_ceil_div(count, 4 * 256); /* bound by memory: one quad per thread */
    const bool aligned = px_aligned(in, sizeof(float), 4) && px_aligned(out, sizeof(px_bf16), 4);
    return PX_SWITCH(aligned, ALIGNED, PX_LAUNCH(layout_bf16_kernel<ALIGNED>, blocks, 256, 0, stream, out, in, count));
}

extern "C" cudaError_t px_launch_layout_transpose(float *out, const float *in, int32_t rows, int32_t cols,
                                                  px_stream stream)
{
    if (rows <= 0 || cols <= 0) return cudaErrorInvalidValue;
    const dim3 grid(px_ceil_div(static_cast<size_t>(rows), TILE), px_ceil_div(static_cast<size_t>(cols), TILE), 1);
    if (grid.y > 65535u) return cudaErrorInvalidValue;
    return PX_LAUNCH(layout_transpose_kernel, grid, dim3(TILE, TILE_ROWS, 1), 0, stream, out, in, rows, cols);
}

extern "C" int px_kernels_wait(void)
{
#ifdef PX_SIMULATOR
    return 1;
#else
    cudaFuncAttributes any = {}; /* binaryVersion would be the device's own after a driver's compilation */
    if (cudaFuncGetAttributes(&any, layout_transpose_kernel) == cudaSuccess) return any.ptxVersion >= 90;
    cudaGetLastError();
    return 0;
#endif
}
