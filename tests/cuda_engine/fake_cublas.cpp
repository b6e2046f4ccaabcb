/* The part of cuBLAS that the engine uses, as plain loops: products of fp32, tf32 or bf16 operands with fp32 sums and
 * fp32 or, of bf16 operands, bf16 results. */
#include "fake_device.h"

#include <cublas_v2.h>

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

/* C [m,n] = alpha op(A) op(B) + beta C. beta = 0 does not read C. */
void multiply(int m, int n, int k, float alpha, const std::vector<float> &a, const std::vector<float> &b, float beta,
              void *c, cudaDataType type, int ldc)
{
    std::vector<float> column(static_cast<size_t>(m));
    for (int j = 0; j < n; j++) {
        std::fill(column.begin(), column.end(), 0.0f);
        for (int p = 0; p < k; p++) {
            float factor = b[size_t(j) * size_t(k) + size_t(p)];
            const float *from = &a[size_t(p) * size_t(m)];
            for (int i = 0; i < m; i++) column[size_t(i)] += from[i] * factor;
        }
        for (int i = 0; i < m; i++) {
            const size_t at = size_t(j) * size_t(ldc) + size_t(i);
            const float sum = alpha * column[size_t(i)] + (beta == 0 ? 0 : beta * element(c, type, false, at));
            if (type == CUDA_R_16BF)
                static_cast<uint16_t *>(c)[at] = to_bf16(sum);
            else
                static_cast<float *>(c)[at] = sum;
        }
    }
}

} // namespace

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
    bool ta = op_a != CUBLAS_OP_N, tb = op_b != CUBLAS_OP_N;
    int rows_a = ta ? k : m, cols_a = ta ? m : k, rows_b = tb ? n : k, cols_b = tb ? k : n;
    if (m < 0 || n < 0 || k < 0 || lda < rows_a || ldb < rows_b || ldc < m || type_a != type_b ||
        (type_c != CUDA_R_32F && type_c != type_a))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (type_a == CUDA_R_16BF && compute != CUBLAS_COMPUTE_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (!handle->stream ||
        !handle->workspace) { /* the real one would allocate, and share a workspace between streams */
        px_fake::complain("a product without a stream and, set after it, a workspace of its own");
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    if (!px_fake::device_range(a, extent(rows_a, cols_a, lda) * element_bytes(type_a)) ||
        !px_fake::device_range(b, extent(rows_b, cols_b, ldb) * element_bytes(type_b)) ||
        !px_fake::device_range(c, extent(m, n, ldc) * element_bytes(type_c))) {
        px_fake::complain("product m=%d n=%d k=%d: an operand leaves its allocation", m, n, k);
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    bool tf32 = type_a == CUDA_R_32F && compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    float factor = *static_cast<const float *>(alpha), keep = *static_cast<const float *>(beta);
    cudaError_t error = px_fake::enqueue(handle->stream, "product", [=] {
        multiply(m, n, k, factor, packed(a, type_a, tf32, ta, m, k, lda), packed(b, type_b, tf32, tb, k, n, ldb), keep,
                 c, type_c, ldc);
        return cudaSuccess;
    });
    return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

} /* extern "C" */
