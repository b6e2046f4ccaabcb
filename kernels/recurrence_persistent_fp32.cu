/* Phase recurrence, variant "persistent", in fp32: no tensor cores. */
#include "persistent.h"
#include "persistent_plain.h"

namespace
{

/* One stream at a time where a cluster has one or two, else four. A row's sums have the same order in both. */
template <int WIDTH, int BLOCKS, int LANES, int QUADS, int KEPT, int REST, int STREAMS, bool BACKWARD>
cudaError_t launch(const px_persistent_args &a, px_stream stream)
{
    using wide = vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 4, STREAMS>;
    using narrow = vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 1, 2>;
    return persistent_streams<wide>(a) <= 2 ? persistent_launch_plain<narrow, vector_product, BACKWARD>(a, stream)
                                            : persistent_launch_plain<wide, vector_product, BACKWARD>(a, stream);
}

} // namespace

cudaError_t persistent_fp32(const px_persistent_args &a, int width, bool backward, px_stream stream)
{
#define PLAN(WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, STREAMS)                                                         \
    if (width == WIDTH)                                                                                                \
        return PX_SWITCH(backward, BACKWARD,                                                                           \
                         launch<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, STREAMS, BACKWARD>(a, stream));
    PX_PERSISTENT_FP32(PLAN)
#undef PLAN
    return cudaErrorInvalidValue;
}
