/* After a loss, gradient or weights that are not finite. */
#ifndef PX_ROLLBACK_H
#define PX_ROLLBACK_H

#include "run.h"

/* After px_run_sync, or a save, found a bad step: goes back to the last checkpoint (PX_OK) or ends the run
 * (PX_ERR_NUMERIC). */
px_status px_run_not_finite(px_run *run);

#endif
