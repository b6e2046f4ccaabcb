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

/* ---- a configuration's texts ------------------------------------------------------------------------------------- */

/* The last is the model that a run began from: no text, but it is remembered and found in the same way. */
static const char *const KEYS[] = {"data", "valid", "test", "init-from"};
enum { FILES = sizeof KEYS / sizeof KEYS[0] };

static const char *files_of(const px_config *config, int file)
{
    const char *const files[] = {config->corpus.data, config->corpus.valid, config->corpus.test, config->init_from};
    return files[file];
}

/* Another place for one path of a text. malloc'ed; NULL: no memory. */
typedef char *(*placing)(const char *path, const void *context);

static px_status replace_files(px_config *config, const char *key, const char *files, placing place,
                               const void *context)
{
    px_paths paths;
    px_text text = {0};
    PX_TRY(px_paths_split(files, &paths));
    for (size_t i = 0; i < paths.count; i++) {
        char *path = place(paths.path[i], context);
        if (path) px_text_format(&text, "%s%s", i ? "\n" : "", path);
        text.failed |= !path;
        free(path);
    }
    px_paths_free(&paths);
    px_status status;
    PX_TRY_GOTO(status, px_text_check(&text, "the paths of a run's texts"), done);
    status = px_config_set(config, key, text.data);
done:
    px_text_free(&text);
    return status;
}

/* ---- where they lie ---------------------------------------------------------------------------------------------- */

static char *place_absolute(const char *path, const void *context)
{
    (void)context;
    return px_path_absolute(path);
}

px_status px_run_text_remember(px_config *config)
{
    for (int i = 0; i < FILES; i++)
        if (files_of(config, i)) PX_TRY(replace_files(config, KEYS[i], files_of(config, i), place_absolute, NULL));
    return PX_OK;
}

static char *place_nowhere(const char *path, const void *context)
{
    (void)context;
    const char *slash = strrchr(path, '/');
    return strdup(slash ? slash + 1 : path);
}

px_status px_run_text_forget(px_config *config)
{
    for (int i = 0; i < FILES; i++)
        if (files_of(config, i)) PX_TRY(replace_files(config, KEYS[i], files_of(config, i), place_nowhere, NULL));
    return config->run ? replace_files(config, "run", config->run, place_nowhere, NULL) : PX_OK;
}

typedef struct moved_folder {
    const char *from, *to;
} moved_folder;

/* Where nothing lies at the new place the old one stays: a text outside of what was moved. */
static char *place_moved(const char *path, const void *context)
{
    const moved_folder *folder = context;
    char *moved = path[0] == '/' ? px_path_moved(path, folder->from, folder->to) : strdup(path);
    if (!moved || access(moved, R_OK) == 0) return moved;
    free(moved);
    return strdup(path);
}

px_status px_run_text_follow(px_config *config, const px_config *remembered, const char *from, const char *run,
                             int *follows)
{
    *follows = 0;
    if (!from || from[0] != '/') return PX_OK; /* of a version that did not keep its folder */
    char *to = px_path_absolute(run);
    if (!to) return px_fail(PX_ERR_MEMORY, "%s: no memory for its name", run);
    const moved_folder folder = {from, to};
    px_status status = PX_OK;
    for (int i = 0; i < FILES; i++) {
        const char *files = files_of(config, i), *before = files_of(remembered, i);
        if (!files || !before || strcmp(files, before) != 0) continue; /* somebody says where it lies */
        PX_TRY_GOTO(status, replace_files(config, KEYS[i], before, place_moved, &folder), done);
        if (strcmp(files_of(config, i), before) != 0) *follows = 1;
    }
done:
    free(to);
    return status;
}

void px_run_text_request(const px_config *config, px_corpus_request *request)
{
    *request = (px_corpus_request){
        .data = config->corpus.data,
        .valid = config->corpus.valid,
        .test = config->corpus.test,
        .text = {config->corpus.text.level, config->corpus.text.normalise, config->corpus.text.invalid},
        .min_count = config->corpus.min_count,
        .max_vocab = config->corpus.max_vocab,
        .split = {config->corpus.split[0], config->corpus.split[1], config->corpus.split[2]},
        .limit_tokens = config->corpus.limit_tokens};
}

/* ---- whether they are the run's ---------------------------------------------------------------------------------- */

