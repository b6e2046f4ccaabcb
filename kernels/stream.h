/* Where a launcher puts its kernels. */
#ifndef PX_STREAM_H
#define PX_STREAM_H

#include <cuda_runtime_api.h>

typedef struct px_stream {
    cudaStream_t stream;
    int overlap; /* 1: programmatic dependent launches: each kernel may come to the device before the kernel ahead of it
                    in the stream has ended, and waits there (device.h, wait_for_stream). What is ahead of the first
                    must be a kernel; px_kernels_wait() must say 1. No number depends on it */
} px_stream;

#endif
