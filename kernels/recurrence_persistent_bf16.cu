/* Phase recurrence, variant "persistent", in bf16: tensor cores. */
#include "persistent.h"
#include "persistent_plain.h"

cudaError_t persistent_bf16(const px_persistent_args &a, int width, bool backward, px_stream stream)
{
#define PLAN(WIDTH, BLOCKS, M, K, KEPT)                                                                                \
    if (width == WIDTH)                                                                                                \
        return PX_SWITCH(                                                                                              \
            backward, BACKWARD,                                                                                        \
            persistent_launch_plain<matrix_plan<PX_BF16, WIDTH, BLOCKS, M, K, KEPT>, matrix_product, BACKWARD>(        \
                a, stream));
    PX_PERSISTENT_BF16(PLAN)
#undef PLAN
    return cudaErrorInvalidValue;
}
