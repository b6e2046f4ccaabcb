/* The texts behind a run: see run_text.h. */
#include "run_text.h"

#include "check.h"
#include "checkpoint.h"
#include "fingerprint.h"
#include "paths.h"
#include "text_buffer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static px_status remember(px_config *config, const char *key, const char *files)
{
    char folder[PATH_MAX];
    px_paths paths;
    px_text text = {0};
    if (!files || !getcwd(folder, sizeof folder)) return PX_OK; /* a folder that is gone: the paths stay as they were given */
    PX_TRY(px_paths_split(files, &paths));
    for (size_t i = 0; i < paths.count; i++) {
        const char *path = paths.path[i];
        const int relative = path[0] != '/' && strcmp(path, "-") != 0;
        px_text_format(&text, "%s%s%s%s", i ? "\n" : "", relative ? folder : "", relative ? "/" : "", path);
    }
    px_paths_free(&paths);
    px_status status = px_text_check(&text, "the paths of a run's texts");
    if (status == PX_OK) status = px_config_set(config, key, text.data);
    px_text_free(&text);
    return status;
}

void px_run_text_request(const px_config *config, px_corpus_request *request)
{
    *request = (px_corpus_request){.data = config->data, .valid = config->valid, .test = config->test,
                                   .text = {(int)config->level, (int)config->normalise, (int)config->invalid},
                                   .min_count = config->min_count, .max_vocab = config->max_vocab,
                                   .split = {config->split[0], config->split[1], config->split[2]}, .limit_tokens = config->limit_tokens};
}

px_status px_run_text_remember(px_config *config)
{
    PX_TRY(remember(config, "data", config->data));
    PX_TRY(remember(config, "valid", config->valid));
    return remember(config, "test", config->test);
}

/* The fingerprint of the texts as the run's own vocabulary reads them. */
static px_status hash_of(const px_checkpoint *checkpoint, const px_corpus_request *request, const px_corpus *corpus, uint64_t *hash)
{
    if (px_vocabulary_hash(corpus->vocabulary) == px_vocabulary_hash(checkpoint->vocabulary)) return px_corpus_hash(corpus, hash);
    px_corpus_request again = *request;
    px_corpus own;
    again.vocabulary = checkpoint->vocabulary;
    PX_TRY(px_corpus_open(&again, &own));
    px_status status = px_corpus_hash(&own, hash);
    px_corpus_close(&own);
    return status;
}

/* Whichever of the run's checkpoints can be read: both know its texts. *found = 0: there is none. */
static px_status open_either(const char *run, px_checkpoint *checkpoint, int *found)
{
    static const char *const names[] = {"last", "best"};
    char path[PATH_MAX];
    px_status status = PX_OK;
    *found = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s.safetensors", run, names[i]);
        if (access(path, F_OK) != 0) continue;
        *found = 1;
        if ((status = px_checkpoint_open(path, checkpoint)) == PX_OK) break;
    }
    return status;
}

px_status px_run_text_check(const char *run, const px_corpus_request *request, const px_corpus *corpus, int *checked)
{
    char name[PX_PATHS_NAME_BYTES];
    px_checkpoint checkpoint;
    uint64_t hash = 0;
    int found;
    *checked = 0;
    PX_TRY(open_either(run, &checkpoint, &found));
    if (!found) return PX_OK;
    px_status status = hash_of(&checkpoint, request, corpus, &hash);
    if (status == PX_OK && hash != checkpoint.state.corpus_hash)
        status = px_fail(PX_ERR_INPUT, "%s: not the text that %s was trained with (or its validation or test text has changed); give --data FILE, or --valid and --test, where they lie elsewhere now",
                         px_paths_name(request->data, name), run);
    *checked = status == PX_OK;
    px_checkpoint_close(&checkpoint);
    return status;
}
