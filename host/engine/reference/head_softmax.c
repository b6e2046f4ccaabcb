/* The output layer `softmax`: o = u W_hq^T + b_q over all V tokens, with the embedding table for W_hq where they are
 * tied, and u = up or up P. Back: dO = (softmax(O) - onehot) * inv_count, dW_hq += dO^T u, db_q += dO, du = dO W_hq,
 * and through P where there is one. */
#include "reference_internal.h"

static int has_projection(const px_model_config *model) { return model->tied && model->embed != model->hidden; }

/* Width of what the output table multiplies: d where it is the embedding table, else h. */
static size_t head_width(const px_model_config *model) { return (size_t)(model->tied ? model->embed : model->hidden); }

static size_t table_place(const reference *r)
{
    return place(r, r->model.tied ? PX_TENSOR_EMBEDDING : PX_TENSOR_W_HQ, 0);
}

/* u [width] = up, or up P. */
static void project(const reference *r, const double *up, double *u)
{
    size_t h = (size_t)r->model.hidden, width = head_width(&r->model);
    if (!has_projection(&r->model)) {
        memcpy(u, up, h * sizeof *u);
        return;
    }
    const float *p = r->w + place(r, PX_TENSOR_PROJECTION, 0);
    for (size_t j = 0; j < width; j++) {
        u[j] = 0;
        for (size_t k = 0; k < h; k++) u[j] += product(r, up[k], p[j * h + k]);
    }
}

static void logits(reference *r, const double *up)
{
    size_t width = head_width(&r->model);
    const float *table = r->w + table_place(r), *b_q = r->w + place(r, PX_TENSOR_B_Q, 0);
    project(r, up, r->u);
    for (int32_t v = 0; v < r->model.vocab; v++) {
        double sum = 0;
        for (size_t j = 0; j < width; j++) sum += product(r, r->u[j], table[(size_t)v * width + j]);
        r->o[v] = logit(r, sum) + b_q[v];
    }
    r->loss = px_loss_row_of(r->o, r->model.vocab);
}

static double forward(reference *r, const double *up, int32_t target)
{
    logits(r, up);
    return px_loss_nll(r->o[target], r->loss.max, log(r->loss.sum));
}

/* du -> dup, and dP += du^T up. */
static void project_backward(reference *r, const double *up, double *dup)
{
    size_t h = (size_t)r->model.hidden, width = head_width(&r->model);
    if (!has_projection(&r->model)) {
        memcpy(dup, r->du, h * sizeof *dup);
        return;
    }
    size_t p = place(r, PX_TENSOR_PROJECTION, 0);
    memset(dup, 0, h * sizeof *dup);
    for (size_t j = 0; j < width; j++)
        for (size_t k = 0; k < h; k++) {
            r->grad[p + j * h + k] += product(r, r->du[j], up[k]);
            dup[k] += product(r, r->du[j], r->w[p + j * h + k]);
        }
}

static void backward(reference *r, const double *up, int32_t target, double inv_count, double *dup)
{
    size_t width = head_width(&r->model), table = table_place(r), b_q = place(r, PX_TENSOR_B_Q, 0);
    memset(r->du, 0, width * sizeof *r->du);
    for (int32_t v = 0; v < r->model.vocab; v++) {
        double d_o = d_logit(&r->loss, r->o[v], v == target, inv_count);
        r->grad[b_q + (size_t)v] += d_o;
        for (size_t j = 0; j < width; j++) {
            size_t at = table + (size_t)v * width + j;
            r->grad[at] += product(r, d_o, r->u[j]);
            r->du[j] += product(r, d_o, r->w[at]);
        }
    }
    project_backward(r, up, dup);
}

static void probabilities(reference *r, const double *up, float *p)
{
    logits(r, up);
    for (int32_t v = 0; v < r->model.vocab; v++) p[v] = (float)(px_loss_weight(r->o[v], r->loss.max) / r->loss.sum);
}

const reference_head reference_head_softmax = {forward, backward, probabilities};
