/* The part of cuBLASLt that the engine uses. Its heuristics have one algorithm, after one that they do not stand by; it
 * sums backwards. What a real library would only be slow or wrong at is a complaint here: a product by the algorithm of
 * another question, operands less aligned than was said, sums that need not repeat. */
#include "fake_cublas.h"
#include "fake_device.h"

#include <cublasLt.h>

#include <cstring>

struct cublasLtContext {
};

namespace
{

struct layout {
    cudaDataType_t type;
    int rows, cols, ld;
};
struct operation {
    cublasComputeType_t compute;
    int32_t op_a, op_b;
};
struct preference {
    uint64_t workspace;
    uint32_t reductions, aligned[3];
};
struct algorithm {
    uint32_t m, n, k, aligned[3];
};

static_assert(sizeof(layout) <= sizeof(cublasLtMatrixLayoutOpaque_t), "");
static_assert(sizeof(operation) <= sizeof(cublasLtMatmulDescOpaque_t), "");
static_assert(sizeof(preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t), "");
static_assert(sizeof(algorithm) <= sizeof(cublasLtMatmulAlgo_t), "");

/* The structs above lie in the library's opaque ones. */
template <typename T> T in(const void *opaque)
{
    T value;
    memcpy(&value, opaque, sizeof value);
    return value;
}

template <typename T> cublasStatus_t put(void *opaque, const T &value)
{
    memcpy(opaque, &value, sizeof value);
    return CUBLAS_STATUS_SUCCESS;
}

uint32_t inner(const operation &op, const layout &a) { return uint32_t(op.op_a == CUBLAS_OP_N ? a.cols : a.rows); }

} // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    if (px_fake::creation_fails()) return CUBLAS_STATUS_ALLOC_FAILED;
    *handle = new cublasLtContext;
    px_fake::object_created();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    delete handle;
    px_fake::object_destroyed();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t to, size_t, cudaDataType type, uint64_t rows,
                                                 uint64_t cols, int64_t ld)
{
    return put(to, layout{type, int(rows), int(cols), int(ld)});
}

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t to, size_t, cublasComputeType_t compute,
                                               cudaDataType_t)
{
    return put(to, operation{compute, CUBLAS_OP_N, CUBLAS_OP_N});
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t to, cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t bytes)
{
    auto op = in<operation>(to);
    if (bytes != sizeof(int32_t)) return CUBLAS_STATUS_INVALID_VALUE;
    (name == CUBLASLT_MATMUL_DESC_TRANSA ? op.op_a : op.op_b) = in<int32_t>(value);
    return put(to, op);
}

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t to, size_t)
{
    return put(to, preference{0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256}});
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t to,
                                                    cublasLtMatmulPreferenceAttributes_t name, const void *value,
                                                    size_t bytes)
{
    auto p = in<preference>(to);
    if (bytes != (name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? sizeof(uint64_t) : sizeof(uint32_t)))
        return CUBLAS_STATUS_INVALID_VALUE;
    switch (name) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: p.workspace = in<uint64_t>(value); break;
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: p.reductions = in<uint32_t>(value); break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: p.aligned[0] = in<uint32_t>(value); break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: p.aligned[1] = in<uint32_t>(value); break;
    default: p.aligned[2] = in<uint32_t>(value);
    }
    return put(to, p);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t op, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t preferred, int room,
                                              cublasLtMatmulHeuristicResult_t *results, int *count)
{
    const auto p = in<preference>(preferred);
    const auto to = in<layout>(c);
    *count = 0;
    if (px_fake::settings().lt_refuses) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (room < 2) return CUBLAS_STATUS_INVALID_VALUE;
    if (p.reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE) px_fake::complain("cuBLASLt: sums that need not repeat");
    memset(results, 0, 2 * sizeof *results);
    results[0].state = CUBLAS_STATUS_NOT_SUPPORTED;
    results[1].state = CUBLAS_STATUS_SUCCESS;
    results[1].workspaceSize = p.workspace;
    *count = 2;
    return put(&results[1].algo, algorithm{uint32_t(to.rows),
                                           uint32_t(to.cols),
                                           inner(in<operation>(op), in<layout>(a)),
                                           {p.aligned[0], p.aligned[1], p.aligned[2]}});
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *,
                                                    cublasLtMatmulAlgoConfigAttributes_t name, void *value, size_t,
                                                    size_t *written)
{
    *written = sizeof(int32_t);
    return put(value, int32_t(name == CUBLASLT_ALGO_CONFIG_ID ? 21 : name == CUBLASLT_ALGO_CONFIG_SPLITK_NUM ? 1 : 2));
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t op, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t layout_a, const void *b, cublasLtMatrixLayout_t layout_b,
                              const void *beta, const void *c, cublasLtMatrixLayout_t layout_c, void *d,
                              cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *algo, void *workspace, size_t bytes,
                              cudaStream_t stream)
{
    const auto by = in<algorithm>(algo);
    const auto how = in<operation>(op);
    const auto la = in<layout>(layout_a), lb = in<layout>(layout_b), lc = in<layout>(layout_c);
    const px_fake::product p = {cublasOperation_t(how.op_a),
                                cublasOperation_t(how.op_b),
                                lc.rows,
                                lc.cols,
                                int(inner(how, la)),
                                in<float>(alpha),
                                in<float>(beta),
                                a,
                                la.type,
                                la.ld,
                                b,
                                lb.type,
                                lb.ld,
                                d,
                                lc.type,
                                lc.ld,
                                how.compute,
                                true};
    const bool other = by.m != uint32_t(p.m) || by.n != uint32_t(p.n) || by.k != uint32_t(p.k),
               crooked = uintptr_t(a) % by.aligned[0] || uintptr_t(b) % by.aligned[1] || uintptr_t(d) % by.aligned[2];
    if (!stream || c != d || other || crooked || !px_fake::device_range(workspace, bytes)) {
        px_fake::complain("cuBLASLt: product m=%d n=%d k=%d: %s", p.m, p.n, p.k,
                          other     ? "the algorithm of another question"
                          : crooked ? "operands less aligned than the algorithm was asked for"
                                    : "no stream, no workspace or another C");
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    return px_fake::enqueue_product(stream, p);
}

} /* extern "C" */
