/* The factors that dropout multiplies by, drawn by counters (philox.h): outside training all of them are 1. */
#ifndef PX_REFERENCE_MASKS_H
#define PX_REFERENCE_MASKS_H

#include "philox.h"
#include "reference_internal.h"

/* Factor 0 or 1 / (1 - p) of element j of stream i at step t. */
static inline double mask(const reference *r, const window *win, uint32_t purpose, int32_t layer, double p, int32_t t,
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
static inline double embedding_mask(const reference *r, const window *win, int32_t token)
{
    double p = r->model.dropout_embedding;
    if (!win->training || p == 0) return 1;
    uint64_t element = win->batch->step * (uint64_t)r->model.vocab + (uint64_t)token;
    uint32_t lane = px_random_u32(r->shape.seed, PX_RANDOM_DROPOUT_EMBEDDING, 0, element);
    return lane >= px_dropout_threshold(p) ? (double)px_dropout_scale(p) : 0;
}

/* Factor of W_hh[out,in], out in [0, G h): one mask per window. */
static inline double weight_mask(const reference *r, const window *win, int32_t layer, int32_t out, int32_t in)
{
    double p = r->model.dropout_weight;
    if (!win->training || p == 0) return 1;
    uint64_t h = (uint64_t)r->model.hidden;
    uint64_t element = win->batch->step * gate_rows(&r->model) * h + (uint64_t)out * h + (uint64_t)in;
    uint32_t lane = px_random_u32(r->shape.seed, PX_RANDOM_DROPOUT_WEIGHT, (uint32_t)layer, element);
    return lane >= px_dropout_threshold(p) ? (double)px_dropout_scale(p) : 0;
}

/* Factor of the copy of layer l's output that goes up: between layers, or before the head. */
static inline double up_mask(const reference *r, const window *win, int32_t l, int32_t t, int32_t i, int32_t j)
{
    if (l == r->model.layers - 1)
        return mask(r, win, PX_RANDOM_DROPOUT_OUTPUT, 0, r->model.dropout_output, t, i, r->model.hidden, j);
    return mask(r, win, PX_RANDOM_DROPOUT_BETWEEN, l, r->model.dropout_between, t, i, r->model.hidden, j);
}

#endif
