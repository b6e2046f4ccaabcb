/* Phase recurrence, variant "wide", in bf16. */
#include "wide.h"

cudaError_t wide_bf16(const px_persistent_args &a, int width, bool backward, px_stream stream)
{
#define PLAN(WIDTH, BLOCKS)                                                                                            \
    if (width == WIDTH)                                                                                                \
        return PX_SWITCH(backward, BACKWARD, wide_launch<wide_plan<PX_BF16, WIDTH, BLOCKS>, BACKWARD>(a, stream));
    PX_WIDE_BF16(PLAN)
#undef PLAN
    return cudaErrorInvalidValue;
}
