/* The output layer `softmax` of the CUDA engine:
 *     u = up, or up P^T;  o = u W^T + b;  dO = (softmax(o) - onehot) inv_count;  dW += dO^T u;  db += dO;  du = dO W
 * W is W_hq, or the embedding table where they are tied. */
#include "head.h"

/* The output table as an operand [V,k]. */
static px_tensor_role table_role(const px_cuda *engine)
{
    return engine->plan.model.tied ? PX_TENSOR_EMBEDDING : PX_TENSOR_W_HQ;
}

/* What the table multiplies: operand [rows,k]. */
static px_status project(px_cuda *engine, px_cuda_shape shape, void **u)
{
    const px_cuda_plan *plan = &engine->plan;
    px_cuda_buffers *b = &engine->b;
    int rows = shape.T * shape.n;
    void *output = px_cuda_output(engine, shape, plan->L - 1);
    if (!plan->projection) {
        *u = output;
        return PX_OK;
    }
    *u = b->u;
    float *out = plan->bf16 ? b->u_wide : b->u;
    PX_TRY(px_blas_nt(&engine->blas, rows, plan->d, plan->h, output, px_cuda_operand(engine, PX_TENSOR_PROJECTION, 0),
                      0, out));
    if (plan->bf16)
        PX_CUDA(
            px_launch_layout_bf16(b->u, out, (size_t)rows * (size_t)plan->d, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

/* du = dO W and dW += dO^T u, of rows [from, from + rows). */
static px_status gradients(px_cuda *engine, px_cuda_shape shape, size_t from, int rows, const void *u, float *du)
{
    const px_cuda_plan *plan = &engine->plan;
    const void *logits = engine->b.logits, *table = px_cuda_operand(engine, table_role(engine), 0);
    PX_TRY(px_blas_nn(&engine->head_blas, rows, plan->k, plan->columns, logits, table, 0, du));
    return px_blas_tn(&engine->head_blas, plan->columns, plan->k, rows, logits, u, from > 0 ? 1 : px_cuda_beta(shape),
                      px_cuda_tensor(engine, engine->b.gradients, table_role(engine), 0));
}

/* Rows [from, from + rows) of the window: loss, and the gradients where training. du [rows of the window, k]. */
static px_status chunk(px_cuda *engine, px_cuda_shape shape, size_t from, int rows, void *u_all, float *du)
{
    const px_cuda_plan *plan = &engine->plan;
    px_cuda_buffers *b = &engine->b;
    const int training = shape.mode == PX_CUDA_TRAIN;
    const void *table = px_cuda_operand(engine, table_role(engine), 0);
    float *partial = training ? b->column_partial : NULL,
          *d_bias = training ? px_cuda_tensor(engine, b->gradients, PX_TENSOR_B_Q, 0) : NULL;
    const void *u = px_cuda_at(engine, u_all, from * (size_t)plan->k);
    const px_cuda_logits logits = {px_cuda_tensor(engine, b->weights, PX_TENSOR_B_Q, 0),
                                   b->window.targets + from,
                                   b->nll + from,
                                   rows,
                                   plan->V,
                                   plan->columns};
    PX_TRY(px_cuda_head_logits(engine, &logits, plan->k, u, table, training));
    PX_TRY(px_cuda_head_loss(engine, &logits, training, partial));
    if (training) PX_TRY(gradients(engine, shape, from, rows, u, du + from * (size_t)plan->k));
    return px_cuda_head_sum(engine, &logits, training, partial, d_bias, from > 0 || !shape.first);
}

/* dP += du^T up and d_output = du P, where there is a projection. */
static px_status project_backward(px_cuda *engine, px_cuda_shape shape, const float *du)
{
    const px_cuda_plan *plan = &engine->plan;
    px_cuda_buffers *b = &engine->b;
    int rows = shape.T * shape.n;
    const void *operand = du;
    if (plan->bf16) {
        PX_CUDA(px_launch_layout_bf16(b->du_bf16, du, (size_t)rows * (size_t)plan->d,
                                      px_cuda_place(engine, engine->compute)));
        operand = b->du_bf16;
    }
    PX_TRY(px_blas_tn(&engine->blas, plan->d, plan->h, rows, operand, px_cuda_output(engine, shape, plan->L - 1),
                      px_cuda_beta(shape), px_cuda_tensor(engine, b->gradients, PX_TENSOR_PROJECTION, 0)));
    return px_blas_nn(&engine->blas, rows, plan->h, plan->d, operand, px_cuda_operand(engine, PX_TENSOR_PROJECTION, 0),
                      0, px_cuda_d_output(engine, plan->L - 1));
}

/* du [rows,k] of the whole window, where training. */
static float *d_input(px_cuda *engine)
{
    return engine->plan.projection ? engine->b.dx : px_cuda_d_output(engine, engine->plan.L - 1);
}

px_status px_cuda_head_softmax_products(px_cuda *engine)
{
    const px_cuda_plan *plan = &engine->plan;
    const int training = plan->shape.training;
    const px_cuda_shape shape = {training ? PX_CUDA_TRAIN : PX_CUDA_EVALUATE, plan->shape.T, plan->shape.n, 0, 1};
    const size_t most = (size_t)px_cuda_head_rows(plan, plan->columns, training);
    const px_cuda_logits logits = {.rows = (int)(plan->rows < most ? plan->rows : most), .columns = plan->columns};
    const void *u = plan->projection ? engine->b.u : px_cuda_output(engine, shape, plan->L - 1);
    const void *table = px_cuda_operand(engine, table_role(engine), 0);
    PX_TRY(px_cuda_head_logits(engine, &logits, plan->k, u, table, training));
    return training ? gradients(engine, shape, 0, logits.rows, u, d_input(engine)) : PX_OK;
}

static px_status enqueue(px_cuda *engine, px_cuda_shape shape)
{
    const px_cuda_plan *plan = &engine->plan;
    const size_t rows = (size_t)shape.T * (size_t)shape.n;
    float *du = d_input(engine);
    void *u;
    PX_TRY(project(engine, shape, &u));
    const size_t most = (size_t)px_cuda_head_rows(plan, plan->columns, shape.mode == PX_CUDA_TRAIN);
    for (size_t from = 0; from < rows; from += most) {
        const int count = (int)(rows - from < most ? rows - from : most);
        PX_TRY(chunk(engine, shape, from, count, u, du));
    }
    return shape.mode == PX_CUDA_TRAIN && plan->projection ? project_backward(engine, shape, du) : PX_OK;
}

static px_status probabilities(px_cuda *engine, int32_t n, int32_t from, int32_t rows)
{
    const px_cuda_plan *plan = &engine->plan;
    px_cuda_buffers *b = &engine->b;
    void *u;
    if (from == 0 || !plan->projection)
        PX_TRY(project(engine, (px_cuda_shape){PX_CUDA_NEXT, 1, n, 0, 0}, &u));
    else
        u = b->u;
    PX_TRY(px_blas_nt(&engine->blas, rows, plan->columns, plan->k,
                      px_cuda_at(engine, u, (size_t)from * (size_t)plan->k),
                      px_cuda_operand(engine, table_role(engine), 0), 0, b->logits));
    PX_CUDA(px_launch_head_softmax(b->probabilities, b->logits, px_cuda_tensor(engine, b->weights, PX_TENSOR_B_Q, 0),
                                   (size_t)rows, plan->V, (size_t)plan->columns,
                                   px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

const px_cuda_head_ops px_cuda_head_softmax = {enqueue, probabilities};
