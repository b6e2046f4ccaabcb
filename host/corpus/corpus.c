/* A corpus: opening texts and token files, splitting by position, one vocabulary for all parts. See corpus.h. */
#include "corpus.h"
#include "check.h"
#include "encode.h"
#include "parts.h"
#include "token_file.h"

#include <stdlib.h>
#include <string.h>

/* ---- one file with a given vocabulary ---------------------------------------------------------------------------- */

static px_status open_encoded(px_source *source, const px_vocabulary *vocabulary, int invalid, const char *scratch_dir,
                              px_progress progress, void *progress_context, px_tokens **tokens)
{
    int is_token_file;
    PX_TRY(px_token_file_detect(source, &is_token_file));
    if (!is_token_file)
        return px_encode_source(source, vocabulary, invalid, 0, scratch_dir, progress, progress_context, tokens);
    px_vocabulary *own = NULL;
    PX_TRY(px_token_file_open(source, tokens, &own));
    px_status status = px_vocabulary_check_same(vocabulary, own, source->name);
    px_vocabulary_destroy(own);
    if (status != PX_OK) {
        px_tokens_destroy(*tokens);
        *tokens = NULL;
    }
    return status;
}

static px_status open_path(const char *path, const px_vocabulary *vocabulary, int invalid, const char *scratch_dir,
                           px_progress progress, void *progress_context, px_tokens **tokens)
{
    px_source source;
    PX_TRY(px_source_open(path, scratch_dir, &source));
    px_tokens *opened = NULL;
    px_status status = open_encoded(&source, vocabulary, invalid, scratch_dir, progress, progress_context, &opened);
    if (status == PX_OK && opened->count < 2) {
        status =
            px_fail(PX_ERR_INPUT, "%s: one token; at least 2 are needed, one to read and one to predict", source.name);
        px_tokens_destroy(opened);
        opened = NULL;
    }
    px_source_close(&source);
    *tokens = opened;
    return status;
}

px_status px_tokens_open(const char *path, const px_vocabulary *vocabulary, int invalid,
                         void (*progress)(void *context, const char *what, double share), void *context,
                         px_tokens **tokens)
{
    return open_path(path, vocabulary, invalid, NULL, progress, context, tokens);
}

px_status px_token_file_vocabulary(const char *path, px_vocabulary **vocabulary)
{
    px_source source;
    int is_token_file = 0;
    PX_TRY(px_source_open(path, NULL, &source));
    px_status status;
    PX_TRY_GOTO(status, px_token_file_detect(&source, &is_token_file), done);
    status = is_token_file
                 ? px_token_file_open(&source, NULL, vocabulary)
                 : px_fail(PX_ERR_INPUT, "%s: not a token file of perplex, so it holds no vocabulary", source.name);
done:
    px_source_close(&source);
    return status;
}

/* ---- the training text ------------------------------------------------------------------------------------------- */

/* A plain text whose vocabulary is still to be made, from the part that is trained on alone: collect, split, count,
 * recode. */
static px_status open_collected(px_source *source, const px_corpus_request *request, px_corpus *corpus)
{
    px_collection collection;
    px_parts parts;
    px_status status;
    PX_TRY(px_collect(source, request, 1, &collection));
    PX_TRY_GOTO(status, px_parts_of(request, source->name, collection.count, &parts), done);
    if (parts.boundary[1] < collection.count) {
        memset(collection.dictionary.frequency, 0,
               (size_t)collection.dictionary.count * sizeof *collection.dictionary.frequency);
        PX_TRY_GOTO(status, px_id_writer_count(&collection.writer, parts.boundary[1], collection.dictionary.frequency),
                    done);
    }
    status = px_collection_encode(&collection, request, source->name, &corpus->vocabulary, &corpus->data);
done:
    px_collection_free(&collection);
    return status;
}

