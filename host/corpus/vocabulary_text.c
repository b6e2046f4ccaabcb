/* The text form of a vocabulary, as it stands in checkpoints and token files:
 *
 *     perplex-vocabulary 1 level=word normalise=none invalid=error size=33278
 *     <unk><TAB>54625
 *     the<TAB>113161
 *     ...
 *
 * One line per id, from 0. In a token, a newline is \n, a backslash \\, every other control character and, at byte
 * level, every byte from 0x80 on is \xNN; so the text is valid UTF-8 without NUL. */
#include "check.h"
#include "escape.h"
#include "reader.h"
#include "vocabulary.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "perplex-vocabulary 1 "

static const char NAMED[] = "\n\\"; /* what has a short name in this form */

size_t px_token_escape(const char *token, size_t bytes, int raw_utf8, char *out)
{
    char *start = out;
    for (size_t i = 0; i < bytes; i++) {
        char escaped[4];
        const size_t length = px_escape_byte((unsigned char)token[i], NAMED, !raw_utf8, escaped);
        memcpy(out, escaped, length);
        out += length;
    }
    return (size_t)(out - start);
}

char *px_vocabulary_write(const px_vocabulary *v)
{
    const px_dictionary *d = &v->dictionary;
    size_t room = 160 + 4 * d->pool_used + (size_t)d->count * 24;
    char *text = malloc(room);
    if (!text) return NULL;
    size_t used =
        (size_t)snprintf(text, room, HEAD "level=%s normalise=%s invalid=%s size=%d\n", px_level_name(v->options.level),
                         px_normalise_name(v->options.normalise), px_invalid_name(v->options.invalid), d->count);
    for (int32_t id = 0; id < d->count; id++) {
        size_t bytes;
        const char *token = px_dictionary_text(d, id, &bytes);
        used += px_token_escape(token, bytes, v->options.level != 0, text + used);
        used += (size_t)snprintf(text + used, room - used, "\t%lld\n", (long long)d->frequency[id]);
    }
    char *fitted = realloc(text, used + 1);
    return fitted ? fitted : text;
}

/* Where reading stands, for messages. */
typedef struct lines {
    const char *at, *end, *source;
    size_t number;
} lines;

static px_status __attribute__((format(printf, 2, 3))) damaged(const lines *l, const char *format, ...)
{
    char what[200];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return px_fail(PX_ERR_INPUT, "%s: vocabulary, line %zu: %s", l->source, l->number, what);
}

static px_status next_line(lines *l, const char **line, size_t *bytes)
{
    l->number++;
    const char *end = l->at < l->end ? memchr(l->at, '\n', (size_t)(l->end - l->at)) : NULL;
    if (!end) return damaged(l, "the text ends here");
    *line = l->at;
    *bytes = (size_t)(end - l->at);
    l->at = end + 1;
    return PX_OK;
}

/* The value that belongs to " key=NAME" among the names; *cursor moves behind it. */
static int read_choice(const char **cursor, const char *key, const char *const *names, int *value)
{
    size_t length = strlen(key);
    if (strncmp(*cursor, key, length) != 0) return 0;
    *cursor += length;
    size_t word = strcspn(*cursor, " ");
    for (*value = 0; names[*value]; ++*value)
        if (strlen(names[*value]) == word && strncmp(*cursor, names[*value], word) == 0) {
            *cursor += word + ((*cursor)[word] == ' ');
            return 1;
        }
    return 0;
}

static px_status read_head(lines *l, px_text_options *options, int64_t *size)
{
    const char *line = NULL;
    size_t bytes = 0;
    char head[160];
    PX_TRY(next_line(l, &line, &bytes));
    if (bytes >= sizeof head || bytes < sizeof HEAD - 1 || memcmp(line, HEAD, sizeof HEAD - 1) != 0)
        return damaged(l, "not a vocabulary of perplex");
    memcpy(head, line, bytes);
    head[bytes] = 0;
    const char *cursor = head + sizeof HEAD - 1;
    char *end = NULL;
    int level, normalise, invalid;
    if (read_choice(&cursor, "level=", px_level_names, &level) &&
        read_choice(&cursor, "normalise=", px_normalise_names, &normalise) &&
        read_choice(&cursor, "invalid=", px_invalid_names, &invalid) && strncmp(cursor, "size=", 5) == 0) {
        *options = (px_text_options){(px_level)level, (px_normalise)normalise, (px_invalid)invalid};
        *size = strtoll(cursor + 5, &end, 10);
        if (end > cursor + 5 && *end == 0 && *size >= 1 && *size < INT32_MAX) return PX_OK;
    }
    return damaged(l, "damaged: %s", head);
}

