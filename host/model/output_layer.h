/* Output layers: what turns the top layer's outputs H [n,h] into a probability for every token.
 *
 * softmax   O = H W_hq + b_q [n,V], p = softmax(O); every row of logits has V of them.
 * adaptive  Grave et al. 2017, "Efficient softmax approximation for GPUs": exact and normalised, but for a frequent
 *           token only a short row is computed. The same model as torch.nn.AdaptiveLogSoftmaxWithLoss with div_value 4
 *           and a head without bias. Ids stand in order of frequency; K ascending cutoffs cut them into the shortlist
 *           [0, c_0) and K clusters, cluster i being [c_i, c_{i+1}) with c_K = V.
 *
 *     A   = H W_head^T           [n, c_0 + K]: a logit for each token of the shortlist, then one for each cluster
 *     O_i = (H D_i^T) U_i^T      [n, c_{i+1} - c_i]: D_i [d_i, h], U_i [c_{i+1} - c_i, d_i], d_i = floor(h / 4^(i+1))
 *     p(v) = softmax(A)_v                                      where v < c_0
 *     p(v) = softmax(A)_{c_0 + i} softmax(O_i)_{v - c_i}       for the cluster i of v */
#ifndef PX_OUTPUT_LAYER_H
#define PX_OUTPUT_LAYER_H

#include <perplex/status.h>
#include <stdint.h>

typedef enum px_output { PX_OUTPUT_SOFTMAX, PX_OUTPUT_ADAPTIVE } px_output;

extern const char *const px_output_names[]; /* in the order of the enum, ended by NULL */

enum {
    PX_CUTOFFS_MAX = 8,      /* a ninth cluster would have no width at any h that is accepted */
    PX_OUTPUT_DIV_VALUE = 4, /* each cluster is so much narrower than the one before it */
};

/* Cutoffs c_0 < c_1 < ... of an adaptive output layer; count 0: none yet, to be chosen from the corpus. */
typedef struct px_cutoffs {
    int32_t count; /* K */
    int32_t at[PX_CUTOFFS_MAX];
} px_cutoffs;

/* A cluster: the ids [begin, end), and d_i. */
typedef struct px_cluster {
    int32_t begin, end, width;
} px_cluster;

/* Cluster i in [0, K) of a vocabulary of V over h units. */
px_cluster px_cutoffs_cluster(const px_cutoffs *cutoffs, int32_t V, int32_t h, int32_t i);
/* The cluster of an id, or -1 in the shortlist. */
int32_t px_cutoffs_find(const px_cutoffs *cutoffs, int32_t id);
/* c_0 + K: rows of the head. */
int32_t px_cutoffs_head_rows(const px_cutoffs *cutoffs);
/* PX_ERR_ARGUMENT unless there is a cutoff, all ascend inside (0, V), and every cluster has a width of at least 1. */
px_status px_cutoffs_check(const px_cutoffs *cutoffs, int32_t V, int32_t h);
/* Cutoffs for a text: the shortlist holds the tokens that make up most of it, the first cluster most of the rest.
 * frequency [V]: how often each id stands in the training text; all zeros, or NULL: not known, and Zipf's law is taken.
 * A pure function of its arguments. PX_ERR_ARGUMENT where V < 2 or h < 4 leaves nothing to cut. */
px_status px_cutoffs_choose(const int64_t *frequency, int32_t V, int32_t h, px_cutoffs *cutoffs);
/* Shares of the tokens of such a text that each cluster has: share [K]; the shortlist has the rest. */
void px_cutoffs_shares(const int64_t *frequency, int32_t V, const px_cutoffs *cutoffs, double share[PX_CUTOFFS_MAX]);

#endif
