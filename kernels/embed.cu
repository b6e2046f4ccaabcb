/* Phase embed on the GPU: rows of a table for the tokens of a window, and the gradient of that table.
 *
 * Forward is a gather, off the critical path of the recurrence. Backward is a segment sum without atomics over a
 * window's rows in the order of their tokens (`order`, a stable counting sort by the host): chunks of PX_EMBED_CHUNK
 * places are summed independently of how long a token's run is, so that a byte model's thousand spaces do not end in
 * one thread; a second kernel joins the runs that cross a chunk's border, in order. Each row of the table has one
 * writer. */
#include "device.h"
#include "dropout.h"
#include "states.h"

namespace
{

/* Factor of the token's row in the table: one for the whole window. */
template <class ARGS> __device__ __forceinline__ float row_factor(const ARGS &a, int token)
{
    if (!a.row_dropout.threshold) return 1.0f;
    const uint64_t e = a.window->step * static_cast<uint64_t>(a.vocab) + static_cast<uint64_t>(token);
    return dropout_one(a.row_dropout, e);
}

/* Factors of a quad of the input at row = t * n + i: of its own four elements, or, one-hot, of the one element j =
 * token. */
__device__ __forceinline__ float4 input_mask(const px_dropout &dropout, const px_window_scalars *window, int row, int n,
                                             int width, int column, int one_hot, int token)
{
    const int t = row / n, i = row - t * n;
    if (one_hot) {
        const float m =
            dropout_one(dropout, dropout_row(dropout, window, t, i, one_hot) + static_cast<uint64_t>(token));
        return make_float4(m, m, m, m);
    }
    return dropout_quad(dropout, dropout_row(dropout, window, t, i, width) + static_cast<uint64_t>(column));
}

/* Blocks behind those of the rows take the carried states into the window. */
__device__ __forceinline__ void carry(const px_embed_args &a, size_t rows)
{
    const unsigned own = static_cast<unsigned>((rows + blockDim.y - 1) / blockDim.y);
    if (blockIdx.x < own || blockIdx.y > 0) return;
    copy_states(a.states, blockIdx.x - own, threadIdx.y * blockDim.x + threadIdx.x, blockDim.x * blockDim.y);
}

template <bool ALIGNED, bool DROP> __global__ void __launch_bounds__(256) embed_forward_kernel(const px_embed_args a)
{
    wait_for_stream();
    const size_t row = row_of_thread(), quad = quad_of_thread(), rows = static_cast<size_t>(a.T) * a.n;
    const int column = static_cast<int>(quad * 4), count = a.width - column;
    if (row >= rows) carry(a, rows);
    if (row >= rows || count <= 0) return;
    const int token = a.tokens[row];
    float4 v = load_quad<ALIGNED>(a.table + static_cast<size_t>(token) * a.width + column, count);
    if (DROP) v = v * input_mask(a.dropout, a.window, static_cast<int>(row), a.n, a.width, column, a.one_hot, token);
    if (a.row_dropout.threshold) v = v * row_factor(a, token);
    const size_t at = row * a.width + column;
    if (a.out) store_quad<ALIGNED>(a.out + at, v, count);
    if (a.out_bf16) store_quad<ALIGNED>(a.out_bf16 + at, v, count);
}

/* Token at a place of the sorted order. */
__device__ __forceinline__ int token_at(const px_embed_backward_args &a, int at) { return a.tokens[a.order[at]]; }

/* Places of `order` whose rows are asked for before the first of them is needed. A place is three reads that wait for
 * one another (order, token, row), so the rows of some and the tokens of the next ones are on their way together. */
enum { AHEAD = 8 };
static_assert(PX_EMBED_CHUNK % AHEAD == 0, "a chunk is a whole number of these");

struct embed_places {
    int row[AHEAD], token[AHEAD];
};

/* Places [at, at + AHEAD) of a chunk that ends with `end`; what would lie behind it is its last one again. */
__device__ __forceinline__ embed_places places_at(const px_embed_backward_args &a, int at, int end)
{
    embed_places p;
#pragma unroll
    for (int i = 0; i < AHEAD; i++) p.row[i] = a.order[at + i < end ? at + i : end - 1];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) p.token[i] = a.tokens[p.row[i]];
    return p;
}

