/* Evaluation during a training: see run.h. What is done at its end is in final_evaluation.c. */
#include "run.h"

#include "averaging.h"
#include "check.h"
#include "evaluate.h"
#include "machine.h"
#include "schedule.h"

#include <math.h>

/* As many streams as in training, or as many as the text has tokens to predict. */
static px_evaluate_options fast_options(const px_run *run)
{
    size_t targets = run->corpus.valid.end - run->corpus.valid.begin - 1;
    int32_t n = run->config.batch;
    return (px_evaluate_options){.n = targets < (size_t)n ? (int32_t)targets : n, .T = run->config.steps,
                                 .reset_id = run->reset_id, .stop = run->hooks->stop};
}

/* With the averaged weights where there are any; they are back in their place afterwards. */
static px_status evaluate_now(px_run *run, px_evaluation *evaluation)
{
    px_evaluate_options options = fast_options(run);
    int averaged = run->state.average_count > 0;
    if (averaged) PX_TRY(px_engine_swap_average(run->engine));
    px_status status = px_evaluate(run->engine, run->corpus.valid, &options, evaluation);
    if (averaged) PX_TRY(px_engine_swap_average(run->engine));
    return status;
}

static px_status log_evaluation(px_run *run, const px_run_state *state, const px_evaluation *evaluation, int is_best)
{
    px_train_progress progress = {
        .step = state->step, .steps_in_all = run->steps_in_all, .epoch = px_run_epoch_number(run), .epochs = run->epochs,
        .share_of_epoch = state->window == 0 ? 1 : (double)state->window / (double)px_minibatches_per_epoch(run->windows, state->epoch),
        .loss = state->interval_tokens > 0 ? state->interval_loss / (double)state->interval_tokens : NAN,
        .perplexity = NAN, .seconds_left = -1, .learning_rate = px_schedule_rate(&run->config, state, state->step - 1),
        .grad_norm = state->grad_norm, .valid_loss = evaluation->loss, .is_best = is_best};
    if (state->interval_tokens == 0 && state->last_epoch_tokens > 0) progress.loss = state->last_epoch_loss / (double)state->last_epoch_tokens;
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
    if (run->hooks->evaluation) run->hooks->evaluation(run->hooks->context, &progress);
    return PX_OK;
}

px_status px_run_validate(px_run *run, int at_end)
{
    px_evaluation evaluation;
    px_run_state *state = &run->state, after;
    double before = px_clock();
    px_status status = evaluate_now(run, &evaluation);
    if (status == PX_STOPPED)
        /* asked to stop while scoring: the next job begins with this evaluation; at the end the checkpoint is already there */
        return at_end ? status : px_run_stop_with_checkpoint(run);
    PX_TRY(status);

    int is_best = !isnan(evaluation.loss) && (isnan(state->best_loss) || evaluation.loss < state->best_loss);
    after = *state;
    after.evaluation_due = 0;
    after.evaluations++;
    after.evaluated_step = after.step;
    if (is_best) {
        after.best_loss = evaluation.loss;
        after.best_step = after.step;
        after.since_best = 0;
    } else
        after.since_best++;
    px_schedule_evaluated(&run->config, &after, is_best);
    px_averaging_evaluated(&run->config, &after);
    if (is_best) {
        if (at_end) PX_TRY(px_run_keep_best(run));
        PX_TRY(px_run_write_best(run, &after));
    }
    PX_TRY(log_evaluation(run, state, &evaluation, is_best));
    *state = after;
    PX_TRY(px_run_look(run, 1));
    run->timer_started += px_clock() - before;
    return PX_OK;
}
