/* Phase recurrence, variant "grid", in bf16: tensor cores. */
#include "grid.h"

cudaError_t grid_bf16(const px_grid_args &g, int width, bool backward, px_stream stream)
{
#define PLAN(WIDTH, BLOCKS, M, K, KEPT)                                                                                \
    if (width == WIDTH)                                                                                                \
        return PX_SWITCH(                                                                                              \
            backward, BACKWARD,                                                                                        \
            grid_launch<grid_matrix_plan<PX_BF16, WIDTH, BLOCKS, M, K, KEPT>, matrix_product, BACKWARD>(g, stream));
    PX_GRID_BF16(PLAN)
#undef PLAN
    return cudaErrorInvalidValue;
}
