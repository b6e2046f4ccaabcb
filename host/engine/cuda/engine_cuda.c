/* The CUDA engine: creation, and the calls of the seam. What each call enqueues is in the phase files; see
 * engine_cuda.h. */
#include "engine_cuda.h"
#include "head.h"
#include "variants.h"
#include "wavefront.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life -------------------------------------------------------------------------------------------------------- */

static px_status cuda_memory(const px_model_config *model, const px_optimizer_config *optimizer,
                             const px_engine_shape *shape, px_engine_memory *memory)
{
    px_cuda_plan plan;
    px_device_info info = {.memory_bytes = 0};
    int ordinal = 0;
    /* the chunk of the head and the variant of the recurrence depend on the GPU; without one a common size is assumed
     */
    if (cudaGetDevice(&ordinal) != cudaSuccess || px_cuda_device_info(ordinal, &info) != PX_OK) cudaGetLastError();
    PX_TRY(px_cuda_plan_make(model, optimizer, shape, &info, &plan));
    *memory = px_cuda_plan_memory(&plan);
    return PX_OK;
}

static void cuda_destroy(px_engine *base)
{
    if (!base) return;
    px_cuda *engine = px_cuda_self(base);
    cudaSetDevice(engine->ordinal);
    if (engine->compute) px_cuda_wait_stream(engine, engine->compute);
    if (engine->reduction.stream)
        px_cuda_wait_stream(engine, engine->reduction.stream); /* a step that failed has sums under way */
    engine->reduction.reducer.watch = NULL;                    /* whatever came of it */
    if (engine->staging.copy) cudaStreamSynchronize(engine->staging.copy);
    px_cuda_graphs_destroy(engine);
    px_cuda_reduce_destroy(engine);
    px_cuda_timing_destroy(engine);
    px_cuda_staging_destroy(engine);
    px_cuda_wavefront_destroy(engine);
    px_blas_lt_destroy(&engine->lt);
    px_blas_destroy(&engine->blas);
    if (engine->compute) cudaStreamDestroy(engine->compute);
    px_stall_watch_end(&engine->stalls);
    px_cuda_memory_destroy(engine);
    cudaGetLastError();
    free(engine->scratch);
    free(engine);
}

static px_status open_device(px_cuda *engine)
{
    int shared = 0;
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_TRY(px_cuda_device_info(engine->ordinal, &engine->info));
    PX_CUDA(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, engine->ordinal));
    engine->shared_bytes = (size_t)shared;
    PX_CUDA(cudaStreamCreateWithFlags(&engine->compute, cudaStreamNonBlocking));
    return PX_OK;
}

/* bf16 and TF32 products need tensor cores of the Ampere generation. */
static px_status check_precision(const px_cuda *engine, px_precision precision)
{
    if (precision != PX_FP32 && engine->info.major < 8)
        return px_fail(
            PX_ERR_DEVICE,
            "cuda:%d %s: --precision %s needs compute capability 8.0, this GPU has %d.%d; use --precision fp32",
            engine->ordinal, engine->info.name, px_precision_name(precision), engine->info.major, engine->info.minor);
    return PX_OK;
}

/* Host memory for the other layout of a one-hot W_xh. */
static px_status create_scratch(px_cuda *engine)
{
    size_t bytes = engine->plan.file_table.count * sizeof *engine->scratch;
    if (engine->plan.d > 0) return PX_OK;
    engine->scratch = calloc(1, bytes);
    if (!engine->scratch)
        return px_fail(PX_ERR_MEMORY,
                       "no %.1f MiB of host memory to read and write parameters; lower --hidden or --max-vocab",
                       (double)bytes / 1048576.0);
    return PX_OK;
}

/* Counters at their start: zeros, no bad step. */
static px_status clear_metrics(px_cuda *engine)
{
    PX_CUDA(cudaMemsetAsync(engine->b.metrics, 0, sizeof *engine->b.metrics, engine->compute));
    PX_CUDA(cudaMemsetAsync(&engine->b.metrics->bad_step, 0xff, sizeof engine->b.metrics->bad_step,
                            engine->compute)); /* -1 */
    return PX_OK;
}

