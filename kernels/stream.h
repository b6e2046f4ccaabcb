/* Where a launcher puts its kernels. */
#ifndef PX_STREAM_H
#define PX_STREAM_H

#include <cuda_runtime_api.h>

typedef struct px_stream {
    cudaStream_t stream;
    int overlap; /* 1: programmatic dependent launches: the first kernel may come to the device before the kernel ahead of
                    it in the stream has ended, and waits there (device.h, wait_for_stream). What is ahead must be a
                    kernel; compute capability 9.0. No number depends on it */
} px_stream;

#endif
