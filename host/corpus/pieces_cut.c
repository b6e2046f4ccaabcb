/* Text cut into pieces, the longest ones first: see encode.h. */
#include "check.h"
#include "encode.h"
#include "pieces.h"
#include "text_buffer.h"

#include <string.h>

#define SPACE "\xE2\x96\x81" /* U+2581 */

/* Bytes of the longest piece. */
static size_t longest_piece(const px_vocabulary *vocabulary)
{
    size_t longest = 0;
    for (int32_t id = 1; id < px_vocabulary_size(vocabulary); id++) {
        size_t bytes;
        px_vocabulary_token(vocabulary, id, &bytes);
        longest = bytes > longest ? bytes : longest;
    }
    return longest;
}

static void spell_bytes(px_text *out, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char spelled[2];
        px_text_append(out, spelled, px_spell_byte((unsigned char)text[i], spelled));
    }
}

static void spell_spaces(px_text *out, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] == ' ')
            px_text_append(out, SPACE, sizeof SPACE - 1);
        else
            px_text_append(out, text + i, 1);
}

/* Bytes of the longest piece, of at most `longest`, that the text begins with; 0: there is none. */
static size_t longest_match(const px_vocabulary *vocabulary, size_t longest, const char *text, size_t bytes)
{
    if (bytes > longest) bytes = longest;
    while (bytes > 0 && px_vocabulary_id(vocabulary, text, bytes) <= 0) bytes--;
    return bytes;
}

static int is_space(const char *text, size_t bytes)
{
    return bytes == sizeof SPACE - 1 && memcmp(text, SPACE, sizeof SPACE - 1) == 0;
}

static px_status give(px_sink *sink, const char *piece, size_t bytes)
{
    return sink->token(sink->context, piece, bytes) == PX_SINK_FAILED ? sink->status : PX_OK;
}

/* A character that no piece begins with: SentencePiece's bytes where the vocabulary has them all, else as it stands. */
static px_status give_character(const px_vocabulary *vocabulary, const char *text, size_t bytes, px_sink *sink)
{
    if (is_space(text, bytes)) {
        text = " ";
        bytes = 1;
    }
    char piece[8];
    size_t known = 0;
    for (size_t i = 0; i < bytes; i++) {
        const size_t length = (size_t)snprintf(piece, sizeof piece, "<0x%02X>", (unsigned char)text[i]);
        known += px_vocabulary_id(vocabulary, piece, length) > 0;
    }
    if (known < bytes) return give(sink, text, bytes);
    for (size_t i = 0; i < bytes; i++)
        PX_TRY(give(sink, piece, (size_t)snprintf(piece, sizeof piece, "<0x%02X>", (unsigned char)text[i])));
    return PX_OK;
}

static px_status cut(const px_vocabulary *vocabulary, size_t longest, const char *text, size_t bytes,
                     const char *source, px_sink *sink)
{
    for (size_t at = 0, used; at < bytes; at += used) {
        const size_t left = bytes - at;
        used = longest_match(vocabulary, longest, text + at, left);
        if (used > 0) {
            PX_TRY(give(sink, text + at, used));
            continue;
        }
        int32_t code;
        const int step = px_utf8_step(text + at, left, 1, &code);
        if (step <= 0)
            return px_fail(PX_ERR_INPUT, "%s: not UTF-8 (0x%02x), which pieces are made of", source,
                           (unsigned char)text[at]);
        used = (size_t)step;
        PX_TRY(give_character(vocabulary, text + at, used, sink));
    }
    return PX_OK;
}

/* SentencePiece puts a space before a text; where no piece begins with one there, it is left out. */
static void spell_text(px_text *out, const px_vocabulary *vocabulary, size_t longest, const char *text, size_t bytes)
{
    if (bytes > 0 && text[0] != ' ') px_text_append(out, SPACE, sizeof SPACE - 1);
    spell_spaces(out, text, bytes);
    if (out->failed || bytes == 0 || longest_match(vocabulary, longest, out->data, out->bytes) > 0) return;
    px_text_clear(out);
    spell_spaces(out, text, bytes);
}

px_status px_pieces_feed(const px_vocabulary *vocabulary, const char *text, size_t bytes, const char *source,
                         px_sink *sink)
{
    const size_t longest = longest_piece(vocabulary);
    px_text spelled = {0};
    if (px_vocabulary_options(vocabulary).level == PX_LEVEL_BYTE_BPE)
        spell_bytes(&spelled, text, bytes);
    else
        spell_text(&spelled, vocabulary, longest, text, bytes);
    px_status status = px_text_check(&spelled, source);
    if (status == PX_OK) status = cut(vocabulary, longest, spelled.data, spelled.bytes, source, sink);
    px_text_free(&spelled);
    return status;
}
