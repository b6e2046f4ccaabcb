/* The output layer `adaptive` of the CUDA engine (host/model/output_layer.h):
 *     A = H W_head^T over all rows;  for the rows of each cluster T = H D^T, O = T U^T;  losses of both
 *     dW_head += dA^T H,  dH = dA W_head;  dU += dO^T T,  dT = dO U,  dD += dT^T H,  dH += dT D
 * The host has sorted the window's rows by cluster while it staged it (staging.c). How many each has differs from
 * window to window, so that this phase is never part of a graph (window.c). */
#include "head.h"

/* A matrix [rows,cols] of the parameters. */
typedef struct matrix {
    const void *w; /* operand */
    float *g;
    int rows, cols;
    int width; /* rows that files have; those from here on are zeros (layout.h) */
} matrix;

static matrix matrix_of(const px_cuda *engine, px_tensor_role role, int32_t i)
{
    const px_tensor *tensor = px_parameters_find(&engine->plan.table, role, i);
    return (matrix){px_cuda_operand(engine, role, i), engine->b.gradients ? engine->b.gradients + tensor->offset : NULL,
                    tensor->rows, tensor->cols, px_parameters_find(&engine->plan.file_table, role, i)->rows};
}

static px_element element_of(const px_cuda *engine) { return engine->plan.bf16 ? PX_ELEMENT_BF16 : PX_ELEMENT_FP32; }

/* Rows [first, ...) of x [count,cols] through a matrix and its losses; where training dW += and dx [count,cols] =. */
static px_status softmax_rows(px_cuda *engine, const matrix *m, void *x, float *dx, const int32_t *targets, float *nll,
                              int count, int training)
{
    px_cuda_buffers *b = &engine->b;
    const int most = px_cuda_head_rows(&engine->plan, m->rows, training);
    for (int first = 0, rows; first < count; first += rows) {
        const size_t at = (size_t)first * (size_t)m->cols;
        rows = count - first < most ? count - first : most;
        const px_cuda_logits logits = {b->zeros, targets + first, nll + first, rows, m->width, m->rows};
        const void *some = px_cuda_at(engine, x, at);
        PX_TRY(px_cuda_head_logits(engine, &logits, m->cols, some, m->w, training));
        PX_TRY(px_cuda_head_loss(engine, &logits, training, NULL));
        if (!training) continue;
        PX_TRY(px_blas_nn(&engine->blas, rows, m->cols, m->rows, b->logits, m->w, 0, dx + at));
        PX_TRY(px_blas_tn(&engine->blas, m->rows, m->cols, rows, b->logits, some, 1, m->g));
    }
    return PX_OK;
}

