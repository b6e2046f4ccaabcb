/* The reference engine's inside: what it keeps and where, the few lines that its files share, its phases and its output
 * layers. */
#ifndef PX_REFERENCE_INTERNAL_H
#define PX_REFERENCE_INTERNAL_H

#include "arena.h"
#include "engine.h"
#include "loss.h"
#include "machine.h"

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

/* A window as the phases see it: the batch, whether masks are drawn, and the state it starts from. */
typedef struct window {
    const px_batch *batch;
    int training;
    int32_t n, T;
} window;

/* The phases: embed.c, recurrence.c, update.c. state [S,L,streams,h]: what the window starts from. */
void reference_embed_forward(reference *r, const window *win);
void reference_embed_backward(reference *r, const window *win); /* reads dx */
void reference_recurrence_forward(reference *r, const window *win, int32_t l, const float *state);
/* Reads dup [rows,h], the gradient of the copy that went up; writes dx [rows,width] unless the input is one-hot. */
void reference_recurrence_backward(reference *r, const window *win, int32_t l);
px_status reference_update(px_engine *engine, const px_update *update);

/* memory.c: the settings and the table of a zeroed engine, and the bytes that it takes; then, with them, its buffers.
 */
px_status reference_prepare(reference *r, const px_model_config *model, const px_optimizer_config *optimizer,
                            const px_engine_shape *shape, px_engine_memory *memory);
px_status reference_allocate(reference *r);

static inline reference *self(px_engine *engine) { return (reference *)engine; }

static inline const px_cell_info *cell_of(const reference *r) { return px_cell_of(r->model.cell); }

/* G h: rows of W_hh. */
static inline size_t gate_rows(const px_model_config *model)
{
    return (size_t)px_cell_of(model->cell)->gates * (size_t)model->hidden;
}

/* Layer l's state s, the first being its outputs: row -n'..-1 are the state before the window, row t * n' + i is stream
 * i at step t. */
static inline double *layer_state(const reference *r, int s, int32_t l, int32_t n)
{
    size_t rows = (size_t)r->shape.T * (size_t)r->shape.n + (size_t)r->shape.n, h = (size_t)r->model.hidden;
    return r->h + ((size_t)s * (size_t)r->model.layers + (size_t)l) * rows * h + (size_t)n * h;
}

/* What layer l keeps of the gates [rows, G h]. */
static inline double *layer_z(const reference *r, int32_t l)
{
    return r->z + (size_t)l * (size_t)r->shape.T * (size_t)r->shape.n * gate_rows(&r->model);
}

static inline double *layer_lone(const reference *r, int32_t l)
{
    return r->lone + (size_t)l * (size_t)r->shape.T * (size_t)r->shape.n * (size_t)r->model.hidden;
}

static inline double *layer_up(const reference *r, int32_t l)
{
    size_t rows = (size_t)r->shape.T * (size_t)r->shape.n;
    return r->up + (size_t)l * rows * (size_t)r->model.hidden;
}

static inline double *layer_w_hh(const reference *r, int32_t l)
{
    return r->w_hh + (size_t)l * gate_rows(&r->model) * (size_t)r->model.hidden;
}

/* Streams whose training state is carried: those of all groups. */
static inline size_t streams_carried(const reference *r)
{
    return (size_t)r->shape.n * (size_t)(r->shape.groups > 1 ? r->shape.groups : 1);
}

/* Where the carried state s of layer l lies for this window's first stream. */
static inline size_t state_place(const reference *r, const window *win, int s, int32_t l)
{
    size_t streams = win->training ? streams_carried(r) : (size_t)r->shape.n;
    size_t first = win->training ? (size_t)win->batch->group * (size_t)r->shape.n : 0;
    return (((size_t)s * (size_t)r->model.layers + (size_t)l) * streams + first) * (size_t)r->model.hidden;
}

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

/* Adds the time since `from` to a phase and returns the time now. */
static inline double phase_end(reference *r, px_phase phase, double from)
{
    double now = px_clock();
    r->times.seconds[phase] += now - from;
    return now;
}

#endif
