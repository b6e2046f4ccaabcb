/* kernel_cases on a GPU: events, and cuBLAS as the engine calls it. */
#include "device_time.h"

#include <cublas_v2.h>

#include <cstdio>
#include <cstdlib>

static void must(bool ok, const char *what)
{
    if (ok) return;
    std::fprintf(stderr, "%s failed\n", what);
    std::exit(1);
}

bool device_measures() { return true; }

double device_seconds(const std::function<cudaError_t()> &launch, int launches)
{
    cudaEvent_t begin, end;
    float ms = 0;
    must(cudaEventCreate(&begin) == cudaSuccess && cudaEventCreate(&end) == cudaSuccess, "cudaEventCreate");
    must(cudaEventRecord(begin, nullptr) == cudaSuccess, "cudaEventRecord");
    for (int i = 0; i < launches; i++) must(launch() == cudaSuccess, "a launch");
    must(cudaEventRecord(end, nullptr) == cudaSuccess && cudaEventSynchronize(end) == cudaSuccess, "the launches");
    must(cudaEventElapsedTime(&ms, begin, end) == cudaSuccess, "cudaEventElapsedTime");
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    return static_cast<double>(ms) * 1e-3;
}

void device_clear(void *p, size_t bytes) { must(cudaMemsetAsync(p, 0, bytes, nullptr) == cudaSuccess, "clearing"); }

cudaError_t device_product(int m, int n, int k, const void *a, const void *b, bool transposed, px_element type,
                           float *c)
{
    static cublasHandle_t handle;
    if (!handle) must(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS, "cublasCreate");
    const cudaDataType_t data = type == PX_ELEMENT_BF16 ? CUDA_R_16BF : CUDA_R_32F;
    const float one = 1, zero = 0;
    /* column-major: c^T [n,m] = b (or its transpose) times a^T */
    const cublasStatus_t status =
        cublasGemmEx(handle, transposed ? CUBLAS_OP_T : CUBLAS_OP_N, CUBLAS_OP_N, n, m, k, &one, b, data,
                     transposed ? k : n, a, data, k, &zero, c, CUDA_R_32F, n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    return status == CUBLAS_STATUS_SUCCESS ? cudaSuccess : cudaErrorUnknown;
}
