/* --lr-scaling: what --lr is multiplied by for each tensor, so that one rate fits models of every width and depth.
 *
 * none  1 everywhere.
 * mup   By base width B = 512, fan-in F of the tensor, hidden units h, embedding size d, layers L, and depth D: L, and
 *       one more with an embedding, for the first layer's dense W_xh (Yang et al. 2021, "Tensor Programs V", table 3,
 *       in the form without multipliers in the network):
 *
 *           tensor                                      Adam, AdamW, RMSProp    SGD, momentum
 *           E                                           16 / D                  h / B
 *           E, tied                                     3 sqrt(B / d) / D       B / d / 2
 *           one-hot W_xh (looked up)                    4 / D                   h / B
 *           biases                                      4 / L                   h / B
 *           W_hh, dense W_xh                            B / F / D               1
 *           P, clusters' first map                      B / F / L               1
 *           W_hq, head and second map of clusters       B / h / L; with an      B / h
 *                                                       embedding 2 B / h
 *
 *       A width below 64 counts as 64. Ours are the constants of rows and biases, which the paper leaves to be
 *       tuned, the fall of a tied table's with its width (an embedding's has none, an output layer's is 1 / d; under
 *       SGD it is an output layer's, halved), 1 / D and 1 / L, as the paper says nothing of depth, and the 2 of output
 *       layers behind an embedding, taken to be of words, which are slow to learn their many rows, all measured
 *       (docs/learning.md), and the bound at 64: nothing narrower was measured. Decoupled weight decay keeps the
 *       update's own rate. */
#ifndef PX_RATE_SCALING_H
#define PX_RATE_SCALING_H

#include "optimizer.h"
#include "parameters.h"

enum { PX_RATE_BASE_WIDTH = 512, PX_RATE_LEAST_WIDTH = 64 };

/* Tensors of one factor that lie side by side in the flat buffer, up to and without float `end`. */
typedef struct px_rate_span {
    size_t end;   /* a multiple of PX_TENSOR_ALIGN */
    float factor; /* of the rate */
} px_rate_span;

/* Spans one after the other; the last one ends with the buffer. */
typedef struct px_rate_spans {
    int32_t count;
    px_rate_span span[PX_MAX_TENSORS];
} px_rate_spans;

/* --lr where it is not given: the optimiser's own (optimizer.h), and twice that for an LSTM under mup with an optimiser
 * that normalises its steps, as measured (docs/learning.md). */
double px_rate_default(px_cell cell, const px_optimizer_config *optimizer);

double px_rate_factor(const px_model_config *model, const px_optimizer_config *optimizer, const px_tensor *tensor);
px_rate_spans px_rate_spans_make(const px_parameters *table, const px_model_config *model,
                                 const px_optimizer_config *optimizer);

/* The span that a float of the buffer lies in. */
static inline int32_t px_rate_span_of(const px_rate_spans *spans, size_t at)
{
    int32_t i = 0;
    while (at >= spans->span[i].end) i++;
    return i;
}

#endif
