/* Phase recurrence: a layer, step by step and row by row, and back from the last step to the first; with the penalties
 * on what the top layer sends up, and on its change. */
#include "cells/double.h"
#include "masks.h"

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

void reference_recurrence_forward(reference *r, const window *win, int32_t l, const float *state)
{
    recurrence_begin(r, win, l, state);
    for (int32_t t = 0; t < win->T; t++)
        for (size_t i = 0; i < (size_t)win->n; i++) recurrence_row(r, win, l, t, i);
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

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

/* dW_hh += dz_hh^T H_{t-1} and dh += dz_hh W_hh for one row; after a reset neither the state before nor its gradient
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
void reference_recurrence_backward(reference *r, const window *win, int32_t l)
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
