/* The tokeniser: see reader.h. One loop per combination of level and normalisation that needs its own. */
#include "reader.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

px_status px_tokeniser_init(px_tokeniser *k, px_text_options options, const char *source, px_sink *sink)
{
    *k = (px_tokeniser){.options = options, .source = source, .sink = sink};
    if (px_level_is_pieces(options.level))
        return px_fail(PX_ERR_INPUT,
                       "%s: a text, and pieces (level %s) are cut by the tool that made them; give a token file, of "
                       "that tool's ids: perplex tokenize --ids FILE --tokens LIST",
                       source, px_level_name(options.level));
    if (options.level < 0 || options.level > PX_LEVEL_WORD || options.normalise < 0 || options.normalise > 2 ||
        options.invalid < 0 || options.invalid > 1)
        return px_fail(PX_ERR_ARGUMENT, "%s: level %d, normalise %d, invalid %d: there is no such way to read text",
                       source, options.level, options.normalise, options.invalid);
    if (options.level == PX_LEVEL_WORD && !(k->word = malloc(PX_WORD_LIMIT)))
        return px_fail(PX_ERR_MEMORY, "%s: no memory to read words", source);
    return PX_OK;
}

void px_tokeniser_free(px_tokeniser *k)
{
    free(k->word);
    k->word = NULL;
}

/* How many bytes of an ill-formed sequence belong together: a lead byte and what may follow it (Unicode 15, table 3-7).
 */
static int ill_formed_bytes(const unsigned char *s, size_t bytes)
{
    unsigned char lead = s[0], low = 0x80, high = 0xBF;
    int length = lead >= 0xC2 && lead <= 0xDF   ? 2
                 : lead >= 0xE0 && lead <= 0xEF ? 3
                 : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                : 1;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    int good = 1;
    while (good < length && (size_t)good < bytes && s[good] >= low && s[good] <= high) {
        low = 0x80;
        high = 0xBF;
        good++;
    }
    return good;
}

int px_utf8_step(const char *text, size_t bytes, int final, int32_t *code)
{
    const unsigned char *s = (const unsigned char *)text;
    utf8proc_int32_t point;
    utf8proc_ssize_t length = utf8proc_iterate(s, bytes < 4 ? (utf8proc_ssize_t)bytes : 4, &point);
    if (length > 0) {
        *code = point;
        return (int)length;
    }
    int good = ill_formed_bytes(s, bytes);
    if (!final && (size_t)good == bytes && s[0] >= 0xC2 && s[0] <= 0xF4)
        return 0; /* the end cut a sequence that is right so far */
    return -good;
}

