/* A model as the origin of a new training: see model_origin.h. */
#include "model_origin.h"

#include "check.h"
#include "model_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening --------------------------------------------------------------------------------------------------- */

static px_status check_fingerprint(const px_model_origin *origin, const px_config *config)
{
    const char *wanted = config->init_fingerprint;
    if (!wanted || strcmp(wanted, origin->fingerprint) == 0) return PX_OK;
    return px_fail(PX_ERR_ARGUMENT,
                   "--init-fingerprint %.64s: %s has the fingerprint %s, so it is another model than the one that was "
                   "meant; name that one by --init-from, or leave --init-fingerprint out",
                   wanted, origin->checkpoint.path, origin->fingerprint);
}

static px_status check_moments(const px_model_origin *origin, const px_config *config)
{
    const px_checkpoint *checkpoint = &origin->checkpoint;
    const px_optimizer_row *own = px_optimizer_of(config->optimizer.kind),
                           *its = px_optimizer_of(checkpoint->config.optimizer.kind);
    if (!config->init_moments) return PX_OK;
    if (!own->moment1 && !own->moment2)
        return px_fail(PX_ERR_ARGUMENT, "--init-moments: --optimizer %s has no moments; leave --init-moments out",
                       own->name);
    if (checkpoint->kind != PX_CHECKPOINT_LAST)
        return px_fail(PX_ERR_ARGUMENT,
                       "--init-moments: %s holds weights alone; name the last.safetensors of its run, or leave "
                       "--init-moments out",
                       checkpoint->path);
    if (strcmp(own->step, its->step) != 0)
        return px_fail(PX_ERR_ARGUMENT,
                       "--init-moments: %s has the moments of --optimizer %s, which %s cannot use; leave "
                       "--init-moments out",
                       checkpoint->path, its->name, own->name);
    return PX_OK;
}

px_status px_model_origin_open(const px_config *config, px_model_origin *origin)
{
    char *found;
    int from_last;
    *origin = (px_model_origin){0};
    PX_TRY(px_model_file_find(config->init_from, config->init_moments, &found, &from_last));
    px_status status = px_checkpoint_open(found, &origin->checkpoint);
    free(found);
    PX_TRY(status);
    origin->fingerprint = px_safetensors_metadata(origin->checkpoint.file, "perplex.checksum");
    PX_TRY_GOTO(status, check_fingerprint(origin, config), fail);
    PX_TRY_GOTO(status, check_moments(origin, config), fail);
    return PX_OK;
fail:
    px_model_origin_close(origin);
    return status;
}

void px_model_origin_close(px_model_origin *origin)
{
    px_checkpoint_close(&origin->checkpoint);
    *origin = (px_model_origin){0};
}

int64_t px_model_origin_steps(const px_model_origin *origin)
{
    return origin->checkpoint.state.step + origin->checkpoint.state.moment_steps;
}

/* ---- what the two must have in common ---------------------------------------------------------------------------- */

int px_origin_decides(const px_config *config, const px_option *option)
{
    if (option->group == PX_GROUP_MODEL || strcmp(option->name, "level") == 0) return 1;
    return strcmp(option->name, "normalise") == 0 && px_config_keeps_vocabulary(config);
}

