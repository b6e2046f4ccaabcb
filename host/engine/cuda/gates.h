/* The steps of a layer whose cell keeps gates (cells.h): between recurrence.c and kernels/gates.cu. All only enqueue.
 */
#ifndef PX_CUDA_GATES_H
#define PX_CUDA_GATES_H

#include "operands.h"

/* Layer l from the input's terms in its z and the states of step -1. w_hh: operand [G h, h]. */
px_status px_cuda_gates_forward(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh);
/* The layer's z becomes dZ [T n, G h], its u what b_hn's gradient sums. */
px_status px_cuda_gates_backward(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh);
/* Operand [T n, G h]: the gradient of H_{t-1} W_hh that the backward steps of layer l have left. */
const void *px_cuda_gates_dz_hh(const px_cuda *engine, int32_t l);

#endif
