/* What the ranks of a run do together beside the steps. Where there is one rank these do nothing. */
#ifndef PX_TOGETHER_H
#define PX_TOGETHER_H

#include "run.h"

/* 1: this rank prints and writes files. */
int px_run_leads(const px_run *run);
/* Non-zero: end with a checkpoint. With several ranks as of the last step or px_run_share_stop, and the same on all of
 * them. */
int px_run_stop_asked(const px_run *run);
px_status px_run_share_stop(px_run *run);
/* What rank 0 has decided, which the others may not know: clocks, files. */
px_status px_run_decide(px_run *run, int *decision);
/* Fails on every rank where weights or counters differ. */
px_status px_run_compare_ranks(px_run *run);
/* run->hidden on rank 0. */
px_status px_run_gather_hidden(px_run *run);

#endif
