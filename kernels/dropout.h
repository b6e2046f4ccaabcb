/* Dropout masks on the device: cuRAND's Philox, called without state, at the elements that host/base/philox.h names.
 *
 * Masks are never stored: forward and backward passes compute the same bits again. One Philox block serves four
 * neighbouring elements, so a thread that works on a quad of an aligned row pays for one block. */
#ifndef PX_KERNEL_DROPOUT_H
#define PX_KERNEL_DROPOUT_H

#include "device.h"

#include <curand_philox4x32_x.h>

static __device__ __forceinline__ uint4 dropout_block(const px_dropout &dropout, uint64_t block)
{
    const uint4 counter =
        make_uint4(static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), dropout.layer, dropout.purpose);
    return curand_Philox4x32_10(
        counter, make_uint2(static_cast<uint32_t>(dropout.seed), static_cast<uint32_t>(dropout.seed >> 32)));
}

static __device__ __forceinline__ float dropout_factor(const px_dropout &dropout, uint32_t lane)
{
    return lane >= dropout.threshold ? dropout.scale : 0.0f;
}

/* Factors (0 or scale) of elements e .. e+3. */
static __device__ __forceinline__ float4 dropout_quad(const px_dropout &dropout, uint64_t e)
{
    const uint4 a = dropout_block(dropout, e / 4);
    uint4 v = a;
    const unsigned shift = static_cast<unsigned>(e % 4);
    if (shift != 0) { /* odd widths: the quad lies across two blocks */
        const uint4 b = dropout_block(dropout, e / 4 + 1);
        v.x = shift == 1 ? a.y : shift == 2 ? a.z : a.w;
        v.y = shift == 1 ? a.z : shift == 2 ? a.w : b.x;
        v.z = shift == 1 ? a.w : shift == 2 ? b.x : b.y;
        v.w = shift == 1 ? b.x : shift == 2 ? b.y : b.z;
    }
    return make_float4(dropout_factor(dropout, v.x), dropout_factor(dropout, v.y), dropout_factor(dropout, v.z),
                       dropout_factor(dropout, v.w));
}

/* Factor of element e alone. */
static __device__ __forceinline__ float dropout_one(const px_dropout &dropout, uint64_t e)
{
    const uint4 a = dropout_block(dropout, e / 4);
    const unsigned lane = static_cast<unsigned>(e % 4);
    return dropout_factor(dropout, lane == 0 ? a.x : lane == 1 ? a.y : lane == 2 ? a.z : a.w);
}

/* Element of column 0 of stream i at step t: px_mask_element of philox.h with j = 0. */
static __device__ __forceinline__ uint64_t dropout_row(const px_dropout &dropout, const px_window_scalars *window,
                                                       int t, int i, int width)
{
    uint64_t row = window->step * window->streams_in_all + window->first_stream + static_cast<uint64_t>(i);
    if (!dropout.locked) row = row * static_cast<uint64_t>(dropout.T_max) + static_cast<uint64_t>(t);
    return row * static_cast<uint64_t>(width);
}

#endif
