/* --init fan-in: the deviation of each tensor from what it reads.
 *
 * A unit that adds up F values of root mean square r, with weights of deviation s, gets a sum of rms s r sqrt(F). So
 * s = (the rms wanted) / (r sqrt(F)), at every width and depth: LeCun, Bottou, Orr and Mueller 1998; He, Zhang, Ren and
 * Sun 2015, where r is a ReLU's. Here r of each layer's output is measured, for any cell. */
#include "init_internal.h"

#include "cells/double.h"
#include "check.h"
#include "philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double INPUT_RMS = 0.5;   /* of what a layer reads, in its pre-activations */
static const double ROW_LENGTH = 0.5;  /* of a tied table's rows: sqrt(d) times their rms */
static const double LOGITS_RMS = 0.5;  /* at most, of a tied output layer behind a projection */
static const double OUTPUT_FACTOR = 1; /* of an output layer of its own */
static const double CLUSTER_RMS = 1;   /* of T_i, what the second matrix of an adaptive output layer's cluster reads */

/* ---- the pilot ------------------------------------------------------------------------------------------------------
 *
 * How large a layer's output is follows from its cell, and from how long it and the layer below remember. It is
 * measured on a network of the same cell and depth, of UNITS units a layer, while it reads STEPS random tokens: layer
 * after layer, each with the weights that the scheme gives it; those of an orthogonal W_hh are drawn, which keeps
 * lengths nearly. */

enum { UNITS = 64, STEPS = 64 };

typedef struct pilot {
    const px_model_config *model;
    float w_xh[PX_CELL_GATES_MAX][UNITS][UNITS], w_hh[PX_CELL_GATES_MAX][UNITS][UNITS]; /* of deviation 1 */
    double input[STEPS][UNITS], output[STEPS][UNITS];                                   /* of the layer */
    px_cell_unit unit[UNITS];
} pilot;

/* Uniform numbers of deviation 1: the first `count` of stream k. */
static void fill(uint32_t k, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(sqrt(3) * (2 * px_uniform_open(px_random_u32(0, PX_RANDOM_INIT, k, i)) - 1));
}

/* w . x / sqrt(UNITS) */
static double product(const float *w, const double *x)
{
    double sum = 0;
    for (int j = 0; j < UNITS; j++) sum += (double)w[j] * x[j];
    return sum / sqrt(UNITS);
}

/* What unit i's gate reads at step t, with rms 1 where the input has it: a row of its own for each token in the first
 * layer, the layer below in the others. */
static double read_input(const pilot *p, int32_t layer, int gate, int t, int i)
{
    return layer == 0 ? p->w_xh[gate][i][t] : product(p->w_xh[gate][i], p->input[t]);
}

/* What unit i's gate reads of the step before, through W_hh as --init-recurrent has it. */
static double read_state(const pilot *p, int gate, int t, int i)
{
    const px_model_config *model = p->model;
    if (t == 0) return 0;
    if (model->init_recurrent == PX_INIT_RECURRENT_IDENTITY) return model->init_gain * p->output[t - 1][i];
    return (model->init_recurrent == PX_INIT_RECURRENT_SAME ? 1 : model->init_gain) *
           product(p->w_hh[gate][i], p->output[t - 1]);
}

static void step_unit(pilot *p, int32_t layer, double input_scale, int t, int i)
{
    const px_cell_info *info = px_cell_of(p->model->cell);
    px_cell_unit *unit = &p->unit[i];
    unit->u = 0;
    for (int s = 0; s < info->states; s++) unit->before[s] = unit->now[s];
    for (int gate = 0; gate < info->gates; gate++) {
        const double recurrent = read_state(p, gate, t, i);
        unit->z[gate] = input_scale * read_input(p, layer, gate, t, i) + (gate == info->ones);
        if (gate == info->lone)
            unit->u = recurrent;
        else
            unit->z[gate] += recurrent;
    }
    px_cell_maths[p->model->cell].forward(unit);
    p->output[t][i] = unit->now[0];
}

/* The rms of a layer's output over all steps; the output takes the input's place. */
static double run_layer(pilot *p, int32_t layer, double input_rms)
{
    double sum = 0;
    fill(2 * (uint32_t)layer, sizeof p->w_xh / sizeof(float), p->w_xh[0][0]);
    fill(2 * (uint32_t)layer + 1, sizeof p->w_hh / sizeof(float), p->w_hh[0][0]);
    memset(p->unit, 0, sizeof p->unit);
    for (int t = 0; t < STEPS; t++)
        for (int i = 0; i < UNITS; i++) {
            step_unit(p, layer, INPUT_RMS / input_rms, t, i);
            sum += p->output[t][i] * p->output[t][i];
        }
    memcpy(p->input, p->output, sizeof p->input);
    return sqrt(sum / (STEPS * UNITS));
}

px_status px_init_output_rms(const px_model_config *model, double rms[PX_MAX_LAYERS])
{
    pilot *p = malloc(sizeof *p);
    if (!p)
        return px_fail(PX_ERR_MEMORY, "no memory for the %zu bytes that initial weights are measured with", sizeof *p);
    p->model = model;
    for (int32_t l = 0; l < model->layers; l++) rms[l] = run_layer(p, l, l == 0 ? 1 : rms[l - 1]);
    free(p);
    return PX_OK;
}

/* ---- deviations ----------------------------------------------------------------------------------------------------
 */

/* A tied table is the output layer, too: rows short enough for small logits where U = H, that is d = h. What reads
 * them, W_xh of layer 0, is as much larger. */
static double embedding_rms(const px_model_config *model) { return model->tied ? ROW_LENGTH / sqrt(model->embed) : 1; }

double px_init_fan_in(const px_tensor *tensor, const px_model_config *model, const double *output_rms)
{
    const double h = model->hidden, row = embedding_rms(model);
    switch (tensor->role) {
    case PX_TENSOR_EMBEDDING: return row;
    case PX_TENSOR_W_XH:
        if (tensor->one_hot) return INPUT_RMS;
        return INPUT_RMS / ((tensor->layer == 0 ? row : output_rms[tensor->layer - 1]) * sqrt(tensor->cols));
    case PX_TENSOR_W_HH: return 1 / sqrt(h);
    case PX_TENSOR_PROJECTION: return LOGITS_RMS / (ROW_LENGTH * output_rms[model->layers - 1] * sqrt(h));
    case PX_TENSOR_HEAD:
    case PX_TENSOR_W_HQ: return OUTPUT_FACTOR / h; /* the wider, the nearer to zero: Yang et al. 2021, table 3 */
    case PX_TENSOR_TAIL_IN: return CLUSTER_RMS / (output_rms[model->layers - 1] * sqrt(h));
    case PX_TENSOR_TAIL_OUT: return OUTPUT_FACTOR / (CLUSTER_RMS * tensor->cols);
    case PX_TENSOR_B_H:
    case PX_TENSOR_B_HN:
    case PX_TENSOR_B_Q: return 0;
    }
    return 0;
}
