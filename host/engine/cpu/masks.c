/* Dropout masks of the CPU engine: which elements, by philox.h; how, by isa_mask.c. */
#include "cpu.h"
#include "philox.h"

static px_mask mask_of(const px_cpu *cpu, uint32_t purpose, uint32_t layer, double p)
{
    return (px_mask){.seed = cpu->base.shape.seed,
                     .purpose = purpose,
                     .layer = layer,
                     .threshold = px_dropout_threshold(p),
                     .scale = px_dropout_scale(p)};
}

static uint64_t row_element(const px_cpu *cpu, const px_cpu_window *window, long row, uint64_t width)
{
    const px_batch *batch = window->batch;
    return px_mask_element(batch->step, batch->streams_in_all, batch->first_stream + (uint64_t)(row % window->n),
                           (uint64_t)cpu->base.shape.T, (uint64_t)(row / window->n), width, 0,
                           cpu->base.model.dropout_locked);
}

/* Rows under one mask: what their pieces share. */
typedef struct masked_rows {
    const px_cpu *cpu;
    const px_cpu_window *window; /* NULL: rows of a weight matrix, whose elements are numbered through from `first` */
    px_mask mask;
    uint64_t first;
    long width;
    const float *in;
    float *out;
} masked_rows;

static void mask_some_rows(void *context, int thread, long begin, long end)
{
    const masked_rows *m = context;
    const uint64_t width = (uint64_t)m->width;
    (void)thread;
    for (long row = begin; row < end; row++)
        m->cpu->isa->mask(m->out + row * m->width, m->in + row * m->width, m->width, &m->mask,
                          m->window ? row_element(m->cpu, m->window, row, width) : m->first + (uint64_t)row * width);
}

void px_cpu_mask_rows(px_cpu *cpu, const px_cpu_window *window, uint32_t purpose, uint32_t layer, double p, long width,
                      const float *in, float *out)
{
    masked_rows m = {
        .cpu = cpu, .window = window, .mask = mask_of(cpu, purpose, layer, p), .width = width, .in = in, .out = out};
    px_cpu_for_rows(cpu, window->rows, width, mask_some_rows, &m);
}

int px_cpu_masks_tokens(const px_cpu *cpu, const px_cpu_window *window)
{
    const px_model_config *model = &cpu->base.model;
    return window->training && (model->dropout_embedding > 0 || (model->embed == 0 && model->dropout_input > 0));
}

/* The factor of one element: 0 or scale; 1 where p is 0. */
static float mask_element(const px_cpu *cpu, uint32_t purpose, double p, uint64_t element)
{
    const px_mask mask = mask_of(cpu, purpose, 0, p);
    if (p == 0) return 1;
    return px_random_u32(mask.seed, mask.purpose, mask.layer, element) >= mask.threshold ? mask.scale : 0.0f;
}

float px_cpu_mask_token(const px_cpu *cpu, const px_cpu_window *window, long row, int32_t token)
{
    const px_model_config *model = &cpu->base.model;
    const uint64_t V = (uint64_t)model->vocab, id = (uint64_t)token;
    const float kept =
        mask_element(cpu, PX_RANDOM_DROPOUT_EMBEDDING, model->dropout_embedding, window->batch->step * V + id);
    if (model->embed > 0) return kept;
    return kept *
           mask_element(cpu, PX_RANDOM_DROPOUT_INPUT, model->dropout_input, row_element(cpu, window, row, V) + id);
}

void px_cpu_mask_weights(px_cpu *cpu, const px_cpu_window *window, int l, const float *in, float *out)
{
    const long h = cpu->base.model.hidden;
    masked_rows m = {.cpu = cpu,
                     .mask = mask_of(cpu, PX_RANDOM_DROPOUT_WEIGHT, (uint32_t)l, cpu->base.model.dropout_weight),
                     .first = window->batch->step * (uint64_t)cpu->gate_rows * (uint64_t)h,
                     .width = h,
                     .in = in,
                     .out = out};
    px_cpu_for_rows(cpu, cpu->gate_rows, h, mask_some_rows, &m);
}
