/* Kernels that waited in vain (kernels.h, px_stall): their words for a person.
 *
 * After such a launch every call of the runtime fails, whichever engine makes it, and says no more than "launch
 * failure". So the records of all engines are kept in one list, in which cuda_check.c looks before it words a failure.
 */
#ifndef PX_CUDA_STALL_H
#define PX_CUDA_STALL_H

#include "kernels.h"

#include <stddef.h>

/* An engine's entry; it owns both. */
typedef struct px_stall_watch {
    const px_stall *record; /* pinned host memory; NULL: not in the list */
    struct px_stall_watch *next;
} px_stall_watch;

/* Enters a record of zeros; and takes it out again, where it is in. */
void px_stall_watch_begin(px_stall_watch *watch, px_stall *record);
void px_stall_watch_end(px_stall_watch *watch);
/* 1: some kernel has waited in vain, and text says which, where and for what. */
int px_stall_describe(char *text, size_t bytes);

#endif
