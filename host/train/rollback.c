/* After a loss, a gradient norm or weights that are not finite: see rollback.h. After a loss the engine has applied
 * nothing since that step; the state counted on, and is thrown away here together with it. */
#include "rollback.h"

#include "check.h"
#include "checkpoint.h"
#include "loop.h"
#include "metrics_log.h"
#include "run.h"
#include "run_folder.h"
#include "schedule.h"

#include <math.h>
#include <stdio.h>

enum { ROLLBACKS_IN_A_ROW_MAX = 10 };

static px_status log_event(px_run *run, const char *event, double rate)
{
    px_metrics_begin(run->log, event);
    px_metrics_count(run->log, "step", run->bad.bad_step + 1);
    px_metrics_text(run->log, "reason", "not finite");
    px_metrics_number(run->log, "grad_norm", run->bad.bad_norm);
    if (isfinite(run->state.grad_norm))
        px_metrics_number(run->log, "last_finite_grad_norm", run->state.grad_norm); /* there may be none yet */
    px_metrics_number(run->log, "learning_rate", rate);
    if (run->state.step <= run->bad.bad_step) px_metrics_count(run->log, "back_to_step", run->state.step);
    return px_metrics_end(run->log);
}

static const char *what_is_bad(const px_run *run)
{
    return run->bad_weights ? "the weights after it are not finite" : "the loss or the gradient is not finite";
}

/* What a person can do: the settings that bound a step, with their present values. */
static px_status give_up(px_run *run, double rate, const char *why)
{
    char clip[64], last_norm[64] = "none yet";
    double norm = run->state.grad_norm;
    run->comm->agreed = 1;              /* every rank has met the same step */
    (void)log_event(run, "stop", rate); /* the failure below matters more than one that writing it may meet */
    if (run->config.optimizer.clip > 0)
        snprintf(clip, sizeof clip, "--clip below %g", run->config.optimizer.clip);
    else
        snprintf(clip, sizeof clip, "--clip 1 (there is none now)");
    if (isfinite(norm)) snprintf(last_norm, sizeof last_norm, "%.4g", norm);
    return px_fail(PX_ERR_NUMERIC,
                   "step %lld: %s%s (last finite gradient norm %s, learning rate %.4g); start again with "
                   "--lr below %g, %s%s; the last good checkpoint is kept: %s",
                   (long long)run->bad.bad_step + 1, what_is_bad(run), why, last_norm, rate, run->config.lr, clip,
                   run->config.on_nan == PX_ON_NAN_STOP ? ", or --on-nan rollback" : "", run->last_path);
}

px_status px_run_not_finite(px_run *run)
{
    px_run_state kept = run->state;
    px_checkpoint last = {0};
    double rate = px_schedule_rate(&run->config, &run->state, run->bad.bad_step);
    if (run->config.on_nan == PX_ON_NAN_STOP) return give_up(run, rate, "");
    if (kept.rollbacks_in_a_row >= ROLLBACKS_IN_A_ROW_MAX)
        return give_up(run, rate, " after 10 returns to the last checkpoint");

    PX_TRY(px_checkpoint_open(run->last_path, &last));
    px_status status = px_run_restore(run, &last);
    px_checkpoint_close(&last);
    PX_TRY(status);
    run->state.rollbacks = kept.rollbacks + 1;
    run->state.rollbacks_in_a_row = kept.rollbacks_in_a_row + 1;
    run->state.rollback_scale = kept.rollback_scale * run->config.rollback_factor;
    run->state.failed_step = run->bad.bad_step > kept.failed_step ? run->bad.bad_step : kept.failed_step;
    rate = px_schedule_rate(&run->config, &run->state, run->state.step);
    PX_TRY(log_event(run, "rollback", rate));
    px_run_line(run, "step %lld: %s; back to step %lld with %g times the learning rate (now %.4g)",
                (long long)run->bad.bad_step + 1, what_is_bad(run), (long long)run->state.step,
                run->config.rollback_factor, rate);
    run->bad.bad_step = -1;
    /* sums of the steps thrown away are the engine's no longer */
    px_metrics ignored;
    PX_TRY(px_engine_metrics(run->engine, 1, &ignored));
    px_run_restart_timer(run);
    return PX_OK;
}
