/* What the kernels of one step of a one-gate cell get (px_step_forward_args, px_step_backward_args), for every variant
 * that has such. */
#ifndef PX_CUDA_STEP_ARGS_H
#define PX_CUDA_STEP_ARGS_H

#include "engine_cuda.h"

/* Step t of layer l. The product is not in them (recurrent NULL): a variant puts it in, or makes it itself. */
px_step_forward_args px_cuda_step_forward_args(const px_cuda *engine, px_cuda_shape shape, int32_t l, int32_t t);
px_step_backward_args px_cuda_step_backward_args(const px_cuda *engine, px_cuda_shape shape, int32_t l, int32_t t);

#endif
