/* Phase recurrence, variant "persistent", cells that keep gates, in tf32: tensor cores. */
#include "persistent.h"
#include "persistent_gates.h"

namespace
{

template <px_cell CELL, bool BACKWARD> struct launch_tf32 {
    static cudaError_t of(const px_persistent_gates_args &a, px_stream stream)
    {
        constexpr int GATES = px_cell_type<CELL>::gates;
#define PLAN(WIDTH, BLOCKS, M, K, KEPT)                                                                                \
    if (a.width <= WIDTH)                                                                                              \
        return persistent_launch_gates<matrix_plan<PX_TF32, WIDTH, BLOCKS, M, K, KEPT, GATES, BACKWARD>,               \
                                       matrix_product, CELL, BACKWARD>(a, stream);
        PX_PERSISTENT_GATES_TF32(PLAN)
#undef PLAN
        return cudaErrorInvalidValue;
    }
};

} // namespace

cudaError_t persistent_gates_tf32(const px_persistent_gates_args &a, bool backward, px_stream stream)
{
    return persistent_gates_switch<launch_tf32>(a, backward, stream);
}
