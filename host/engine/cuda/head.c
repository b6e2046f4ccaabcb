/* Head: the loss of a window, and on the way back the gradients of the output layer and of what it read. What the
 * output layers share is here; see head.h. */
#include "head.h"

#include <string.h>

static const px_cuda_head_ops *ops_of(const px_cuda *engine)
{
    return engine->plan.adaptive ? &px_cuda_head_adaptive : &px_cuda_head_softmax;
}

px_status px_cuda_head_logits(px_cuda *engine, const px_cuda_logits *logits, int k, const void *x, const void *w,
                              int training)
{
    if (engine->plan.bf16 && training)
        return px_blas_nt_bf16(&engine->head_blas, logits->rows, logits->columns, k, x, w, engine->b.logits);
    return px_blas_nt(&engine->head_blas, logits->rows, logits->columns, k, x, w, 0, engine->b.logits);
}

px_status px_cuda_head_loss(px_cuda *engine, const px_cuda_logits *logits, int training, float *partial)
{
    px_head_args args = {
        .logits = engine->b.logits,
        .type = engine->plan.bf16 && training ? PX_ELEMENT_BF16 : PX_ELEMENT_FP32,
        .bias = logits->bias,
        .targets = logits->targets,
        .nll = logits->nll,
        .partial = partial,
        .window = engine->b.window.scalars,
        .rows = (size_t)logits->rows,
        .ld = (size_t)logits->columns,
        .shared_bytes = engine->shared_bytes,
        .V = logits->width,
        .gradient = training,
    };
    PX_CUDA(px_launch_head_loss(&args, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

px_status px_cuda_head_sum(px_cuda *engine, const px_cuda_logits *logits, int training, const float *partial,
                           float *d_bias, int accumulate)
{
    px_head_sum_args args = {
        .metrics = engine->b.metrics,
        .nll = logits->nll,
        .targets = logits->targets,
        .poison = px_cuda_poison(engine),
        .d_bias = d_bias,
        .partial = partial,
        .rows = (size_t)logits->rows,
        .segments = px_head_segments((size_t)logits->rows),
        .ld = (size_t)logits->columns,
        .training = training,
        .accumulate = accumulate,
    };
    PX_CUDA(px_launch_head_sum(&args, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

px_status px_cuda_head(px_cuda *engine, px_cuda_shape shape) { return ops_of(engine)->enqueue(engine, shape); }

px_status px_cuda_head_probabilities(px_cuda *engine, int32_t n, float *probabilities)
{
    const px_cuda_plan *plan = &engine->plan;
    px_cuda_buffers *b = &engine->b;
    const size_t V = (size_t)plan->V;
    for (int32_t from = 0; from < n; from += plan->next_rows) {
        const int32_t rows = n - from < plan->next_rows ? n - from : plan->next_rows;
        const size_t bytes = (size_t)rows * V * sizeof(float);
        px_cuda_place_after_other(engine);
        PX_TRY(ops_of(engine)->probabilities(engine, n, from, rows));
        PX_CUDA(
            cudaMemcpyAsync(b->pinned_probabilities, b->probabilities, bytes, cudaMemcpyDeviceToHost, engine->compute));
        PX_TRY(px_cuda_wait_stream(engine, engine->compute));
        memcpy(probabilities + (size_t)from * V, b->pinned_probabilities, bytes);
    }
    return PX_OK;
}

px_status px_cuda_head_draw(px_cuda *engine, int32_t n, int32_t step)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_buffers *b = &engine->b;
    for (int32_t from = 0; from < n; from += plan->next_rows) {
        const int32_t rows = n - from < plan->next_rows ? n - from : plan->next_rows;
        px_draw_args args = {.probabilities = b->probabilities,
                             .draw = b->window.draw,
                             .tokens = b->window.tokens + from,
                             .drawn = b->drawn + (size_t)step * (size_t)n + (size_t)from,
                             .reset = b->window.reset + from,
                             .rows = rows,
                             .V = plan->V,
                             .first_stream = from,
                             .step = step};
        if (from == 0) args.states = px_cuda_states_out(engine, (px_cuda_shape){PX_CUDA_DECODE, 1, n, 0, 0});
        PX_TRY(ops_of(engine)->probabilities(engine, n, from, rows));
        PX_CUDA(px_launch_draw(&args, px_cuda_place(engine, engine->compute)));
    }
    return PX_OK;
}