static px_status open_token_file(px_source *source, const px_corpus_request *request, px_corpus *corpus)
{
    PX_TRY(px_token_file_open(source, &corpus->data, &corpus->vocabulary));
    PX_TRY(px_tokens_limit(corpus->data, (size_t)request->limit_tokens));
    if (request->vocabulary) return px_vocabulary_check_same(request->vocabulary, corpus->vocabulary, source->name);
    if (request->min_count > 1 || request->max_vocab > 0)
        return px_fail(PX_ERR_ARGUMENT,
                       "%s: a token file has its vocabulary; --min-count and --max-vocab are for perplex tokenize",
                       source->name);
    return PX_OK;
}

/* A text that is read with a vocabulary that was given. */
static px_status open_known(px_source *source, const px_corpus_request *request, px_corpus *corpus)
{
    PX_TRY(px_vocabulary_copy(request->vocabulary, &corpus->vocabulary));
    return px_encode_source(source, corpus->vocabulary, request->text.invalid, (size_t)request->limit_tokens,
                            request->scratch_dir, request->progress, request->progress_context, &corpus->data);
}

static px_status open_data(const px_corpus_request *request, px_corpus *corpus)
{
    px_source source;
    int is_token_file;
    PX_TRY(px_source_open(request->data, request->scratch_dir, &source));
    px_status status;
    PX_TRY_GOTO(status, px_token_file_detect(&source, &is_token_file), done);
    status = is_token_file         ? open_token_file(&source, request, corpus)
             : request->vocabulary ? open_known(&source, request, corpus)
                                   : open_collected(&source, request, corpus);
done:
    px_source_close(&source);
    return status;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static px_status open_part(const px_corpus_request *request, const char *path, const px_corpus *corpus,
                           px_tokens **tokens, px_range *range)
{
    PX_TRY(open_path(path, corpus->vocabulary, request->text.invalid, request->scratch_dir, request->progress,
                     request->progress_context, tokens));
    *range = (px_range){*tokens, 0, (*tokens)->count};
    return PX_OK;
}

static px_status open_all(const px_corpus_request *request, px_corpus *corpus)
{
    px_parts parts;
    PX_TRY(open_data(request, corpus));
    char name[PX_PATHS_NAME_BYTES];
    PX_TRY(px_parts_of(request, px_paths_name(request->data, name), corpus->data->count, &parts));
    const px_tokens *data = corpus->data;
    corpus->train = (px_range){data, parts.boundary[0], parts.boundary[1]};
    corpus->valid = (px_range){data, parts.boundary[1], parts.boundary[2]};
    corpus->test = (px_range){data, parts.boundary[2], parts.boundary[3]};
    if (request->valid) PX_TRY(open_part(request, request->valid, corpus, &corpus->valid_data, &corpus->valid));
    if (request->test) PX_TRY(open_part(request, request->test, corpus, &corpus->test_data, &corpus->test));
    return PX_OK;
}

px_status px_request_check(const px_corpus_request *request)
{
    if (!request->data) return px_fail(PX_ERR_ARGUMENT, "no text was given; use --data FILE");
    if (request->limit_tokens < 0)
        return px_fail(PX_ERR_ARGUMENT, "--limit-tokens %lld: a number of tokens is not negative",
                       (long long)request->limit_tokens);
    const char *paths[] = {request->data, request->valid, request->test};
    int from_standard_input = 0;
    for (int i = 0; i < 3; i++) from_standard_input += paths[i] && px_paths_hold(paths[i], "-");
    if (from_standard_input > 1)
        return px_fail(PX_ERR_ARGUMENT, "standard input (-) can be one of --data, --valid, --test, not several");
    return PX_OK;
}

px_status px_corpus_open(const px_corpus_request *request, px_corpus *corpus)
{
    *corpus = (px_corpus){0};
    PX_TRY(px_request_check(request));
    px_status status = open_all(request, corpus);
    if (status != PX_OK) px_corpus_close(corpus);
    return status;
}

void px_corpus_close(px_corpus *corpus)
{
    px_vocabulary_destroy(corpus->vocabulary);
    px_tokens_destroy(corpus->data);
    px_tokens_destroy(corpus->valid_data);
    px_tokens_destroy(corpus->test_data);
    *corpus = (px_corpus){0};
}