static px_status unescape(const lines *l, const char *text, size_t bytes, char *out, size_t *out_bytes)
{
    const char *at = text, *end = text + bytes;
    size_t used = 0;
    while (at < end)
        if (!px_unescape_byte(&at, end, NAMED, &out[used++]))
            return damaged(l, "there is no such escape as \\%c",
                           end - at > 1 && at[1] >= ' ' && at[1] < 0x7f ? at[1] : '?');
    *out_bytes = used;
    return PX_OK;
}

/* A token that the level could have made. */
static int is_token(int level, const char *token, size_t bytes)
{
    if (level == PX_LEVEL_BYTE) return bytes == 1;
    size_t at = 0, codes = 0;
    while (at < bytes) {
        int32_t code;
        int step = px_utf8_step(token + at, bytes - at, 1, &code);
        if (step <= 0) return 0;
        at += (size_t)step;
        codes++;
    }
    return level == PX_LEVEL_CHAR ? codes == 1 : codes >= 1 && bytes <= PX_WORD_LIMIT;
}

static px_status read_token(lines *l, px_vocabulary *v, int32_t id, char **scratch, size_t *room)
{
    const char *line = NULL;
    size_t bytes = 0, token_bytes = 0;
    PX_TRY(next_line(l, &line, &bytes));
    const char *tab = memchr(line, '\t', bytes);
    if (!tab) return damaged(l, "a token, a tab and its frequency are expected");
    char number[24] = "", *end = NULL;
    size_t digits = bytes - (size_t)(tab + 1 - line);
    if (digits > 0 && digits < sizeof number) memcpy(number, tab + 1, digits);
    int64_t frequency = strtoll(number, &end, 10);
    if (!*number || *end || frequency < 0) return damaged(l, "a token's frequency is a number");
    size_t escaped = (size_t)(tab - line);
    if (escaped > *room) {
        char *grown = realloc(*scratch, 2 * escaped);
        if (!grown) return px_fail(PX_ERR_MEMORY, "%s: no memory for its vocabulary", l->source);
        *scratch = grown;
        *room = 2 * escaped;
    }
    PX_TRY(unescape(l, line, escaped, *scratch, &token_bytes));
    if (id == 0) {
        if (token_bytes != sizeof PX_UNK - 1 || memcmp(*scratch, PX_UNK, token_bytes) != 0)
            return damaged(l, "id 0 must be " PX_UNK);
    } else if (!is_token(v->options.level, *scratch, token_bytes))
        return damaged(l, "not a token of level %s", px_level_name(v->options.level));
    int32_t index;
    PX_TRY(px_dictionary_intern(&v->dictionary, *scratch, token_bytes, &index));
    if (index != id) return damaged(l, "the token of id %d stands here again", index);
    v->dictionary.frequency[id] = frequency;
    return PX_OK;
}

px_status px_vocabulary_read(const char *text, size_t bytes, const char *source, px_vocabulary **vocabulary)
{
    lines l = {.at = text, .end = text + bytes, .source = source};
    int64_t size = 0;
    size_t room = 256;
    char *scratch = malloc(room);
    px_vocabulary *v = calloc(1, sizeof *v);
    px_status status;
    if (!scratch || !v) {
        status = px_fail(PX_ERR_MEMORY, "%s: no memory for its vocabulary", source);
        goto fail;
    }
    PX_TRY_GOTO(status, px_dictionary_init(&v->dictionary), fail);
    PX_TRY_GOTO(status, read_head(&l, &v->options, &size), fail);
    for (int32_t id = 0; id < size; id++) PX_TRY_GOTO(status, read_token(&l, v, id, &scratch, &room), fail);
    if (l.at != l.end) {
        l.number++;
        status = damaged(&l, "more lines than its %lld tokens", (long long)size);
        goto fail;
    }
    free(scratch);
    px_vocabulary_seal(v);
    *vocabulary = v;
    return PX_OK;
fail:
    free(scratch);
    px_vocabulary_destroy(v);
    return status;
}
