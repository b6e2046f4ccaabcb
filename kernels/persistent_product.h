/* The products of the variant "persistent": a block's rows of W_hh, kept over the window, times the state. On tensor
 * cores (bf16, tf32), or by fp32 multiplications. Either writes the partial sums of its warp's slice of k;
 * persistent_block.h adds them. */
#ifndef PX_PERSISTENT_PRODUCT_H
#define PX_PERSISTENT_PRODUCT_H

#include "persistent_block.h"

/* W_hh as it lies in memory: [GATES width, width], out by in. */
struct persistent_weights {
    const void *w;
    int width;
};

/* Element (row of the block, k) of what multiplies the state: W_hh, or backward its transpose; 0 past its end. */
template <class P, class ELEMENT, bool BACKWARD>
static __device__ __forceinline__ ELEMENT weight(const persistent_weights &a, int rank, int row, int k)
{
    const int along = BACKWARD ? k : row, every = BACKWARD ? P::WIDTH : P::UNITS; /* where the gates are */
    const int gate = P::GATES == 1 ? 0 : along / every, at = P::GATES == 1 ? along : along % every;
    const int unit = rank * P::UNITS + (BACKWARD ? row : at), other = BACKWARD ? at : k;
    if (unit >= a.width || other >= a.width) return 0;
    const size_t out = static_cast<size_t>(gate) * a.width + (BACKWARD ? other : unit);
    return static_cast<const ELEMENT *>(a.w)[out * a.width + (BACKWARD ? unit : other)];
}

/* Word `word` of a row, as an operand. */
template <class P, bool BACKWARD>
static __device__ __forceinline__ uint32_t weight_word(const persistent_weights &a, int rank, int row, int word)
{
    if (P::OPERAND == PX_BF16)
        return weight<P, px_bf16, BACKWARD>(a, rank, row, 2 * word) |
               static_cast<uint32_t>(weight<P, px_bf16, BACKWARD>(a, rank, row, 2 * word + 1)) << 16;
    return operand_word<P::OPERAND>(weight<P, float, BACKWARD>(a, rank, row, word));
}

/* Keeps a value in its register: the compiler takes it for a new one, made here, and does not read it again in every
 * step. */
static __device__ __forceinline__ void keep(uint32_t &word)
{
#if !defined(PX_SIMULATOR) && defined(__CUDA_ARCH__)
    asm volatile("" : "+r"(word));
#else
    (void)word;
#endif
}

static __device__ __forceinline__ void keep(float &v)
{
#if !defined(PX_SIMULATOR) && defined(__CUDA_ARCH__)
    asm volatile("" : "+f"(v));
#else
    (void)v;
#endif
}

/* Keeps load(0), load(1) ... in registers, by way of shared memory, in loops: a lane that reads everything at once
 * needs more registers for addresses than there are. stage [STAGED, 32]: this lane's. */
template <int STAGED, int COUNT, class LOAD>
static __device__ __forceinline__ void load_by_stages(uint4 (&kept)[COUNT], uint4 *stage, const LOAD &load)
{
#pragma unroll
    for (int first = 0; first < COUNT; first += STAGED) {
#pragma unroll 2
        for (int f = first; f < first + STAGED && f < COUNT; f++) stage[(f - first) * PX_WARP] = load(f);
#pragma unroll
        for (int f = first; f < first + STAGED && f < COUNT; f++) {
            kept[f] = stage[(f - first) * PX_WARP];
            keep(kept[f].x), keep(kept[f].y), keep(kept[f].z), keep(kept[f].w);
        }
    }
}

/* Tensor cores. Fragment f is of tile f % M and step f / M. The state is B; a lane reads 16 bytes of it for two steps,
 * so within 16 words step p's word w stands at 4 (w % 4) + 2 p + w / 4, and W_hh's words are taken in the same order.
 */
