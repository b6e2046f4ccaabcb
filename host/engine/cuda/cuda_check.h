/* Recording a failed CUDA or cuBLAS call: the statement, its place, and what the library says of it. */
#ifndef PX_CUDA_CHECK_H
#define PX_CUDA_CHECK_H

#include "check.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

/* Records and returns PX_ERR_CUDA (PX_ERR_MEMORY where the device is out of memory); clears the runtime's last error.
 */
px_status px_cuda_failed(cudaError_t error, const char *statement, const char *file, int line);
px_status px_cublas_failed(cublasStatus_t error, const char *statement, const char *file, int line);

#define PX_CUDA(call)                                                                                                  \
    do {                                                                                                               \
        cudaError_t px_cuda_ = (call);                                                                                 \
        if (px_cuda_ != cudaSuccess) return px_cuda_failed(px_cuda_, #call, __FILE__, __LINE__);                       \
    } while (0)

#define PX_CUBLAS(call)                                                                                                \
    do {                                                                                                               \
        cublasStatus_t px_cublas_ = (call);                                                                            \
        if (px_cublas_ != CUBLAS_STATUS_SUCCESS) return px_cublas_failed(px_cublas_, #call, __FILE__, __LINE__);       \
    } while (0)

#endif
