/* One step of a run: its windows, the sum over ranks, the update. */
#ifndef PX_STEP_H
#define PX_STEP_H

#include "run.h"

typedef struct px_run_position {
    int64_t epoch, window, step;
} px_run_position;
/* Tree or reducer, as run->share says; the engine is open. */
px_status px_run_open_reduction(px_run *run);
/* All windows of this rank, the sum over ranks, the update. With several ranks run->stop is then what all of them know.
 */
px_status px_run_step(px_run *run, const px_run_position *at, px_update *update);
/* px_engine_metrics of all ranks together; sums are cleared. */
px_status px_run_step_sums(px_run *run, px_metrics *metrics);

#endif
