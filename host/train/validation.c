/* Evaluation during a training: see validation.h. What is done at its end is in final_evaluation.c. */
#include "validation.h"

#include "averaging.h"
#include "check.h"
#include "diagnose.h"
#include "evaluate.h"
#include "loop.h"
#include "machine.h"
#include "metrics_log.h"
#include "minibatch.h"
#include "observe.h"
#include "run.h"
#include "run_folder.h"
#include "schedule.h"
#include "together.h"

#include <math.h>
#include <stdlib.h>

/* As many streams as in training, or as many as the text has tokens to predict. */
static px_evaluate_options fast_options(const px_run *run)
{
    size_t targets = run->corpus.valid.end - run->corpus.valid.begin - 1;
    int32_t n = run->config.minibatch.batch;
    return (px_evaluate_options){.n = targets < (size_t)n ? (int32_t)targets : n,
                                 .T = run->config.minibatch.steps,
                                 .reset_id = run->reset_id,
                                 .stop = run->hooks->stop};
}

/* PX_STOPPED on all ranks at the same window. */
static px_status poll_stop(void *context)
{
    px_run *run = context;
    PX_TRY(px_run_share_stop(run));
    return run->stop ? px_fail(PX_STOPPED, "stopped while scoring") : PX_OK;
}

/* Streams [i * n / ranks, ...) are rank i's. Sums of streams are added in their order: the same for any ranks and
 * windows. */
static px_status evaluate_shared(px_run *run, px_evaluate_options *options, px_evaluation *evaluation)
{
    const int32_t n = options->n, ranks = run->comm->size, rank = run->comm->rank, most = (n + ranks - 1) / ranks;
    const int32_t first = (int32_t)((int64_t)rank * n / ranks),
                  count = (int32_t)((int64_t)(rank + 1) * n / ranks) - first;
    const double started = px_clock();
    double *sums = calloc((size_t)n * 2, sizeof *sums), sum = 0, scored = 0;
    int64_t *tokens = calloc((size_t)n, sizeof *tokens);
    options->poll = poll_stop;
    options->poll_context = run;
    px_status status;
    if (!sums || !tokens) {
        status = px_fail(PX_ERR_MEMORY, "no memory for the sums of %d streams", (int)n);
        goto done;
    }
    PX_TRY_GOTO(
        status,
        px_evaluate_streams(run->engine, run->corpus.valid, options, first, count, most, sums + first, tokens + first),
        done);
    for (int32_t i = 0; i < n; i++) sums[n + i] = (double)tokens[i];
    PX_TRY_GOTO(status, px_comm_sum(run->comm, sums, (size_t)n * 2), done); /* all but one rank add zero */
    for (int32_t i = 0; i < n; i++) {
        sum += sums[i];
        scored += sums[n + i];
    }
done:
    free(sums);
    free(tokens);
    PX_TRY(status);
    *evaluation = (px_evaluation){.loss = sum / scored,
                                  .perplexity = exp(sum / scored),
                                  .bits_per_token = sum / scored / M_LN2,
                                  .tokens = (int64_t)scored,
                                  .seconds = px_clock() - started};
    return PX_OK;
}

/* With the averaged weights where there are any; they are back in their place afterwards. */
static px_status evaluate_now(px_run *run, px_evaluation *evaluation)
{
    px_evaluate_options options = fast_options(run);
    int averaged = run->state.average_count > 0;
    if (averaged) PX_TRY(px_engine_swap_average(run->engine));
    px_status status = run->share.ranks > 1 || run->share.windows > 1
                           ? evaluate_shared(run, &options, evaluation)
                           : px_evaluate(run->engine, run->corpus.valid, &options, evaluation);
    if (averaged) PX_TRY(px_engine_swap_average(run->engine));
    return status;
}

static px_status log_evaluation(px_run *run, const px_run_state *state, const px_evaluation *evaluation, int is_best)
{
    px_train_progress progress = {
        .step = state->step,
        .steps_in_all = run->steps_in_all,
        .epoch = px_run_epoch_number(run),
        .epochs = run->epochs,
        .share_of_epoch = state->window == 0
                              ? 1
                              : (double)state->window / (double)px_minibatches_per_epoch(run->windows, state->epoch),
        .loss = state->interval_tokens > 0 ? state->interval_loss / (double)state->interval_tokens : NAN,
        .perplexity = NAN,
        .seconds_left = -1,
        .learning_rate = px_schedule_rate(&run->config, state, state->step - 1),
        .grad_norm = state->grad_norm,
        .valid_loss = evaluation->loss,
        .is_best = is_best};
    if (state->interval_tokens == 0 && state->last_epoch_tokens > 0)
        progress.loss = state->last_epoch_loss / (double)state->last_epoch_tokens;
    progress.perplexity = exp(progress.loss);

    px_metrics_begin(run->log, "valid");
    px_metrics_count(run->log, "step", state->step);
    px_metrics_count(run->log, "epoch", progress.epoch);
    px_metrics_count(run->log, "tokens", state->tokens);
    px_metrics_number(run->log, "valid_loss", evaluation->loss);
    px_metrics_number(run->log, "valid_perplexity", evaluation->perplexity);
    px_metrics_bool(run->log, "best", is_best);
    px_metrics_bool(run->log, "averaged", state->average_count > 0);
    px_metrics_number(run->log, "seconds", evaluation->seconds);
    PX_TRY(px_metrics_end(run->log));
    if (run->hooks->evaluation && px_run_leads(run)) run->hooks->evaluation(run->hooks->context, &progress);
    return PX_OK;
}

px_status px_run_validate(px_run *run, int at_end)
{
    px_evaluation evaluation;
    px_run_state *state = &run->state, after;
    double before = px_clock();
    px_status status = evaluate_now(run, &evaluation);
    if (status == PX_STOPPED)
        /* asked to stop while scoring: the next job begins with this evaluation; at the end the checkpoint is already
         * there */
        return at_end ? status : px_run_stop_with_checkpoint(run);
    if (status == PX_ERR_IO && !at_end)
        return px_run_save_before_failing(run, status); /* nothing else here reads or writes */
    PX_TRY(status);

    int is_best = !isnan(evaluation.loss) && (isnan(state->best_loss) || evaluation.loss < state->best_loss);
    /* at the seam of an extended run, before its first step, there is nothing to wait for yet */
    const int counts = run->config.schedule_from == 0 || state->step > run->config.schedule_from;
    after = *state;
    after.evaluation_due = 0;
    after.evaluations++;
    after.evaluated_step = after.step;
    if (is_best) {
        after.best_loss = evaluation.loss;
        after.best_step = after.step;
        after.since_best = 0;
    } else if (counts)
        after.since_best++;
    if (counts) px_schedule_evaluated(&run->config, &after, is_best);
    if (counts) px_averaging_evaluated(&run->config, &after);
    if (is_best) {
        if (at_end) PX_TRY(px_run_keep_best(run));
        PX_TRY(px_run_write_best(run, &after));
    }
    PX_TRY(log_evaluation(run, state, &evaluation, is_best));
    PX_TRY(px_run_diagnose(run, evaluation.loss, after.evaluations));
    *state = after;
    PX_TRY(px_run_look(run, 1));
    run->timer_started += px_clock() - before;
    return PX_OK;
}
