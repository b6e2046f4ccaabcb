/* Phase head on the GPU: softmax, loss and gradient of rows of logits; the sum of the losses; probabilities and
 * uniforms for decoding.
 *
 * One pass over a row that fits: up to 1,024 columns in the registers of a warp, up to what a block may have in shared
 * memory after that; wider rows are read twice (running maximum and sum first). The sum leaves the target out:
 *     S' = sum over j != target of exp(o_j - max),  S = S' + exp(o_target - max)
 *     nll = log(1 + S') where the target is the maximum, else (max - o_target) + log S;   d_target = -S' / S
 * so that neither a loss close to 0 nor the gradient of a nearly certain target is a difference of two numbers close to
 * 1. Infinite logits follow host/model/loss.h: exp(o - max) is 1 where o = max, also where both are infinite. */
#include "device.h"
#include "philox.h"

#include <curand_philox4x32_x.h>

namespace
{

/* exp(o - max) with its limits. */
__device__ __forceinline__ float weight_of(float o, float max) { return o == max ? 1.0f : expf(o - max); }

/* What a row comes to: others = S', of the target o_t. */
struct row_loss {
    float nll, scale, target_weight; /* gradient of j != target: weight_j * scale; of the target: -S' * scale */
};

__device__ __forceinline__ row_loss finish_row(float max, float others, float target, float inv_count)
{
    row_loss r;
    r.target_weight = weight_of(target, max);
    const float sum = others + r.target_weight;
    if (target == max)
        r.nll = target == -INFINITY ? INFINITY : log1pf(others);
    else
        r.nll = (max - target) + logf(sum);
    r.scale = inv_count / sum;
    return r;
}

template <class ELEMENT> __device__ __forceinline__ float load_one(const ELEMENT *p);
template <> __device__ __forceinline__ float load_one<float>(const float *p) { return *p; }
template <> __device__ __forceinline__ float load_one<px_bf16>(const px_bf16 *p) { return from_bf16(*p); }
__device__ __forceinline__ void store_one(float *p, float v) { *p = v; }
__device__ __forceinline__ void store_one(px_bf16 *p, float v) { *p = to_bf16(v); }

/* One warp per row, K columns per lane in registers: V <= 32 K. */
template <class IN, class OUT, int K> __global__ void __launch_bounds__(128) head_loss_warp_kernel(const px_head_args a)
{
    const size_t row = static_cast<size_t>(blockIdx.x) * (blockDim.x / PX_WARP) + threadIdx.x / PX_WARP;
    const int lane = static_cast<int>(threadIdx.x % PX_WARP);
    if (row >= a.rows) return; /* whole warps */
    const IN *logits = static_cast<const IN *>(a.logits) + row * a.ld;
    OUT *gradient = a.dlogits ? static_cast<OUT *>(a.dlogits) + row * a.ld_d : nullptr;
    const int target = a.targets[row];
    if (target < 0) { /* not scored */
        if (lane == 0) a.nll[row] = 0;
        if (gradient)
            for (int j = lane; j < a.V; j += PX_WARP) store_one(gradient + j, 0.0f);
        return;
    }
    float o[K], max = -INFINITY, o_target = 0;
#pragma unroll
    for (int k = 0; k < K; k++) {
        const int j = lane + k * PX_WARP;
        o[k] = j < a.V ? load_one<IN>(logits + j) + a.bias[j] : -INFINITY;
        max = fmaxf(max, o[k]);
        if (j == target) o_target = o[k];
    }
    max = warp_reduce<op_max>(max);
    o_target = __shfl_sync(0xffffffffu, o_target, target % PX_WARP);
    float others = 0;
#pragma unroll
    for (int k = 0; k < K; k++) {
        const int j = lane + k * PX_WARP;
        o[k] = j < a.V ? weight_of(o[k], max) : 0.0f;
        if (j != target) others += o[k];
    }
    others = warp_reduce<op_sum>(others);
    const row_loss r = finish_row(max, others, o_target, gradient ? static_cast<float>(a.window->inv_count) : 0.0f);
    if (lane == 0) a.nll[row] = r.nll;
    if (!gradient) return;
#pragma unroll
    for (int k = 0; k < K; k++) {
        const int j = lane + k * PX_WARP;
        if (j < a.V) store_one(gradient + j, j == target ? -others * r.scale : o[k] * r.scale);
    }
}

/* Writes a row of zeros with the whole block: gradient of a row that is not scored. */
template <class OUT, bool ALIGNED> __device__ __forceinline__ void clear_row(OUT *gradient, int V)
{
    for (int j = static_cast<int>(threadIdx.x) * 4; j < V; j += static_cast<int>(blockDim.x) * 4)
        store_quad<ALIGNED>(gradient + j, make_float4(0, 0, 0, 0), V - j);
}

/* The target's element of a quad that starts at column j, if it lies in it. */
__device__ __forceinline__ float pick(float4 v, int index)
{
    return index == 0 ? v.x : index == 1 ? v.y : index == 2 ? v.z : v.w;
}

__device__ __forceinline__ float4 with(float4 v, int index, float value)
{
    if (index == 0) v.x = value;
    if (index == 1) v.y = value;
    if (index == 2) v.z = value;
    if (index == 3) v.w = value;
    return v;
}

__device__ __forceinline__ float4 weights_of(float4 o, float max, int count)
{
    return make_float4(weight_of(o.x, max), count > 1 ? weight_of(o.y, max) : 0.0f,
                       count > 2 ? weight_of(o.z, max) : 0.0f, count > 3 ? weight_of(o.w, max) : 0.0f);
}

__device__ __forceinline__ float max_of(float4 v) { return fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)); }