/* Where the sum of a run goes: to the table, or, where the run crosses a border of the chunk, to one of its two parts.
 */
template <bool ALIGNED>
__device__ __forceinline__ void end_run(const px_embed_backward_args &a, int chunk, int column, int count, int token,
                                        float4 sum, bool leading, bool trailing)
{
    const size_t width = static_cast<size_t>(a.width);
    if (leading || trailing) {
        const size_t part = 2 * static_cast<size_t>(chunk) + (leading ? 0 : 1);
        store_quad<ALIGNED>(a.partial + part * width + column, sum, count);
    } else {
        float *to = a.dtable + static_cast<size_t>(token) * width + column;
        store_quad<ALIGNED>(to, load_quad<ALIGNED>(to, count) + sum * row_factor(a, token), count);
    }
}

/* Sums the runs of one chunk of `order` for one quad of columns. A run inside the chunk goes straight to the table. A
 * run that comes from the chunk before leaves its sum in partial[chunk][0], one that only goes on into the next in [1].
 */
template <bool ALIGNED, bool DROP>
__global__ void __launch_bounds__(128) embed_backward_runs_kernel(const px_embed_backward_args a)
{
    wait_for_stream();
    const int rows = a.T * a.n, chunk = static_cast<int>(row_of_thread());
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (chunk * PX_EMBED_CHUNK >= rows || count <= 0) return;
    const int begin = chunk * PX_EMBED_CHUNK, end = rows - begin < PX_EMBED_CHUNK ? rows : begin + PX_EMBED_CHUNK;
    const int before = begin > 0 ? token_at(a, begin - 1) : -1, after = end < rows ? token_at(a, end) : -1;
    embed_places p = places_at(a, begin, end);
    bool leading = p.token[0] == before;
    float4 sum = make_float4(0, 0, 0, 0);
    for (int k = begin; k < end; k += AHEAD) {
        float4 v[AHEAD];
#pragma unroll
        for (int i = 0; i < AHEAD; i++)
            v[i] = load_quad<ALIGNED>(a.dx + static_cast<size_t>(p.row[i]) * a.width + column, count);
        const embed_places later = places_at(a, k + AHEAD, end);
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            if (k + i >= end) break;
            const int token = p.token[i];
            if (DROP) v[i] = v[i] * input_mask(a.dropout, a.window, p.row[i], a.n, a.width, column, a.one_hot, token);
            sum = sum + v[i];
            const bool last = k + i + 1 == end;
            const int next = last ? after : i + 1 < AHEAD ? p.token[(i + 1) % AHEAD] : later.token[0];
            if (!last && next == token) continue;
            end_run<ALIGNED>(a, chunk, column, count, token, sum, leading, next == token);
            sum = make_float4(0, 0, 0, 0);
            leading = false;
        }
        p = later;
    }
}

/* Joins the runs that cross borders: the chunk in which such a run begins adds up its parts in order. */
template <bool ALIGNED>
__global__ void __launch_bounds__(128) embed_backward_join_kernel(const px_embed_backward_args a)
{
    wait_for_stream();
    const int rows = a.T * a.n, chunk = static_cast<int>(row_of_thread()), chunks = (rows - 1) / PX_EMBED_CHUNK + 1;
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (chunk >= chunks - 1 || count <= 0) return; /* nothing can go on after the last chunk */
    const int begin = chunk * PX_EMBED_CHUNK, end = begin + PX_EMBED_CHUNK, token = token_at(a, end - 1);
    if (token_at(a, end) != token) return;                                                   /* no run crosses */
    if (begin > 0 && token_at(a, begin) == token && token_at(a, begin - 1) == token) return; /* it began earlier */
    /* the last chunk that begins with this token: tokens ascend along `order`, so halving finds it */
    int low = chunk + 1, high = chunks;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        if (token_at(a, middle * PX_EMBED_CHUNK) == token)
            low = middle;
        else
            high = middle;
    }
    const size_t width = static_cast<size_t>(a.width);
    float4 sum = load_quad<ALIGNED>(a.partial + (2 * static_cast<size_t>(chunk) + 1) * width + column, count);
