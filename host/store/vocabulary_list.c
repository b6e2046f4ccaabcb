/* The vocabulary of perplex for a foreign list: see vocabulary_list.h. Everything is turned into the text form of a
 * vocabulary, whose reader then checks it again (px_vocabulary_read). */
#include "vocabulary_list.h"

#include "check.h"
#include "config.h"
#include "dictionary.h"
#include "escape.h"
#include "printable.h"
#include "reader.h"
#include "text_buffer.h"
#include "utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRIVATE_AREA = 0xF0000 };
#define UNKNOWN PX_UNK
#define LINE_END PX_EOS

/* A card's tokens of byte level are code points up to U+00FF: of one byte, or two. */
static void to_byte(px_vocabulary_list *list, size_t index)
{
    unsigned char *token = (unsigned char *)list->token[index];
    if (list->bytes[index] == 2 && (token[0] & 0xFE) == 0xC2 && (token[1] & 0xC0) == 0x80) {
        token[0] = (unsigned char)((token[0] & 0x1F) << 6 | (token[1] & 0x3F));
        token[1] = 0;
        list->bytes[index] = 1;
    }
}

static int is_special(const char *token)
{
    size_t bytes = strlen(token);
    return bytes > 2 && ((token[0] == '<' && token[bytes - 1] == '>') || (token[0] == '[' && token[bytes - 1] == ']'));
}

/* The list's index of a token, or -1. */
static int64_t find(const px_vocabulary_list *list, const char *token)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->token[i], token) == 0 && list->bytes[i] == strlen(token)) return (int64_t)i;
    return -1;
}

static int begins_with(const px_vocabulary_list *list, size_t i, const char *start)
{
    return strncmp(list->token[i], start, strlen(start)) == 0;
}

/* SentencePiece's space is in no word. GPT-2's is a letter of Maltese: it begins at least every eighth piece, and is
 * one. */
static int guess_pieces(const px_vocabulary_list *list)
{
    static const char space[] = "\xC4\xA0"; /* U+0120 */
    size_t spaces = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (strstr(list->token[i], "\xE2\x96\x81")) return PX_LEVEL_SENTENCEPIECE; /* U+2581 */
        spaces += (size_t)begins_with(list, i, space);
    }
    return spaces >= (list->count + 7) / 8 && find(list, space) >= 0 ? PX_LEVEL_BYTE_BPE : -1;
}

static int guess_level(const px_vocabulary_list *list)
{
    const int pieces = guess_pieces(list);
    if (pieces >= 0) return pieces;
    for (size_t i = 0; i < list->count; i++)
        if (px_utf8_length(list->token[i], list->bytes[i]) > 1 && !is_special(list->token[i])) return PX_LEVEL_WORD;
    return PX_LEVEL_CHAR;
}

/* A .vocab of SentencePiece has a tab and a logarithm behind each piece. */
static void drop_scores(px_vocabulary_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        char *tab = strrchr(list->token[i], '\t'), *end = NULL;
        if (!tab || tab == list->token[i]) continue;
        strtod(tab + 1, &end);
        if (end == tab + 1 || *end) continue;
        *tab = 0;
        list->bytes[i] = (size_t)(tab - list->token[i]);
    }
}

/* One token's line in the text form: escaped as px_vocabulary_read undoes it. */
static void append_token(px_text *text, const char *token, size_t bytes, int level)
{
    for (size_t i = 0; i < bytes; i++) {
        char escaped[4];
        px_text_append(text, escaped, px_escape_byte((unsigned char)token[i], "\n\\", level == PX_LEVEL_BYTE, escaped));
    }
    px_text_format(text, "\t0\n");
}

/* Four bytes of a private character. */
static void append_placeholder(px_text *text, size_t number)
{
    uint32_t code = PRIVATE_AREA + (uint32_t)number;
    const char bytes[4] = {(char)(0xF0 | code >> 18), (char)(0x80 | (code >> 12 & 0x3F)),
                           (char)(0x80 | (code >> 6 & 0x3F)), (char)(0x80 | (code & 0x3F))};
    append_token(text, bytes, 4, PX_LEVEL_CHAR);
}

/* "line 4", "entry 3": where a token stands in its file. */
static const char *place_of(const px_vocabulary_list *list, size_t i, char place[40])
{
    snprintf(place, 40, list->has_lines ? "line %zu" : "entry %zu", i + (size_t)list->has_lines);
    return place;
}

/* Why no text of that level gives the token; NULL: some does. */
static const char *why_never(const char *token, size_t bytes, int level)
{
    static const char *const no_line_end = "white space is in no word; name the token for line ends with --eos";
    if (bytes == 0) return "an empty token; write a line end as \"\\n\", in JSON";
    if (level == PX_LEVEL_BYTE) return bytes == 1 ? NULL : "not one byte; give another --level";
    size_t codes = 0;
    for (size_t at = 0; at < bytes; codes++) {
        int32_t code = 0;
        int step = px_utf8_step(token + at, bytes - at, 1, &code);
        if (step <= 0) return "not UTF-8";
        at += (size_t)step;
        if (level == PX_LEVEL_WORD && px_is_white_space(code))
            return bytes == 1 ? no_line_end : "white space is in no word; give words alone, without counts or ids";
    }
    if (level == PX_LEVEL_CHAR) return codes == 1 || is_special(token) ? NULL : "not one character; give --level word";
    return bytes <= PX_WORD_LIMIT ? NULL : "longer than any word";
}

