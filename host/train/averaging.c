/* Averaged weights: see averaging.h. */
#include "averaging.h"

double px_averaging_weight(const px_config *config, const px_run_state *state)
{
    int on = (config->average == PX_AVERAGE_FROM && state->step + 1 >= config->average_from) ||
             (config->average == PX_AVERAGE_STALL && state->average_begun);
    return on ? 1.0 / (double)(state->average_count + 1) : 0;
}

void px_averaging_evaluated(const px_config *config, px_run_state *state)
{
    if (config->average != PX_AVERAGE_STALL || state->average_begun || state->since_best < config->average_patience)
        return;
    state->average_begun = 1;
    state->since_best = 0; /* early stopping waits anew: the mean gets its chance */
}
