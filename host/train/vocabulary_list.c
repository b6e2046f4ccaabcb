/* Foreign vocabularies: see vocabulary_list.h. Everything is turned into the text form of a vocabulary, whose reader then checks
 * it (px_vocabulary_read). */
#include "vocabulary_list.h"

#include "check.h"
#include "config.h"
#include "file.h"
#include "text_buffer.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 256 << 20, TOKENS_MAX = 1 << 24, PRIVATE_AREA = 0xF0000 };
#define UNKNOWN "<unk>"
#define LINE_END "<eos>"

static const char *const LEVELS[] = {"byte", "char", "word"};
static const char *const NORMALISES[] = {"none", "letters", "letters-by-line"};

void px_vocabulary_list_free(px_vocabulary_list *list)
{
    for (size_t i = 0; list->token && i < list->count; i++) free(list->token[i]);
    free(list->token);
    free(list->bytes);
    free(list->source);
    *list = (px_vocabulary_list){0};
}

/* Room for count tokens, none of them there yet. */
static px_status list_start(px_vocabulary_list *list, size_t count, const char *source)
{
    *list = (px_vocabulary_list){.level = -1, .normalise = -1, .count = count};
    if (count < 1 || count > TOKENS_MAX) {
        list->count = 0;
        return px_fail(PX_ERR_INPUT, "%s: %zu tokens; a vocabulary has 1 to %d", source, count, (int)TOKENS_MAX);
    }
    list->token = calloc(count, sizeof *list->token);
    list->bytes = calloc(count, sizeof *list->bytes);
    list->source = strdup(source);
    return list->token && list->bytes && list->source ? PX_OK : px_fail(PX_ERR_MEMORY, "%s: no memory for %zu tokens", source, count);
}

static px_status list_set(px_vocabulary_list *list, size_t index, const char *token, size_t bytes)
{
    char *copy = malloc(bytes + 1);
    if (!copy) return px_fail(PX_ERR_MEMORY, "%s: no memory for its tokens", list->source);
    memcpy(copy, token, bytes);
    copy[bytes] = 0;
    list->token[index] = copy;
    list->bytes[index] = bytes;
    return PX_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static px_status read_lines(const char *text, size_t bytes, const char *path, px_vocabulary_list *list)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) count += text[i] == '\n';
    if (bytes > 0 && text[bytes - 1] != '\n') count++;
    PX_TRY(list_start(list, count, path));
    const char *at = text, *end = text + bytes;
    for (size_t i = 0; i < count; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        if (length > 0 && at[length - 1] == '\r') length--;
        if (length == 0) return px_fail(PX_ERR_INPUT, "%s: line %zu: an empty token; a line end can only be written in a JSON list, as \"\\n\"", path, i + 1);
        PX_TRY(list_set(list, i, at, length));
        at = stop ? stop + 1 : end;
    }
    return PX_OK;
}

/* cJSON ends a string at NUL, so that the token "\u0000" reads as an empty one; no other token is empty. */
static px_status set_json(px_vocabulary_list *list, size_t index, const char *token)
{
    return list_set(list, index, token, *token ? strlen(token) : 1);
}

static px_status read_array(const cJSON *array, const char *path, px_vocabulary_list *list)
{
    size_t i = 0;
    PX_TRY(list_start(list, (size_t)cJSON_GetArraySize(array), path));
    for (const cJSON *item = array->child; item; item = item->next, i++) {
        if (!cJSON_IsString(item)) return px_fail(PX_ERR_INPUT, "%s: entry %zu is no text; a list of tokens is needed", path, i);
        PX_TRY(set_json(list, i, item->valuestring));
    }
    return PX_OK;
}