#pragma unroll 4
    for (int c = chunk + 1; c <= low; c++)
        sum = sum + load_quad<ALIGNED>(a.partial + 2 * static_cast<size_t>(c) * width + column, count);
    float *to = a.dtable + static_cast<size_t>(token) * width + column;
    store_quad<ALIGNED>(to, load_quad<ALIGNED>(to, count) + sum * row_factor(a, token), count);
}

/* Rows are counted in int32, as `order` holds them. */
bool window_is_valid(int T, int n, int width)
{
    return T >= 0 && n >= 0 && width > 0 &&
           static_cast<size_t>(T) * static_cast<size_t>(n) < (1u << 31) - 256 * PX_EMBED_CHUNK;
}

} // namespace

extern "C" cudaError_t px_launch_embed_forward(const px_embed_args *args, px_stream stream)
{
    if (!window_is_valid(args->T, args->n, args->width)) return cudaErrorInvalidValue;
    const size_t rows = static_cast<size_t>(args->T) * static_cast<size_t>(args->n),
                 width = static_cast<size_t>(args->width);
    if (rows == 0) return cudaSuccess;
    /* bound by memory: 256 threads, one quad each, keep enough 16-byte reads in flight without a loop */
    row_grid g = row_grid_for(rows, width, 256);
    g.grid.x += state_blocks(args->states, 256);
    const bool aligned = px_aligned(args->table, sizeof(float), width) && px_aligned(args->out, sizeof(float), width) &&
                         px_aligned(args->out_bf16, sizeof(px_bf16), width);
    const bool drop = args->dropout.threshold != 0;
    return PX_SWITCH(
        aligned, ALIGNED,
        PX_SWITCH(drop, DROP, PX_LAUNCH((embed_forward_kernel<ALIGNED, DROP>), g.grid, g.block, 0, stream, *args)));
}

extern "C" cudaError_t px_launch_embed_backward(const px_embed_backward_args *args, px_stream stream)
{
    if (!window_is_valid(args->T, args->n, args->width)) return cudaErrorInvalidValue;
    const size_t rows = static_cast<size_t>(args->T) * static_cast<size_t>(args->n),
                 width = static_cast<size_t>(args->width);
    if (rows == 0) return cudaSuccess;
    /* each thread walks a chunk of rows, so there are few threads: blocks of 128 spread them over more multiprocessors
     */
    const row_grid g = row_grid_for(px_ceil_div(rows, PX_EMBED_CHUNK), width, 128);
    const bool aligned = px_aligned(args->dx, sizeof(float), width) && px_aligned(args->dtable, sizeof(float), width) &&
                         px_aligned(args->partial, sizeof(float), width);
    const bool drop = args->dropout.threshold != 0;
    PX_TRY_CUDA(PX_SWITCH(
        aligned, ALIGNED,
        PX_SWITCH(drop, DROP,
                  PX_LAUNCH((embed_backward_runs_kernel<ALIGNED, DROP>), g.grid, g.block, 0, stream, *args))));
    if (rows <= PX_EMBED_CHUNK) return cudaSuccess; /* one chunk: no border to cross */
    return PX_SWITCH(aligned, ALIGNED,
                     PX_LAUNCH(embed_backward_join_kernel<ALIGNED>, g.grid, g.block, 0, stream, *args));
}
