/* Variant "persistent": one kernel does a layer's whole window, and W_hh stays on chip meanwhile
 * (kernels/recurrence_persistent.cu). What goes up is dropped by a pass of its own, after the kernel; what comes down
 * before it. No workspace: the state travels between blocks. */
#include "operands.h"
#include "step_args.h"
#include "variants.h"

/* Workstations' GPUs of capability 12 have clusters of 8 blocks and 99 KB of shared memory a block. */
enum { CLUSTERS_MAJOR = 9, LARGE_CHIP_MAJOR_LAST = 11, SMALL_CLUSTER = 8, SMALL_SHARED = 99 * 1024 };

static const char *const too_wide[] = {
    [PX_FP32] = "in fp32 no more than 1024 units fit on the chip",
    [PX_TF32] = "in tf32 no more than 1024 units fit on the chip",
    [PX_BF16] = "in bf16 no more than 1536 units fit on the chip",
};

static const char *unfit(const px_cuda_plan *plan, const px_device_info *info)
{
    const px_precision precision = plan->shape.precision;
    const px_persistent_fit fit = px_persistent_fit_of(precision, plan->h);
    if (px_cell_of(plan->model.cell)->keeps) return "it is for cells of one gate";
    if (info->major < CLUSTERS_MAJOR) return "it needs clusters of blocks, compute capability 9.0 or more";
    if (!fit.width) return too_wide[precision];
    if (info->major > LARGE_CHIP_MAJOR_LAST && (fit.blocks > SMALL_CLUSTER || fit.shared_bytes > SMALL_SHARED))
        return "so wide a layer needs the clusters and the shared memory of compute capability 9.0 to 11";
    return NULL;
}

static size_t workspace(const px_cuda_plan *plan)
{
    (void)plan;
    return 0;
}

static px_persistent_args args_of(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh)
{
    const px_cuda_plan *plan = &engine->plan;
    return (px_persistent_args){
        .w_hh = w_hh,
        .bias = px_cuda_tensor(engine, engine->b.weights, PX_TENSOR_B_H, l),
        .reset = engine->b.window.reset,
        .h = engine->b.layer[l].h,
        .h_bf16 = engine->b.layer[l].h_bf16,
        .stall = engine->b.pinned_stall,
        .operand = plan->shape.precision,
        .cell = plan->model.cell,
        .T = shape.T,
        .n = shape.n,
        .width = plan->h,
        .multiprocessors = engine->info.multiprocessors,
    };
}

static px_status forward(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh)
{
    const px_persistent_args args = args_of(engine, shape, l, w_hh);
    const px_dropout dropout = px_cuda_output_dropout(engine, shape.mode, l);
    const size_t step = (size_t)shape.n * (size_t)engine->plan.h;
    void *output = engine->b.layer[l].output;
    PX_CUDA(px_launch_recurrence_persistent_forward(&args, engine->compute));
    if (!dropout.threshold) return PX_OK;
    PX_CUDA(px_launch_recurrence_dropout(px_cuda_as_float(engine, output), px_cuda_as_bf16(engine, output),
                                         args.h + step, &dropout, engine->b.window.scalars, shape.T, shape.n,
                                         engine->plan.h, engine->compute));
    return PX_OK;
}

static px_status backward(px_cuda *engine, px_cuda_shape shape, int32_t l, const void *w_hh)
{
    px_persistent_args args = args_of(engine, shape, l, w_hh);
    const px_dropout dropout = px_cuda_backward_dropout(engine, shape.mode, l);
    args.dz = px_cuda_d_output(engine, l); /* dZ replaces it */
    args.dz_bf16 = engine->b.dz_bf16;
    if (dropout.threshold)
        PX_CUDA(px_launch_recurrence_dropout(args.dz, NULL, args.dz, &dropout, engine->b.window.scalars, shape.T,
                                             shape.n, engine->plan.h, engine->compute));
    PX_CUDA(px_launch_recurrence_persistent_backward(&args, engine->compute));
    return PX_OK;
}

const px_cuda_variant px_cuda_variant_persistent = {PX_RECURRENCE_PERSISTENT, unfit, workspace, forward, backward};
