/* Collecting and encoding: see encode.h; and px_vocabulary_encode for texts in memory. */
#include "encode.h"
#include "check.h"
#include "pieces.h"
#include "printable.h"

#include <stdlib.h>
#include <string.h>

/* ---- collecting ---------------------------------------------------------------------------------------------- */

typedef struct collecting {
    px_sink sink;
    px_collection *into;
    size_t limit;
    int keep;
} collecting;

static px_sink_answer collect_token(void *context, const char *token, size_t bytes)
{
    collecting *c = context;
    int32_t index;
    PX_TRY_GOTO(c->sink.status, px_dictionary_intern(&c->into->dictionary, token, bytes, &index), fail);
    if (c->keep) PX_TRY_GOTO(c->sink.status, px_id_writer_append(&c->into->writer, (uint32_t)index), fail);
    c->into->dictionary.frequency[index]++;
    return ++c->into->count == c->limit ? PX_SINK_ENOUGH : PX_SINK_MORE;
fail:
    return PX_SINK_FAILED;
}

static px_status no_tokens(const px_source *source, px_text_options options, size_t text_bytes)
{
    if (text_bytes == 0) return px_fail(PX_ERR_INPUT, "%s: empty, there is nothing to read", source->name);
    return px_fail(PX_ERR_INPUT, "%s: its %zu bytes hold no %s", source->name, text_bytes,
                   options.normalise ? "letters" : "words");
}

/* A text without letters, normalised to them, is at most the space that stands for all the rest. */
static int is_nothing(px_text_options options, const px_dictionary *tokens, size_t count)
{
    return count == 0 || (options.normalise != 0 && count == 1 && px_dictionary_find(tokens, " ", 1) >= 0);
}

px_status px_collect(px_source *source, const px_corpus_request *request, int keep, px_collection *collection)
{
    *collection = (px_collection){.writer = {.descriptor = -1}};
    collecting c = {.into = collection, .limit = (size_t)request->limit_tokens, .keep = keep};
    c.sink = (px_sink){.token = collect_token, .context = &c};
    px_status status;
    PX_TRY_GOTO(status, px_vocabulary_start(&collection->dictionary), fail);
    if (keep) PX_TRY_GOTO(status, px_id_writer_open(request->scratch_dir, 2, &collection->writer), fail);
    PX_TRY_GOTO(status,
                px_source_tokenise(source, request->text, &c.sink, &collection->text_bytes, request->progress,
                                   request->progress_context),
                fail);
    if (!is_nothing(request->text, &collection->dictionary, collection->count)) return PX_OK;
    status = no_tokens(source, request->text, collection->text_bytes);
fail:
    px_collection_free(collection);
    return status;
}

px_status px_collection_encode(px_collection *collection, const px_corpus_request *request, const char *source,
                               px_vocabulary **vocabulary, px_tokens **tokens)
{
    int32_t *ids = NULL;
    px_status status;
    PX_TRY_GOTO(status,
                px_vocabulary_build(&collection->dictionary, request->text, request->min_count, request->max_vocab,
                                    source, &ids, vocabulary),
                done);
    const int32_t V = px_vocabulary_size(*vocabulary);
    PX_TRY_GOTO(status, px_id_writer_recode(&collection->writer, ids, px_id_bytes(V)), done);
    status = px_id_writer_finish(&collection->writer, (uint32_t)V, collection->text_bytes, tokens);
done:
    free(ids);
    return status;
}

void px_collection_free(px_collection *collection)
{
    px_dictionary_free(&collection->dictionary);
    px_id_writer_close(&collection->writer);
}

/* ---- encoding a source --------------------------------------------------------------------------------------- */

typedef struct encoding {
    px_sink sink;
    const px_vocabulary *vocabulary;
    px_id_writer *writer;
    uint32_t mark;
    size_t limit;
} encoding;

static px_sink_answer encode_token(void *context, const char *token, size_t bytes)
{
    encoding *e = context;
    int32_t id = px_vocabulary_id(e->vocabulary, token, bytes);
    e->sink.status = px_id_writer_append(e->writer, id < 0 ? e->mark : (uint32_t)id);
    if (e->sink.status != PX_OK) return PX_SINK_FAILED;
    return e->writer->count == e->limit ? PX_SINK_ENOUGH : PX_SINK_MORE;
}

