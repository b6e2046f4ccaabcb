/* The parameter table: which tensors a model has, where each lies in the flat buffers, and the copies between the file
 * layout and the one engines prefer. What fills the tensors at first is in init.c. */
#include "parameters.h"

#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Appends one tensor; its offset is the table's current size, which then grows to the next aligned place. */
static px_status add_tensor(px_parameters *table, px_tensor_role role, int32_t layer, const char *name, int32_t rows,
                            int32_t cols, int32_t dims)
{
    px_tensor *tensor = &table->tensor[table->tensor_count];
    size_t count, end;
    /* every size is a positive int32, so that rows * cols fits 64 bits; bytes, aligned, must fit as well */
    if (__builtin_mul_overflow((size_t)rows, (size_t)cols, &count) ||
        __builtin_add_overflow(table->count, count, &end) || end > SIZE_MAX / 2 / sizeof(float) - PX_TENSOR_ALIGN)
        return px_fail(PX_ERR_ARGUMENT, "%s of %d x %d: more weights than can be addressed; use smaller sizes", name,
                       (int)rows, (int)cols);
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    tensor->role = role;
    tensor->layer = layer;
    tensor->rows = rows;
    tensor->cols = cols;
    tensor->dims = dims;
    tensor->offset = table->count;
    tensor->count = count;
    table->tensor_count++;
    table->weights += count;
    table->count = (end + PX_TENSOR_ALIGN - 1) / PX_TENSOR_ALIGN * PX_TENSOR_ALIGN;
    return PX_OK;
}

static px_status check_sizes(const px_model_config *model)
{
    if (model->vocab < 1)
        return px_fail(PX_ERR_ARGUMENT, "a vocabulary of %d tokens: a model needs at least 1", (int)model->vocab);
    if (model->hidden < 1)
        return px_fail(PX_ERR_ARGUMENT, "hidden %d: a layer needs at least 1 unit", (int)model->hidden);
    if (model->embed < 0)
        return px_fail(PX_ERR_ARGUMENT, "embed %d: give 0 for one-hot inputs or the width of the embedding",
                       (int)model->embed);
    if (model->layers < 1 || model->layers > PX_MAX_LAYERS)
        return px_fail(PX_ERR_ARGUMENT, "layers %d: a model has between 1 and %d layers", (int)model->layers,
                       PX_MAX_LAYERS);
    if (model->tied && model->embed == 0)
        return px_fail(PX_ERR_ARGUMENT, "tied needs an embedding table: give --embed a width above 0");
    if (model->output != PX_OUTPUT_ADAPTIVE) return PX_OK;
    if (model->tied)
        return px_fail(PX_ERR_ARGUMENT,
                       "tied and an adaptive output layer: its clusters have tables of their own widths, "
                       "none of which is the embedding table; leave one of them away");
    return px_cutoffs_check(&model->cutoffs, model->vocab, model->hidden);
}

static px_status add_layer(px_parameters *table, const px_model_config *model, int32_t l)
{
    const px_cell_info *cell = px_cell_of(model->cell);
    int32_t h = model->hidden, inputs = l > 0 ? h : model->embed > 0 ? model->embed : model->vocab, rows;
    char name[40];
    if (__builtin_mul_overflow(h, cell->gates, &rows))
        return px_fail(PX_ERR_ARGUMENT, "hidden %d: too many units for the %d gates of a layer of %s", (int)h,
                       cell->gates, cell->label);
    snprintf(name, sizeof name, "rnn.weight_ih_l%d", (int)l);
    PX_TRY(add_tensor(table, PX_TENSOR_W_XH, l, name, rows, inputs, 2));
    table->tensor[table->tensor_count - 1].one_hot = l == 0 && model->embed == 0;
    snprintf(name, sizeof name, "rnn.weight_hh_l%d", (int)l);
    PX_TRY(add_tensor(table, PX_TENSOR_W_HH, l, name, rows, h, 2));
    snprintf(name, sizeof name, "rnn.bias_ih_l%d", (int)l);
    PX_TRY(add_tensor(table, PX_TENSOR_B_H, l, name, rows, 1, 1));
    if (cell->lone == PX_NO_GATE) return PX_OK;
    snprintf(name, sizeof name, "rnn.bias_hh_l%d", (int)l);
    return add_tensor(table, PX_TENSOR_B_HN, l, name, h, 1, 1);
}

static px_status add_softmax(px_parameters *table, const px_model_config *model)
{
    int32_t V = model->vocab, d = model->embed, h = model->hidden;
    if (model->tied && d != h) PX_TRY(add_tensor(table, PX_TENSOR_PROJECTION, 0, "proj.weight", d, h, 2));
    if (!model->tied) PX_TRY(add_tensor(table, PX_TENSOR_W_HQ, 0, "decoder.weight", V, h, 2));
    return add_tensor(table, PX_TENSOR_B_Q, 0, "decoder.bias", V, 1, 1);
}

