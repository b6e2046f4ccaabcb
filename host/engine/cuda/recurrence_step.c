/* Variant "step": per step one cuBLAS product H_{t-1} W_hh for the whole minibatch and one fused kernel. Every device,
 * cell and size. */
#include "gates.h"
#include "operands.h"
#include "step_args.h"
#include "variants.h"

static const char *unfit(const px_cuda_plan *plan, const px_device_info *info)
{
    (void)plan, (void)info;
    return NULL;
}

/* The product of one step: [n, G h] forward, [n, h] backward. */
static size_t workspace(const px_cuda_plan *plan)
{
    return (size_t)plan->shape.n * (size_t)plan->gate_rows * sizeof(float);
}

/* h_t = act(xz_t + keep H_{t-1} W_hh + b), step by step. */
static px_status forward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    const px_cuda_shape shape = piece->shape;
    const int32_t h = engine->plan.h, l = piece->l;
    if (engine->plan.keeps) return px_cuda_gates_forward(engine, shape, l, w_hh);
    for (int32_t t = piece->begin; t < piece->end; t++) {
        const size_t before = (size_t)t * (size_t)shape.n * (size_t)h;
        px_step_forward_args args = px_cuda_step_forward_args(engine, shape, l, t);
        args.recurrent = engine->b.recurrent[l];
        PX_TRY(px_blas_nt(&piece->lane->blas, shape.n, h, h, px_cuda_at(engine, px_cuda_h(engine, l), before), w_hh, 0,
                          engine->b.recurrent[l]));
        PX_CUDA(px_launch_recurrence_forward(&args, px_cuda_place(engine, piece->lane->stream)));
    }
    return PX_OK;
}

/* dz_t = (drop(d_output_t) + keep dZ_{t+1} W_hh^T) act'(h_t), from the last step to the first. */
static px_status backward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    const px_cuda_shape shape = piece->shape;
    const int32_t h = engine->plan.h, l = piece->l;
    void *dz = px_cuda_dz_operand(engine, l);
    if (engine->plan.keeps) return px_cuda_gates_backward(engine, shape, l, w_hh);
    for (int32_t t = piece->end - 1; t >= piece->begin; t--) {
        const size_t after = (size_t)(t + 1) * (size_t)shape.n * (size_t)h;
        px_step_backward_args args = px_cuda_step_backward_args(engine, shape, l, t);
        if (t < shape.T - 1) {
            PX_TRY(px_blas_nn(&piece->lane->blas, shape.n, h, h, px_cuda_at(engine, dz, after), w_hh, 0,
                              engine->b.recurrent[l]));
            args.recurrent = engine->b.recurrent[l];
        }
        PX_CUDA(px_launch_recurrence_backward(&args, px_cuda_place(engine, piece->lane->stream)));
    }
    return PX_OK;
}

const px_cuda_variant px_cuda_variant_step = {PX_RECURRENCE_STEP, unfit, workspace, forward, backward};
