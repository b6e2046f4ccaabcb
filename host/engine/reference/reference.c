/* The reference engine: every option of the model, in plain loops and double precision. Other engines are compared with
 * it, so it is written to be read: one function per phase, named as in the fast engines; no blocking, no threads, no
 * tricks.
 *
 *     embed -> recurrence (layer by layer, step by step) -> head -> the same in reverse -> update
 *
 * With shape.precision tf32 or bf16 it is the same-precision reference of the engines that have these: what they round
 * (operands of matrix products and, where training in bf16, logits) is rounded here too, where product() stands; sums
 * and everything else stay double.
 *
 * What crosses the seam (parameters, gradients, moments, averages, hidden states) is kept in fp32, in file layout, so
 * that reading and writing lose nothing and a resumed run is exact; everything inside one window or one update is
 * double. */
#include "reference.h"

#include "cells/double.h"
#include "check.h"
#include "machine.h"
#include "philox.h"
#include "rate_scaling.h"
#include "reference_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- small helpers */

static reference *self(px_engine *engine) { return (reference *)engine; }

static const px_cell_info *cell_of(const reference *r) { return px_cell_of(r->model.cell); }

/* G h: rows of W_hh. */
static size_t gate_rows(const px_model_config *model)
{
    return (size_t)px_cell_of(model->cell)->gates * (size_t)model->hidden;
}

/* A window as the phases see it: the batch, whether masks are drawn, and the state it starts from. */
typedef struct window {
    const px_batch *batch;
    int training;
    int32_t n, T;
} window;

/* Factor 0 or 1 / (1 - p) of element j of stream i at step t. */
static double mask(const reference *r, const window *win, uint32_t purpose, int32_t layer, double p, int32_t t,
                   int32_t i, int32_t width, int32_t j)
{
    if (!win->training || p == 0) return 1;
    const px_batch *b = win->batch;
    uint64_t element =
        px_mask_element(b->step, b->streams_in_all, (uint64_t)b->first_stream + (uint64_t)i, (uint64_t)r->shape.T,
                        (uint64_t)t, (uint64_t)width, (uint64_t)j, r->model.dropout_locked);
    uint32_t lane = px_random_u32(r->shape.seed, purpose, (uint32_t)layer, element);
    return lane >= px_dropout_threshold(p) ? (double)px_dropout_scale(p) : 0;
}

/* Factor of the row that the input looks up for a token: one mask per window, the same for all streams. */
static double embedding_mask(const reference *r, const window *win, int32_t token)
{
    double p = r->model.dropout_embedding;
    if (!win->training || p == 0) return 1;
    uint64_t element = win->batch->step * (uint64_t)r->model.vocab + (uint64_t)token;
    uint32_t lane = px_random_u32(r->shape.seed, PX_RANDOM_DROPOUT_EMBEDDING, 0, element);
    return lane >= px_dropout_threshold(p) ? (double)px_dropout_scale(p) : 0;
}

/* Factor of W_hh[out,in], out in [0, G h): one mask per window. */
static double weight_mask(const reference *r, const window *win, int32_t layer, int32_t out, int32_t in)
{
    double p = r->model.dropout_weight;
    if (!win->training || p == 0) return 1;
    uint64_t h = (uint64_t)r->model.hidden;
    uint64_t element = win->batch->step * gate_rows(&r->model) * h + (uint64_t)out * h + (uint64_t)in;
    uint32_t lane = px_random_u32(r->shape.seed, PX_RANDOM_DROPOUT_WEIGHT, (uint32_t)layer, element);
    return lane >= px_dropout_threshold(p) ? (double)px_dropout_scale(p) : 0;
}

/* Factor of the copy of layer l's output that goes up: between layers, or before the head. */
static double up_mask(const reference *r, const window *win, int32_t l, int32_t t, int32_t i, int32_t j)
{
    if (l == r->model.layers - 1)
        return mask(r, win, PX_RANDOM_DROPOUT_OUTPUT, 0, r->model.dropout_output, t, i, r->model.hidden, j);
    return mask(r, win, PX_RANDOM_DROPOUT_BETWEEN, l, r->model.dropout_between, t, i, r->model.hidden, j);
}

/* Layer l's state s, the first being its outputs: row -n'..-1 are the state before the window, row t * n' + i is stream
 * i at step t. */
static double *layer_state(const reference *r, int s, int32_t l, int32_t n)
{
    size_t rows = (size_t)r->shape.T * (size_t)r->shape.n + (size_t)r->shape.n, h = (size_t)r->model.hidden;
    return r->h + ((size_t)s * (size_t)r->model.layers + (size_t)l) * rows * h + (size_t)n * h;
}

/* What layer l keeps of the gates [rows, G h]. */
static double *layer_z(const reference *r, int32_t l)
{
    return r->z + (size_t)l * (size_t)r->shape.T * (size_t)r->shape.n * gate_rows(&r->model);
}

static double *layer_lone(const reference *r, int32_t l)
{
    return r->lone + (size_t)l * (size_t)r->shape.T * (size_t)r->shape.n * (size_t)r->model.hidden;
}

