/* `tokenize --ids`: raw ids of another program into a token file. See corpus.h.
 *
 * Ids are read once, renumbered and counted on the way; once all are known, the tokens are put into the order that
 * every vocabulary of perplex has, the most frequent first, or into that of the vocabulary that was asked for. */
#include "check.h"
#include "id_file.h"
#include "paths.h"
#include "pieces.h"
#include "token_file.h"
#include "tokens.h"
#include "vocabulary.h"

#include <stdlib.h>
#include <string.h>

/* Ids on their way: the list's index -> the listed vocabulary's id -> the written vocabulary's id. */
typedef struct id_job {
    const px_ids_request *request;
    px_vocabulary *listed; /* a copy, whose frequencies are those of the ids read */
    int32_t *id_of;        /* [list_count] the listed vocabulary's id of the list's index */
    px_id_writer writer;   /* of such ids */
    uint32_t *part;        /* [PX_ID_FILE_PART] */
} id_job;

static px_status start(id_job *job)
{
    const px_ids_request *request = job->request;
    PX_TRY(px_vocabulary_copy(request->listed, &job->listed));
    px_dictionary *tokens = &job->listed->dictionary;
    memset(tokens->frequency, 0, (size_t)tokens->count * sizeof *tokens->frequency);
    job->id_of = calloc(request->list_count, sizeof *job->id_of);
    job->part = malloc(PX_ID_FILE_PART * sizeof *job->part);
    if (!job->id_of || !job->part) return px_fail(PX_ERR_MEMORY, "no memory to read ids");
    for (int32_t id = 0; id < tokens->count; id++)
        if (request->row[id] >= 0) job->id_of[request->row[id]] = id;
    return px_id_writer_open(request->scratch_dir, px_id_bytes(tokens->count), &job->writer);
}

static void end(id_job *job)
{
    px_vocabulary_destroy(job->listed);
    free(job->id_of);
    free(job->part);
    px_id_writer_close(&job->writer);
}

/* At most `most` ids of an open file. */
static px_status read_ids(id_job *job, px_id_file *file, size_t most)
{
    const px_ids_request *request = job->request;
    for (size_t at = 0, n; at < most; at += n) {
        n = most - at < PX_ID_FILE_PART ? most - at : PX_ID_FILE_PART;
        PX_TRY(px_id_file_read(file, at, n, request->list_count, job->part));
        for (size_t i = 0; i < n; i++) {
            const int32_t id = job->id_of[job->part[i]];
            job->listed->dictionary.frequency[id]++;
            PX_TRY(px_id_writer_append(&job->writer, (uint32_t)id));
        }
        if (request->progress)
            request->progress(request->progress_context, file->file.path, (double)(at + n) / (double)most);
    }
    return most == file->count ? px_id_file_check(file) : PX_OK;
}

static px_status read_files(id_job *job, const px_paths *paths)
{
    const px_ids_request *request = job->request;
    const size_t limit = request->limit_tokens > 0 ? (size_t)request->limit_tokens : SIZE_MAX;
    for (size_t i = 0; i < paths->count && job->writer.count < limit; i++) {
        px_id_file file;
        const size_t left = limit - job->writer.count;
        PX_TRY(px_id_file_open(paths->path[i], request->id_bytes, request->list_count, &file));
        px_status status = read_ids(job, &file, file.count < left ? file.count : left);
        px_id_file_close(&file);
        PX_TRY(status);
    }
    return PX_OK;
}

