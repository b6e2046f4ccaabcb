/* Models for other programs, and from them: weights alone, under the names that PyTorch's modules give. */
#ifndef PX_MODEL_EXCHANGE_H
#define PX_MODEL_EXCHANGE_H

#include "model_file.h"
#include "vocabulary_list.h"

/* ---- model_export.c ---------------------------------------------------------------------------------------------- */
/* Writes the weights that evaluation uses, and nothing else, as a safetensors file: the tensors of
 * docs/manual/files.md. Replaced atomically; PX_ERR_IO. */
px_status px_model_export(const px_model_file *model, const char *path);

/* ---- model_import.c ---------------------------------------------------------------------------------------------- */
typedef struct px_import_request {
    const char *path;               /* safetensors */
    px_vocabulary_list *vocabulary; /* NULL: the 256 bytes, where the model has 256 tokens */
    px_vocabulary_names names;
    px_cell cell;   /* of one gate: what a torch.nn.RNN is, which the file does not say */
    int cell_given; /* 1: cell must be what the file holds; 0: a GRU or an LSTM is one by its shapes */
    const char *encoder, *rnn, *decoder; /* names of the modules; NULL = "encoder", "rnn", "decoder" */
} px_import_request;

typedef struct px_import_result {
    px_model_config sizes;
    size_t weights;
    size_t placeholders; /* tokens of the list that no text gives: px_vocabulary_list_make */
    int unknown_added;   /* 1: the list has no <unk>; it was added, with probability 0 */
    char prefix[80];     /* before the modules' names: "model." */
    char dtype[16];      /* of the first layer's weights: "F32", "BF16" */
} px_import_result;

/* Reads a language model made of torch.nn.Embedding (absent: one-hot input), torch.nn.RNN and torch.nn.Linear and
 * writes it as a model of perplex:
 *     PREFIX encoder.weight [V,d]        PREFIX rnn.weight_ih_l{k} [h, d|V|h]   PREFIX rnn.weight_hh_l{k} [h,h]
 *     PREFIX rnn.bias_ih_l{k} [h]        PREFIX rnn.bias_hh_l{k} [h]            (added up; both absent: zeros)
 *     PREFIX decoder.weight [V,h]        PREFIX decoder.bias [V]                (absent: zeros)
 *     PREFIX proj.weight [d,h]           (tied, d != h)
 * or, instead of decoder, torch.nn.AdaptiveLogSoftmaxWithLoss (div_value 4, no bias):
 *     PREFIX decoder.head.weight [c_0 + K, h]
 *     PREFIX decoder.tail.{i}.0.weight [h / 4^(i+1), h]
 *     PREFIX decoder.tail.{i}.1.weight [c_{i+1} - c_i, h / 4^(i+1)]
 * fp32, fp16, bf16 or fp64. A model without decoder.weight, or where it equals encoder.weight, is tied. Rows are put
 * into the order of perplex's ids; where the list has no <unk>, one is added with bias -infinity, so that the others
 * keep their probabilities. PX_ERR_INPUT names the tensor and what is wrong: other networks, shapes, types, tensors
 * that do not belong. */
px_status px_model_import(const px_import_request *request, const char *out, px_import_result *result);

#endif