static double *layer_up(const reference *r, int32_t l)
{
    size_t rows = (size_t)r->shape.T * (size_t)r->shape.n;
    return r->up + (size_t)l * rows * (size_t)r->model.hidden;
}

static double *layer_w_hh(const reference *r, int32_t l)
{
    return r->w_hh + (size_t)l * gate_rows(&r->model) * (size_t)r->model.hidden;
}

/* Streams whose training state is carried: those of all groups. */
static size_t streams_carried(const reference *r)
{
    return (size_t)r->shape.n * (size_t)(r->shape.groups > 1 ? r->shape.groups : 1);
}

/* Where the carried state s of layer l lies for this window's first stream. */
static size_t state_place(const reference *r, const window *win, int s, int32_t l)
{
    size_t streams = win->training ? streams_carried(r) : (size_t)r->shape.n;
    size_t first = win->training ? (size_t)win->batch->group * (size_t)r->shape.n : 0;
    return (((size_t)s * (size_t)r->model.layers + (size_t)l) * streams + first) * (size_t)r->model.hidden;
}

/* Adds the time since `from` to a phase and returns the time now. */
static double phase_end(reference *r, px_phase phase, double from)
{
    double now = px_clock();
    r->times.seconds[phase] += now - from;
    return now;
}

/* ---------------------------------------------------------------- forward */

/* x = E[token], times the token's mask and the input's. One-hot: the mask has one element per word type, so that the
 * row of W_xh is kept or dropped as a whole, and only its factor is needed. */
static void embed_forward(reference *r, const window *win)
{
    int32_t d = r->model.embed, V = r->model.vocab;
    double p = r->model.dropout_input;
    for (int32_t t = 0; t < win->T; t++)
        for (int32_t i = 0; i < win->n; i++) {
            size_t row = (size_t)t * (size_t)win->n + (size_t)i;
            int32_t token = win->batch->tokens[row];
            double kept = embedding_mask(r, win, token);
            if (d == 0) {
                r->x[row] = kept * mask(r, win, PX_RANDOM_DROPOUT_INPUT, 0, p, t, i, V, token);
                continue;
            }
            const float *e = r->w + place(r, PX_TENSOR_EMBEDDING, 0) + (size_t)token * (size_t)d;
            for (int32_t j = 0; j < d; j++)
                r->x[row * (size_t)d + (size_t)j] =
                    kept * e[j] * mask(r, win, PX_RANDOM_DROPOUT_INPUT, 0, p, t, i, d, j);
        }
}

/* x W_xh for one row of layer l and row j of its gates. */
static double input_product(const reference *r, const window *win, int32_t l, size_t row, int32_t j)
{
    int32_t width = l > 0 ? r->model.hidden : r->model.embed > 0 ? r->model.embed : r->model.vocab;
    const float *w_xh = r->w + place(r, PX_TENSOR_W_XH, l) + (size_t)j * (size_t)width;
    if (l == 0 && r->model.embed == 0) {
        double factor = r->x[row];
        return factor == 0 ? 0 : factor * w_xh[win->batch->tokens[row]];
    }
    const double *x = (l > 0 ? layer_up(r, l - 1) : r->x) + row * (size_t)width;
    double sum = 0;
    for (int32_t k = 0; k < width; k++) sum += product(r, x[k], w_xh[k]);
    return sum;
}

/* W_hh under this window's mask, and the states before it from [S,L,streams,h]. */
static void recurrence_begin(reference *r, const window *win, int32_t l, const float *state)
{
    size_t h = (size_t)r->model.hidden, n = (size_t)win->n;
    const float *w_hh_kept = r->w + place(r, PX_TENSOR_W_HH, l);
    double *w_hh = layer_w_hh(r, l);
    for (size_t j = 0; j < gate_rows(&r->model); j++)
        for (size_t k = 0; k < h; k++)
            w_hh[j * h + k] = w_hh_kept[j * h + k] * weight_mask(r, win, l, (int32_t)j, (int32_t)k);
    for (int s = 0; s < cell_of(r)->states; s++)
        for (size_t i = 0; i < n * h; i++)
            (layer_state(r, s, l, win->n) - n * h)[i] = state[state_place(r, win, s, l) + i];
}

/* Pre-activations of unit j at one row: by gate x W_xh + b_h + H_{t-1} W_hh, where a lone gate's recurrent part with
 * its own bias stands by itself; and the states before. h_prev [h]. */
