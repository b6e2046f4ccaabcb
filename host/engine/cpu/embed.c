/* Embed phase of the CPU engine: token ids become the input term of layer 0, and its gradient returns to the token
 * rows.
 *
 * One-hot input: X_t W_xh is a row of W_xh [V,G h]; the recurrence reads it in place unless a mask applies.
 * Embedding: X = E[tokens], and X W_xh^T is one product over all T n rows. */
#include "cpu.h"
#include "philox.h"

#include <string.h>

/* A window whose rows, or columns of its gradient, are handed out; masked: under the factors of px_cpu_mask_token. */
typedef struct embed_rows {
    px_cpu *cpu;
    const px_cpu_window *window;
    const float *rows; /* backward: [T,n,width] gradient of what was looked up */
    long width;
    int masked;
    float *table; /* backward: [V,width] += */
} embed_rows;

static void one_hot_dropped(void *context, int thread, long begin, long end)
{
    const embed_rows *e = context;
    const px_cpu *cpu = e->cpu;
    const long width = cpu->gate_rows;
    float *out = px_cpu_input_term(cpu, e->window, 0);
    (void)thread;
    for (long row = begin; row < end; row++) {
        const int32_t token = e->window->batch->tokens[row];
        const float factor = px_cpu_mask_token(cpu, e->window, row, token);
        const float *source = cpu->one_hot + (size_t)token * (size_t)width;
        for (long j = 0; j < width; j++) out[row * width + j] = factor * source[j];
    }
}

static void look_up(void *context, int thread, long begin, long end)
{
    const embed_rows *e = context;
    const px_cpu *cpu = e->cpu;
    const long d = cpu->base.model.embed;
    (void)thread;
    for (long row = begin; row < end; row++) {
        const int32_t token = e->window->batch->tokens[row];
        const float *from = cpu->embedding + (size_t)token * (size_t)d;
        float *to = cpu->x + row * d;
        if (!e->masked) {
            memcpy(to, from, sizeof(float) * (size_t)d);
            continue;
        }
        const float factor = px_cpu_mask_token(cpu, e->window, row, token);
        for (long j = 0; j < d; j++) to[j] = factor * from[j];
    }
}

void px_cpu_embed_forward(px_cpu *cpu, const px_cpu_window *window)
{
    const long d = cpu->base.model.embed;
    const int dropped = window->training && cpu->base.model.dropout_input > 0;
    embed_rows e = {.cpu = cpu, .window = window, .masked = px_cpu_masks_tokens(cpu, window)};
    if (d == 0) {
        if (e.masked) px_cpu_for_rows(cpu, window->rows, cpu->gate_rows, one_hot_dropped, &e);
        return;
    }
    px_cpu_for_rows(cpu, window->rows, d, look_up, &e);
    if (dropped)
        px_cpu_mask_rows(cpu, window, PX_RANDOM_DROPOUT_INPUT, 0, cpu->base.model.dropout_input, d, cpu->x, cpu->x);
    px_cpu_forward_product(cpu, &cpu->layer[0].w_xh, window->rows, cpu->x, NULL, px_cpu_input_term(cpu, window, 0));
}

static void add_columns_to_tokens(void *context, int thread, long begin, long end)
{
    const embed_rows *e = context;
    const px_isa *isa = e->cpu->isa;
    const int32_t *tokens = e->window->batch->tokens;
    (void)thread;
    for (long row = 0; row < e->window->rows; row++) {
        float *to = e->table + (size_t)tokens[row] * (size_t)e->width + begin;
        const float *from = e->rows + row * e->width + begin;
        if (!e->masked)
            isa->add(to, from, end - begin);
        else {
            const float factor = px_cpu_mask_token(e->cpu, e->window, row, tokens[row]);
            if (factor != 0.0f) isa->add_scaled(to, from, factor, end - begin);
        }
    }
}

/* table[token] += factor * row, rows in order. Columns are handed out, so that no two threads write one element and the
 * order is fixed. */
static void add_to_token_rows(px_cpu *cpu, const px_cpu_window *window, const float *rows, long width, int masked,
                              float *table)
{
    embed_rows e = {cpu, window, rows, width, masked, table};
    px_cpu_for_columns(cpu, width, window->rows, add_columns_to_tokens, &e);
    if (cpu->sparse)
        for (long row = 0; row < window->rows; row++) cpu->touched[window->batch->tokens[row]] = 1;
}

void px_cpu_embed_backward(px_cpu *cpu, const px_cpu_window *window, const float *dz)
{
    const long d = cpu->base.model.embed;
    const int dropped = cpu->base.model.dropout_input > 0, masked = px_cpu_masks_tokens(cpu, window);
    if (d == 0) {
        add_to_token_rows(cpu, window, dz, cpu->gate_rows, masked, cpu->d_one_hot);
        return;
    }
    px_cpu_weight_gradient(cpu, &cpu->layer[0].w_xh, window->rows, dz, cpu->x);
    px_cpu_data_gradient(cpu, &cpu->layer[0].w_xh, window->rows, dz, cpu->dx);
    if (dropped)
        px_cpu_mask_rows(cpu, window, PX_RANDOM_DROPOUT_INPUT, 0, cpu->base.model.dropout_input, d, cpu->dx, cpu->dx);
    add_to_token_rows(cpu, window, cpu->dx, d, masked, cpu->d_embedding);
}
