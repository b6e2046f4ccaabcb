/* Phase update on the GPU: global norm, decision, optimiser step. Nothing is read by the host between them.
 *
 * Two launches over the one flat buffer, replayed as a graph: squares summed per block in double, of which the block
 * that ends last adds the partial sums, finds the clip factor and whether the step is finite; then one pass reads and
 * writes everything that the optimiser owns and clears those gradients that the next step adds to. Learning rate, step
 * and decision live in device memory. */
#include "device.h"

namespace
{

enum { NORM_THREADS = 256 };

/* A block's share of the squares. */
template <bool ALIGNED> __device__ __forceinline__ double squares(const px_norm_args &a, double *scratch)
{
    double sum = 0;
    const size_t stride = static_cast<size_t>(gridDim.x) * NORM_THREADS * 4;
    /* some reads are on their way while others are added; the order stays */
#pragma unroll 4
    for (size_t at = (static_cast<size_t>(blockIdx.x) * NORM_THREADS + threadIdx.x) * 4; at < a.count; at += stride) {
        const float4 g = load_quad<ALIGNED>(a.gradients + at, a.count - at < 4 ? static_cast<int>(a.count - at) : 4);
        const double x = g.x, y = g.y, z = g.z, w = g.w;
        sum += (x * x + y * y) + (z * z + w * w);
    }
    return block_reduce<op_sum>(sum, scratch, 0.0);
}

__device__ __forceinline__ void decide(const px_norm_args &a, double norm)
{
    px_device_metrics *metrics = a.metrics;
    if (metrics->bad_step < 0 && !(isfinite(norm) && isfinite(metrics->step_loss))) {
        metrics->bad_step = static_cast<int64_t>(a.scalars->step);
        metrics->bad_norm = norm;
    }
    const int skip = metrics->bad_step >= 0;
    metrics->grad_norm = norm;
    metrics->clip_factor = a.clip > 0 && norm > a.clip ? static_cast<float>(a.clip / norm) : 1.0f;
    metrics->skip = skip;
    metrics->updates += !skip;
    metrics->step_loss = 0;
}

template <bool ALIGNED> __global__ void __launch_bounds__(NORM_THREADS) update_norm_kernel(const px_norm_args a)
{
    wait_for_stream();
    PX_SHARED(double, scratch, [PX_WARP]);
    PX_SHARED(unsigned, ended, [1]);
    double sum = squares<ALIGNED>(a, scratch);
    if (threadIdx.x == 0) {
        a.partial[blockIdx.x] = sum;
        ended[0] = counter_next(&a.metrics->ended);
    }
    __syncthreads(); /* the number is there, and with the last one all partial sums */
    if (ended[0] + 1 < gridDim.x) return;
    sum = 0;
    for (unsigned k = threadIdx.x; k < gridDim.x; k += NORM_THREADS) sum += load_shared_by_blocks(a.partial + k);
    sum = block_reduce<op_sum>(sum, scratch, 0.0);
    if (threadIdx.x != 0) return;
    decide(a, sqrt(sum));
    a.metrics->ended = 0;
}

/* The optimiser's constants, rounded once. */
struct constants {
    float momentum, beta1, beta2, alpha, epsilon, decay;
    float rest1, rest2, rest_alpha; /* 1 - beta1, 1 - beta2, 1 - alpha, each from double: 1 - 0.999f is off by 1e-5 */
};

/* The same, and what one update reads from device memory, the same for every element. */
struct step_numbers : constants {
    float lr; /* of the gradient's step */
    float step_size, root_bias2, average_weight, clip;
    float decay_rate; /* of decoupled decay */
};

#define PX_STEP(name)                                                                                                  \
    __device__ __forceinline__ float step_##name(const step_numbers *s, float g, float w, float *m, float *v)
#define PX_STEP_ROOT(x) sqrtf(x)
#define PX_STEP_MEAN(s, m) ((s)->step_size * (m))
#define PX_STEP_DEVIATION(s, v) (sqrtf(v) / (s)->root_bias2)
#include "optimizer_step.h"

/* What a row of optimizer.h says, known when a kernel is compiled. */
template <px_optimizer KIND> struct row;
#define ROW(NAME, name, step, moment1, moment2, decoupled, ...)                                                        \
    template <> struct row<PX_##NAME> {                                                                                \
        static constexpr bool FIRST = moment1, SECOND = moment2, DECOUPLED = decoupled;                                \
        static __device__ __forceinline__ float next(const step_numbers *s, float g, float w, float *m, float *v)      \
        {                                                                                                              \
            return step_##step(s, g, w, m, v);                                                                         \
        }                                                                                                              \
    };
PX_OPTIMIZERS(ROW)
#undef ROW

template <px_optimizer KIND>
__device__ __forceinline__ float step_of(const step_numbers &s, float g, float w, float &m, float &v)
{
    g *= s.clip;
    if (row<KIND>::DECOUPLED)
        w -= s.decay_rate * s.decay * w;
    else
        g += s.decay * w;
    return row<KIND>::next(&s, g, w, &m, &v);
}

/* The factor of the span that float `at` lies in. There are few: a model of three layers has seven. */
__device__ __forceinline__ float rate_factor(const px_rate_spans &rates, size_t at)
{
    int32_t i = 0;
    while (at >= rates.span[i].end) i++;
    return rates.span[i].factor;
}

/* All bits of it. */
__device__ __forceinline__ bool is_zero(float4 v)
{
    return (__float_as_uint(v.x) | __float_as_uint(v.y) | __float_as_uint(v.z) | __float_as_uint(v.w)) == 0;
}