/* Every token but the two that --unk and --eos rename is one that a text can give, and none stands there twice. */
static px_status check_tokens(px_vocabulary_list *list, int level, int64_t unknown, int64_t line_end,
                              px_dictionary *seen)
{
    char place[40], first[40], text[PX_SHOWN_TOKEN_BYTES];
    PX_TRY(px_dictionary_init(seen));
    for (size_t i = 0; i < list->count; i++) {
        int32_t index;
        if (level == PX_LEVEL_BYTE && (int64_t)i != unknown) to_byte(list, i);
        const char *why =
            (int64_t)i == unknown || (int64_t)i == line_end ? NULL : why_never(list->token[i], list->bytes[i], level);
        if (why)
            return px_fail(PX_ERR_INPUT, "%s: %s: \"%s\" is no token of level %s: %s", list->source,
                           place_of(list, i, place),
                           px_printable(text, sizeof text, list->token[i], list->bytes[i], PX_PRINTABLE_UNAMBIGUOUS),
                           px_level_name(level), why);
        PX_TRY(px_dictionary_intern(seen, list->token[i], list->bytes[i], &index));
        if ((size_t)index != i)
            return px_fail(PX_ERR_INPUT, "%s: %s: \"%s\" stands here again, after %s", list->source,
                           place_of(list, i, place),
                           px_printable(text, sizeof text, list->token[i], list->bytes[i], PX_PRINTABLE_UNAMBIGUOUS),
                           place_of(list, (size_t)index, first));
    }
    return PX_OK;
}

static px_status fill(px_vocabulary_list *list, const px_vocabulary_names *names, int level, px_text *text,
                      int32_t *row, size_t *placeholders)
{
    int64_t unknown = find(list, names->unknown ? names->unknown : UNKNOWN), line_end = -1;
    int32_t id = 1;
    if (names->unknown && unknown < 0)
        return px_fail(PX_ERR_ARGUMENT, "--unk %.60s: %s has no such token", names->unknown, list->source);
    if (names->line_end) line_end = find(list, names->line_end);
    if (names->line_end && line_end < 0)
        return px_fail(PX_ERR_ARGUMENT, "--eos %.60s: %s has no such token", names->line_end, list->source);
    if (names->line_end && level != PX_LEVEL_WORD)
        return px_fail(PX_ERR_ARGUMENT, "--eos %.60s: line ends are tokens of their own only at the level of words",
                       names->line_end);
    px_dictionary seen = {0};
    px_status status = check_tokens(list, level, unknown, line_end, &seen);
    px_dictionary_free(&seen);
    PX_TRY(status);
    row[0] = (int32_t)unknown;
    append_token(text, UNKNOWN, sizeof UNKNOWN - 1, level);
    for (size_t i = 0; i < list->count; i++) {
        if ((int64_t)i == unknown) continue;
        row[id++] = (int32_t)i;
        if ((int64_t)i == line_end)
            append_token(text, LINE_END, sizeof LINE_END - 1, level);
        else if (level == PX_LEVEL_CHAR && px_utf8_length(list->token[i], list->bytes[i]) > 1 &&
                 is_special(list->token[i]))
            append_placeholder(text, (*placeholders)++);
        else
            append_token(text, list->token[i], list->bytes[i], level);
    }
    return PX_OK;
}

px_status px_vocabulary_list_make(px_vocabulary_list *list, const px_vocabulary_names *names,
                                  px_vocabulary **vocabulary, int32_t **row, size_t *placeholders)
{
    px_text text = {0};
    int level = names->level >= 0 ? names->level : list->level >= 0 ? list->level : guess_level(list);
    int normalise = names->normalise >= 0  ? names->normalise
                    : list->normalise >= 0 ? list->normalise
                                           : PX_NORMALISE_NONE;
    if (px_level_is_pieces(level)) {
        if (normalise != PX_NORMALISE_NONE)
            return px_fail(PX_ERR_ARGUMENT,
                           "--normalise %s: pieces (level %s) are normalised by their own tool; leave it out",
                           px_normalise_name(normalise), px_level_name(level));
        if (level == PX_LEVEL_SENTENCEPIECE && list->has_lines) drop_scores(list);
    }
    int has_unknown = find(list, names->unknown ? names->unknown : UNKNOWN) >= 0;
    *vocabulary = NULL;
    *placeholders = 0;
    *row = malloc((list->count + 1) * sizeof **row);
    if (!*row) return px_fail(PX_ERR_MEMORY, "%s: no memory for its tokens", list->source);
    px_text_format(&text, "perplex-vocabulary 1 level=%s normalise=%s invalid=error size=%zu\n", px_level_name(level),
                   px_normalise_name(normalise), list->count + !has_unknown);
    px_status status;
    PX_TRY_GOTO(status, fill(list, names, level, &text, *row, placeholders), done);
    PX_TRY_GOTO(status, px_text_check(&text, list->source), done);
    status = px_vocabulary_read(text.data, text.bytes, list->source, vocabulary);
done:
    px_text_free(&text);
    if (status != PX_OK) {
        free(*row);
        *row = NULL;
    }
    return status;
}
