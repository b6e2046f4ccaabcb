/* Phase recurrence, variant "fused": a step is one kernel, which makes its own product H_{t-1} W_hh instead of asking
 * cuBLAS for it.
 *
 * For layers whose product is so small that two launches a step cost more than the product. A block makes STREAMS rows
 * of 4 QUADS columns; its warps take a slice of k each, and the first warp adds their sums in order. So the order of a
 * sum depends on the layer's width alone, and a row has the same bits whatever rows go with it. The next step reads all
 * columns of H_t, hence one launch a step. */
#include "step.h"

namespace
{

enum { WARPS = 8, STREAMS = 8, QUADS = 4 }; /* STREAMS * QUADS lanes */

/* What a thread of the block makes: one quad of one row, over one slice of k. */
struct fused_place {
    size_t row;
    int column, count; /* of the quad */
    int begin, end;    /* of k, whole quads but for the last slice */
    bool inside;
};

__device__ __forceinline__ fused_place place_of_thread(int n, int width)
{
    const int lane = static_cast<int>(threadIdx.x) % PX_WARP, warp = static_cast<int>(threadIdx.x) / PX_WARP;
    const int slice = ((width + 3) / 4 + WARPS - 1) / WARPS * 4;
    fused_place p;
    p.row = static_cast<size_t>(blockIdx.x) * STREAMS + static_cast<size_t>(lane / QUADS);
    p.column = (static_cast<int>(blockIdx.y) * QUADS + lane % QUADS) * 4;
    p.count = width - p.column;
    p.begin = warp * slice;
    p.end = p.begin + slice < width ? p.begin + slice : width;
    p.inside = p.row < static_cast<size_t>(n) && p.count > 0;
    return p;
}

__device__ __forceinline__ float dot(float4 a, float4 b, float sum)
{
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum))));
}

/* sum_k x[k] w[column + i][k] over the slice, i < 4: forward, w [width out, width in]. Columns that do not exist read
 * the last one. */
template <class OPERAND, bool ALIGNED>
__device__ __forceinline__ float4 product_forward(const OPERAND *x, const OPERAND *w, int width, const fused_place &p)
{
    const OPERAND *w0 = w + static_cast<size_t>(p.column) * width;
    const OPERAND *w1 = p.count > 1 ? w0 + width : w0, *w2 = p.count > 2 ? w1 + width : w1,
                  *w3 = p.count > 3 ? w2 + width : w2;
    float4 sum = make_float4(0, 0, 0, 0);
#pragma unroll 2
    for (int k = p.begin; k < p.end; k += 4) {
        const int left = p.end - k;
        const float4 v = load_quad<ALIGNED>(x + k, left);
        sum.x = dot(v, load_quad<ALIGNED>(w0 + k, left), sum.x);
        sum.y = dot(v, load_quad<ALIGNED>(w1 + k, left), sum.y);
        sum.z = dot(v, load_quad<ALIGNED>(w2 + k, left), sum.z);
        sum.w = dot(v, load_quad<ALIGNED>(w3 + k, left), sum.w);
    }
    return sum;
}

__device__ __forceinline__ float4 fma_quad(float a, float4 b, float4 sum)
{
    return make_float4(fmaf(a, b.x, sum.x), fmaf(a, b.y, sum.y), fmaf(a, b.z, sum.z), fmaf(a, b.w, sum.w));
}

/* sum_k x[k] w[k][column + i] over the slice: backward, rows of W_hh are what dz multiplies. */
template <class OPERAND, bool ALIGNED>
__device__ __forceinline__ float4 product_backward(const OPERAND *x, const OPERAND *w, int width, const fused_place &p)
{
    const OPERAND *at = w + static_cast<size_t>(p.begin) * width + p.column;
    float4 sum = make_float4(0, 0, 0, 0);
#pragma unroll 2
    for (int k = p.begin; k < p.end; k += 4, at += 4 * static_cast<size_t>(width)) {
        const int left = p.end - k;
        const float4 v = load_quad<ALIGNED>(x + k, left);
        sum = fma_quad(v.x, load_quad<ALIGNED>(at, p.count), sum);
        if (left > 1) sum = fma_quad(v.y, load_quad<ALIGNED>(at + width, p.count), sum);
        if (left > 2) sum = fma_quad(v.z, load_quad<ALIGNED>(at + 2 * static_cast<size_t>(width), p.count), sum);
        if (left > 3) sum = fma_quad(v.w, load_quad<ALIGNED>(at + 3 * static_cast<size_t>(width), p.count), sum);
    }
    return sum;
}

