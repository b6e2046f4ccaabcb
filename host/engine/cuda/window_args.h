/* What the kernels of a whole window get, for the variants that have such, and the passes around them: what goes up is
 * dropped after the kernel, what comes down before it. All only enqueue. */
#ifndef PX_CUDA_WINDOW_ARGS_H
#define PX_CUDA_WINDOW_ARGS_H

#include "engine_cuda.h"

/* Layer l of a cell of one gate, forward; for the way back its dz and dz_bf16 are to be set. w_hh: operand [h,h]. */
px_persistent_args px_cuda_window_args(const px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh);
/* The dropped copy of H that goes up from layer l, where there is one. */
px_status px_cuda_window_drop_output(px_cuda *engine, px_cuda_shape shape, int32_t l);
/* The gradient of what went up becomes that of H, in place. */
px_status px_cuda_window_drop_gradient(px_cuda *engine, px_cuda_shape shape, int32_t l);

#endif
