/* Phase recurrence, variant "wide": as "persistent", with more streams of a cluster. What is built for which width, and
 * the launches. */
#include "wide.h"

namespace
{

px_persistent_fit fit(px_precision operand, int32_t width)
{
#define PLAN(OPERAND, WIDTH, BLOCKS)                                                                                   \
    if (operand == OPERAND && width <= WIDTH)                                                                          \
        return {WIDTH, BLOCKS, static_cast<int32_t>(wide_plan<OPERAND, WIDTH, BLOCKS>::BYTES)};
#define BF16(...) PLAN(PX_BF16, __VA_ARGS__)
#define TF32(...) PLAN(PX_TF32, __VA_ARGS__)
    PX_WIDE_BF16(BF16)
    PX_WIDE_TF32(TF32)
#undef PLAN
#undef BF16
#undef TF32
    return {0, 0, 0};
}

cudaError_t launch(const px_persistent_args &a, bool backward, px_stream stream)
{
    const int width = fit(a.operand, a.width).width;
    if (a.n < 0 || a.T < 0 || a.width <= 0 || !width || !a.w_hh || !a.h) return cudaErrorInvalidValue;
    if (backward ? !a.dz : !a.bias) return cudaErrorInvalidValue;
    if (a.n == 0 || a.T == 0) return cudaSuccess;
    return a.operand == PX_BF16 ? wide_bf16(a, width, backward, stream) : wide_tf32(a, width, backward, stream);
}

} // namespace

extern "C" px_persistent_fit px_wide_fit_of(px_precision operand, int32_t width) { return fit(operand, width); }

extern "C" int px_wide_is_built(void)
{
#ifdef PX_NO_WARPGROUPS
    return 0;
#else
    return 1;
#endif
}

extern "C" cudaError_t px_launch_recurrence_wide_forward(const px_persistent_args *args, px_stream stream)
{
    return launch(*args, false, stream);
}

extern "C" cudaError_t px_launch_recurrence_wide_backward(const px_persistent_args *args, px_stream stream)
{
    return launch(*args, true, stream);
}
