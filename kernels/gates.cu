/* Phase recurrence on the GPU for cells that keep gates (GRU, LSTM): what stands between the products of a step.
 *
 * As in recurrence.cu a step is one cuBLAS product for all gates of the whole minibatch, written to its own buffer, and
 * one fused kernel here; each thread does one quad of units with all their gates and states. A kernel is made for every
 * cell of host/model/cells.h. */
#include "device.h"
#include "dropout.h"

#include "cell_maths.h"

namespace
{

/* Element k of a quad; k is a constant once loops are unrolled. */
__device__ __forceinline__ float &element(float4 &quad, int k)
{
    return k == 0 ? quad.x : k == 1 ? quad.y : k == 2 ? quad.z : quad.w;
}

__device__ __forceinline__ float4 zeros() { return make_float4(0, 0, 0, 0); }

/* The quads of four units; z by gate, then states. */
template <px_cell CELL> struct unit_quads {
    float4 z[px_cell_type<CELL>::gates], u, before[px_cell_type<CELL>::states], now[px_cell_type<CELL>::states],
        d[px_cell_type<CELL>::states];
};

template <px_cell CELL> __device__ __forceinline__ void units_forward(unit_quads<CELL> &q)
{
    typedef px_cell_type<CELL> cell;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        px_cell_unit unit;
#pragma unroll
        for (int g = 0; g < cell::gates; g++) unit.z[g] = element(q.z[g], k);
        unit.u = element(q.u, k);
#pragma unroll
        for (int s = 0; s < cell::states; s++) unit.before[s] = element(q.before[s], k);
        cell::forward(&unit);
#pragma unroll
        for (int g = 0; g < cell::gates; g++) element(q.z[g], k) = unit.z[g];
#pragma unroll
        for (int s = 0; s < cell::states; s++) element(q.now[s], k) = unit.now[s];
    }
}

template <px_cell CELL> __device__ __forceinline__ void units_backward(unit_quads<CELL> &q)
{
    typedef px_cell_type<CELL> cell;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        px_cell_unit unit;
#pragma unroll
        for (int g = 0; g < cell::gates; g++) unit.z[g] = element(q.z[g], k);
        unit.u = element(q.u, k);
#pragma unroll
        for (int s = 0; s < cell::states; s++) {
            unit.before[s] = element(q.before[s], k);
            unit.now[s] = element(q.now[s], k);
            unit.d[s] = element(q.d[s], k);
        }
        cell::backward(&unit);
#pragma unroll
        for (int g = 0; g < cell::gates; g++) element(q.z[g], k) = unit.z[g];
        element(q.u, k) = unit.u;
#pragma unroll
        for (int s = 0; s < cell::states; s++) element(q.d[s], k) = unit.d[s];
    }
}

template <px_cell CELL, bool ALIGNED>
__global__ void __launch_bounds__(128) gates_forward_kernel(const px_gates_forward_args a)
{
    wait_for_stream();
    typedef px_cell_type<CELL> cell;
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (row >= static_cast<size_t>(a.n) || count <= 0) return;
    const size_t at = row * a.width + column, first = row * a.width * cell::gates + column;
    const bool keep = !(a.reset && a.reset[row]);
    unit_quads<CELL> q;
    q.u = zeros();
#pragma unroll
    for (int g = 0; g < cell::gates; g++) {
        const size_t place = static_cast<size_t>(g) * a.width;
        /* z = xz + keep * rec + b; a lone gate's keep * rec stands by itself, with a bias of its own */
        float4 rec = load_quad<ALIGNED>(a.recurrent + first + place, count);
        if (!keep) rec = zeros();
        q.z[g] = load_quad<ALIGNED>(a.z + first + place, count);
        if (g == cell::lone)
            q.u = rec + load_quad<ALIGNED>(a.bias_lone + column, count);
        else
            q.z[g] = q.z[g] + rec;
        q.z[g] = q.z[g] + load_quad<ALIGNED>(a.bias + place + column, count);
    }
#pragma unroll
    for (int s = 0; s < cell::states; s++) q.before[s] = keep ? load_quad<ALIGNED>(a.before[s] + at, count) : zeros();
    units_forward<CELL>(q);
#pragma unroll
    for (int g = 0; g < cell::gates; g++)
        store_quad<ALIGNED>(a.z + first + static_cast<size_t>(g) * a.width, q.z[g], count);
    if (cell::lone != PX_NO_GATE) store_quad<ALIGNED>(a.u + at, q.u, count);
#pragma unroll
    for (int s = 0; s < cell::states; s++) store_quad<ALIGNED>(a.now[s] + at, q.now[s], count);
    float4 h = q.now[0];
    if (a.h_bf16) store_quad<ALIGNED>(a.h_bf16 + at, h, count);
    if (!a.output && !a.output_bf16) return;
    if (a.dropout.threshold)
        h = h * dropout_quad(a.dropout, dropout_row(a.dropout, a.window, a.t, static_cast<int>(row), a.width) +
                                            static_cast<uint64_t>(column));
    if (a.output) store_quad<ALIGNED>(a.output + at, h, count);
    if (a.output_bf16) store_quad<ALIGNED>(a.output_bf16 + at, h, count);
}

