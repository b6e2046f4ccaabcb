/* One step of a training: its windows on this rank, the sum over ranks, the update: see step.h.
 *
 *     none   one rank; the engine adds up the windows' gradients
 *     fast   every rank's engine adds up its own and hands parts to the reducer while the last window's backward pass goes on
 *     tree   every window is a leaf: its gradient is taken out of the engine and added in an order that ranks do not change (tree.h)
 *
 * What a step says of all ranks (loss, tokens, whether someone asks to stop) travels with the gradients or right after
 * them. */
#include "step.h"

#include "check.h"
#include "gpus.h"
#include "loop.h"
#include "machine.h"
#include "minibatch.h"
#include "run.h"
#include "tree.h"

#include <math.h>

enum { LOSS, TOKENS, ASKED, TIME_IS_UP }; /* places in what is added up; PX_TREE_VALUES of them */

static px_status start_sum(void *context, float *part, size_t count, void *stream)
{
    (void)stream;
    return px_comm_sum_start(context, part, count);
}

static px_status finish_sum(void *context, void *stream)
{
    (void)stream;
    return px_comm_sum_finish(context);
}

px_status px_run_open_reduction(px_run *run)
{
    float *flat;
    size_t count;
    if (run->share.reduce == PX_REDUCE_TREE) {
        PX_TRY(px_engine_gradients(run->engine, &flat, &count));
        return px_tree_create(run->comm, run->share.windows, count,
                              run->config.threads > 0 ? run->config.threads : px_machine_cores(), &run->tree);
    }
    if (run->share.reduce != PX_REDUCE_FAST || run->comm->size == 1) return PX_OK;
    if (!run->on_cpu) return px_run_open_nccl(run);
    return px_engine_set_reducer(run->engine,
                                 &(px_reducer){.context = run->comm, .start = start_sum, .finish = finish_sum});
}

static px_status read_window(px_run *run, const px_run_position *at, int32_t i, px_batch *batch)
{
    const px_share *share = &run->share;
    return px_minibatches_get_streams(run->windows, at->epoch, at->window, (uint64_t)at->step,
                                      share->first + i * share->n, share->n, batch);
}

/* Where a step has several windows all are read once before any is computed: a text that cannot be read leaves no half
 * step behind. */
static px_status look_ahead(px_run *run, const px_run_position *at)
{
    px_batch batch;
    run->reading = 1;
    for (int32_t i = 1; i < run->share.windows; i++) PX_TRY(read_window(run, at, i, &batch));
    run->reading = 0;
    return PX_OK;
}

static px_status window(px_run *run, const px_run_position *at, int32_t i)
{
    const px_share *share = &run->share;
    px_batch batch;
    run->reading = i == 0;
    PX_TRY(read_window(run, at, i, &batch));
    run->reading = 0;
    batch.group = i;
    batch.last = i == share->windows - 1;
    return px_engine_accumulate(run->engine, &batch);
}

/* Loss and tokens of the windows since the last call; this rank's wish to stop once a step. */
static px_status take_sums(px_run *run, int first, double sums[PX_TREE_VALUES])
{
    px_metrics metrics;
    const int wish = first && run->hooks->stop ? *run->hooks->stop : 0;
    PX_TRY(px_engine_metrics(run->engine, 1, &metrics));
    sums[LOSS] = metrics.loss_sum;
    sums[TOKENS] = (double)metrics.tokens;
    sums[ASKED] = wish != 0;
    sums[TIME_IS_UP] = wish == PX_STOP_TIME;
    return PX_OK;
}

static px_status accumulate_tree(px_run *run, const px_run_position *at, double sums[PX_TREE_VALUES])
{
    float *flat = NULL;
    size_t count = 0;
    for (int32_t i = 0; i < run->share.windows; i++) {
        PX_TRY(window(run, at, i));
        PX_TRY(take_sums(run, i == 0, sums));
        PX_TRY(px_engine_gradients(run->engine, &flat, &count));
        PX_TRY(px_tree_add(run->tree, flat, sums));
    }
    return px_tree_reduce(run->tree, flat, sums);
}

/* Where reading an engine's sums costs nothing they are shared after every step; elsewhere only the wish to stop is,
 * and the sums by px_run_sync. */
static px_status share_sums(px_run *run, double sums[PX_TREE_VALUES])
{
    if (run->reads_each_step)
        PX_TRY(take_sums(run, 1, sums));
    else {
        const int wish = run->hooks->stop ? *run->hooks->stop : 0;
        sums[ASKED] = wish != 0;
        sums[TIME_IS_UP] = wish == PX_STOP_TIME;
    }
    return px_comm_sum(run->comm, sums, PX_TREE_VALUES);
}

px_status px_run_step(px_run *run, const px_run_position *at, px_update *update)
{
    double sums[PX_TREE_VALUES] = {0};
    const int apart = run->comm->size > 1 || run->share.reduce == PX_REDUCE_TREE;
    PX_TRY(look_ahead(run, at));
    if (run->share.reduce == PX_REDUCE_TREE)
        PX_TRY(accumulate_tree(run, at, sums));
    else {
        for (int32_t i = 0; i < run->share.windows; i++) PX_TRY(window(run, at, i));
        if (apart) PX_TRY(share_sums(run, sums));
    }
    if (apart) {
        run->stop = sums[TIME_IS_UP] > 0 ? PX_STOP_TIME : sums[ASKED] > 0 ? PX_STOP_ASKED : PX_STOP_NO;
        run->step_loss += sums[LOSS];
        run->step_tokens += (int64_t)sums[TOKENS];
        update->loss_not_finite = !isfinite(sums[LOSS]);
    }
    return px_engine_update(run->engine, update);
}

px_status px_run_step_sums(px_run *run, px_metrics *metrics)
{
    PX_TRY(px_engine_metrics(run->engine, 1, metrics));
    if (run->comm->size == 1 && run->share.reduce != PX_REDUCE_TREE) return PX_OK;
    if (!run->reads_each_step) {
        double sums[2] = {metrics->loss_sum, (double)metrics->tokens};
        int64_t bad_step = metrics->bad_step;
        PX_TRY(px_comm_sum(run->comm, sums, 2));
        PX_TRY(px_comm_max(run->comm, &bad_step, 1)); /* whoever has met one stops all */
        metrics->loss_sum = sums[0];
        metrics->tokens = (int64_t)sums[1];
        metrics->bad_step = bad_step;
        return PX_OK;
    }
    metrics->loss_sum = run->step_loss;
    metrics->tokens = run->step_tokens;
    run->step_loss = 0;
    run->step_tokens = 0;
    return PX_OK;
}
