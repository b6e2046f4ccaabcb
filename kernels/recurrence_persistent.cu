/* Phase recurrence, variant "persistent": all steps of a layer's window in one kernel, during which W_hh stays on chip.
 * What is built for which width, and the launches. */
#include "persistent.h"
#include "persistent_plan.h"

namespace
{

px_persistent_fit fit(px_precision operand, int32_t width)
{
#define BF16(WIDTH, BLOCKS, ...)                                                                                       \
    if (operand == PX_BF16 && width <= WIDTH)                                                                          \
        return {WIDTH, BLOCKS, static_cast<int32_t>(matrix_plan<PX_BF16, WIDTH, BLOCKS, __VA_ARGS__>::BYTES)};
#define TF32(WIDTH, BLOCKS, ...)                                                                                       \
    if (operand == PX_TF32 && width <= WIDTH)                                                                          \
        return {WIDTH, BLOCKS, static_cast<int32_t>(matrix_plan<PX_TF32, WIDTH, BLOCKS, __VA_ARGS__>::BYTES)};
#define FP32(WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, STREAMS)                                                         \
    if (operand == PX_FP32 && width <= WIDTH)                                                                          \
        return {WIDTH, BLOCKS,                                                                                         \
                static_cast<int32_t>(vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 4, STREAMS>::BYTES)};
    PX_PERSISTENT_BF16(BF16)
    PX_PERSISTENT_TF32(TF32)
    PX_PERSISTENT_FP32(FP32)
#undef BF16
#undef TF32
#undef FP32
    return {0, 0, 0};
}

cudaError_t launch(const px_persistent_args &a, bool backward, px_stream stream)
{
    const int width = fit(a.operand, a.width).width;
    if (a.n < 0 || a.T < 0 || a.width <= 0 || !width || !a.w_hh || !a.h) return cudaErrorInvalidValue;
    if (backward ? !a.dz : !a.bias) return cudaErrorInvalidValue;
    if (a.n == 0 || a.T == 0) return cudaSuccess;
    if (a.operand == PX_BF16) return persistent_bf16(a, width, backward, stream);
    if (a.operand == PX_TF32) return persistent_tf32(a, width, backward, stream);
    return persistent_fp32(a, width, backward, stream);
}

} // namespace

extern "C" px_persistent_fit px_persistent_fit_of(px_precision operand, int32_t width) { return fit(operand, width); }

extern "C" cudaError_t px_launch_recurrence_persistent_forward(const px_persistent_args *args, px_stream stream)
{
    return launch(*args, false, stream);
}

extern "C" cudaError_t px_launch_recurrence_persistent_backward(const px_persistent_args *args, px_stream stream)
{
    return launch(*args, true, stream);
}