/* {"the": 0, "of": 1, ...} */
static px_status read_object(const cJSON *object, const char *path, px_vocabulary_list *list)
{
    PX_TRY(list_start(list, (size_t)cJSON_GetArraySize(object), path));
    for (const cJSON *item = object->child; item; item = item->next) {
        double id = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(id >= 0 && id < (double)list->count) || id != floor(id))
            return px_fail(PX_ERR_INPUT, "%s: \"%.40s\" has no id from 0 to %zu; a list of tokens, or an object of tokens and their ids is needed", path,
                           item->string, list->count - 1);
        if (list->token[(size_t)id]) return px_fail(PX_ERR_INPUT, "%s: id %.0f belongs to two tokens", path, id);
        PX_TRY(set_json(list, (size_t)id, item->string));
    }
    return PX_OK;
}

static int choice(const cJSON *item, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (cJSON_IsString(item) && strcmp(item->valuestring, names[i]) == 0) return i;
    return -1;
}

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

static px_status read_card(const cJSON *vocabulary, const char *path, px_vocabulary_list *list)
{
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(vocabulary, "tokens");
    if (!cJSON_IsArray(tokens)) return px_fail(PX_ERR_INPUT, "%s: its vocabulary has no list of tokens", path);
    PX_TRY(read_array(tokens, path, list));
    list->level = choice(cJSON_GetObjectItemCaseSensitive(vocabulary, "level"), LEVELS, 3);
    list->normalise = choice(cJSON_GetObjectItemCaseSensitive(vocabulary, "normalise"), NORMALISES, 3);
    return PX_OK;
}

px_status px_vocabulary_list_read(const char *path, px_vocabulary_list *list)
{
    char *text;
    size_t bytes;
    *list = (px_vocabulary_list){0};
    PX_TRY(px_file_read(path, FILE_LIMIT, &text, &bytes));
    size_t start = strspn(text, " \t\r\n");
    /* a text whose first token is a bracket is no JSON as a whole */
    cJSON *json = text[start] == '[' || text[start] == '{' ? cJSON_ParseWithOpts(text, NULL, 1) : NULL;
    const cJSON *card = json ? cJSON_GetObjectItemCaseSensitive(json, "vocabulary") : NULL;
    px_status status;
    if (cJSON_IsObject(card))
        status = read_card(card, path, list);
    else if (cJSON_IsArray(json))
        status = read_array(json, path, list);
    else if (json)
        status = read_object(json, path, list);
    else
        status = read_lines(text, bytes, path, list);
    cJSON_Delete(json);
    free(text);
    if (status != PX_OK) px_vocabulary_list_free(list);
    return status;
}

px_status px_vocabulary_list_bytes(px_vocabulary_list *list)
{
    px_status status = list_start(list, 256, "bytes");
    for (size_t i = 0; i < 256 && status == PX_OK; i++) {
        char byte = (char)i;
        status = list_set(list, i, &byte, 1);
    }
    list->level = PX_LEVEL_BYTE;
    if (status != PX_OK) px_vocabulary_list_free(list);
    return status;
}

px_status px_vocabulary_list_of(const px_vocabulary *vocabulary, const char *source, px_vocabulary_list *list)
{
    px_text_options options = px_vocabulary_options(vocabulary);
    px_status status = list_start(list, (size_t)px_vocabulary_size(vocabulary), source);
    for (size_t i = 0; status == PX_OK && i < list->count; i++) {
        size_t bytes;
        const char *token = px_vocabulary_token(vocabulary, (int32_t)i, &bytes);
        status = list_set(list, i, token, bytes);
    }
    list->level = options.level;
    list->normalise = options.normalise;
    if (status != PX_OK) px_vocabulary_list_free(list);
    return status;
}

/* ---- making a vocabulary ----------------------------------------------------------------------------------------- */

static size_t code_points(const char *token, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) count += ((unsigned char)token[i] & 0xC0) != 0x80;
    return count;
}

static int is_special(const char *token)
{
    size_t bytes = strlen(token);
    return bytes > 2 && ((token[0] == '<' && token[bytes - 1] == '>') || (token[0] == '[' && token[bytes - 1] == ']'));
}

static int guess_level(const px_vocabulary_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (code_points(list->token[i], list->bytes[i]) != 1 && !is_special(list->token[i])) return PX_LEVEL_WORD;
    return PX_LEVEL_CHAR;
}