static px_cell_unit unit_before(const reference *r, const window *win, int32_t l, size_t row, size_t j,
                                const double *h_prev)
{
    size_t h = (size_t)r->model.hidden, n = (size_t)win->n;
    const px_cell_info *cell = cell_of(r);
    const float *b_h = r->w + place(r, PX_TENSOR_B_H, l);
    const double *w_hh = layer_w_hh(r, l);
    int reset = win->batch->reset[row] != 0;
    px_cell_unit unit = {.u = cell->lone == PX_NO_GATE ? 0 : r->w[place(r, PX_TENSOR_B_HN, l) + j]};
    for (int gate = 0; gate < cell->gates; gate++) {
        size_t out = (size_t)gate * h + j;
        unit.z[gate] = b_h[out] + input_product(r, win, l, row, (int32_t)out);
        double *sum = gate == cell->lone ? &unit.u : &unit.z[gate];
        if (!reset)
            for (size_t k = 0; k < h; k++) *sum += product(r, h_prev[k], w_hh[out * h + k]);
    }
    for (int s = 0; s < cell->states; s++)
        unit.before[s] = reset ? 0 : (layer_state(r, s, l, win->n) - n * h)[row * h + j];
    return unit;
}

/* One row of a layer: Z, the cell, and the copy that goes up. Outside training the states are rounded to fp32, so that
 * it does not matter where a window ends. */
static void recurrence_row(reference *r, const window *win, int32_t l, int32_t t, size_t i)
{
    size_t h = (size_t)r->model.hidden, n = (size_t)win->n, row = (size_t)t * n + i;
    const px_cell_info *cell = cell_of(r);
    const double *h_prev = layer_state(r, 0, l, win->n) - n * h + row * h;
    for (size_t j = 0; j < h; j++) {
        px_cell_unit unit = unit_before(r, win, l, row, j, h_prev);
        px_cell_maths[r->model.cell].forward(&unit);
        for (int gate = 0; gate < cell->gates; gate++)
            layer_z(r, l)[row * gate_rows(&r->model) + (size_t)gate * h + j] = unit.z[gate];
        if (cell->lone != PX_NO_GATE) layer_lone(r, l)[row * h + j] = unit.u;
        for (int s = 0; s < cell->states; s++)
            layer_state(r, s, l, win->n)[row * h + j] = win->training ? unit.now[s] : (float)unit.now[s];
        layer_up(r, l)[row * h + j] =
            layer_state(r, 0, l, win->n)[row * h + j] * up_mask(r, win, l, t, (int32_t)i, (int32_t)j);
    }
}

static void recurrence_forward(reference *r, const window *win, int32_t l, const float *state)
{
    recurrence_begin(r, win, l, state);
    for (int32_t t = 0; t < win->T; t++)
        for (size_t i = 0; i < (size_t)win->n; i++) recurrence_row(r, win, l, t, i);
}

/* ---------------------------------------------------------------- backward */

static int has_penalties(const px_model_config *model)
{
    return model->penalty_activation > 0 || model->penalty_temporal > 0;
}

/* Whether stream i went on to step t from a scored one, and step t is scored too: their difference is penalised. */
static int follows(const window *win, int32_t t, int32_t i)
{
    const px_batch *b = win->batch;
    const size_t n = (size_t)win->n, row = (size_t)t * n + (size_t)i;
    return t > 0 && b->targets[row - n] >= 0 && b->targets[row] >= 0 && !b->reset[row];
}

/* a (m h_t)^2 + b (h_t - h_{t-1})^2 of unit j, over the units of all scored tokens; *d gets its derivative by h_t, that
 * of the difference to step t + 1 included. */
static double penalties_of(const reference *r, const window *win, int32_t t, int32_t i, int32_t j, double *d)
{
    const size_t step = (size_t)win->n * (size_t)r->model.hidden;
    const double *h =
        layer_state(r, 0, r->model.layers - 1, win->n) + (size_t)t * step + (size_t)i * (size_t)r->model.hidden + j;
    const double unit = win->batch->inv_count / r->model.hidden, b = r->model.penalty_temporal * unit;
    const double m = up_mask(r, win, r->model.layers - 1, t, i, j);
    const double a =
        win->batch->targets[(size_t)t * (size_t)win->n + (size_t)i] >= 0 ? r->model.penalty_activation * unit : 0;
    const double change = follows(win, t, i) ? *h - *(h - step) : 0;
    const double next = t + 1 < win->T && follows(win, t + 1, i) ? *(h + step) - *h : 0;
    *d = 2 * a * m * m * *h + 2 * b * (change - next);
    return a * m * m * *h * *h + b * change * change;
}

/* The cell backward for one row: dz and dz_hh [G h] are written; dh becomes what returns to the states before but
 * through W_hh. */
