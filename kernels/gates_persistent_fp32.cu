/* Phase recurrence, variant "persistent", cells that keep gates, in fp32: no tensor cores. */
#include "persistent.h"
#include "persistent_gates.h"

namespace
{

template <int WIDTH, int BLOCKS, int LANES, int QUADS, int KEPT, int REST, int STREAMS, px_cell CELL, bool BACKWARD>
cudaError_t launch(const px_persistent_gates_args &a, px_stream stream)
{
    /* One stream at a time where a cluster has one or two, else two: four would need more registers than an LSTM
     * leaves. A row's sums have the same order in both. */
    constexpr int GATES = px_cell_type<CELL>::gates;
    using wide = vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 2, STREAMS, GATES, BACKWARD>;
    using narrow = vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 1, 2, GATES, BACKWARD>;
    return persistent_streams<wide>(a) <= 2 ? persistent_launch_gates<narrow, vector_product, CELL, BACKWARD>(a, stream)
                                            : persistent_launch_gates<wide, vector_product, CELL, BACKWARD>(a, stream);
}

template <px_cell CELL, bool BACKWARD> struct launch_fp32 {
    static cudaError_t of(const px_persistent_gates_args &a, px_stream stream)
    {
#define PLAN(WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, STREAMS)                                                         \
    if (a.width <= WIDTH) return launch<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, STREAMS, CELL, BACKWARD>(a, stream);
        PX_PERSISTENT_GATES_FP32(PLAN)
#undef PLAN
        return cudaErrorInvalidValue;
    }
};

} // namespace

cudaError_t persistent_gates_fp32(const px_persistent_gates_args &a, bool backward, px_stream stream)
{
    return persistent_gates_switch<launch_fp32>(a, backward, stream);
}
