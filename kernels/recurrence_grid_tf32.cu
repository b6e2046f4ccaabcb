/* Phase recurrence, variant "grid", in tf32: tensor cores. */
#include "grid.h"

cudaError_t grid_tf32(const px_grid_args &g, int width, bool backward, px_stream stream)
{
#define PLAN(WIDTH, BLOCKS, M, K, KEPT)                                                                                \
    if (width == WIDTH)                                                                                                \
        return PX_SWITCH(                                                                                              \
            backward, BACKWARD,                                                                                        \
            grid_launch<grid_matrix_plan<PX_TF32, WIDTH, BLOCKS, M, K, KEPT>, matrix_product, BACKWARD>(g, stream));
    PX_GRID_TF32(PLAN)
#undef PLAN
    return cudaErrorInvalidValue;
}
