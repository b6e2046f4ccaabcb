/* What the fake cuBLAS and the fake cuBLASLt share: one product, checked and put into a stream. */
#ifndef PX_FAKE_CUBLAS_H
#define PX_FAKE_CUBLAS_H

#include <cublas_v2.h>

namespace px_fake
{

/* Column-major C [m,n] = alpha op(A) op(B) + beta C. */
struct product {
    cublasOperation_t op_a, op_b;
    int m, n, k;
    float alpha, beta;
    const void *a;
    cudaDataType type_a;
    int lda;
    const void *b;
    cudaDataType type_b;
    int ldb;
    void *c;
    cudaDataType type_c;
    int ldc;
    cublasComputeType_t compute;
    bool backwards; /* sums over k from its end, so that the result differs by rounding */
};

/* Complains where an operand leaves its allocation. */
cublasStatus_t enqueue_product(cudaStream_t stream, const product &p);

} // namespace px_fake

#endif
