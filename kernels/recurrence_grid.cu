/* Phase recurrence, variant "grid": as "persistent", for GPUs that have no clusters, and for layers that are wider than
 * one: W_hh lies in the registers of as many blocks as it needs, which exchange the state through device memory. What
 * is built for which width, and the launches. */
#include "grid.h"

namespace
{

px_persistent_fit fit(px_precision operand, int32_t width)
{
#define MATRIX(OPERAND, WIDTH, BLOCKS, ...)                                                                            \
    if (operand == OPERAND && width <= WIDTH)                                                                          \
        return {WIDTH, BLOCKS, static_cast<int32_t>(grid_matrix_plan<OPERAND, WIDTH, BLOCKS, __VA_ARGS__>::BYTES)};
#define BF16(...) MATRIX(PX_BF16, __VA_ARGS__)
#define TF32(...) MATRIX(PX_TF32, __VA_ARGS__)
#define FP32(WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, STREAMS)                                                         \
    if (operand == PX_FP32 && width <= WIDTH)                                                                          \
        return {WIDTH, BLOCKS,                                                                                         \
                static_cast<int32_t>(grid_vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 2, STREAMS>::BYTES)};
    PX_GRID_BF16(BF16)
    PX_GRID_TF32(TF32)
    PX_GRID_FP32(FP32)
#undef MATRIX
#undef BF16
#undef TF32
#undef FP32
    return {0, 0, 0};
}

cudaError_t launch(const px_grid_args &g, bool backward, px_stream stream)
{
    const px_persistent_args &a = g.window;
    const int width = fit(a.operand, a.width).width;
    if (a.n < 0 || a.T < 0 || a.width <= 0 || !width || !a.w_hh || !a.h || !g.workspace) return cudaErrorInvalidValue;
    if (backward ? !a.dz : !a.bias) return cudaErrorInvalidValue;
    if (a.n == 0 || a.T == 0) return cudaSuccess;
    if (a.operand == PX_BF16) return grid_bf16(g, width, backward, stream);
    if (a.operand == PX_TF32) return grid_tf32(g, width, backward, stream);
    return grid_fp32(g, width, backward, stream);
}

} // namespace

extern "C" px_persistent_fit px_grid_fit_of(px_precision operand, int32_t width) { return fit(operand, width); }

extern "C" cudaError_t px_launch_recurrence_grid_forward(const px_grid_args *args, px_stream stream)
{
    return launch(*args, false, stream);
}

extern "C" cudaError_t px_launch_recurrence_grid_backward(const px_grid_args *args, px_stream stream)
{
    return launch(*args, true, stream);
}
