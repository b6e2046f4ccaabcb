/* What an observer is shown of a run (observer.h): observe.c; the texts and weights among it: snapshot.c. */
#ifndef PX_OBSERVE_H
#define PX_OBSERVE_H

#include "run.h"

/* Opens the observer, where there is one and this process writes the log, and shows it what is kept of this very step.
 */
px_status px_run_observe(px_run *run);
void px_run_observe_end(px_run *run);
void px_run_show_snapshot(px_run *run, const px_run_snapshot *snapshot);
/* After an evaluation was counted: a sample line where one is due (sample = 1), and the model for the observer. The
 * state of training is as it was; only the engine's sums, read before, are cleared. */
px_status px_run_look(px_run *run, int sample);

#endif
