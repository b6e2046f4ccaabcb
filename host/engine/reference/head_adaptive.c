/* The output layer `adaptive` (output_layer.h): a softmax over the shortlist and the clusters, and one inside the
 * target's cluster.
 *     a = up W_head^T;  t = up D_i^T,  o = t U_i^T
 *     nll = -log softmax(a)[target]                                               where target < c_0
 *     nll = -log softmax(a)[c_0 + i] - log softmax(o)[target - c_i]               for the target's cluster i
 * Back: each softmax as in head_softmax.c, and dt = dO U_i, dD_i += dt^T up, dup += dt D_i. */
#include "reference_internal.h"

/* A matrix [rows,cols] of the parameters. */
typedef struct matrix {
    size_t at, rows, cols;
} matrix;

static matrix matrix_of(const reference *r, px_tensor_role role, int32_t i)
{
    const px_tensor *tensor = px_parameters_find(&r->table, role, i);
    return (matrix){tensor->offset, (size_t)tensor->rows, (size_t)tensor->cols};
}

/* y [rows] = x W^T */
static void multiply(const reference *r, matrix w, const double *x, double *y)
{
    for (size_t v = 0; v < w.rows; v++) {
        y[v] = 0;
        for (size_t k = 0; k < w.cols; k++) y[v] += product(r, x[k], r->w[w.at + v * w.cols + k]);
    }
}

/* dW += dy^T x for one row v of W, and dx += dy W. */
static void multiply_backward(reference *r, matrix w, size_t v, double dy, const double *x, double *dx)
{
    for (size_t k = 0; k < w.cols; k++) {
        r->grad[w.at + v * w.cols + k] += product(r, dy, x[k]);
        dx[k] += product(r, dy, r->w[w.at + v * w.cols + k]);
    }
}

/* The same where y are logits. */
static void multiply_logits(const reference *r, matrix w, const double *x, double *y)
{
    multiply(r, w, x, y);
    for (size_t v = 0; v < w.rows; v++) y[v] = logit(r, y[v]);
}

/* Logits of the head at the front of o; those of a cluster stand behind them in the order of ids. */
static double *head_logits(reference *r, const double *up)
{
    const matrix head = matrix_of(r, PX_TENSOR_HEAD, 0);
    multiply_logits(r, head, up, r->o);
    r->loss = px_loss_row_of(r->o, (int32_t)head.rows);
    return r->o;
}

static double *cluster_place(const reference *r, int32_t i)
{
    const px_cutoffs *cutoffs = &r->model.cutoffs;
    return r->o + px_cutoffs_head_rows(cutoffs) + (cutoffs->at[i] - cutoffs->at[0]);
}

/* t = up D_i^T and the cluster's logits. */
static double *cluster_logits(reference *r, int32_t i, const double *up)
{
    const matrix wide = matrix_of(r, PX_TENSOR_TAIL_OUT, i);
    double *o = cluster_place(r, i);
    multiply(r, matrix_of(r, PX_TENSOR_TAIL_IN, i), up, r->u);
    multiply_logits(r, wide, r->u, o);
    r->tail_loss = px_loss_row_of(o, (int32_t)wide.rows);
    return o;
}

/* Row of the head that a token of cluster i (-1: the shortlist) belongs to. */
static int32_t head_row(const reference *r, int32_t i, int32_t target)
{
    return i < 0 ? target : r->model.cutoffs.at[0] + i;
}

static double forward(reference *r, const double *up, int32_t target)
{
    const px_cutoffs *cutoffs = &r->model.cutoffs;
    const int32_t i = px_cutoffs_find(cutoffs, target);
    const double *a = head_logits(r, up);
    const double nll = px_loss_nll(a[head_row(r, i, target)], r->loss.max, log(r->loss.sum));
    if (i < 0) return nll;
    const double *o = cluster_logits(r, i, up);
    return nll + px_loss_nll(o[target - cutoffs->at[i]], r->tail_loss.max, log(r->tail_loss.sum));
}

static void cluster_backward(reference *r, int32_t i, const double *up, int32_t target, double inv_count, double *dup)
{
    const matrix narrow = matrix_of(r, PX_TENSOR_TAIL_IN, i), wide = matrix_of(r, PX_TENSOR_TAIL_OUT, i);
    const double *o = cluster_place(r, i);
    const size_t in_cluster = (size_t)(target - r->model.cutoffs.at[i]);
    memset(r->du, 0, narrow.rows * sizeof *r->du);
    for (size_t v = 0; v < wide.rows; v++)
        multiply_backward(r, wide, v, d_logit(&r->tail_loss, o[v], v == in_cluster, inv_count), r->u, r->du);
    for (size_t j = 0; j < narrow.rows; j++) multiply_backward(r, narrow, j, r->du[j], up, dup);
}

static void backward(reference *r, const double *up, int32_t target, double inv_count, double *dup)
{
    const int32_t i = px_cutoffs_find(&r->model.cutoffs, target);
    const matrix head = matrix_of(r, PX_TENSOR_HEAD, 0);
    const size_t row = (size_t)head_row(r, i, target);
    memset(dup, 0, head.cols * sizeof *dup);
    for (size_t v = 0; v < head.rows; v++)
        multiply_backward(r, head, v, d_logit(&r->loss, r->o[v], v == row, inv_count), up, dup);
    if (i >= 0) cluster_backward(r, i, up, target, inv_count, dup);
}

static void probabilities(reference *r, const double *up, float *p)
{
    const px_cutoffs *cutoffs = &r->model.cutoffs;
    const double *a = head_logits(r, up);
    for (int32_t v = 0; v < cutoffs->at[0]; v++) p[v] = (float)(px_loss_weight(a[v], r->loss.max) / r->loss.sum);
    for (int32_t i = 0; i < cutoffs->count; i++) {
        const px_cluster cluster = px_cutoffs_cluster(cutoffs, r->model.vocab, r->model.hidden, i);
        const double share = px_loss_weight(a[cutoffs->at[0] + i], r->loss.max) / r->loss.sum;
        const double *o = cluster_logits(r, i, up);
        for (int32_t v = cluster.begin; v < cluster.end; v++)
            p[v] = (float)(share * px_loss_weight(o[v - cluster.begin], r->tail_loss.max) / r->tail_loss.sum);
    }
}

const reference_head reference_head_adaptive = {forward, backward, probabilities};
