/* `tokenize`: a text into a token file, or only counted. See corpus.h. */
#include "check.h"
#include "encode.h"
#include "parts.h"
#include "token_file.h"

#include <stdlib.h>

/* Without a file nothing is stored: what the vocabulary leaves out is known from the counts. */
static px_status count_only(px_source *source, const px_corpus_request *request, px_tokenize_result *result,
                            px_vocabulary **vocabulary)
{
    px_collection collection;
    PX_TRY(px_collect(source, request, 0, &collection));
    int32_t *ids = NULL;
    px_status status;
    PX_TRY_GOTO(status,
                px_vocabulary_build(&collection.dictionary, request->text, request->min_count, request->max_vocab,
                                    source->name, &ids, vocabulary),
                done);
    int32_t V = px_vocabulary_size(*vocabulary);
    *result = (px_tokenize_result){
        .tokens = collection.count, .text_bytes = collection.text_bytes, .vocabulary = V, .id_bytes = px_id_bytes(V)};
    for (int32_t i = 0; i < collection.dictionary.count; i++)
        if (i == 0 || ids[i] == V) result->unknown += (size_t)collection.dictionary.frequency[i];
done:
    free(ids);
    px_collection_free(&collection);
    return status;
}

static px_status make_tokens(px_source *source, const px_corpus_request *request, px_tokens **tokens,
                             px_vocabulary **vocabulary)
{
    if (request->vocabulary) {
        PX_TRY(px_vocabulary_copy(request->vocabulary, vocabulary));
        return px_encode_source(source, *vocabulary, request->text.invalid, (size_t)request->limit_tokens,
                                request->scratch_dir, request->progress, request->progress_context, tokens);
    }
    px_collection collection;
    PX_TRY(px_collect(source, request, 1, &collection));
    px_status status = px_collection_encode(&collection, request, source->name, vocabulary, tokens);
    px_collection_free(&collection);
    return status;
}

px_status px_tokenize(const px_corpus_request *request, const char *path, px_tokenize_result *result,
                      px_vocabulary **vocabulary_out)
{
    px_source source;
    px_tokens *tokens = NULL;
    px_vocabulary *vocabulary = NULL;
    int is_token_file = 0;
    PX_TRY(px_request_check(request));
    PX_TRY(px_source_open(request->data, request->scratch_dir, &source));
    px_status status;
    PX_TRY_GOTO(status, px_token_file_detect(&source, &is_token_file), end);
    if (is_token_file) {
        status = px_fail(PX_ERR_INPUT, "%s: a token file already; tokenize reads text", source.name);
        goto end;
    }
    if (!path && !request->vocabulary) {
        status = count_only(&source, request, result, &vocabulary);
        goto end;
    }
    PX_TRY_GOTO(status, make_tokens(&source, request, &tokens, &vocabulary), end);
    if (path) PX_TRY_GOTO(status, px_token_file_write(path, tokens, vocabulary), end);
    *result = (px_tokenize_result){.tokens = tokens->count,
                                   .unknown = tokens->unknown,
                                   .text_bytes = tokens->text_bytes,
                                   .vocabulary = px_vocabulary_size(vocabulary),
                                   .id_bytes = tokens->id_bytes};
end:
    px_source_close(&source);
    px_tokens_destroy(tokens);
    if (status == PX_OK && vocabulary_out)
        *vocabulary_out = vocabulary;
    else
        px_vocabulary_destroy(vocabulary);
    return status;
}
