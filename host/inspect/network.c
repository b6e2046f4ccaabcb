/* One stream forward and gradients of single losses backward: see network.h. */
#include "network.h"

#include "cells/double.h"
#include "check.h"
#include "loss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t input_width(const px_model_config *model, int32_t l)
{
    return (size_t)(l > 0 ? model->hidden : model->embed > 0 ? model->embed : model->vocab);
}

static size_t head_width(const px_model_config *model)
{
    return (size_t)(model->tied ? model->embed : model->hidden);
}

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

px_status px_network_create(const px_model_config *model, const px_parameters *table, const float *weights, px_network *network)
{
    size_t h = (size_t)model->hidden, L = (size_t)model->layers, turned = 0, width = head_width(model);
    *network = (px_network){.model = model};
    for (int32_t l = 0; l < model->layers; l++) turned += h * h + (l == 0 && model->embed == 0 ? 0 : h * input_width(model, l));
    network->turned = malloc(turned * sizeof *network->turned);
    network->state = calloc(L * h + h + 2 * width + (size_t)model->vocab, sizeof *network->state);
    if (!network->turned || !network->state) {
        px_network_destroy(network);
        return px_fail(PX_ERR_MEMORY, "inspection: no memory for %zu weights", turned);
    }
    network->z = network->state + L * h;
    network->u = network->z + h;
    network->du = network->u + width;
    network->o = network->du + width;

    float *room = network->turned;
    for (int32_t l = 0; l < model->layers; l++) {
        network->w_xh[l] = tensor_of(table, weights, PX_TENSOR_W_XH, l);
        network->w_hh[l] = tensor_of(table, weights, PX_TENSOR_W_HH, l);
        network->b_h[l] = tensor_of(table, weights, PX_TENSOR_B_H, l);
        network->w_hh_t[l] = turn(room, network->w_hh[l], h, h);
        room += h * h;
        if (l == 0 && model->embed == 0) continue;
        network->w_xh_t[l] = turn(room, network->w_xh[l], h, input_width(model, l));
        room += h * input_width(model, l);
    }
    network->embedding = tensor_of(table, weights, PX_TENSOR_EMBEDDING, 0);
    network->projection = tensor_of(table, weights, PX_TENSOR_PROJECTION, 0);
    network->head = model->tied ? network->embedding : tensor_of(table, weights, PX_TENSOR_W_HQ, 0);
    network->b_q = tensor_of(table, weights, PX_TENSOR_B_Q, 0);
    return PX_OK;
}

void px_network_destroy(px_network *network)
{
    free(network->turned);
    free(network->state);
    *network = (px_network){0};
}

/* ---- forward ------------------------------------------------------------------------------------------------------ */

/* z [n] += factor * row [n] */
static void add_row(double *z, double factor, const float *row, size_t n)
{
    for (size_t j = 0; j < n; j++) z[j] += factor * row[j];
}

px_status px_network_step(px_network *network, int32_t token, int reset)
{
    const px_model_config *model = network->model;
    size_t h = (size_t)model->hidden, V = (size_t)model->vocab;
    double *z = network->z, sum = 0;
    for (int32_t l = 0; l < model->layers; l++) {
        double *state = network->state + (size_t)l * h;
        for (size_t j = 0; j < h; j++) z[j] = network->b_h[l][j];
        if (l > 0)
            for (size_t k = 0; k < h; k++) add_row(z, (state - h)[k], network->w_xh_t[l] + k * h, h);
        else if (model->embed > 0)
            for (size_t k = 0; k < (size_t)model->embed; k++)
                add_row(z, network->embedding[(size_t)token * (size_t)model->embed + k], network->w_xh_t[0] + k * h, h);
        else
            for (size_t j = 0; j < h; j++) z[j] += network->w_xh[0][j * V + (size_t)token];
        for (size_t k = 0; !reset && k < h; k++) add_row(z, state[k], network->w_hh_t[l] + k * h, h);
        for (size_t j = 0; j < h; j++) {
            px_cell_unit unit = {.z = {z[j]}};
            px_cell_maths[model->cell].forward(&unit);
            state[j] = unit.now[0];
            sum += fabs(state[j]);
        }
    }
    return isfinite(sum) ? PX_OK : px_fail(PX_ERR_NUMERIC, "inspection: the hidden state is not finite after token %d: its units grow without bound", token);
}

