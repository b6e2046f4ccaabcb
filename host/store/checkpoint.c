/* Reading and writing checkpoints: see checkpoint.h. */
#include "checkpoint.h"

#include "check.h"
#include "torch_weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "1"
#define CURRENT "state.current."
#define MOMENT1 "state.moment1."
#define MOMENT2 "state.moment2."
enum { NAME_BYTES = 80 };

size_t px_checkpoint_buffer_count(const px_parameters *parameters, const px_config *config)
{
    size_t state = (size_t)px_cell_of(config->model.cell)->states * (size_t)config->model.layers *
                   (size_t)config->minibatch.batch * (size_t)config->model.hidden;
    return parameters->count > state ? parameters->count : state;
}

static void state_shape(const px_config *config, int64_t shape[3])
{
    shape[0] = config->model.layers;
    shape[1] = config->minibatch.batch;
    shape[2] = config->model.hidden;
}

/* "prefix" + a tensor's name. */
static const char *full_name(char name[NAME_BYTES], const char *prefix, const char *tensor)
{
    snprintf(name, NAME_BYTES, "%s%s", prefix, tensor);
    return name;
}

/* All states of the cell together are [S, L, n, h]; each stands in the file by itself. */
static const char *const STATES[] = {"state.hidden", "state.cell"};
_Static_assert(sizeof STATES / sizeof STATES[0] == PX_CELL_STATES_MAX, "a name for every state of a cell");

static int states_of(const px_config *config) { return px_cell_of(config->model.cell)->states; }

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* One value for each parameter, under a name of its own: moments have no second bias, which would mean nothing. */
static px_status declare_table(px_safetensors_writer *writer, const px_parameters *table, const char *prefix)
{
    char name[NAME_BYTES];
    for (int32_t i = 0; i < table->tensor_count; i++) {
        const px_tensor *tensor = &table->tensor[i];
        int64_t shape[2] = {tensor->rows, tensor->cols};
        PX_TRY(px_safetensors_declare(writer, full_name(name, prefix, tensor->name), tensor->dims, shape));
    }
    return PX_OK;
}

static size_t section_count(const px_sections *sections, px_section section)
{
    return sections->count(sections->holder, section);
}

static px_status read_section(const px_checkpoint_source *source, px_section section)
{
    return source->sections.read(source->sections.holder, section, source->buffer);
}

static px_status write_weights(px_safetensors_writer *writer, const px_checkpoint_source *source, px_section section)
{
    PX_TRY(read_section(source, section));
    return px_torch_weights_write(writer, source->parameters, source->buffer);
}

static px_status write_table(px_safetensors_writer *writer, const px_checkpoint_source *source, px_section section)
{
    const px_parameters *table = source->parameters;
    PX_TRY(read_section(source, section));
    for (int32_t i = 0; i < table->tensor_count; i++)
        PX_TRY(px_safetensors_write(writer, source->buffer + table->tensor[i].offset, table->tensor[i].count));
    return PX_OK;
}

static px_status add_metadata(px_safetensors_writer *writer, const px_checkpoint_source *source, const char *config,
                              const char *state)
{
    PX_TRY(px_safetensors_add_metadata(writer, "format", "pt"));
    PX_TRY(px_safetensors_add_metadata(writer, "perplex.version", VERSION));
    PX_TRY(px_safetensors_add_metadata(writer, "perplex.kind", source->kind == PX_CHECKPOINT_BEST ? "best" : "last"));
    PX_TRY(px_safetensors_add_metadata(writer, "perplex.averaged", source->state->average_count > 0 ? "1" : "0"));
    PX_TRY(px_safetensors_add_metadata(writer, "perplex.config", config));
    PX_TRY(px_safetensors_add_metadata(writer, "perplex.state", state));
    PX_TRY(px_safetensors_add_metadata(writer, "perplex.vocabulary", source->vocabulary));
    return source->folder ? px_safetensors_add_metadata(writer, "perplex.folder", source->folder) : PX_OK;
}

static px_status declare_metadata(px_safetensors_writer *writer, const px_checkpoint_source *source)
{
    px_text state = {0};
    char *config = px_config_write(source->config);
    px_status status;
    if (!config) return px_fail(PX_ERR_MEMORY, "checkpoint: no memory for its configuration");
    px_run_state_write(source->state, &state);
    PX_TRY_GOTO(status, px_text_check(&state, "checkpoint"), done);
    status = add_metadata(writer, source, config, state.data);
done:
    px_text_free(&state);
    free(config);
    return status;
}

