/* Penalties on the top layer's outputs (docs/DESIGN.md): their gradients, added where those of the loss are. */
#include "cpu.h"
#include "philox.h"

int px_cpu_has_penalties(const px_cpu *cpu)
{
    return cpu->base.model.penalty_activation > 0 || cpu->base.model.penalty_temporal > 0;
}

/* What the pieces share: factors of m^2 H and of differences of H. */
typedef struct penalties {
    const px_cpu *cpu;
    const px_cpu_window *window;
    const float *up, *h; /* [T,n,h] what goes up, and H_1 to H_T */
    float *d;            /* [T,n,h] += */
    float activation, temporal;
} penalties;

/* Whether the stream went on to this row from a scored one, and this one is scored too. */
static int follows(const px_cpu_window *window, long row)
{
    const px_batch *batch = window->batch;
    return row >= window->n && batch->targets[row - window->n] >= 0 && batch->targets[row] >= 0 && !batch->reset[row];
}

static void add_to_row(const penalties *p, long row)
{
    const long h = p->cpu->base.model.hidden, n = p->window->n;
    const float *now = p->h + row * h, *up = p->up + row * h;
    float *d = p->d + row * h;
    if (p->window->batch->targets[row] >= 0 && p->activation > 0)
        for (long j = 0; j < h; j++) d[j] += p->activation * up[j];
    if (p->temporal == 0) return;
    if (follows(p->window, row))
        for (long j = 0; j < h; j++) d[j] += p->temporal * (now[j] - now[j - n * h]);
    if (row + n < p->window->rows && follows(p->window, row + n))
        for (long j = 0; j < h; j++) d[j] -= p->temporal * (now[j + n * h] - now[j]);
}

static void add_to_rows(void *context, int thread, long begin, long end)
{
    (void)thread;
    for (long row = begin; row < end; row++) add_to_row(context, row);
}

void px_cpu_add_penalties(px_cpu *cpu, const px_cpu_window *window, float *d)
{
    const px_model_config *model = &cpu->base.model;
    const int top = model->layers - 1;
    const double unit = 2 * window->batch->inv_count / model->hidden;
    /* d (m h)^2 / dh = 2 m (m h), and m is the scale wherever m h is not 0 */
    const double scale = model->dropout_output > 0 ? (double)px_dropout_scale(model->dropout_output) : 1;
    const penalties p = {.cpu = cpu,
                         .window = window,
                         .up = px_cpu_layer_output(cpu, window, top),
                         .h = cpu->layer[top].h + (size_t)window->n * (size_t)model->hidden,
                         .d = d,
                         .activation = (float)(model->penalty_activation * unit * scale),
                         .temporal = (float)(model->penalty_temporal * unit)};
    px_cpu_for_rows(cpu, window->rows, model->hidden, add_to_rows, (void *)&p);
}
