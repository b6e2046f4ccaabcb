/* The factors of --lr-scaling: see rate_scaling.h. */
#include "rate_scaling.h"

#include <math.h>

/* Under Adam and its kind: */
static const double ROW_FACTOR = 4;        /* of a one-hot W_xh, whose rows are looked up, and of biases */
static const double EMBEDDING_FACTOR = 16; /* of a table of embeddings, whose elements are twice as large */
static const double TIED_FACTOR = 3;       /* of one of the base width that is the output layer, too */
static const double OUTPUT_FACTOR = 2;     /* of an output layer behind an embedding, taken to be one of words */
static const double LSTM_DEFAULT = 2;      /* of the default rate */
/* Under SGD and momentum: */
static const double TIED_DESCENT_FACTOR = 0.5; /* of an output layer's, for a table that is one and an embedding, too */

double px_rate_default(px_cell cell, const px_optimizer_config *optimizer)
{
    const px_optimizer_row *row = px_optimizer_of(optimizer->kind);
    const int faster = cell == PX_CELL_LSTM && row->normalised && optimizer->lr_scaling == PX_LR_SCALING_MUP;
    return faster ? LSTM_DEFAULT * row->rate : row->rate;
}

/* Width over the base width. */
static double breadth(int32_t width)
{
    return (double)(width < PX_RATE_LEAST_WIDTH ? PX_RATE_LEAST_WIDTH : width) / PX_RATE_BASE_WIDTH;
}

/* The maps between a token and the top layer: the layers, and with an embedding the first layer's dense W_xh. */
static int32_t depth(const px_model_config *model) { return model->layers + (model->embed > 0); }

/* Where a step's size does not follow the gradient's: optimizer.h. */
static double normalised_factor(const px_model_config *model, const px_tensor *tensor)
{
    switch (tensor->role) {
    case PX_TENSOR_EMBEDDING:
        return (model->tied ? TIED_FACTOR / sqrt(breadth(model->embed)) : EMBEDDING_FACTOR) / depth(model);
    case PX_TENSOR_W_XH:
        if (tensor->one_hot) return ROW_FACTOR / depth(model);
        return 1 / breadth(tensor->cols) / depth(model);
    case PX_TENSOR_W_HH: return 1 / breadth(tensor->cols) / depth(model);
    case PX_TENSOR_B_H:
    case PX_TENSOR_B_HN:
    case PX_TENSOR_B_Q: return ROW_FACTOR / model->layers;
    case PX_TENSOR_TAIL_IN:
    case PX_TENSOR_PROJECTION: return 1 / breadth(tensor->cols) / model->layers;
    case PX_TENSOR_HEAD:
    case PX_TENSOR_TAIL_OUT: /* its width grows as h does */
    case PX_TENSOR_W_HQ: return (model->embed > 0 ? OUTPUT_FACTOR : 1.0 / model->layers) / breadth(model->hidden);
    }
    return 1;
}

static double descent_factor(const px_model_config *model, const px_tensor *tensor)
{
    switch (tensor->role) {
    case PX_TENSOR_EMBEDDING: return model->tied ? TIED_DESCENT_FACTOR / breadth(model->embed) : breadth(model->hidden);
    case PX_TENSOR_B_H:
    case PX_TENSOR_B_HN:
    case PX_TENSOR_B_Q: return breadth(model->hidden);
    case PX_TENSOR_W_XH: return tensor->one_hot ? breadth(model->hidden) : 1;
    case PX_TENSOR_W_HH:
    case PX_TENSOR_TAIL_IN:
    case PX_TENSOR_PROJECTION: return 1;
    case PX_TENSOR_HEAD:
    case PX_TENSOR_TAIL_OUT: /* its width grows as h does */
    case PX_TENSOR_W_HQ: return 1 / breadth(model->hidden);
    }
    return 1;
}

double px_rate_factor(const px_model_config *model, const px_optimizer_config *optimizer, const px_tensor *tensor)
{
    if (optimizer->lr_scaling == PX_LR_SCALING_NONE) return 1;
    return px_optimizer_of(optimizer->kind)->normalised ? normalised_factor(model, tensor)
                                                        : descent_factor(model, tensor);
}

px_rate_spans px_rate_spans_make(const px_parameters *table, const px_model_config *model,
                                 const px_optimizer_config *optimizer)
{
    px_rate_spans spans = {0};
    for (int32_t k = 0; k < table->tensor_count; k++) {
        const float factor = (float)px_rate_factor(model, optimizer, &table->tensor[k]);
        if (spans.count == 0 || spans.span[spans.count - 1].factor != factor) spans.span[spans.count++].factor = factor;
        spans.span[spans.count - 1].end = k + 1 < table->tensor_count ? table->tensor[k + 1].offset : table->count;
    }
    return spans;
}
