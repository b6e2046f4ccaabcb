/* The steps of a run, and when something is logged, evaluated or saved. */
#ifndef PX_LOOP_H
#define PX_LOOP_H

#include "run.h"

typedef enum px_end_reason { PX_END_NONE, PX_END_MAX_STEPS, PX_END_EPOCHS, PX_END_EARLY_STOP } px_end_reason;
/* Whether a run with this configuration ends where its state stands. */
px_end_reason px_run_end_of(const px_config *config, const px_run_state *state);
px_end_reason px_run_end_reason(const px_run *run);
/* Trains until the run ends (reason), is asked to stop (PX_STOPPED, checkpoint written) or fails. */
px_status px_run_loop(px_run *run, px_end_reason *reason);
/* Adds the engine's sums to the state's; run->bad.bad_step >= 0 where a step was not finite: nothing may then be saved.
 */
px_status px_run_sync(px_run *run);
/* The line of the interval since the last one, and the progress hook; the sums are cleared. */
px_status px_run_log_interval(px_run *run);
/* Speeds count from here on: called after anything that is not a step. */
void px_run_restart_timer(px_run *run);
px_status px_run_stop_with_checkpoint(px_run *run);
/* The text cannot be read any more (it was cut short, its disk fails): what the run has reached is kept. Returns
 * failure, whose recorded message then says so as well. The sums were read (px_run_sync). */
px_status px_run_save_before_failing(px_run *run, px_status failure);

#endif
