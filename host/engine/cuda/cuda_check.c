/* Messages of failed CUDA calls: see cuda_check.h. */
#include "cuda_check.h"
#include "stall.h"

#include <string.h>

/* The file's name without the folders that it was built in. */
static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

px_status px_cuda_failed(cudaError_t error, const char *statement, const char *file, int line)
{
    char stalled[256];
    cudaGetLastError(); /* an error that is not sticky must not be found again by a later check */
    if (px_stall_describe(stalled, sizeof stalled))
        return px_fail(PX_ERR_CUDA,
                       "%s; that is a mistake in perplex or a defect of the GPU: --recurrence step does without that "
                       "kernel (%s:%d: %s: %s)",
                       stalled, base_name(file), line, statement, cudaGetErrorName(error));
    if (error == cudaErrorMemoryAllocation)
        return px_fail(PX_ERR_MEMORY,
                       "%s:%d: %s: the GPU is out of memory; lower --hidden, --batch, --steps or --layers",
                       base_name(file), line, statement);
    if (error == cudaErrorNoKernelImageForDevice)
        return px_fail(PX_ERR_DEVICE,
                       "this build of perplex has no code for this GPU; build for it (cmake -DPERPLEX_CUDA_NATIVE=ON), "
                       "or use --device cpu");
    return px_fail(PX_ERR_CUDA, "%s:%d: %s: %s (%s)", base_name(file), line, statement, cudaGetErrorString(error),
                   cudaGetErrorName(error));
}

px_status px_cublas_failed(cublasStatus_t error, const char *statement, const char *file, int line)
{
    cudaGetLastError();
    return px_fail(error == CUBLAS_STATUS_ALLOC_FAILED ? PX_ERR_MEMORY : PX_ERR_CUDA, "%s:%d: %s: cuBLAS: %s",
                   base_name(file), line, statement, cublasGetStatusString(error));
}
