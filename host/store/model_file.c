/* A trained model in a file: see model_file.h. */
#include "model_file.h"

#include "check.h"
#include "escape.h"
#include "checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* PX_ERR_INPUT where the folder is what perplex export makes. */
static px_status check_export(const char *folder)
{
    char *weights;
    struct stat info;
    if (asprintf(&weights, "%s/model.safetensors", folder) < 0)
        return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", folder);
    int there = stat(weights, &info) == 0;
    free(weights);
    if (!there) return PX_OK;
    return px_fail(
        PX_ERR_INPUT,
        "%s: holds weights without configuration and vocabulary, as of perplex export; make a model of them: "
        "perplex import %s/model.safetensors --vocab %s/model.json --out MODEL.safetensors",
        folder, folder, folder);
}

px_status px_model_file_find(const char *path, int wants_last, char **found, int *from_last)
{
    static const char *const names[] = {"best.safetensors", "last.safetensors"};
    struct stat info;
    *found = NULL;
    *from_last = 0;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        *found = strdup(path);
        return *found ? PX_OK : px_fail(PX_ERR_MEMORY, "%s: no memory to read it", path);
    }
    for (int i = wants_last; i < 2; i++) {
        if (asprintf(found, "%s/%s", path, names[i]) < 0) {
            *found = NULL;
            return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", path);
        }
        *from_last = i;
        if (stat(*found, &info) == 0) return PX_OK;
        free(*found);
        *found = NULL;
    }
    PX_TRY(check_export(path));
    return px_fail(PX_ERR_INPUT, "%s: a folder without %slast.safetensors; name a model file or a run folder", path,
                   wants_last ? "" : "best.safetensors or ");
}

/* Replaces the escapes of a setting's token; what is none stands as it is. Returns its length. */
static size_t unescape(const char *text, char *out)
{
    const char *end = text + strlen(text);
    size_t bytes = 0;
    for (; text < end; bytes++)
        if (!px_unescape_byte(&text, end, "\n\t\r\\", &out[bytes])) out[bytes] = *text++;
    return bytes;
}

px_status px_model_reset_id(const px_vocabulary *vocabulary, const char *text, int32_t *id)
{
    *id = -1;
    if (!text) return PX_OK;
    *id = px_vocabulary_id(vocabulary, text, strlen(text));
    if (*id < 0 && strchr(text, '\\')) {
        char *token = malloc(strlen(text) + 1);
        if (!token) return px_fail(PX_ERR_MEMORY, "--reset-at: no memory");
        size_t bytes = unescape(text, token);
        *id = px_vocabulary_id(vocabulary, token, bytes);
        free(token);
    }
    if (*id < 0)
        return px_fail(PX_ERR_ARGUMENT,
                       "--reset-at %.100s: the training text has no such token; give one that ends its documents, such "
                       "as <eos> or \\n",
                       text);
    return PX_OK;
}

px_status px_model_settle_cutoffs(const px_vocabulary *vocabulary, px_model_config *model)
{
    if (model->output != PX_OUTPUT_ADAPTIVE || model->cutoffs.count > 0) return PX_OK;
    if (!vocabulary) return px_cutoffs_choose(NULL, model->vocab, model->hidden, &model->cutoffs);
    int64_t *frequency = malloc((size_t)model->vocab * sizeof *frequency);
    if (!frequency) return px_fail(PX_ERR_MEMORY, "no memory for the frequencies of %d tokens", (int)model->vocab);
    for (int32_t id = 0; id < model->vocab; id++) frequency[id] = px_vocabulary_frequency(vocabulary, id);
    px_status status = px_cutoffs_choose(frequency, model->vocab, model->hidden, &model->cutoffs);
    free(frequency);
    return status;
}

