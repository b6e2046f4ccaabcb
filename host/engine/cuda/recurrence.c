/* Recurrence: per layer one product for all inputs, then the steps, by the variant that the plan has chosen
 * (variants.h); backward the same in reverse, then the weight gradients as products over all steps.
 *
 * Layers run one after the other on one stream, or as a wavefront (wavefront.h): then the inputs' products and the
 * steps are those of a piece, while weight gradients stay products over all steps, after the lanes have met. */
#include "gates.h"
#include "operands.h"
#include "philox.h"
#include "variants.h"
#include "wavefront.h"

/* Is W_hh dropped in this window? */
static int drops_weights(const px_cuda *engine, px_cuda_mode mode)
{
    return mode == PX_CUDA_TRAIN && engine->plan.model.dropout_weight > 0;
}

static size_t w_hh_count(const px_cuda_plan *plan) { return (size_t)plan->gate_rows * (size_t)plan->h; }

static px_dropout weight_dropout(const px_cuda *engine, px_cuda_mode mode, int32_t l)
{
    return px_cuda_dropout(engine, mode, PX_RANDOM_DROPOUT_WEIGHT, l, engine->plan.model.dropout_weight);
}

/* W_hh of this window as an operand [G h,h]. */
static const void *w_hh_of(const px_cuda *engine, px_cuda_mode mode, int32_t l)
{
    return drops_weights(engine, mode) ? engine->b.layer[l].w_hat : px_cuda_operand(engine, PX_TENSOR_W_HH, l);
}

/* The input's term of every step: X W_xh. One-hot rows are there already (embed.c). */
static px_status input_product(px_cuda *engine, const px_cuda_steps *piece)
{
    const px_cuda_plan *plan = &engine->plan;
    const int32_t l = piece->l, width = l == 0 ? plan->d : plan->h;
    if (l == 0 && plan->d == 0) return PX_OK;
    void *x = l == 0 ? engine->b.x : px_cuda_output(engine, piece->shape, l - 1);
    const size_t before = (size_t)piece->begin * (size_t)piece->shape.n;
    float *z = px_cuda_input_term(engine, piece->shape, l) + before * (size_t)plan->gate_rows;
    return px_blas_nt(&piece->lane->blas, (piece->end - piece->begin) * piece->shape.n, plan->gate_rows, width,
                      px_cuda_at(engine, x, before * (size_t)width), px_cuda_operand(engine, PX_TENSOR_W_XH, l), 0, z);
}

/* W_hh of this window, where it is dropped. */
static px_status drop_weights(px_cuda *engine, px_cuda_shape shape, int32_t l, cudaStream_t stream)
{
    if (!drops_weights(engine, shape.mode)) return PX_OK;
    px_dropout dropout = weight_dropout(engine, shape.mode, l);
    void *w_hat = engine->b.layer[l].w_hat;
    PX_CUDA(px_launch_recurrence_weight_dropout(px_cuda_as_float(engine, w_hat), px_cuda_as_bf16(engine, w_hat),
                                                px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_W_HH, l), &dropout,
                                                engine->b.window.scalars, w_hh_count(&engine->plan), 0,
                                                px_cuda_place(engine, stream)));
    return PX_OK;
}

static px_status piece_forward(px_cuda *engine, px_cuda_steps piece)
{
    PX_TRY(input_product(engine, &piece));
    return engine->plan.variant->forward(engine, &piece, w_hh_of(engine, piece.shape.mode, piece.l));
}

static px_status piece_backward(px_cuda *engine, px_cuda_steps piece)
{
    return engine->plan.variant->backward(engine, &piece, w_hh_of(engine, piece.shape.mode, piece.l));
}

static px_status layers_forward(px_cuda *engine, px_cuda_shape shape)
{
    for (int32_t l = 0; l < engine->plan.L; l++) {
        PX_TRY(drop_weights(engine, shape, l, engine->compute));
        PX_TRY(piece_forward(engine, px_cuda_whole_of(engine, shape, l)));
    }
    return PX_OK;
}