static void recurrence_backward_cell(reference *r, const window *win, int32_t l, int32_t t, size_t i)
{
    size_t h = (size_t)r->model.hidden, n = (size_t)win->n, row = (size_t)t * n + i;
    const px_cell_info *cell = cell_of(r);
    int reset = win->batch->reset[row] != 0;
    for (size_t j = 0; j < h; j++) {
        px_cell_unit unit = {.u = cell->lone == PX_NO_GATE ? 0 : layer_lone(r, l)[row * h + j]};
        for (int gate = 0; gate < cell->gates; gate++)
            unit.z[gate] = layer_z(r, l)[row * gate_rows(&r->model) + (size_t)gate * h + j];
        for (int s = 0; s < cell->states; s++) {
            const double *now = layer_state(r, s, l, win->n) + row * h + j;
            unit.now[s] = *now;
            unit.before[s] = reset ? 0 : *(now - n * h);
            unit.d[s] = r->dh[((size_t)s * n + i) * h + j];
        }
        unit.d[0] += r->dup[row * h + j] * up_mask(r, win, l, t, (int32_t)i, (int32_t)j);
        if (l == r->model.layers - 1 && has_penalties(&r->model)) {
            double d;
            r->penalties += penalties_of(r, win, t, (int32_t)i, (int32_t)j, &d);
            unit.d[0] += d;
        }
        px_cell_maths[r->model.cell].backward(&unit);
        for (int gate = 0; gate < cell->gates; gate++) {
            r->dz[(size_t)gate * h + j] = unit.z[gate];
            r->dz_hh[(size_t)gate * h + j] = gate == cell->lone ? unit.u : unit.z[gate];
        }
        for (int s = 0; s < cell->states; s++) r->dh[((size_t)s * n + i) * h + j] = reset ? 0 : unit.d[s];
    }
}

/* dW_xh += dz^T x and dx += dz W_xh for one row, unless the input is one-hot: then the token's column alone. */
static void input_backward_row(reference *r, const window *win, int32_t l, size_t row, size_t width)
{
    size_t w_xh = place(r, PX_TENSOR_W_XH, l);
    const double *x_all = l > 0 ? layer_up(r, l - 1) : r->x;
    for (size_t j = 0; j < gate_rows(&r->model); j++) {
        if (l == 0 && r->model.embed == 0) {
            r->grad[w_xh + j * width + (size_t)win->batch->tokens[row]] += r->dz[j] * x_all[row];
            continue;
        }
        for (size_t k = 0; k < width; k++) {
            r->grad[w_xh + j * width + k] += product(r, r->dz[j], x_all[row * width + k]);
            r->dx[row * width + k] += product(r, r->dz[j], r->w[w_xh + j * width + k]);
        }
    }
}

/* dW_hh += dz_hhT H_{t-1} and dh += dz_hh W_hh for one row; after a reset neither the state before nor its gradient
 * passes. */
static void recurrent_backward_row(reference *r, const window *win, int32_t l, size_t i, size_t row)
{
    size_t h = (size_t)r->model.hidden, w_hh = place(r, PX_TENSOR_W_HH, l);
    const double *masked = layer_w_hh(r, l), *h_prev = layer_state(r, 0, l, win->n) + row * h - (size_t)win->n * h;
    if (win->batch->reset[row] != 0) return;
    for (size_t j = 0; j < gate_rows(&r->model); j++)
        for (size_t k = 0; k < h; k++) {
            r->grad[w_hh + j * h + k] +=
                product(r, r->dz_hh[j], h_prev[k]) * weight_mask(r, win, l, (int32_t)j, (int32_t)k);
            r->dh[i * h + k] += product(r, r->dz_hh[j], masked[j * h + k]);
        }
}

static void bias_backward_row(reference *r, int32_t l)
{
    size_t h = (size_t)r->model.hidden, b_h = place(r, PX_TENSOR_B_H, l);
    int lone = cell_of(r)->lone;
    for (size_t j = 0; j < gate_rows(&r->model); j++) r->grad[b_h + j] += r->dz[j];
    for (size_t j = 0; lone != PX_NO_GATE && j < h; j++)
        r->grad[place(r, PX_TENSOR_B_HN, l) + j] += r->dz_hh[(size_t)lone * h + j];
}

/* From the last step to the first: the cell, then the gradients of the layer's weights and of its inputs.
 * Reads dup [rows,h], the gradient of the copy that went up; writes dx [rows,width] unless the input is one-hot. */
static void recurrence_backward(reference *r, const window *win, int32_t l)
{
    size_t h = (size_t)r->model.hidden, n = (size_t)win->n;
    size_t width = l > 0 ? h : (size_t)(r->model.embed > 0 ? r->model.embed : r->model.vocab);
    memset(r->dh, 0, (size_t)cell_of(r)->states * n * h * sizeof *r->dh); /* nothing returns from the next window */
    if (l > 0 || r->model.embed > 0) memset(r->dx, 0, (size_t)win->T * n * width * sizeof *r->dx);
    for (int32_t t = win->T - 1; t >= 0; t--)
        for (size_t i = 0; i < n; i++) {
            size_t row = (size_t)t * n + i;
            recurrence_backward_cell(r, win, l, t, i);
            bias_backward_row(r, l);
            input_backward_row(r, win, l, row, width);
            recurrent_backward_row(r, win, l, i, row);
        }
}

