/* The head phase of the CUDA engine, between its files: head.c is what the output layers share, head_softmax.c and
 * head_adaptive.c are one each (host/model/output_layer.h).
 *
 * Rows go in chunks, as many at a time as the memory for logits holds (plan.c chooses): one product makes them, a
 * kernel turns them into their gradient, and two products read that. */
#ifndef PX_CUDA_HEAD_H
#define PX_CUDA_HEAD_H

#include "operands.h"

typedef struct px_cuda_head_ops {
    /* buffers.nll [rows] = the losses; where training dW += the gradients of the output layer, and the gradient of the
     * top layer's outputs */
    px_status (*enqueue)(px_cuda *engine, px_cuda_shape shape);
    /* buffers.probabilities [rows,V] of the streams [from, from + rows) of a window of one step */
    px_status (*probabilities)(px_cuda *engine, int32_t n, int32_t from, int32_t rows);
} px_cuda_head_ops;

extern const px_cuda_head_ops px_cuda_head_softmax, px_cuda_head_adaptive;

/* A chunk of logits, and what its rows should give. */
typedef struct px_cuda_logits {
    const float *bias;      /* [width] */
    const int32_t *targets; /* [rows], in [0,width), or -1: not scored */
    float *nll;             /* [rows] */
    int rows;
    int32_t width;
} px_cuda_logits;

/* Where the gradient of a chunk's logits goes: an operand. */
void *px_cuda_d_logits(const px_cuda *engine);
/* buffers.logits [rows,width]: nll =; where training their gradient, (softmax - onehot) inv_count. */
px_status px_cuda_head_loss(px_cuda *engine, const px_cuda_logits *logits, int training);

#endif
