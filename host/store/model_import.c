/* Models of torch.nn.RNN, GRU and LSTM: see model_exchange.h. What the file holds is foreign_tensors.c; here its rows
 * are put into the order of perplex's ids and written as a checkpoint. */
#include "model_exchange.h"

#include "check.h"
#include "checkpoint.h"
#include "foreign_tensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct importing {
    px_foreign foreign;
    px_vocabulary *vocabulary;
    int32_t *row; /* [V] the file's row of each id, -1: none */
    px_config config;
    px_parameters table;
    float *weights; /* [table.count] */
    float *scratch; /* [largest tensor of the file] */
} importing;

static void free_all(importing *import)
{
    px_foreign_close(&import->foreign);
    px_vocabulary_destroy(import->vocabulary);
    px_config_free(&import->config);
    free(import->row);
    free(import->weights);
    free(import->scratch);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* Rows [V,cols] in the order of ids; an id without a row gets `absent`. */
static void put_rows(const importing *import, const px_tensor *to, float absent)
{
    float *out = import->weights + to->offset;
    size_t cols = (size_t)to->cols;
    for (int32_t id = 0; id < to->rows; id++)
        for (size_t k = 0; k < cols; k++)
            out[(size_t)id * cols + k] =
                import->row[id] < 0 ? absent : import->scratch[(size_t)import->row[id] * cols + k];
}

/* Rows of the ids [begin, begin + count) of one cluster, or of the shortlist, in the order of ids. */
static void put_cluster(const importing *import, const px_tensor *to, int32_t begin, int32_t count)
{
    float *out = import->weights + to->offset;
    const size_t cols = (size_t)to->cols;
    for (int32_t k = 0; k < count; k++)
        memcpy(out + (size_t)k * cols, import->scratch + (size_t)(import->row[begin + k] - begin) * cols,
               cols * sizeof *out);
}

/* The head of an adaptive output layer: tokens of the shortlist, then a row for each cluster. */
static void put_head(const importing *import, const px_tensor *to)
{
    const px_cutoffs *cutoffs = &import->config.model.cutoffs;
    const size_t shortlist = (size_t)cutoffs->at[0] * (size_t)to->cols;
    put_cluster(import, to, 0, cutoffs->at[0]);
    memcpy(import->weights + to->offset + shortlist, import->scratch + shortlist,
           (to->count - shortlist) * sizeof(float));
}

/* A one-hot W_xh [G h,V]: its columns are tokens. file_cols: V of the file. */
static void put_columns(const importing *import, const px_tensor *to, size_t file_cols)
{
    float *out = import->weights + to->offset;
    for (int32_t i = 0; i < to->rows; i++)
        for (int32_t id = 0; id < to->cols; id++)
            out[(size_t)i * (size_t)to->cols + (size_t)id] =
                import->row[id] < 0 ? 0 : import->scratch[(size_t)i * file_cols + (size_t)import->row[id]];
}

static const px_safetensor *find_source(const importing *import, const px_tensor *to)
{
    const px_foreign *foreign = &import->foreign;
    switch (to->role) {
    case PX_TENSOR_EMBEDDING:
        return px_foreign_find(foreign, foreign->tied_under_decoder ? foreign->decoder : foreign->encoder, "weight");
    case PX_TENSOR_PROJECTION: return px_foreign_find(foreign, "proj", "weight");
    case PX_TENSOR_W_HQ: return px_foreign_find(foreign, foreign->decoder, "weight");
    case PX_TENSOR_B_Q: return px_foreign_find(foreign, foreign->decoder, "bias");
    case PX_TENSOR_HEAD:
    case PX_TENSOR_TAIL_IN:
    case PX_TENSOR_TAIL_OUT: return px_foreign_find(foreign, foreign->decoder, to->name + 8); /* behind "decoder." */
    default:
        return px_foreign_find(foreign, foreign->rnn,
                               to->name + 4); /* the table's names are PyTorch's: "rnn." and the tensor's */
    }
}

/* PyTorch's two biases, added in double. */
static px_status put_bias(const importing *import, const px_tensor *to, const px_safetensor *first)
{
    char name[40];
    float *out = import->weights + to->offset;
    snprintf(name, sizeof name, "bias_hh_l%d", (int)to->layer);
    const px_safetensor *second = px_foreign_find(&import->foreign, import->foreign.rnn, name);
    if (!first || !second) return PX_OK;
    const px_second_bias bias = px_parameters_second_bias(&import->table, to);
    PX_TRY(px_foreign_values(&import->foreign, first, out));
    PX_TRY(px_foreign_values(&import->foreign, second, import->scratch));
    if (bias.tensor) { /* a lone gate's bias is a parameter by itself */
        memcpy(import->weights + bias.tensor->offset, import->scratch + bias.before, bias.tensor->count * sizeof *out);
        memset(import->scratch + bias.before, 0, bias.tensor->count * sizeof *out);
    }
    for (size_t i = 0; i < to->count; i++)
        if (import->scratch[i] != 0) out[i] = (float)((double)out[i] + (double)import->scratch[i]);
    return PX_OK;
}

static px_status put_tensor(const importing *import, const px_tensor *to)
{
    const px_safetensor *from = find_source(import, to);
    if (to->role == PX_TENSOR_B_H) return put_bias(import, to, from);
    if (px_tensor_in_second_bias(to)) return PX_OK; /* put_bias has put it */
    if (from)
        PX_TRY(px_foreign_values(&import->foreign, from, import->scratch));
    else
        memset(import->scratch, 0, to->count * sizeof *import->scratch); /* an output layer without bias */
    if (to->role == PX_TENSOR_EMBEDDING || to->role == PX_TENSOR_W_HQ)
        put_rows(import, to, 0);
    else if (to->role == PX_TENSOR_B_Q)
        put_rows(import, to, -INFINITY);
    else if (to->role == PX_TENSOR_HEAD)
        put_head(import, to);
    else if (to->role == PX_TENSOR_TAIL_OUT)
        put_cluster(import, to, import->config.model.cutoffs.at[to->layer], to->rows);
    else if (to->one_hot)
        put_columns(import, to, (size_t)import->foreign.sizes.vocab);
    else
        memcpy(import->weights + to->offset, import->scratch, to->count * sizeof(float));
    return PX_OK;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static px_status read_vocabulary(importing *import, const px_import_request *request, px_import_result *result)
{
    px_vocabulary_list bytes = {0}, *list = request->vocabulary;
    int32_t V = import->foreign.sizes.vocab;
    if (!list && V != 256)
        return px_fail(PX_ERR_INPUT,
                       "%s: %d tokens, whose texts the file does not hold; give --vocab FILE, a list of them",
                       request->path, (int)V);
    if (!list) PX_TRY(px_vocabulary_list_bytes(&bytes));
    if (!list) list = &bytes;
    px_status status;
    if (list->count != (size_t)V)
        status = px_fail(PX_ERR_INPUT, "%s: %zu tokens, but the model in %s has %d", list->source, list->count,
                         request->path, (int)V);
    else
        status =
            px_vocabulary_list_make(list, &request->names, &import->vocabulary, &import->row, &result->placeholders);
    px_vocabulary_list_free(&bytes);
    if (status == PX_OK) result->unknown_added = import->row[0] < 0;
    return status;
}

/* What was asked for, where the file's shapes allow it; else what they say. */
static px_status settle_cell(importing *import, const px_import_request *request)
{
    const px_cell_info *found = px_cell_of(import->foreign.sizes.cell), *asked = px_cell_of(request->cell);
    if (request->cell_given && (asked->gates != found->gates || !asked->torch))
        return px_fail(PX_ERR_ARGUMENT, "--cell %s: %s holds an nn.%s; %s", asked->name, request->path, found->torch,
                       found->gates == 1 ? "give tanh or relu" : "leave --cell away");
    import->config.model.cell = asked->gates == found->gates ? request->cell : import->foreign.sizes.cell;
    return PX_OK;
}

/* A token stays in its cluster: an adaptive output layer has no bias that could give an added <unk> the probability 0,
 * and a cluster of another width for each place of the list. */
static px_status check_clusters(const importing *import, const px_import_request *request)
{
    const px_model_config *found = &import->foreign.sizes;
    if (found->output != PX_OUTPUT_ADAPTIVE) return PX_OK;
    for (int32_t id = 0; id < px_vocabulary_size(import->vocabulary); id++) {
        const int32_t row = import->row[id];
        if (row < 0)
            return px_fail(
                PX_ERR_INPUT,
                "%s: an adaptive output layer, and the list has no <unk>: name by --unk the token that stands "
                "for unknown ones",
                request->path);
        if (px_cutoffs_find(&found->cutoffs, row) != px_cutoffs_find(&found->cutoffs, id))
            return px_fail(PX_ERR_INPUT,
                           "%s: an adaptive output layer: token %d would leave its cluster, as <unk> comes first here; "
                           "name by --unk a token of the shortlist (the first %d)",
                           request->path, (int)row, (int)found->cutoffs.at[0]);
    }
    return PX_OK;
}

static px_status settle_config(importing *import, const px_import_request *request)
{
    px_text_options options = px_vocabulary_options(import->vocabulary);
    const px_model_config *found = &import->foreign.sizes;
    px_model_config *sizes = &import->config.model;
    import->config.corpus.text.level = options.level;
    import->config.corpus.text.normalise = options.normalise;
    sizes->vocab = px_vocabulary_size(import->vocabulary);
    sizes->embed = found->embed;
    sizes->hidden = found->hidden;
    sizes->layers = found->layers;
    sizes->tied = found->tied;
    sizes->output = found->output;
    sizes->cutoffs = found->cutoffs;
    PX_TRY(check_clusters(import, request));
    PX_TRY(settle_cell(import, request));
    if (px_parameters_make(sizes, &import->table) != PX_OK) return px_fail_context(PX_ERR_INPUT, "%s", request->path);
    return PX_OK;
}

static px_status fill_weights(importing *import)
{
    size_t largest = import->table.count;
    for (size_t i = 0; i < px_safetensors_count(import->foreign.file); i++)
        if (px_safetensors_at(import->foreign.file, i)->count > largest)
            largest = px_safetensors_at(import->foreign.file, i)->count;
    import->weights = calloc(import->table.count, sizeof *import->weights);
    import->scratch = calloc(largest, sizeof *import->scratch);
    if (!import->weights || !import->scratch)
        return px_fail(PX_ERR_MEMORY, "%s: no memory for %zu weights", import->foreign.path, import->table.count);
    for (int32_t i = 0; i < import->table.tensor_count; i++) PX_TRY(put_tensor(import, &import->table.tensor[i]));
    return px_parameters_check(&import->table, import->weights,
                               import->foreign.path); /* two biases may add up to more than fp32 holds */
}

px_status px_model_import(const px_import_request *request, const char *out, px_import_result *result)
{
    importing import = {.foreign = {.path = request->path,
                                    .encoder = request->encoder ? request->encoder : "encoder",
                                    .rnn = request->rnn ? request->rnn : "rnn",
                                    .decoder = request->decoder ? request->decoder : "decoder"}};
    px_status status;
    *result = (px_import_result){0};
    px_config_default(&import.config);
    PX_TRY_GOTO(status, px_foreign_open(&import.foreign), done);
    PX_TRY_GOTO(status, read_vocabulary(&import, request, result), done);
    PX_TRY_GOTO(status, settle_config(&import, request), done);
    PX_TRY_GOTO(status, fill_weights(&import), done);
    PX_TRY_GOTO(status, px_model_file_write(out, &import.config, import.vocabulary, &import.table, import.weights),
                done);
    const px_safetensor *table = find_source(&import, &import.table.tensor[0]);
    result->sizes = import.config.model;
    result->weights = import.table.weights;
    snprintf(result->prefix, sizeof result->prefix, "%s", import.foreign.prefix);
    snprintf(result->dtype, sizeof result->dtype, "%s", table ? table->dtype : "");
done:
    free_all(&import);
    return status;
}
