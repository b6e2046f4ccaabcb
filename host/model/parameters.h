/* The parameter table: one list of every tensor of a model (name, shape, place, initialiser).
 *
 * Parameters, gradients, moments and averages are each one flat buffer of `count` floats, cut by this table.
 * At the seam (px_engine_read / write, checkpoints) tensors lie as PyTorch lays them ("file layout"): W_xh [G h,d],
 * W_hh [G h,h], W_hq [V,h], each the transpose of the formula. An engine may keep the one-hot W_xh as [V,G h] inside.
 */
#ifndef PX_PARAMETERS_H
#define PX_PARAMETERS_H

#include "model_config.h"

#include <perplex/status.h>
#include <stddef.h>

typedef enum px_tensor_role {
    PX_TENSOR_EMBEDDING, /* E [V,d]                    encoder.weight       (d > 0) */
    PX_TENSOR_W_XH,      /* [G h, d | V | h]           rnn.weight_ih_l{k}  (G gates, one after the other: cells.h) */
    PX_TENSOR_W_HH,      /* [G h, h]                   rnn.weight_hh_l{k}  */
    PX_TENSOR_B_H,       /* [G h]                      rnn.bias_ih_l{k}    */
    PX_TENSOR_B_HN, /* [h]                        rnn.bias_hh_l{k}    (of a lone gate; files hold [G h], the rest zeros)
                     */
    PX_TENSOR_PROJECTION, /* P, as [d,h] in file layout proj.weight          (tied and d != h) */
    PX_TENSOR_W_HQ,       /* [V, h]                     decoder.weight       (absent when tied) */
    PX_TENSOR_B_Q,        /* [V]                        decoder.bias */
    /* of an adaptive output layer (output_layer.h), in the place of the two before; `layer` is the cluster */
    PX_TENSOR_HEAD,    /* [c_0 + K, h]               decoder.head.weight */
    PX_TENSOR_TAIL_IN, /* D_i [d_i, h]               decoder.tail.{i}.0.weight */
    PX_TENSOR_TAIL_OUT /* U_i [c_{i+1} - c_i, d_i]   decoder.tail.{i}.1.weight */
} px_tensor_role;

typedef struct px_tensor {
    char name[40];
    px_tensor_role role;
    int32_t layer;
    int32_t rows, cols;   /* file layout; a vector has cols = 1 */
    int32_t dims;         /* 1 or 2 */
    int32_t one_hot;      /* W_xh of layer 0 where d = 0: an engine keeps it as [cols, rows] */
    size_t offset, count; /* in floats; offsets are multiples of PX_TENSOR_ALIGN, gaps stay zero */
} px_tensor;

enum { PX_TENSOR_ALIGN = 16, PX_MAX_LAYERS = 16, PX_MAX_TENSORS = 4 * PX_MAX_LAYERS + 2 * PX_CUTOFFS_MAX + 2 };

typedef struct px_parameters {
    int32_t tensor_count;
    px_tensor tensor[PX_MAX_TENSORS];
    int32_t lone;   /* gate that B_HN belongs to, or PX_NO_GATE */
    size_t count;   /* floats of the flat buffer, gaps included */
    size_t weights; /* parameters of the model, gaps not counted */
} px_parameters;

/* S L: blocks [streams,h] of the states that a training or an evaluation carries, those of H first. */
static inline size_t px_state_blocks(const px_model_config *model)
{
    return (size_t)px_cell_of(model->cell)->states * (size_t)model->layers;
}

/* Builds the table. PX_ERR_ARGUMENT for impossible sizes (0, negative, a product that overflows) and cutoffs. */
px_status px_parameters_make(const px_model_config *model, px_parameters *table);
/* Where layer l's tensors begin in the flat buffer; l = L: what stands behind the layers. */
size_t px_parameters_layer_begin(const px_parameters *table, int32_t l);
/* PyTorch's second bias of a layer, rnn.bias_hh_l{k} [G h], as files hold it: zeros but for the lone gate's own bias.
 */
typedef struct px_second_bias {
    char name[40];
    int32_t rows;            /* G h */
    const px_tensor *tensor; /* the lone gate's bias, or NULL */
    size_t before, after;    /* zeros before and after it; without one all are `before` */
} px_second_bias;
px_second_bias px_parameters_second_bias(const px_parameters *table, const px_tensor *b_h);
/* Whether files hold the tensor as a part of the second bias, and not by itself. */
int px_tensor_in_second_bias(const px_tensor *tensor);
/* Rows of the tensor of that name in files: its own, but of a lone gate's bias those of the second bias, G h. */
int32_t px_parameters_file_rows(const px_parameters *table, const px_tensor *tensor);
/* The tensor of that role and layer, or NULL. Layer is 0 where a role has none. */
const px_tensor *px_parameters_find(const px_parameters *table, px_tensor_role role, int32_t layer);
/* Initial weights, file layout, into flat [table->count]; gaps are zeroed. A pure function of model and seed. */
px_status px_parameters_init(const px_parameters *table, const px_model_config *model, uint64_t seed, float *flat);
/* Whether a weight may stand in a model: a finite number, or, among the output layer's biases, -inf: a token that never
 * comes. */
int px_weight_is_sound(float value, int is_output_bias);
/* PX_ERR_INPUT names source, tensor and place of the first weight of flat [table->count] that is not sound. */
px_status px_parameters_check(const px_parameters *table, const float *flat, const char *source);
/* Copies between file layout and the layout with a one-hot W_xh as [V,G h]; both [table->count], not overlapping. */
void px_parameters_to_rows(const px_parameters *table, const float *file_layout, float *row_layout);
void px_parameters_from_rows(const px_parameters *table, const float *row_layout, float *file_layout);

#endif
