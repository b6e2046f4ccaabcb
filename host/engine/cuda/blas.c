/* Row-major products for a column-major library: see blas.h. A row-major [r,c] is a column-major [c,r], so C^T = B'^T
 * A'^T is asked for, with the operands exchanged. */
#include "blas.h"

px_status px_blas_create(px_blas *blas, px_precision precision, cudaStream_t stream, void *workspace)
{
    *blas = (px_blas){.operand = precision == PX_BF16 ? CUDA_R_16BF : CUDA_R_32F};
    /* fp32 means fp32: neither TF32 nor split products; the pedantic mode also forbids reduced-precision reductions. */
    blas->compute = precision == PX_FP32   ? CUBLAS_COMPUTE_32F_PEDANTIC
                    : precision == PX_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                           : CUBLAS_COMPUTE_32F;
    PX_CUBLAS(cublasCreate(&blas->handle));
    PX_CUBLAS(cublasSetStream(blas->handle, stream)); /* before the workspace: setting a stream resets it */
    PX_CUBLAS(cublasSetWorkspace(blas->handle, workspace, PX_BLAS_WORKSPACE_BYTES));
    PX_CUBLAS(cublasSetPointerMode(blas->handle, CUBLAS_POINTER_MODE_HOST));
    PX_CUBLAS(cublasSetMathMode(blas->handle, precision == PX_FP32   ? CUBLAS_PEDANTIC_MATH
                                              : precision == PX_TF32 ? CUBLAS_TF32_TENSOR_OP_MATH
                                                                     : CUBLAS_DEFAULT_MATH));
    return PX_OK;
}

void px_blas_destroy(px_blas *blas)
{
    if (blas->handle) cublasDestroy(blas->handle);
    *blas = (px_blas){0};
}

/* Column-major C' [m,n] = op(A') op(B') + beta C'. */
static px_status product(const px_blas *blas, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,
                         const void *a, int lda, const void *b, int ldb, float beta, void *c, cudaDataType_t result)
{
    const float one = 1;
    if (blas->lt)
        return px_blas_lt_multiply(
            blas->lt,
            (px_blas_lt_product){
                .op_a = op_a, .op_b = op_b, .m = m, .n = n, .k = k, .lda = lda, .ldb = ldb, .result = result},
            a, b, beta, c);
    PX_CUBLAS(cublasGemmEx(blas->handle, op_a, op_b, m, n, k, &one, a, blas->operand, lda, b, blas->operand, ldb, &beta,
                           c, result, m, blas->compute, CUBLAS_GEMM_DEFAULT));
    return PX_OK;
}

px_status px_blas_nt(const px_blas *blas, int m, int n, int k, const void *a, const void *b, float beta, float *c)
{
    return product(blas, CUBLAS_OP_T, CUBLAS_OP_N, n, m, k, b, k, a, k, beta, c, CUDA_R_32F);
}

px_status px_blas_nt_bf16(const px_blas *blas, int m, int n, int k, const void *a, const void *b, void *c)
{
    return product(blas, CUBLAS_OP_T, CUBLAS_OP_N, n, m, k, b, k, a, k, 0, c, CUDA_R_16BF);
}

px_status px_blas_nn(const px_blas *blas, int m, int n, int k, const void *a, const void *b, float beta, float *c)
{
    return product(blas, CUBLAS_OP_N, CUBLAS_OP_N, n, m, k, b, n, a, k, beta, c, CUDA_R_32F);
}

px_status px_blas_tn(const px_blas *blas, int m, int n, int k, const void *a, const void *b, float beta, float *c)
{
    return product(blas, CUBLAS_OP_N, CUBLAS_OP_T, n, m, k, b, n, a, m, beta, c, CUDA_R_32F);
}
