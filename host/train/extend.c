/* More steps for a run that has ended: see extend.h. */
#include "extend.h"

#include "check.h"
#include "loop.h"
#include "metrics_log.h"
#include "quantity.h"
#include "run_folder.h"
#include "together.h"

#include <string.h>

static int is_any_of(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0) names++;
    return *names != NULL;
}

static px_status check_ended(const px_checkpoint *last, const char *folder)
{
    char step[32];
    if (px_run_end_of(&last->config, &last->state) != PX_END_NONE) return PX_OK;
    return px_fail(PX_ERR_ARGUMENT,
                   "--extend-steps: %s has not ended, it is at step %s; continue it by --resume %s alone, and "
                   "extend it then",
                   folder, px_text_count(step, last->state.step), folder);
}

px_status px_run_extend_config(const px_checkpoint *last, const char *folder, int64_t steps, const char *const *changes,
                               px_config *config)
{
    static const char *const lengths[] = {"max-steps", "epochs", NULL}, *const rates[] = {"lr", "lr-min",
                                                                                          "warmup-steps", NULL};
    PX_TRY(check_ended(last, folder));
    PX_TRY(px_config_copy(config, &last->config));
    config->schedule = PX_SCHEDULE_COSINE;
    config->schedule_from = last->state.step;
    config->schedule_steps = steps;
    config->warmup_steps = 0;
    config->max_steps = last->state.step + steps;
    config->epochs = 0;
    px_status status;
    for (; changes && changes[0]; changes += 2) {
        if (is_any_of(changes[0], lengths)) {
            status = px_fail(PX_ERR_ARGUMENT,
                             "--%s %s: --extend-steps says how much further the run goes; leave one of them out",
                             changes[0], changes[1]);
            goto fail;
        }
        if (is_any_of(changes[0], rates)) PX_TRY_GOTO(status, px_config_set(config, changes[0], changes[1]), fail);
    }
    return PX_OK;
fail:
    px_config_free(config);
    return status;
}

/* What slowed or ended the steps before belongs to them. An evaluation that the end has made is made again: of that one
 * the checkpoint does not know. */
static void cross_seam(px_run *run)
{
    px_run_state *state = &run->state;
    state->since_best = 0;
    state->plateau_waited = 0;
    state->plateau_scale = 1;
    state->rollback_scale = 1;
    state->evaluation_due = run->validates && state->evaluated_step != state->step;
}

static px_status log_seam(px_run *run)
{
    const px_config *config = &run->config;
    px_metrics_begin(run->log, "extend");
    px_metrics_count(run->log, "step", run->state.step);
    px_metrics_count(run->log, "steps", config->schedule_steps);
    px_metrics_number(run->log, "learning_rate", config->lr);
    return px_metrics_end(run->log);
}

px_status px_run_extend(px_run *run)
{
    char steps[32], to[32];
    cross_seam(run);
    if (px_run_leads(run)) PX_TRY(log_seam(run));
    px_run_line(run, "extended by %s steps, to step %s: a cosine from a rate of %g",
                px_text_count(steps, run->config.schedule_steps), px_text_count(to, run->config.max_steps),
                run->config.lr);
    return px_run_write_last(run);
}
