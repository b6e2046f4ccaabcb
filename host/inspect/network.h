/* The network of an inspection: one stream forward, token by token, and gradients of single losses backward.
 *
 * Forward follows docs/DESIGN.md, "The model, once"; states are kept in double. Backward works on a group of positions
 * at once, so that every row of a weight matrix is read once for all of them. */
#ifndef PX_INSPECT_NETWORK_H
#define PX_INSPECT_NETWORK_H

#include "parameters.h"

typedef struct px_network {
    const px_model_config *model;
    const float *w_xh[PX_MAX_LAYERS], *w_hh[PX_MAX_LAYERS], *b_h[PX_MAX_LAYERS]; /* file layout */
    const float *b_lone[PX_MAX_LAYERS];               /* NULL without a lone gate (cells.h) */
    const float *embedding, *projection, *head, *b_q; /* NULL where the model has none; head is E where tied */
    const float *tail_in[PX_CUTOFFS_MAX], *tail_out[PX_CUTOFFS_MAX]; /* of an adaptive output layer, else NULL */
    float *turned; /* transposes, for products forward: all of a layer's inputs side by side */
    const float *w_xh_t[PX_MAX_LAYERS], *w_hh_t[PX_MAX_LAYERS]; /* [width,G h], [h,G h]; w_xh_t[0] NULL where one-hot */
    const px_cell_info *cell;
    size_t values;          /* R: numbers of a unit and step that are kept: its states, and what its cell keeps */
    double *record;         /* [L,R,h]: of the token read last */
    double *z, *u, *du, *o; /* [(G + 1) h], [head width] twice, [V] */
} px_network;

px_status px_network_create(const px_model_config *model, const px_parameters *table, const float *weights,
                            px_network *network);
void px_network_destroy(px_network *network); /* a zeroed one is fine */

/* Reads a token: the state moves one step. reset: the state before is zero. PX_ERR_NUMERIC where it is not finite. */
px_status px_network_step(px_network *network, int32_t token, int reset);

/* -log p(target) after the tokens read; dh [h] = its gradient with respect to the top layer's output alone. */
double px_network_loss(px_network *network, int32_t target, double *dh);

/* H of layer l in a record [L,R,h]. */
static inline const double *px_network_h(const px_network *network, const double *record, size_t l)
{
    return record + l * network->values * (size_t)network->model->hidden;
}
/* Records that a history of K lags has: one more where going back through a cell takes the states before it. */
static inline size_t px_network_depth(const px_network *network, size_t lags)
{
    return lags + 1 + (size_t)network->cell->keeps;
}

/* What a position t brings to a group: its last records and reset marks, lag 0 first. */
typedef struct px_history {
    int32_t lags;         /* K */
    const double *record; /* [px_network_depth(K),L,R,h] */
    const uint8_t *reset; /* [K+1]: lag k is set where step t-k began from a zero state */
} px_history;

/* norm [count, L, K+1] = | d loss_t / d (all states of layer l at t-k) |, for `count` positions with equal K; dh
 * [count,h] from px_network_loss. scratch: px_network_scratch(network, count) doubles. */
void px_network_backward(const px_network *network, const px_history *history, size_t count, const double *dh,
                         double *norm, double *scratch);
size_t px_network_scratch(const px_network *network, size_t count);

#endif
