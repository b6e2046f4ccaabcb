/* Matrix products through cuBLAS or cuBLASLt, in row-major terms, in one of three precisions.
 *
 * Each px_blas owns one handle, bound to one stream, with its own workspace: results then repeat bitwise, also in a
 * replayed graph (cuBLAS, "Results reproducibility"). Operands are fp32, or bf16 in bf16 mode; results are fp32 but of
 * px_blas_nt_bf16.
 */
#ifndef PX_CUDA_BLAS_H
#define PX_CUDA_BLAS_H

#include "blas_lt.h"
#include "cuda_check.h"
#include "precision.h"

/* NVIDIA recommends 32 MiB for Hopper and newer, 4 MiB before; one size keeps the memory plan independent of the GPU.
 */
enum { PX_BLAS_WORKSPACE_BYTES = 32 << 20 };

typedef struct px_blas {
    cublasHandle_t handle;
    cublasComputeType_t compute;
    cudaDataType_t operand; /* of A and B */
    px_blas_lt *lt;         /* makes the products where not NULL; the caller's */
} px_blas;

/* workspace: device memory of PX_BLAS_WORKSPACE_BYTES, owned by the caller, aligned to 256 bytes. */
px_status px_blas_create(px_blas *blas, px_precision precision, cudaStream_t stream, void *workspace);
void px_blas_destroy(px_blas *blas); /* a zeroed one is fine */

/* C [m,n] = A [m,k] B^T + beta C,  B [n,k] */
px_status px_blas_nt(const px_blas *blas, int m, int n, int k, const void *a, const void *b, float beta, float *c);
/* The same in bf16 mode with beta = 0, the result rounded to bf16; sums are fp32. */
px_status px_blas_nt_bf16(const px_blas *blas, int m, int n, int k, const void *a, const void *b, void *c);
/* C [m,n] = A [m,k] B + beta C,    B [k,n] */
px_status px_blas_nn(const px_blas *blas, int m, int n, int k, const void *a, const void *b, float beta, float *c);
/* C [m,n] = A^T B + beta C,        A [k,m], B [k,n] */
px_status px_blas_tn(const px_blas *blas, int m, int n, int k, const void *a, const void *b, float beta, float *c);

#endif
