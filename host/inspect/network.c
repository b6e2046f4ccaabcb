/* One stream forward and gradients of single losses backward: see network.h. */
#include "network.h"

#include "cells/double.h"
#include "check.h"
#include "dot.h"
#include "loss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t input_width(const px_model_config *model, int32_t l)
{
    return (size_t)(l > 0 ? model->hidden : model->embed > 0 ? model->embed : model->vocab);
}

static size_t head_width(const px_model_config *model) { return (size_t)(model->tied ? model->embed : model->hidden); }

static const float *tensor_of(const px_parameters *table, const float *weights, px_tensor_role role, int32_t layer)
{
    const px_tensor *tensor = px_parameters_find(table, role, layer);
    return tensor ? weights + tensor->offset : NULL;
}

/* to [columns,rows] = from [rows,columns] */
static const float *turn(float *to, const float *from, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
    return to;
}

static void name_output(px_network *network, const px_parameters *table, const float *weights)
{
    const px_model_config *model = network->model;
    const px_tensor_role role = model->output == PX_OUTPUT_ADAPTIVE ? PX_TENSOR_HEAD : PX_TENSOR_W_HQ;
    network->projection = tensor_of(table, weights, PX_TENSOR_PROJECTION, 0);
    network->head = model->tied ? network->embedding : tensor_of(table, weights, role, 0);
    network->b_q = tensor_of(table, weights, PX_TENSOR_B_Q, 0);
    for (int32_t i = 0; i < PX_CUTOFFS_MAX; i++) {
        network->tail_in[i] = tensor_of(table, weights, PX_TENSOR_TAIL_IN, i);
        network->tail_out[i] = tensor_of(table, weights, PX_TENSOR_TAIL_OUT, i);
    }
}

px_status px_network_create(const px_model_config *model, const px_parameters *table, const float *weights,
                            px_network *network)
{
    const px_cell_info *cell = px_cell_of(model->cell);
    size_t h = (size_t)model->hidden, L = (size_t)model->layers, turned = 0, width = head_width(model),
           gates = (size_t)cell->gates * h;
    *network = (px_network){.model = model, .cell = cell};
    network->values = (size_t)cell->states + (cell->keeps ? (size_t)cell->gates : 0) + (cell->lone != PX_NO_GATE);
    for (int32_t l = 0; l < model->layers; l++)
        turned += gates * h + (l == 0 && model->embed == 0 ? 0 : gates * input_width(model, l));
    network->turned = malloc(turned * sizeof *network->turned);
    network->record =
        calloc(L * network->values * h + gates + h + 2 * width + (size_t)model->vocab, sizeof *network->record);
    if (!network->turned || !network->record) {
        px_network_destroy(network);
        return px_fail(PX_ERR_MEMORY, "inspection: no memory for %zu weights", turned);
    }
    network->z = network->record + L * network->values * h;
    network->u = network->z + gates + h;
    network->du = network->u + width;
    network->o = network->du + width;

    float *room = network->turned;
    for (int32_t l = 0; l < model->layers; l++) {
        network->w_xh[l] = tensor_of(table, weights, PX_TENSOR_W_XH, l);
        network->w_hh[l] = tensor_of(table, weights, PX_TENSOR_W_HH, l);
        network->b_h[l] = tensor_of(table, weights, PX_TENSOR_B_H, l);
        network->b_lone[l] = tensor_of(table, weights, PX_TENSOR_B_HN, l);
        network->w_hh_t[l] = turn(room, network->w_hh[l], gates, h);
        room += gates * h;
        if (l == 0 && model->embed == 0) continue;
        network->w_xh_t[l] = turn(room, network->w_xh[l], gates, input_width(model, l));
        room += gates * input_width(model, l);
    }
    network->embedding = tensor_of(table, weights, PX_TENSOR_EMBEDDING, 0);
    name_output(network, table, weights);
    return PX_OK;
}