px_status px_encode_source(px_source *source, const px_vocabulary *vocabulary, int invalid, size_t limit,
                           const char *scratch_dir, px_progress progress, void *progress_context, px_tokens **tokens)
{
    int32_t V = px_vocabulary_size(vocabulary);
    px_text_options options = px_vocabulary_options(vocabulary);
    options.invalid = invalid;
    px_id_writer writer;
    PX_TRY(px_id_writer_open(scratch_dir, px_id_bytes(V), &writer));
    encoding e = {.vocabulary = vocabulary, .writer = &writer, .mark = (uint32_t)V, .limit = limit};
    e.sink = (px_sink){.token = encode_token, .context = &e};
    size_t text_bytes = 0;
    px_status status;
    PX_TRY_GOTO(status, px_source_tokenise(source, options, &e.sink, &text_bytes, progress, progress_context), fail);
    if (writer.count > 0) return px_id_writer_finish(&writer, (uint32_t)V, text_bytes, tokens);
    status = no_tokens(source, options, text_bytes);
fail:
    px_id_writer_close(&writer);
    return status;
}

/* ---- encoding a text in memory ------------------------------------------------------------------------------- */

typedef struct listing {
    px_sink sink;
    const px_vocabulary *vocabulary;
    int32_t *ids;
    size_t count, room, unknown;
    char *unknown_token; /* [PX_SHOWN_TOKEN_BYTES] or NULL */
} listing;

static px_sink_answer list_token(void *context, const char *token, size_t bytes)
{
    listing *l = context;
    if (l->count == l->room) {
        size_t room = 2 * l->room;
        int32_t *grown = realloc(l->ids, room * sizeof *grown);
        if (!grown) {
            l->sink.status = px_fail(PX_ERR_MEMORY, "no memory for %zu tokens", room);
            return PX_SINK_FAILED;
        }
        l->ids = grown;
        l->room = room;
    }
    int32_t id = px_vocabulary_id(l->vocabulary, token, bytes);
    l->unknown += id <= 0;
    if (id < 0 && l->unknown_token && !l->unknown_token[0])
        px_printable(l->unknown_token, PX_SHOWN_TOKEN_BYTES, token, bytes, PX_PRINTABLE_UNAMBIGUOUS);
    l->ids[l->count++] = id < 0 ? 0 : id;
    return PX_SINK_MORE;
}

static px_status feed_text(const px_vocabulary *vocabulary, const char *text, size_t bytes, const char *source,
                           px_sink *sink)
{
    const px_text_options options = px_vocabulary_options(vocabulary);
    px_tokeniser tokeniser;
    size_t used;
    if (px_level_is_pieces(options.level)) return px_pieces_feed(vocabulary, text, bytes, source, sink);
    PX_TRY(px_tokeniser_init(&tokeniser, options, source, sink));
    px_status status = px_tokeniser_feed(&tokeniser, text, bytes, 1, &used);
    px_tokeniser_free(&tokeniser);
    return status;
}

px_status px_vocabulary_encode(const px_vocabulary *vocabulary, const char *text, size_t bytes, const char *source,
                               int32_t **ids, size_t *count, size_t *unknown, char unknown_token[PX_SHOWN_TOKEN_BYTES])
{
    listing l = {.vocabulary = vocabulary, .room = bytes / 4 + 16, .unknown_token = unknown_token};
    l.sink = (px_sink){.token = list_token, .context = &l};
    if (unknown_token) unknown_token[0] = 0;
    l.ids = malloc(l.room * sizeof *l.ids);
    if (!l.ids) return px_fail(PX_ERR_MEMORY, "%s: no memory for %zu tokens", source, l.room);
    px_status status = feed_text(vocabulary, text, bytes, source, &l.sink);
    if (status != PX_OK) {
        free(l.ids);
        return status;
    }
    *ids = l.ids;
    *count = l.count;
    if (unknown) *unknown = l.unknown;
    return PX_OK;
}
