/* Update: norm, clip factor and decision on the device, then the optimiser over the one flat buffer. */
#include "engine_cuda.h"

px_status px_cuda_update_enqueue(px_cuda *engine)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_buffers *b = &engine->b;
    size_t count = plan->table.count;
    PX_CUDA(px_launch_update_norm(b->norm_partial, b->gradients, count, engine->compute));
    PX_CUDA(px_launch_update_decide(b->metrics, b->norm_partial, px_norm_partials(count), b->update_scalars,
                                    plan->optimizer.clip, engine->compute));
    px_update_args args = {
        .weights = b->weights,
        .gradients = b->gradients,
        .moment1 = b->moment1,
        .moment2 = b->moment2,
        .average = b->average,
        .weights_bf16 = b->weights_bf16,
        .count = count,
        .optimizer = &plan->optimizer,
        .scalars = b->update_scalars,
        .metrics = b->metrics,
        .rates = plan->rates,
    };
    PX_CUDA(px_launch_update_apply(&args, engine->compute));
    return PX_OK;
}
