/* Ranks as threads of one process, for tests: what MPI does for processes. */
#ifndef PX_TEST_THREAD_RANKS_H
#define PX_TEST_THREAD_RANKS_H

#include "comm.h"

enum { THREAD_RANKS_MAX = 8 };

/* Runs body(comm, context) as every rank of `size` at once, each with its own comm, and waits for all. */
void thread_ranks_run(int32_t size, double timeout_s, void (*body)(px_comm *comm, void *context), void *context);

#endif
