/* The steps of a training, and when something is logged, evaluated or saved: see loop.h.
 *
 * Where a running sum is cut decides its last bits, so sums are cut only at steps that every job of the run has in
 * common: on devices whose metrics cost nothing after every step; elsewhere at logged steps, evaluations, ends of
 * epochs and checkpoints (where a checkpoint at another step can move the last of 16 digits; nine are written). */
#include "loop.h"

#include "averaging.h"
#include "check.h"
#include "devices.h"
#include "machine.h"
#include "metrics_log.h"
#include "minibatch.h"
#include "rollback.h"
#include "run.h"
#include "run_folder.h"
#include "schedule.h"
#include "step.h"
#include "together.h"
#include "validation.h"
#include "window_cuts.h"

#include <math.h>
#include <stdio.h>

px_status px_run_sync(px_run *run)
{
    px_run_state *state = &run->state;
    px_metrics metrics;
    PX_TRY(px_run_step_sums(run, &metrics));
    run->bad = metrics;
    if (metrics.bad_step >= 0) return PX_OK;
    state->interval_loss += metrics.loss_sum;
    state->interval_tokens += metrics.tokens;
    state->epoch_loss += metrics.loss_sum;
    state->epoch_tokens += metrics.tokens;
    state->tokens += metrics.tokens;
    if (metrics.updates > 0 && isfinite(metrics.grad_norm)) state->grad_norm = metrics.grad_norm;
    return PX_OK;
}

void px_run_restart_timer(px_run *run)
{
    run->timer_started = px_clock();
    run->timer_tokens = run->state.tokens;
}

/* ---- logging ----------------------------------------------------------------------------------------------------- */

