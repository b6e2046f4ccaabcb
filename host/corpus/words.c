/* Words of a sequence of bytes or characters, counted as a model of words would: see px_words_count. */
#include "check.h"
#include "corpus.h"
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

px_status px_words_count(const px_vocabulary *vocabulary, px_range range, size_t *words)
{
    enum { PART = 4096 };
    counting c = {.words = 0};
    int32_t *ids = malloc(PART * sizeof *ids);
    px_status status = ids ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory to count words");
    for (size_t at = range.begin, n; status == PX_OK && at < range.end; at += n) {
        n = range.end - at < PART ? range.end - at : PART;
        status = px_tokens_copy(range.tokens, at, n, ids);
        for (size_t i = 0; status == PX_OK && i < n; i++) {
            size_t bytes;
            const char *token = px_vocabulary_token(vocabulary, ids[i], &bytes);
            for (size_t k = 0; k < bytes; k++) add_byte(&c, token[k]);
        }
    }
    free(ids);
    *words = c.words + (c.held_bytes > 0 && !c.in_word);
    return status;
}