static px_status write_all(px_safetensors_writer *writer, const px_checkpoint_source *source)
{
    const px_parameters *table = source->parameters;
    int averaged = source->state->average_count > 0, whole = source->kind == PX_CHECKPOINT_LAST;
    int moment1 = whole && section_count(&source->sections, PX_SECTION_MOMENT1) > 0;
    int moment2 = whole && section_count(&source->sections, PX_SECTION_MOMENT2) > 0;
    int64_t shape[3];
    state_shape(source->config, shape);

    PX_TRY(declare_metadata(writer, source));
    PX_TRY(px_torch_weights_declare(writer, table));
    if (whole && averaged) PX_TRY(declare_table(writer, table, CURRENT));
    if (moment1) PX_TRY(declare_table(writer, table, MOMENT1));
    if (moment2) PX_TRY(declare_table(writer, table, MOMENT2));
    for (int s = 0; whole && s < states_of(source->config); s++)
        PX_TRY(px_safetensors_declare(writer, STATES[s], 3, shape));

    PX_TRY(write_weights(writer, source, averaged ? PX_SECTION_AVERAGE : PX_SECTION_PARAMETERS));
    if (whole && averaged) PX_TRY(write_table(writer, source, PX_SECTION_PARAMETERS));
    if (moment1) PX_TRY(write_table(writer, source, PX_SECTION_MOMENT1));
    if (moment2) PX_TRY(write_table(writer, source, PX_SECTION_MOMENT2));
    if (whole) {
        if (!source->hidden) PX_TRY(read_section(source, PX_SECTION_STATE));
        const float *states = source->hidden ? source->hidden : source->buffer;
        const size_t count = (size_t)(shape[0] * shape[1] * shape[2]);
        for (int s = 0; s < states_of(source->config); s++)
            PX_TRY(px_safetensors_write(writer, states + (size_t)s * count, count));
    }
    return PX_OK;
}

