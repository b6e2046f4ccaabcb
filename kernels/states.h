/* Carried states on their way into a window and out of it. A few kilobytes that do not deserve a launch of their own:
 * kernels that run then anyway take them along, in blocks behind their own. */
#ifndef PX_STATES_H
#define PX_STATES_H

#include "device.h"

/* Blocks of `threads` that copy_states takes. */
static inline unsigned state_blocks(const px_state_copies &s, unsigned threads)
{
    return static_cast<unsigned>(s.copies) * px_ceil_div(s.count, threads);
}

/* Block `block` of these, of one dimension or as if it had one: thread counts from 0. */
static __device__ __forceinline__ void copy_states(const px_state_copies &s, unsigned block, unsigned thread,
                                                   unsigned threads)
{
    const unsigned blocks = static_cast<unsigned>((s.count + threads - 1) / threads), which = block / blocks;
    const size_t at = static_cast<size_t>(block - which * blocks) * threads + thread;
    if (which >= static_cast<unsigned>(s.copies) || at >= s.count) return;
    const px_state_copy &copy = s.copy[which];
    const float v = copy.from[at];
    copy.to[at] = v;
    if (copy.to_bf16) copy.to_bf16[at] = to_bf16(v);
}

#endif
