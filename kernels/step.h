/* What a step of the recurrence does with one quad of one row once the product is known: the same for every variant,
 * whether the product came from cuBLAS (recurrence.cu) or is made in the same kernel (recurrence_fused.cu). Cells of
 * one gate that keep nothing but H. */
#ifndef PX_KERNEL_STEP_H
#define PX_KERNEL_STEP_H

#include "device.h"
#include "dropout.h"

#include "cell_maths.h"

static __device__ __forceinline__ float cell_forward(px_cell cell, float z)
{
    px_cell_unit unit;
    unit.z[0] = z;
    if (cell == PX_CELL_RELU)
        px_cell_relu_forward(&unit);
    else
        px_cell_tanh_forward(&unit);
    return unit.now[0];
}

static __device__ __forceinline__ float cell_backward(px_cell cell, float h, float dh)
{
    px_cell_unit unit;
    unit.now[0] = h;
    unit.d[0] = dh;
    if (cell == PX_CELL_RELU)
        px_cell_relu_backward(&unit);
    else
        px_cell_tanh_backward(&unit);
    return unit.z[0];
}

/* The mask of the step's quad. */
template <class ARGS> static __device__ __forceinline__ float4 step_mask(const ARGS &a, size_t row, int column)
{
    return dropout_quad(a.dropout, dropout_row(a.dropout, a.window, a.t, static_cast<int>(row), a.width) +
                                       static_cast<uint64_t>(column));
}

/* h = act(xz + keep * recurrent + b) of count columns from `column` on. */
template <bool ALIGNED>
static __device__ __forceinline__ void step_forward(const px_step_forward_args &a, size_t row, int column, int count,
                                                    float4 recurrent)
{
    const size_t at = row * a.width + column;
    float4 z = load_quad<ALIGNED>(a.xz + at, count);
    const float4 bias = load_quad<ALIGNED>(a.bias + column, count);
    if (!(a.reset && a.reset[row])) z = z + recurrent;
    z = z + bias;
    float4 h;
    h.x = cell_forward(a.cell, z.x);
    h.y = cell_forward(a.cell, z.y);
    h.z = cell_forward(a.cell, z.z);
    h.w = cell_forward(a.cell, z.w);
    store_quad<ALIGNED>(a.h + at, h, count);
    if (a.h_bf16) store_quad<ALIGNED>(a.h_bf16 + at, h, count);
    if (!a.output && !a.output_bf16) return;
    if (a.dropout.threshold) h = h * step_mask(a, row, column);
    if (a.output) store_quad<ALIGNED>(a.output + at, h, count);
    if (a.output_bf16) store_quad<ALIGNED>(a.output_bf16 + at, h, count);
}

/* dz = (d_output * mask + keep * recurrent) * act'(h), recurrent = dz_next W_hh. */
template <bool ALIGNED>
static __device__ __forceinline__ void step_backward(const px_step_backward_args &a, size_t row, int column, int count,
                                                     float4 recurrent)
{
    const size_t at = row * a.width + column;
    const float4 h = load_quad<ALIGNED>(a.h + at, count);
    float4 dh = make_float4(0, 0, 0, 0);
    if (a.d_output) dh = load_quad<ALIGNED>(a.d_output + at, count);
    if (a.reset_next && a.reset_next[row]) recurrent = make_float4(0, 0, 0, 0);
    if (a.dropout.threshold) dh = dh * step_mask(a, row, column);
    dh = dh + recurrent;
    float4 dz;
    dz.x = cell_backward(a.cell, h.x, dh.x);
    dz.y = cell_backward(a.cell, h.y, dh.y);
    dz.z = cell_backward(a.cell, h.z, dh.z);
    dz.w = cell_backward(a.cell, h.w, dh.w);
    store_quad<ALIGNED>(a.dz + at, dz, count);
    if (a.dz_bf16) store_quad<ALIGNED>(a.dz_bf16 + at, dz, count);
}

static inline bool step_is_aligned(const px_step_forward_args &a)
{
    const size_t width = static_cast<size_t>(a.width);
    return px_aligned(a.xz, sizeof(float), width) && px_aligned(a.recurrent, sizeof(float), width) &&
           px_aligned(a.bias, sizeof(float), width) && px_aligned(a.h, sizeof(float), width) &&
           px_aligned(a.output, sizeof(float), width) && px_aligned(a.h_bf16, sizeof(px_bf16), width) &&
           px_aligned(a.output_bf16, sizeof(px_bf16), width);
}

static inline bool step_is_aligned(const px_step_backward_args &a)
{
    const size_t width = static_cast<size_t>(a.width);
    return px_aligned(a.d_output, sizeof(float), width) && px_aligned(a.recurrent, sizeof(float), width) &&
           px_aligned(a.h, sizeof(float), width) && px_aligned(a.dz, sizeof(float), width) &&
           px_aligned(a.dz_bf16, sizeof(px_bf16), width);
}

#endif
