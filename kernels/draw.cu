/* Drawing tokens on the GPU: one block a stream, from a row of probabilities to the token that is the next input.
 *
 * host/model/draw_maths.h is the choice itself, as the host makes it. What does not depend on an order is done by all
 * threads, the most probable token and the weights; sums and the ordering of candidates are one thread's, in the host's
 * order, so that both draw the same token from the same probabilities. */
#include "philox.h"
#include "states.h"

#include <curand_philox4x32_x.h>

#define PX_DRAW_FUNCTION inline __device__ /* not all of them are needed */
#ifdef PX_SIMULATOR
#define PX_DRAW_MUL(a, b) ((a) * (b))
#else
#define PX_DRAW_MUL(a, b) __dmul_rn(a, b)
#endif
#include "draw_maths.h"

namespace
{

enum { DRAW_THREADS = 256, TILE = 1024 };

struct op_max_key {
    static __device__ __forceinline__ uint64_t of(uint64_t a, uint64_t b) { return a > b ? a : b; }
};

/* px_draw_best by all threads: probabilities above 0 have the order of their bits. */
__device__ __forceinline__ int32_t best_of(const float *p, int32_t V, int32_t first, uint64_t *scratch)
{
    const uint64_t none = 0, broken = ~none;
    uint64_t key = none;
    for (int32_t i = first + static_cast<int32_t>(threadIdx.x); i < V; i += DRAW_THREADS) {
        const uint64_t mine =
            static_cast<uint64_t>(__float_as_uint(p[i])) << 32 | (0xffffffffu - static_cast<uint32_t>(i));
        key = op_max_key::of(key, !isfinite(p[i]) ? broken : p[i] > 0 ? mine : none);
    }
    key = block_reduce<op_max_key>(key, scratch, none);
    return key == none || key == broken ? -1 : static_cast<int32_t>(0xffffffffu - static_cast<uint32_t>(key));
}

/* The uniform of a stream at a position, as host/inference/sample.c takes it. */
__device__ __forceinline__ double uniform_of(uint64_t seed, uint64_t position, uint32_t stream)
{
    const uint64_t block = position / 4;
    const unsigned lane = static_cast<unsigned>(position % 4);
    const uint4 v = curand_Philox4x32_10(
        make_uint4(static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), stream, PX_RANDOM_SAMPLE),
        make_uint2(static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)));
    return static_cast<double>(lane == 0 ? v.x : lane == 1 ? v.y : lane == 2 ? v.z : v.w) * 0x1p-32;
}

/* A row of probabilities, from id `first` on. */
struct row_of {
    const float *p;
    int32_t first, V;
};

/* Weights of a tile, by all threads; nobody reads the last ones any more. Returns how many there are. */
__device__ __forceinline__ int weigh(const row_of &row, int32_t from, const px_draw_scale &scale, double *weights)
{
    const int count = row.V - from < TILE ? row.V - from : TILE;
    __syncthreads(); /* the tile before has been read */
    for (int i = static_cast<int>(threadIdx.x); i < count; i += DRAW_THREADS)
        weights[i] = px_draw_weight(row.p[from + i], &scale);
    __syncthreads(); /* this one is complete */
    return count;
}

/* px_draw_one over all tokens: those of weight 0, which the host leaves out, change no sum. The result is thread 0's.
 */
__device__ __forceinline__ int32_t draw_of_all(const row_of &row, const px_draw_scale &scale, double u, double *weights)
{
    double mass = 0, sum = 0;
    int32_t drawn = -1, last = -1;
    int count = 0;
    for (int32_t from = row.first; from < row.V; from += TILE) {
        count = weigh(row, from, scale, weights);
        if (threadIdx.x != 0) continue;
#pragma unroll 8
        for (int i = 0; i < count; i++) mass += weights[i];
    }
    const bool again = row.V - row.first > TILE; /* else the one tile is still there */
    for (int32_t from = row.first; from < row.V; from += TILE) {
        if (again) count = weigh(row, from, scale, weights);
        if (threadIdx.x != 0) continue;
        for (int i = 0; i < count && drawn < 0; i++) {
            sum += weights[i];
            if (weights[i] > 0) last = from + i;
            if (u * mass < sum) drawn = from + i;
        }
    }
    return drawn < 0 ? last : drawn;
}

/* px_draw_among. The result is thread 0's. */
__device__ __forceinline__ int32_t draw_in_order(const row_of &row, const px_draw_scale &scale, const px_draw *draw,
                                                 double u, px_candidate *list)
{
    const int count = row.V - row.first;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += DRAW_THREADS) {
        list[i].weight = px_draw_weight(row.p[row.first + i], &scale);
        list[i].id = row.first + i;
    }
    __syncthreads(); /* all candidates are there */
    if (threadIdx.x != 0) return -1;
    size_t kept = 0;
    for (int i = 0; i < count; i++)
        if (list[i].weight > 0) list[kept++] = list[i];
    return px_draw_among(list, kept, draw, u);
}

/* One block at least: as many as shared memory lets in would leave so few registers that ptxas spills. */
__global__ void __launch_bounds__(DRAW_THREADS, 1) draw_kernel(const px_draw_args a)
{
    wait_for_stream();
    PX_SHARED(uint64_t, scratch, [PX_WARP]);
    PX_SHARED(double, weights, [TILE]);
    PX_SHARED(px_candidate, list, [PX_DRAW_ORDERED_MAX]);
    const unsigned rows = static_cast<unsigned>(a.rows);
    if (blockIdx.x >= rows) return copy_states(a.states, blockIdx.x - rows, threadIdx.x, DRAW_THREADS);
    const px_draw *draw = a.draw;
    const int stream = a.first_stream + static_cast<int>(blockIdx.x);
    const row_of row = {a.probabilities + static_cast<size_t>(blockIdx.x) * a.V, draw->exclude_unknown ? 1 : 0, a.V};
    int32_t token = best_of(row.p, row.V, row.first, scratch);
    if (token >= 0 && !draw->greedy && draw->temperature != 0) {
        const px_draw_scale scale = px_draw_scale_of(draw, row.p[token]);
        const double u =
            uniform_of(draw->seed, draw->position + static_cast<uint64_t>(a.step), static_cast<uint32_t>(stream));
        const bool ordered = draw->top_k > 0 || draw->top_p < 1;
        token = ordered ? draw_in_order(row, scale, draw, u, list) : draw_of_all(row, scale, u, weights);
    }
    if (threadIdx.x != 0) return;
    a.drawn[blockIdx.x] = token;
    a.tokens[blockIdx.x] = token < 0 ? 0 : token; /* whatever it is, the next step finds a row of its table */
    a.reset[blockIdx.x] = 0;
}

} // namespace

extern "C" cudaError_t px_launch_draw(const px_draw_args *args, px_stream stream)
{
    if (args->V <= 0 || args->rows < 0) return cudaErrorInvalidValue;
    if (args->rows == 0) return cudaSuccess;
    const unsigned blocks = static_cast<unsigned>(args->rows) + state_blocks(args->states, DRAW_THREADS);
    return PX_LAUNCH(draw_kernel, blocks, DRAW_THREADS, 0, stream, *args);
}