/* dE[token] += dx times both masks; after the head's part where the tables are tied. */
static void embed_backward(reference *r, const window *win)
{
    size_t d = (size_t)r->model.embed, e = place(r, PX_TENSOR_EMBEDDING, 0);
    double p = r->model.dropout_input;
    for (int32_t t = 0; t < win->T; t++)
        for (int32_t i = 0; i < win->n; i++) {
            size_t row = (size_t)t * (size_t)win->n + (size_t)i;
            size_t token = (size_t)win->batch->tokens[row];
            double kept = embedding_mask(r, win, (int32_t)token);
            for (size_t j = 0; j < d; j++)
                r->grad[e + token * d + j] += kept * r->dx[row * d + j] *
                                              mask(r, win, PX_RANDOM_DROPOUT_INPUT, 0, p, t, i, (int32_t)d, (int32_t)j);
        }
}

/* ---------------------------------------------------------------- the seam: windows */

static px_status check_tokens(const reference *r, const px_batch *batch)
{
    size_t rows = (size_t)batch->T * (size_t)batch->n;
    int32_t V = r->model.vocab;
    for (size_t row = 0; row < rows; row++)
        if (batch->tokens[row] < 0 || batch->tokens[row] >= V || batch->targets[row] < -1 || batch->targets[row] >= V)
            return px_fail(PX_ERR_INPUT, "step %zu, stream %zu of a window: token %d, target %d; the vocabulary has %d",
                           row / (size_t)batch->n, row % (size_t)batch->n, (int)batch->tokens[row],
                           (int)batch->targets[row], (int)V);
    return PX_OK;
}

/* The last step's states of every layer, rounded to fp32, are what the next window starts from. */
static void keep_state(const reference *r, const window *win, float *state)
{
    size_t h = (size_t)r->model.hidden, n = (size_t)win->n;
    for (int s = 0; s < cell_of(r)->states; s++)
        for (int32_t l = 0; l < r->model.layers; l++) {
            const double *last = layer_state(r, s, l, win->n) + (size_t)(win->T - 1) * n * h;
            for (size_t i = 0; i < n * h; i++) state[state_place(r, win, s, l) + i] = (float)last[i];
        }
}

static void forward(reference *r, const window *win, const float *state)
{
    double clock = px_clock();
    embed_forward(r, win);
    clock = phase_end(r, PX_PHASE_EMBED, clock);
    for (int32_t l = 0; l < r->model.layers; l++) recurrence_forward(r, win, l, state);
    phase_end(r, PX_PHASE_RECURRENCE_FORWARD, clock);
}

static px_status reference_accumulate(px_engine *engine, const px_batch *batch)
{
    reference *r = self(engine);
    window win = {batch, 1, batch->n, batch->T};
    size_t rows = (size_t)win.T * (size_t)win.n, h = (size_t)r->model.hidden;
    const double *top = layer_up(r, r->model.layers - 1);
    double window_loss = 0;

    PX_TRY(check_tokens(r, batch));
    r->training = 1;
    forward(r, &win, r->state);

    double clock = px_clock();
    memset(r->grad, 0, r->table.count * sizeof *r->grad);
    r->penalties = 0;
    for (size_t row = 0; row < rows; row++) {
        const double *up = top + row * h;
        int32_t target = batch->targets[row];
        if (target < 0) {
            memset(r->dup + row * h, 0, h * sizeof *r->dup);
            continue;
        }
        window_loss += r->head->forward(r, up, target);
        r->metrics.tokens++;
        r->head->backward(r, up, target, batch->inv_count, r->dup + row * h);
    }
    clock = phase_end(r, PX_PHASE_HEAD, clock);

    for (int32_t l = r->model.layers - 1; l >= 0; l--) {
        recurrence_backward(r, &win, l);
        if (l > 0)
            memcpy(r->dup, r->dx, rows * h * sizeof *r->dup); /* the input of layer l is what layer l - 1 sent up */
    }
    clock = phase_end(r, PX_PHASE_RECURRENCE_BACKWARD, clock);
    if (r->model.embed > 0) embed_backward(r, &win);
    for (size_t i = 0; i < r->table.count; i++) r->dw[i] = (float)(r->dw[i] + r->grad[i]);
    if (batch->last && r->reducer.start) {
        r->reducing = 1;
        PX_TRY(r->reducer.start(r->reducer.context, r->dw, r->table.count, NULL));
    }
    phase_end(r, PX_PHASE_EMBED_BACKWARD, clock);

    keep_state(r, &win, r->state);
    r->metrics.loss_sum += window_loss;
    if (!isfinite(window_loss) && r->metrics.bad_step < 0) {
        r->metrics.bad_step = (int64_t)batch->step;
        r->metrics.bad_norm = NAN; /* until update() has seen the gradient */
    }
    return PX_OK;
}

static px_status reference_evaluate(px_engine *engine, const px_batch *batch, float *token_nll)
{
    reference *r = self(engine);
    window win = {batch, 0, batch->n, batch->T};
    size_t rows = (size_t)win.T * (size_t)win.n, h = (size_t)r->model.hidden;
    const double *top = layer_up(r, r->model.layers - 1);

    PX_TRY(check_tokens(r, batch));
    r->training = 0;
    forward(r, &win, r->eval_state);
    double clock = px_clock();
    for (size_t row = 0; row < rows; row++) {
        int32_t target = batch->targets[row];
        double nll = 0;
        if (target >= 0) {
            nll = r->head->forward(r, top + row * h, target);
            r->metrics.loss_sum += nll;
            r->metrics.tokens++;
        }
        if (token_nll) token_nll[row] = (float)nll;
    }
    phase_end(r, PX_PHASE_HEAD, clock);
    keep_state(r, &win, r->eval_state);
    return PX_OK;
}