px_status px_model_file_open(const char *path, px_model_file *file)
{
    px_checkpoint checkpoint = {0};
    char *found;
    int from_last;
    *file = (px_model_file){0};
    PX_TRY(px_model_file_find(path, 0, &found, &from_last));
    px_status status = px_checkpoint_open(found, &checkpoint);
    free(found);
    PX_TRY(status);

    file->weights = calloc(checkpoint.parameters.count, sizeof *file->weights);
    if (!file->weights) {
        status = px_fail(PX_ERR_MEMORY, "%s: no memory for %zu weights", checkpoint.path, checkpoint.parameters.count);
        goto fail;
    }
    PX_TRY_GOTO(status, px_checkpoint_weights(&checkpoint, file->weights), fail);
    if (px_model_reset_id(checkpoint.vocabulary, checkpoint.config.corpus.reset_at, &file->reset_id) != PX_OK) {
        status = px_fail_context(PX_ERR_INPUT, "%s: damaged", checkpoint.path);
        goto fail;
    }
    file->from_last = from_last;
    file->parameters = checkpoint.parameters;
    file->step = checkpoint.state.step;
    /* the epoch, from 1, that its latest step belongs to */
    file->epoch = checkpoint.state.epoch + (checkpoint.state.window > 0 || checkpoint.state.step == 0);
    file->averaged = checkpoint.averaged;
    file->corpus_hash = checkpoint.state.corpus_hash;
    file->tokens = checkpoint.state.tokens;
    file->valid_loss = checkpoint.state.best_step == checkpoint.state.step ? checkpoint.state.best_loss : NAN;
    /* configuration and vocabulary change hands */
    file->config = checkpoint.config;
    file->vocabulary = checkpoint.vocabulary;
    checkpoint.vocabulary = NULL;
    px_config_default(&checkpoint.config);
    px_checkpoint_close(&checkpoint);
    return PX_OK;
fail:
    free(file->weights);
    *file = (px_model_file){0};
    px_checkpoint_close(&checkpoint);
    return status;
}

void px_model_file_close(px_model_file *file)
{
    px_vocabulary_destroy(file->vocabulary);
    px_config_free(&file->config);
    free(file->weights);
    *file = (px_model_file){0};
}

int px_model_knows_line_ends(const px_vocabulary *vocabulary)
{
    px_text_options options = px_vocabulary_options(vocabulary);
    return options.level == PX_LEVEL_WORD || options.normalise != PX_NORMALISE_NONE ||
           px_vocabulary_id(vocabulary, "\n", 1) > 0;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* What a model has that nothing trained: its weights. */
typedef struct weights_alone {
    const float *weights;
    size_t count;
} weights_alone;

static size_t weights_count(const void *holder, px_section section)
{
    return section == PX_SECTION_PARAMETERS ? ((const weights_alone *)holder)->count : 0;
}

static px_status weights_read(void *holder, px_section section, float *values)
{
    const weights_alone *model = holder;
    if (section == PX_SECTION_PARAMETERS) memcpy(values, model->weights, model->count * sizeof *values);
    return PX_OK;
}

px_status px_model_file_write(const char *path, const px_config *config, const px_vocabulary *vocabulary,
                              const px_parameters *parameters, const float *weights)
{
    weights_alone model = {.weights = weights, .count = parameters->count};
    px_run_state state;
    char *text = px_vocabulary_write(vocabulary);
    float *buffer = malloc(px_checkpoint_buffer_count(parameters, config) * sizeof *buffer);
    px_run_state_start(&state);
    const px_checkpoint_source source = {.kind = PX_CHECKPOINT_BEST,
                                         .config = config,
                                         .vocabulary = text,
                                         .parameters = parameters,
                                         .state = &state,
                                         .sections = {.holder = &model, .count = weights_count, .read = weights_read},
                                         .buffer = buffer};
    px_status status =
        text && buffer ? px_checkpoint_write(path, &source) : px_fail(PX_ERR_MEMORY, "%s: no memory to write it", path);
    free(text);
    free(buffer);
    return status;
}
