/* The learning rate of a step: a pure function of the configuration, the step and two factors of the run's state.
 *
 * With s the steps since schedule_from, 0 before it (an extended run begins a schedule anew):
 *     rate(s) = lr * shape(s) * warm-up(s) * plateau_scale * rollback_scale
 *     warm-up  (s + 1) / warmup_steps for s < warmup_steps, else 1: linear from 0, the first step is not lost
 *     constant 1
 *     step     lr_factor ^ floor(s / lr_step_every)
 *     cosine   lr_min + (1 - lr_min) (1 + cos(pi x)) / 2 with x = (s - warmup) / (schedule_steps - warmup) in [0, 1]
 *     plateau  plateau_scale: multiplied by lr_factor after lr_patience evaluations without a new best
 * Source of the cosine: Loshchilov and Hutter, SGDR, 2017, without restarts. */
#ifndef PX_SCHEDULE_H
#define PX_SCHEDULE_H

#include "config.h"
#include "run_state.h"

/* Rate of update number `step`, from 0. */
double px_schedule_rate(const px_config *config, const px_run_state *state, int64_t step);

/* Takes in an evaluation's outcome, once is_best is known: the plateau's counter and factor. */
void px_schedule_evaluated(const px_config *config, px_run_state *state, int is_best);

#endif