template <px_cell CELL, bool ALIGNED>
__global__ void __launch_bounds__(128) gates_backward_kernel(const px_gates_backward_args a)
{
    wait_for_stream();
    typedef px_cell_type<CELL> cell;
    const size_t row = row_of_thread();
    const int column = static_cast<int>(quad_of_thread() * 4), count = a.width - column;
    if (row >= static_cast<size_t>(a.n) || count <= 0) return;
    const size_t at = row * a.width + column, first = row * a.width * cell::gates + column;
    const bool keep = !(a.reset && a.reset[row]), comes_back = a.recurrent && !(a.reset_next && a.reset_next[row]);
    unit_quads<CELL> q;
    /* dh = d_output * mask + keep_next * (dz_hh_next W_hh + what the step after returned past it) */
    q.d[0] = load_quad<ALIGNED>(a.d_output + at, count);
    if (a.dropout.threshold)
        q.d[0] =
            q.d[0] * dropout_quad(a.dropout, dropout_row(a.dropout, a.window, a.t, static_cast<int>(row), a.width) +
                                                 static_cast<uint64_t>(column));
    if (comes_back) q.d[0] = q.d[0] + load_quad<ALIGNED>(a.recurrent + at, count);
#pragma unroll
    for (int s = 0; s < cell::states; s++) {
        const float4 returned = comes_back ? load_quad<ALIGNED>(a.returned[s] + at, count) : zeros();
        q.d[s] = s == 0 ? q.d[0] + returned : returned;
        q.before[s] = keep ? load_quad<ALIGNED>(a.before[s] + at, count) : zeros();
        q.now[s] = load_quad<ALIGNED>(a.now[s] + at, count);
    }
#pragma unroll
    for (int g = 0; g < cell::gates; g++)
        q.z[g] = load_quad<ALIGNED>(a.z + first + static_cast<size_t>(g) * a.width, count);
    q.u = cell::lone == PX_NO_GATE ? zeros() : load_quad<ALIGNED>(a.u + at, count);
    units_backward<CELL>(q);
#pragma unroll
    for (int g = 0; g < cell::gates; g++) {
        const size_t to = first + static_cast<size_t>(g) * a.width;
        const float4 dz_hh = g == cell::lone ? q.u : q.z[g];
        store_quad<ALIGNED>(a.z + to, q.z[g], count);
        if (a.dz_bf16) store_quad<ALIGNED>(a.dz_bf16 + to, q.z[g], count);
        if (a.dz_hh) store_quad<ALIGNED>(a.dz_hh + to, dz_hh, count);
        if (a.dz_hh_bf16) store_quad<ALIGNED>(a.dz_hh_bf16 + to, dz_hh, count);
    }
    if (cell::lone != PX_NO_GATE) store_quad<ALIGNED>(a.u + at, q.u, count);
#pragma unroll
    for (int s = 0; s < cell::states; s++) store_quad<ALIGNED>(a.returned[s] + at, q.d[s], count);
}

