/* Variant "wide": as "persistent", with products of warpgroups, so that a cluster takes up to 32 streams
 * (kernels/recurrence_wide.cu): for so many streams that those clusters would come in waves. No workspace. */
#include "variants.h"
#include "window_args.h"

enum { WARPGROUPS_MAJOR = 9 }; /* and no later one has these instructions */

static const char *const too_wide[] = {
    [PX_TF32] = "in tf32 it is built for up to 512 units",
    [PX_BF16] = "in bf16 it is built for up to 1024 units",
};

static const char *unfit(const px_cuda_plan *plan, const px_device_info *info)
{
    const px_precision precision = plan->shape.precision;
    if (px_cell_of(plan->model.cell)->keeps) return "it is for cells of one gate";
    if (precision == PX_FP32) return "it multiplies on tensor cores, --precision tf32 or bf16";
    if (info->major != WARPGROUPS_MAJOR) return "it needs the matrix instructions of compute capability 9.0 alone";
    if (!px_wide_is_built()) return "this build lacks them; 90a must be among its CMAKE_CUDA_ARCHITECTURES";
    return px_wide_fit_of(precision, plan->h).width ? NULL : too_wide[precision];
}

static size_t workspace(const px_cuda_plan *plan)
{
    (void)plan;
    return 0;
}

static px_status forward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    const px_persistent_args args = px_cuda_window_args(engine, piece, w_hh);
    PX_CUDA(px_launch_recurrence_wide_forward(&args, px_cuda_place(engine, piece->lane->stream)));
    return px_cuda_window_drop_output(engine, piece);
}

static px_status backward(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh)
{
    px_persistent_args args = px_cuda_window_args(engine, piece, w_hh);
    px_cuda_window_goes_back(engine, piece, &args);
    PX_TRY(px_cuda_window_drop_gradient(engine, piece));
    PX_CUDA(px_launch_recurrence_wide_backward(&args, px_cuda_place(engine, piece->lane->stream)));
    return PX_OK;
}

const px_cuda_variant px_cuda_variant_wide = {PX_RECURRENCE_WIDE, unfit, workspace, forward, backward};