px_status px_run_log_interval(px_run *run)
{
    px_run_state *state = &run->state;
    double now = px_clock(), elapsed = now - run->timer_started;
    double loss = state->interval_tokens > 0 ? state->interval_loss / (double)state->interval_tokens : NAN;
    double rate = px_schedule_rate(&run->config, state, state->step - 1);
    int64_t steps = state->step - run->job_first_step;
    int64_t per_epoch = px_minibatches_per_epoch(run->windows, px_run_epoch_number(run) - 1);
    px_train_progress progress = {
        .step = state->step,
        .steps_in_all = run->steps_in_all,
        .epoch = px_run_epoch_number(run),
        .epochs = run->epochs,
        .share_of_epoch = state->window == 0 ? 1 : (double)state->window / (double)per_epoch,
        .loss = loss,
        .perplexity = exp(loss),
        .tokens_per_s = elapsed > 0 ? (double)(state->tokens - run->timer_tokens) / elapsed : 0,
        .seconds_left = run->steps_in_all > 0 && steps > 0
                            ? (now - run->job_started) / (double)steps * (double)(run->steps_in_all - state->step)
                            : -1,
        .learning_rate = rate,
        .grad_norm = state->grad_norm,
        .valid_loss = NAN};

    px_metrics_begin(run->log, "train");
    px_metrics_count(run->log, "step", progress.step);
    px_metrics_count(run->log, "epoch", progress.epoch);
    px_metrics_count(run->log, "tokens", state->tokens);
    px_metrics_number(run->log, "loss", progress.loss);
    px_metrics_number(run->log, "perplexity", progress.perplexity);
    px_metrics_number(run->log, "tokens_per_s", progress.tokens_per_s);
    px_metrics_number(run->log, "grad_norm", progress.grad_norm);
    px_metrics_number(run->log, "learning_rate", progress.learning_rate);
    PX_TRY(px_metrics_end(run->log));
    if (run->hooks->progress && px_run_leads(run)) run->hooks->progress(run->hooks->context, &progress);
    state->interval_loss = 0;
    state->interval_tokens = 0;
    px_run_restart_timer(run);
    return PX_OK;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static px_status weights_not_finite(px_run *run)
{
    run->bad = (px_metrics){.bad_step = run->state.step - 1, .bad_norm = run->state.grad_norm};
    run->bad_weights = 1;
    px_status status = px_run_not_finite(run);
    run->bad_weights = 0;
    return status;
}

/* Saves everything; the time it takes is not the steps'. Where the last update left weights that are not finite the run
 * goes back to the checkpoint before, or ends, as after such a loss. */
static px_status save(px_run *run)
{
    double before = px_clock();
    px_range_push("checkpoint", 0x8C564B);
    px_status status = px_run_write_last(run);
    px_range_pop();
    if (status == PX_ERR_NUMERIC) return weights_not_finite(run);
    PX_TRY(status);
    run->timer_started += px_clock() - before;
    return PX_OK;
}

px_status px_run_stop_with_checkpoint(px_run *run)
{
    px_run_state *state = &run->state;
    PX_TRY(save(run));
    px_metrics_begin(run->log, "stop");
    px_metrics_count(run->log, "step", state->step);
    px_metrics_text(run->log, "reason", px_run_stop_asked(run) == PX_STOP_TIME ? "time limit" : "asked to stop");
    PX_TRY(px_metrics_end(run->log));
    return px_fail(PX_STOPPED, "%s: stopped at step %lld with a checkpoint; go on by --resume %s", run->folder,
                   (long long)state->step, run->folder);
}

px_status px_run_save_before_failing(px_run *run, px_status failure)
{
    char why[768];
    snprintf(why, sizeof why, "%s", px_error_message());
    if (run->comm->size > 1) /* the others wait in a sum, and only all together can save */
        return px_fail(failure,
                       "%s; several ranks keep no checkpoint of this step: go on from the last one by --resume %s when "
                       "the file is whole again",
                       why, run->folder);
    if (save(run) != PX_OK) return px_fail(failure, "%s", why);
    px_metrics_begin(run->log, "stop");
    px_metrics_count(run->log, "step", run->state.step);
    px_metrics_text(run->log, "reason", "reading failed");
    if (px_metrics_end(run->log) != PX_OK) return px_fail(failure, "%s", why);
    return px_fail(failure,
                   "%s; stopped at step %lld with a checkpoint: go on by --resume %s when the file is whole again", why,
                   (long long)run->state.step, run->folder);
}

/* After an evaluation. Short epochs would spend their time on flushing disks: at most one such checkpoint in 5 seconds,
 * unless a rollback, which goes back to the last one, would then depend on the clock. */
static px_status save_after_evaluation(px_run *run)
{
    enum { LEAST_SECONDS = 5 };
    int too_soon = run->config.on_nan == PX_ON_NAN_STOP && px_clock() - run->checkpoint_written < LEAST_SECONDS;
    PX_TRY(px_run_decide(run, &too_soon));
    return too_soon ? PX_OK : save(run);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

px_end_reason px_run_end_of(const px_config *config, const px_run_state *state)
{
    if (config->early_stop > 0 && state->since_best >= config->early_stop) return PX_END_EARLY_STOP;
    if (config->epochs > 0 && state->epoch >= config->epochs) return PX_END_EPOCHS;
    if (config->max_steps > 0 && state->step >= config->max_steps) return PX_END_MAX_STEPS;
    return PX_END_NONE;
}

px_end_reason px_run_end_reason(const px_run *run) { return px_run_end_of(&run->config, &run->state); }

/* Every so many steps, or so many seconds after the last one, whatever that was for. */
static int save_is_due(const px_run *run)
{
    const px_every *every = &run->config.checkpoint_every;
    if (every->seconds > 0) return px_clock() - run->checkpoint_written >= (double)every->seconds;
    return every->steps > 0 && run->state.step % every->steps == 0;
}

/* The schedule's rate, for a window of random length in proportion to its steps. */
static double rate_of(px_run *run, const px_run_position *at)
{
    const px_minibatch_settings *m = &run->config.minibatch;
    const double rate = px_schedule_rate(&run->config, &run->state, at->step);
    if (m->steps_jitter == 0) return rate;
    return rate * px_minibatches_steps(run->windows, at->epoch, at->window) / px_window_mean(m->steps, m->steps_jitter);
}

/* One window: forward, backward, update. The position then names the next window. */
static px_status step(px_run *run)
{
    px_run_state *state = &run->state;
    px_run_position at = {state->epoch, state->window, state->step};
    px_update update = {.step = (uint64_t)state->step,
                        .moment_steps = state->moment_steps,
                        .lr = rate_of(run, &at),
                        .average_weight = px_averaging_weight(&run->config, state)};
    PX_TRY(px_run_step(run, &at, &update));
    if (update.average_weight > 0) state->average_count++;
    state->step++;
    if (++state->window >= px_minibatches_per_epoch(run->windows, state->epoch)) {
        state->window = 0;
        state->epoch++;
    }
    return PX_OK;
}

/* What is due after a step. */
static px_status after_step(px_run *run)
{
    const px_config *config = &run->config;
    px_run_state *state = &run->state;
    int epoch_ended = state->window == 0;
    int log_due = config->log_every > 0 && state->step % config->log_every == 0;
    int evaluation_due =
        run->validates && (config->valid_every > 0 ? state->step % config->valid_every == 0 : epoch_ended);
    int save_due = save_is_due(run);
    if (config->checkpoint_every.seconds > 0) PX_TRY(px_run_decide(run, &save_due)); /* rank 0's clock */
    int end = px_run_end_reason(run) != PX_END_NONE;

    if (config->ranks.check_every > 0 && state->step % config->ranks.check_every == 0)
        PX_TRY(px_run_compare_ranks(run));
    if (!(run->reads_each_step || epoch_ended || log_due || evaluation_due || save_due || end)) return PX_OK;
    PX_TRY(px_run_sync(run));
    if (run->bad.bad_step >= 0) return px_run_not_finite(run);
    if (log_due) PX_TRY(px_run_log_interval(run));
    if (epoch_ended) {
        state->last_epoch_loss = state->epoch_loss;
        state->last_epoch_tokens = state->epoch_tokens;
        state->epoch_loss = 0;
        state->epoch_tokens = 0;
    }
    if (evaluation_due) {
        state->evaluation_due = 1;
        PX_TRY(px_run_validate(run, 0));
        if (!save_due) return save_after_evaluation(run);
    } else if (epoch_ended && !run->validates && !save_due)
        return save_after_evaluation(run);
    return save_due ? save(run) : PX_OK;
}

/* A step's text could not be read, and nothing has been computed from it. */
static px_status text_lost(px_run *run, px_status failure)
{
    char why[1024];
    snprintf(why, sizeof why, "%s", px_error_message());
    px_status status = px_run_sync(run);
    (void)px_fail(failure, "%s", why);
    return status == PX_OK && run->bad.bad_step < 0 ? px_run_save_before_failing(run, failure) : failure;
}

/* Steps to the end of an epoch or of the run, inside a profiler's range. */
static px_status epoch(px_run *run, px_end_reason *reason)
{
    do {
        if (px_run_stop_asked(run)) {
            PX_TRY(px_run_sync(run));
            if (run->bad.bad_step < 0) return px_run_stop_with_checkpoint(run);
            PX_TRY(px_run_not_finite(run));
            continue;
        }
        px_range_push("step", 0x1F77B4);
        px_status status = step(run);
        px_range_pop();
        if (status != PX_OK && run->reading) return text_lost(run, status);
        PX_TRY(status);
        PX_TRY(after_step(run));
    } while ((*reason = px_run_end_reason(run)) == PX_END_NONE && run->state.window != 0);
    return PX_OK;
}

px_status px_run_loop(px_run *run, px_end_reason *reason)
{
    run->job_first_step = run->state.step;
    px_run_restart_timer(run);
    if (run->state.evaluation_due) { /* an earlier job was stopped in it */
        PX_TRY(px_run_validate(run, 0));
        PX_TRY(save(run));
    }
    do {
        while ((*reason = px_run_end_reason(run)) == PX_END_NONE) {
            px_range_push("epoch", 0x7F7F7F);
            px_status status = epoch(run, reason);
            px_range_pop();
            PX_TRY(status);
        }
        if (run->checkpoint_step != run->state.step) PX_TRY(save(run));
    } while (px_run_end_reason(run) == PX_END_NONE); /* that has gone back */
    return PX_OK;
}