__device__ __forceinline__ float sum_of(float4 v) { return (v.x + v.y) + (v.z + v.w); }

/* One block per row, the row in dynamic shared memory (V rounded up to quads): global memory is read once. A thread
 * comes back only to quads that it wrote itself, so barriers are needed for the reductions alone. */
template <class IN, class OUT, bool ALIGNED>
__global__ void __launch_bounds__(1024) head_loss_shared_kernel(const px_head_args a)
{
    PX_DYN_SHARED(float4, values);
    PX_SHARED(float, scratch, [PX_WARP]);
    PX_SHARED(float, o_target, [1]);
    const size_t row = blockIdx.x;
    const IN *logits = static_cast<const IN *>(a.logits) + row * a.ld;
    OUT *gradient = static_cast<OUT *>(a.dlogits) + row * a.ld_d;
    const int target = a.targets[row], first = static_cast<int>(threadIdx.x) * 4,
              stride = static_cast<int>(blockDim.x) * 4;
    if (target < 0) { /* not scored; the same for the whole block */
        if (threadIdx.x == 0) a.nll[row] = 0;
        clear_row<OUT, ALIGNED>(gradient, a.V);
        return;
    }
    float max = -INFINITY;
    for (int j = first; j < a.V; j += stride) {
        const float4 o = load_quad<ALIGNED>(logits + j, a.V - j, -INFINITY) + load_quad<ALIGNED>(a.bias + j, a.V - j);
        values[j / 4] = o;
        max = fmaxf(max, max_of(o));
        if (target >= j && target - j < 4) o_target[0] = pick(o, target - j);
    }
    max = block_reduce<op_max>(max, scratch, -INFINITY); /* its barriers also publish o_target */
    float others = 0;
    for (int j = first; j < a.V; j += stride) {
        float4 w = weights_of(values[j / 4], max, a.V - j);
        values[j / 4] = w;
        if (target >= j && target - j < 4) w = with(w, target - j, 0.0f);
        others += sum_of(w);
    }
    others = block_reduce<op_sum>(others, scratch, 0.0f);
    const row_loss r = finish_row(max, others, o_target[0], static_cast<float>(a.window->inv_count));
    if (threadIdx.x == 0) a.nll[row] = r.nll;
    for (int j = first; j < a.V; j += stride) {
        float4 d = values[j / 4] * r.scale;
        if (target >= j && target - j < 4) d = with(d, target - j, -others * r.scale);
        store_quad<ALIGNED>(gradient + j, d, a.V - j);
    }
}

