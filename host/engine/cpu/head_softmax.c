/* The output layer `softmax` of the CPU engine: O = H W_hq + b_q over all V tokens. Tied embeddings: O = U E^T + b_q
 * with U = H, or U = H P where d != h. */
#include "head.h"

/* The output layer's input [rows, width]: the top layer's (dropped) outputs, projected where that applies. */
static const float *head_input(px_cpu *cpu, const px_cpu_window *window)
{
    const float *top = px_cpu_layer_output(cpu, window, cpu->base.model.layers - 1);
    if (!cpu->projection.tensor) return top;
    px_cpu_forward_product(cpu, &cpu->projection, window->rows, top, NULL, cpu->u);
    return cpu->u;
}

/* The logits of a chunk of rows that starts at row `first` of the window; returns its length. */
static long chunk(px_cpu *cpu, const px_cpu_window *window, const float *input, long first, px_cpu_logits *logits)
{
    const long V = cpu->base.model.vocab, most = px_cpu_chunk_rows(cpu, V);
    const long rows = window->rows - first < most ? window->rows - first : most;
    *logits = (px_cpu_logits){.cpu = cpu, .logits = cpu->logits, .width = V};
    logits->targets = window->batch->targets + first;
    logits->nll = cpu->nll + first;
    px_cpu_forward_product(cpu, &cpu->output, rows, input + first * cpu->output.tensor->cols, cpu->b_q, cpu->logits);
    return rows;
}

static void train(px_cpu *cpu, const px_cpu_window *window, float *d_top)
{
    const long V = cpu->base.model.vocab, width = cpu->output.tensor->cols;
    const int top = cpu->base.model.layers - 1;
    const float *input = head_input(cpu, window);
    float *d_input = cpu->projection.tensor ? cpu->du : d_top;
    px_cpu_logits logits;
    for (long first = 0, rows; first < window->rows; first += rows) {
        rows = chunk(cpu, window, input, first, &logits);
        px_cpu_logits_gradient(&logits, rows, (float)window->batch->inv_count);
        px_cpu_add_columns(cpu, cpu->logits, rows, V, cpu->db_q);
        if (cpu->projection.tensor)
            px_cpu_weight_gradient(cpu, &cpu->output, rows, cpu->logits, input + first * width);
        else
            px_cpu_weight_gradient_of_layer(cpu, window, &cpu->output, rows, cpu->logits, top, first);
        px_cpu_data_gradient(cpu, &cpu->output, rows, cpu->logits, d_input + first * width);
    }
    if (cpu->projection.tensor) {
        px_cpu_weight_gradient_of_layer(cpu, window, &cpu->projection, window->rows, cpu->du, top, 0);
        px_cpu_data_gradient(cpu, &cpu->projection, window->rows, cpu->du, d_top);
    }
}

static void losses(px_cpu *cpu, const px_cpu_window *window)
{
    const float *input = head_input(cpu, window);
    px_cpu_logits logits;
    for (long first = 0, rows; first < window->rows; first += rows) {
        rows = chunk(cpu, window, input, first, &logits);
        px_cpu_logits_losses(&logits, rows);
    }
}

/* Rows of a table of probabilities. */
typedef struct probability_rows {
    const px_isa *isa;
    float *values;
    long V;
} probability_rows;

static void softmax_some(void *context, int thread, long begin, long end)
{
    const probability_rows *p = context;
    (void)thread;
    for (long r = begin; r < end; r++) p->isa->softmax(p->values + r * p->V, p->V);
}

static void probabilities(px_cpu *cpu, const px_cpu_window *window, float *values)
{
    probability_rows shared = {cpu->isa, values, cpu->base.model.vocab};
    px_cpu_forward_product(cpu, &cpu->output, window->rows, head_input(cpu, window), cpu->b_q, values);
    px_cpu_for_rows(cpu, window->rows, shared.V, softmax_some, &shared);
}

const px_cpu_head px_cpu_head_softmax = {train, losses, probabilities};
