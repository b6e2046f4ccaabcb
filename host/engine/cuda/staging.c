/* Token windows on their way to the device, double-buffered so that the host prepares one while another travels.
 *
 *     batch -> pinned slot s -(copy stream)-> device slot s -(compute stream)-> the window that graphs read
 *
 * The last hop is a copy inside the device of a few kilobytes: it keeps the graphs' addresses fixed, so that one graph
 * serves both slots. */
#include "engine_cuda.h"
#include "trace.h"

#include <stdlib.h>
#include <string.h>

px_status px_cuda_staging_create(px_cuda *engine)
{
    px_cuda_staging *staging = &engine->staging;
    PX_CUDA(cudaStreamCreateWithFlags(&staging->copy, cudaStreamNonBlocking));
    for (int i = 0; i < 2; i++) {
        PX_CUDA(cudaEventCreateWithFlags(&staging->copied[i], cudaEventDisableTiming));
        PX_CUDA(cudaEventCreateWithFlags(&staging->consumed[i], cudaEventDisableTiming));
        PX_CUDA(cudaEventCreateWithFlags(&staging->update_copied[i], cudaEventDisableTiming));
    }
    staging->no_reset = calloc((size_t)engine->plan.shape.n, 1);
    if (engine->plan.shape.training) staging->count = malloc(((size_t)engine->plan.V + 1) * sizeof *staging->count);
    if (!staging->no_reset || (engine->plan.shape.training && !staging->count))
        return px_fail(PX_ERR_MEMORY, "no memory to sort a window of tokens; lower --max-vocab");
    return PX_OK;
}

void px_cuda_staging_destroy(px_cuda *engine)
{
    px_cuda_staging *staging = &engine->staging;
    for (int i = 0; i < 2; i++) {
        if (staging->copied[i]) cudaEventDestroy(staging->copied[i]);
        if (staging->consumed[i]) cudaEventDestroy(staging->consumed[i]);
        if (staging->update_copied[i]) cudaEventDestroy(staging->update_copied[i]);
    }
    if (staging->copy) cudaStreamDestroy(staging->copy);
    free(staging->count);
    free(staging->no_reset);
    *staging = (px_cuda_staging){0};
}

/* Ids that would make a kernel read or write outside its tables are refused here. */
static px_status check_ids(const px_batch *batch, int32_t V)
{
    size_t rows = (size_t)batch->T * (size_t)batch->n;
    for (size_t row = 0; row < rows; row++) {
        if ((uint32_t)batch->tokens[row] >= (uint32_t)V)
            return px_fail(PX_ERR_INPUT, "step %zu, stream %zu: token %d; the vocabulary has %d",
                           row / (size_t)batch->n, row % (size_t)batch->n, (int)batch->tokens[row], (int)V);
        if (batch->targets && (batch->targets[row] < -1 || batch->targets[row] >= V))
            return px_fail(PX_ERR_INPUT, "step %zu, stream %zu: target %d; the vocabulary has %d, and -1 is not scored",
                           row / (size_t)batch->n, row % (size_t)batch->n, (int)batch->targets[row], (int)V);
    }
    return PX_OK;
}

/* order [rows]: rows sorted by token, stable. count [V + 1] is scratch. */
static void sort_by_token(const int32_t *tokens, size_t rows, int32_t V, int32_t *count, int32_t *order)
{
    memset(count, 0, ((size_t)V + 1) * sizeof *count);
    for (size_t row = 0; row < rows; row++) count[tokens[row] + 1]++;
    for (int32_t v = 0; v < V; v++) count[v + 1] += count[v];
    for (size_t row = 0; row < rows; row++) order[count[tokens[row]]++] = (int32_t)row;
}

/* The rows of cluster 0, then those of cluster 1, ..., each in their order; what the head should give for every row. */
static void sort_by_cluster(const px_cutoffs *cutoffs, const px_cuda_window *window, size_t rows,
                            int begin[PX_CUTOFFS_MAX + 1])
{
    int next[PX_CUTOFFS_MAX + 1] = {0};
    memset(begin, 0, (PX_CUTOFFS_MAX + 1) * sizeof *begin);
    for (size_t row = 0; row < rows; row++) {
        const int32_t target = window->targets[row], i = px_cutoffs_find(cutoffs, target);
        window->head_targets[row] = i < 0 ? target : cutoffs->at[0] + i;
        if (i >= 0) begin[i + 1]++;
    }
    for (int32_t i = 0; i < cutoffs->count; i++) next[i + 1] = begin[i + 1] += begin[i];
    for (size_t row = 0; row < rows; row++) {
        const int32_t target = window->targets[row], i = px_cutoffs_find(cutoffs, target);
        if (i < 0) continue;
        window->cluster_targets[next[i]] = target - cutoffs->at[i];
        window->cluster_order[next[i]++] = (int32_t)row;
    }
}