/* A piece's steps wait for those of the layer below; at the end lane 0 waits for the top layer's, and so for all. */
static px_status wavefront_forward(px_cuda *engine, px_cuda_shape shape)
{
    const int32_t L = engine->plan.L, pieces = px_cuda_pieces(engine, shape);
    const int drops = drops_weights(engine, shape.mode);
    if (drops) PX_TRY(px_cuda_lane_mark(engine, 0));
    for (int32_t l = 0; drops && l < L; l++) {
        if (l > 0) PX_TRY(px_cuda_lane_wait(engine, l, 0));
        PX_TRY(drop_weights(engine, shape, l, engine->lane[l].stream));
    }
    for (int32_t k = 0; k < pieces; k++)
        for (int32_t l = 0; l < L; l++) {
            if (l > 0) PX_TRY(px_cuda_lane_wait(engine, l, l - 1));
            PX_TRY(piece_forward(engine, px_cuda_piece_of(engine, shape, l, k)));
            if (l < L - 1 || k == pieces - 1) PX_TRY(px_cuda_lane_mark(engine, l));
        }
    return px_cuda_lane_wait(engine, 0, L - 1);
}

px_status px_cuda_recurrence_forward(px_cuda *engine, px_cuda_shape shape)
{
    if (px_cuda_pieces(engine, shape) > 1)
        PX_TRY(wavefront_forward(engine, shape));
    else
        PX_TRY(layers_forward(engine, shape));
    /* states go out with what follows the way back, or with the token that is drawn */
    if (shape.mode == PX_CUDA_TRAIN || shape.mode == PX_CUDA_DECODE) return PX_OK;
    const px_state_copies states = px_cuda_states_out(engine, shape);
    PX_CUDA(px_launch_recurrence_states(&states, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

/* Bias gradients; and H_{t-1}, masked in place: nothing after this reads rows before the last step of it. With the top
 * layer the states of all go out. */
static px_status end_of_steps(px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    const px_cuda_plan *plan = &engine->plan;
    const size_t rows = (size_t)shape.T * (size_t)shape.n;
    float *gradients = engine->b.gradients, *partial = engine->b.column_partial, *du = engine->b.layer[l].u;
    px_layer_end_args args = {
        .sum = {{px_cuda_tensor(engine, gradients, PX_TENSOR_B_H, l), px_cuda_dz(engine, l), partial, plan->gate_rows}},
        .h_prev = px_cuda_h(engine, l),
        .reset = engine->b.window.reset,
        .rows = rows,
        .element = plan->bf16 ? PX_ELEMENT_BF16 : PX_ELEMENT_FP32,
        .sums = 1,
        .accumulate = !shape.first,
        .width = plan->h,
    };
    if (du)
        args.sum[args.sums++] =
            (px_column_sum){px_cuda_tensor(engine, gradients, PX_TENSOR_B_HN, l), du,
                            partial + px_column_sum_partial_floats(rows, (size_t)plan->gate_rows), plan->h};
    if (l == plan->L - 1) args.states = px_cuda_states_out(engine, shape);
    PX_CUDA(px_launch_recurrence_end(&args, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

/* dW_hh += sum_t (keep_t H_{t-1})^T dz_t, dz_t [n, G h] the gradient of H_{t-1} W_hh. */
static px_status recurrent_weight_gradient(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *dz)
{
    const px_cuda_plan *plan = &engine->plan;
    const int rows = shape.T * shape.n;
    const void *h_prev = px_cuda_h(engine, l);
    float *dw_hh = px_cuda_tensor(engine, engine->b.gradients, PX_TENSOR_W_HH, l);
    if (!drops_weights(engine, shape.mode))
        return px_blas_tn(&engine->blas, plan->gate_rows, plan->h, rows, dz, h_prev, px_cuda_beta(shape), dw_hh);
    PX_TRY(px_blas_tn(&engine->blas, plan->gate_rows, plan->h, rows, dz, h_prev, 0, engine->b.dw_hat));
    px_dropout dropout = weight_dropout(engine, shape.mode, l);
    PX_CUDA(px_launch_recurrence_weight_dropout(dw_hh, NULL, engine->b.dw_hat, &dropout, engine->b.window.scalars,
                                                w_hh_count(plan), !shape.first,
                                                px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

/* dW_xh += X^T dZ; a one-hot W_xh is embed.c's. */
static px_status input_weight_gradient(px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    const px_cuda_plan *plan = &engine->plan;
    if (l == 0 && plan->d == 0) return PX_OK;
    const void *x = l == 0 ? engine->b.x : px_cuda_output(engine, shape, l - 1);
    return px_blas_tn(&engine->blas, plan->gate_rows, l == 0 ? plan->d : plan->h, shape.T * shape.n,
                      px_cuda_dz_operand(engine, l), x, px_cuda_beta(shape),
                      px_cuda_tensor(engine, engine->b.gradients, PX_TENSOR_W_XH, l));
}

/* dX = dZ W_xh^T, the gradient of what the layer below has put out, or of the embedded input. */
static px_status input_gradient(px_cuda *engine, const px_cuda_steps *piece)
{
    const px_cuda_plan *plan = &engine->plan;
    const int32_t l = piece->l, width = l == 0 ? plan->d : plan->h;
    if (l == 0 && plan->d == 0) return PX_OK;
    const size_t before = (size_t)piece->begin * (size_t)piece->shape.n;
    float *dx = (l > 0 ? px_cuda_d_output(engine, l - 1) : engine->b.dx) + before * (size_t)width;
    void *dz = px_cuda_at(engine, px_cuda_dz_operand(engine, l), before * (size_t)plan->gate_rows);
    return px_blas_nn(&piece->lane->blas, (piece->end - piece->begin) * piece->shape.n, width, plan->gate_rows, dz,
                      px_cuda_operand(engine, PX_TENSOR_W_XH, l), 0, dx);
}

/* The gradient of the top layer's outputs under their mask, and the penalties' (docs/DESIGN.md). */
static px_status add_penalties(px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_penalties_args args = {
        .d_output = px_cuda_d_output(engine, l),
        .h = engine->b.layer[l].h + (size_t)shape.n * (size_t)plan->h,
        .targets = engine->b.window.targets,
        .reset = engine->b.window.reset,
        .window = engine->b.window.scalars,
        .dropout = px_cuda_output_dropout(engine, shape.mode, l),
        .activation = plan->model.penalty_activation,
        .temporal = plan->model.penalty_temporal,
        .T = shape.T,
        .n = shape.n,
        .width = plan->h,
    };
    PX_CUDA(px_launch_penalties(&args, px_cuda_place(engine, engine->compute)));
    return PX_OK;
}

/* A piece's steps wait for those of the layer above. Lane 0 has the last of them, and so comes after all. */
static px_status wavefront_backward(px_cuda *engine, px_cuda_shape shape)
{
    const int32_t top = engine->plan.L - 1;
    PX_TRY(px_cuda_lane_mark(engine, 0));
    PX_TRY(px_cuda_lane_wait(engine, top, 0));
    for (int32_t k = px_cuda_pieces(engine, shape) - 1; k >= 0; k--)
        for (int32_t l = top; l >= 0; l--) {
            const px_cuda_steps piece = px_cuda_piece_of(engine, shape, l, k);
            if (l < top) PX_TRY(px_cuda_lane_wait(engine, l, l + 1));
            PX_TRY(piece_backward(engine, piece));
            if (l == 0) continue; /* the embedded input's gradient is nobody's here */
            PX_TRY(input_gradient(engine, &piece));
            PX_TRY(px_cuda_lane_mark(engine, l));
        }
    return PX_OK;
}

px_status px_cuda_recurrence_backward_begin(px_cuda *engine, px_cuda_shape shape)
{
    const int32_t top = engine->plan.L - 1;
    if (px_cuda_has_penalties(engine, top)) PX_TRY(add_penalties(engine, shape, top));
    return px_cuda_pieces(engine, shape) > 1 ? wavefront_backward(engine, shape) : PX_OK;
}

px_status px_cuda_recurrence_backward(px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_steps whole = px_cuda_whole_of(engine, shape, l);
    const int cut = px_cuda_pieces(engine, shape) > 1;
    if (!cut) PX_TRY(piece_backward(engine, whole));
    PX_TRY(end_of_steps(engine, shape, l));
    PX_TRY(recurrent_weight_gradient(engine, shape, l,
                                     plan->keeps ? px_cuda_gates_dz_hh(engine, l) : px_cuda_dz_operand(engine, l)));
    PX_TRY(input_weight_gradient(engine, shape, l));
    return cut && l > 0 ? PX_OK : input_gradient(engine, &whole);
}
