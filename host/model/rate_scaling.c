/* The factors of --lr-scaling: see rate_scaling.h. */
#include "rate_scaling.h"

#include <math.h>

/* Whether a step's size does not depend on the gradient's: Adam, AdamW and RMSProp divide by its root mean square. */
static int is_adaptive(const px_optimizer_config *optimizer) { return px_optimizer_of(optimizer->kind)->moment2; }

/* How wide a tensor counts for each kind of optimiser. */
static double width_factor(const px_model_config *model, const px_optimizer_config *optimizer, const px_tensor *tensor)
{
    const double base = PX_RATE_BASE_WIDTH, wide = model->hidden / base;
    switch (tensor->role) {
    case PX_TENSOR_EMBEDDING:
    case PX_TENSOR_B_H:
    case PX_TENSOR_B_HN:
    case PX_TENSOR_B_Q: return is_adaptive(optimizer) ? 1 : wide;
    case PX_TENSOR_W_XH:
        if (tensor->one_hot) return is_adaptive(optimizer) ? 1 : wide;
        return is_adaptive(optimizer) ? base / tensor->cols : 1;
    case PX_TENSOR_W_HH:
    case PX_TENSOR_TAIL_IN:
    case PX_TENSOR_PROJECTION: return is_adaptive(optimizer) ? base / tensor->cols : 1;
    case PX_TENSOR_HEAD:
    case PX_TENSOR_TAIL_OUT: /* its width grows as h does */
    case PX_TENSOR_W_HQ: return 1 / wide;
    }
    return 1;
}

double px_rate_factor(const px_model_config *model, const px_optimizer_config *optimizer, const px_tensor *tensor)
{
    if (optimizer->lr_scaling == PX_LR_SCALING_NONE) return 1;
    return width_factor(model, optimizer, tensor) / sqrt(model->layers);
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
