/* Embed: rows of a table for every token of the window, and the gradient of the table.
 *
 * Embedded input (d > 0): X = drop(E[token]), then the first layer's product over all rows (recurrence.c).
 * One-hot input (d = 0): the rows of W_xh are the first layer's term themselves, written where its H will stand. */
#include "engine_cuda.h"
#include "philox.h"

px_dropout px_cuda_dropout(const px_cuda *engine, px_cuda_mode mode, uint32_t purpose, int32_t layer, double p)
{
    if (mode != PX_CUDA_TRAIN || p == 0) return (px_dropout){0};
    return (px_dropout){
        .seed = engine->plan.shape.seed,
        .purpose = purpose,
        .layer = (uint32_t)layer,
        .threshold = px_dropout_threshold(p),
        .scale = px_dropout_scale(p),
        .T_max = engine->plan.shape.T,
        .locked = engine->plan.model.dropout_locked,
    };
}

px_status px_cuda_embed_forward(px_cuda *engine, px_cuda_shape shape)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_buffers *b = &engine->b;
    int one_hot = plan->d == 0;
    px_embed_args args = {
        .table = px_cuda_tensor(engine, b->weights, one_hot ? PX_TENSOR_W_XH : PX_TENSOR_EMBEDDING, 0),
        .tokens = b->window.tokens,
        .out = one_hot ? b->layer[0].h + (size_t)shape.n * (size_t)plan->h : px_cuda_as_float(engine, b->x),
        .out_low = one_hot ? NULL : px_cuda_as_low(engine, b->x),
        .window = b->window.scalars,
        .dropout = px_cuda_dropout(engine, shape.mode, PX_RANDOM_DROPOUT_INPUT, 0, plan->model.dropout_input),
        .T = shape.T,
        .n = shape.n,
        .width = one_hot ? plan->h : plan->d,
        .one_hot = one_hot ? plan->V : 0,
    };
    PX_CUDA(px_launch_embed_forward(&args, engine->compute));
    return PX_OK;
}

/* dtable[token] += its rows of dX (embedded) or of dZ of the first layer (one-hot). */
px_status px_cuda_embed_backward(px_cuda *engine, px_cuda_shape shape)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_buffers *b = &engine->b;
    int one_hot = plan->d == 0;
    px_embed_backward_args args = {
        .dx = one_hot ? b->d_up[(plan->L - 1) % 2] : b->dx, /* recurrence.c leaves dZ of layer 0 there */
        .tokens = b->window.tokens,
        .order = b->window.order,
        .dtable = px_cuda_tensor(engine, b->gradients, one_hot ? PX_TENSOR_W_XH : PX_TENSOR_EMBEDDING, 0),
        .partial = b->embed_partial,
        .window = b->window.scalars,
        .dropout = px_cuda_dropout(engine, shape.mode, PX_RANDOM_DROPOUT_INPUT, 0, plan->model.dropout_input),
        .T = shape.T,
        .n = shape.n,
        .width = one_hot ? plan->h : plan->d,
        .one_hot = one_hot ? plan->V : 0,
    };
    PX_CUDA(px_launch_embed_backward(&args, engine->compute));
    return px_cuda_reduce_mark(engine, shape, 0);
}
