/* Variant "fused": one kernel a step makes the product and the cell (kernels/recurrence_fused.cu). Nothing lies between
 * the two, so it needs no workspace. Its products are fp32's multiplications: of fp32 or bf16 operands, and tf32 would
 * gain nothing. */
#include "operands.h"
#include "step_args.h"
#include "variants.h"

static const char *unfit(const px_cuda_plan *plan, const px_device_info *info)
{
    (void)info;
    if (px_cell_of(plan->model.cell)->keeps) return "it is for cells of one gate";
    return plan->shape.precision == PX_TF32 ? "it multiplies in fp32 and bf16" : NULL;
}

static size_t workspace(const px_cuda_plan *plan)
{
    (void)plan;
    return 0;
}

static px_element operand_of(const px_cuda *engine) { return engine->plan.bf16 ? PX_ELEMENT_BF16 : PX_ELEMENT_FP32; }

/* Step after step there is nothing but these kernels, so they overlap wherever the device lets them. */
static px_stream place_of(px_cuda *engine, const px_cuda_steps *piece, int first)
{
    px_stream place = px_cuda_place(engine, piece->lane->stream);
    if (!first) place.overlap = engine->can_overlap;
    return place;
}

static px_status forward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    const px_cuda_shape shape = piece->shape;
    const int32_t l = piece->l;
    for (int32_t t = piece->begin; t < piece->end; t++) {
        const px_fused_forward_args args = {
            .step = px_cuda_step_forward_args(engine, shape, l, t),
            .h_before = px_cuda_at(engine, px_cuda_h(engine, l), (size_t)t * (size_t)shape.n * (size_t)engine->plan.h),
            .w_hh = w_hh,
            .operand = operand_of(engine),
        };
        PX_CUDA(px_launch_recurrence_fused_forward(&args, place_of(engine, piece, t == piece->begin)));
    }
    return PX_OK;
}

static px_status backward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    const px_cuda_shape shape = piece->shape;
    const int32_t l = piece->l;
    const size_t step = (size_t)shape.n * (size_t)engine->plan.h;
    void *dz = px_cuda_dz_operand(engine, l);
    for (int32_t t = piece->end - 1; t >= piece->begin; t--) {
        const int last = t == shape.T - 1;
        const px_fused_backward_args args = {
            .step = px_cuda_step_backward_args(engine, shape, l, t),
            .dz_after = last ? NULL : px_cuda_at(engine, dz, (size_t)(t + 1) * step),
            .w_hh = w_hh,
            .operand = operand_of(engine),
        };
        PX_CUDA(px_launch_recurrence_fused_backward(&args, place_of(engine, piece, t == piece->end - 1)));
    }
    return PX_OK;
}

const px_cuda_variant px_cuda_variant_fused = {PX_RECURRENCE_FUSED, unfit, workspace, forward, backward};
