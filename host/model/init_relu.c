/* --init fan-in for ReLU: every layer's W_xh is rescaled to what the drawn weights do.
 *
 * A deviation fixes what weights bring on the average. A tanh or a gate bounds what exceeds it; a ReLU hands it on, so
 * that values grow or vanish with the depth, the faster the narrower layers are. So the drawn
 * network reads a text of random tokens, layer after layer, and each layer's pre-activations get the rms that is wanted
 * (Mishkin and Matas 2016, "All you need is a good init"; there the variance of one minibatch). From a zero state and
 * without biases a layer of ReLU is homogeneous: c times its W_xh are c times its values at every step. One reading
 * therefore tells the factor. */
#include "init_internal.h"

#include "check.h"
#include "dot.h"
#include "philox.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS = 64, STREAM = 0x10000 /* of seed 0, behind those of init_fan_in.c */ };

static const double PRE_ACTIVATION_RMS = 0.6;

/* What a layer reads and brings, [STEPS,width] and [STEPS,h]. */
typedef struct reading {
    const px_model_config *model;
    const px_parameters *table;
    float *flat;
    double *input, *output;
    size_t width, h;
} reading;

static float *weights_of(const reading *r, px_tensor_role role, int32_t layer)
{
    const px_tensor *tensor = px_parameters_find(r->table, role, layer);
    return tensor ? r->flat + tensor->offset : NULL;
}

static size_t token_at(const reading *r, size_t t)
{
    return px_random_u32(0, PX_RANDOM_INIT, STREAM, t) % (uint32_t)r->model->vocab;
}

/* The rows of an embedding become the first layer's input; without one it has none but the tokens. */
static void look_up(reading *r)
{
    const float *embedding = weights_of(r, PX_TENSOR_EMBEDDING, 0);
    r->width = (size_t)r->model->embed;
    for (size_t t = 0; t < STEPS; t++) {
        const size_t row = token_at(r, t) * r->width;
        for (size_t j = 0; j < r->width; j++)
            r->input[t * r->width + j] = (double)embedding[row + j] / r->model->init_scale;
    }
}

/* The layer reads its input; returns the rms of its pre-activations. --init-scale, which comes on top of what is
 * measured here, is taken out of the weights that have it. */
static double read_layer(const reading *r, int32_t layer)
{
    const px_model_config *model = r->model;
    const float *w_xh = weights_of(r, PX_TENSOR_W_XH, layer), *w_hh = weights_of(r, PX_TENSOR_W_HH, layer);
    const double scale = model->init_scale,
                 recurrent_scale = model->init_recurrent == PX_INIT_RECURRENT_SAME ? scale : 1;
    double sum = 0;
    for (size_t t = 0; t < STEPS; t++) {
        const size_t token = token_at(r, t);
        for (size_t i = 0; i < r->h; i++) {
            double z = r->width == 0 ? (double)w_xh[i * (size_t)model->vocab + token]
                                     : px_dot(r->input + t * r->width, w_xh + i * r->width, r->width);
            z /= scale;
            if (t > 0) z += px_dot(r->output + (t - 1) * r->h, w_hh + i * r->h, r->h) / recurrent_scale;
            r->output[t * r->h + i] = z > 0 ? z : 0;
            sum += z * z;
        }
    }
    return sqrt(sum / (double)(STEPS * r->h));
}

static void multiply(double factor, size_t count, double *x)
{
    for (size_t i = 0; i < count; i++) x[i] *= factor;
}

static void multiply_tensor(const reading *r, const px_tensor *tensor, double factor)
{
    for (size_t i = 0; i < tensor->count; i++)
        r->flat[tensor->offset + i] = (float)(factor * (double)r->flat[tensor->offset + i]);
}

/* A layer whose pre-activations are all zero, or not finite, is left as it is. */
static void fit_layer(reading *r, int32_t layer)
{
    const double rms = read_layer(r, layer), factor = rms > 0 && isfinite(rms) ? PRE_ACTIVATION_RMS / rms : 1;
    multiply_tensor(r, px_parameters_find(r->table, PX_TENSOR_W_XH, layer), factor);
    multiply(factor, STEPS * r->h, r->output);
    double *input = r->input;
    r->input = r->output;
    r->output = input;
    r->width = r->h;
}

/* A projection and a cluster's first matrix were drawn for a top layer of rms `expected`; W_hq and the head do not depend
 * on it. */
static void fit_readers(const reading *r, double expected)
{
    double sum = 0;
    for (size_t i = 0; i < STEPS * r->h; i++) sum += r->input[i] * r->input[i];
    const double rms = sqrt(sum / (double)(STEPS * r->h));
    for (int32_t k = 0; rms > 0 && isfinite(expected / rms) && k < r->table->tensor_count; k++) {
        const px_tensor *tensor = &r->table->tensor[k];
        if (tensor->role == PX_TENSOR_PROJECTION || tensor->role == PX_TENSOR_TAIL_IN)
            multiply_tensor(r, tensor, expected / rms);
    }
}

px_status px_init_fit_relu(const px_parameters *table, const px_model_config *model, const double *output_rms,
                           float *flat)
{
    const size_t h = (size_t)model->hidden, d = (size_t)model->embed, width = h > d ? h : d;
    if (model->init_scale == 0) return PX_OK;
    double *room = malloc(2 * STEPS * width * sizeof *room);
    if (!room)
        return px_fail(PX_ERR_MEMORY, "no memory for the %zu bytes that initial weights are measured with",
                       2 * STEPS * width * sizeof *room);
    reading r = {.model = model, .table = table, .flat = flat, .input = room, .output = room + STEPS * width, .h = h};
    look_up(&r);
    for (int32_t l = 0; l < model->layers; l++) fit_layer(&r, l);
    fit_readers(&r, output_rms[model->layers - 1]);
    free(room);
    return PX_OK;
}