/* Four partial sums, so that the additions need not wait for each other. */
static double dot(const double *x, const float *y, size_t n)
{
    double sum[4] = {0, 0, 0, 0};
    size_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (size_t i = 0; i < 4; i++) sum[i] += x[j + i] * y[j + i];
    for (; j < n; j++) sum[0] += x[j] * y[j];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

double px_network_loss(px_network *network, int32_t target, double *dh)
{
    const px_model_config *model = network->model;
    size_t h = (size_t)model->hidden, width = head_width(model);
    const double *top = network->state + (size_t)(model->layers - 1) * h;
    double *u = network->u, *du = network->projection ? network->du : dh;
    if (network->projection)
        for (size_t j = 0; j < width; j++) u[j] = dot(top, network->projection + j * h, h);
    else
        memcpy(u, top, h * sizeof *u);
    for (int32_t v = 0; v < model->vocab; v++) network->o[v] = network->b_q[v] + dot(u, network->head + (size_t)v * width, width);
    px_loss_row row = px_loss_row_of(network->o, model->vocab);

    memset(du, 0, width * sizeof *du);
    for (int32_t v = 0; v < model->vocab; v++) {
        double d_o = px_loss_weight(network->o[v], row.max) / row.sum - (v == target);
        if (d_o != 0) add_row(du, d_o, network->head + (size_t)v * width, width);
    }
    if (network->projection) {
        memset(dh, 0, h * sizeof *dh);
        for (size_t j = 0; j < width; j++) add_row(dh, du[j], network->projection + j * h, h);
    }
    return px_loss_nll(network->o[target], row.max, log(row.sum));
}

/* ---- backward ------------------------------------------------------------------------------------------------------- */

size_t px_network_scratch(const px_network *network, size_t count)
{
    return count * ((size_t)network->model->layers + 1) * (size_t)network->model->hidden;
}

/* out [count,h] += dz [count,h] W [h,h]; the rows of positions that are marked in `skip` (lag k of their histories) stay. */
static void add_product(double *out, const double *dz, const float *w, size_t h, size_t count, const px_history *history, int32_t reset_lag)
{
    for (size_t j = 0; j < h; j++)
        for (size_t p = 0; p < count; p++) {
            if (reset_lag >= 0 && history[p].reset[reset_lag]) continue;
            double factor = dz[p * h + j];
            if (factor != 0) add_row(out + p * h, factor, w + j * h, h);
        }
}

void px_network_backward(const px_network *network, const px_history *history, size_t count, const double *dh, double *norm, double *scratch)
{
    size_t h = (size_t)network->model->hidden, L = (size_t)network->model->layers, lags = (size_t)history[0].lags;
    double *g = scratch, *dz = scratch + count * h; /* [count,h]; [L,count,h]: at lag k-1 until a layer's turn at lag k */
    for (size_t k = 0; k <= lags; k++)
        for (size_t l = L; l-- > 0;) {
            double *dz_l = dz + l * count * h;
            /* g = d loss_t / d H^l_{t-k}: what the layer above makes of it at t-k, and this layer at t-k+1 */
            if (k == 0 && l == L - 1)
                memcpy(g, dh, count * h * sizeof *g);
            else
                memset(g, 0, count * h * sizeof *g);
            if (l + 1 < L) add_product(g, dz_l + count * h, network->w_xh[l + 1], h, count, history, -1);
            if (k > 0) add_product(g, dz_l, network->w_hh[l], h, count, history, (int32_t)k - 1);
            for (size_t p = 0; p < count; p++) {
                const double *state = history[p].h + (k * L + l) * h;
                double sum = 0;
                for (size_t j = 0; j < h; j++) {
                    double value = g[p * h + j];
                    sum += value * value;
                    px_cell_unit unit = {.now = {state[j]}, .d = {value}};
                    px_cell_maths[network->model->cell].backward(&unit);
                    dz_l[p * h + j] = unit.z[0];
                }
                norm[(p * L + l) * (lags + 1) + k] = sqrt(sum);
            }
        }
}
