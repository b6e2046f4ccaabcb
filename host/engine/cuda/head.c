/* Head: the loss of a window, and on the way back the gradients of the output layer and of what it read. What the
 * output layers share is here; see head.h. */
#include "head.h"

#include <string.h>

static const px_cuda_head_ops *ops_of(const px_cuda *engine)
{
    return engine->plan.adaptive ? &px_cuda_head_adaptive : &px_cuda_head_softmax;
}

void *px_cuda_d_logits(const px_cuda *engine)
{
    return engine->plan.bf16 ? (void *)engine->b.dlogits_bf16 : (void *)engine->b.logits;
}

px_status px_cuda_head_loss(px_cuda *engine, const px_cuda_logits *logits, int training)
{
    const px_cuda_plan *plan = &engine->plan;
    px_head_args args = {
        .logits = engine->b.logits,
        .dlogits = training ? px_cuda_d_logits(engine) : NULL,
        .logits_type = PX_ELEMENT_FP32,
        .dlogits_type = plan->bf16 ? PX_ELEMENT_BF16 : PX_ELEMENT_FP32,
        .bias = logits->bias,
        .targets = logits->targets,
        .nll = logits->nll,
        .window = engine->b.window.scalars,
        .rows = (size_t)logits->rows,
        .ld = (size_t)logits->width,
        .ld_d = (size_t)logits->width,
        .shared_bytes = engine->shared_bytes,
        .V = logits->width,
    };
    PX_CUDA(px_launch_head_loss(&args, engine->compute));
    return PX_OK;
}

px_status px_cuda_head(px_cuda *engine, px_cuda_shape shape)
{
    const size_t rows = (size_t)shape.T * (size_t)shape.n;
    PX_TRY(ops_of(engine)->enqueue(engine, shape));
    PX_CUDA(px_launch_head_loss_sum(engine->b.metrics, engine->b.nll, engine->b.window.targets, rows,
                                    shape.mode == PX_CUDA_TRAIN, px_cuda_poison(engine), engine->compute));
    return PX_OK;
}

px_status px_cuda_head_probabilities(px_cuda *engine, int32_t n, float *probabilities)
{
    const px_cuda_plan *plan = &engine->plan;
    px_cuda_buffers *b = &engine->b;
    const size_t V = (size_t)plan->V;
    for (int32_t from = 0; from < n; from += plan->next_rows) {
        const int32_t rows = n - from < plan->next_rows ? n - from : plan->next_rows;
        const size_t bytes = (size_t)rows * V * sizeof(float);
        PX_TRY(ops_of(engine)->probabilities(engine, n, from, rows));
        PX_CUDA(
            cudaMemcpyAsync(b->pinned_probabilities, b->probabilities, bytes, cudaMemcpyDeviceToHost, engine->compute));
        PX_TRY(px_cuda_wait_stream(engine, engine->compute));
        memcpy(probabilities + (size_t)from * V, b->pinned_probabilities, bytes);
    }
    return PX_OK;
}
