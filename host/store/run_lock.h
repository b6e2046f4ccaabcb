/* The lock of a run folder: the file `lock` in it, held by whoever trains there. */
#ifndef PX_RUN_LOCK_H
#define PX_RUN_LOCK_H

#include <perplex/status.h>

typedef struct px_run_lock px_run_lock;

/* Takes the lock of a folder that is there, without waiting. It ends with the process that holds it, however that ends,
 * so that no lock is ever stale. PX_ERR_ARGUMENT where another process holds it: the message has its machine, process,
 * batch job and start. On a file system without locks the file's owner counts; whether one on another machine still
 * lives is not known there, and the message says what to do. */
px_status px_run_lock_take(const char *folder, px_run_lock **lock);
/* 0: this file system knows no locks. */
int px_run_lock_holds(const px_run_lock *lock);
/* Removes the file and lets go of it. NULL does nothing. */
void px_run_lock_release(px_run_lock *lock);

#endif
