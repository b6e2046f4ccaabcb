/* Dense products of the CPU engine: activations of all T n rows with a weight matrix, forward and backward.
 *
 * All by packed panels (product.h), so that what a token scores depends neither on the window nor on the streams beside
 * it. */
#include "cpu.h"

px_panels px_cpu_gate_panels(const px_cpu *cpu, const px_cpu_matrix *matrix, int gate)
{
    const long width = matrix->tensor->rows / matrix->gates, in = matrix->tensor->cols;
    return (px_panels){matrix->forward.data + (size_t)gate * px_panels_floats(cpu->isa, in, width), in, width};
}

void px_cpu_pack_matrix(px_cpu *cpu, px_cpu_matrix *matrix, const float *w, int backward)
{
    const long out = matrix->tensor->rows, in = matrix->tensor->cols;
    if (backward) px_panels_pack(&cpu->product, px_rows(w, (size_t)in), out, in, &matrix->backward);
    for (int gate = 0; !backward && gate < matrix->gates; gate++) {
        const long width = out / matrix->gates;
        px_panels part = px_cpu_gate_panels(cpu, matrix, gate);
        px_panels_pack(&cpu->product, px_transposed(w + gate * width * in, (size_t)in), in, width, &part);
        if (gate == 0) matrix->forward = part;
    }
    *(backward ? &matrix->backward_ready : &matrix->forward_ready) = w == matrix->w;
}

void px_cpu_ready(px_cpu *cpu, px_cpu_matrix *matrix, int backward)
{
    if (!(backward ? matrix->backward_ready : matrix->forward_ready))
        px_cpu_pack_matrix(cpu, matrix, matrix->w, backward);
}

static void repack(px_cpu_matrix *matrix) { matrix->forward_ready = matrix->backward_ready = 0; }

void px_cpu_weights_changed(px_cpu *cpu)
{
    for (int l = 0; l < cpu->base.model.layers; l++) {
        repack(&cpu->layer[l].w_hh);
        repack(&cpu->layer[l].w_xh);
    }
    repack(&cpu->projection);
    repack(&cpu->output);
    repack(&cpu->adaptive.head);
    for (int32_t i = 0; i < cpu->base.model.cutoffs.count; i++) {
        repack(&cpu->adaptive.tail_in[i]);
        repack(&cpu->adaptive.tail_out[i]);
    }
}

void px_cpu_forward_product(px_cpu *cpu, px_cpu_matrix *matrix, long rows, const float *x, const float *bias,
                            float *out)
{
    const long width = matrix->tensor->rows, in = matrix->tensor->cols;
    px_cpu_ready(cpu, matrix, 0);
    px_product_panels(&cpu->product, rows, x, (size_t)in, &matrix->forward, bias, 0, out, (size_t)width);
}

void px_cpu_data_gradient(px_cpu *cpu, px_cpu_matrix *matrix, long rows, const float *dy, float *dx)
{
    const long width = matrix->tensor->rows, in = matrix->tensor->cols;
    px_cpu_ready(cpu, matrix, 1);
    px_product_panels(&cpu->product, rows, dy, (size_t)width, &matrix->backward, NULL, 0, dx, (size_t)in);
}

void px_cpu_weight_gradient(px_cpu *cpu, const px_cpu_matrix *matrix, long rows, const float *dy, const float *x)
{
    const long width = matrix->tensor->rows, in = matrix->tensor->cols;
    px_product(&cpu->product, width, in, rows, px_transposed(dy, (size_t)width), px_rows(x, (size_t)in), 1, matrix->g,
               (size_t)in);
}

void px_cpu_weight_gradient_packed(px_cpu *cpu, const px_cpu_matrix *matrix, long rows, const float *dy,
                                   const px_panels *x, long first)
{
    const long width = matrix->tensor->rows, in = matrix->tensor->cols;
    px_product_packed_rows(&cpu->product, width, rows, px_transposed(dy, (size_t)width), x, first, 1, matrix->g,
                           (size_t)in);
}

void px_cpu_weight_gradient_of_layer(px_cpu *cpu, const px_cpu_window *window, const px_cpu_matrix *matrix, long rows,
                                     const float *dy, int l, long first)
{
    const px_cpu_layer *layer = &cpu->layer[l];
    const float *output = px_cpu_layer_output(cpu, window, l);
    if (output != layer->up)
        px_cpu_weight_gradient_packed(cpu, matrix, rows, dy, &layer->packed, window->n + first);
    else
        px_cpu_weight_gradient(cpu, matrix, rows, dy, output + first * cpu->base.model.hidden);
}

typedef struct columns {
    const px_isa *isa;
    const float *x;
    long rows, count;
    float *sums;
} columns;

static void add_some_columns(void *context, int thread, long begin, long end)
{
    const columns *c = context;
    (void)thread;
    for (long row = 0; row < c->rows; row++) c->isa->add(c->sums + begin, c->x + row * c->count + begin, end - begin);
}

void px_cpu_add_columns(px_cpu *cpu, const float *x, long rows, long count, float *sums)
{
    columns c = {cpu->isa, x, rows, count, sums};
    px_cpu_for_columns(cpu, count, rows, add_some_columns, &c);
}

void px_cpu_for_columns(px_cpu *cpu, long count, long rows, px_team_body body, void *context)
{
    enum { GRAIN = 64, LEAST = 16384 }; /* whole cache lines; floats of a piece that is worth handing out */
    const long grain = px_team_grain(cpu->team, count, 2, LEAST / (rows + 1) + 1);
    px_team_for(cpu->team, count, (grain + GRAIN - 1) / GRAIN * GRAIN, body, context);
}

void px_cpu_for_rows(px_cpu *cpu, long rows, long width, px_team_body body, void *context)
{
    enum { LEAST = 8192 };
    px_team_for(cpu->team, rows, px_team_grain(cpu->team, rows, 4, LEAST / (width + 1) + 1), body, context);
}
