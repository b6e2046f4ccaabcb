/* Phase recurrence, variant "persistent", in tf32: tensor cores. */
#include "persistent.h"
#include "persistent_plain.h"

cudaError_t persistent_tf32(const px_persistent_args &a, int width, bool backward, px_stream stream)
{
#define PLAN(WIDTH, BLOCKS, M, K, KEPT)                                                                                \
    if (width == WIDTH)                                                                                                \
        return PX_SWITCH(                                                                                              \
            backward, BACKWARD,                                                                                        \
            persistent_launch_plain<matrix_plan<PX_TF32, WIDTH, BLOCKS, M, K, KEPT>, matrix_product, BACKWARD>(        \
                a, stream));
    PX_PERSISTENT_TF32(PLAN)
#undef PLAN
    return cudaErrorInvalidValue;
}