static px_status reference_next(px_engine *engine, const int32_t *tokens, const uint8_t *reset, int32_t n,
                                float *probabilities)
{
    reference *r = self(engine);
    int32_t V = r->model.vocab;
    const double *top = layer_up(r, r->model.layers - 1);
    for (int32_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || tokens[i] >= V)
            return px_fail(PX_ERR_INPUT, "stream %d: token %d; the vocabulary has %d", (int)i, (int)tokens[i], (int)V);
        r->next_reset[i] = reset ? reset[i] : 0;
    }
    px_batch batch = {.tokens = tokens, .reset = r->next_reset, .T = 1, .n = n};
    window win = {&batch, 0, n, 1};
    r->training = 0;
    forward(r, &win, r->eval_state);
    double clock = px_clock();
    for (int32_t i = 0; i < n; i++)
        r->head->probabilities(r, top + (size_t)i * (size_t)r->model.hidden, probabilities + (size_t)i * (size_t)V);
    phase_end(r, PX_PHASE_HEAD, clock);
    keep_state(r, &win, r->eval_state);
    return PX_OK;
}

/* ---------------------------------------------------------------- the seam: update */

static px_status reference_gradients(px_engine *engine, float **flat, size_t *count)
{
    *flat = self(engine)->dw;
    *count = self(engine)->table.count;
    return PX_OK;
}

/* ---- the step of every optimiser, in double ---------------------------------------------------------------------- */

typedef struct step_numbers {
    double lr, momentum, beta1, beta2, alpha, epsilon, rest1, rest2, rest_alpha;
    double correction1, correction2; /* 1 - beta^(steps taken, this one included) */
} step_numbers;

#define PX_STEP(name) static double step_##name(const step_numbers *s, double g, double w, double *m, double *v)
#define PX_STEP_ROOT(x) sqrt(x)
#define PX_STEP_MEAN(s, m) ((s)->lr * ((m) / (s)->correction1))
#define PX_STEP_DEVIATION(s, v) sqrt((v) / (s)->correction2)
#include "optimizer_step.h"

/* factor: of the rate of the gradient's step (rate_scaling.h). */
static step_numbers step_of(const px_optimizer_config *c, const px_update *update, double factor)
{
    const double t = (double)update->step + (double)update->moment_steps + 1;
    return (step_numbers){.lr = update->lr * factor,
                          .momentum = c->momentum,
                          .beta1 = c->beta1,
                          .beta2 = c->beta2,
                          .alpha = c->alpha,
                          .epsilon = c->epsilon,
                          .rest1 = 1 - c->beta1,
                          .rest2 = 1 - c->beta2,
                          .rest_alpha = 1 - c->alpha,
                          .correction1 = 1 - pow(c->beta1, t),
                          .correction2 = 1 - pow(c->beta2, t)};
}

/* Weight decay is added to the gradient, or where it is decoupled shrinks the weight; g is clipped. */
static void update_element(reference *r, const px_update *update, const step_numbers *s, size_t i, double g)
{
#define STEP(NAME, name, step, ...) [PX_##NAME] = step_##step,
    static double (*const steps[])(const step_numbers *, double, double, double *, double *) = {PX_OPTIMIZERS(STEP)};
#undef STEP
    const px_optimizer_row *row = px_optimizer_of(r->optimizer.kind);
    double w = r->w[i], m = row->moment1 ? r->moment1[i] : 0, v = row->moment2 ? r->moment2[i] : 0;
    if (row->decoupled)
        w -= update->lr * r->optimizer.weight_decay * w;
    else
        g += r->optimizer.weight_decay * w;
    r->w[i] = (float)steps[r->optimizer.kind](s, g, w, &m, &v);
    if (row->moment1) r->moment1[i] = (float)m;
    if (row->moment2) r->moment2[i] = (float)v;
    if (update->average_weight > 0)
        r->average[i] = (float)(r->average[i] + update->average_weight * ((double)r->w[i] - r->average[i]));
}

static px_status reference_set_reducer(px_engine *engine, const px_reducer *reducer)
{
    self(engine)->reducer = reducer ? *reducer : (px_reducer){0};
    return PX_OK;
}

