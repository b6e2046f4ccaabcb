/* Head phase of the CPU engine: the loss of a window, and the gradient of the top layer's outputs. What every output
 * layer shares is here: see head.h. */
#include "head.h"

#include <math.h>
#include <string.h>

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

long px_cpu_chunk_rows(const px_cpu *cpu, long width)
{
    /* Each chunk reads and writes the whole gradient of the output layer, so chunks are long: some 64 MiB of logits, at
     * least 64 rows. (V = 10,000, h = 512, 1,120 rows: the head in one chunk takes 3 % less time than in four, 4 % less
     * than in eleven; bench/results/2026-11-28-amd-epyc-2-cores.) */
    enum { CHUNK_FLOATS = 16 << 20, LEAST = 64 };
    const long rows = (long)cpu->base.shape.n * cpu->base.shape.T;
    const long most = CHUNK_FLOATS / width < LEAST ? LEAST : CHUNK_FLOATS / width;
    const long chunks = (rows + most - 1) / most; /* of one size, so that none is a small rest */
    return (rows + chunks - 1) / chunks;
}

/* Rows of logits whose pieces are handed out. */
typedef struct logit_rows {
    const px_cpu_logits *logits;
    float scale; /* of the gradient */
} logit_rows;

static void gradient_of_some(void *context, int thread, long begin, long end)
{
    const px_cpu_logits *l = ((const logit_rows *)context)->logits;
    const float scale = ((const logit_rows *)context)->scale;
    (void)thread;
    for (long r = begin; r < end; r++) {
        float *row = l->logits + r * l->width;
        if (l->targets[r] >= 0)
            l->nll[l->places ? l->places[r] : r] += l->cpu->isa->softmax_gradient(row, l->width, l->targets[r], scale);
        else
            memset(row, 0, sizeof(float) * (size_t)l->width);
    }
}

static void losses_of_some(void *context, int thread, long begin, long end)
{
    const px_cpu_logits *l = ((const logit_rows *)context)->logits;
    (void)thread;
    for (long r = begin; r < end; r++)
        if (l->targets[r] >= 0)
            l->nll[l->places ? l->places[r] : r] +=
                l->cpu->isa->softmax_nll(l->logits + r * l->width, l->width, l->targets[r]);
}

void px_cpu_logits_gradient(const px_cpu_logits *logits, long rows, float scale)
{
    logit_rows shared = {logits, scale};
    px_cpu_for_rows(logits->cpu, rows, logits->width, gradient_of_some, &shared);
}

void px_cpu_logits_losses(const px_cpu_logits *logits, long rows)
{
    logit_rows shared = {.logits = logits};
    px_cpu_for_rows(logits->cpu, rows, logits->width, losses_of_some, &shared);
}

static void clear_losses(px_cpu *cpu, const px_cpu_window *window)
{
    for (long row = 0; row < window->rows; row++) cpu->nll[row] = 0;
}

void px_cpu_head_train(px_cpu *cpu, const px_cpu_window *window, float *d_top)
{
    clear_losses(cpu, window);
    cpu->head->train(cpu, window, d_top);
    add_loss(cpu, window);
}

void px_cpu_head_evaluate(px_cpu *cpu, const px_cpu_window *window, float *token_nll)
{
    clear_losses(cpu, window);
    cpu->head->losses(cpu, window);
    add_loss(cpu, window);
    if (token_nll)
        for (long row = 0; row < window->rows; row++) token_nll[row] = (float)cpu->nll[row];
}

void px_cpu_head_probabilities(px_cpu *cpu, const px_cpu_window *window, float *probabilities)
{
    cpu->head->probabilities(cpu, window, probabilities);
}
