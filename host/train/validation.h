/* Evaluation during training. */
#ifndef PX_VALIDATION_H
#define PX_VALIDATION_H

#include "run.h"

/* The evaluation that is due at this step: state, best.safetensors, metrics, hooks. PX_STOPPED where asked to stop,
 * after a checkpoint. at_end: the run has ended where no evaluation was due; its last checkpoint is written, so that
 * nothing of this evaluation goes into a resumed run: the best model before it is kept beside. */
px_status px_run_validate(px_run *run, int at_end);

#endif
