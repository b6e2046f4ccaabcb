/* Questions to cuBLASLt's heuristics, and products by what they answer: see blas_lt.h. */
#include "blas_lt.h"

#include <string.h>

enum { CANDIDATES = 8, ALIGNMENT_MAX = 256 /* the library asks for no more */ };

typedef struct descriptors {
    cublasLtMatmulDescOpaque_t operation;
    cublasLtMatrixLayoutOpaque_t a, b, c;
} descriptors;

px_status px_blas_lt_create(px_blas_lt *lt)
{
    PX_CUBLAS(cublasLtCreate(&lt->handle));
    return PX_OK;
}

void px_blas_lt_destroy(px_blas_lt *lt)
{
    if (lt->handle) cublasLtDestroy(lt->handle);
    *lt = (px_blas_lt){0};
}

static uint32_t alignment(const void *p)
{
    uint32_t bytes = ALIGNMENT_MAX;
    while ((uintptr_t)p % bytes) bytes /= 2;
    return bytes;
}

/* An operand as it lies: op(X) is [rows,cols]. */
static px_status lay_out(cublasLtMatrixLayoutOpaque_t *layout, cudaDataType_t type, cublasOperation_t op, int rows,
                         int cols, int ld)
{
    const int flipped = op != CUBLAS_OP_N;
    PX_CUBLAS(cublasLtMatrixLayoutInit(layout, type, (uint64_t)(flipped ? cols : rows),
                                       (uint64_t)(flipped ? rows : cols), ld));
    return PX_OK;
}

static px_status describe(const px_blas_lt *lt, const px_blas_lt_product *p, descriptors *d)
{
    const int32_t op_a = p->op_a, op_b = p->op_b;
    PX_CUBLAS(cublasLtMatmulDescInit(&d->operation, lt->compute, CUDA_R_32F));
    PX_CUBLAS(cublasLtMatmulDescSetAttribute(&d->operation, CUBLASLT_MATMUL_DESC_TRANSA, &op_a, sizeof op_a));
    PX_CUBLAS(cublasLtMatmulDescSetAttribute(&d->operation, CUBLASLT_MATMUL_DESC_TRANSB, &op_b, sizeof op_b));
    PX_TRY(lay_out(&d->a, lt->operand, p->op_a, p->m, p->k, p->lda));
    PX_TRY(lay_out(&d->b, lt->operand, p->op_b, p->k, p->n, p->ldb));
    return lay_out(&d->c, p->result, CUBLAS_OP_N, p->m, p->n, p->m);
}

static px_status prefer(const px_blas_lt *lt, const px_blas_lt_product *p, cublasLtMatmulPreferenceOpaque_t *preference)
{
    const uint64_t workspace = lt->workspace_bytes;
    const uint32_t reductions =
        CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        uint32_t value;
    } rows[] = {
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p->aligned_a},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p->aligned_b},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p->aligned_c},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p->aligned_c},
    };
    PX_CUBLAS(cublasLtMatmulPreferenceInit(preference));
    PX_CUBLAS(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                                   sizeof workspace));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        PX_CUBLAS(cublasLtMatmulPreferenceSetAttribute(preference, rows[i].name, &rows[i].value, sizeof rows[i].value));
    return PX_OK;
}

/* The first candidate that the library stands by: they come with the fastest first, as it estimates. */
static px_status ask(const px_blas_lt *lt, const px_blas_lt_product *p, descriptors *d, cublasLtMatmulAlgo_t *algorithm)
{
    cublasLtMatmulPreferenceOpaque_t preference;
    cublasLtMatmulHeuristicResult_t candidate[CANDIDATES];
    int count = 0;
    PX_TRY(prefer(lt, p, &preference));
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(lt->handle, &d->operation, &d->a, &d->b, &d->c, &d->c,
                                                                 &preference, CANDIDATES, candidate, &count);
    for (int i = 0; status == CUBLAS_STATUS_SUCCESS && i < count; i++) {
        if (candidate[i].state != CUBLAS_STATUS_SUCCESS || candidate[i].workspaceSize > lt->workspace_bytes) continue;
        *algorithm = candidate[i].algo;
        return PX_OK;
    }
    return px_fail(PX_ERR_DEVICE,
                   "--products cublaslt: cuBLASLt has no algorithm for the output layer's product of %d x %d x %d on "
                   "this GPU (%s); use --products cublas",
                   p->m, p->n, p->k,
                   status == CUBLAS_STATUS_SUCCESS ? "none that repeats" : cublasGetStatusString(status));
}

static px_status answer(px_blas_lt *lt, const px_blas_lt_product *p, descriptors *d, cublasLtMatmulAlgo_t *algorithm)
{
    for (int i = 0; i < lt->count; i++) {
        if (memcmp(&lt->answer[i].product, p, sizeof *p) != 0) continue;
        *algorithm = lt->answer[i].algorithm;
        return PX_OK;
    }
    PX_TRY(ask(lt, p, d, algorithm));
    if (lt->count < PX_BLAS_LT_ANSWERS) lt->answer[lt->count++] = (px_blas_lt_answer){*p, *algorithm};
    return PX_OK;
}

px_status px_blas_lt_multiply(px_blas_lt *lt, px_blas_lt_product product, const void *a, const void *b, float beta,
                              void *c)
{
    const float one = 1;
    descriptors d;
    cublasLtMatmulAlgo_t algorithm;
    product.aligned_a = alignment(a);
    product.aligned_b = alignment(b);
    product.aligned_c = alignment(c);
    PX_TRY(describe(lt, &product, &d));
    PX_TRY(answer(lt, &product, &d, &algorithm));
    if (lt->asking) return PX_OK;
    PX_CUBLAS(cublasLtMatmul(lt->handle, &d.operation, &one, a, &d.a, b, &d.b, &beta, c, &d.c, c, &d.c, &algorithm,
                             lt->workspace, lt->workspace_bytes, lt->stream));
    return PX_OK;
}

px_status px_blas_lt_describe(const px_blas_lt_answer *answer, px_product_algorithm *numbers)
{
    const struct {
        cublasLtMatmulAlgoConfigAttributes_t name;
        int32_t *value; /* all are of 32 bits */
    } rows[] = {{CUBLASLT_ALGO_CONFIG_ID, &numbers->id},
                {CUBLASLT_ALGO_CONFIG_TILE_ID, &numbers->tile},
                {CUBLASLT_ALGO_CONFIG_STAGES_ID, &numbers->stages},
                {CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &numbers->split_k}};
    size_t written;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        PX_CUBLAS(cublasLtMatmulAlgoConfigGetAttribute(&answer->algorithm, rows[i].name, rows[i].value,
                                                       sizeof *rows[i].value, &written));
    return PX_OK;
}