/* The batch into the pinned memory of a slot. */
static void fill_window(px_cuda *engine, px_cuda_window window, const px_batch *batch, const px_draw *draw)
{
    px_cuda_staging *staging = &engine->staging;
    size_t rows = (size_t)batch->T * (size_t)batch->n;
    *window.scalars = (px_window_scalars){.step = batch->step,
                                          .first_stream = batch->first_stream,
                                          .streams_in_all = batch->streams_in_all,
                                          .inv_count = batch->inv_count};
    *window.draw = draw ? *draw : (px_draw){0};
    memcpy(window.tokens, batch->tokens, rows * sizeof *window.tokens);
    if (batch->targets)
        memcpy(window.targets, batch->targets, rows * sizeof *window.targets);
    else
        memset(window.targets, 0xff, rows * sizeof *window.targets); /* -1 */
    memcpy(window.reset, batch->reset ? batch->reset : staging->no_reset, rows);
    if (engine->plan.adaptive) sort_by_cluster(&engine->plan.model.cutoffs, &window, rows, staging->cluster_begin);
    if (engine->plan.shape.training) sort_by_token(batch->tokens, rows, engine->plan.V, staging->count, window.order);
}

/* Pinned slot -> device slot -> the window that is computed on. */
static px_status send_window(px_cuda *engine, int slot)
{
    px_cuda_staging *staging = &engine->staging;
    size_t bytes = engine->plan.window_bytes;
    PX_CUDA(cudaStreamWaitEvent(staging->copy, staging->consumed[slot], 0)); /* the device slot has been read */
    PX_CUDA(cudaMemcpyAsync(engine->b.slot[slot], engine->b.pinned_slot[slot], bytes, cudaMemcpyHostToDevice,
                            staging->copy));
    PX_CUDA(cudaEventRecord(staging->copied[slot], staging->copy));
    PX_CUDA(cudaStreamWaitEvent(engine->compute, staging->copied[slot], 0));
    PX_CUDA(cudaMemcpyAsync(engine->b.window_block, engine->b.slot[slot], bytes, cudaMemcpyDeviceToDevice,
                            engine->compute));
    PX_CUDA(cudaEventRecord(staging->consumed[slot], engine->compute));
    return PX_OK;
}

static px_status stage_window(px_cuda *engine, const px_batch *batch, const px_draw *draw)
{
    int slot = engine->staging.next;
    PX_TRY(px_cuda_wait_event(engine, engine->staging.copied[slot])); /* the pinned slot has been read */
    fill_window(engine, px_cuda_window_at(&engine->plan, engine->b.pinned_slot[slot]), batch, draw);
    PX_TRY(send_window(engine, slot));
    engine->staging.next = 1 - slot;
    return PX_OK;
}

px_status px_cuda_stage_window(px_cuda *engine, const px_batch *batch, const px_draw *draw)
{
    PX_TRY(check_ids(batch, engine->plan.V));
    px_trace_push("stage", PX_COLOUR_STAGE);
    px_status status = stage_window(engine, batch, draw);
    px_trace_pop();
    return status;
}

px_status px_cuda_stage_update(px_cuda *engine, const px_update_scalars *scalars)
{
    px_cuda_staging *staging = &engine->staging;
    int slot = staging->next_update;
    PX_TRY(px_cuda_wait_event(engine, staging->update_copied[slot]));
    *engine->b.pinned_update[slot] = *scalars;
    PX_CUDA(cudaMemcpyAsync(engine->b.update_scalars, engine->b.pinned_update[slot], sizeof *scalars,
                            cudaMemcpyHostToDevice, engine->compute));
    PX_CUDA(cudaEventRecord(staging->update_copied[slot], engine->compute));
    staging->next_update = 1 - slot;
    return PX_OK;
}
