/* The folder of an open run: its creation, and what a run writes into it. */
#ifndef PX_RUN_FOLDER_H
#define PX_RUN_FOLDER_H

#include "checkpoint.h"
#include "run.h"

px_status px_run_folder_names(px_run *run);
/* PX_ERR_ARGUMENT where the folder already holds a run. */
px_status px_run_folder_refuse(const px_run *run);
/* Creates the folder (and those above it) for a new run, takes its lock and opens metrics.jsonl; *created: 1 if it was
 * not there. */
px_status px_run_folder_create(px_run *run, int *created);
/* Once its lock has been taken: removes what a killed job left half-written. */
void px_run_folder_locked(const px_run *run);
/* Takes back what px_run_folder_create and a failed start left behind. */
void px_run_folder_undo(px_run *run, int created);
px_status px_run_write_config(px_run *run);
px_status px_run_write_best(px_run *run, const px_run_state *state);
/* last.safetensors with everything, after metrics.jsonl was flushed. The caller has called px_run_sync.
 * PX_ERR_NUMERIC, on every rank and with nothing written: a weight is not finite. */
px_status px_run_write_last(px_run *run);
/* Engine and state as the checkpoint (kind LAST) has them. */
px_status px_run_restore(px_run *run, const px_checkpoint *from);
/* Before the evaluation at the end replaces best.safetensors, and back, when the run goes on after all. */
px_status px_run_keep_best(px_run *run);
px_status px_run_restore_best(px_run *run);

#endif
