/* Token ids back to text: see text_sink.h. */
#include "text_sink.h"
#include "check.h"
#include "config.h"
#include "sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void px_text_sink_start(px_text_sink *sink, const px_vocabulary *vocabulary, FILE *live, const char *stop)
{
    *sink = (px_text_sink){.vocabulary = vocabulary,
                           .live = live,
                           .stop = stop,
                           .line_start = 1,
                           .joiner = px_joiner_start(px_vocabulary_options(vocabulary).level)};
}

void px_text_sink_free(px_text_sink *sink)
{
    free(sink->text);
    free(sink->ids);
    *sink = (px_text_sink){0};
}

/* Room for so many more bytes and a NUL. */
static px_status reserve(px_text_sink *sink, size_t bytes)
{
    if (sink->bytes + bytes + 1 <= sink->room) return PX_OK;
    size_t room = 2 * (sink->bytes + bytes) + 256;
    char *larger = realloc(sink->text, room);
    if (!larger) return px_fail(PX_ERR_MEMORY, "no memory for a text of %zu bytes", sink->bytes + bytes);
    sink->text = larger;
    sink->room = room;
    return PX_OK;
}

static px_status append(px_text_sink *sink, const char *text, size_t bytes)
{
    PX_TRY(reserve(sink, bytes));
    memcpy(sink->text + sink->bytes, text, bytes);
    sink->bytes += bytes;
    sink->text[sink->bytes] = 0;
    return PX_OK;
}

static px_status append_piece(px_text_sink *sink, int32_t id, const char *piece, size_t bytes)
{
    PX_TRY(reserve(sink, bytes + PX_JOIN_MORE));
    sink->bytes += px_join_piece(&sink->joiner, id, piece, bytes, sink->text + sink->bytes);
    sink->text[sink->bytes] = 0;
    return PX_OK;
}

static px_status append_token(px_text_sink *sink, int32_t id)
{
    size_t bytes;
    const char *token = px_vocabulary_token(sink->vocabulary, id, &bytes);
    int level = px_vocabulary_options(sink->vocabulary).level;
    if (px_level_is_pieces(level)) return append_piece(sink, id, token, bytes);
    if (level != PX_LEVEL_WORD) {
        if (id == 0) return level == PX_LEVEL_BYTE ? append(sink, "?", 1) : append(sink, "\xef\xbf\xbd", 3); /* <unk> */
        return append(sink, token, bytes);
    }
    if (bytes == 5 && memcmp(token, "<eos>", 5) == 0) {
        sink->line_start = 1;
        return append(sink, "\n", 1);
    }
    if (!sink->line_start) PX_TRY(append(sink, " ", 1));
    sink->line_start = 0;
    return append(sink, token, bytes);
}

static px_status write_live(px_text_sink *sink, size_t up_to)
{
    if (!sink->live || up_to <= sink->written) return PX_OK;
    size_t bytes = up_to - sink->written;
    errno = 0;
    if (fwrite(sink->text + sink->written, 1, bytes, sink->live) != bytes || fflush(sink->live) != 0)
        return px_fail(PX_ERR_IO, "standard output: %s", errno ? strerror(errno) : "some of it was lost");
    sink->written = up_to;
    return PX_OK;
}

px_status px_text_sink_add_prompt(px_text_sink *sink, const int32_t *ids, size_t count, int show)
{
    for (size_t i = 0; i < count; i++) PX_TRY(append_token(sink, ids[i]));
    if (!show) sink->bytes = 0;
    if (!show) sink->line_start = 1;
    if (!show) sink->joiner = px_joiner_start(px_vocabulary_options(sink->vocabulary).level);
    PX_TRY(append(sink, "", 0));
    sink->made_at = sink->bytes;
    return write_live(sink, sink->bytes);
}

static px_status keep_id(px_text_sink *sink, int32_t id)
{
    if (sink->id_count == sink->id_room) {
        size_t room = 2 * sink->id_room + 256;
        int32_t *larger = realloc(sink->ids, room * sizeof *larger);
        if (!larger) return px_fail(PX_ERR_MEMORY, "no memory for a text of %zu tokens", sink->id_count);
        sink->ids = larger;
        sink->id_room = room;
    }
    sink->ids[sink->id_count++] = id;
    return PX_OK;
}

/* *ended becomes 1 when the stop text is complete. */
static px_status add_token(px_text_sink *sink, int32_t id, int *ended)
{
    size_t before = sink->bytes, hold = 0;
    PX_TRY(keep_id(sink, id));
    PX_TRY(append_token(sink, id));
    if (sink->stop) {
        size_t stop_bytes = strlen(sink->stop);
        /* the stop text can begin in what was made before, but not in the prompt */
        size_t from = before > sink->made_at + stop_bytes ? before - stop_bytes : sink->made_at;
        char *found = memmem(sink->text + from, sink->bytes - from, sink->stop, stop_bytes);
        if (found) {
            sink->bytes = (size_t)(found - sink->text);
            *found = 0;
            sink->stopped = *ended = 1;
            return PX_OK;
        }
        hold = stop_bytes - 1;
    }
    size_t made = sink->bytes - sink->made_at;
    return write_live(sink, sink->bytes - (hold < made ? hold : made));
}

int px_text_sink_take(void *context, int32_t stream, int32_t id)
{
    px_text_sink *sink = (px_text_sink *)context + stream;
    int ended = 0;
    sink->status = add_token(sink, id, &ended);
    return ended || sink->status != PX_OK;
}

px_status px_text_sink_sample(px_text_sink *sink, px_engine *engine, int64_t length, double temperature, uint64_t seed)
{
    const int32_t prompt = px_sample_start(sink->vocabulary), vocab = px_vocabulary_size(sink->vocabulary);
    const px_sample_options options = {.length = length,
                                       .temperature = temperature,
                                       .top_p = 1,
                                       .seed = seed,
                                       .count = 1,
                                       .prompt = &prompt,
                                       .prompt_count = 1,
                                       .exclude_unknown = vocab > 1,
                                       .token = px_text_sink_take,
                                       .context = sink};
    PX_TRY(px_text_sink_add_prompt(sink, &prompt, 1, 0));
    PX_TRY(px_sample(engine, vocab, &options));
    return sink->status;
}

px_status px_text_sink_finish(px_text_sink *sink, FILE *out)
{
    if (sink->live) return write_live(sink, sink->bytes);
    if (sink->bytes && fwrite(sink->text, 1, sink->bytes, out) != sink->bytes)
        return px_fail(PX_ERR_IO, "standard output: %s", strerror(errno));
    return PX_OK;
}

const char *px_text_sink_prompt(const px_text_sink *sink, size_t *bytes)
{
    *bytes = sink->made_at;
    return sink->text;
}

const char *px_text_sink_made(const px_text_sink *sink, size_t *bytes)
{
    *bytes = sink->bytes - sink->made_at;
    return sink->text + sink->made_at;
}