/* x W^T as an operand [rows, W's rows]; wide: where its fp32 goes in bf16 mode. */
static px_status narrow(px_cuda *engine, const matrix *m, const void *x, int rows, void *out, float *wide)
{
    float *to = engine->plan.bf16 ? wide : out;
    PX_TRY(px_blas_nt(&engine->blas, rows, m->rows, m->cols, x, m->w, 0, to));
    if (engine->plan.bf16)
        PX_CUDA(px_launch_layout_bf16(out, to, (size_t)rows * (size_t)m->rows, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

/* dD += dT^T H and dT D, added to the gradient of the rows that were gathered. */
static px_status cluster_backward(px_cuda *engine, const matrix *in, const int32_t *order, int rows, float *d_top)
{
    const px_cuda_plan *plan = &engine->plan;
    px_cuda_buffers *b = &engine->b;
    const void *dt = b->dt;
    if (plan->bf16) {
        PX_CUDA(px_launch_layout_bf16(b->dt_bf16, b->dt, (size_t)rows * (size_t)in->rows,
                                      px_cuda_place(engine, engine->compute)));
        dt = b->dt_bf16;
    }
    PX_TRY(px_blas_tn(&engine->blas, in->rows, in->cols, rows, dt, b->gathered, 1, in->g));
    PX_TRY(px_blas_nn(&engine->blas, rows, in->cols, in->rows, dt, in->w, 0, b->d_gathered));
    PX_CUDA(px_launch_adaptive_scatter(d_top, b->d_gathered, order, (size_t)rows, plan->h,
                                       px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

static px_status cluster(px_cuda *engine, int32_t i, const void *top, float *d_top, int training)
{
    px_cuda_buffers *b = &engine->b;
    const int begin = engine->staging.cluster_begin[i], rows = engine->staging.cluster_begin[i + 1] - begin;
    const int32_t *order = b->window.cluster_order + begin;
    const matrix in = matrix_of(engine, PX_TENSOR_TAIL_IN, i), out = matrix_of(engine, PX_TENSOR_TAIL_OUT, i);
    if (rows == 0) return PX_OK;
    PX_CUDA(px_launch_adaptive_gather(b->gathered, top, order, element_of(engine), (size_t)rows, in.cols,
                                      px_cuda_place(engine, engine->compute)));
    PX_TRY(narrow(engine, &in, b->gathered, rows, b->t, b->t_wide));
    PX_TRY(softmax_rows(engine, &out, b->t, b->dt, b->window.cluster_targets + begin, b->tail_nll, rows, training));
    PX_CUDA(px_launch_adaptive_scatter(b->nll, b->tail_nll, order, (size_t)rows, 1,
                                       px_cuda_place(engine, engine->compute)));
    return training ? cluster_backward(engine, &in, order, rows, d_top) : PX_OK;
}

static px_status enqueue(px_cuda *engine, px_cuda_shape shape)
{
    const px_cuda_plan *plan = &engine->plan;
    const int training = shape.mode == PX_CUDA_TRAIN, top = plan->L - 1;
    void *output = px_cuda_output(engine, shape, top);
    float *d_output = training ? px_cuda_d_output(engine, top) : NULL;
    const matrix head = matrix_of(engine, PX_TENSOR_HEAD, 0);
    PX_TRY(softmax_rows(engine, &head, output, d_output, engine->b.window.head_targets, engine->b.nll,
                        shape.T * shape.n, training));
    for (int32_t i = 0; i < plan->model.cutoffs.count; i++) PX_TRY(cluster(engine, i, output, d_output, training));
    const px_cuda_logits all = {.targets = engine->b.window.targets, .nll = engine->b.nll, .rows = shape.T * shape.n};
    return px_cuda_head_sum(engine, &all, training, NULL, NULL, 0);
}

/* softmax(x W^T) of some rows, into out [rows, W's width]. */
static px_status softmax_of(px_cuda *engine, const matrix *m, const void *x, int rows, float *out)
{
    float *logits = engine->b.logits;
    PX_TRY(px_blas_nt(&engine->blas, rows, m->rows, m->cols, x, m->w, 0, logits));
    PX_CUDA(px_launch_head_softmax(out, logits, engine->b.zeros, (size_t)rows, m->width, (size_t)m->rows,
                                   px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

static px_status probabilities(px_cuda *engine, int32_t n, int32_t from, int32_t rows)
{
    const px_cuda_plan *plan = &engine->plan;
    px_cuda_buffers *b = &engine->b;
    const px_cutoffs *cutoffs = &plan->model.cutoffs;
    const matrix head = matrix_of(engine, PX_TENSOR_HEAD, 0);
    const void *top = px_cuda_at(engine, px_cuda_output(engine, (px_cuda_shape){PX_CUDA_NEXT, 1, n, 0, 0}, plan->L - 1),
                                 (size_t)from * (size_t)plan->h);
    px_adaptive_probabilities_args args = {.p = b->probabilities,
                                           .part = b->head_probabilities,
                                           .rows = (size_t)rows,
                                           .V = plan->V,
                                           .count = cutoffs->at[0],
                                           .part_ld = head.width};
    PX_TRY(softmax_of(engine, &head, top, rows, b->head_probabilities));
    PX_CUDA(px_launch_adaptive_probabilities(&args, px_cuda_place(engine, engine->compute)));
    args.part = b->cluster_probabilities;
    args.share_ld = head.width;
    for (int32_t i = 0; i < cutoffs->count; i++) {
        const matrix in = matrix_of(engine, PX_TENSOR_TAIL_IN, i), out = matrix_of(engine, PX_TENSOR_TAIL_OUT, i);
        PX_TRY(narrow(engine, &in, top, rows, b->t, b->t_wide));
        PX_TRY(softmax_of(engine, &out, b->t, rows, b->cluster_probabilities));
        args.share = b->head_probabilities + cutoffs->at[0] + i;
        args.first = cutoffs->at[i];
        args.count = args.part_ld = out.width;
        PX_CUDA(px_launch_adaptive_probabilities(&args, px_cuda_place(engine, engine->compute)));
    }
    return PX_OK;
}

const px_cuda_head_ops px_cuda_head_adaptive = {enqueue, probabilities};
