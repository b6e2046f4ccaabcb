/* What the kernels of a whole window get, for the variants that have such, and the passes around them: what goes up is
 * dropped after the kernel, what comes down before it. A piece of a window is to them a window of its own. All only
 * enqueue. */
#ifndef PX_CUDA_WINDOW_ARGS_H
#define PX_CUDA_WINDOW_ARGS_H

#include "engine_cuda.h"

/* A piece of a cell of one gate, forward. w_hh: operand [h,h]. */
px_persistent_args px_cuda_window_args(const px_cuda *engine, const px_cuda_steps *piece, const void *w_hh);
/* The same on the way back: dZ replaces the gradient of H, and goes on from the piece after this. */
void px_cuda_window_goes_back(const px_cuda *engine, const px_cuda_steps *piece, px_persistent_args *args);
/* The dropped copy of H that goes up from the piece, where there is one. */
px_status px_cuda_window_drop_output(px_cuda *engine, const px_cuda_steps *piece);
/* The gradient of what went up becomes that of H, in place. */
px_status px_cuda_window_drop_gradient(px_cuda *engine, const px_cuda_steps *piece);

#endif
