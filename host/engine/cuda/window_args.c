/* What the kernels of a whole window get: see window_args.h. */
#include "window_args.h"

#include "operands.h"

px_persistent_args px_cuda_window_args(const px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh)
{
    const px_cuda_plan *plan = &engine->plan;
    return (px_persistent_args){
        .w_hh = w_hh,
        .bias = px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_B_H, l),
        .reset = engine->b.window.reset,
        .h = engine->b.layer[l].h,
        .h_bf16 = engine->b.layer[l].h_bf16,
        .stall = engine->b.pinned_stall,
        .operand = plan->shape.precision,
        .cell = plan->model.cell,
        .T = shape.T,
        .n = shape.n,
        .width = plan->h,
        .multiprocessors = engine->info.multiprocessors,
    };
}

px_status px_cuda_window_drop_output(px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    const px_dropout dropout = px_cuda_output_dropout(engine, shape.mode, l);
    const size_t step = (size_t)shape.n * (size_t)engine->plan.h;
    void *output = engine->b.layer[l].output;
    if (!dropout.threshold) return PX_OK;
    PX_CUDA(px_launch_recurrence_dropout(px_cuda_as_float(engine, output), px_cuda_as_bf16(engine, output),
                                         engine->b.layer[l].h + step, &dropout, engine->b.window.scalars, 0, shape.T,
                                         shape.n, engine->plan.h, engine->compute));
    return PX_OK;
}

px_status px_cuda_window_drop_gradient(px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    const px_dropout dropout = px_cuda_backward_dropout(engine, shape.mode, l);
    float *d_output = px_cuda_d_output(engine, l);
    if (!dropout.threshold) return PX_OK;
    PX_CUDA(px_launch_recurrence_dropout(d_output, NULL, d_output, &dropout, engine->b.window.scalars, 0, shape.T,
                                         shape.n, engine->plan.h, engine->compute));
    return PX_OK;
}