/* The fingerprint of the texts as the run's own vocabulary reads them. */
static px_status hash_of(const px_checkpoint *checkpoint, const px_corpus_request *request, const px_corpus *corpus,
                         uint64_t *hash)
{
    if (px_vocabulary_hash(corpus->vocabulary) == px_vocabulary_hash(checkpoint->vocabulary))
        return px_corpus_hash(corpus, hash);
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

/* PX_ERR_INPUT where `corpus`, opened by `request`, does not hold the tokens that the checkpoint in folder `run` was
 * trained and validated on. The vocabularies may differ: the texts are then read once more with the run's own. Without
 * a checkpoint *checked = 0. */
static px_status check_texts(const char *run, const px_corpus_request *request, const px_corpus *corpus, int *checked)
{
    char name[PX_PATHS_NAME_BYTES];
    px_checkpoint checkpoint;
    uint64_t hash = 0;
    int found;
    *checked = 0;
    PX_TRY(open_either(run, &checkpoint, &found));
    if (!found) return PX_OK;
    px_status status = hash_of(&checkpoint, request, corpus, &hash);
    const int is_it = hash == checkpoint.state.corpus_hash;
    px_checkpoint_close(&checkpoint);
    PX_TRY(status);
    if (!is_it)
        return px_fail(PX_ERR_INPUT,
                       "%s: not the text that %s was trained with (or its validation or test text has changed); give "
                       "--data FILE, or --valid and --test, where they lie elsewhere now",
                       px_paths_name(request->data, name), run);
    *checked = 1;
    return PX_OK;
}

/* A reader without a vocabulary takes the one that the text makes, or where that is not the run's (--init-from) the
 * run's own. */
static px_status open_checked(const char *run, const px_config *config, const px_run_text_reader *reader,
                              px_corpus *corpus, int *checked)
{
    px_corpus_request request;
    px_checkpoint own = {0};
    int found = 0;
    px_run_text_request(config, &request);
    if (!reader->vocabulary && px_config_keeps_vocabulary(config)) PX_TRY(open_either(run, &own, &found));
    request.vocabulary = found ? own.vocabulary : reader->vocabulary;
    request.progress = reader->progress;
    request.progress_context = reader->progress_context;
    px_status status;
    PX_TRY_GOTO(status, px_corpus_open(&request, corpus), done);
    status = check_texts(run, &request, corpus, checked);
    if (status != PX_OK) px_corpus_close(corpus);
done:
    px_checkpoint_close(&own);
    return status;
}

static px_status follow(px_config *config, const px_config *remembered, const char *run, int *follows)
{
    px_checkpoint checkpoint;
    int found;
    PX_TRY(open_either(run, &checkpoint, &found));
    if (!found) return PX_OK;
    px_status status = px_run_text_follow(config, remembered, checkpoint.folder, run, follows);
    px_checkpoint_close(&checkpoint);
    return status;
}

/* Without a checkpoint no fingerprint tells that what lies at the new place is the text. */
static px_status open_moved(const char *run, const px_config *moved, const px_run_text_reader *reader,
                            px_corpus *corpus)
{
    int checked;
    PX_TRY(open_checked(run, moved, reader, corpus, &checked));
    if (checked) return PX_OK;
    px_corpus_close(corpus);
    return px_fail(PX_ERR_INPUT, "%s: without a checkpoint nothing tells whether a text beside it is the run's", run);
}

px_status px_run_text_open(const char *run, const px_config *remembered, px_config *config,
                           const px_run_text_reader *reader, px_corpus *corpus, int *checked)
{
    char reason[PX_RUN_TEXT_REASON_BYTES];
    px_config moved;
    int follows = 0;
    px_status status = open_checked(run, config, reader, corpus, checked);
    if (status != PX_ERR_INPUT) return status;
    snprintf(reason, sizeof reason, "%s", px_error_message());
    PX_TRY(px_config_copy(&moved, config));
    PX_TRY_GOTO(status, follow(&moved, remembered, run, &follows), done);
    status = follows ? open_moved(run, &moved, reader, corpus) : px_fail(PX_ERR_INPUT, "%s", reason);
    if (status != PX_OK) goto done;
    const px_config before = *config;
    *config = moved;
    moved = before;
    *checked = 1;
done:
    px_config_free(&moved);
    return status;
}
