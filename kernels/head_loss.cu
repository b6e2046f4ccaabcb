/* Phase head on the GPU: losses of rows of logits, and where training their gradient in their place, with its sums over
 * rows, the gradient of the bias. The maths of a row is in head_row.h.
 *
 * Sums over rows have two stages, both in an order that only sizes fix: a block takes a segment of rows one after the
 * other and leaves its sums in a row of `partial`; head_sum_kernel (head.cu) adds these up. Three ways, by the row
 * stride: up to 512 columns stay in the registers of a warp, up to 20,480 in those of a block; wider rows are read
 * twice, the second time from the L2 cache. Where only losses are asked for every row is read once. */
#include "head_row.h"

namespace
{

enum { WARPS = 4, WIDE_THREADS = 1024 };

template <class ELEMENT> __device__ __forceinline__ float load_one(const ELEMENT *p);
template <> __device__ __forceinline__ float load_one<float>(const float *p) { return *p; }
template <> __device__ __forceinline__ float load_one<px_bf16>(const px_bf16 *p) { return from_bf16(*p); }
__device__ __forceinline__ void store_one(float *p, float v) { *p = v; }
__device__ __forceinline__ void store_one(px_bf16 *p, float v) { *p = to_bf16(v); }

/* The rows of a block: [begin, end). */
struct segment {
    size_t begin, end;
};

__device__ __forceinline__ segment segment_of(const px_head_args &a)
{
    const size_t rows = px_head_segment_rows(a.rows), begin = static_cast<size_t>(blockIdx.x) * rows;
    return {begin, a.rows - begin < rows ? a.rows : begin + rows};
}

/* ---- a warp for a row -------------------------------------------------------------------------------------------- */

/* K columns per lane in registers: ld <= 32 K. */
template <class ELEMENT, int K> __device__ __forceinline__ void warp_row(const px_head_args &a, size_t row, float *sum)
{
    const int lane = static_cast<int>(threadIdx.x % PX_WARP), ld = static_cast<int>(a.ld), target = a.targets[row];
    ELEMENT *logits = static_cast<ELEMENT *>(a.logits) + row * a.ld;
    if (target < 0) { /* not scored */
        if (lane == 0) a.nll[row] = 0;
        if (a.gradient)
            for (int j = lane; j < ld; j += PX_WARP) store_one(logits + j, 0.0f);
        return;
    }
    float o[K], max = -INFINITY, o_target = 0;
#pragma unroll
    for (int k = 0; k < K; k++) {
        const int j = lane + k * PX_WARP;
        o[k] = j < a.V ? load_one<ELEMENT>(logits + j) + a.bias[j] : -INFINITY;
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
    const row_loss r = finish_row(max, others, o_target, a.gradient ? static_cast<float>(a.window->inv_count) : 0.0f);
    if (lane == 0) a.nll[row] = r.nll;
    if (!a.gradient) return;
#pragma unroll
    for (int k = 0; k < K; k++) {
        const int j = lane + k * PX_WARP;
        const float d = j == target ? -others * r.scale : o[k] * r.scale;
        if (j < ld) store_one(logits + j, d);
        sum[k] += d;
    }
}

/* Warp w takes every fourth row of the segment from w on. */
template <class ELEMENT, int K>
__global__ void __launch_bounds__(WARPS *PX_WARP) head_loss_warp_kernel(const px_head_args a)
{
    wait_for_stream();
    PX_SHARED(float, sums, [WARPS][K * PX_WARP]);
    const int lane = static_cast<int>(threadIdx.x % PX_WARP), warp = static_cast<int>(threadIdx.x / PX_WARP);
    const segment s = segment_of(a);
    float sum[K];
#pragma unroll
    for (int k = 0; k < K; k++) sum[k] = 0;
    for (size_t row = s.begin + static_cast<size_t>(warp); row < s.end; row += WARPS) warp_row<ELEMENT, K>(a, row, sum);
    if (!a.partial) return;
#pragma unroll
    for (int k = 0; k < K; k++) sums[warp][lane + k * PX_WARP] = sum[k];
    __syncthreads(); /* all warps have written */
    for (int j = static_cast<int>(threadIdx.x); j < static_cast<int>(a.ld); j += WARPS * PX_WARP)
        a.partial[blockIdx.x * a.ld + static_cast<size_t>(j)] = ((sums[0][j] + sums[1][j]) + sums[2][j]) + sums[3][j];
}

/* ---- a block for a row ------------------------------------------------------------------------------------------- */

/* Writes a row of zeros with the whole block: gradient of a row that is not scored. */
template <class ELEMENT, bool ALIGNED> __device__ __forceinline__ void clear_row(ELEMENT *gradient, int ld)
{
    for (int j = static_cast<int>(threadIdx.x) * 4; j < ld; j += static_cast<int>(blockDim.x) * 4)
        store_quad<ALIGNED>(gradient + j, make_float4(0, 0, 0, 0), ld - j);
}

/* What the warps of a block tell each other of a row: the largest logit of each, and its sum of weights relative to
 * that. Two sets, for rows in turns: who writes a set has passed the barrier of the row between. */
struct row_exchange {
    float max[2][PX_WARP], others[2][PX_WARP], target[2];
};

/* The row's, from its warps'. */
__device__ __forceinline__ row_sum join_warps(const row_exchange &parts, int turn)
{
    const unsigned lane = threadIdx.x % PX_WARP, warps = blockDim.x / PX_WARP;
    const float mine = lane < warps ? parts.max[turn][lane] : -INFINITY, max = warp_reduce<op_max>(mine);
    const float others = lane < warps ? parts.others[turn][lane] * weight_of(mine, max) : 0.0f;
    return {max, warp_reduce<op_sum>(others)};
}

/* The columns of a thread: quads q = 0 .. Q - 1, one every THREADS quads. */
template <class ELEMENT, int THREADS, int Q, bool ALIGNED> struct block_row {
    static __device__ __forceinline__ int column(int q) { return (static_cast<int>(threadIdx.x) + q * THREADS) * 4; }

    /* Logits into v, that of the target where all will find it; returns the largest of this thread. */
    static __device__ __forceinline__ float load(float4 *v, const px_head_args &a, const ELEMENT *logits, int target,
                                                 float *o_target)
    {
        float max = -INFINITY;
#pragma unroll
        for (int q = 0; q < Q; q++) {
            const int j = column(q);
            v[q] = make_float4(-INFINITY, -INFINITY, -INFINITY, -INFINITY);
            if (j < a.V)
                v[q] = load_quad<ALIGNED>(logits + j, a.V - j, -INFINITY) + load_quad<ALIGNED>(a.bias + j, a.V - j);
            max = fmaxf(max, max_of(v[q]));
            if (holds(j, target)) *o_target = pick(v[q], target - j);
        }
        return max;
    }

    /* Logits become weights; returns this thread's sum of them, the target's left out. */
    static __device__ __forceinline__ float weigh(float4 *v, float max, int V, int target)
    {
        float others = 0;
#pragma unroll
        for (int q = 0; q < Q; q++) {
            const int j = column(q);
            v[q] = weights_of(v[q], max, V - j);
            others += sum_of(holds(j, target) ? with(v[q], target - j, 0.0f) : v[q]);
        }
        return others;
    }

    /* Weights times scale, and d_target, go where the logits were, and onto sums. */
    static __device__ __forceinline__ void store(const float4 *v, ELEMENT *logits, int ld, int target, float scale,
                                                 float d_target, float4 *sums)
    {
#pragma unroll
        for (int q = 0; q < Q; q++) {
            const int j = column(q);
            float4 d = v[q] * scale;
            if (holds(j, target)) d = with(d, target - j, d_target);
            if (j < ld) store_quad<ALIGNED>(logits + j, d, ld - j);
            sums[q] = sums[q] + d;
        }
    }
};

/* One barrier a row: each warp weighs relative to its own maximum, and what a row comes to rescales that. */
template <class ELEMENT, int THREADS, int Q, bool ALIGNED>
__global__ void __launch_bounds__(THREADS, THREADS < 1024 ? 2 : 1) head_loss_block_kernel(const px_head_args a)
{
    wait_for_stream();
    using columns = block_row<ELEMENT, THREADS, Q, ALIGNED>;
    PX_SHARED(row_exchange, parts, [1]);
    const unsigned lane = threadIdx.x % PX_WARP, warp = threadIdx.x / PX_WARP;
    const int ld = static_cast<int>(a.ld);
    const float inv_count = static_cast<float>(a.window->inv_count);
    const segment s = segment_of(a);
    float4 v[Q], sums[Q];
#pragma unroll
    for (int q = 0; q < Q; q++) sums[q] = make_float4(0, 0, 0, 0);
    int turn = 0;
    for (size_t row = s.begin; row < s.end; row++) {
        ELEMENT *logits = static_cast<ELEMENT *>(a.logits) + row * a.ld;
        const int target = a.targets[row];
        if (target < 0) { /* not scored; the same for the whole block */
            if (threadIdx.x == 0) a.nll[row] = 0;
            clear_row<ELEMENT, ALIGNED>(logits, ld);
            continue;
        }
        const float max = warp_reduce<op_max>(columns::load(v, a, logits, target, &parts[0].target[turn]));
        const float others = warp_reduce<op_sum>(columns::weigh(v, max, a.V, target));
        if (lane == 0) parts[0].max[turn][warp] = max;
        if (lane == 0) parts[0].others[turn][warp] = others;
        __syncthreads(); /* all warps have written */
        const row_sum all = join_warps(parts[0], turn);
        const row_loss r = finish_row(all.max, all.others, parts[0].target[turn], inv_count);
        if (threadIdx.x == 0) a.nll[row] = r.nll;
        columns::store(v, logits, ld, target, weight_of(max, all.max) * r.scale, -all.others * r.scale, sums);
        turn = 1 - turn;
    }
    if (!a.partial) return;
#pragma unroll
    for (int q = 0; q < Q; q++) {
        const int j = columns::column(q);
        if (j < ld) store_quad<ALIGNED>(a.partial + blockIdx.x * a.ld + j, sums[q], ld - j);
    }
}

/* ---- rows of any width ------------------------------------------------------------------------------------------- */

/* One row for a block; the losses alone. */
template <class ELEMENT, bool ALIGNED>
__global__ void __launch_bounds__(512) head_loss_only_kernel(const px_head_args a)
{
    wait_for_stream();
    PX_SHARED(float, scratch, [PX_WARP]);
    const size_t row = blockIdx.x;
    const ELEMENT *logits = static_cast<const ELEMENT *>(a.logits) + row * a.ld;
    const int target = a.targets[row];
    if (target < 0) {
        if (threadIdx.x == 0) a.nll[row] = 0;
        return;
    }
    const row_sum s = sum_row<ELEMENT, ALIGNED>(logits, a.bias, a.V, target, scratch);
    const float o_target = load_one<ELEMENT>(logits + target) + a.bias[target];
    if (threadIdx.x == 0) a.nll[row] = finish_row(s.max, s.others, o_target, 0.0f).nll;
}

/* A row's gradient in the place of its logits, read again, and onto sums. Backwards: what was read last is still in the
 * L1 cache. */
template <class ELEMENT, bool ALIGNED>
__device__ __forceinline__ void wide_gradient(const px_head_args &a, ELEMENT *logits, int target, const row_sum &s,
                                              float scale, float *sums)
{
    const int stride = static_cast<int>(blockDim.x) * 4, first = static_cast<int>(threadIdx.x) * 4,
              ld = static_cast<int>(a.ld);
    const int last = first < ld ? first + (ld - 1 - first) / stride * stride : -1;
    for (int j = last; j >= 0; j -= stride) {
        float4 d = make_float4(0, 0, 0, 0);
        if (j < a.V) {
            const float4 o =
                load_quad<ALIGNED>(logits + j, a.V - j, -INFINITY) + load_quad<ALIGNED>(a.bias + j, a.V - j);
            d = weights_of(o, s.max, a.V - j) * scale;
        }
        if (holds(j, target)) d = with(d, target - j, -s.others * scale);
        store_quad<ALIGNED>(logits + j, d, ld - j);
        if (sums) store_quad<ALIGNED>(sums + j, load_quad<ALIGNED>(sums + j, ld - j) + d, ld - j);
    }
}

/* The sums lie in shared memory where a block may have that much, else where they go in the end; each thread comes back
 * only to its own. */
template <class ELEMENT, bool ALIGNED>
__global__ void __launch_bounds__(WIDE_THREADS) head_loss_wide_kernel(const px_head_args a, int in_shared)
{
    wait_for_stream();
    PX_DYN_SHARED(float, own);
    PX_SHARED(float, scratch, [PX_WARP]);
    const int ld = static_cast<int>(a.ld);
    const segment s = segment_of(a);
    float *partial = a.partial ? a.partial + blockIdx.x * a.ld : nullptr, *sums = partial && in_shared ? own : partial;
    if (sums) clear_row<float, ALIGNED>(sums, ld);
    for (size_t row = s.begin; row < s.end; row++) {
        ELEMENT *logits = static_cast<ELEMENT *>(a.logits) + row * a.ld;
        const int target = a.targets[row];
        if (target < 0) {
            if (threadIdx.x == 0) a.nll[row] = 0;
            clear_row<ELEMENT, ALIGNED>(logits, ld);
            continue;
        }
        /* read before any thread can have overwritten it: sum_row's barriers lie between */
        const float o_target = load_one<ELEMENT>(logits + target) + a.bias[target];
        const row_sum all = sum_row<ELEMENT, ALIGNED>(logits, a.bias, a.V, target, scratch);
        const row_loss r = finish_row(all.max, all.others, o_target, static_cast<float>(a.window->inv_count));
        if (threadIdx.x == 0) a.nll[row] = r.nll;
        wide_gradient<ELEMENT, ALIGNED>(a, logits, target, all, r.scale, sums);
    }
    if (sums == partial) return;
    for (int j = static_cast<int>(threadIdx.x) * 4; j < ld; j += static_cast<int>(blockDim.x) * 4)
        store_quad<ALIGNED>(partial + j, load_quad<ALIGNED>(sums + j, ld - j), ld - j);
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

unsigned segments_of(const px_head_args &a) { return static_cast<unsigned>(px_head_segments(a.rows)); }

template <class ELEMENT> cudaError_t launch_warp(const px_head_args &a, px_stream stream)
{
    /* no barrier but the last, so small blocks only help to fill the device with few rows */
    const unsigned blocks = segments_of(a), threads = WARPS * PX_WARP;
    if (a.ld <= 64) return PX_LAUNCH((head_loss_warp_kernel<ELEMENT, 2>), blocks, threads, 0, stream, a);
    if (a.ld <= 128) return PX_LAUNCH((head_loss_warp_kernel<ELEMENT, 4>), blocks, threads, 0, stream, a);
    if (a.ld <= 256) return PX_LAUNCH((head_loss_warp_kernel<ELEMENT, 8>), blocks, threads, 0, stream, a);
    return PX_LAUNCH((head_loss_warp_kernel<ELEMENT, 16>), blocks, threads, 0, stream, a);
}

template <class ELEMENT, bool ALIGNED> cudaError_t launch_wide(const px_head_args &a, px_stream stream)
{
    const size_t STATIC_BYTES = 1024, PLAIN_BYTES = 48 * 1024; /* left for static arrays; what every device gives */
    const size_t bytes = a.ld * sizeof(float), most = a.shared_bytes > PLAIN_BYTES ? a.shared_bytes : PLAIN_BYTES;
    const int in_shared = a.partial && bytes + STATIC_BYTES <= most;
    if (in_shared && bytes + STATIC_BYTES > PLAIN_BYTES)
        PX_TRY_CUDA(PX_ALLOW_SHARED((head_loss_wide_kernel<ELEMENT, ALIGNED>), bytes));
    return PX_LAUNCH((head_loss_wide_kernel<ELEMENT, ALIGNED>), segments_of(a), WIDE_THREADS, in_shared ? bytes : 0,
                     stream, a, in_shared);
}

template <class ELEMENT, bool ALIGNED> cudaError_t launch_block(const px_head_args &a, px_stream stream)
{
    /* few quads a thread: what a row and its sums take in registers leaves room for two blocks on a multiprocessor, one
     * of which computes while the other reads */
    const unsigned blocks = segments_of(a);
    if (!a.gradient)
        return PX_LAUNCH((head_loss_only_kernel<ELEMENT, ALIGNED>), static_cast<unsigned>(a.rows),
                         threads_for_row(a.ld, 512), 0, stream, a);
    if (a.ld <= 4096) return PX_LAUNCH((head_loss_block_kernel<ELEMENT, 256, 4, ALIGNED>), blocks, 256, 0, stream, a);
    if (a.ld <= 10240) return PX_LAUNCH((head_loss_block_kernel<ELEMENT, 512, 5, ALIGNED>), blocks, 512, 0, stream, a);
    if (a.ld <= 20480)
        return PX_LAUNCH((head_loss_block_kernel<ELEMENT, 1024, 5, ALIGNED>), blocks, 1024, 0, stream, a);
    return launch_wide<ELEMENT, ALIGNED>(a, stream);
}

template <class ELEMENT> cudaError_t launch_loss(const px_head_args &a, px_stream stream)
{
    if (a.ld <= 512) return launch_warp<ELEMENT>(a, stream);
    const bool aligned = px_aligned(a.logits, sizeof(ELEMENT), a.ld) && px_aligned(a.bias, sizeof(float), 4) &&
                         px_aligned(a.partial, sizeof(float), a.ld);
    return PX_SWITCH(aligned, ALIGNED, launch_block<ELEMENT, ALIGNED>(a, stream));
}

} // namespace

extern "C" cudaError_t px_launch_head_loss(const px_head_args *args, px_stream stream)
{
    const px_head_args &a = *args;
    if (a.V <= 0 || a.ld < static_cast<size_t>(a.V) || a.ld > 0x7fffffffu || a.rows > 0x7fffffffu ||
        (a.partial && !a.gradient))
        return cudaErrorInvalidValue;
    if (a.rows == 0) return cudaSuccess;
    return a.type == PX_ELEMENT_BF16 ? launch_loss<px_bf16>(a, stream) : launch_loss<float>(a, stream);
}