template <class P, bool BACKWARD> struct matrix_product {
    uint4 kept[P::KEPT];
    uint4 *rest; /* of this lane, [FRAGMENTS - KEPT, 32] */
    int lane, tile, slice;

    __device__ __forceinline__ uint4 load(const persistent_weights &a, int rank, int f) const
    {
        const int row = (tile + f % P::M) * 16 + fragment_a_row(lane, 0);
        const int step = f / P::M;
        const int word = (slice * P::K + step / 2 * 2) * 8 + lane % 4 * 4 + step % 2 * 2;
        uint32_t w[4];
#pragma unroll
        for (int r = 0; r < 4; r++) w[r] = weight_word<P, BACKWARD>(a, rank, row + r % 2 * 8, word + r / 2);
        return make_uint4(w[0], w[1], w[2], w[3]);
    }

    __device__ __forceinline__ matrix_product(const persistent_weights &a, int rank, unsigned char *shared)
    {
        const int warp = static_cast<int>(threadIdx.x) / PX_WARP;
        lane = static_cast<int>(threadIdx.x) % PX_WARP;
        tile = warp % P::UNIT_WARPS * P::M;
        slice = warp / P::UNIT_WARPS;
        rest = reinterpret_cast<uint4 *>(shared + P::REST_AT) + warp * (P::FRAGMENTS - P::KEPT) * PX_WARP + lane;
#pragma unroll 2
        for (int f = P::KEPT; f < P::FRAGMENTS; f++) rest[(f - P::KEPT) * PX_WARP] = load(a, rank, f);
        load_by_stages<STAGED>(kept,
                               reinterpret_cast<uint4 *>(shared + PERSISTENT_STATE_AT) + warp * STAGED * PX_WARP + lane,
                               [&](int f) { return load(a, rank, f); });
        __syncthreads(); /* the state takes the place of what was staged */
    }

    static constexpr int STAGED = static_cast<int>((P::REST_AT - PERSISTENT_STATE_AT) / (P::WARPS * 512));

    __device__ __forceinline__ uint4 fragment(int f) const
    {
        return f < P::KEPT ? kept[f < P::KEPT ? f : 0] : rest[(f - P::KEPT) * PX_WARP];
    }

    __device__ __forceinline__ void store(float *partial, const float (&c)[P::M][4], int count) const
    {
#pragma unroll
        for (int m = 0; m < P::M; m++)
#pragma unroll
            for (int r = 0; r < 4; r++) {
                const int stream = fragment_c_column(lane, r), unit = (tile + m) * 16 + fragment_c_row(lane, r);
                if (stream < count) partial[(slice * P::STREAMS + stream) * P::PARTIAL_STRIDE + unit] = c[m][r];
            }
    }

    __device__ __forceinline__ void multiply(const uint32_t *state, float *partial, int count) const
    {
        const uint32_t *row = state + lane / 4 * P::STATE_STRIDE + slice * P::K * 8 + lane % 4 * 4;
        float c[P::M][4] = {};
#pragma unroll
        for (int step = 0; step < P::K; step += 2) {
            const uint4 b = *reinterpret_cast<const uint4 *>(row + step * 8);
#pragma unroll
            for (int m = 0; m < P::M; m++)
                matrix_multiply<P::OPERAND == PX_BF16>(c[m], fragment(step * P::M + m), b.x, b.y);
#pragma unroll
            for (int m = 0; m < P::M; m++)
                matrix_multiply<P::OPERAND == PX_BF16>(c[m], fragment((step + 1) * P::M + m), b.z, b.w);
        }
        store(partial, c, count);
    }
};

/* fp32. Element (quad, unit, q) of a lane's tile is W_hh[4 (lane / K_LANES) + unit, 4 (K_LANES quad + lane % K_LANES) +
 * q] of the warp's tile. */