/* The list's index of a token, or -1. */
static int64_t find(const px_vocabulary_list *list, const char *token)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->token[i], token) == 0 && list->bytes[i] == strlen(token)) return (int64_t)i;
    return -1;
}

/* One token's line in the text form: escaped as px_vocabulary_read undoes it. */
static void append_token(px_text *text, const char *token, size_t bytes, int level)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)token[i];
        if (c < 0x20 || c == 0x7f || c == '\\' || (c >= 0x80 && level == PX_LEVEL_BYTE))
            px_text_format(text, "\\x%02x", c);
        else
            px_text_append(text, token + i, 1);
    }
    px_text_format(text, "\t0\n");
}

/* Four bytes of a private character. */
static void append_placeholder(px_text *text, size_t number)
{
    uint32_t code = PRIVATE_AREA + (uint32_t)number;
    const char bytes[4] = {(char)(0xF0 | code >> 18), (char)(0x80 | (code >> 12 & 0x3F)), (char)(0x80 | (code >> 6 & 0x3F)), (char)(0x80 | (code & 0x3F))};
    append_token(text, bytes, 4, PX_LEVEL_CHAR);
}

static px_status fill(px_vocabulary_list *list, const px_vocabulary_names *names, int level, px_text *text, int32_t *row, size_t *placeholders)
{
    int64_t unknown = find(list, names->unknown ? names->unknown : UNKNOWN), line_end = -1;
    int32_t id = 1;
    if (names->unknown && unknown < 0) return px_fail(PX_ERR_ARGUMENT, "--unk %.60s: %s has no such token", names->unknown, list->source);
    if (names->line_end) line_end = find(list, names->line_end);
    if (names->line_end && line_end < 0) return px_fail(PX_ERR_ARGUMENT, "--eos %.60s: %s has no such token", names->line_end, list->source);
    if (names->line_end && level != PX_LEVEL_WORD)
        return px_fail(PX_ERR_ARGUMENT, "--eos %.60s: line ends are tokens of their own only at the level of words", names->line_end);
    row[0] = (int32_t)unknown;
    append_token(text, UNKNOWN, sizeof UNKNOWN - 1, level);
    for (size_t i = 0; i < list->count; i++) {
        if ((int64_t)i == unknown) continue;
        row[id++] = (int32_t)i;
        if (level == PX_LEVEL_BYTE) to_byte(list, i);
        if ((int64_t)i == line_end)
            append_token(text, LINE_END, sizeof LINE_END - 1, level);
        else if (level == PX_LEVEL_CHAR && code_points(list->token[i], list->bytes[i]) > 1 && is_special(list->token[i]))
            append_placeholder(text, (*placeholders)++);
        else
            append_token(text, list->token[i], list->bytes[i], level);
    }
    return PX_OK;
}

px_status px_vocabulary_list_make(px_vocabulary_list *list, const px_vocabulary_names *names, px_vocabulary **vocabulary, int32_t **row,
                                  size_t *placeholders)
{
    px_text text = {0};
    int level = names->level >= 0 ? names->level : list->level >= 0 ? list->level : guess_level(list);
    int normalise = names->normalise >= 0 ? names->normalise : list->normalise >= 0 ? list->normalise : PX_NORMALISE_NONE;
    int has_unknown = find(list, names->unknown ? names->unknown : UNKNOWN) >= 0;
    *vocabulary = NULL;
    *placeholders = 0;
    *row = malloc((list->count + 1) * sizeof **row);
    if (!*row) return px_fail(PX_ERR_MEMORY, "%s: no memory for its tokens", list->source);
    px_text_format(&text, "perplex-vocabulary 1 level=%s normalise=%s invalid=error size=%zu\n", LEVELS[level], NORMALISES[normalise],
                   list->count + !has_unknown);
    px_status status = fill(list, names, level, &text, *row, placeholders);
    if (status == PX_OK) status = px_text_check(&text, list->source);
    if (status == PX_OK) status = px_vocabulary_read(text.data, text.bytes, list->source, vocabulary);
    px_text_free(&text);
    if (status == PX_OK) return PX_OK;
    free(*row);
    *row = NULL;
    return status;
}