px_status px_checkpoint_write(const char *path, const px_checkpoint_source *source)
{
    px_safetensors_writer *writer;
    PX_TRY(px_safetensors_create(path, &writer));
    px_status status = write_all(writer, source);
    if (status != PX_OK) {
        px_safetensors_abandon(writer);
        return status;
    }
    return px_safetensors_commit(writer);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static px_status metadata(const px_checkpoint *checkpoint, const char *name, const char **text)
{
    *text = px_safetensors_metadata(checkpoint->file, name);
    if (!*text) return px_fail(PX_ERR_INPUT, "%s: damaged: %s is missing from its metadata", checkpoint->path, name);
    return PX_OK;
}

/* Weights that perplex export or another program wrote; where there is an RNN among them, import makes a model of it.
 */
static px_status not_a_checkpoint(const px_checkpoint *checkpoint)
{
    int has_rnn = 0;
    for (size_t i = 0; i < px_safetensors_count(checkpoint->file); i++)
        has_rnn |= strstr(px_safetensors_at(checkpoint->file, i)->name, "weight_hh_l0") != NULL;
    return px_fail(PX_ERR_INPUT,
                   "%s: weights without configuration and vocabulary (from perplex export, or another program)%s",
                   checkpoint->path,
                   has_rnn ? "; make a model of them: perplex import FILE --vocab LIST --out MODEL.safetensors, where "
                             "LIST is the exported card (.json) "
                             "or a list of tokens"
                           : "");
}

static px_status read_metadata(px_checkpoint *checkpoint)
{
    const char *version = px_safetensors_metadata(checkpoint->file, "perplex.version"), *text;
    if (!version) return not_a_checkpoint(checkpoint);
    if (strcmp(version, VERSION) != 0)
        return px_fail(PX_ERR_INPUT,
                       "%s: made by another version of perplex (format %.20s, this one reads " VERSION ")",
                       checkpoint->path, version);
    if (!px_safetensors_has_checksum(checkpoint->file))
        return px_fail(PX_ERR_INPUT, "%s: damaged or altered: it has no checksum", checkpoint->path);
    PX_TRY(metadata(checkpoint, "perplex.kind", &text));
    if (strcmp(text, "best") != 0 && strcmp(text, "last") != 0)
        return px_fail(PX_ERR_INPUT, "%s: damaged: perplex.kind is \"%.20s\"", checkpoint->path, text);
    checkpoint->kind = strcmp(text, "best") == 0 ? PX_CHECKPOINT_BEST : PX_CHECKPOINT_LAST;
    checkpoint->folder = px_safetensors_metadata(checkpoint->file, "perplex.folder");
    PX_TRY(metadata(checkpoint, "perplex.averaged", &text));
    checkpoint->averaged = strcmp(text, "1") == 0;
    PX_TRY(metadata(checkpoint, "perplex.config", &text));
    checkpoint->config.recurrence =
        PX_RECURRENCE_STEP; /* files without the settings are of versions that knew these ways alone */
    checkpoint->config.wavefront = PX_WAVEFRONT_OFF;
    checkpoint->config.products = PX_PRODUCTS_CUBLAS;
    PX_TRY(px_config_read(&checkpoint->config, text, strlen(text), checkpoint->path));
    PX_TRY(metadata(checkpoint, "perplex.vocabulary", &text));
    PX_TRY(px_vocabulary_read(text, strlen(text), checkpoint->path, &checkpoint->vocabulary));
    checkpoint->config.model.vocab = px_vocabulary_size(checkpoint->vocabulary);
    /* a run on a token file may have been given no level, or another: what counts is what its tokens are */
    checkpoint->config.corpus.text.level = px_vocabulary_options(checkpoint->vocabulary).level;
    checkpoint->config.corpus.text.normalise = px_vocabulary_options(checkpoint->vocabulary).normalise;
    PX_TRY(metadata(checkpoint, "perplex.state", &text));
    return px_run_state_read(&checkpoint->state, text, checkpoint->path);
}

/* Shapes of all tensors of a table; *found counts them. */
static px_status expect_table(const px_checkpoint *checkpoint, const char *prefix, int weights, size_t *found)
{
    char name[NAME_BYTES];
    for (int32_t i = 0; i < checkpoint->parameters.tensor_count; i++) {
        const px_tensor *tensor = &checkpoint->parameters.tensor[i];
        int64_t shape[2] = {tensor->rows, tensor->cols};
        if (weights && px_tensor_in_second_bias(tensor)) continue;
        PX_TRY(
            px_safetensors_expect(checkpoint->file, full_name(name, prefix, tensor->name), tensor->dims, shape, NULL));
        ++*found;
        if (weights && tensor->role == PX_TENSOR_B_H) {
            const px_second_bias bias = px_parameters_second_bias(&checkpoint->parameters, tensor);
            PX_TRY(px_safetensors_expect(checkpoint->file, full_name(name, prefix, bias.name), 1, shape, NULL));
            ++*found;
        }
    }
    return PX_OK;
}

static int has_table(const px_checkpoint *checkpoint, const char *prefix)
{
    char name[NAME_BYTES];
    return px_safetensors_find(checkpoint->file, full_name(name, prefix, checkpoint->parameters.tensor[0].name)) !=
           NULL;
}

static px_status check_tensors(px_checkpoint *checkpoint)
{
    size_t found = 0;
    px_status status = px_parameters_make(&checkpoint->config.model, &checkpoint->parameters);
    if (status != PX_OK)
        return px_fail_context(status == PX_ERR_ARGUMENT ? PX_ERR_INPUT : status, "%s: damaged", checkpoint->path);
    PX_TRY(expect_table(checkpoint, "", 1, &found));
    if (checkpoint->kind == PX_CHECKPOINT_LAST) {
        int64_t shape[3];
        state_shape(&checkpoint->config, shape);
        if (checkpoint->averaged) PX_TRY(expect_table(checkpoint, CURRENT, 0, &found));
        if (has_table(checkpoint, MOMENT1)) PX_TRY(expect_table(checkpoint, MOMENT1, 0, &found));
        if (has_table(checkpoint, MOMENT2)) PX_TRY(expect_table(checkpoint, MOMENT2, 0, &found));
        for (int s = 0; s < states_of(&checkpoint->config); s++, found++)
            PX_TRY(px_safetensors_expect(checkpoint->file, STATES[s], 3, shape, NULL));
    }
    if (found != px_safetensors_count(checkpoint->file))
        return px_fail(PX_ERR_INPUT, "%s: damaged: it holds %zu tensors, its configuration has %zu", checkpoint->path,
                       px_safetensors_count(checkpoint->file), found);
    return PX_OK;
}

px_status px_checkpoint_open(const char *path, px_checkpoint *checkpoint)
{
    px_status status;
    *checkpoint = (px_checkpoint){0};
    px_config_default(&checkpoint->config);
    checkpoint->path = strdup(path);
    if (!checkpoint->path) {
        status = px_fail(PX_ERR_MEMORY, "%s: no memory to read it", path);
        goto fail;
    }
    PX_TRY_GOTO(status, px_safetensors_open(path, &checkpoint->file), fail);
    PX_TRY_GOTO(status, read_metadata(checkpoint), fail);
    PX_TRY_GOTO(status, check_tensors(checkpoint), fail);
    return PX_OK;
fail:
    px_checkpoint_close(checkpoint);
    /* what config and vocabulary call a wrong argument is here a wrong file */
    return status == PX_ERR_ARGUMENT ? PX_ERR_INPUT : status;
}

void px_checkpoint_close(px_checkpoint *checkpoint)
{
    px_vocabulary_destroy(checkpoint->vocabulary);
    px_config_free(&checkpoint->config);
    px_safetensors_close(checkpoint->file);
    free(checkpoint->path);
    *checkpoint = (px_checkpoint){0};
}

/* values [count] += those of second from first on, in parts. */
static px_status add_values(const px_safetensors *file, const px_safetensor *second, size_t first, size_t total,
                            float *values)
{
    float other[1024];
    for (size_t at = 0, count; at < total; at += count) {
        count = total - at < 1024 ? total - at : 1024;
        PX_TRY(px_safetensors_elements(file, second, first + at, count, other));
        for (size_t k = 0; k < count; k++)
            if (other[k] != 0) values[at + k] += other[k]; /* adding zero would turn -0 into +0 */
    }
    return PX_OK;
}

/* The second bias adds to the first, but for a lone gate's, which is a parameter by itself. */
static px_status add_second_bias(const px_checkpoint *checkpoint, const char *prefix, const px_tensor *b_h, float *flat)
{
    const px_second_bias bias = px_parameters_second_bias(&checkpoint->parameters, b_h);
    const int64_t shape[1] = {bias.rows};
    const px_safetensor *second;
    char name[NAME_BYTES];
    float *first = flat + b_h->offset;
    const size_t own = bias.tensor ? bias.tensor->count : 0;
    PX_TRY(px_safetensors_expect(checkpoint->file, full_name(name, prefix, bias.name), 1, shape, &second));
    PX_TRY(add_values(checkpoint->file, second, 0, bias.before, first));
    if (bias.tensor) PX_TRY(add_values(checkpoint->file, second, bias.before, own, flat + bias.tensor->offset));
    return add_values(checkpoint->file, second, bias.before + own, bias.after, first + bias.before + own);
}

static px_status read_table(const px_checkpoint *checkpoint, const char *prefix, int weights, float *flat)
{
    char name[NAME_BYTES];
    memset(flat, 0, checkpoint->parameters.count * sizeof *flat);
    for (int32_t i = 0; i < checkpoint->parameters.tensor_count; i++) {
        const px_tensor *tensor = &checkpoint->parameters.tensor[i];
        int64_t shape[2] = {tensor->rows, tensor->cols};
        if (weights && px_tensor_in_second_bias(tensor)) continue;
        PX_TRY(px_safetensors_read(checkpoint->file, full_name(name, prefix, tensor->name), tensor->dims, shape,
                                   flat + tensor->offset));
        if (weights && tensor->role == PX_TENSOR_B_H) PX_TRY(add_second_bias(checkpoint, prefix, tensor, flat));
    }
    return PX_OK;
}

px_status px_checkpoint_weights(const px_checkpoint *checkpoint, float *flat)
{
    PX_TRY(read_table(checkpoint, "", 1, flat));
    return px_parameters_check(&checkpoint->parameters, flat, checkpoint->path);
}

static px_status put_section(const px_sections *to, px_section section, const float *values)
{
    return to->write(to->holder, section, values);
}

static px_status unsound(const px_checkpoint *checkpoint, const char *tensor, size_t i, double value)
{
    return px_fail(PX_ERR_INPUT, "%s: damaged: tensor %s: value %zu is %g, with which no training goes on",
                   checkpoint->path, tensor, i, value);
}

/* Second moments are means of squares, of which a huge one overflows to inf: its weight then stands still, and the
 * training goes on. */
static int moment_is_sound(px_section section, float value)
{
    return section == PX_SECTION_MOMENT2 ? value >= 0 : isfinite(value);
}

static px_status check_moments(const px_checkpoint *checkpoint, px_section section, const char *prefix,
                               const float *flat)
{
    char name[NAME_BYTES];
    for (int32_t k = 0; k < checkpoint->parameters.tensor_count; k++) {
        const px_tensor *tensor = &checkpoint->parameters.tensor[k];
        const float *values = flat + tensor->offset;
        for (size_t i = 0; i < tensor->count; i++)
            if (!moment_is_sound(section, values[i]))
                return unsound(checkpoint, full_name(name, prefix, tensor->name), i, (double)values[i]);
    }
    return PX_OK;
}

static px_status restore_moment(const px_checkpoint *checkpoint, const px_sections *to, px_section section,
                                const char *prefix, float *buffer)
{
    if (section_count(to, section) == 0) return PX_OK;
    PX_TRY(read_table(checkpoint, prefix, 0, buffer));
    PX_TRY(check_moments(checkpoint, section, prefix, buffer));
    return put_section(to, section, buffer);
}

/* All states, [S,L,n,h]. */
static px_status read_states(const px_checkpoint *checkpoint, const int64_t shape[3], float *states)
{
    const size_t each = (size_t)(shape[0] * shape[1] * shape[2]);
    for (int s = 0; s < states_of(&checkpoint->config); s++, states += each) {
        PX_TRY(px_safetensors_read(checkpoint->file, STATES[s], 3, shape, states));
        for (size_t i = 0; i < each; i++)
            if (!isfinite(states[i])) return unsound(checkpoint, STATES[s], i, (double)states[i]);
    }
    return PX_OK;
}

/* Of the states [blocks,n,h] the streams [first, first + count), moved to the front. */
static void cut_streams(const int64_t shape[3], size_t blocks, int32_t first, size_t count, float *states)
{
    const size_t n = (size_t)shape[1], h = (size_t)shape[2];
    for (size_t l = 0; l < blocks; l++)
        memmove(states + l * count * h, states + (l * n + (size_t)first) * h, count * h * sizeof *states);
}

px_status px_checkpoint_restore(const px_checkpoint *checkpoint, const px_sections *to, int32_t first_stream,
                                float *buffer)
{
    int64_t shape[3];
    if (checkpoint->kind != PX_CHECKPOINT_LAST)
        return px_fail(PX_ERR_INPUT, "%s: holds weights only; a training goes on from last.safetensors",
                       checkpoint->path);
    if (section_count(to, PX_SECTION_AVERAGE) > 0) {
        /* before averaging begins the averages are zeros, as in a new engine */
        if (checkpoint->averaged)
            PX_TRY(px_checkpoint_weights(checkpoint, buffer));
        else
            memset(buffer, 0, checkpoint->parameters.count * sizeof *buffer);
        PX_TRY(put_section(to, PX_SECTION_AVERAGE, buffer));
    }
    PX_TRY(read_table(checkpoint, checkpoint->averaged ? CURRENT : "", checkpoint->averaged ? 0 : 1, buffer));
    PX_TRY(px_parameters_check(&checkpoint->parameters, buffer, checkpoint->path));
    PX_TRY(put_section(to, PX_SECTION_PARAMETERS, buffer));
    PX_TRY(restore_moment(checkpoint, to, PX_SECTION_MOMENT1, MOMENT1, buffer));
    PX_TRY(restore_moment(checkpoint, to, PX_SECTION_MOMENT2, MOMENT2, buffer));
    state_shape(&checkpoint->config, shape);
    PX_TRY(read_states(checkpoint, shape, buffer));
    const size_t blocks = (size_t)states_of(&checkpoint->config) * (size_t)shape[0];
    const size_t streams = section_count(to, PX_SECTION_STATE) / (blocks * (size_t)shape[2]);
    if (first_stream < 0 || (size_t)first_stream + streams > (size_t)shape[1])
        return px_fail(PX_ERR_INTERNAL, "streams %d to %zu of the %lld in %s", (int)first_stream,
                       (size_t)first_stream + streams - 1, (long long)shape[1], checkpoint->path);
    cut_streams(shape, blocks, first_stream, streams, buffer);
    return put_section(to, PX_SECTION_STATE, buffer);
}
