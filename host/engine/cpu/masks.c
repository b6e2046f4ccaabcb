/* Dropout masks of the CPU engine: which elements, by philox.h; how, by isa_mask.c. */
#include "cpu.h"
#include "philox.h"

#include <omp.h>

static px_mask mask_of(const px_cpu *cpu, uint32_t purpose, uint32_t layer, double p)
{
    return (px_mask){.seed = cpu->base.shape.seed, .purpose = purpose, .layer = layer, .threshold = px_dropout_threshold(p),
                     .scale = px_dropout_scale(p)};
}

static uint64_t row_element(const px_cpu *cpu, const px_cpu_window *window, long row, uint64_t width)
{
    const px_batch *batch = window->batch;
    return px_mask_element(batch->step, batch->streams_in_all, batch->first_stream + (uint64_t)(row % window->n), (uint64_t)cpu->base.shape.T,
                           (uint64_t)(row / window->n), width, 0, cpu->base.model.dropout_locked);
}

void px_cpu_mask_rows(px_cpu *cpu, const px_cpu_window *window, uint32_t purpose, uint32_t layer, double p, long width, const float *in,
                      float *out)
{
    const px_mask mask = mask_of(cpu, purpose, layer, p);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (long row = 0; row < window->rows; row++)
        cpu->isa->mask(out + row * width, in + row * width, width, &mask, row_element(cpu, window, row, (uint64_t)width));
}

float px_cpu_mask_token(const px_cpu *cpu, const px_cpu_window *window, long row, int32_t token)
{
    const px_mask mask = mask_of(cpu, PX_RANDOM_DROPOUT_INPUT, 0, cpu->base.model.dropout_input);
    const uint64_t element = row_element(cpu, window, row, (uint64_t)cpu->base.model.vocab) + (uint64_t)token;
    return px_random_u32(mask.seed, mask.purpose, mask.layer, element) >= mask.threshold ? mask.scale : 0.0f;
}

void px_cpu_mask_weights(px_cpu *cpu, const px_cpu_window *window, int l, const float *in, float *out)
{
    const px_mask mask = mask_of(cpu, PX_RANDOM_DROPOUT_WEIGHT, (uint32_t)l, cpu->base.model.dropout_weight);
    const long h = cpu->base.model.hidden;
    const uint64_t first = window->batch->step * (uint64_t)h * (uint64_t)h;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (long row = 0; row < h; row++) cpu->isa->mask(out + row * h, in + row * h, h, &mask, first + (uint64_t)(row * h));
}