/* The sums of all slices, in order; of use to the first warp alone. All threads of the block call it. */
__device__ __forceinline__ float4 join_slices(float4 mine)
{
    PX_SHARED(float4, sums, [WARPS * PX_WARP]);
    sums[threadIdx.x] = mine;
    __syncthreads(); /* every slice is there */
    for (unsigned warp = 1; warp < WARPS; warp++) mine = mine + sums[warp * PX_WARP + threadIdx.x % PX_WARP];
    return mine;
}

template <class OPERAND, bool ALIGNED>
__global__ void __launch_bounds__(WARPS *PX_WARP) recurrence_fused_forward_kernel(const px_fused_forward_args a)
{
    wait_for_stream();
    const fused_place p = place_of_thread(a.step.n, a.step.width);
    float4 sum = make_float4(0, 0, 0, 0);
    if (p.inside)
        sum = product_forward<OPERAND, ALIGNED>(static_cast<const OPERAND *>(a.h_before) + p.row * a.step.width,
                                                static_cast<const OPERAND *>(a.w_hh), a.step.width, p);
    sum = join_slices(sum);
    if (threadIdx.x < PX_WARP && p.inside) step_forward<ALIGNED>(a.step, p.row, p.column, p.count, sum);
}

template <class OPERAND, bool ALIGNED>
__global__ void __launch_bounds__(WARPS *PX_WARP) recurrence_fused_backward_kernel(const px_fused_backward_args a)
{
    wait_for_stream();
    const fused_place p = place_of_thread(a.step.n, a.step.width);
    float4 sum = make_float4(0, 0, 0, 0);
    if (p.inside && a.dz_after) /* the same for the whole launch */
        sum = product_backward<OPERAND, ALIGNED>(static_cast<const OPERAND *>(a.dz_after) + p.row * a.step.width,
                                                 static_cast<const OPERAND *>(a.w_hh), a.step.width, p);
    sum = join_slices(sum);
    if (threadIdx.x < PX_WARP && p.inside) step_backward<ALIGNED>(a.step, p.row, p.column, p.count, sum);
}

dim3 fused_grid(int32_t n, int32_t width)
{
    return dim3(px_ceil_div(static_cast<size_t>(n), STREAMS), px_ceil_div(static_cast<size_t>(width), 4 * QUADS), 1);
}

template <class OPERAND> bool operands_are_aligned(const void *x, const void *w, int32_t width)
{
    return px_aligned(x, sizeof(OPERAND), static_cast<size_t>(width)) &&
           px_aligned(w, sizeof(OPERAND), static_cast<size_t>(width));
}

template <class OPERAND> cudaError_t launch_forward(const px_fused_forward_args &a, px_stream stream)
{
    const bool aligned = step_is_aligned(a.step) && operands_are_aligned<OPERAND>(a.h_before, a.w_hh, a.step.width);
    return PX_SWITCH(aligned, ALIGNED,
                     PX_LAUNCH((recurrence_fused_forward_kernel<OPERAND, ALIGNED>), fused_grid(a.step.n, a.step.width),
                               WARPS * PX_WARP, 0, stream, a));
}

template <class OPERAND> cudaError_t launch_backward(const px_fused_backward_args &a, px_stream stream)
{
    const bool aligned = step_is_aligned(a.step) && operands_are_aligned<OPERAND>(a.dz_after, a.w_hh, a.step.width);
    return PX_SWITCH(aligned, ALIGNED,
                     PX_LAUNCH((recurrence_fused_backward_kernel<OPERAND, ALIGNED>), fused_grid(a.step.n, a.step.width),
                               WARPS * PX_WARP, 0, stream, a));
}

} // namespace

extern "C" cudaError_t px_launch_recurrence_fused_forward(const px_fused_forward_args *args, px_stream stream)
{
    if (args->step.n < 0 || args->step.width <= 0 || args->step.recurrent || !args->h_before)
        return cudaErrorInvalidValue;
    if (args->step.n == 0) return cudaSuccess;
    return args->operand == PX_ELEMENT_BF16 ? launch_forward<px_bf16>(*args, stream)
                                            : launch_forward<float>(*args, stream);
}

extern "C" cudaError_t px_launch_recurrence_fused_backward(const px_fused_backward_args *args, px_stream stream)
{
    if (args->step.n < 0 || args->step.width <= 0 || args->step.recurrent) return cudaErrorInvalidValue;
    if (args->step.n == 0) return cudaSuccess;
    return args->operand == PX_ELEMENT_BF16 ? launch_backward<px_bf16>(*args, stream)
                                            : launch_backward<float>(*args, stream);
}
