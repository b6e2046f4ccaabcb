/* Variant "grid": as "persistent", with as many blocks as hold W_hh in their registers, which exchange the state
 * through device memory (kernels/recurrence_grid.cu): for GPUs without clusters, and for wider layers. Workspace:
 * counters, and the state twice. */
#include "operands.h"
#include "variants.h"
#include "window_args.h"

enum { CAPABILITY_MAJOR = 7 }; /* loads that acquire; precisions have limits of their own */

static const char *const too_wide[] = {
    [PX_FP32] = "in fp32 it is built for up to 1024 units",
    [PX_TF32] = "in tf32 it is built for up to 1024 units",
    [PX_BF16] = "in bf16 it is built for up to 2048 units",
};

static const char *unfit(const px_cuda_plan *plan, const px_device_info *info)
{
    const px_precision precision = plan->shape.precision;
    const px_persistent_fit fit = px_grid_fit_of(precision, plan->h);
    if (px_cell_of(plan->model.cell)->keeps) return "it is for cells of one gate";
    if (info->major < CAPABILITY_MAJOR) return "it needs compute capability 7.0 or more";
    if (!fit.width) return too_wide[precision];
    if (info->multiprocessors < fit.blocks) return "so wide a layer needs more multiprocessors than this GPU has";
    return NULL;
}

static size_t workspace(const px_cuda_plan *plan)
{
    return px_grid_workspace_bytes(plan->shape.precision, plan->h, plan->shape.n);
}

/* The counters begin at zero. */
static px_status clear_counters(px_cuda *engine, const px_cuda_steps *piece)
{
    PX_CUDA(cudaMemsetAsync(engine->b.recurrent[piece->l], 0, px_grid_counter_words(piece->shape.n) * sizeof(uint32_t),
                            piece->lane->stream));
    px_cuda_place_after_other(engine);
    return PX_OK;
}

/* A layer that computes beside others has its share of the multiprocessors, which holds W_hh (wavefront.c). */
static px_grid_args grid_args(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    return (px_grid_args){px_cuda_window_args(engine, piece, w_hh), engine->b.recurrent[piece->l]};
}

static px_status forward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    const px_grid_args args = grid_args(engine, piece, w_hh);
    PX_TRY(clear_counters(engine, piece));
    PX_CUDA(px_launch_recurrence_grid_forward(&args, px_cuda_place(engine, piece->lane->stream)));
    return px_cuda_window_drop_output(engine, piece);
}

static px_status backward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    px_grid_args args = grid_args(engine, piece, w_hh);
    px_cuda_window_goes_back(engine, piece, &args.window);
    PX_TRY(px_cuda_window_drop_gradient(engine, piece));
    PX_TRY(clear_counters(engine, piece));
    PX_CUDA(px_launch_recurrence_grid_backward(&args, px_cuda_place(engine, piece->lane->stream)));
    return PX_OK;
}

const px_cuda_variant px_cuda_variant_grid = {PX_RECURRENCE_GRID, unfit, workspace, forward, backward};
