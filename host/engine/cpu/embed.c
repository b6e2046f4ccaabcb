/* Embed phase of the CPU engine: token ids become the input term of layer 0, and its gradient returns to the token rows.
 *
 * One-hot input: X_t W_xh is a row of W_xh [V,h]; the recurrence reads it in place unless a mask applies.
 * Embedding: X = E[tokens], and X W_xh^T is one product over all T n rows. */
#include "cpu.h"
#include "philox.h"

#include <omp.h>
#include <string.h>

void px_cpu_embed_forward(px_cpu *cpu, const px_cpu_window *window)
{
    const int32_t *tokens = window->batch->tokens;
    const long n = window->n, h = cpu->base.model.hidden, d = cpu->base.model.embed;
    const int dropped = window->training && cpu->base.model.dropout_input > 0;
    if (d == 0) {
        if (!dropped) return;
        float *out = cpu->layer[0].h + n * h;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
        for (long row = 0; row < window->rows; row++) {
            const float factor = px_cpu_mask_token(cpu, window, row, tokens[row]);
            const float *source = cpu->one_hot + (size_t)tokens[row] * (size_t)h;
            for (long j = 0; j < h; j++) out[row * h + j] = factor * source[j];
        }
        return;
    }
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (long row = 0; row < window->rows; row++)
        memcpy(cpu->x + row * d, cpu->embedding + (size_t)tokens[row] * (size_t)d, sizeof(float) * (size_t)d);
    if (dropped) px_cpu_mask_rows(cpu, window, PX_RANDOM_DROPOUT_INPUT, 0, cpu->base.model.dropout_input, d, cpu->x, cpu->x);
    px_cpu_forward_product(cpu, window->training, &cpu->layer[0].w_xh, window->rows, cpu->x, NULL, cpu->layer[0].h + n * h);
}

/* table[token] += factor * row, rows in order. Threads own columns, so that no two write one element and the order is fixed. */
static void add_to_token_rows(px_cpu *cpu, const px_cpu_window *window, const float *rows, long width, int masked, float *table)
{
    const int32_t *tokens = window->batch->tokens;
    enum { GRAIN = 16 }; /* a cache line of floats */
#pragma omp parallel num_threads(cpu->threads)
    {
        long begin, end;
        px_share((width + GRAIN - 1) / GRAIN, omp_get_thread_num(), omp_get_num_threads(), &begin, &end);
        begin *= GRAIN;
        end = end * GRAIN < width ? end * GRAIN : width;
        for (long row = 0; row < window->rows && begin < end; row++) {
            float *to = table + (size_t)tokens[row] * (size_t)width + begin;
            const float *from = rows + row * width + begin;
            if (!masked)
                cpu->isa->add(to, from, end - begin);
            else {
                const float factor = px_cpu_mask_token(cpu, window, row, tokens[row]);
                if (factor != 0.0f) cpu->isa->add_scaled(to, from, factor, end - begin);
            }
        }
    }
    if (cpu->sparse)
        for (long row = 0; row < window->rows; row++) cpu->touched[tokens[row]] = 1;
}

void px_cpu_embed_backward(px_cpu *cpu, const px_cpu_window *window, const float *dz)
{
    const long h = cpu->base.model.hidden, d = cpu->base.model.embed;
    const int dropped = cpu->base.model.dropout_input > 0;
    if (d == 0) {
        add_to_token_rows(cpu, window, dz, h, dropped, cpu->d_one_hot);
        return;
    }
    px_cpu_weight_gradient(cpu, &cpu->layer[0].w_xh, window->rows, dz, cpu->x);
    px_cpu_data_gradient(cpu, &cpu->layer[0].w_xh, window->rows, dz, cpu->dx);
    if (dropped) px_cpu_mask_rows(cpu, window, PX_RANDOM_DROPOUT_INPUT, 0, cpu->base.model.dropout_input, d, cpu->dx, cpu->dx);
    add_to_token_rows(cpu, window, cpu->dx, d, 0, cpu->d_embedding);
}
