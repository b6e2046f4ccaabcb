/* Layers as a wavefront: see wavefront.h. */
#include "wavefront.h"

#include "check.h"
#include "variants.h"

/* Multiprocessors that all layers take side by side. A kernel on the grid begins when all of its blocks have a place:
 * where there are too few, layers would wait for one another. */
static int32_t multiprocessors_of(const px_cuda_plan *plan)
{
    if (plan->variant->name != PX_RECURRENCE_GRID) return 0;
    return plan->L * px_grid_fit_of(plan->shape.precision, plan->h).blocks;
}

/* What no measurement has shown to pay on a GPU, auto leaves out. */
px_status px_cuda_choose_wavefront(const px_cuda_plan *plan, const px_device_info *info, int32_t *steps)
{
    const int32_t asked = plan->shape.wavefront, taken = multiprocessors_of(plan);
    const char *reason = plan->keeps   ? "it is for cells of one gate"
                         : plan->L < 2 ? "it takes two layers or more"
                                       : NULL;
    *steps = asked > 0 ? asked : 0;
    if (*steps == 0) return PX_OK;
    if (reason)
        return px_fail(PX_ERR_DEVICE, "--wavefront %d: not for this model: %s; use --wavefront off", asked, reason);
    if (taken > info->multiprocessors)
        return px_fail(PX_ERR_DEVICE,
                       "--wavefront %d: not on this GPU: %d layers on the grid side by side take %d multiprocessors, "
                       "and it has %d; use --wavefront off, or --recurrence step",
                       asked, plan->L, taken, info->multiprocessors);
    return PX_OK;
}

px_status px_cuda_wavefront_create(px_cuda *engine)
{
    engine->lane[0].stream = engine->compute;
    engine->lane[0].blas = engine->blas;
    for (int32_t l = 0; engine->plan.wavefront > 0 && l < engine->plan.L; l++) {
        px_cuda_lane *lane = &engine->lane[l];
        PX_CUDA(cudaEventCreateWithFlags(&lane->done, cudaEventDisableTiming));
        if (l == 0) continue;
        PX_CUDA(cudaStreamCreateWithFlags(&lane->stream, cudaStreamNonBlocking));
        PX_TRY(px_blas_create(&lane->blas, engine->plan.shape.precision, lane->stream, engine->b.blas_workspace[l]));
    }
    return PX_OK;
}

void px_cuda_wavefront_destroy(px_cuda *engine)
{
    for (int32_t l = 0; l < PX_MAX_LAYERS; l++) {
        px_cuda_lane *lane = &engine->lane[l];
        if (lane->done) cudaEventDestroy(lane->done);
        if (l > 0) px_blas_destroy(&lane->blas);
        if (l > 0 && lane->stream) cudaStreamDestroy(lane->stream);
        *lane = (px_cuda_lane){0};
    }
}

int32_t px_cuda_pieces(const px_cuda *engine, px_cuda_shape shape)
{
    const int32_t steps = engine->plan.wavefront;
    return steps > 0 ? (shape.T + steps - 1) / steps : 1;
}

px_cuda_steps px_cuda_piece_of(const px_cuda *engine, px_cuda_shape shape, int32_t l, int32_t k)
{
    const int32_t steps = engine->plan.wavefront, begin = k * steps;
    const int32_t end = shape.T - begin < steps ? shape.T : begin + steps;
    return (px_cuda_steps){.shape = shape, .l = l, .begin = begin, .end = end, .lane = &engine->lane[l]};
}

px_cuda_steps px_cuda_whole_of(const px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    return (px_cuda_steps){.shape = shape, .l = l, .begin = 0, .end = shape.T, .lane = &engine->lane[0]};
}

px_status px_cuda_lane_mark(px_cuda *engine, int32_t lane)
{
    PX_CUDA(cudaEventRecord(engine->lane[lane].done, engine->lane[lane].stream));
    return PX_OK;
}

px_status px_cuda_lane_wait(px_cuda *engine, int32_t later, int32_t earlier)
{
    PX_CUDA(cudaStreamWaitEvent(engine->lane[later].stream, engine->lane[earlier].done, 0));
    return PX_OK;
}
