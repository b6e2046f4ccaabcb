/* Update: norm, clip factor and decision on the device, then the optimiser over the one flat buffer. */
#include "engine_cuda.h"

/* What the first window of a step writes whole: everything between the table of rows that are looked up, which gets
 * those of its tokens alone, and an adaptive output layer, some of whose clusters a window may not have. A tied table
 * is written by the output layer first. */
static void kept_gradients(const px_cuda_plan *plan, size_t *begin, size_t *end)
{
    *begin = plan->model.tied ? 0 : plan->table.tensor[1].offset;
    *end = plan->adaptive ? px_parameters_find(&plan->table, PX_TENSOR_HEAD, 0)->offset : plan->table.count;
}

px_status px_cuda_update_enqueue(px_cuda *engine)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_buffers *b = &engine->b;
    size_t count = plan->table.count;
    const px_norm_args norm = {b->gradients,      b->norm_partial, b->metrics,
                               b->update_scalars, count,           plan->optimizer.clip};
    px_cuda_place_after_other(engine);
    PX_CUDA(px_launch_update_norm(&norm, px_cuda_place(engine, engine->compute)));
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
    kept_gradients(plan, &args.kept_begin, &args.kept_end);
    PX_CUDA(px_launch_update_apply(&args, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}
