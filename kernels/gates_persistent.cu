/* Phase recurrence, variant "persistent", for cells that keep gates: what is built for which width, and the launches.
 */
#include "persistent.h"
#include "persistent_plan.h"

#include "cells.h"

namespace
{

/* The one whose plans are largest stands for its cell: each direction has its own shared memory. */
template <class FORWARD, class BACKWARD> px_persistent_fit fit_of_plans()
{
    return {FORWARD::WIDTH, FORWARD::BLOCKS,
            static_cast<int32_t>(FORWARD::BYTES > BACKWARD::BYTES ? FORWARD::BYTES : BACKWARD::BYTES)};
}

template <int GATES> px_persistent_fit fit(px_precision operand, int32_t width)
{
#define MATRIX(OPERAND, WIDTH, BLOCKS, M, K, KEPT)                                                                     \
    if (operand == OPERAND && width <= WIDTH)                                                                          \
        return fit_of_plans<matrix_plan<OPERAND, WIDTH, BLOCKS, M, K, KEPT, GATES, false>,                             \
                            matrix_plan<OPERAND, WIDTH, BLOCKS, M, K, KEPT, GATES, true>>();
#define BF16(...) MATRIX(PX_BF16, __VA_ARGS__)
#define TF32(...) MATRIX(PX_TF32, __VA_ARGS__)
#define FP32(WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, STREAMS)                                                         \
    if (operand == PX_FP32 && width <= WIDTH)                                                                          \
        return fit_of_plans<vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 2, STREAMS, GATES, false>,            \
                            vector_plan<WIDTH, BLOCKS, LANES, QUADS, KEPT, REST, 2, STREAMS, GATES, true>>();
    PX_PERSISTENT_GATES_BF16(BF16)
    PX_PERSISTENT_GATES_TF32(TF32)
    PX_PERSISTENT_GATES_FP32(FP32)
#undef MATRIX
#undef BF16
#undef TF32
#undef FP32
    return {0, 0, 0};
}

px_persistent_fit fit_of_cell(px_precision operand, px_cell cell, int32_t width)
{
    switch (cell) {
    case PX_CELL_GRU: return fit<3>(operand, width);
    case PX_CELL_LSTM: return fit<4>(operand, width);
    default: return {0, 0, 0};
    }
}

bool is_whole(const px_persistent_gates_args &a, bool backward)
{
    const bool lone = a.cell == PX_CELL_GRU;
    if (!a.w_hh || !a.z || !a.state[0] || (a.cell == PX_CELL_LSTM && !a.state[1]) || (lone && !a.u)) return false;
    if (!backward) return a.bias && (a.bias_lone || !lone);
    return a.d_output && (a.dz_hh || !lone) && (a.dz_bf16 || a.operand != PX_BF16);
}

cudaError_t launch(const px_persistent_gates_args &a, bool backward, px_stream stream)
{
    if (a.n < 0 || a.T < 0 || a.width <= 0 || !fit_of_cell(a.operand, a.cell, a.width).width || !is_whole(a, backward))
        return cudaErrorInvalidValue;
    if (a.n == 0 || a.T == 0) return cudaSuccess;
    if (a.operand == PX_BF16) return persistent_gates_bf16(a, backward, stream);
    if (a.operand == PX_TF32) return persistent_gates_tf32(a, backward, stream);
    return persistent_gates_fp32(a, backward, stream);
}

} // namespace

extern "C" px_persistent_fit px_persistent_gates_fit_of(px_precision operand, px_cell cell, int32_t width)
{
    return fit_of_cell(operand, cell, width);
}

extern "C" cudaError_t px_launch_gates_persistent_forward(const px_persistent_gates_args *args, px_stream stream)
{
    return launch(*args, false, stream);
}

extern "C" cudaError_t px_launch_gates_persistent_backward(const px_persistent_gates_args *args, px_stream stream)
{
    return launch(*args, true, stream);
}
