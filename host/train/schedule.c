/* The learning rate of a step: see schedule.h. */
#include "schedule.h"

#include <math.h>

static double shape_of(const px_config *config, int64_t step)
{
    switch (config->schedule) {
    case PX_SCHEDULE_CONSTANT:
    case PX_SCHEDULE_PLATEAU: return 1;
    case PX_SCHEDULE_STEP:
        return config->lr_step_every > 0 ? pow(config->lr_factor, (double)(step / config->lr_step_every)) : 1;
    case PX_SCHEDULE_COSINE: {
        double length = (double)(config->schedule_steps - config->warmup_steps);
        double x = step < config->warmup_steps ? 0 : length > 0 ? (double)(step - config->warmup_steps) / length : 1;
        x = x > 1 ? 1 : x;
        return config->lr_min + (1 - config->lr_min) * 0.5 * (1 + cos(M_PI * x));
    }
    }
    return 1;
}

double px_schedule_rate(const px_config *config, const px_run_state *state, int64_t step)
{
    step = step > config->schedule_from ? step - config->schedule_from : 0;
    double warm_up = step < config->warmup_steps ? (double)(step + 1) / (double)config->warmup_steps : 1;
    return config->lr * shape_of(config, step) * warm_up * state->plateau_scale * state->rollback_scale;
}

void px_schedule_evaluated(const px_config *config, px_run_state *state, int is_best)
{
    if (config->schedule != PX_SCHEDULE_PLATEAU) return;
    state->plateau_waited = is_best ? 0 : state->plateau_waited + 1;
    if (state->plateau_waited >= config->lr_patience) {
        state->plateau_scale *= config->lr_factor;
        state->plateau_waited = 0;
    }
}
