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
    const float *bias;      /* [columns] */
    const int32_t *targets; /* [rows], in [0,width), or -1: not scored */
    float *nll;             /* [rows] */
    int rows;
    int32_t width, columns; /* of a row; products run over all columns, those from width on mean nothing */
} px_cuda_logits;

/* buffers.logits [rows,columns] = x w^T, of operands x [rows,k] and w [columns,k]. */
px_status px_cuda_head_logits(px_cuda *engine, const px_cuda_logits *logits, int k, const void *x, const void *w,
                              int training);
/* nll =; where training the logits become their gradient, (softmax - onehot) inv_count, an operand. partial: NULL, or
 * where its sums over rows go (kernels.h). */
px_status px_cuda_head_loss(px_cuda *engine, const px_cuda_logits *logits, int training, float *partial);
/* Losses of rows into the metrics, and d_bias [columns], where not NULL, += (accumulate) or = the sums in `partial`. */
px_status px_cuda_head_sum(px_cuda *engine, const px_cuda_logits *logits, int training, const float *partial,
                           float *d_bias, int accumulate);

/* ---- head_products.c */
/* Settles AUTO. PX_ERR_DEVICE where cuBLASLt is asked for and the output layer is not for it. */
px_status px_cuda_choose_products(const px_cuda_plan *plan, px_products *library);
/* engine->head_blas; with cuBLASLt its algorithms for a whole window are asked for here. */
px_status px_cuda_head_products_create(px_cuda *engine);
void px_cuda_head_products_taken(const px_engine *engine, px_product_choice *choice);
/* The products of a softmax over the first chunk of a whole window, in the order of px_head_product and with their own
 * operands: for asking alone. */
px_status px_cuda_head_softmax_products(px_cuda *engine);

#endif