static px_status add_adaptive(px_parameters *table, const px_model_config *model)
{
    const px_cutoffs *cutoffs = &model->cutoffs;
    int32_t h = model->hidden, head = px_cutoffs_head_rows(cutoffs);
    char name[40];
    PX_TRY(add_tensor(table, PX_TENSOR_HEAD, 0, "decoder.head.weight", head, h, 2));
    for (int32_t i = 0; i < cutoffs->count; i++) {
        px_cluster cluster = px_cutoffs_cluster(cutoffs, model->vocab, h, i);
        snprintf(name, sizeof name, "decoder.tail.%d.0.weight", (int)i);
        PX_TRY(add_tensor(table, PX_TENSOR_TAIL_IN, i, name, cluster.width, h, 2));
        snprintf(name, sizeof name, "decoder.tail.%d.1.weight", (int)i);
        PX_TRY(add_tensor(table, PX_TENSOR_TAIL_OUT, i, name, cluster.end - cluster.begin, cluster.width, 2));
    }
    return PX_OK;
}

px_status px_parameters_make(const px_model_config *model, px_parameters *table)
{
    memset(table, 0, sizeof *table);
    PX_TRY(check_sizes(model));
    table->lone = px_cell_of(model->cell)->lone;
    if (model->embed > 0)
        PX_TRY(add_tensor(table, PX_TENSOR_EMBEDDING, 0, "encoder.weight", model->vocab, model->embed, 2));
    for (int32_t l = 0; l < model->layers; l++) PX_TRY(add_layer(table, model, l));
    return model->output == PX_OUTPUT_ADAPTIVE ? add_adaptive(table, model) : add_softmax(table, model);
}

const px_tensor *px_parameters_find(const px_parameters *table, px_tensor_role role, int32_t layer)
{
    for (int32_t k = 0; k < table->tensor_count; k++)
        if (table->tensor[k].role == role && table->tensor[k].layer == layer) return &table->tensor[k];
    return NULL;
}

size_t px_parameters_layer_begin(const px_parameters *table, int32_t l)
{
    int32_t k = 0;
    while (table->tensor[k].role < PX_TENSOR_W_XH ||
           (table->tensor[k].role <= PX_TENSOR_B_HN && table->tensor[k].layer < l))
        k++;
    return table->tensor[k].offset; /* the table ends with the output layer, which belongs to none */
}

px_second_bias px_parameters_second_bias(const px_parameters *table, const px_tensor *b_h)
{
    px_second_bias bias = {.rows = b_h->rows, .tensor = px_parameters_find(table, PX_TENSOR_B_HN, b_h->layer)};
    const size_t rows = (size_t)b_h->rows, own = bias.tensor ? bias.tensor->count : 0;
    snprintf(bias.name, sizeof bias.name, "rnn.bias_hh_l%d", (int)b_h->layer);
    bias.before = bias.tensor ? (size_t)table->lone * own : rows;
    bias.after = rows - own - bias.before;
    return bias;
}

int px_tensor_in_second_bias(const px_tensor *tensor) { return tensor->role == PX_TENSOR_B_HN; }

int32_t px_parameters_file_rows(const px_parameters *table, const px_tensor *tensor)
{
    if (!px_tensor_in_second_bias(tensor)) return tensor->rows;
    return px_parameters_find(table, PX_TENSOR_B_H, tensor->layer)->rows;
}

int px_weight_is_sound(float value, int is_output_bias)
{
    return isfinite(value) || (is_output_bias && value < 0); /* a NaN is not below 0 */
}

px_status px_parameters_check(const px_parameters *table, const float *flat, const char *source)
{
    for (int32_t k = 0; k < table->tensor_count; k++) {
        const px_tensor *tensor = &table->tensor[k];
        const float *values = flat + tensor->offset;
        for (size_t i = 0; i < tensor->count; i++)
            if (!px_weight_is_sound(values[i], tensor->role == PX_TENSOR_B_Q))
                return px_fail(PX_ERR_INPUT,
                               "%s: tensor %s: value %zu is %g, which is no weight; the training diverged, use an "
                               "earlier checkpoint",
                               source, tensor->name, i, (double)values[i]);
    }
    return PX_OK;
}

/* to [cols,rows] = transpose of from [rows,cols], in square tiles that stay in the first-level cache. */
static void transpose(const float *restrict from, float *restrict to, size_t rows, size_t cols)
{
    enum { TILE = 32 };
    for (size_t r0 = 0; r0 < rows; r0 += TILE)
        for (size_t c0 = 0; c0 < cols; c0 += TILE) {
            size_t r1 = r0 + TILE < rows ? r0 + TILE : rows, c1 = c0 + TILE < cols ? c0 + TILE : cols;
            for (size_t r = r0; r < r1; r++)
                for (size_t c = c0; c < c1; c++) to[c * rows + r] = from[r * cols + c];
        }
}

/* Only layer 0 of a one-hot model has a tensor that lies differently: everything else is one copy. */
void px_parameters_to_rows(const px_parameters *table, const float *file_layout, float *row_layout)
{
    memcpy(row_layout, file_layout, table->count * sizeof *row_layout);
    for (int32_t k = 0; k < table->tensor_count; k++) {
        const px_tensor *tensor = &table->tensor[k];
        if (tensor->one_hot)
            transpose(file_layout + tensor->offset, row_layout + tensor->offset, (size_t)tensor->rows,
                      (size_t)tensor->cols);
    }
}

void px_parameters_from_rows(const px_parameters *table, const float *row_layout, float *file_layout)
{
    memcpy(file_layout, row_layout, table->count * sizeof *file_layout);
    for (int32_t k = 0; k < table->tensor_count; k++) {
        const px_tensor *tensor = &table->tensor[k];
        if (tensor->one_hot)
            transpose(row_layout + tensor->offset, file_layout + tensor->offset, (size_t)tensor->cols,
                      (size_t)tensor->rows);
    }
}
