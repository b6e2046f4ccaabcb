/* The reference engine's inside: what it keeps, the few lines that its files share, and its output layers. */
#ifndef PX_REFERENCE_INTERNAL_H
#define PX_REFERENCE_INTERNAL_H

#include "arena.h"
#include "engine.h"
#include "loss.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

typedef struct reference {
    px_engine base;
    px_model_config model;
    px_optimizer_config optimizer;
    px_engine_shape shape;
    px_parameters table;
    px_arena arena;

    /* what crosses the seam, file layout; NULL where the engine keeps none */
    float *w, *dw;                      /* [count] */
    float *moment1, *moment2, *average; /* [count] */
    float *state, *eval_state;          /* [S,L,groups*n,h], [S,L,n,h] */

    /* one window; rows is T * n, row t * n' + i belongs to stream i of n' at step t */
    double *x;           /* [rows,d] embedded input after dropout; one-hot: [rows], the factor of the token's row */
    double *h;           /* per state and layer [rows + n, h]: rows 0..n'-1 are the state before the window */
    double *z;           /* per layer [rows, G h] what the cell keeps of its gates */
    double *lone;        /* per layer [rows, h] the lone gate's recurrent part; NULL without one */
    double *up;          /* per layer [rows, h]: the copy of h that goes up, after dropout */
    double *w_hh;        /* [L,G h,h] W_hh, after weight dropout in training */
    uint8_t *next_reset; /* [n] reset marks of next() */
    int training;        /* of the window under way */
    /* the output layer, of one row */
    const struct reference_head *head;
    double *u;                   /* [max(d,h)] what the output table multiplies: up, up P, or up D_i^T */
    double *o;                   /* [V + K] logits */
    px_loss_row loss, tail_loss; /* of the softmax, or the head's; and of the target's cluster */
    /* backward */
    double *grad;  /* [count] gradient of this window */
    double *dx;    /* [rows, max(d,h)] gradient of the current layer's input */
    double *dup;   /* [rows, h] gradient of the copy that goes up */
    double *dh;    /* [S,n,h] gradients returning from step t + 1 */
    double *dz;    /* [G h] of one row: gradients of what the inputs add to */
    double *dz_hh; /* [G h] of what W_hh adds to: another one for the lone gate */
    double *du;    /* [max(d,h)] */

    double penalties;   /* of the last window */
    px_reducer reducer; /* start NULL: none */
    int reducing;       /* it has been started since the last update */
    px_metrics metrics;
    px_phase_times times;
} reference;

/* An output layer (host/model/output_layer.h): head_softmax.c, head_adaptive.c. up [h] is what the top layer sends up
 * at one row. What one call computes of a row is kept in u, o and the losses, for backward() of the same row. */
typedef struct reference_head {
    /* -log p(target) in nats */
    double (*forward)(reference *r, const double *up, int32_t target);
    /* grad += the gradients of the output layer's weights; dup [h] = the gradient of up; both times inv_count */
    void (*backward)(reference *r, const double *up, int32_t target, double inv_count, double *dup);
    void (*probabilities)(reference *r, const double *up, float *p); /* p [V] */
} reference_head;

extern const reference_head reference_head_softmax, reference_head_adaptive;

/* Where a tensor lies in a flat buffer; the tensor must exist. */
static inline size_t place(const reference *r, px_tensor_role role, int32_t layer)
{
    const px_tensor *tensor = px_parameters_find(&r->table, role, layer);
    assert(tensor != NULL);
    return tensor->offset;
}

/* x as an operand of a matrix product: to nearest, ties to even, 10 explicit bits of mantissa in tf32 and 7 in bf16.
 * The exponent keeps double's range, so that fp32's smallest numbers do not vanish and its largest do not overflow. */
static inline double operand(const reference *r, double x)
{
    if (r->shape.precision == PX_FP32 || !isfinite(x)) return x;
    int drop = DBL_MANT_DIG - 1 - (r->shape.precision == PX_TF32 ? 10 : 7);
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += ((uint64_t)1 << (drop - 1)) - 1 + (bits >> drop & 1);
    bits = bits >> drop << drop;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* One term of a matrix product. */
static inline double product(const reference *r, double a, double b) { return operand(r, a) * operand(r, b); }

/* A product that is a logit, before its bias is added: where training in bf16 it is kept in bf16. */
static inline double logit(const reference *r, double sum)
{
    return r->training && r->shape.precision == PX_BF16 ? operand(r, sum) : sum;
}

/* A logit's gradient, (softmax(o)_v - [v is the target]) inv_count. */
static inline double d_logit(const px_loss_row *row, double o, int is_target, double inv_count)
{
    return (px_loss_weight(o, row->max) / row->sum - is_target) * inv_count;
}

#endif
