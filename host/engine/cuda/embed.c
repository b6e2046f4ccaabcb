/* Embed: rows of a table for every token of the window, and the gradient of the table. The states that the window
 * begins with go along.
 *
 * Embedded input (d > 0): X = drop(E[token]), then the first layer's product over all rows (recurrence.c).
 * One-hot input (d = 0): the rows of W_xh are the first layer's term themselves, written where that term belongs. */
#include "operands.h"
#include "philox.h"

px_status px_cuda_embed_forward(px_cuda *engine, px_cuda_shape shape)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_buffers *b = &engine->b;
    int one_hot = plan->d == 0;
    px_embed_args args = {
        .table = px_cuda_tensor(engine, b->weights, one_hot ? PX_TENSOR_W_XH : PX_TENSOR_EMBEDDING, 0),
        .tokens = b->window.tokens,
        .out = one_hot ? px_cuda_input_term(engine, shape, 0) : px_cuda_as_float(engine, b->x),
        .out_bf16 = one_hot ? NULL : px_cuda_as_bf16(engine, b->x),
        .window = b->window.scalars,
        .dropout = px_cuda_dropout(engine, shape.mode, PX_RANDOM_DROPOUT_INPUT, 0, plan->model.dropout_input),
        .row_dropout =
            px_cuda_dropout(engine, shape.mode, PX_RANDOM_DROPOUT_EMBEDDING, 0, plan->model.dropout_embedding),
        .T = shape.T,
        .n = shape.n,
        .width = one_hot ? plan->gate_rows : plan->d,
        .one_hot = one_hot ? plan->V : 0,
        .vocab = plan->V,
        .states = px_cuda_states_in(engine, shape),
    };
    PX_CUDA(px_launch_embed_forward(&args, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

/* dtable[token] += its rows of dX (embedded) or of dZ of the first layer (one-hot). */
px_status px_cuda_embed_backward(px_cuda *engine, px_cuda_shape shape)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_buffers *b = &engine->b;
    int one_hot = plan->d == 0;
    px_embed_backward_args args = {
        .dx = one_hot ? px_cuda_dz(engine, 0) : b->dx,
        .tokens = b->window.tokens,
        .order = b->window.order,
        .dtable = px_cuda_tensor(engine, b->gradients, one_hot ? PX_TENSOR_W_XH : PX_TENSOR_EMBEDDING, 0),
        .partial = b->embed_partial,
        .window = b->window.scalars,
        .dropout = px_cuda_dropout(engine, shape.mode, PX_RANDOM_DROPOUT_INPUT, 0, plan->model.dropout_input),
        .row_dropout =
            px_cuda_dropout(engine, shape.mode, PX_RANDOM_DROPOUT_EMBEDDING, 0, plan->model.dropout_embedding),
        .T = shape.T,
        .n = shape.n,
        .width = one_hot ? plan->gate_rows : plan->d,
        .one_hot = one_hot ? plan->V : 0,
        .vocab = plan->V,
    };
    PX_CUDA(px_launch_embed_backward(&args, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}