template <px_optimizer KIND, bool ALIGNED>
__global__ void __launch_bounds__(256) update_apply_kernel(const px_update_args a, const constants c)
{
    wait_for_stream();
    constexpr bool FIRST = row<KIND>::FIRST, SECOND = row<KIND>::SECOND;
    const size_t at = (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
    if (at >= a.count) return;
    const int count = a.count - at < 4 ? static_cast<int>(a.count - at) : 4;
    const float4 g = load_quad<ALIGNED>(a.gradients + at, count), zero = make_float4(0, 0, 0, 0);
    /* everything is asked for before the decision is known: reads that wait for one that waits double the latency */
    float4 w = load_quad<ALIGNED>(a.weights + at, count), m = zero, v = zero;
    /* moments are touched once per step: they should not push weights, needed at once by the next step, out of the L2
     * cache */
    const bool whole = ALIGNED && count == 4;
    if (FIRST)
        m = whole ? load_once(reinterpret_cast<const float4 *>(a.moment1 + at))
                  : load_quad<ALIGNED>(a.moment1 + at, count);
    if (SECOND)
        v = whole ? load_once(reinterpret_cast<const float4 *>(a.moment2 + at))
                  : load_quad<ALIGNED>(a.moment2 + at, count);
    if ((at < a.kept_begin || at >= a.kept_end) && !is_zero(g)) store_quad<ALIGNED>(a.gradients + at, zero, count);
    if (a.metrics->skip) return;
    step_numbers s;
    static_cast<constants &>(s) = c;
    s.decay_rate = static_cast<float>(a.scalars->lr);
    s.lr = s.decay_rate * rate_factor(a.rates, at);
    s.step_size = s.lr / static_cast<float>(a.scalars->bias1);
    s.root_bias2 = sqrtf(static_cast<float>(a.scalars->bias2));
    s.average_weight = static_cast<float>(a.scalars->average_weight);
    s.clip = a.metrics->clip_factor;
    w.x = step_of<KIND>(s, g.x, w.x, m.x, v.x);
    w.y = step_of<KIND>(s, g.y, w.y, m.y, v.y);
    w.z = step_of<KIND>(s, g.z, w.z, m.z, v.z);
    w.w = step_of<KIND>(s, g.w, w.w, m.w, v.w);
    store_quad<ALIGNED>(a.weights + at, w, count);
    if (a.weights_bf16) store_quad<ALIGNED>(a.weights_bf16 + at, w, count);
    if (FIRST && whole)
        store_once(reinterpret_cast<float4 *>(a.moment1 + at), m);
    else if (FIRST)
        store_quad<ALIGNED>(a.moment1 + at, m, count);
    if (SECOND && whole)
        store_once(reinterpret_cast<float4 *>(a.moment2 + at), v);
    else if (SECOND)
        store_quad<ALIGNED>(a.moment2 + at, v, count);
    if (!a.average || !(s.average_weight > 0)) return;
    float4 average = load_quad<ALIGNED>(a.average + at, count);
    average = average + (w + average * -1.0f) * s.average_weight;
    store_quad<ALIGNED>(a.average + at, average, count);
}

template <px_optimizer KIND> cudaError_t launch_apply(const px_update_args &a, px_stream stream)
{
    const px_optimizer_config &o = *a.optimizer;
    const constants c = {
        static_cast<float>(o.momentum),  static_cast<float>(o.beta1),     static_cast<float>(o.beta2),
        static_cast<float>(o.alpha),     static_cast<float>(o.epsilon),   static_cast<float>(o.weight_decay),
        static_cast<float>(1 - o.beta1), static_cast<float>(1 - o.beta2), static_cast<float>(1 - o.alpha)};
    /* bound by memory: up to five streams of 16-byte accesses per thread; no loop, so that blocks end and others start
     */
    const unsigned blocks = px_ceil_div(a.count, 4 * 256);
    const bool aligned = px_aligned(a.weights, sizeof(float), 4) && px_aligned(a.gradients, sizeof(float), 4) &&
                         px_aligned(a.moment1, sizeof(float), 4) && px_aligned(a.moment2, sizeof(float), 4) &&
                         px_aligned(a.average, sizeof(float), 4) && px_aligned(a.weights_bf16, sizeof(px_bf16), 4);
    return PX_SWITCH(aligned, ALIGNED, PX_LAUNCH((update_apply_kernel<KIND, ALIGNED>), blocks, 256, 0, stream, a, c));
}

} // namespace

extern "C" cudaError_t px_launch_update_norm(const px_norm_args *args, px_stream stream)
{
    /* at most 1,024 blocks of 256 with 8 quads and more each: few enough partial sums for one block to add */
    const unsigned blocks = static_cast<unsigned>(px_norm_partials(args->count));
    return PX_SWITCH(px_aligned(args->gradients, sizeof(float), 4), ALIGNED,
                     PX_LAUNCH(update_norm_kernel<ALIGNED>, blocks, NORM_THREADS, 0, stream, *args));
}

extern "C" cudaError_t px_launch_update_apply(const px_update_args *args, px_stream stream)
{
    if (args->count == 0) return cudaSuccess;
    switch (args->optimizer->kind) {
#define CASE(NAME, ...)                                                                                                \
    case PX_##NAME: return launch_apply<PX_##NAME>(*args, stream);
        PX_OPTIMIZERS(CASE)
#undef CASE
    case PX_OPTIMIZER_COUNT: break;
    }
    return cudaErrorInvalidValue;
}