int px_is_white_space(int32_t code)
{
    if (code < 0x80) return code == ' ' || (code >= '\t' && code <= '\r') || (code >= 0x1C && code <= 0x1F);
    if (code == 0x85) return 1;
    utf8proc_category_t category = utf8proc_category(code);
    return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

static px_status give(px_tokeniser *k, const char *token, size_t bytes)
{
    switch (k->sink->token(k->sink->context, token, bytes)) {
    case PX_SINK_MORE: return PX_OK;
    case PX_SINK_ENOUGH: k->enough = 1; return PX_OK;
    default: return k->sink->status;
    }
}

static px_status end_word(px_tokeniser *k)
{
    if (k->word_bytes == 0) return PX_OK;
    size_t bytes = k->word_bytes;
    k->word_bytes = 0;
    return give(k, k->word, bytes);
}

static px_status grow_word(px_tokeniser *k, const char *text, size_t bytes)
{
    if (k->word_bytes + bytes > PX_WORD_LIMIT)
        return px_fail(PX_ERR_INPUT, "%s: byte %llu: a word of more than %zu bytes; use --level char or byte",
                       k->source, (unsigned long long)(k->offset - k->word_bytes), PX_WORD_LIMIT);
    memcpy(k->word + k->word_bytes, text, bytes);
    k->word_bytes += bytes;
    return PX_OK;
}

/* The next character of text that is not ASCII, or U+FFFD for what is not UTF-8. *used: bytes taken, 0 where more are
 * needed. */
static px_status next_code(const px_tokeniser *k, const char *text, size_t bytes, int final, int32_t *code,
                           const char **character, size_t *length, size_t *used)
{
    int step = px_utf8_step(text, bytes, final, code);
    *used = (size_t)(step < 0 ? -step : step);
    *character = text;
    *length = *used;
    if (step >= 0) return PX_OK;
    if (k->options.invalid == 0)
        return px_fail(PX_ERR_INPUT, "%s: byte %llu: not UTF-8 (0x%02x); use --level byte or --invalid replace",
                       k->source, (unsigned long long)k->offset, (unsigned char)text[0]);
    *code = 0xFFFD;
    *character = "\xEF\xBF\xBD";
    *length = 3;
    return PX_OK;
}

/* One character of a text that is normalised to letters: letter is 'a'..'z' or 0; newline only where it is '\n'. */
static px_status give_normalised(px_tokeniser *k, char letter, int newline)
{
    if (k->options.level == PX_LEVEL_WORD) return letter ? grow_word(k, &letter, 1) : end_word(k);
    if (k->options.normalise == 1) {
        int new_run = !letter && !k->in_run;
        k->in_run = !letter;
        return letter ? give(k, &letter, 1) : new_run ? give(k, " ", 1) : PX_OK;
    }
    if (newline)
        k->line_has_letter = k->space_pending = 0;
    else if (!letter)
        k->space_pending = k->line_has_letter;
    else {
        k->line_has_letter = 1;
        if (k->space_pending) {
            k->space_pending = 0;
            PX_TRY(give(k, " ", 1));
            if (k->enough) return PX_OK;
        }
        return give(k, &letter, 1);
    }
    return PX_OK;
}

static px_status feed_normalised(px_tokeniser *k, const char *data, size_t bytes, int final, size_t *used)
{
    size_t at = 0;
    while (at < bytes && !k->enough) {
        unsigned char c = (unsigned char)data[at];
        size_t step = 1;
        if (c >= 0x80 && k->options.level != PX_LEVEL_BYTE) {
            int32_t code;
            const char *character;
            size_t length;
            PX_TRY(next_code(k, data + at, bytes - at, final, &code, &character, &length, &step));
            if (step == 0) break;
        }
        unsigned char lower = c | 0x20;
        PX_TRY(give_normalised(k, lower >= 'a' && lower <= 'z' ? (char)lower : 0, c == '\n'));
        at += step;
        k->offset += step;
    }
    *used = at;
    return PX_OK;
}

static px_status feed_bytes(px_tokeniser *k, const char *data, size_t bytes, size_t *used)
{
    size_t at = 0;
    while (at < bytes && !k->enough) {
        PX_TRY(give(k, data + at, 1));
        at++;
    }
    k->offset += at;
    *used = at;
    return PX_OK;
}

static px_status feed_characters(px_tokeniser *k, const char *data, size_t bytes, int final, size_t *used)
{
    size_t at = 0;
    while (at < bytes && !k->enough) {
        int32_t code;
        const char *character = data + at;
        size_t length = 1, step = 1;
        if ((unsigned char)data[at] >= 0x80) {
            PX_TRY(next_code(k, data + at, bytes - at, final, &code, &character, &length, &step));
            if (step == 0) break;
        }
        PX_TRY(give(k, character, length));
        at += step;
        k->offset += step;
    }
    *used = at;
    return PX_OK;
}

static px_status feed_words(px_tokeniser *k, const char *data, size_t bytes, int final, size_t *used)
{
    size_t at = 0;
    while (at < bytes && !k->enough) {
        int32_t code = (unsigned char)data[at];
        const char *character = data + at;
        size_t length = 1, step = 1;
        if (code >= 0x80) {
            PX_TRY(next_code(k, data + at, bytes - at, final, &code, &character, &length, &step));
            if (step == 0) break;
        }
        if (px_is_white_space(code)) {
            PX_TRY(end_word(k));
            if (k->enough) break; /* the white space is not part of what was used */
            if (code == '\n') PX_TRY(give(k, PX_EOS, sizeof PX_EOS - 1));
        } else
            PX_TRY(grow_word(k, character, length));
        at += step;
        k->offset += step;
    }
    *used = at;
    return PX_OK;
}

px_status px_tokeniser_feed(px_tokeniser *k, const char *data, size_t bytes, int final, size_t *used)
{
    *used = 0;
    if (k->options.normalise != 0)
        PX_TRY(feed_normalised(k, data, bytes, final, used));
    else if (k->options.level == PX_LEVEL_BYTE)
        PX_TRY(feed_bytes(k, data, bytes, used));
    else if (k->options.level == PX_LEVEL_CHAR)
        PX_TRY(feed_characters(k, data, bytes, final, used));
    else
        PX_TRY(feed_words(k, data, bytes, final, used));
    return final && !k->enough ? end_word(k) : PX_OK;
}
