/* The part of cuBLAS that the engine uses, as plain loops: products of fp32, tf32 or bf16 operands with fp32 sums and
 * fp32 or, of bf16 operands, bf16 results. */
#include "fake_cublas.h"
#include "fake_device.h"

#include <cmath>
#include <cstring>
#include <vector>

struct cublasContext {
    cudaStream_t stream = nullptr;
    void *workspace = nullptr; /* set after the stream: setting a stream resets it */
    cublasMath_t math = CUBLAS_DEFAULT_MATH;
};

namespace
{

size_t element_bytes(cudaDataType type) { return type == CUDA_R_16BF ? 2 : 4; }

/* Elements that a column-major [rows,cols] with leading dimension ld spans. */
size_t extent(int rows, int cols, int ld) { return rows && cols ? size_t(cols - 1) * size_t(ld) + size_t(rows) : 0; }

float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* An fp32 operand in TF32 mode, rounded as cvt.rna.tf32.f32 does: to nearest, ties away from zero, 10 explicit bits of
 * mantissa. */
float to_tf32(float value)
{
    uint32_t bits;
    if (!std::isfinite(value)) return value;
    memcpy(&bits, &value, sizeof bits);
    return float_of((bits + 0x1000u) & ~0x1fffu);
}

/* To nearest, ties to even. */
uint16_t to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return 0x7fff;
    return uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float element(const void *p, cudaDataType type, bool tf32, size_t i)
{
    if (type == CUDA_R_16BF) return float_of(uint32_t(static_cast<const uint16_t *>(p)[i]) << 16);
    float value = static_cast<const float *>(p)[i];
    return tf32 ? to_tf32(value) : value;
}

/* op(X) [rows,cols] of a column-major X, packed column-major. */
std::vector<float> packed(const void *x, cudaDataType type, bool tf32, bool transposed, int rows, int cols, int ld)
{
    std::vector<float> out(size_t(rows) * size_t(cols));
    for (int c = 0; c < cols; c++)
        for (int r = 0; r < rows; r++) {
            size_t from = transposed ? size_t(r) * size_t(ld) + size_t(c) : size_t(c) * size_t(ld) + size_t(r);
            out[size_t(c) * size_t(rows) + size_t(r)] = element(x, type, tf32, from);
        }
    return out;
}

/* beta = 0 does not read C. */
void multiply(const px_fake::product &p, const std::vector<float> &a, const std::vector<float> &b)
{
    std::vector<float> column(static_cast<size_t>(p.m));
    for (int j = 0; j < p.n; j++) {
        std::fill(column.begin(), column.end(), 0.0f);
        for (int step = 0; step < p.k; step++) {
            const size_t at = size_t(p.backwards ? p.k - 1 - step : step);
            const float factor = b[size_t(j) * size_t(p.k) + at];
            const float *from = &a[at * size_t(p.m)];
            for (int i = 0; i < p.m; i++) column[size_t(i)] += from[i] * factor;
        }
        for (int i = 0; i < p.m; i++) {
            const size_t at = size_t(j) * size_t(p.ldc) + size_t(i);
            const float kept = p.beta == 0 ? 0 : p.beta * element(p.c, p.type_c, false, at);
            const float sum = p.alpha * column[size_t(i)] + kept;
            if (p.type_c == CUDA_R_16BF)
                static_cast<uint16_t *>(p.c)[at] = to_bf16(sum);
            else
                static_cast<float *>(p.c)[at] = sum;
        }
    }
}

} // namespace

namespace px_fake
{

cublasStatus_t enqueue_product(cudaStream_t stream, const product &p)
{
    const bool ta = p.op_a != CUBLAS_OP_N, tb = p.op_b != CUBLAS_OP_N;
    const int rows_a = ta ? p.k : p.m, cols_a = ta ? p.m : p.k, rows_b = tb ? p.n : p.k, cols_b = tb ? p.k : p.n;
    if (p.m < 0 || p.n < 0 || p.k < 0 || p.lda < rows_a || p.ldb < rows_b || p.ldc < p.m || p.type_a != p.type_b ||
        (p.type_c != CUDA_R_32F && p.type_c != p.type_a))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (p.type_a == CUDA_R_16BF && p.compute != CUBLAS_COMPUTE_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (!device_range(p.a, extent(rows_a, cols_a, p.lda) * element_bytes(p.type_a)) ||
        !device_range(p.b, extent(rows_b, cols_b, p.ldb) * element_bytes(p.type_b)) ||
        !device_range(p.c, extent(p.m, p.n, p.ldc) * element_bytes(p.type_c))) {
        complain("product m=%d n=%d k=%d: an operand leaves its allocation", p.m, p.n, p.k);
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    const cudaError_t error = enqueue(stream, "product", [=] {
        const bool tf32 = p.type_a == CUDA_R_32F && p.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
        multiply(p, packed(p.a, p.type_a, tf32, ta, p.m, p.k, p.lda), packed(p.b, p.type_b, tf32, tb, p.k, p.n, p.ldb));
        return cudaSuccess;
    });
    return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

} // namespace px_fake

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    if (px_fake::creation_fails()) return CUBLAS_STATUS_ALLOC_FAILED;
    *handle = new cublasContext;
    px_fake::object_created();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    delete handle;
    px_fake::object_destroyed();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    handle->workspace = nullptr;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t bytes)
{
    if (!px_fake::device_range(workspace, bytes)) return CUBLAS_STATUS_INVALID_VALUE;
    handle->workspace = workspace;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t, cublasPointerMode_t mode)
{
    return mode == CUBLAS_POINTER_MODE_HOST ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode)
{
    handle->math = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetProperty(libraryPropertyType, int *value)
{
    *value = 0;
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_ALLOC_FAILED ? "the resource allocation failed" : "a cuBLAS error";
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,
                            const void *alpha, const void *a, cudaDataType type_a, int lda, const void *b,
                            cudaDataType type_b, int ldb, const void *beta, void *c, cudaDataType type_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t)
{
    if (!handle->stream ||
        !handle->workspace) { /* the real one would allocate, and share a workspace between streams */
        px_fake::complain("a product without a stream and, set after it, a workspace of its own");
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    const float factor = *static_cast<const float *>(alpha), keep = *static_cast<const float *>(beta);
    return px_fake::enqueue_product(handle->stream, {op_a, op_b, m, n, k, factor, keep, a, type_a, lda, b, type_b, ldb,
                                                     c, type_c, ldc, compute, false});
}

} /* extern "C" */