template <class P, bool BACKWARD> struct vector_product {
    float4 kept[P::KEPT][P::QUADS][4];
    float4 *rest; /* of this lane, [REST, QUADS, 4, 32] */
    int k_lane, units, slice;

    __device__ __forceinline__ float4 load(const persistent_weights &a, int rank, int tile, int quad, int u) const
    {
        const int k = (slice * P::TILES + tile) * P::TILE_K + (quad * P::K_LANES + k_lane) * 4;
        float w[4];
#pragma unroll
        for (int q = 0; q < 4; q++) w[q] = weight<P, float, BACKWARD>(a, rank, units + u, k + q);
        return make_float4(w[0], w[1], w[2], w[3]);
    }

    __device__ __forceinline__ vector_product(const persistent_weights &a, int rank, unsigned char *shared)
    {
        const int warp = static_cast<int>(threadIdx.x) / PX_WARP, lane = static_cast<int>(threadIdx.x) % PX_WARP;
        k_lane = lane % P::K_LANES;
        units = warp % P::UNIT_WARPS * P::TILE_UNITS + lane / P::K_LANES * 4;
        slice = warp / P::UNIT_WARPS;
        rest = reinterpret_cast<float4 *>(shared + P::REST_AT) + warp * P::REST * P::QUADS * 4 * PX_WARP + lane;
#pragma unroll 1
        for (int p = 0; p < P::REST * P::QUADS * 4; p++)
            rest[p * PX_WARP] = load(a, rank, P::KEPT + p / (P::QUADS * 4), p / 4 % P::QUADS, p % 4);
#pragma unroll
        for (int p = 0; p < P::KEPT * P::QUADS * 4; p++) {
            float4 &v = kept[p / (P::QUADS * 4)][p / 4 % P::QUADS][p % 4];
            v = load(a, rank, p / (P::QUADS * 4), p / 4 % P::QUADS, p % 4);
            keep(v.x), keep(v.y), keep(v.z), keep(v.w);
        }
    }

    __device__ __forceinline__ float4 element(int tile, int quad, int u) const
    {
        if (tile < P::KEPT) return kept[tile < P::KEPT ? tile : 0][quad][u];
        return rest[(((tile - P::KEPT) * P::QUADS + quad) * 4 + u) * PX_WARP];
    }

    static __device__ __forceinline__ float dot(float4 w, float4 v, float sum)
    {
        return fmaf(w.w, v.w, fmaf(w.z, v.z, fmaf(w.y, v.y, fmaf(w.x, v.x, sum))));
    }

    /* Sums over the lanes along k, whose four units are four lanes' to keep: each gives half of what it has away,
     * twice. All lanes call it. */
    __device__ __forceinline__ float join(const float (&c)[4]) const
    {
        const bool high = k_lane & 2, odd = k_lane & 1;
        const float g0 = __shfl_xor_sync(~0u, high ? c[0] : c[2], 2), g1 = __shfl_xor_sync(~0u, high ? c[1] : c[3], 2);
        const float k0 = (high ? c[2] : c[0]) + g0, k1 = (high ? c[3] : c[1]) + g1;
        float v = (odd ? k1 : k0) + __shfl_xor_sync(~0u, odd ? k0 : k1, 1);
        if (P::K_LANES == 8) v += __shfl_xor_sync(~0u, v, 4);
        return v;
    }

    /* The sums of GROUP streams from `first` on. */
    __device__ __forceinline__ void multiply_group(const uint32_t *state, float *partial, int first) const
    {
        const float *row = reinterpret_cast<const float *>(state) + first * P::STATE_STRIDE +
                           slice * P::TILES * P::TILE_K + k_lane * 4;
        float c[P::GROUP][4] = {};
#pragma unroll
        for (int tile = 0; tile < P::TILES; tile++)
#pragma unroll
            for (int quad = 0; quad < P::QUADS; quad++) {
                float4 w[4];
#pragma unroll
                for (int u = 0; u < 4; u++) w[u] = element(tile, quad, u);
#pragma unroll
                for (int i = 0; i < P::GROUP; i++) {
                    const float4 v = *reinterpret_cast<const float4 *>(row + i * P::STATE_STRIDE + tile * P::TILE_K +
                                                                       quad * P::K_LANES * 4);
#pragma unroll
                    for (int u = 0; u < 4; u++) c[i][u] = dot(w[u], v, c[i][u]);
                }
            }
#pragma unroll
        for (int i = 0; i < P::GROUP; i++) {
            const float sum = join(c[i]);
            if (k_lane < 4) partial[(slice * P::STREAMS + first + i) * P::PARTIAL_STRIDE + units + k_lane % 4] = sum;
        }
    }

    __device__ __forceinline__ void multiply(const uint32_t *state, float *partial, int count) const
    {
#pragma unroll 1
        for (int first = 0; first < count; first += P::GROUP) multiply_group(state, partial, first);
    }
};

#endif
