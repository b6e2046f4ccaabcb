/* What this process may use of the machine: cores, memory; and the clocks. */
#ifndef PX_MACHINE_H
#define PX_MACHINE_H

#include <stddef.h>

/* Cores that are ours: SLURM_CPUS_PER_TASK, else OMP_NUM_THREADS, else px_machine_processors(). At least 1. */
int px_machine_cores(void);
/* Processors on which this process may run: the affinity mask, cut to the cgroup's CPU quota. At least 1. */
int px_machine_processors(void);
/* Bytes that can still be allocated without swapping: the least of MemAvailable, the cgroup's and the process's limits;
 * 0 = unknown. */
size_t px_memory_available(void);
/* Resident bytes of this process now; 0 = unknown. */
size_t px_memory_resident(void);
/* "AMD EPYC ..." or "unknown processor"; valid for the process's life. */
const char *px_machine_processor(void);
/* Seconds of a clock that never goes back. */
double px_clock(void);

#endif
