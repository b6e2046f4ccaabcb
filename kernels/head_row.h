/* A row of logits on its way to a loss: its weights exp(o - max), their sum, and what both come to.
 *
 * The sum leaves the target out:
 *     S' = sum over j != target of exp(o_j - max),  S = S' + exp(o_target - max)
 *     nll = log(1 + S') where the target is the maximum, else (max - o_target) + log S;   d_target = -S' / S
 * so that neither a loss close to 0 nor the gradient of a nearly certain target is a difference of two numbers close
 * to 1. Infinite logits follow host/model/loss.h: exp(o - max) is 1 where o = max, also where both are infinite. */
#ifndef PX_HEAD_ROW_H
#define PX_HEAD_ROW_H

#include "device.h"

/* exp(o - max) with its limits. */
static __device__ __forceinline__ float weight_of(float o, float max) { return o == max ? 1.0f : expf(o - max); }

/* What a row comes to: others = S', of the target o_t. */
struct row_loss {
    float nll, scale, target_weight; /* gradient of j != target: weight_j * scale; of the target: -S' * scale */
};

static __device__ __forceinline__ row_loss finish_row(float max, float others, float target, float inv_count)
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

/* The target's element of a quad that starts at column j, if it lies in it. */
static __device__ __forceinline__ bool holds(int j, int target) { return target >= j && target - j < 4; }

static __device__ __forceinline__ float pick(float4 v, int index)
{
    return index == 0 ? v.x : index == 1 ? v.y : index == 2 ? v.z : v.w;
}

static __device__ __forceinline__ float4 with(float4 v, int index, float value)
{
    if (index == 0) v.x = value;
    if (index == 1) v.y = value;
    if (index == 2) v.z = value;
    if (index == 3) v.w = value;
    return v;
}

/* Weights of a quad of which `count` columns exist, maybe none. */
static __device__ __forceinline__ float4 weights_of(float4 o, float max, int count)
{
    return make_float4(count > 0 ? weight_of(o.x, max) : 0.0f, count > 1 ? weight_of(o.y, max) : 0.0f,
                       count > 2 ? weight_of(o.z, max) : 0.0f, count > 3 ? weight_of(o.w, max) : 0.0f);
}

static __device__ __forceinline__ float max_of(float4 v) { return fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)); }

static __device__ __forceinline__ float sum_of(float4 v) { return (v.x + v.y) + (v.z + v.w); }

/* Maximum of a row and sum of exp(o_j - max) over j != target (target -1: over all). */
struct row_sum {
    float max, others;
};

/* In one pass over global memory: each thread keeps a running maximum and rescales its sum when that grows, then the
 * block merges them. All threads get both. */
template <class IN, bool ALIGNED>
static __device__ __forceinline__ row_sum sum_row(const IN *logits, const float *bias, int V, int target,
                                                  float *scratch)
{
    row_sum r = {-INFINITY, 0};
    for (int j = static_cast<int>(threadIdx.x) * 4; j < V; j += static_cast<int>(blockDim.x) * 4) {
        const float4 o = load_quad<ALIGNED>(logits + j, V - j, -INFINITY) + load_quad<ALIGNED>(bias + j, V - j);
        const float max = fmaxf(r.max, max_of(o));
        float4 w = weights_of(o, max, V - j);
        if (holds(j, target)) w = with(w, target - j, 0.0f);
        r.others = r.others * weight_of(r.max, max) + sum_of(w);
        r.max = max;
    }
    const float max = block_reduce<op_max>(r.max, scratch, -INFINITY);
    r.others = block_reduce<op_sum>(r.others * weight_of(r.max, max), scratch, 0.0f);
    r.max = max;
    return r;
}

/* A block's threads for a row of `width`: about two quads each before it takes more warps, so that the trees stay
 * short. */
static inline unsigned threads_for_row(size_t width, unsigned most)
{
    unsigned threads = 128;
    while (threads < most && threads * 8 < width) threads *= 2;
    return threads;
}

#endif
