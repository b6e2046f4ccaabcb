/* What the kernels of a whole window get: see window_args.h. */
#include "window_args.h"

#include "operands.h"

/* Units of all streams in steps before t of an array [T,n,h]. */
static size_t units_before(const px_cuda *engine, const px_cuda_steps *piece, int32_t t)
{
    return (size_t)t * (size_t)piece->shape.n * (size_t)engine->plan.h;
}

/* What a layer counts on: all, or its share where others compute beside it. No number depends on it. */
static int32_t multiprocessors_of(const px_cuda *engine, const px_cuda_steps *piece)
{
    const int beside = piece->end - piece->begin < piece->shape.T ? engine->plan.L : 1;
    return engine->info.multiprocessors / beside;
}

px_persistent_args px_cuda_window_args(const px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_layer *layer = &engine->b.layer[piece->l];
    const size_t before = units_before(engine, piece, piece->begin);
    return (px_persistent_args){
        .w_hh = w_hh,
        .bias = px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_B_H, piece->l),
        .reset = engine->b.window.reset + (size_t)piece->begin * (size_t)piece->shape.n,
        .h = layer->h + before,
        .h_bf16 = layer->h_bf16 ? layer->h_bf16 + before : NULL,
        .stall = engine->b.pinned_stall,
        .operand = plan->shape.precision,
        .cell = plan->model.cell,
        .T = piece->end - piece->begin,
        .n = piece->shape.n,
        .width = plan->h,
        .multiprocessors = multiprocessors_of(engine, piece),
    };
}

void px_cuda_window_goes_back(const px_cuda *engine, const px_cuda_steps *piece, px_persistent_args *args)
{
    const size_t before = units_before(engine, piece, piece->begin);
    float *dz = px_cuda_d_output(engine, piece->l);
    args->dz = dz + before;
    if (engine->plan.bf16) args->dz_bf16 = engine->b.dz_bf16[piece->l] + before;
    if (piece->end < piece->shape.T) args->dz_after = dz + units_before(engine, piece, piece->end);
}

px_status px_cuda_window_drop_output(px_cuda *engine, const px_cuda_steps *piece)
{
    const px_dropout dropout = px_cuda_output_dropout(engine, piece->shape.mode, piece->l);
    const px_cuda_layer *layer = &engine->b.layer[piece->l];
    const size_t before = units_before(engine, piece, piece->begin);
    if (!dropout.threshold) return PX_OK;
    void *output = px_cuda_at(engine, layer->output, before);
    PX_CUDA(px_launch_recurrence_dropout(px_cuda_as_float(engine, output), px_cuda_as_bf16(engine, output),
                                         layer->h + before + units_before(engine, piece, 1), &dropout,
                                         engine->b.window.scalars, piece->begin, piece->end - piece->begin,
                                         piece->shape.n, engine->plan.h, px_cuda_place(engine, piece->lane->stream)));
    return PX_OK;
}

px_status px_cuda_window_drop_gradient(px_cuda *engine, const px_cuda_steps *piece)
{
    const px_dropout dropout = px_cuda_backward_dropout(engine, piece->shape.mode, piece->l);
    float *d_output = px_cuda_d_output(engine, piece->l) + units_before(engine, piece, piece->begin);
    if (!dropout.threshold) return PX_OK;
    PX_CUDA(px_launch_recurrence_dropout(d_output, NULL, d_output, &dropout, engine->b.window.scalars, piece->begin,
                                         piece->end - piece->begin, piece->shape.n, engine->plan.h,
                                         px_cuda_place(engine, piece->lane->stream)));
    return PX_OK;
}
