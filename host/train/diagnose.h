/* What an evaluation shows of a training that does not learn. */
#ifndef PX_DIAGNOSE_H
#define PX_DIAGNOSE_H

#include "run.h"

/* After an evaluation, while its states are still in the engine: says in one line each, once in a job and with what to
 * change, where from the second evaluation on (`evaluations` counts this one) the model is no better than the
 * frequencies of single tokens; where more than 60 % of a layer's hidden values are saturated; where their rms is below
 * 0.01, so that of tanh units the pre-activations' is, too. Nothing of the run changes. */
px_status px_run_diagnose(px_run *run, double valid_loss, int64_t evaluations);

#endif
