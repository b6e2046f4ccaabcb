/* Recurrence: per layer one product for all inputs, then the steps, by the variant that the plan has chosen
 * (variants.h); backward the same in reverse, then the weight gradients as products over all steps.
 *
 * Layers run one after the other on one stream. A wavefront over layers on two streams would cut the input products of
 * the upper layers into T small ones; it has not been measured on a GPU, so it is left out. */
#include "gates.h"
#include "operands.h"
#include "philox.h"
#include "variants.h"

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
static px_status input_products(px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    const px_cuda_plan *plan = &engine->plan;
    if (l == 0 && plan->d == 0) return PX_OK;
    const void *x = l == 0 ? engine->b.x : px_cuda_output(engine, shape, l - 1);
    float *z = px_cuda_input_term(engine, shape, l);
    return px_blas_nt(&engine->blas, shape.T * shape.n, plan->gate_rows, l == 0 ? plan->d : plan->h, x,
                      px_cuda_operand(engine, PX_TENSOR_W_XH, l), 0, z);
}

px_status px_cuda_recurrence_forward(px_cuda *engine, px_cuda_shape shape)
{
    const px_cuda_plan *plan = &engine->plan;
    for (int32_t l = 0; l < plan->L; l++) {
        if (drops_weights(engine, shape.mode)) {
            px_dropout dropout = weight_dropout(engine, shape.mode, l);
            void *w_hat = engine->b.layer[l].w_hat;
            PX_CUDA(px_launch_recurrence_weight_dropout(px_cuda_as_float(engine, w_hat), px_cuda_as_bf16(engine, w_hat),
                                                        px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_W_HH, l),
                                                        &dropout, engine->b.window.scalars, w_hh_count(plan), 0,
                                                        engine->compute));
        }
        PX_TRY(input_products(engine, shape, l));
        PX_TRY(plan->variant->forward(engine, shape, l, w_hh_of(engine, shape.mode, l)));
    }
    /* states go out with what follows the way back, or with the token that is drawn */
    if (shape.mode == PX_CUDA_TRAIN || shape.mode == PX_CUDA_DECODE) return PX_OK;
    const px_state_copies states = px_cuda_states_out(engine, shape);
    PX_CUDA(px_launch_recurrence_states(&states, engine->compute));
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
    PX_CUDA(px_launch_recurrence_end(&args, engine->compute));
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
                                                w_hh_count(plan), !shape.first, engine->compute));
    return PX_OK;
}

/* dW_xh += X^T dZ and dX = dZ W_xh^T; a one-hot W_xh is embed.c's. dx [rows, width of the input]. */
static px_status input_gradients(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *dz, float *dx)
{
    const px_cuda_plan *plan = &engine->plan;
    if (l == 0 && plan->d == 0) return PX_OK;
    int rows = shape.T * shape.n, width = l == 0 ? plan->d : plan->h;
    const void *x = l == 0 ? engine->b.x : px_cuda_output(engine, shape, l - 1);
    PX_TRY(px_blas_tn(&engine->blas, plan->gate_rows, width, rows, dz, x, px_cuda_beta(shape),
                      px_cuda_tensor(engine, engine->b.gradients, PX_TENSOR_W_XH, l)));
    return px_blas_nn(&engine->blas, rows, width, plan->gate_rows, dz, px_cuda_operand(engine, PX_TENSOR_W_XH, l), 0,
                      dx);
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
    PX_CUDA(px_launch_penalties(&args, engine->compute));
    return PX_OK;
}

px_status px_cuda_recurrence_backward(px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    const px_cuda_plan *plan = &engine->plan;
    if (px_cuda_has_penalties(engine, l)) PX_TRY(add_penalties(engine, shape, l));
    PX_TRY(plan->variant->backward(engine, shape, l, w_hh_of(engine, shape.mode, l)));
    const void *dz_operand = plan->bf16 ? (const void *)engine->b.dz_bf16 : (const void *)px_cuda_dz(engine, l);
    PX_TRY(end_of_steps(engine, shape, l));
    PX_TRY(recurrent_weight_gradient(engine, shape, l, plan->keeps ? px_cuda_gates_dz_hh(engine, l) : dz_operand));
    return input_gradients(engine, shape, l, dz_operand, l > 0 ? px_cuda_d_output(engine, l - 1) : engine->b.dx);
}