static px_status reference_update(px_engine *engine, const px_update *update)
{
    reference *r = self(engine);
    double clock = px_clock(), square = 0, clip = r->optimizer.clip;
    if (r->reducing) {
        r->reducing = 0;
        PX_TRY(r->reducer.finish(r->reducer.context, NULL));
    }
    for (size_t i = 0; i < r->table.count; i++) square += (double)r->dw[i] * r->dw[i];
    double norm = sqrt(square);

    if (r->metrics.bad_step < 0 && (update->loss_not_finite || !isfinite(norm)))
        r->metrics.bad_step = (int64_t)update->step;
    if (r->metrics.bad_step == (int64_t)update->step) r->metrics.bad_norm = norm;
    if (r->metrics.bad_step < 0) {
        /* g * clip / max(clip, norm); clip = 0 means no bound */
        double factor = clip > 0 && norm > clip ? clip / norm : 1;
        for (int32_t k = 0; k < r->table.tensor_count; k++) {
            const px_tensor *tensor = &r->table.tensor[k];
            const step_numbers numbers =
                step_of(&r->optimizer, update, px_rate_factor(&r->model, &r->optimizer, tensor));
            for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++)
                update_element(r, update, &numbers, i, factor * r->dw[i]);
        }
        r->metrics.grad_norm = norm;
        r->metrics.updates++;
    }
    memset(r->dw, 0, r->table.count * sizeof *r->dw);
    phase_end(r, PX_PHASE_UPDATE, clock);
    return PX_OK;
}

/* ---------------------------------------------------------------- the seam: state */

static float *section_of(const reference *r, px_section section)
{
    switch (section) {
    case PX_SECTION_PARAMETERS: return r->w;
    case PX_SECTION_GRADIENTS: return r->dw;
    case PX_SECTION_MOMENT1: return r->moment1;
    case PX_SECTION_MOMENT2: return r->moment2;
    case PX_SECTION_AVERAGE: return r->average;
    case PX_SECTION_STATE: return r->state;
    case PX_SECTION_EVAL_STATE: return r->eval_state;
    }
    return NULL;
}

static size_t reference_section_count(const px_engine *engine, px_section section)
{
    const reference *r = (const reference *)engine;
    if (!section_of(r, section)) return 0;
    if (section == PX_SECTION_STATE) return px_state_blocks(&r->model) * streams_carried(r) * (size_t)r->model.hidden;
    if (section == PX_SECTION_EVAL_STATE)
        return px_state_blocks(&r->model) * (size_t)r->shape.n * (size_t)r->model.hidden;
    return r->table.count;
}

static px_status reference_read(px_engine *engine, px_section section, float *values)
{
    memcpy(values, section_of(self(engine), section), reference_section_count(engine, section) * sizeof *values);
    return PX_OK;
}

static px_status reference_write(px_engine *engine, px_section section, const float *values)
{
    reference *r = self(engine);
    memcpy(section_of(r, section), values, reference_section_count(engine, section) * sizeof *values);
    if (section == PX_SECTION_PARAMETERS) { /* a new start: the bad step is behind us */
        r->metrics.bad_step = -1;
        r->metrics.bad_norm = 0;
    }
    return PX_OK;
}

static px_status reference_swap_average(px_engine *engine)
{
    reference *r = self(engine);
    for (size_t i = 0; i < r->table.count; i++) {
        float w = r->w[i];
        r->w[i] = r->average[i];
        r->average[i] = w;
    }
    return PX_OK;
}

static px_status reference_metrics(px_engine *engine, int reset, px_metrics *metrics)
{
    reference *r = self(engine);
    *metrics = r->metrics;
    if (reset) {
        r->metrics.loss_sum = 0;
        r->metrics.tokens = 0;
    }
    return PX_OK;
}

static px_status reference_phase_times(px_engine *engine, int reset, px_phase_times *times)
{
    reference *r = self(engine);
    *times = r->times;
    if (reset) r->times = (px_phase_times){{0}};
    return PX_OK;
}

static px_status reference_describe(const px_engine *engine, char *buffer, size_t buffer_bytes)
{
    static const char *const operands[] = {
        [PX_FP32] = "", [PX_TF32] = ", operands of products in tf32", [PX_BF16] = ", operands of products in bf16"};
    const reference *r = (const reference *)engine;
    snprintf(buffer, buffer_bytes, "reference, plain loops in double precision%s, 1 thread of %s",
             operands[r->shape.precision], px_machine_processor());
    return PX_OK;
}

/* ---------------------------------------------------------------- memory */

/* One block: where its address goes, how large it is, and what it counts as. */
typedef struct block {
    void *at; /* the address of a pointer member */
    size_t bytes;
    size_t *counted;
} block;

enum { BLOCKS_MAX = 28 };

