/* Models of libperplex: see <perplex/model.h>. A handle around px_model_file, which never changes after it was opened,
 * so that threads may share it. */
#include "check.h"
#include "library.h"
#include "text_sink.h"

#include <stdlib.h>
#include <string.h>

const char *px_version(void) { return PERPLEX_VERSION; }

void px_free(void *memory) { free(memory); }

px_status px_model_open(const char *path, px_model **model)
{
    PX_PLAIN_LOCALE;
    *model = NULL;
    if (!path) return px_fail(PX_ERR_ARGUMENT, "px_model_open: no path; give a .safetensors file or a run folder");
    px_model *opened = calloc(1, sizeof *opened);
    if (!opened) return px_fail(PX_ERR_MEMORY, "%s: no memory to open it", path);
    px_status status = px_model_file_open(path, &opened->file);
    if (status != PX_OK) {
        free(opened);
        return status;
    }
    *model = opened;
    return PX_OK;
}

void px_model_close(px_model *model)
{
    if (!model) return;
    px_model_file_close(&model->file);
    free(model);
}

void px_model_describe(const px_model *model, px_model_facts *facts)
{
    const px_model_config *sizes = &model->file.config.model;
    *facts = (px_model_facts){
        .vocabulary = sizes->vocab,
        .embedding = sizes->embed,
        .hidden = sizes->hidden,
        .layers = sizes->layers,
        .tied = sizes->tied,
        .parameters = (int64_t)model->file.parameters.weights,
        .step = model->file.step,
        .validation_loss = model->file.valid_loss,
        .level = px_level_name(px_vocabulary_options(model->file.vocabulary).level),
        .output = px_output_names[sizes->output],
    };
}

const char *px_model_token(const px_model *model, int32_t id, size_t *bytes)
{
    *bytes = 0;
    if (id < 0 || id >= model->file.config.model.vocab) return NULL;
    return px_vocabulary_token(model->file.vocabulary, id, bytes);
}

int32_t px_model_token_id(const px_model *model, const char *token, size_t bytes)
{
    return px_vocabulary_id(model->file.vocabulary, token, bytes);
}

px_status px_model_tokenise(const px_model *model, const char *text, size_t bytes, int32_t **ids, size_t *count,
                            size_t *unknown)
{
    PX_PLAIN_LOCALE;
    *ids = NULL;
    *count = 0;
    return px_vocabulary_encode(model->file.vocabulary, bytes ? text : "", bytes, "text", ids, count, unknown, NULL);
}

px_status px_model_detokenise(const px_model *model, const int32_t *ids, size_t count, char **text, size_t *bytes)
{
    PX_PLAIN_LOCALE;
    px_text_sink sink;
    int32_t V = model->file.config.model.vocab;
    *text = NULL;
    *bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= V)
            return px_fail(PX_ERR_ARGUMENT, "token %zu: id %d is not in the vocabulary of %d", i, (int)ids[i], (int)V);
    px_text_sink_start(&sink, model->file.vocabulary, NULL, NULL);
    px_status status = px_text_sink_add_prompt(&sink, ids, count, 1);
    if (status == PX_OK) {
        *text = sink.text; /* changes hands */
        *bytes = sink.bytes;
        sink.text = NULL;
    }
    px_text_sink_free(&sink);
    return status;
}