px_status px_model_origin_check(const px_model_origin *origin, const px_config *config)
{
    for (size_t i = 0; i < px_option_count; i++) {
        const px_option *option = &px_options[i];
        char own[160], its[160];
        if (!px_origin_decides(config, option)) continue;
        px_config_get(config, option, own, sizeof own);
        px_config_get(&origin->checkpoint.config, option, its, sizeof its);
        if (strcmp(own, its) != 0)
            return px_fail(PX_ERR_ARGUMENT, "--%s %s: %s, which the weights are from, has %s; leave --%s out",
                           option->name, own, origin->checkpoint.path, its, option->name);
    }
    if (config->model.output == PX_OUTPUT_ADAPTIVE && !px_config_keeps_vocabulary(config))
        return px_fail(PX_ERR_ARGUMENT,
                       "--vocabulary-from text: %s has an adaptive output layer, whose clusters are those of its own "
                       "vocabulary; leave --vocabulary-from out",
                       origin->checkpoint.path);
    return PX_OK;
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

/* Which of the origin's entries each of the new ones is, by text, -1 for none: old_id [size of vocabulary]. An entry
 * whose output bias in weights is -inf has no gradient: it starts anew (an adaptive output layer has no bias). */
static void match_entries(const px_model_origin *origin, const px_vocabulary *vocabulary, const float *weights,
                          int32_t *old_id, px_origin_entries *entries)
{
    const px_vocabulary *old = origin->checkpoint.vocabulary;
    const px_tensor *bias = px_parameters_find(&origin->checkpoint.parameters, PX_TENSOR_B_Q, 0);
    const int32_t V = px_vocabulary_size(vocabulary);
    int32_t known = 0;
    *entries = (px_origin_entries){0};
    for (int32_t id = 0; id < V; id++) {
        size_t bytes;
        const char *text = px_vocabulary_token(vocabulary, id, &bytes);
        old_id[id] = id == 0 ? 0 : px_vocabulary_id(old, text, bytes); /* 0 is <unk>, whatever a token's text is */
        known += old_id[id] >= 0;
        if (bias && old_id[id] >= 0 && isinf(weights[bias->offset + (size_t)old_id[id]])) old_id[id] = -1;
        entries->kept += old_id[id] >= 0;
    }
    entries->added = V - entries->kept;
    entries->dropped = px_vocabulary_size(old) - known;
}

/* Rows of one entry each: embeddings, output weights and biases. */
static int has_row_of_entry(const px_tensor *tensor)
{
    return tensor->role == PX_TENSOR_EMBEDDING || tensor->role == PX_TENSOR_W_HQ || tensor->role == PX_TENSOR_B_Q;
}

/* What a cell or the projection has is the same under every vocabulary. */
static int depends_on_entries(const px_tensor *tensor)
{
    const px_tensor_role role = tensor->role;
    return role != PX_TENSOR_W_XH && role != PX_TENSOR_W_HH && role != PX_TENSOR_B_H && role != PX_TENSOR_B_HN &&
           role != PX_TENSOR_PROJECTION;
}

static void lay_rows(const px_tensor *to, const int32_t *old_id, const float *old, float *values)
{
    const size_t cols = (size_t)to->cols;
    for (size_t row = 0; row < (size_t)to->rows; row++)
        if (old_id[row] >= 0) memcpy(values + row * cols, old + (size_t)old_id[row] * cols, cols * sizeof *values);
}

/* One-hot W_xh [G h, V]: an entry is a column. */
static void lay_columns(const px_tensor *to, const px_tensor *from, const int32_t *old_id, const float *old,
                        float *values)
{
    const size_t cols = (size_t)to->cols, old_cols = (size_t)from->cols;
    for (size_t row = 0; row < (size_t)to->rows; row++)
        for (size_t col = 0; col < cols; col++)
            if (old_id[col] >= 0) values[row * cols + col] = old[row * old_cols + (size_t)old_id[col]];
}

/* The tables differ in the vocabulary alone (px_model_origin_check), so they have the same tensors in the same order.
 * Another vocabulary needs tensors that belong to no entry, or to single ones. */
static px_status check_tables(const px_model_origin *origin, const px_parameters *to, int same_vocabulary)
{
    const px_parameters *from = &origin->checkpoint.parameters;
    for (int32_t k = 0; k < to->tensor_count; k++) {
        const px_tensor *tensor = &to->tensor[k], *source = &from->tensor[k];
        const int by_entry = has_row_of_entry(tensor) || tensor->one_hot;
        const int as_it_is = tensor->count == source->count && (same_vocabulary || !depends_on_entries(tensor));
        if ((by_entry || as_it_is) && tensor->role == source->role) continue;
        return px_fail(PX_ERR_ARGUMENT,
                       "--vocabulary-from text: %s: its tensor %s goes by the vocabulary as a whole, so another one "
                       "cannot be matched with it; leave --vocabulary-from out",
                       origin->checkpoint.path, source->name);
    }
    return PX_OK;
}

static void lay_table(const px_parameters *to, const px_parameters *from, const int32_t *old_id, const float *old,
                      float *values)
{
    for (int32_t k = 0; k < to->tensor_count; k++) {
        const px_tensor *tensor = &to->tensor[k], *source = &from->tensor[k];
        if (has_row_of_entry(tensor))
            lay_rows(tensor, old_id, old + source->offset, values + tensor->offset);
        else if (tensor->one_hot)
            lay_columns(tensor, source, old_id, old + source->offset, values + tensor->offset);
        else
            memcpy(values + tensor->offset, old + source->offset, tensor->count * sizeof *values);
    }
}

/* ---- the origin's values ------------------------------------------------------------------------------------------
 */

/* Takes in what a checkpoint would restore into an engine: weights and moments, no state. */
typedef struct taken {
    size_t count;
    int moment[2];   /* 1: wanted */
    float *value[3]; /* [count] each: weights, moments */
} taken;

static int place_of(px_section section)
{
    return section == PX_SECTION_PARAMETERS ? 0
           : section == PX_SECTION_MOMENT1  ? 1
           : section == PX_SECTION_MOMENT2  ? 2
                                            : -1;
}

static size_t taken_count(const void *holder, px_section section)
{
    const taken *t = holder;
    const int place = place_of(section);
    return place == 0 || (place > 0 && t->moment[place - 1]) ? t->count : 0;
}

static px_status taken_write(void *holder, px_section section, const float *values)
{
    taken *t = holder;
    const int place = place_of(section);
    if (place >= 0) memcpy(t->value[place], values, t->count * sizeof *values);
    return PX_OK;
}

static px_status read_values(const px_model_origin *origin, const px_config *config, taken *t)
{
    const px_checkpoint *checkpoint = &origin->checkpoint;
    if (!config->init_moments) return px_checkpoint_weights(checkpoint, t->value[0]);
    float *buffer = malloc(px_checkpoint_buffer_count(&checkpoint->parameters, &checkpoint->config) * sizeof *buffer);
    if (!buffer) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", checkpoint->path);
    const px_sections sections = {.holder = t, .count = taken_count, .write = taken_write};
    px_status status = px_checkpoint_restore(checkpoint, &sections, 0, buffer);
    free(buffer);
    return status;
}

static px_status allocate_values(const px_model_origin *origin, float *const wanted[3], taken *t)
{
    const size_t count = origin->checkpoint.parameters.count;
    for (int i = 0; i < 3; i++)
        if (wanted[i] && !(t->value[i] = malloc(count * sizeof *t->value[i])))
            return px_fail(PX_ERR_MEMORY, "%s: no memory for %zu weights", origin->checkpoint.path, count);
    return PX_OK;
}

px_status px_model_origin_take(const px_model_origin *origin, const px_config *config, const px_vocabulary *vocabulary,
                               const px_parameters *table, float *const values[3], px_origin_entries *entries)
{
    const px_parameters *from = &origin->checkpoint.parameters;
    taken t = {.count = from->count, .moment = {values[1] != NULL, values[2] != NULL}};
    PX_TRY(check_tables(origin, table,
                        px_vocabulary_hash(vocabulary) == px_vocabulary_hash(origin->checkpoint.vocabulary)));
    int32_t *old_id = malloc((size_t)px_vocabulary_size(vocabulary) * sizeof *old_id);
    if (!old_id) return px_fail(PX_ERR_MEMORY, "no memory to compare two vocabularies");
    px_status status;
    PX_TRY_GOTO(status, allocate_values(origin, values, &t), done);
    PX_TRY_GOTO(status, read_values(origin, config, &t), done);
    match_entries(origin, vocabulary, t.value[0], old_id, entries);
    for (int i = 0; i < 3; i++)
        if (values[i]) lay_table(table, from, old_id, t.value[i], values[i]);
done:
    for (int i = 0; i < 3; i++) free(t.value[i]);
    free(old_id);
    return status;
}