/* map [listed size], malloc'ed: the id that each token gets in the vocabulary that is written. */
static px_status choose_vocabulary(const id_job *job, int32_t **map, px_vocabulary **vocabulary)
{
    const px_ids_request *request = job->request;
    const px_dictionary *listed = &job->listed->dictionary;
    if (!request->vocabulary)
        return px_vocabulary_sort(listed, px_vocabulary_options(request->listed), request->list_name, map, vocabulary);
    PX_TRY(px_vocabulary_copy(request->vocabulary, vocabulary));
    *map = malloc((size_t)listed->count * sizeof **map);
    if (!*map) return px_fail(PX_ERR_MEMORY, "no memory to renumber %d tokens", listed->count);
    (*map)[0] = 0;
    for (int32_t id = 1; id < listed->count; id++) {
        size_t bytes;
        const char *token = px_dictionary_text(listed, id, &bytes);
        const int32_t found = px_vocabulary_id(*vocabulary, token, bytes);
        (*map)[id] = found < 0 ? px_vocabulary_size(*vocabulary) : found;
    }
    return PX_OK;
}

/* Bytes of the text that the tokens spell; 0 where they do not say: words, and characters or bytes that are unknown. */
static px_status count_text(const px_vocabulary *vocabulary, px_tokens *tokens)
{
    const px_level level = px_vocabulary_options(vocabulary).level;
    px_text_size size;
    if (level == PX_LEVEL_WORD || (tokens->unknown > 0 && !px_level_is_pieces(level))) return PX_OK;
    PX_TRY(px_text_measure(vocabulary, (px_range){tokens, 0, tokens->count}, &size));
    tokens->text_bytes = size.bytes;
    return PX_OK;
}

static px_status make_tokens(id_job *job, px_tokens **tokens, px_vocabulary **vocabulary)
{
    int32_t *map = NULL;
    px_status status;
    PX_TRY_GOTO(status, choose_vocabulary(job, &map, vocabulary), done);
    const int32_t V = px_vocabulary_size(*vocabulary);
    PX_TRY_GOTO(status, px_id_writer_recode(&job->writer, map, px_id_bytes(V)), done);
    PX_TRY_GOTO(status, px_id_writer_finish(&job->writer, (uint32_t)V, 0, tokens), done);
    status = count_text(*vocabulary, *tokens);
done:
    free(map);
    return status;
}

static px_status read_all(id_job *job)
{
    px_paths paths;
    PX_TRY(px_paths_split(job->request->paths, &paths));
    px_status status;
    PX_TRY_GOTO(status, start(job), done);
    status = read_files(job, &paths);
done:
    px_paths_free(&paths);
    return status;
}

static px_status check_levels(const px_ids_request *request)
{
    if (!request->vocabulary) return PX_OK;
    const px_text_options listed = px_vocabulary_options(request->listed),
                          wanted = px_vocabulary_options(request->vocabulary);
    if (listed.level == wanted.level) return PX_OK;
    return px_fail(PX_ERR_INPUT,
                   "%s: tokens of level %s, and the vocabulary that is asked for is of level %s; give its --level",
                   request->list_name, px_level_name(listed.level), px_level_name(wanted.level));
}

px_status px_tokenize_ids(const px_ids_request *request, const char *path, px_tokenize_result *result,
                          px_vocabulary **vocabulary_out)
{
    id_job job = {.request = request, .writer = {.descriptor = -1}};
    px_tokens *tokens = NULL;
    px_vocabulary *vocabulary = NULL;
    PX_TRY(check_levels(request));
    px_status status;
    PX_TRY_GOTO(status, read_all(&job), done);
    PX_TRY_GOTO(status, make_tokens(&job, &tokens, &vocabulary), done);
    if (path) PX_TRY_GOTO(status, px_token_file_write(path, tokens, vocabulary), done);
    *result = (px_tokenize_result){.tokens = tokens->count,
                                   .unknown = tokens->unknown,
                                   .text_bytes = tokens->text_bytes,
                                   .vocabulary = px_vocabulary_size(vocabulary),
                                   .id_bytes = tokens->id_bytes};
    *vocabulary_out = vocabulary;
    vocabulary = NULL;
done:
    end(&job);
    px_tokens_destroy(tokens);
    px_vocabulary_destroy(vocabulary);
    return status;
}
