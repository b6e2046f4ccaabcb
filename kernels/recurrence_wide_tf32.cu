/* Phase recurrence, variant "wide", in tf32. */
#include "wide.h"

cudaError_t wide_tf32(const px_persistent_args &a, int width, bool backward, px_stream stream)
{
#define PLAN(WIDTH, BLOCKS)                                                                                            \
    if (width == WIDTH)                                                                                                \
        return PX_SWITCH(backward, BACKWARD, wide_launch<wide_plan<PX_TF32, WIDTH, BLOCKS>, BACKWARD>(a, stream));
    PX_WIDE_TF32(PLAN)
#undef PLAN
    return cudaErrorInvalidValue;
}
