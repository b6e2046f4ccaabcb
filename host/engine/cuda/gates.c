/* The steps of a layer whose cell keeps gates: per step one product for all gates and one fused kernel
 * (kernels/gates.cu). What stands around the steps is in recurrence.c. */
#include "gates.h"

px_status px_cuda_gates_forward(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_layer *layer = &engine->b.layer[l];
    const px_dropout dropout = px_cuda_output_dropout(engine, shape.mode, l);
    void *output = dropout.threshold ? layer->output : NULL;
    const size_t step = (size_t)shape.n * (size_t)plan->h, wide = (size_t)shape.n * (size_t)plan->gate_rows;
    for (int32_t t = 0; t < shape.T; t++) {
        const size_t at = (size_t)t * step;
        PX_TRY(px_blas_nt(&engine->blas, shape.n, plan->gate_rows, plan->h,
                          px_cuda_at(engine, px_cuda_h(engine, l), at), w_hh, 0, engine->b.recurrent[l]));
        px_gates_forward_args args = {
            .recurrent = engine->b.recurrent[l],
            .bias = px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_B_H, l),
            .bias_lone = layer->u ? px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_B_HN, l) : NULL,
            .reset = engine->b.window.reset + (size_t)t * (size_t)shape.n,
            .z = layer->z + (size_t)t * wide,
            .u = layer->u ? layer->u + at : NULL,
            .output = output ? px_cuda_as_float(engine, px_cuda_at(engine, output, at)) : NULL,
            .h_bf16 = plan->bf16 ? layer->h_bf16 + at + step : NULL,
            .output_bf16 = output ? px_cuda_as_bf16(engine, px_cuda_at(engine, output, at)) : NULL,
            .window = engine->b.window.scalars,
            .dropout = dropout,
            .cell = plan->model.cell,
            .n = shape.n,
            .width = plan->h,
            .t = t,
        };
        for (int s = 0; s < plan->states; s++) {
            args.before[s] = layer->s[s] + at;
            args.now[s] = layer->s[s] + at + step;
        }
        PX_CUDA(px_launch_gates_forward(&args, px_cuda_place(engine, engine->compute)));
    }
    return PX_OK;
}

/* A lone gate's dz is one thing for what the inputs add to and another for what W_hh adds to; else both are one. */
const void *px_cuda_gates_dz_hh(const px_cuda *engine, int32_t l)
{
    if (engine->b.dz_hh) return engine->b.dz_hh;
    return engine->plan.bf16 ? (const void *)engine->b.dz_bf16[l] : (const void *)engine->b.layer[l].z;
}

px_status px_cuda_gates_backward(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_layer *layer = &engine->b.layer[l];
    const size_t step = (size_t)shape.n * (size_t)plan->h, wide = (size_t)shape.n * (size_t)plan->gate_rows;
    void *dz_hh = (void *)px_cuda_gates_dz_hh(engine, l), *lone = engine->b.dz_hh;
    for (int32_t t = shape.T - 1; t >= 0; t--) {
        const size_t at = (size_t)t * step, wide_at = (size_t)t * wide;
        const int last = t == shape.T - 1;
        if (!last)
            PX_TRY(px_blas_nn(&engine->blas, shape.n, plan->h, plan->gate_rows,
                              px_cuda_at(engine, dz_hh, wide_at + wide), w_hh, 0, engine->b.recurrent[l]));
        px_gates_backward_args args = {
            .d_output = px_cuda_d_output(engine, l) + at,
            .recurrent = last ? NULL : engine->b.recurrent[l],
            .reset = engine->b.window.reset + (size_t)t * (size_t)shape.n,
            .reset_next = last ? NULL : engine->b.window.reset + (size_t)(t + 1) * (size_t)shape.n,
            .z = layer->z + wide_at,
            .u = layer->u ? layer->u + at : NULL,
            .dz_bf16 = plan->bf16 ? engine->b.dz_bf16[l] + wide_at : NULL,
            .dz_hh = lone ? px_cuda_as_float(engine, px_cuda_at(engine, lone, wide_at)) : NULL,
            .dz_hh_bf16 = lone ? px_cuda_as_bf16(engine, px_cuda_at(engine, lone, wide_at)) : NULL,
            .window = engine->b.window.scalars,
            .dropout = px_cuda_backward_dropout(engine, shape.mode, l),
            .cell = plan->model.cell,
            .n = shape.n,
            .width = plan->h,
            .t = t,
        };
        for (int s = 0; s < plan->states; s++) {
            args.before[s] = layer->s[s] + at;
            args.now[s] = layer->s[s] + at + step;
            args.returned[s] = engine->b.returned[s];
        }
        PX_CUDA(px_launch_gates_backward(&args, px_cuda_place(engine, engine->compute)));
    }
    return PX_OK;
}
