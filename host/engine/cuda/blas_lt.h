/* Matrix products through cuBLASLt, which is asked for an algorithm: once for each shape, alignment and type of result.
 *
 * What its heuristics answer is a pure function of device, version and question: nothing is timed. Of split products
 * only those are allowed whose parts are summed in a step of their own (not "in place"), so that results repeat. All
 * products of one px_blas_lt run on one stream, with one workspace. */
#ifndef PX_CUDA_BLAS_LT_H
#define PX_CUDA_BLAS_LT_H

#include "cuda_check.h"
#include "product_choice.h"

#include <cublasLt.h>

/* Column-major C [m,n] = op(A) op(B), as the question that is asked: members of 4 bytes alone, compared as bytes. */
typedef struct px_blas_lt_product {
    cublasOperation_t op_a, op_b;
    int m, n, k, lda, ldb;                    /* ldc is m */
    cudaDataType_t result;                    /* of C */
    uint32_t aligned_a, aligned_b, aligned_c; /* bytes, a power of two up to 256 */
} px_blas_lt_product;

typedef struct px_blas_lt_answer {
    px_blas_lt_product product;
    cublasLtMatmulAlgo_t algorithm;
} px_blas_lt_answer;

/* Answers that are kept; a further shape is asked for at each call, with the same answer each time. */
enum { PX_BLAS_LT_ANSWERS = 64 };

typedef struct px_blas_lt {
    cublasLtHandle_t handle;
    cublasComputeType_t compute;
    cudaDataType_t operand;
    cudaStream_t stream;
    void *workspace;
    size_t workspace_bytes;
    int asking; /* 1: products are asked for and not made */
    int count;
    px_blas_lt_answer answer[PX_BLAS_LT_ANSWERS]; /* in the order of the questions */
} px_blas_lt;

/* Fills in the handle; the caller has set compute, operand, stream and workspace (aligned to 256 bytes, the caller's).
 */
px_status px_blas_lt_create(px_blas_lt *lt);
void px_blas_lt_destroy(px_blas_lt *lt); /* a zeroed one is fine */

/* C = op(A) op(B) + beta C; only asked for where lt->asking. The alignments are filled in here. PX_ERR_DEVICE, with the
 * remedy, where the library has no algorithm. */
px_status px_blas_lt_multiply(px_blas_lt *lt, px_blas_lt_product product, const void *a, const void *b, float beta,
                              void *c);

/* The numbers of an algorithm, for a person. */
px_status px_blas_lt_describe(const px_blas_lt_answer *answer, px_product_algorithm *numbers);

#endif