/* Maximum of a row and sum of exp(o_j - max) over j != target (target -1: over all), in one pass over global memory:
 * each thread keeps a running maximum and rescales its sum when that grows, then the block merges them. All threads get
 * both. */
struct row_sum {
    float max, others;
};

template <class IN, bool ALIGNED>
__device__ __forceinline__ row_sum sum_row(const IN *logits, const float *bias, int V, int target, float *scratch)
{
    row_sum r = {-INFINITY, 0};
    for (int j = static_cast<int>(threadIdx.x) * 4; j < V; j += static_cast<int>(blockDim.x) * 4) {
        const float4 o = load_quad<ALIGNED>(logits + j, V - j, -INFINITY) + load_quad<ALIGNED>(bias + j, V - j);
        const float max = fmaxf(r.max, max_of(o));
        float4 w = weights_of(o, max, V - j);
        if (target >= j && target - j < 4) w = with(w, target - j, 0.0f);
        r.others = r.others * weight_of(r.max, max) + sum_of(w);
        r.max = max;
    }
    const float max = block_reduce<op_max>(r.max, scratch, -INFINITY);
    r.others = block_reduce<op_sum>(r.others * weight_of(r.max, max), scratch, 0.0f);
    r.max = max;
    return r;
}

/* One block per row of any width, read twice (once where only the loss is asked for). */
template <class IN, class OUT, bool ALIGNED>
__global__ void __launch_bounds__(512) head_loss_wide_kernel(const px_head_args a)
{
    PX_SHARED(float, scratch, [PX_WARP]);
    const size_t row = blockIdx.x;
    const IN *logits = static_cast<const IN *>(a.logits) + row * a.ld;
    OUT *gradient = a.dlogits ? static_cast<OUT *>(a.dlogits) + row * a.ld_d : nullptr;
    const int target = a.targets[row];
    if (target < 0) {
        if (threadIdx.x == 0) a.nll[row] = 0;
        if (gradient) clear_row<OUT, ALIGNED>(gradient, a.V);
        return;
    }
    /* read before any thread can have overwritten it: sum_row's barriers lie between */
    const float o_target = load_one<IN>(logits + target) + a.bias[target];
    const row_sum s = sum_row<IN, ALIGNED>(logits, a.bias, a.V, target, scratch);
    const row_loss r = finish_row(s.max, s.others, o_target, gradient ? static_cast<float>(a.window->inv_count) : 0.0f);
    if (threadIdx.x == 0) a.nll[row] = r.nll;
    if (!gradient) return;
    /* backwards: what was read last is still in the L1 cache */
    const int stride = static_cast<int>(blockDim.x) * 4, first = static_cast<int>(threadIdx.x) * 4;
    const int last = first < a.V ? first + (a.V - 1 - first) / stride * stride : -1;
    for (int j = last; j >= 0; j -= stride) {
        const float4 o = load_quad<ALIGNED>(logits + j, a.V - j, -INFINITY) + load_quad<ALIGNED>(a.bias + j, a.V - j);
        float4 d = weights_of(o, s.max, a.V - j) * r.scale;
        if (target >= j && target - j < 4) d = with(d, target - j, -s.others * r.scale);
        store_quad<ALIGNED>(gradient + j, d, a.V - j);
    }
}

/* One block: thread k adds rows k, k + 1024, ... in double, then the block's tree. */
__global__ void __launch_bounds__(1024)
    head_loss_sum_kernel(px_device_metrics *metrics, const float *nll, const int32_t *targets, size_t rows,
                         int training, float *poison)
{
    PX_SHARED(double, scratch, [PX_WARP]);
    PX_SHARED(long long, counts, [PX_WARP]);
    double sum = 0;
    long long count = 0;
    for (size_t row = threadIdx.x; row < rows; row += blockDim.x) {
        sum += static_cast<double>(nll[row]);
        count += targets[row] >= 0;
    }
    sum = block_reduce<op_sum>(sum, scratch, 0.0);
    count = block_reduce<op_sum>(count, counts, 0LL);
    if (threadIdx.x != 0) return;
    metrics->loss_sum += sum;
    metrics->tokens += count;
    if (!training) return;
    metrics->step_loss += sum;
    if (poison && !isfinite(sum)) *poison = NAN;
}