void px_network_destroy(px_network *network)
{
    free(network->turned);
    free(network->record);
    *network = (px_network){0};
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* z [n] += factor * row [n] */
static void add_row(double *z, double factor, const float *row, size_t n)
{
    for (size_t j = 0; j < n; j++) z[j] += factor * row[j];
}

/* z [(G + 1) h] += factor * row of W_hh's transpose [G h]; what belongs to a lone gate goes to the last block. */
static void add_recurrent(const px_network *network, double *z, double factor, const float *row)
{
    const size_t h = (size_t)network->model->hidden, gates = (size_t)network->cell->gates * h;
    if (network->cell->lone == PX_NO_GATE) {
        add_row(z, factor, row, gates);
        return;
    }
    const size_t begin = (size_t)network->cell->lone * h, end = begin + h;
    add_row(z, factor, row, begin);
    add_row(z + gates, factor, row + begin, h);
    add_row(z + end, factor, row + end, gates - end);
}

/* Pre-activations of layer l: by gate, then the lone gate's recurrent part. below: H of the layer under it. */
static void pre_activations(px_network *network, int32_t l, int32_t token, const double *below, const double *h_prev)
{
    const px_model_config *model = network->model;
    const size_t h = (size_t)model->hidden, V = (size_t)model->vocab, gates = (size_t)network->cell->gates * h;
    double *z = network->z;
    for (size_t j = 0; j < gates; j++) z[j] = network->b_h[l][j];
    for (size_t j = 0; network->b_lone[l] && j < h; j++) z[gates + j] = network->b_lone[l][j];
    if (l > 0)
        for (size_t k = 0; k < h; k++) add_row(z, below[k], network->w_xh_t[l] + k * gates, gates);
    else if (model->embed > 0)
        for (size_t k = 0; k < (size_t)model->embed; k++)
            add_row(z, network->embedding[(size_t)token * (size_t)model->embed + k], network->w_xh_t[0] + k * gates,
                    gates);
    else
        for (size_t j = 0; j < gates; j++) z[j] += network->w_xh[0][j * V + (size_t)token];
    for (size_t k = 0; h_prev && k < h; k++) add_recurrent(network, z, h_prev[k], network->w_hh_t[l] + k * gates);
}

/* Unit j of a layer: the cell from z; its states and what it keeps replace those in record [R,h]. */
static double step_unit(const px_network *network, double *record, size_t j, int reset)
{
    const px_cell_info *cell = network->cell;
    const size_t h = (size_t)network->model->hidden, G = (size_t)cell->gates, S = (size_t)cell->states;
    px_cell_unit unit = {.u = cell->lone != PX_NO_GATE ? network->z[G * h + j] : 0};
    for (size_t g = 0; g < G; g++) unit.z[g] = network->z[g * h + j];
    for (size_t s = 0; s < S; s++) unit.before[s] = reset ? 0 : record[s * h + j];
    px_cell_maths[network->model->cell].forward(&unit);
    double sum = 0;
    for (size_t s = 0; s < S; s++) sum += fabs(record[s * h + j] = unit.now[s]);
    for (size_t g = 0; cell->keeps && g < G; g++) record[(S + g) * h + j] = unit.z[g];
    if (cell->lone != PX_NO_GATE) record[(S + G) * h + j] = unit.u;
    return sum;
}

px_status px_network_step(px_network *network, int32_t token, int reset)
{
    const size_t h = (size_t)network->model->hidden, row = network->values * h;
    double sum = 0;
    for (int32_t l = 0; l < network->model->layers; l++) {
        double *record = network->record + (size_t)l * row;
        pre_activations(network, l, token, l > 0 ? record - row : NULL, reset ? NULL : record);
        for (size_t j = 0; j < h; j++) sum += step_unit(network, record, j, reset);
    }
    return isfinite(sum)
               ? PX_OK
               : px_fail(PX_ERR_NUMERIC,
                         "inspection: the hidden state is not finite after token %d: its units grow without bound",
                         token);
}

/* A softmax over u W^T (+ b, or NULL), W [rows,width]: returns -log p(target); du [width] = its gradient. */
static double softmax_loss(px_network *network, const float *w, const float *b, int32_t rows, size_t width,
                           const double *u, int32_t target, double *du)
{
    double *o = network->o;
    for (int32_t v = 0; v < rows; v++) o[v] = (b ? b[v] : 0) + px_dot(u, w + (size_t)v * width, width);
    px_loss_row row = px_loss_row_of(o, rows);
    memset(du, 0, width * sizeof *du);
    for (int32_t v = 0; v < rows; v++) {
        double d_o = px_loss_weight(o[v], row.max) / row.sum - (v == target);
        if (d_o != 0) add_row(du, d_o, w + (size_t)v * width, width);
    }
    return px_loss_nll(o[target], row.max, log(row.sum));
}

/* y [rows] = x W^T, and dx [h] += dy W, W [rows,h]. */
static void project(double *y, const float *w, const double *x, size_t rows, size_t h)
{
    for (size_t j = 0; j < rows; j++) y[j] = px_dot(x, w + j * h, h);
}

static void project_back(double *dx, const float *w, const double *dy, size_t rows, size_t h)
{
    for (size_t j = 0; j < rows; j++) add_row(dx, dy[j], w + j * h, h);
}

/* An adaptive output layer (output_layer.h). */
static double adaptive_loss(px_network *network, const double *top, int32_t target, double *dh)
{
    const px_model_config *model = network->model;
    const size_t h = (size_t)model->hidden;
    const int32_t i = px_cutoffs_find(&model->cutoffs, target), head_rows = px_cutoffs_head_rows(&model->cutoffs);
    const int32_t head_target = i < 0 ? target : model->cutoffs.at[0] + i;
    double nll = softmax_loss(network, network->head, NULL, head_rows, h, top, head_target, dh);
    if (i < 0) return nll;
    const px_cluster cluster = px_cutoffs_cluster(&model->cutoffs, model->vocab, model->hidden, i);
    const size_t width = (size_t)cluster.width;
    project(network->u, network->tail_in[i], top, width, h);
    nll += softmax_loss(network, network->tail_out[i], NULL, cluster.end - cluster.begin, width, network->u,
                        target - cluster.begin, network->du);
    project_back(dh, network->tail_in[i], network->du, width, h);
    return nll;
}

double px_network_loss(px_network *network, int32_t target, double *dh)
{
    const px_model_config *model = network->model;
    const size_t h = (size_t)model->hidden, width = head_width(model);
    const double *top = px_network_h(network, network->record, (size_t)model->layers - 1);
    if (model->output == PX_OUTPUT_ADAPTIVE) return adaptive_loss(network, top, target, dh);
    if (!network->projection)
        return softmax_loss(network, network->head, network->b_q, model->vocab, width, top, target, dh);
    project(network->u, network->projection, top, width, h);
    double nll =
        softmax_loss(network, network->head, network->b_q, model->vocab, width, network->u, target, network->du);
    memset(dh, 0, h * sizeof *dh);
    project_back(dh, network->projection, network->du, width, h);
    return nll;
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* Numbers of the scratch: g, and for every layer dz, dz of what W_hh adds to, and what returned past W_hh. */
size_t px_network_scratch(const px_network *network, size_t count)
{
    const size_t per_layer = 2 * (size_t)network->cell->gates + (size_t)network->cell->states;
    return count * (size_t)network->model->hidden * (1 + (size_t)network->model->layers * per_layer);
}

/* out [count,h] += dz [count,rows] W [rows,h]; positions that are marked at reset_lag of their histories stay. */
static void add_product(double *out, const double *dz, const float *w, size_t rows, size_t h, size_t count,
                        const px_history *history, int32_t reset_lag)
{
    for (size_t j = 0; j < rows; j++)
        for (size_t p = 0; p < count; p++) {
            if (reset_lag >= 0 && history[p].reset[reset_lag]) continue;
            double factor = dz[p * rows + j];
            if (factor != 0) add_row(out + p * h, factor, w + j * h, h);
        }
}

/* One layer of all positions on the way back: [count,G h] twice and [count,S,h]. */
typedef struct back_layer {
    double *dz, *dz_hh, *returned;
} back_layer;

static back_layer layer_of(const px_network *network, double *scratch, size_t count, size_t l)
{
    const size_t block = count * (size_t)network->model->hidden, G = (size_t)network->cell->gates,
                 S = (size_t)network->cell->states;
    double *at = scratch + block + l * (2 * G + S) * block;
    return (back_layer){at, at + G * block, at + 2 * G * block};
}

/* Unit j of a position at lag k: the cell backward from d, the gradients of its states; *layer is that position's. */
static void back_unit(const px_network *network, const px_history *history, size_t k, size_t l, size_t j,
                      const double d[PX_CELL_STATES_MAX], back_layer layer)
{
    const px_cell_info *cell = network->cell;
    const size_t h = (size_t)network->model->hidden, G = (size_t)cell->gates, S = (size_t)cell->states,
                 row = network->values * h;
    const size_t step = (size_t)network->model->layers * row;
    const double *now = history->record + k * step + l * row;
    px_cell_unit unit = {.u = cell->lone != PX_NO_GATE ? now[(S + G) * h + j] : 0};
    for (size_t g = 0; cell->keeps && g < G; g++) unit.z[g] = now[(S + g) * h + j];
    for (size_t s = 0; s < S; s++) {
        unit.now[s] = now[s * h + j];
        unit.before[s] = cell->keeps && !history->reset[k] ? now[step + s * h + j] : 0;
        unit.d[s] = d[s];
    }
    px_cell_maths[network->model->cell].backward(&unit);
    for (size_t g = 0; g < G; g++) {
        layer.dz[g * h + j] = unit.z[g];
        layer.dz_hh[g * h + j] = (int)g == cell->lone ? unit.u : unit.z[g];
    }
    for (size_t s = 0; s < S; s++) layer.returned[s * h + j] = unit.d[s];
}

/* One position at lag k of layer l. g [h]: what comes to H from above and through W_hh. Returns the norm over all
 * states. */
static double back_position(const px_network *network, const px_history *history, size_t k, size_t l, const double *g,
                            back_layer layer)
{
    const size_t h = (size_t)network->model->hidden, S = (size_t)network->cell->states;
    const int returns = k > 0 && !history->reset[k - 1];
    double sum = 0;
    for (size_t j = 0; j < h; j++) {
        double d[PX_CELL_STATES_MAX] = {0};
        for (size_t s = 0; s < S; s++) {
            d[s] = (s == 0 ? g[j] : 0) + (returns ? layer.returned[s * h + j] : 0);
            sum += d[s] * d[s];
        }
        back_unit(network, history, k, l, j, d, layer);
    }
    return sqrt(sum);
}

void px_network_backward(const px_network *network, const px_history *history, size_t count, const double *dh,
                         double *norm, double *scratch)
{
    const size_t h = (size_t)network->model->hidden, L = (size_t)network->model->layers, lags = (size_t)history[0].lags;
    const size_t rows = (size_t)network->cell->gates * h, S = (size_t)network->cell->states;
    double *g = scratch; /* [count,h] */
    for (size_t k = 0; k <= lags; k++)
        for (size_t l = L; l-- > 0;) {
            const back_layer layer = layer_of(network, scratch, count, l); /* at lag k-1 until its turn at lag k */
            /* g = d loss_t / d H^l_{t-k}: what the layer above makes of it at t-k, and this layer at t-k+1 */
            if (k == 0 && l == L - 1)
                memcpy(g, dh, count * h * sizeof *g);
            else
                memset(g, 0, count * h * sizeof *g);
            if (l + 1 < L)
                add_product(g, layer_of(network, scratch, count, l + 1).dz, network->w_xh[l + 1], rows, h, count,
                            history, -1);
            if (k > 0) add_product(g, layer.dz_hh, network->w_hh[l], rows, h, count, history, (int32_t)k - 1);
            for (size_t p = 0; p < count; p++)
                norm[(p * L + l) * (lags + 1) + k] = back_position(
                    network, &history[p], k, l, g + p * h,
                    (back_layer){layer.dz + p * rows, layer.dz_hh + p * rows, layer.returned + p * S * h});
        }
}
