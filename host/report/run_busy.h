/* Whether a process trains in a run folder now. */
#ifndef PX_RUN_BUSY_H
#define PX_RUN_BUSY_H

/* 1 where the folder's lock is held (the file `lock`, or metrics.jsonl in folders of older versions). Where the holder
 * can only be a process of this machine the kernel's list says so, and a run that is just starting never meets a lock
 * of ours. */
int px_run_is_busy(const char *folder);

#endif
