/* Several ranks on GPUs, one for each. */
#ifndef PX_GPUS_H
#define PX_GPUS_H

#include "run.h"

/* run->device: with several ranks "cuda" is the GPU of the rank's number on this machine, or the one that the launcher
 * has left visible. PX_ERR_DEVICE: there are fewer. */
px_status px_run_choose_device(px_run *run);
/* Joins all ranks by NCCL and makes it the engine's reducer. */
px_status px_run_open_nccl(px_run *run);

#endif
