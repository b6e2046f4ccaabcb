/* Arguments of one step: see step_args.h. */
#include "step_args.h"

#include "operands.h"

px_step_forward_args px_cuda_step_forward_args(const px_cuda *engine, px_cuda_shape shape, int32_t l, int32_t t)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_layer *layer = &engine->b.layer[l];
    const px_dropout dropout = px_cuda_output_dropout(engine, shape.mode, l);
    const size_t step = (size_t)shape.n * (size_t)plan->h, at = (size_t)t * step;
    void *output = dropout.threshold ? px_cuda_at(engine, layer->output, at) : NULL;
    return (px_step_forward_args){
        .xz = layer->h + at + step,
        .bias = px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_B_H, l),
        .reset = engine->b.window.reset + (size_t)t * (size_t)shape.n,
        .h = layer->h + at + step,
        .output = output ? px_cuda_as_float(engine, output) : NULL,
        .h_bf16 = plan->bf16 ? layer->h_bf16 + at + step : NULL,
        .output_bf16 = output ? px_cuda_as_bf16(engine, output) : NULL,
        .window = engine->b.window.scalars,
        .dropout = dropout,
        .cell = plan->model.cell,
        .n = shape.n,
        .width = plan->h,
        .t = t,
    };
}

px_step_backward_args px_cuda_step_backward_args(const px_cuda *engine, px_cuda_shape shape, int32_t l, int32_t t)
{
    const px_cuda_plan *plan = &engine->plan;
    const size_t step = (size_t)shape.n * (size_t)plan->h, at = (size_t)t * step;
    float *d_output = px_cuda_d_output(engine, l);
    return (px_step_backward_args){
        .d_output = d_output + at,
        .h = engine->b.layer[l].h + at + step,
        .reset_next = t == shape.T - 1 ? NULL : engine->b.window.reset + (size_t)(t + 1) * (size_t)shape.n,
        .dz = d_output + at, /* dZ replaces it */
        .dz_bf16 = plan->bf16 ? engine->b.dz_bf16[l] + at : NULL,
        .window = engine->b.window.scalars,
        .dropout = px_cuda_backward_dropout(engine, shape.mode, l),
        .cell = plan->model.cell,
        .n = shape.n,
        .width = plan->h,
        .t = t,
    };
}
