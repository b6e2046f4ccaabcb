/* Gradients of all ranks are summed beside the backward pass, the output layer's first: see px_cuda_reduction.
 *
 *     compute     | ... head |m| recurrence backward L-1 |m| ... 0, embed backward |m|            | update
 *     reduction              |   output layer | layer L-1 | ...               | layer 0 with the table |
 *
 * The marks (m) are events inside the captured window; which one a part waits for does not depend on the host. */
#include "engine_cuda.h"

/* Where part l begins; part L is the output layer's, and L + 1 the end. */
static size_t part_begin(const px_cuda *engine, int32_t l)
{
    const px_parameters *table = &engine->plan.table;
    if (l == 0) return 0;
    return l <= engine->plan.L ? px_parameters_layer_begin(table, l) : table->count;
}

/* Made with the first reducer. The stream goes before the others, so that its few blocks find room among theirs. */
static px_status create(px_cuda *engine)
{
    px_cuda_reduction *r = &engine->reduction;
    int least, greatest;
    if (r->reduced) return PX_OK;
    if (!r->stream) {
        PX_CUDA(cudaDeviceGetStreamPriorityRange(&least, &greatest));
        PX_CUDA(cudaStreamCreateWithPriority(&r->stream, cudaStreamNonBlocking, greatest));
    }
    for (int32_t l = 0; l <= engine->plan.L; l++)
        if (!r->final[l]) PX_CUDA(cudaEventCreateWithFlags(&r->final[l], cudaEventDisableTiming));
    PX_CUDA(cudaEventCreateWithFlags(&r->reduced, cudaEventDisableTiming));
    return PX_OK;
}

void px_cuda_reduce_destroy(px_cuda *engine)
{
    px_cuda_reduction *r = &engine->reduction;
    for (int32_t l = 0; l <= PX_MAX_LAYERS; l++)
        if (r->final[l]) cudaEventDestroy(r->final[l]);
    if (r->reduced) cudaEventDestroy(r->reduced);
    if (r->stream) cudaStreamDestroy(r->stream);
    *r = (px_cuda_reduction){0};
}

px_status px_cuda_reduce_set(px_cuda *engine, const px_reducer *reducer)
{
    PX_TRY(px_cuda_wait_stream(engine, engine->compute));
    if (reducer) PX_TRY(create(engine));
    engine->reduction.reducer = reducer ? *reducer : (px_reducer){0};
    engine->reduction.under_way = 0;
    return PX_OK;
}

px_status px_cuda_reduce_mark(px_cuda *engine, int32_t l)
{
    px_cuda_reduction *r = &engine->reduction;
    if (!r->reducer.start) return PX_OK;
    PX_CUDA(cudaEventRecordWithFlags(r->final[l], engine->compute,
                                     engine->capturing ? cudaEventRecordExternal : cudaEventRecordDefault));
    px_cuda_place_after_other(engine);
    return PX_OK;
}

px_status px_cuda_reduce_start(px_cuda *engine)
{
    px_cuda_reduction *r = &engine->reduction;
    if (!r->reducer.start) return PX_OK;
    r->under_way = 1;
    for (int32_t l = engine->plan.L; l >= 0; l--) {
        size_t begin = part_begin(engine, l);
        PX_CUDA(cudaStreamWaitEvent(r->stream, r->final[l], 0));
        PX_TRY(r->reducer.start(r->reducer.context, engine->b.gradients + begin, part_begin(engine, l + 1) - begin,
                                r->stream));
    }
    return PX_OK;
}

px_status px_cuda_reduce_finish(px_cuda *engine)
{
    px_cuda_reduction *r = &engine->reduction;
    if (!r->under_way) return PX_OK;
    r->under_way = 0;
    PX_TRY(r->reducer.finish(r->reducer.context, r->stream));
    PX_CUDA(cudaEventRecord(r->reduced, r->stream));
    PX_CUDA(cudaStreamWaitEvent(engine->compute, r->reduced, 0));
    return PX_OK;
}