template <bool ALIGNED>
__global__ void __launch_bounds__(512)
    head_softmax_kernel(float *probabilities, const float *logits, const float *bias, int V, size_t ld)
{
    PX_SHARED(float, scratch, [PX_WARP]);
    const float *in = logits + static_cast<size_t>(blockIdx.x) * ld;
    float *out = probabilities + static_cast<size_t>(blockIdx.x) * static_cast<size_t>(V);
    const row_sum s = sum_row<float, ALIGNED>(in, bias, V, -1, scratch);
    const float scale = 1.0f / s.others;
    for (int j = static_cast<int>(threadIdx.x) * 4; j < V; j += static_cast<int>(blockDim.x) * 4) {
        const float4 o = load_quad<ALIGNED>(in + j, V - j, -INFINITY) + load_quad<ALIGNED>(bias + j, V - j);
        store_quad<ALIGNED>(out + j, weights_of(o, s.max, V - j) * scale, V - j);
    }
}

__global__ void __launch_bounds__(128)
    head_uniforms_kernel(double *out, uint64_t seed, uint64_t first, uint32_t purpose, int n)
{
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= n) return;
    const uint64_t e = first + static_cast<uint64_t>(i), block = e / 4;
    const uint4 v =
        curand_Philox4x32_10(make_uint4(static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, purpose),
                             make_uint2(static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)));
    const unsigned lane = static_cast<unsigned>(e % 4);
    out[i] = static_cast<double>(lane == 0 ? v.x : lane == 1 ? v.y : lane == 2 ? v.z : v.w) * 0x1p-32;
}

template <class IN, class OUT> cudaError_t launch_warp(const px_head_args &a, cudaStream_t stream)
{
    /* four rows to a block of 128: no barrier, so small blocks only help to fill the device with few rows */
    const unsigned blocks = px_ceil_div(a.rows, 4);
    if (a.V <= 32) return PX_LAUNCH((head_loss_warp_kernel<IN, OUT, 1>), blocks, 128, 0, stream, a);
    if (a.V <= 64) return PX_LAUNCH((head_loss_warp_kernel<IN, OUT, 2>), blocks, 128, 0, stream, a);
    if (a.V <= 128) return PX_LAUNCH((head_loss_warp_kernel<IN, OUT, 4>), blocks, 128, 0, stream, a);
    if (a.V <= 256) return PX_LAUNCH((head_loss_warp_kernel<IN, OUT, 8>), blocks, 128, 0, stream, a);
    if (a.V <= 512) return PX_LAUNCH((head_loss_warp_kernel<IN, OUT, 16>), blocks, 128, 0, stream, a);
    return PX_LAUNCH((head_loss_warp_kernel<IN, OUT, 32>), blocks, 128, 0, stream, a);
}

/* A block's threads for a row of V: about two quads each before it takes more warps, so that the trees stay short. */
unsigned threads_for(int V, unsigned most)
{
    unsigned threads = 128;
    while (threads < most && threads * 8 < static_cast<unsigned>(V)) threads *= 2;
    return threads;
}

template <class IN, class OUT, bool ALIGNED> cudaError_t launch_block(const px_head_args &a, cudaStream_t stream)
{
    const size_t STATIC_BYTES = 1024,
                 PLAIN_BYTES = 48 * 1024; /* left for static arrays; what every device gives unasked */
    const size_t bytes = (static_cast<size_t>(a.V) + 3) / 4 * sizeof(float4);
    const unsigned rows = static_cast<unsigned>(a.rows);
    if (a.dlogits && bytes + STATIC_BYTES <= (a.shared_bytes > PLAIN_BYTES ? a.shared_bytes : PLAIN_BYTES)) {
        /* wide rows leave room for few blocks on a multiprocessor, so such blocks are large */
        if (bytes + STATIC_BYTES > PLAIN_BYTES)
            PX_TRY_CUDA(PX_ALLOW_SHARED((head_loss_shared_kernel<IN, OUT, ALIGNED>), bytes));
        return PX_LAUNCH((head_loss_shared_kernel<IN, OUT, ALIGNED>), rows, threads_for(a.V, 1024), bytes, stream, a);
    }
    return PX_LAUNCH((head_loss_wide_kernel<IN, OUT, ALIGNED>), rows, threads_for(a.V, 512), 0, stream, a);
}

