/* The text of a sequence of bytes, characters or pieces, in bytes and in words as a model of words would count them:
 * see px_text_measure. */
#include "check.h"
#include "corpus.h"
#include "pieces.h"
#include "reader.h"

#include <stdlib.h>
#include <string.h>

typedef struct counting {
    char held[4]; /* the start of a UTF-8 sequence whose end is still to come */
    size_t held_bytes, words;
    int in_word;
} counting;

/* Adds one byte; what is not UTF-8 is part of a word. */
static void add_byte(counting *c, char byte)
{
    int32_t code = 0;
    c->held[c->held_bytes++] = byte;
    int step = px_utf8_step(c->held, c->held_bytes, c->held_bytes == sizeof c->held, &code);
    if (step == 0) return;
    int ends = step > 0 && px_is_white_space(code);
    c->words += (ends && code == '\n') + (!ends && !c->in_word);
    c->in_word = !ends;
    size_t used = (size_t)(step > 0 ? step : -step), left = c->held_bytes - used;
    char rest[sizeof c->held];
    memcpy(rest, c->held + used, left);
    c->held_bytes = 0;
    for (size_t i = 0; i < left; i++) add_byte(c, rest[i]);
}

/* Tokens as they come: bytes and characters are their own text, pieces are joined. */
typedef struct measuring {
    const px_vocabulary *vocabulary;
    px_joiner joiner;
    int joins;
    char *text; /* [PX_WORD_LIMIT + PX_JOIN_MORE] of one piece */
    counting count;
    size_t bytes;
} measuring;

static void add_token(measuring *m, int32_t id)
{
    size_t bytes;
    const char *token = px_vocabulary_token(m->vocabulary, id, &bytes), *text = token;
    if (m->joins) {
        bytes = px_join_piece(&m->joiner, id, token, bytes, m->text);
        text = m->text;
    }
    for (size_t k = 0; k < bytes; k++) add_byte(&m->count, text[k]);
    m->bytes += bytes;
}

/* The piece before the range says whether a line begins there. */
static px_status begin_joining(measuring *m, px_range range)
{
    const px_level level = px_vocabulary_options(m->vocabulary).level;
    int32_t before;
    m->joins = px_level_is_pieces(level);
    m->joiner = px_joiner_start(level);
    if (!m->joins) return PX_OK;
    m->text = malloc(PX_WORD_LIMIT + PX_JOIN_MORE);
    if (!m->text) return px_fail(PX_ERR_MEMORY, "no memory to join pieces");
    if (range.begin == 0) return PX_OK;
    PX_TRY(px_tokens_at(range.tokens, range.begin - 1, &before));
    size_t bytes;
    const char *piece = px_vocabulary_token(m->vocabulary, before, &bytes);
    px_join_piece(&m->joiner, before, piece, bytes, m->text);
    return PX_OK;
}

px_status px_text_measure(const px_vocabulary *vocabulary, px_range range, px_text_size *size)
{
    enum { PART = 4096 };
    measuring m = {.vocabulary = vocabulary};
    int32_t *ids = malloc(PART * sizeof *ids);
    px_status status;
    if (!ids) return px_fail(PX_ERR_MEMORY, "no memory to count words");
    PX_TRY_GOTO(status, begin_joining(&m, range), done);
    for (size_t at = range.begin, n; at < range.end; at += n) {
        n = range.end - at < PART ? range.end - at : PART;
        PX_TRY_GOTO(status, px_tokens_copy(range.tokens, at, n, ids), done);
        for (size_t i = 0; i < n; i++) add_token(&m, ids[i]);
    }
done:
    free(ids);
    free(m.text);
    *size = (px_text_size){.words = m.count.words + (m.count.held_bytes > 0 && !m.count.in_word), .bytes = m.bytes};
    return status;
}