/* Every buffer of an engine, for predicting bytes and for cutting them alike. */
static int list_blocks(reference *r, px_engine_memory *memory, block list[BLOCKS_MAX])
{
    size_t count = r->table.count, L = (size_t)r->model.layers, h = (size_t)r->model.hidden, d = (size_t)r->model.embed;
    size_t n = (size_t)r->shape.n, rows = (size_t)r->shape.T * n, wide = d > h ? d : h;
    const px_optimizer_row *optimizer = px_optimizer_of(r->optimizer.kind);
    int b = 0;
    size_t blocks = px_state_blocks(&r->model), gates = gate_rows(&r->model);

    list[b++] = (block){&r->w, count * sizeof(float), &memory->parameters};
    list[b++] = (block){&r->eval_state, blocks * n * h * sizeof(float), &memory->activations};
    list[b++] = (block){&r->x, rows * (d > 0 ? d : 1) * sizeof(double), &memory->activations};
    list[b++] = (block){&r->h, blocks * (rows + n) * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->z, L * rows * gates * sizeof(double), &memory->activations};
    if (cell_of(r)->lone != PX_NO_GATE)
        list[b++] = (block){&r->lone, L * rows * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->up, L * rows * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->w_hh, L * gates * h * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->u, wide * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->o, ((size_t)r->model.vocab + PX_CUTOFFS_MAX) * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->next_reset, n, &memory->workspace};
    if (!r->shape.training) return b;
    list[b++] = (block){&r->dw, count * sizeof(float), &memory->gradients};
    list[b++] = (block){&r->grad, count * sizeof(double), &memory->gradients};
    list[b++] = (block){&r->state, blocks * streams_carried(r) * h * sizeof(float), &memory->activations};
    list[b++] = (block){&r->dx, rows * wide * sizeof(double), &memory->activations};
    list[b++] = (block){&r->dup, rows * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->dz, gates * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->dz_hh, gates * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->dh, (size_t)cell_of(r)->states * n * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->du, wide * sizeof(double), &memory->workspace};
    if (optimizer->moment1) list[b++] = (block){&r->moment1, count * sizeof(float), &memory->moments};
    if (optimizer->moment2) list[b++] = (block){&r->moment2, count * sizeof(float), &memory->moments};
    if (r->shape.averaging) list[b++] = (block){&r->average, count * sizeof(float), &memory->averages};
    assert(b <= BLOCKS_MAX);
    return b;
}

/* Fills in the settings and the table of a zeroed engine, and adds up its blocks. */
static px_status prepare(reference *r, const px_model_config *model, const px_optimizer_config *optimizer,
                         const px_engine_shape *shape, px_engine_memory *memory, block list[BLOCKS_MAX], int *blocks)
{
    r->model = *model;
    r->head = model->output == PX_OUTPUT_ADAPTIVE ? &reference_head_adaptive : &reference_head_softmax;
    r->optimizer = *optimizer;
    r->shape = *shape;
    r->metrics.bad_step = -1;
    *memory = (px_engine_memory){0};
    PX_TRY(px_parameters_make(model, &r->table));
    *blocks = list_blocks(r, memory, list);
    for (int b = 0; b < *blocks; b++) {
        *list[b].counted += px_arena_round(list[b].bytes);
        memory->total += px_arena_round(list[b].bytes);
    }
    return PX_OK;
}

static px_status reference_memory(const px_model_config *model, const px_optimizer_config *optimizer,
                                  const px_engine_shape *shape, px_engine_memory *memory)
{
    reference r = {0};
    block list[BLOCKS_MAX];
    int blocks;
    return prepare(&r, model, optimizer, shape, memory, list, &blocks);
}

static void reference_destroy(px_engine *engine)
{
    if (!engine) return;
    px_arena_destroy(&self(engine)->arena);
    free(engine);
}

static px_status reference_create(const px_model_config *model, const px_optimizer_config *optimizer,
                                  const px_engine_shape *shape, int ordinal, px_engine **engine)
{
    px_engine_memory memory;
    block list[BLOCKS_MAX];
    int blocks;
    px_status status;
    (void)ordinal;
    reference *r = calloc(1, sizeof *r);
    if (!r) return px_fail(PX_ERR_MEMORY, "memory for the reference engine: %zu bytes are not there", sizeof *r);
    r->base.ops = &px_reference_ops;
    PX_TRY_GOTO(status, prepare(r, model, optimizer, shape, &memory, list, &blocks), fail);
    PX_TRY_GOTO(status, px_arena_create(&r->arena, memory.total, "the reference engine"), fail);
    for (int b = 0; b < blocks; b++) {
        void *bytes = px_arena_take(&r->arena, list[b].bytes);
        memcpy(list[b].at, &bytes, sizeof bytes); /* float * and double * members alike */
    }
    *engine = &r->base;
    return PX_OK;
fail:
    reference_destroy(&r->base);
    return status;
}

double px_reference_penalties(const px_engine *engine) { return ((const reference *)engine)->penalties; }

const px_engine_ops px_reference_ops = {
    .name = "reference",
    .on_host = 1,
    .precisions = 1 << PX_FP32 | 1 << PX_TF32 | 1 << PX_BF16,
    .recurrences = 1 << PX_RECURRENCE_STEP,
    .memory = reference_memory,
    .create = reference_create,
    .destroy = reference_destroy,
    .accumulate = reference_accumulate,
    .gradients = reference_gradients,
    .update = reference_update,
    .evaluate = reference_evaluate,
    .next = reference_next,
    .section_count = reference_section_count,
    .read = reference_read,
    .write = reference_write,
    .swap_average = reference_swap_average,
    .metrics = reference_metrics,
    .phase_times = reference_phase_times,
    .describe = reference_describe,
    .set_reducer = reference_set_reducer,
};