template <class IN, class OUT> cudaError_t launch_loss(const px_head_args &a, cudaStream_t stream)
{
    if (a.V <= 1024) return launch_warp<IN, OUT>(a, stream);
    const bool aligned = px_aligned(a.logits, sizeof(IN), a.ld) && px_aligned(a.bias, sizeof(float), 4) &&
                         (!a.dlogits || px_aligned(a.dlogits, sizeof(OUT), a.ld_d));
    return PX_SWITCH(aligned, ALIGNED, launch_block<IN, OUT, ALIGNED>(a, stream));
}

} // namespace

extern "C" cudaError_t px_launch_head_loss(const px_head_args *args, cudaStream_t stream)
{
    const px_head_args &a = *args;
    const size_t V = static_cast<size_t>(a.V);
    if (a.V <= 0 || a.ld < V || (a.dlogits && a.ld_d < V) || a.rows > 0x7fffffffu) return cudaErrorInvalidValue;
    if (a.rows == 0) return cudaSuccess;
    const bool in_bf16 = a.logits_type == PX_ELEMENT_BF16,
               out_bf16 = a.dlogits ? a.dlogits_type == PX_ELEMENT_BF16 : in_bf16;
    if (a.dlogits == a.logits && (in_bf16 != out_bf16 || a.ld != a.ld_d)) return cudaErrorInvalidValue;
    if (!in_bf16 && !out_bf16) return launch_loss<float, float>(a, stream);
    if (!in_bf16) return launch_loss<float, px_bf16>(a, stream);
    if (out_bf16) return launch_loss<px_bf16, px_bf16>(a, stream);
    return cudaErrorInvalidValue; /* bf16 logits with an fp32 gradient: nothing needs it */
}

extern "C" cudaError_t px_launch_head_loss_sum(px_device_metrics *metrics, const float *nll, const int32_t *targets,
                                               size_t rows, int32_t training, float *poison, cudaStream_t stream)
{
    if (rows == 0) return cudaSuccess;
    /* one block: one order; a window's 10^4 rows are 10 reads per thread */
    return PX_LAUNCH(head_loss_sum_kernel, 1, 1024, 0, stream, metrics, nll, targets, rows, training, poison);
}

extern "C" cudaError_t px_launch_head_softmax(float *probabilities, const float *logits, const float *bias, size_t rows,
                                              int32_t V, size_t ld, cudaStream_t stream)
{
    if (V <= 0 || ld < static_cast<size_t>(V) || rows > 0x7fffffffu) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;
    const unsigned blocks = static_cast<unsigned>(rows), threads = threads_for(V, 512);
    const bool aligned = px_aligned(probabilities, sizeof(float), static_cast<size_t>(V)) &&
                         px_aligned(logits, sizeof(float), ld) && px_aligned(bias, sizeof(float), 4);
    return PX_SWITCH(
        aligned, ALIGNED,
        PX_LAUNCH(head_softmax_kernel<ALIGNED>, blocks, threads, 0, stream, probabilities, logits, bias, V, ld));
}

extern "C" cudaError_t px_launch_head_uniforms(double *out, uint64_t seed, uint64_t position, uint64_t streams,
                                               uint64_t first_stream, int32_t n, cudaStream_t stream)
{
    if (n < 0) return cudaErrorInvalidValue;
    if (n == 0) return cudaSuccess;
    return PX_LAUNCH(head_uniforms_kernel, px_ceil_div(static_cast<size_t>(n), 128), 128, 0, stream, out, seed,
                     position * streams + first_stream, PX_RANDOM_SAMPLE, n);
}
