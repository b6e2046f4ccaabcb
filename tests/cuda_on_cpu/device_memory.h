/* Where a kernel test runs: the simulator (device_memory_sim.cpp) or a GPU (device_memory_gpu.cpp). The tests are the
 * same. */
#ifndef PX_TEST_DEVICE_MEMORY_H
#define PX_TEST_DEVICE_MEMORY_H

#include <cstddef>
#include "stream.h"

/* Where launches go; in one of the orders of device_set_schedule they overlap what is before them. */
px_stream device_stream();
bool device_works(const char **why); /* false: skip, for that reason */
void *device_alloc(size_t bytes);    /* filled with 0xff: NaN, -1 */
void device_free(void *p);
void device_write(void *to, const void *from, size_t bytes);
void device_read(void *to, const void *from, size_t bytes);
cudaError_t device_wait();  /* for everything launched so far */
const char *device_fault(); /* words for the last error */
size_t device_guard();      /* elements to leave before and after an array; 0 where a sanitizer looks */
int device_schedules();     /* in how many orders threads can be made to run: 1 on a GPU */
void device_set_schedule(int k);
const char *device_schedule();    /* name of the current one */
unsigned device_cluster_blocks(); /* of a cluster at most; 0: the device has none */
int device_multiprocessors();     /* blocks of a cooperative launch of large ones that run at once */
bool device_has_warpgroups();     /* matrix instructions of four warps: compute capability 9.0 alone */
size_t device_shared_bytes();     /* cudaDevAttrMaxSharedMemoryPerBlockOptin */

#endif