/* Kernels exist for cells that keep their gates. */
template <px_cell CELL, bool KEEPS> struct launch_of {
    static cudaError_t forward(const px_gates_forward_args *, bool, px_stream) { return cudaErrorInvalidValue; }
    static cudaError_t backward(const px_gates_backward_args *, bool, px_stream) { return cudaErrorInvalidValue; }
};

template <px_cell CELL> struct launch_of<CELL, true> {
    static cudaError_t forward(const px_gates_forward_args *args, bool aligned, px_stream stream)
    {
        const row_grid g = row_grid_for(static_cast<size_t>(args->n), static_cast<size_t>(args->width),
                                        128); /* as recurrence_forward */
        return PX_SWITCH(aligned, ALIGNED,
                         PX_LAUNCH((gates_forward_kernel<CELL, ALIGNED>), g.grid, g.block, 0, stream, *args));
    }
    static cudaError_t backward(const px_gates_backward_args *args, bool aligned, px_stream stream)
    {
        const row_grid g = row_grid_for(static_cast<size_t>(args->n), static_cast<size_t>(args->width), 128);
        return PX_SWITCH(aligned, ALIGNED,
                         PX_LAUNCH((gates_backward_kernel<CELL, ALIGNED>), g.grid, g.block, 0, stream, *args));
    }
};

/* Rows of `width` floats at every address: quads of them can be moved at once. */
bool aligned_rows(const void *const *list, int count, size_t element, size_t width)
{
    for (int i = 0; i < count; i++)
        if (!px_aligned(list[i], element, width)) return false;
    return true;
}

} // namespace

extern "C" cudaError_t px_launch_gates_forward(const px_gates_forward_args *args, px_stream stream)
{
    if (args->n < 0 || args->width <= 0) return cudaErrorInvalidValue;
    if (args->n == 0) return cudaSuccess;
    const size_t width = static_cast<size_t>(args->width);
    const void *const floats[] = {args->recurrent, args->z,         args->u,      args->bias,   args->bias_lone,
                                  args->before[0], args->before[1], args->now[0], args->now[1], args->output};
    const void *const lows[] = {args->h_bf16, args->output_bf16};
    const bool aligned =
        aligned_rows(floats, 10, sizeof(float), width) && aligned_rows(lows, 2, sizeof(px_bf16), width);
    switch (args->cell) {
#define CASE(NAME, name, label, torch, G, S, K, L, O)                                                                  \
    case PX_CELL_##NAME: return launch_of<PX_CELL_##NAME, K != 0>::forward(args, aligned, stream);
        PX_CELLS(CASE)
#undef CASE
    default: return cudaErrorInvalidValue;
    }
}

extern "C" cudaError_t px_launch_gates_backward(const px_gates_backward_args *args, px_stream stream)
{
    if (args->n < 0 || args->width <= 0) return cudaErrorInvalidValue;
    if (args->n == 0) return cudaSuccess;
    const size_t width = static_cast<size_t>(args->width);
    const void *const floats[] = {args->d_output,    args->recurrent,   args->z,      args->u,
                                  args->before[0],   args->before[1],   args->now[0], args->now[1],
                                  args->returned[0], args->returned[1], args->dz_hh};
    const void *const lows[] = {args->dz_bf16, args->dz_hh_bf16};
    const bool aligned =
        aligned_rows(floats, 11, sizeof(float), width) && aligned_rows(lows, 2, sizeof(px_bf16), width);
    switch (args->cell) {
#define CASE(NAME, name, label, torch, G, S, K, L, O)                                                                  \
    case PX_CELL_##NAME: return launch_of<PX_CELL_##NAME, K != 0>::backward(args, aligned, stream);
        PX_CELLS(CASE)
#undef CASE
    default: return cudaErrorInvalidValue;
    }
}
