/* Phase recurrence, variant "grid", in fp32: no tensor cores. */
#include "grid.h"

namespace
{

/* One stream at a time where a group has one or two, else two: four would need more registers than capability 7.5
 * leaves. A row's sums have the same order in both. */
template <int WIDTH, int BLOCKS, int LANES, int QUADS, int KEPT, int REST, int STREAMS, bool BACKWARD>
cudaError_t launch(const px_grid_args &g, px_stream stream)
{
    using wide = grid_vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 2, STREAMS>;
    using narrow = grid_vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 1, 2>;
    return grid_streams<wide>(g.window) <= 2 ? grid_launch<narrow, vector_product, BACKWARD>(g, stream)
                                             : grid_launch<wide, vector_product, BACKWARD>(g, stream);
}

} // namespace

cudaError_t grid_fp32(const px_grid_args &g, int width, bool backward, px_stream stream)
{
#define PLAN(WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, STREAMS)                                                         \
    if (width == WIDTH)                                                                                                \
        return PX_SWITCH(backward, BACKWARD,                                                                           \
                         launch<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, STREAMS, BACKWARD>(g, stream));
    PX_GRID_FP32(PLAN)
#undef PLAN
    return cudaErrorInvalidValue;
}
