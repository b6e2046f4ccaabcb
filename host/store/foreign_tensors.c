/* Tensors of other programs: see foreign_tensors.h. */
#include "foreign_tensors.h"

#include "check.h"
#include "parameters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 160, PART_BYTES = 16384 };

/* ---- values ------------------------------------------------------------------------------------------------------ */

static float from_half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double value = exponent == 0    ? ldexp(mantissa, -24)
                   : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                    : ldexp(1024 + mantissa, exponent - 25);
    return (float)(bits >> 15 ? -value : value);
}

static float from_bfloat16(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* One element as it lies in the file. */
static double element(const char *dtype, const unsigned char *data)
{
    double wide;
    float single;
    uint16_t narrow;
    if (strcmp(dtype, "F64") == 0) {
        memcpy(&wide, data, sizeof wide);
        return wide;
    }
    if (strcmp(dtype, "F32") == 0) {
        memcpy(&single, data, sizeof single);
        return (double)single;
    }
    memcpy(&narrow, data, sizeof narrow);
    return (double)(strcmp(dtype, "F16") == 0 ? from_half(narrow) : from_bfloat16(narrow));
}

/* Elements [first, first + count) of data, all checked. */
static px_status take_values(const px_foreign *foreign, const px_safetensor *tensor, const unsigned char *data,
                             size_t first, size_t count, float *values)
{
    const px_safetensor *output_bias = px_foreign_find(foreign, foreign->decoder, "bias");
    for (size_t i = 0; i < count; i++) {
        double wide = element(tensor->dtype, data + i * tensor->element_bytes);
        values[i] = (float)wide;
        if (isinf(values[i]) && !isinf(wide))
            return px_fail(PX_ERR_INPUT, "%s: tensor %s: value %zu is %g, which fp32 cannot hold", foreign->path,
                           tensor->name, first + i, wide);
        if (!px_weight_is_sound(values[i], tensor == output_bias))
            return px_fail(PX_ERR_INPUT,
                           "%s: tensor %s: value %zu is %g, which is no weight; the training diverged, export an "
                           "earlier state of it",
                           foreign->path, tensor->name, first + i, (double)values[i]);
    }
    return PX_OK;
}

static int holds_weights(const char *dtype)
{
    return strcmp(dtype, "F32") == 0 || strcmp(dtype, "F64") == 0 || strcmp(dtype, "F16") == 0 ||
           strcmp(dtype, "BF16") == 0;
}

px_status px_foreign_values(const px_foreign *foreign, const px_safetensor *tensor, float *values)
{
    unsigned char part[PART_BYTES];
    if (!holds_weights(tensor->dtype))
        return px_fail(PX_ERR_INPUT, "%s: tensor %s is %s; weights are F32, F16, BF16 or F64", foreign->path,
                       tensor->name, tensor->dtype);
    const size_t room = PART_BYTES / tensor->element_bytes;
    for (size_t at = 0, count; at < tensor->count; at += count) {
        count = tensor->count - at < room ? tensor->count - at : room;
        PX_TRY(px_safetensors_elements(foreign->file, tensor, at, count, part));
        PX_TRY(take_values(foreign, tensor, part, at, count, values + at));
    }
    return PX_OK;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

const px_safetensor *px_foreign_find(const px_foreign *foreign, const char *module, const char *name)
{
    char whole[2 * NAME_BYTES];
    snprintf(whole, sizeof whole, "%s%s.%s", foreign->prefix, module, name);
    return px_safetensors_find(foreign->file, whole);
}

/* The same for the recurrent layer k: "weight_hh" gives rnn.weight_hh_l{k}. */
static const px_safetensor *find_layer(const px_foreign *foreign, const char *name, int layer)
{
    char with_layer[64];
    snprintf(with_layer, sizeof with_layer, "%s_l%d", name, layer);
    return px_foreign_find(foreign, foreign->rnn, with_layer);
}

static void use(px_foreign *foreign, const px_safetensor *tensor)
{
    for (size_t i = 0; tensor && i < px_safetensors_count(foreign->file); i++)
        if (px_safetensors_at(foreign->file, i) == tensor) foreign->used[i] = 1;
}

/* What stands before "rnn.weight_hh_l0" in the one tensor whose name ends so. */
static px_status find_prefix(px_foreign *foreign)
{
    char ending[NAME_BYTES];
    const char *found = NULL, *other = NULL;
    snprintf(ending, sizeof ending, "%s.weight_hh_l0", foreign->rnn);
    size_t bytes = strlen(ending), prefix = 0;
    for (size_t i = 0; i < px_safetensors_count(foreign->file); i++) {
        const char *name = px_safetensors_at(foreign->file, i)->name;
        size_t length = strlen(name);
        if (strstr(name, "weight_hh_l0")) other = name;
        if (length < bytes || strcmp(name + length - bytes, ending) != 0 ||
            (length > bytes && name[length - bytes - 1] != '.'))
            continue;
        if (found)
            return px_fail(PX_ERR_INPUT, "%s: two recurrent networks, %.60s and %.60s; one is needed", foreign->path,
                           found, name);
        found = name;
        prefix = length - bytes;
    }
    if (!found && other)
        return px_fail(PX_ERR_INPUT,
                       "%s: no tensor %s; its recurrent layer seems to be %.60s: name the module with --rnn",
                       foreign->path, ending, other);
    if (!found)
        return px_fail(
            PX_ERR_INPUT,
            "%s: no tensor %s: not a language model of torch.nn.RNN, GRU or LSTM (its first tensor is %.60s)",
            foreign->path, ending,
            px_safetensors_count(foreign->file) ? px_safetensors_at(foreign->file, 0)->name : "not there");
    if (prefix >= sizeof foreign->prefix)
        return px_fail(PX_ERR_INPUT, "%s: %.60s...: the name is too long", foreign->path, found);
    memcpy(foreign->prefix, found, prefix);
    foreign->prefix[prefix] = 0;
    return PX_OK;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static px_status wrong_shape(const px_foreign *foreign, const px_safetensor *tensor, const char *wanted)
{
    char is[160] = "";
    for (int32_t i = 0; i < tensor->dims; i++) {
        size_t used = strlen(is);
        snprintf(is + used, sizeof is - used, "%s%lld", i ? "," : "", (long long)tensor->shape[i]);
    }
    return px_fail(PX_ERR_INPUT, "%s: tensor %s has shape [%s]; %s is needed", foreign->path, tensor->name, is, wanted);
}

/* Shape [rows] (cols 0) or [rows,cols]. */
static px_status expect(px_foreign *foreign, const px_safetensor *tensor, int64_t rows, int64_t cols)
{
    char wanted[64];
    use(foreign, tensor);
    int same = cols ? tensor->dims == 2 && tensor->shape[0] == rows && tensor->shape[1] == cols
                    : tensor->dims == 1 && tensor->shape[0] == rows;
    if (same) return PX_OK;
    snprintf(wanted, sizeof wanted, cols ? "[%lld,%lld]" : "[%lld]", (long long)rows, (long long)cols);
    return wrong_shape(foreign, tensor, wanted);
}

static px_status missing(const px_foreign *foreign, const char *module, const char *name)
{
    return px_fail(PX_ERR_INPUT, "%s: tensor %s%s.%s is missing", foreign->path, foreign->prefix, module, name);
}

/* The first cell of torch.nn with as many gates as weight_hh has row blocks; NULL: there is none. */
static const px_cell_info *find_cell(px_foreign *foreign, const px_safetensor *hh)
{
    for (int cell = 0; cell < PX_CELL_COUNT; cell++) {
        const px_cell_info *info = px_cell_of((px_cell)cell);
        if (!info->torch || hh->shape[0] / info->gates != hh->shape[1] || hh->shape[0] % info->gates) continue;
        foreign->sizes.cell = (px_cell)cell;
        return info;
    }
    return NULL;
}

/* The cell, h, L and the width of the input from the recurrent layers. */
static px_status read_layers(px_foreign *foreign, int64_t *input)
{
    const px_safetensor *first = find_layer(foreign, "weight_hh", 0);
    if (first->dims != 2 || first->shape[1] < 1 || first->shape[1] > INT32_MAX)
        return wrong_shape(foreign, first, "[h,h]");
    int64_t h = first->shape[1];
    const px_cell_info *cell = find_cell(foreign, first);
    if (!cell) return wrong_shape(foreign, first, "[h,h] of an nn.RNN, [3 h,h] of an nn.GRU or [4 h,h] of an nn.LSTM");
    const int64_t rows = cell->gates * h;
    if (px_foreign_find(foreign, foreign->rnn, "weight_hh_l0_reverse"))
        return px_fail(PX_ERR_INPUT,
                       "%s: a bidirectional network: it reads what it would have to predict, and is no language model",
                       foreign->path);
    int layers = 0;
    for (const px_safetensor *hh; (hh = find_layer(foreign, "weight_hh", layers)); layers++) {
        if (layers == PX_MAX_LAYERS)
            return px_fail(PX_ERR_INPUT, "%s: more than %d layers, the most that perplex has", foreign->path,
                           (int)PX_MAX_LAYERS);
        const px_safetensor *ih = find_layer(foreign, "weight_ih", layers),
                            *b_ih = find_layer(foreign, "bias_ih", layers),
                            *b_hh = find_layer(foreign, "bias_hh", layers);
        char name[32];
        snprintf(name, sizeof name, !ih ? "weight_ih_l%d" : !b_ih ? "bias_ih_l%d" : "bias_hh_l%d", layers);
        if (!ih || !b_ih != !b_hh) return missing(foreign, foreign->rnn, name);
        PX_TRY(expect(foreign, hh, rows, h));
        if (layers == 0 && ih->dims != 2) return wrong_shape(foreign, ih, "[G h,d]");
        if (layers == 0) *input = ih->shape[1];
        PX_TRY(expect(foreign, ih, rows, layers == 0 ? *input : h));
        if (b_ih) PX_TRY(expect(foreign, b_ih, rows, 0));
        if (b_hh) PX_TRY(expect(foreign, b_hh, rows, 0));
    }
    foreign->sizes.hidden = (int32_t)h;
    foreign->sizes.layers = layers;
    return PX_OK;
}

/* *same: both are the same tensor, bit for bit. */
static px_status compare_values(const px_foreign *foreign, const px_safetensor *a, const px_safetensor *b, int *same)
{
    unsigned char x[PART_BYTES], y[PART_BYTES];
    const size_t room = PART_BYTES / a->element_bytes;
    *same = strcmp(a->dtype, b->dtype) == 0 && a->count == b->count && a->dims == b->dims &&
            memcmp(a->shape, b->shape, sizeof a->shape) == 0;
    for (size_t at = 0, count; *same && at < a->count; at += count) {
        count = a->count - at < room ? a->count - at : room;
        PX_TRY(px_safetensors_elements(foreign->file, a, at, count, x));
        PX_TRY(px_safetensors_elements(foreign->file, b, at, count, y));
        *same = memcmp(x, y, count * a->element_bytes) == 0;
    }
    return PX_OK;
}

static px_status read_tied(px_foreign *foreign, const px_safetensor *table)
{
    const px_safetensor *projection = px_foreign_find(foreign, "proj", "weight");
    int32_t d = foreign->sizes.embed, h = foreign->sizes.hidden;
    foreign->sizes.tied = 1;
    if (!table) return missing(foreign, foreign->decoder, "weight");
    if (d == h) return PX_OK;
    if (!projection)
        return px_fail(PX_ERR_INPUT,
                       "%s: tied, with an embedding of %d for %d units: tensor %sproj.weight [%d,%d] is missing",
                       foreign->path, (int)d, (int)h, foreign->prefix, (int)d, (int)h);
    return expect(foreign, projection, d, h);
}

/* Tensor `part` (0: D_i, 1: U_i) of cluster i of an adaptive output layer, or NULL. */
static const px_safetensor *find_tail(const px_foreign *foreign, int32_t i, int part)
{
    char name[40];
    snprintf(name, sizeof name, "tail.%d.%d.weight", (int)i, part);
    return px_foreign_find(foreign, foreign->decoder, name);
}

/* The cutoffs of torch.nn.AdaptiveLogSoftmaxWithLoss from the shapes of its tensors, and *V. */
static px_status read_cutoffs(px_foreign *foreign, const px_safetensor *head, int64_t *V)
{
    px_cutoffs *cutoffs = &foreign->sizes.cutoffs;
    const int64_t h = foreign->sizes.hidden;
    while (cutoffs->count <= PX_CUTOFFS_MAX && find_tail(foreign, cutoffs->count, 1)) cutoffs->count++;
    if (cutoffs->count < 1 || cutoffs->count > PX_CUTOFFS_MAX)
        return px_fail(PX_ERR_INPUT, "%s: %s%s: an adaptive output layer of %d clusters or more; there may be 1 to %d",
                       foreign->path, foreign->prefix, foreign->decoder, (int)cutoffs->count, (int)PX_CUTOFFS_MAX);
    if (head->dims != 2 || head->shape[0] <= cutoffs->count || head->shape[0] >= INT32_MAX)
        return wrong_shape(foreign, head, "[cutoffs[0] + clusters,h]");
    PX_TRY(expect(foreign, head, head->shape[0], h));
    *V = head->shape[0] - cutoffs->count;
    for (int32_t i = 0; i < cutoffs->count; i++) {
        const px_safetensor *in = find_tail(foreign, i, 0), *out = find_tail(foreign, i, 1);
        cutoffs->at[i] = (int32_t)*V;
        const int64_t width = px_cutoffs_cluster(cutoffs, 0, (int32_t)h, i).width;
        char name[32];
        snprintf(name, sizeof name, "tail.%d.0.weight", (int)i);
        if (!in) return missing(foreign, foreign->decoder, name);
        if (width < 1)
            return px_fail(PX_ERR_INPUT,
                           "%s: tensor %s: %lld units leave cluster %d no width with div_value 4; train it "
                           "with fewer cutoffs",
                           foreign->path, in->name, (long long)h, (int)i);
        if (in->dims != 2 || in->shape[0] != width)
            return px_fail(PX_ERR_INPUT, "%s: tensor %s: %lld rows, where div_value 4 has %lld; train it with that",
                           foreign->path, in->name, (long long)in->shape[0], (long long)width);
        PX_TRY(expect(foreign, in, width, h));
        if (out->dims != 2 || out->shape[0] < 1 || out->shape[0] >= INT32_MAX - *V)
            return wrong_shape(foreign, out, "[words of the cluster,d]");
        PX_TRY(expect(foreign, out, out->shape[0], width));
        *V += out->shape[0];
    }
    return PX_OK;
}

/* V and d of a model whose output layer is adaptive. */
static px_status read_adaptive(px_foreign *foreign, const px_safetensor *head, int64_t input)
{
    const px_safetensor *in = px_foreign_find(foreign, foreign->encoder, "weight"),
                        *bias = px_foreign_find(foreign, foreign->decoder, "head.bias");
    int64_t V;
    if (bias)
        return px_fail(PX_ERR_INPUT, "%s: tensor %s: a head with a bias; train it with head_bias=False", foreign->path,
                       bias->name);
    PX_TRY(read_cutoffs(foreign, head, &V));
    foreign->sizes.output = PX_OUTPUT_ADAPTIVE;
    foreign->sizes.vocab = (int32_t)V;
    foreign->sizes.embed = in ? (int32_t)input : 0;
    if (in) return expect(foreign, in, V, input);
    return input == V ? PX_OK : missing(foreign, foreign->encoder, "weight");
}

/* V, d, and whether input and output share a table. */
static px_status read_ends(px_foreign *foreign, int64_t input)
{
    const px_safetensor *head = px_foreign_find(foreign, foreign->decoder, "head.weight");
    if (head) return read_adaptive(foreign, head, input);
    const px_safetensor *in = px_foreign_find(foreign, foreign->encoder, "weight"),
                        *out = px_foreign_find(foreign, foreign->decoder, "weight"),
                        *bias = px_foreign_find(foreign, foreign->decoder, "bias");
    const px_safetensor *widest = out ? out : in;
    if (!widest) return missing(foreign, foreign->decoder, "weight");
    if (widest->dims != 2 || widest->shape[0] < 1 || widest->shape[0] >= INT32_MAX || input < 1 || input >= INT32_MAX)
        return wrong_shape(foreign, widest, "[V,h]");
    int64_t V = widest->shape[0], h = foreign->sizes.hidden;
    foreign->sizes.vocab = (int32_t)V;
    foreign->has_decoder_bias = bias != NULL;
    if (bias) PX_TRY(expect(foreign, bias, V, 0));
    /* a table that was shared stands in a file once, under either name */
    foreign->tied_under_decoder = !in && out && input != V && out->shape[1] == input;
    foreign->sizes.embed = in || foreign->tied_under_decoder ? (int32_t)input : 0;
    if (in) PX_TRY(expect(foreign, in, V, input));
    if (foreign->tied_under_decoder) {
        PX_TRY(expect(foreign, out, V, input));
        return read_tied(foreign, out);
    }
    if (!in && input != V)
        return px_fail(PX_ERR_INPUT,
                       "%s: the first layer reads %lld values where a one-hot input has %lld (the output layer's "
                       "rows), and there is no %s%s.weight; "
                       "name the embedding's module with --encoder",
                       foreign->path, (long long)input, (long long)V, foreign->prefix, foreign->encoder);
    int same = !out;
    if (in && out) PX_TRY(compare_values(foreign, in, out, &same));
    if (same) {
        if (out) use(foreign, out);
        return read_tied(foreign, in);
    }
    return expect(foreign, out, V, h);
}

static px_status check_rest(const px_foreign *foreign)
{
    for (size_t i = 0; i < px_safetensors_count(foreign->file); i++)
        if (!foreign->used[i])
            return px_fail(PX_ERR_INPUT,
                           "%s: tensor %.80s does not belong to a torch.nn.RNN language model (%s, %s, %s); save those "
                           "modules alone",
                           foreign->path, px_safetensors_at(foreign->file, i)->name, foreign->encoder, foreign->rnn,
                           foreign->decoder);
    return PX_OK;
}

px_status px_foreign_open(px_foreign *foreign)
{
    int64_t input = 0;
    px_status status;
    PX_TRY(px_safetensors_open(foreign->path, &foreign->file));
    if (px_safetensors_metadata(foreign->file, "perplex.version")) {
        status = px_fail(PX_ERR_INPUT, "%s: already a model of perplex; use it as it is", foreign->path);
        goto fail;
    }
    foreign->used = calloc(px_safetensors_count(foreign->file) + 1, 1);
    if (!foreign->used) {
        status = px_fail(PX_ERR_MEMORY, "%s: no memory to read it", foreign->path);
        goto fail;
    }
    PX_TRY_GOTO(status, find_prefix(foreign), fail);
    PX_TRY_GOTO(status, read_layers(foreign, &input), fail);
    PX_TRY_GOTO(status, read_ends(foreign, input), fail);
    PX_TRY_GOTO(status, check_rest(foreign), fail);
    return PX_OK;
fail:
    px_foreign_close(foreign);
    return status;
}

void px_foreign_close(px_foreign *foreign)
{
    px_safetensors_close(foreign->file);
    free(foreign->used);
    foreign->file = NULL;
    foreign->used = NULL;
}
