/* A run from where it stands to its end. */
#ifndef PX_TO_END_H
#define PX_TO_END_H

#include "run.h"

/* The result of nothing yet. */
void px_run_clear_result(px_train_result *result);
/* From where the run stands to its end; the result is filled in, also where the run stops or fails. */
px_status px_run_train(px_run *run);

#endif
