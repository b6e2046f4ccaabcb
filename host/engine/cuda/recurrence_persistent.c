/* Variant "persistent": one kernel does a layer's whole window, and W_hh stays on chip meanwhile
 * (kernels/recurrence_persistent.cu, gates_persistent.cu). What goes up is dropped by a pass of its own, after the
 * kernel; what comes down before it. No workspace: the state travels between blocks. */
#include "operands.h"
#include "variants.h"
#include "window_args.h"

/* Workstations' GPUs of capability 12 have clusters of 8 blocks and 99 KB of shared memory a block. */
enum { CLUSTERS_MAJOR = 9, LARGE_CHIP_MAJOR_LAST = 11, SMALL_CLUSTER = 8, SMALL_SHARED = 99 * 1024 };

static const char *const too_wide[] = {
    [PX_FP32] = "in fp32 no more than 1024 units fit on the chip",
    [PX_TF32] = "in tf32 no more than 1024 units fit on the chip",
    [PX_BF16] = "in bf16 no more than 1536 units fit on the chip",
};

static const char *const too_wide_for_gates[] = {
    [PX_FP32] = "in fp32 no more than 256 units of a cell with gates fit on the chip",
    [PX_TF32] = "in tf32 no more than 256 units of a cell with gates fit on the chip",
    [PX_BF16] = "in bf16 no more than 512 units of a cell with gates fit on the chip",
};

static const char *unfit(const px_cuda_plan *plan, const px_device_info *info)
{
    const px_precision precision = plan->shape.precision;
    const int keeps = px_cell_of(plan->model.cell)->keeps;
    const px_persistent_fit fit = keeps ? px_persistent_gates_fit_of(precision, plan->model.cell, plan->h)
                                        : px_persistent_fit_of(precision, plan->h);
    if (info->major < CLUSTERS_MAJOR) return "it needs clusters of blocks, compute capability 9.0 or more";
    if (!fit.width) return keeps ? too_wide_for_gates[precision] : too_wide[precision];
    if (info->major > LARGE_CHIP_MAJOR_LAST && (fit.blocks > SMALL_CLUSTER || fit.shared_bytes > SMALL_SHARED))
        return "so wide a layer needs the clusters and the shared memory of compute capability 9.0 to 11";
    return NULL;
}

static size_t workspace(const px_cuda_plan *plan)
{
    (void)plan;
    return 0;
}

static px_persistent_gates_args gates_args_of(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh)
{
    const px_cuda_plan *plan = &engine->plan;
    const px_cuda_layer *layer = &engine->b.layer[l];
    px_persistent_gates_args args = {
        .w_hh = w_hh,
        .bias = px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_B_H, l),
        .bias_lone = layer->u ? px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_B_HN, l) : NULL,
        .reset = engine->b.window.reset,
        .z = layer->z,
        .u = layer->u,
        .h_bf16 = layer->h_bf16,
        .stall = engine->b.pinned_stall,
        .operand = plan->shape.precision,
        .cell = plan->model.cell,
        .T = shape.T,
        .n = shape.n,
        .width = plan->h,
        .multiprocessors = engine->info.multiprocessors,
    };
    for (int s = 0; s < plan->states; s++) args.state[s] = layer->s[s];
    return args;
}

/* The steps alone: from the input's terms to H. */
static px_status steps_forward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    if (engine->plan.keeps) {
        const px_persistent_gates_args args = gates_args_of(engine, piece->shape, piece->l, w_hh);
        PX_CUDA(px_launch_gates_persistent_forward(&args, px_cuda_place(engine, piece->lane->stream)));
    } else {
        const px_persistent_args args = px_cuda_window_args(engine, piece, w_hh);
        PX_CUDA(px_launch_recurrence_persistent_forward(&args, px_cuda_place(engine, piece->lane->stream)));
    }
    return PX_OK;
}

/* And back, from the gradient of H, masked. */
static px_status steps_backward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    if (engine->plan.keeps) {
        px_persistent_gates_args args = gates_args_of(engine, piece->shape, piece->l, w_hh);
        args.d_output = px_cuda_d_output(engine, piece->l);
        args.dz_bf16 = engine->b.dz_bf16[piece->l];
        args.dz_hh = engine->b.dz_hh;
        PX_CUDA(px_launch_gates_persistent_backward(&args, px_cuda_place(engine, piece->lane->stream)));
    } else {
        px_persistent_args args = px_cuda_window_args(engine, piece, w_hh);
        px_cuda_window_goes_back(engine, piece, &args);
        PX_CUDA(px_launch_recurrence_persistent_backward(&args, px_cuda_place(engine, piece->lane->stream)));
    }
    return PX_OK;
}

static px_status forward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    PX_TRY(steps_forward(engine, piece, w_hh));
    return px_cuda_window_drop_output(engine, piece);
}

static px_status backward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    PX_TRY(px_cuda_window_drop_gradient(engine, piece));
    return steps_backward(engine, piece, w_hh);
}

const px_cuda_variant px_cuda_variant_persistent = {PX_RECURRENCE_PERSISTENT, unfit, workspace, forward, backward};
