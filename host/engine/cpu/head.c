/* Head phase of the CPU engine: O = H W_hq + b_q, the loss, and the gradient of the top layer's outputs.
 *
 * Works in chunks of rows, so that the logits of a window over a large vocabulary never exist all at once; each chunk's logits are
 * turned into their gradients in place. Tied embeddings: O = U E^T + b_q with U = H, or U = H P where d != h. */
#include "cpu.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* The output layer's input [rows, width]: the top layer's (dropped) outputs, projected where that applies. */
static const float *head_input(px_cpu *cpu, const px_cpu_window *window)
{
    const float *top = px_cpu_layer_output(cpu, window, cpu->base.model.layers - 1);
    if (!cpu->projection.tensor) return top;
    px_cpu_forward_product(cpu, window->training, &cpu->projection, window->rows, top, NULL, cpu->u);
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

void px_cpu_head_train(px_cpu *cpu, const px_cpu_window *window, float *d_top)
{
    const px_isa *isa = cpu->isa;
    const long V = cpu->base.model.vocab, width = cpu->output.tensor->cols;
    const float *input = head_input(cpu, window);
    const float scale = (float)window->batch->inv_count;
    float *d_input = cpu->projection.tensor ? cpu->du : d_top;
    for (long first = 0; first < window->rows; first += cpu->chunk_rows) {
        const long rows = window->rows - first < cpu->chunk_rows ? window->rows - first : cpu->chunk_rows;
        px_cpu_forward_product(cpu, 1, &cpu->output, rows, input + first * width, cpu->b_q, cpu->logits);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
        for (long r = 0; r < rows; r++) {
            const int32_t target = window->batch->targets[first + r];
            float *row = cpu->logits + r * V;
            if (target >= 0)
                cpu->nll[first + r] = isa->softmax_gradient(row, V, target, scale);
            else {
                cpu->nll[first + r] = 0;
                memset(row, 0, sizeof(float) * (size_t)V);
            }
        }
        px_cpu_add_columns(cpu, cpu->logits, rows, V, cpu->db_q);
        if (cpu->projection.tensor)
            px_cpu_weight_gradient(cpu, &cpu->output, rows, cpu->logits, input + first * width);
        else
            px_cpu_weight_gradient_of_layer(cpu, window, &cpu->output, rows, cpu->logits, cpu->base.model.layers - 1, first);
        px_cpu_data_gradient(cpu, &cpu->output, rows, cpu->logits, d_input + first * width);
    }
    add_loss(cpu, window);
    if (cpu->projection.tensor) {
        px_cpu_weight_gradient_of_layer(cpu, window, &cpu->projection, window->rows, cpu->du, cpu->base.model.layers - 1, 0);
        px_cpu_data_gradient(cpu, &cpu->projection, window->rows, cpu->du, d_top);
    }
}

void px_cpu_head_evaluate(px_cpu *cpu, const px_cpu_window *window, float *token_nll)
{
    const long V = cpu->base.model.vocab, width = cpu->output.tensor->cols;
    const float *input = head_input(cpu, window);
    for (long first = 0; first < window->rows; first += cpu->chunk_rows) {
        const long rows = window->rows - first < cpu->chunk_rows ? window->rows - first : cpu->chunk_rows;
        px_cpu_forward_product(cpu, 0, &cpu->output, rows, input + first * width, cpu->b_q, cpu->logits);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
        for (long r = 0; r < rows; r++) {
            const int32_t target = window->batch->targets[first + r];
            cpu->nll[first + r] = target < 0 ? 0 : cpu->isa->softmax_nll(cpu->logits + r * V, V, target);
        }
    }
    add_loss(cpu, window);
    if (token_nll)
        for (long row = 0; row < window->rows; row++) token_nll[row] = (float)cpu->nll[row];
}

void px_cpu_head_probabilities(px_cpu *cpu, const px_cpu_window *window, float *probabilities)
{
    const long V = cpu->base.model.vocab;
    px_cpu_forward_product(cpu, 0, &cpu->output, window->rows, head_input(cpu, window), cpu->b_q, probabilities);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (long row = 0; row < window->rows; row++) cpu->isa->softmax(probabilities + row * V, V);
}
