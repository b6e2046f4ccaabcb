/* Checkpoints of a run's folder, older ones among them: last.safetensors, and checkpoint-STEP.safetensors, which is
 * what that was. */
#ifndef PX_RUN_CHECKPOINTS_H
#define PX_RUN_CHECKPOINTS_H

#include "checkpoint.h"

/* Gives last.safetensors (of that step), about to be replaced, its second name. *in_the_way: the file of that name that
 * is no checkpoint of a run and was therefore left as it is, malloc'ed; else NULL. */
px_status px_run_keep_last(const char *folder, int64_t step, char **in_the_way);
/* Removes all but the newest `most` of them. */
px_status px_run_prune_kept(const char *folder, int64_t most);
enum { PX_RUN_DAMAGE_BYTES = 768 };
/* Opens last.safetensors, or, where that is damaged or missing, the newest kept checkpoint that is whole: damage then
 * says what was wrong, else it is "". PX_ERR_INPUT where there is none. The caller closes it. */
px_status px_run_open_newest(const char *folder, px_checkpoint *checkpoint, char damage[PX_RUN_DAMAGE_BYTES]);
/* Removes kept checkpoints of later steps: those that were found damaged. */
px_status px_run_drop_kept_after(const char *folder, int64_t step);
/* Whether there is something to go on with. */
px_status px_run_folder_has_checkpoint(const char *folder, int *has);
/* Removes the unfinished files of a job that was killed. The caller holds the lock. */
void px_run_folder_tidy(const char *folder);
/* Copies a file, atomically. */
px_status px_run_copy(const char *from, const char *to);

#endif
