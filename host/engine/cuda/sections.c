/* State to and from the host, in file layout; and the exchange of parameters with their average. */
#include "engine_cuda.h"
#include "layout.h"

/* Where a section lies on the device; NULL where the engine keeps none. */
static float *section_of(const px_cuda *engine, px_section section)
{
    const px_cuda_buffers *b = &engine->b;
    switch (section) {
    case PX_SECTION_PARAMETERS: return b->weights;
    case PX_SECTION_GRADIENTS: return b->gradients;
    case PX_SECTION_MOMENT1: return b->moment1;
    case PX_SECTION_MOMENT2: return b->moment2;
    case PX_SECTION_AVERAGE: return b->average;
    case PX_SECTION_STATE: return b->state;
    case PX_SECTION_EVAL_STATE: return b->eval_state;
    }
    return NULL;
}

/* Sections cut by the parameter table; they need the other layout where the input is one-hot. */
static int is_flat(px_section section) { return section != PX_SECTION_STATE && section != PX_SECTION_EVAL_STATE; }

size_t px_cuda_section_count(const px_engine *base, px_section section)
{
    const px_cuda *engine = (const px_cuda *)base;
    const px_cuda_plan *plan = &engine->plan;
    if (!section_of(engine, section)) return 0;
    size_t groups = section == PX_SECTION_STATE ? (size_t)plan->groups : 1;
    return is_flat(section) ? plan->file_table.count
                            : px_state_blocks(&plan->model) * groups * (size_t)plan->shape.n * (size_t)plan->h;
}

/* The update leaves what the next step's first window writes. */
px_status px_cuda_settle_gradients(px_cuda *engine)
{
    if (!engine->fresh || !engine->b.gradients) return PX_OK;
    PX_CUDA(cudaMemsetAsync(engine->b.gradients, 0, engine->plan.table.count * sizeof(float), engine->compute));
    engine->fresh = 0;
    return PX_OK;
}

/* Copies a section between its place on the device and host memory, where tensors lie as in files. Gaps between tensors
 * go along: they are zeros on both sides. */
static px_status copy_section(px_cuda *engine, px_section section, float *host, enum cudaMemcpyKind kind)
{
    const px_parameters *file = &engine->plan.file_table, *table = &engine->plan.table;
    const px_cuda_piece whole = {0, 0, px_cuda_section_count(&engine->base, section), file->tensor_count};
    for (int32_t k = 0; k < file->tensor_count;) {
        const px_cuda_piece piece = is_flat(section) ? px_cuda_piece_from(file, table, k) : whole;
        float *there = section_of(engine, section) + piece.device, *here = host + piece.file;
        const int down = kind == cudaMemcpyDeviceToHost;
        PX_CUDA(cudaMemcpyAsync(down ? here : there, down ? there : here, piece.count * sizeof *host, kind,
                                engine->compute));
        k = piece.next;
    }
    return PX_OK;
}

px_status px_cuda_read(px_engine *base, px_section section, float *values)
{
    px_cuda *engine = px_cuda_self(base);
    int convert = is_flat(section) && engine->scratch;
    PX_CUDA(cudaSetDevice(engine->ordinal));
    if (section == PX_SECTION_GRADIENTS) PX_TRY(px_cuda_settle_gradients(engine));
    PX_TRY(px_cuda_wait_stream(engine,
                               engine->compute)); /* a copy to ordinary memory would wait by itself, and watch nobody */
    PX_TRY(copy_section(engine, section, convert ? engine->scratch : values, cudaMemcpyDeviceToHost));
    PX_CUDA(cudaStreamSynchronize(engine->compute));
    if (convert) px_parameters_from_rows(&engine->plan.file_table, engine->scratch, values);
    return PX_OK;
}

/* New parameters are a new start: the bf16 copy follows, and the bad step is behind us. */
static px_status parameters_changed(px_cuda *engine)
{
    px_cuda_buffers *b = &engine->b;
    if (engine->plan.bf16)
        PX_CUDA(px_launch_layout_bf16(b->weights_bf16, b->weights, engine->plan.table.count,
                                      (px_stream){engine->compute, 0}));
    return PX_OK;
}

static px_status forget_bad_step(px_cuda *engine)
{
    px_device_metrics *metrics = engine->b.metrics;
    PX_CUDA(cudaMemsetAsync(&metrics->step_loss, 0, sizeof metrics->step_loss, engine->compute));
    PX_CUDA(cudaMemsetAsync(&metrics->bad_step, 0xff, sizeof metrics->bad_step, engine->compute)); /* -1 */
    PX_CUDA(cudaMemsetAsync(&metrics->bad_norm, 0, sizeof metrics->bad_norm, engine->compute));
    return PX_OK;
}

px_status px_cuda_write(px_engine *base, px_section section, const float *values)
{
    px_cuda *engine = px_cuda_self(base);
    int convert = is_flat(section) && engine->scratch;
    PX_CUDA(cudaSetDevice(engine->ordinal));
    if (section == PX_SECTION_GRADIENTS) PX_TRY(px_cuda_settle_gradients(engine));
    PX_TRY(px_cuda_wait_stream(engine, engine->compute));
    if (convert) px_parameters_to_rows(&engine->plan.file_table, values, engine->scratch);
    PX_TRY(copy_section(engine, section, convert ? engine->scratch : (float *)values, cudaMemcpyHostToDevice));
    if (section == PX_SECTION_PARAMETERS) {
        PX_TRY(parameters_changed(engine));
        PX_TRY(forget_bad_step(engine));
    }
    PX_CUDA(cudaStreamSynchronize(engine->compute)); /* values and scratch may be reused */
    return PX_OK;
}

/* Graphs hold the addresses, so contents move, piece by piece. */
px_status px_cuda_swap_average(px_engine *base)
{
    px_cuda *engine = px_cuda_self(base);
    px_cuda_buffers *b = &engine->b;
    size_t count = engine->plan.table.count, piece = engine->plan.swap_count;
    PX_CUDA(cudaSetDevice(engine->ordinal));
    for (size_t from = 0; from < count; from += piece) {
        size_t bytes = (count - from < piece ? count - from : piece) * sizeof(float);
        PX_CUDA(cudaMemcpyAsync(b->swap, b->weights + from, bytes, cudaMemcpyDeviceToDevice, engine->compute));
        PX_CUDA(
            cudaMemcpyAsync(b->weights + from, b->average + from, bytes, cudaMemcpyDeviceToDevice, engine->compute));
        PX_CUDA(cudaMemcpyAsync(b->average + from, b->swap, bytes, cudaMemcpyDeviceToDevice, engine->compute));
    }
    return parameters_changed(engine);
}
