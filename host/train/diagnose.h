/* What an evaluation shows of a training that does not learn. */
#ifndef PX_DIAGNOSE_H
#define PX_DIAGNOSE_H

#include "run.h"

/* After an evaluation, while its states are still in the engine: says in one line each, once in a run and with what to
 * change, and writes into metrics.jsonl, where
 *   - from the second evaluation on (`evaluations` counts this one) the model is no better than the frequencies of
 *     single tokens;
 *   - more than 60 % of a layer's hidden values are saturated, and the model is no better than those frequencies:
 *     trained models of words often have more, and lower rates made them worse (docs/learning.md);
 *   - the hidden values' rms is below 0.01, so that of tanh units the pre-activations' is, too.
 * Nothing else of the run changes. */
px_status px_run_diagnose(px_run *run, double valid_loss, int64_t evaluations);
/* What an earlier job of this run has said already, from the lines of metrics.jsonl that are kept. */
px_status px_run_recall_warnings(px_run *run);

#endif
