/* More steps for a run that has ended, with a learning rate of their own (--extend-steps). */
#ifndef PX_EXTEND_H
#define PX_EXTEND_H

#include "checkpoint.h"
#include "run.h"

/* The configuration of the run in `folder`, whose last checkpoint is given, once it is extended by `steps`: it ends so
 * many steps further on, and its learning rate is a new cosine over them that begins at lr without a warm-up. Of
 * changes (train.h) lr, lr-min and warmup-steps belong to that cosine. PX_ERR_ARGUMENT where the run has not ended, or
 * changes give it another length. The caller frees config. */
px_status px_run_extend_config(const px_checkpoint *last, const char *folder, int64_t steps, const char *const *changes,
                               px_config *config);
/* After the checkpoint has been restored: the seam, in state, metrics.jsonl and a checkpoint. From here on the run is
 * like any other, and is resumed without --extend-steps. */
px_status px_run_extend(px_run *run);

#endif
