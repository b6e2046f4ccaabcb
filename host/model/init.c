/* Initial weights, always made on the host: a pure function of the model and the seed, so that every engine starts
 * from the same numbers. Element i (in file layout) of tensor k is made from element i of the Philox stream
 * (seed, PX_RANDOM_INIT, layer = k). */
#include "init_internal.h"
#include "parameters.h"
#include "philox.h"

#include "check.h"

#include <math.h>
#include <string.h>

static void fill_uniform(uint64_t seed, uint32_t k, double bound, size_t count, float *out)
{
    for (size_t i = 0; i < count; i += 4) {
        px_philox_block block = px_philox(seed, PX_RANDOM_INIT, k, i / 4);
        for (size_t j = 0; j < 4 && i + j < count; j++)
            out[i + j] = (float)(bound * (2 * px_uniform_open(block.lane[j]) - 1));
    }
}

void px_init_normal_pair(uint64_t seed, uint32_t k, uint64_t pair, double normal[2])
{
    px_philox_block block = px_philox(seed, PX_RANDOM_INIT, k, pair / 2);
    const uint32_t *lane = block.lane + pair % 2 * 2;
    double radius = sqrt(-2 * log(px_uniform_open(lane[0])));
    double angle = 2 * M_PI * px_uniform(lane[1]);
    normal[0] = radius * cos(angle);
    normal[1] = radius * sin(angle);
}

static void fill_normal(uint64_t seed, uint32_t k, double deviation, size_t count, float *out)
{
    for (size_t i = 0; i < count; i += 2) {
        double normal[2];
        px_init_normal_pair(seed, k, i / 2, normal);
        out[i] = (float)(deviation * normal[0]);
        if (i + 1 < count) out[i + 1] = (float)(deviation * normal[1]);
    }
}

/* Outputs that one matrix of the tensor feeds: each gate has one of its own. */
static double fan_out(const px_tensor *tensor, const px_model_config *model)
{
    const int gated = tensor->role == PX_TENSOR_W_XH || tensor->role == PX_TENSOR_W_HH;
    return gated ? model->hidden : tensor->rows;
}

/* PyTorch's bounds: h for all that nn.RNN and the output layer have; a cluster's second matrix reads d_i values. */
static int32_t uniform_fan_in(const px_tensor *tensor, const px_model_config *model)
{
    return tensor->role == PX_TENSOR_TAIL_OUT ? tensor->cols : model->hidden;
}

/* The initialiser that the model names, for one tensor. Uniform draws biases too, as PyTorch's nn.RNN does; the others
 * leave them zero, as Dive into Deep Learning (8.5) does. */
static void fill_tensor(const px_tensor *tensor, const px_model_config *model, const double *output_rms, uint64_t seed,
                        uint32_t k, float *out)
{
    switch (model->init) {
    case PX_INIT_UNIFORM:
        fill_uniform(seed, k, model->init_scale / sqrt((double)uniform_fan_in(tensor, model)), tensor->count, out);
        break;
    case PX_INIT_NORMAL:
        if (tensor->dims == 2) fill_normal(seed, k, model->init_scale, tensor->count, out);
        break;
    case PX_INIT_GLOROT: /* Glorot and Bengio 2010: variance 2 / (fan in + fan out) */
        if (tensor->dims == 2)
            fill_uniform(seed, k, model->init_scale * sqrt(6.0 / (fan_out(tensor, model) + tensor->cols)),
                         tensor->count, out);
        break;
    case PX_INIT_FAN_IN: /* a uniform distribution's deviation is its bound / sqrt(3) */
        fill_uniform(seed, k, model->init_scale * sqrt(3) * px_init_fan_in(tensor, model, output_rms), tensor->count,
                     out);
        break;
    }
}

static void fill_identity(size_t h, double gain, float *out)
{
    for (size_t i = 0; i < h; i++) out[i * h + i] = (float)gain;
}

/* W_hh gate by gate: orthogonal or a multiple of the identity, as the model asks. */
static px_status fill_recurrent(const px_tensor *tensor, const px_model_config *model, uint64_t seed, uint32_t k,
                                float *out)
{
    const size_t h = (size_t)tensor->cols, gates = (size_t)tensor->rows / h;
    for (size_t gate = 0; gate < gates; gate++, out += h * h) {
        if (model->init_recurrent == PX_INIT_RECURRENT_IDENTITY)
            fill_identity(h, model->init_gain, out);
        else
            PX_TRY(px_init_orthogonal(seed, k, gate * ((h * h + 1) / 2), h, model->init_gain, out));
    }
    return PX_OK;
}

/* An LSTM's forget gate begins open (Jozefowicz, Zaremba, Sutskever 2015). */
static void fill_ones(const px_tensor *b_h, const px_model_config *model, float *out)
{
    const int ones = px_cell_of(model->cell)->ones;
    const size_t h = (size_t)model->hidden;
    if (b_h->role != PX_TENSOR_B_H || ones == PX_NO_GATE) return;
    for (size_t j = 0; j < h; j++) out[(size_t)ones * h + j] = 1;
}

/* Not where signals are meant to grow from step to step: units with an identity as W_hh add up what they have read, and
 * learn worse from rows made so small that the sum of 64 of them has the size wanted (docs/DESIGN.md); lengths that an
 * orthogonal matrix multiplies by more than a ReLU takes away would make them vanish. */
static int fits_relu(const px_model_config *model)
{
    const int grows = model->init_recurrent == PX_INIT_RECURRENT_IDENTITY ||
                      (model->init_recurrent == PX_INIT_RECURRENT_ORTHOGONAL && model->init_gain > sqrt(2));
    return model->init == PX_INIT_FAN_IN && model->cell == PX_CELL_RELU && !grows;
}

px_status px_parameters_init(const px_parameters *table, const px_model_config *model, uint64_t seed, float *flat)
{
    double output_rms[PX_MAX_LAYERS] = {0};
    if (model->init == PX_INIT_FAN_IN) PX_TRY(px_init_output_rms(model, output_rms));
    memset(flat, 0, table->count * sizeof *flat);
    for (int32_t k = 0; k < table->tensor_count; k++) {
        const px_tensor *tensor = &table->tensor[k];
        float *out = flat + tensor->offset;
        if (tensor->role == PX_TENSOR_W_HH && model->init_recurrent != PX_INIT_RECURRENT_SAME)
            PX_TRY(fill_recurrent(tensor, model, seed, (uint32_t)k, out));
        else
            fill_tensor(tensor, model, output_rms, seed, (uint32_t)k, out);
        fill_ones(tensor, model, out);
    }
    return fits_relu(model) ? px_init_fit_relu(table, model, output_rms, flat) : PX_OK;
}
