/* Head phase of the CPU engine: O = H W_hq + b_q, the loss, and the gradient of the top layer's outputs.
 *
 * Works in chunks of rows, so that the logits of a window over a large vocabulary never exist all at once; each chunk's
 * logits are turned into their gradients in place. Tied embeddings: O = U E^T + b_q with U = H, or U = H P where d !=
 * h. */
#include "cpu.h"

#include <math.h>
#include <string.h>

/* The output layer's input [rows, width]: the top layer's (dropped) outputs, projected where that applies. */
static const float *head_input(px_cpu *cpu, const px_cpu_window *window)
{
    const float *top = px_cpu_layer_output(cpu, window, cpu->base.model.layers - 1);
    if (!cpu->projection.tensor) return top;
    px_cpu_forward_product(cpu, &cpu->projection, window->rows, top, NULL, cpu->u);
    return cpu->u;
}

static double sum_in_order(const double *values, long count)
{
    double sum = 0;
    for (long i = 0; i < count; i++) sum += values[i];
    return sum;
}

static int64_t count_scored(const px_cpu_window *window)
{
    int64_t scored = 0;
    for (long row = 0; row < window->rows; row++) scored += window->batch->targets[row] >= 0;
    return scored;
}

static void add_loss(px_cpu *cpu, const px_cpu_window *window)
{
    const double loss = sum_in_order(cpu->nll, window->rows);
    cpu->metrics.loss_sum += loss;
    cpu->metrics.tokens += count_scored(window);
    if (window->training && !isfinite(loss)) cpu->loss_is_bad = 1;
}

/* A chunk of logits [rows,V] that starts at row `first` of the window. */
typedef struct logit_rows {
    px_cpu *cpu;
    const px_cpu_window *window;
    float *logits;
    long first;
} logit_rows;

static void gradient_of_logits(void *context, int thread, long begin, long end)
{
    const logit_rows *c = context;
    const long V = c->cpu->base.model.vocab;
    const float scale = (float)c->window->batch->inv_count;
    (void)thread;
    for (long r = begin; r < end; r++) {
        const int32_t target = c->window->batch->targets[c->first + r];
        float *row = c->logits + r * V;
        c->cpu->nll[c->first + r] = target < 0 ? 0 : c->cpu->isa->softmax_gradient(row, V, target, scale);
        if (target < 0) memset(row, 0, sizeof(float) * (size_t)V);
    }
}

static void loss_of_logits(void *context, int thread, long begin, long end)
{
    const logit_rows *c = context;
    const long V = c->cpu->base.model.vocab;
    (void)thread;
    for (long r = begin; r < end; r++) {
        const int32_t target = c->window->batch->targets[c->first + r];
        c->cpu->nll[c->first + r] = target < 0 ? 0 : c->cpu->isa->softmax_nll(c->logits + r * V, V, target);
    }
}

static void probabilities_of_logits(void *context, int thread, long begin, long end)
{
    const logit_rows *c = context;
    const long V = c->cpu->base.model.vocab;
    (void)thread;
    for (long r = begin; r < end; r++) c->cpu->isa->softmax(c->logits + r * V, V);
}

void px_cpu_head_train(px_cpu *cpu, const px_cpu_window *window, float *d_top)
{
    const long V = cpu->base.model.vocab, width = cpu->output.tensor->cols;
    const float *input = head_input(cpu, window);
    float *d_input = cpu->projection.tensor ? cpu->du : d_top;
    for (long first = 0; first < window->rows; first += cpu->chunk_rows) {
        const long rows = window->rows - first < cpu->chunk_rows ? window->rows - first : cpu->chunk_rows;
        logit_rows chunk = {cpu, window, cpu->logits, first};
        px_cpu_forward_product(cpu, &cpu->output, rows, input + first * width, cpu->b_q, cpu->logits);
        px_cpu_for_rows(cpu, rows, V, gradient_of_logits, &chunk);
        px_cpu_add_columns(cpu, cpu->logits, rows, V, cpu->db_q);
        if (cpu->projection.tensor)
            px_cpu_weight_gradient(cpu, &cpu->output, rows, cpu->logits, input + first * width);
        else
            px_cpu_weight_gradient_of_layer(cpu, window, &cpu->output, rows, cpu->logits, cpu->base.model.layers - 1,
                                            first);
        px_cpu_data_gradient(cpu, &cpu->output, rows, cpu->logits, d_input + first * width);
    }
    add_loss(cpu, window);
    if (cpu->projection.tensor) {
        px_cpu_weight_gradient_of_layer(cpu, window, &cpu->projection, window->rows, cpu->du,
                                        cpu->base.model.layers - 1, 0);
        px_cpu_data_gradient(cpu, &cpu->projection, window->rows, cpu->du, d_top);
    }
}

void px_cpu_head_evaluate(px_cpu *cpu, const px_cpu_window *window, float *token_nll)
{
    const long V = cpu->base.model.vocab, width = cpu->output.tensor->cols;
    const float *input = head_input(cpu, window);
    for (long first = 0; first < window->rows; first += cpu->chunk_rows) {
        const long rows = window->rows - first < cpu->chunk_rows ? window->rows - first : cpu->chunk_rows;
        logit_rows chunk = {cpu, window, cpu->logits, first};
        px_cpu_forward_product(cpu, &cpu->output, rows, input + first * width, cpu->b_q, cpu->logits);
        px_cpu_for_rows(cpu, rows, V, loss_of_logits, &chunk);
    }
    add_loss(cpu, window);
    if (token_nll)
        for (long row = 0; row < window->rows; row++) token_nll[row] = (float)cpu->nll[row];
}

void px_cpu_head_probabilities(px_cpu *cpu, const px_cpu_window *window, float *probabilities)
{
    logit_rows chunk = {cpu, window, probabilities, 0};
    px_cpu_forward_product(cpu, &cpu->output, window->rows, head_input(cpu, window), cpu->b_q, probabilities);
    px_cpu_for_rows(cpu, window->rows, cpu->base.model.vocab, probabilities_of_logits, &chunk);
}