static px_status cuda_create(const px_model_config *model, const px_optimizer_config *optimizer,
                             const px_engine_shape *shape, int ordinal, px_engine **result)
{
    px_status status;
    px_cuda *engine = calloc(1, sizeof *engine);
    if (!engine) return px_fail(PX_ERR_MEMORY, "no host memory for the CUDA engine");
    const char *graphs = getenv("PERPLEX_CUDA_GRAPHS");
    const char *dependent = getenv("PERPLEX_CUDA_DEPENDENT_LAUNCHES");
    engine->base.ops = &px_cuda_ops;
    engine->ordinal = ordinal;
    engine->use_graphs = !(graphs && strcmp(graphs, "0") == 0);
    PX_TRY_GOTO(status, open_device(engine), fail);
    engine->can_overlap = px_cuda_can_overlap(&engine->info);
    engine->dependent_launches = dependent && strcmp(dependent, "1") == 0 && engine->can_overlap;
    PX_TRY_GOTO(status, check_precision(engine, shape->precision), fail);
    PX_TRY_GOTO(status, px_cuda_plan_make(model, optimizer, shape, &engine->info, &engine->plan), fail);
    PX_TRY_GOTO(status, px_cuda_memory_create(engine), fail);
    px_stall_watch_begin(&engine->stalls, engine->b.pinned_stall);
    PX_TRY_GOTO(status, create_scratch(engine), fail);
    PX_TRY_GOTO(status, px_blas_create(&engine->blas, shape->precision, engine->compute, engine->b.blas_workspace[0]),
                fail);
    PX_TRY_GOTO(status, px_cuda_head_products_create(engine), fail);
    PX_TRY_GOTO(status, px_cuda_wavefront_create(engine), fail);
    PX_TRY_GOTO(status, px_cuda_staging_create(engine), fail);
    PX_TRY_GOTO(status, clear_metrics(engine), fail);
    PX_TRY_GOTO(status, px_cuda_graphs_prepare(engine), fail);
    engine->fresh = 1;
    *result = &engine->base;
    return PX_OK;
fail:
    cuda_destroy(&engine->base);
    return status;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static px_status cuda_accumulate(px_engine *base, const px_batch *batch)
{
    px_cuda *engine = px_cuda_self(base);
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_TRY(px_cuda_stage_window(engine, batch, NULL));
    const px_cuda_shape shape = {PX_CUDA_TRAIN, batch->T, batch->n, batch->group, engine->fresh};
    engine->fresh = 0;
    PX_TRY(px_cuda_run_window(engine, shape));
    return batch->last ? px_cuda_reduce_start(engine) : PX_OK;
}

/* The gradients lie on the device; they are complete when this returns. */
static px_status cuda_gradients(px_engine *base, float **flat, size_t *count)
{
    px_cuda *engine = px_cuda_self(base);
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_TRY(px_cuda_settle_gradients(engine));
    PX_TRY(px_cuda_wait_stream(engine, engine->compute));
    *flat = engine->b.gradients;
    *count = engine->plan.table.count;
    return PX_OK;
}

static px_status cuda_update(px_engine *base, const px_update *update)
{
    px_cuda *engine = px_cuda_self(base);
    double t = (double)update->step + (double)update->moment_steps + 1;
    px_update_scalars scalars = {
        .step = update->step,
        .lr = update->lr,
        .average_weight = update->average_weight,
        .bias1 = 1 - pow(engine->plan.optimizer.beta1, t),
        .bias2 = 1 - pow(engine->plan.optimizer.beta2, t),
    };
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_TRY(px_cuda_settle_gradients(engine));
    PX_TRY(px_cuda_reduce_finish(engine));
    /* a norm that is not finite skips the update, as a loss of this device would */
    if (update->loss_not_finite)
        PX_CUDA(cudaMemsetAsync(engine->b.gradients, 0xff, sizeof *engine->b.gradients, engine->compute));
    PX_TRY(px_cuda_stage_update(engine, &scalars));
    PX_TRY(px_cuda_run_update(engine));
    engine->fresh = 1;
    return PX_OK;
}

static px_status cuda_run_phase(px_engine *base, px_phase phase, const px_batch *batch, const px_update *update)
{
    px_cuda *engine = px_cuda_self(base);
    if (phase == PX_PHASE_UPDATE) return cuda_update(base, update);
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_TRY(px_cuda_stage_window(engine, batch, NULL));
    return px_cuda_run_phase(
        engine, (px_cuda_shape){PX_CUDA_TRAIN, batch->T, batch->n, batch->group, batch->group == 0}, phase);
}

static px_status cuda_set_reducer(px_engine *base, const px_reducer *reducer)
{
    px_cuda *engine = px_cuda_self(base);
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_TRY(px_cuda_reduce_set(engine, reducer));
    px_cuda_graphs_clear(engine); /* they hold the marks, or lack them */
    return px_cuda_graphs_prepare(engine);
}

static px_status cuda_evaluate(px_engine *base, const px_batch *batch, float *token_nll)
{
    px_cuda *engine = px_cuda_self(base);
    size_t bytes = (size_t)batch->T * (size_t)batch->n * sizeof *token_nll;
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_TRY(px_cuda_stage_window(engine, batch, NULL));
    PX_TRY(px_cuda_run_window(engine, (px_cuda_shape){PX_CUDA_EVALUATE, batch->T, batch->n, 0, 0}));
    if (!token_nll) return PX_OK;
    PX_CUDA(cudaMemcpyAsync(engine->b.pinned_nll, engine->b.nll, bytes, cudaMemcpyDeviceToHost, engine->compute));
    PX_TRY(px_cuda_wait_stream(engine, engine->compute));
    memcpy(token_nll, engine->b.pinned_nll, bytes);
    return PX_OK;
}

static px_status cuda_next(px_engine *base, const int32_t *tokens, const uint8_t *reset, int32_t n,
                           float *probabilities)
{
    px_cuda *engine = px_cuda_self(base);
    px_batch batch = {.tokens = tokens, .reset = reset, .T = 1, .n = n};
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_TRY(px_cuda_stage_window(engine, &batch, NULL));
    PX_TRY(px_cuda_run_window(engine, (px_cuda_shape){PX_CUDA_NEXT, 1, n, 0, 0}));
    return px_cuda_head_probabilities(engine, n, probabilities);
}

static px_status cuda_decode(px_engine *base, const int32_t *tokens, const uint8_t *reset, int32_t n,
                             const px_draw *draw, int32_t count, int32_t *drawn)
{
    px_cuda *engine = px_cuda_self(base);
    px_batch batch = {.tokens = tokens, .reset = reset, .T = 1, .n = n};
    const size_t bytes = (size_t)count * (size_t)n * sizeof *drawn;
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_TRY(px_cuda_stage_window(engine, &batch, draw));
    PX_TRY(px_cuda_run_decode(engine, (px_cuda_shape){PX_CUDA_DECODE, count, n, 0, 0}));
    PX_CUDA(cudaMemcpyAsync(engine->b.pinned_drawn, engine->b.drawn, bytes, cudaMemcpyDeviceToHost, engine->compute));
    PX_TRY(px_cuda_wait_stream(engine, engine->compute));
    memcpy(drawn, engine->b.pinned_drawn, bytes);
    return PX_OK;
}

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

static px_status cuda_metrics(px_engine *base, int reset, px_metrics *metrics)
{
    px_cuda *engine = px_cuda_self(base);
    px_device_metrics *device = engine->b.metrics, *host = engine->b.pinned_metrics;
    PX_CUDA(cudaSetDevice(engine->ordinal));
    PX_CUDA(cudaMemcpyAsync(host, device, sizeof *host, cudaMemcpyDeviceToHost, engine->compute));
    if (reset) {
        PX_CUDA(cudaMemsetAsync(&device->loss_sum, 0, sizeof device->loss_sum, engine->compute));
        PX_CUDA(cudaMemsetAsync(&device->tokens, 0, sizeof device->tokens, engine->compute));
    }
    PX_TRY(px_cuda_wait_stream(engine, engine->compute));
    *metrics = (px_metrics){
        .loss_sum = host->loss_sum,
        .tokens = host->tokens,
        .grad_norm = host->grad_norm,
        .updates = host->updates,
        .bad_step = host->bad_step,
        .bad_norm = host->bad_norm,
    };
    return PX_OK;
}

static px_recurrence cuda_recurrence(const px_engine *base) { return ((const px_cuda *)base)->plan.variant->name; }

static int32_t cuda_wavefront(const px_engine *base) { return ((const px_cuda *)base)->plan.wavefront; }

static px_status cuda_describe(const px_engine *base, char *buffer, size_t buffer_bytes)
{
    const px_cuda *engine = (const px_cuda *)base;
    const px_device_info *info = &engine->info;
    int major = 0, minor = 0, patch = 0;
    char wavefront[40] = "";
    cublasGetProperty(MAJOR_VERSION, &major);
    cublasGetProperty(MINOR_VERSION, &minor);
    cublasGetProperty(PATCH_LEVEL, &patch);
    if (engine->plan.wavefront > 0)
        snprintf(wavefront, sizeof wavefront, ", wavefront of %d steps", engine->plan.wavefront);
    snprintf(buffer, buffer_bytes,
             "cuda:%d %s, capability %d.%d, %d multiprocessors, %s, recurrence %s%s%s, logits of %d rows at a time, %s "
             "%d.%d.%d, CUDA %d.%d, driver CUDA %d.%d",
             engine->ordinal, info->name, info->major, info->minor, info->multiprocessors,
             px_precision_name(engine->plan.shape.precision), px_recurrence_name(engine->plan.variant->name), wavefront,
             engine->dependent_launches && !engine->plan.wavefront ? ", dependent launches" : "",
             engine->plan.head_rows, engine->head_blas.lt ? "head by cuBLASLt, cuBLAS" : "cuBLAS", major, minor, patch,
             info->runtime_version / 1000, info->runtime_version % 1000 / 10, info->driver_version / 1000,
             info->driver_version % 1000 / 10);
    return PX_OK;
}

const px_engine_ops px_cuda_ops = {
    .name = "cuda",
    .precisions = 1 << PX_FP32 | 1 << PX_TF32 | 1 << PX_BF16,
    .recurrences = 1 << PX_RECURRENCE_STEP | 1 << PX_RECURRENCE_FUSED | 1 << PX_RECURRENCE_PERSISTENT |
                   1 << PX_RECURRENCE_GRID | 1 << PX_RECURRENCE_WIDE,
    .memory = cuda_memory,
    .create = cuda_create,
    .destroy = cuda_destroy,
    .accumulate = cuda_accumulate,
    .gradients = cuda_gradients,
    .update = cuda_update,
    .evaluate = cuda_evaluate,
    .next = cuda_next,
    .decode = cuda_decode,
    .section_count = px_cuda_section_count,
    .read = px_cuda_read,
    .write = px_cuda_write,
    .swap_average = px_cuda_swap_average,
    .metrics = cuda_metrics,
    .phase_times = px_cuda_phase_times,
    .recurrence = cuda_recurrence,
    .wavefront = cuda_wavefront,
    .products = px_cuda_head_products_taken,
    .describe = cuda_describe,
    .peak = px_cuda_peak,
    .energy = px_cuda_energy,
    .run_phase = cuda_run_phase,
    .set_reducer = cuda_set_reducer,
};
