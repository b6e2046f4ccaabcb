/* Averaged weights: the uniform mean of the weights after each step since averaging began.
 *
 * The engine keeps the mean; here is decided when it begins and with what weight a step enters. Evaluation and the
 * model files use the mean once it has begun (state->average_count > 0).
 * Sources: Polyak and Juditsky 1992; begun where validation stalls: Merity, Keskar and Socher 2018 (NT-ASGD). */
#ifndef PX_AVERAGING_H
#define PX_AVERAGING_H

#include "config.h"
#include "run_state.h"

/* px_update.average_weight of the update that makes step `state->step + 1`: 1 / k for the k-th weights of the mean, 0
 * before. The caller adds 1 to state->average_count once the update is made. */
double px_averaging_weight(const px_config *config, const px_run_state *state);

/* Takes in an evaluation's outcome (state->since_best already counts it): averaging begins where it has stalled. */
void px_averaging_evaluated(const px_config *config, px_run_state *state);

#endif
