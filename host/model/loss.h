/* The loss of one token, as scalar maths: -log softmax(o)[target], from one row of logits o [V], in nats.
 *
 * The extremes are exact: a target whose probability is 0 has loss +inf and never NaN, also where logits are infinite:
 * the softmax is then its limit (all mass on the logits that are +inf, in equal shares; none on those that are -inf).
 * A NaN among the logits stays a NaN. Every engine includes these functions or is compared with them. */
#ifndef PX_LOSS_H
#define PX_LOSS_H

#include <math.h>
#include <stdint.h>

/* What a row's softmax is made of: p_j = px_loss_weight(o_j, max) / sum. */
typedef struct px_loss_row {
    double max; /* largest logit */
    double sum; /* sum over j of px_loss_weight(o_j, max); at least 1 where max is a number */
} px_loss_row;

/* exp(o - max), with its limits where max is infinite. */
static inline double px_loss_weight(double o, double max) { return o == max ? 1 : exp(o - max); }

static inline px_loss_row px_loss_row_of(const double *o, int32_t V)
{
    px_loss_row row = {o[0], 0};
    for (int32_t j = 1; j < V; j++)
        if (o[j] > row.max || o[j] != o[j]) row.max = o[j];
    for (int32_t j = 0; j < V; j++) row.sum += px_loss_weight(o[j], row.max);
    return row;
}

/* -log p of a logit, given log(sum) of its row. */
static inline double px_loss_nll(double o, double max, double log_sum)
{
    if (o == max) return o == -INFINITY ? INFINITY : log_sum; /* also where both are +inf */
    return log_sum + (max - o);
}

#endif
