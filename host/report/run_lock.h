/* Whether a process trains in a run folder now. */
#ifndef PX_RUN_LOCK_H
#define PX_RUN_LOCK_H

/* 1 where the folder's metrics.jsonl, whose open file is a run's lock (metrics_log.h), is locked. Looks at the kernel's list first,
 * so that a run which is just starting never meets a lock of ours. */
int px_run_lock_is_held(const char *folder);

#endif
