/* Reading foreign vocabularies: see vocabulary_list.h. What a list may hold is checked where it becomes a vocabulary
 * (vocabulary_list.c). */
#include "vocabulary_list.h"

#include "check.h"
#include "config.h"
#include "file.h"
#include "json.h"
#include "pieces.h"
#include "text_form.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FILE_LIMIT = 256 << 20, TOKENS_MAX = 1 << 24, VALUES_MAX = TOKENS_MAX + 1024 /* a card's other fields */ };

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
    return list->token && list->bytes && list->source
               ? PX_OK
               : px_fail(PX_ERR_MEMORY, "%s: no memory for %zu tokens", source, count);
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
    list->has_lines = 1;
    const char *at = text, *end = text + bytes;
    for (size_t i = 0; i < count; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        if (length > 0 && at[length - 1] == '\r') length--;
        PX_TRY(list_set(list, i, at, length));
        at = stop ? stop + 1 : end;
    }
    return PX_OK;
}

/* cJSON's strings end at NUL, so the escape \u0000 is made a byte that UTF-8 does not have, before it is parsed, and
 * undone here. */
enum { NUL_MARK = 0xFF };

static px_status set_json(px_vocabulary_list *list, size_t index, const char *token)
{
    PX_TRY(list_set(list, index, token, strlen(token)));
    for (char *c = list->token[index]; (c = strchr(c, (char)NUL_MARK)); c++) *c = 0;
    return PX_OK;
}

/* In place; returns the new length. A backslash before the escape is itself escaped where their number is even. */
static size_t mark_nuls(char *text, size_t bytes)
{
    size_t out = 0;
    for (size_t i = 0; i < bytes;) {
        if (text[i] == '\\' && bytes - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0) {
            text[out++] = (char)NUL_MARK;
            i += 6;
            continue;
        }
        if (text[i] == '\\' && i + 1 < bytes) text[out++] = text[i++];
        text[out++] = text[i++];
    }
    text[out] = 0;
    return out;
}

static px_status read_array(const cJSON *array, const char *path, px_vocabulary_list *list)
{
    size_t i = 0;
    PX_TRY(list_start(list, (size_t)cJSON_GetArraySize(array), path));
    for (const cJSON *item = array->child; item; item = item->next, i++) {
        if (!cJSON_IsString(item))
            return px_fail(PX_ERR_INPUT, "%s: entry %zu is no text; a list of tokens is needed", path, i);
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
            return px_fail(PX_ERR_INPUT,
                           "%s: \"%.40s\" has no id from 0 to %zu; a list of tokens, or an object of tokens and their "
                           "ids is needed",
                           path, item->string, list->count - 1);
        if (list->token[(size_t)id]) return px_fail(PX_ERR_INPUT, "%s: id %.0f belongs to two tokens", path, id);
        PX_TRY(set_json(list, (size_t)id, item->string));
    }
    return PX_OK;
}

static int choice(const cJSON *item, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (cJSON_IsString(item) && strcmp(item->valuestring, names[i]) == 0) return i;
    return -1;
}

static px_status read_card(const cJSON *vocabulary, const char *path, px_vocabulary_list *list)
{
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(vocabulary, "tokens");
    if (!cJSON_IsArray(tokens)) return px_fail(PX_ERR_INPUT, "%s: its vocabulary has no list of tokens", path);
    PX_TRY(read_array(tokens, path, list));
    list->level = choice(cJSON_GetObjectItemCaseSensitive(vocabulary, "level"), px_level_names);
    list->normalise = choice(cJSON_GetObjectItemCaseSensitive(vocabulary, "normalise"), px_normalise_names);
    return PX_OK;
}

/* A list of one token a line may begin with a bracket too: "[", "[PAD]". JSON is what is called so, and what goes on
 * with a quoted string on the line where it begins. */
static int seems_json(const char *text, size_t bytes, const char *path)
{
    size_t start = strspn(text, " \t\r\n"), name = strlen(path);
    if (start >= bytes || (text[start] != '[' && text[start] != '{')) return 0;
    if (name > 5 && strcasecmp(path + name - 5, ".json") == 0) return 1;
    const char *next = text + start + 1 + strspn(text + start + 1, " \t\r\n");
    return *next == '"' && next[1] && !strchr("\r\n", next[1]);
}

/* *json NULL: no JSON as a whole, a list of lines. */
static px_status parse(const char *text, size_t bytes, const char *path, cJSON **json)
{
    const char *stop = NULL;
    size_t start = strspn(text, " \t\r\n");
    *json = NULL;
    if (text[start] != '[' && text[start] != '{') return PX_OK;
    int seems = seems_json(text, bytes, path);
    if (seems && memchr(text, NUL_MARK, bytes)) return px_fail(PX_ERR_INPUT, "%s: not UTF-8 (0xff)", path);
    PX_TRY(px_json_bound(text, bytes, VALUES_MAX, path));
    char *copy = malloc(bytes + 1);
    if (!copy) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", path);
    memcpy(copy, text, bytes + 1);
    size_t length = mark_nuls(copy, bytes);
    px_status status =
        memchr(text, NUL_MARK, bytes) ? PX_ERR_INPUT : px_json_parse(copy, length, path, "not JSON", &stop, json);
    if (status == PX_OK) stop += strspn(stop, " \t\r\n");
    if (status == PX_OK && stop != copy + length) {
        cJSON_Delete(*json);
        *json = NULL;
    }
    size_t line = 1;
    for (const char *c = copy; stop && c < stop && c < copy + length; c++) line += *c == '\n';
    while (length > 0 && strchr(" \t\r\n", copy[length - 1])) length--;
    int cut = length > 0 && copy[length - 1] != ']' && copy[length - 1] != '}';
    free(copy);
    if (status == PX_ERR_MEMORY) return status;
    if (*json || !seems) return PX_OK;
    return px_fail(PX_ERR_INPUT, "%s: line %zu: %s", path, line,
                   cut ? "JSON that is cut off here; get the whole file" : "not JSON from here on");
}

static px_status read_text(const char *text, size_t bytes, const char *path, px_vocabulary_list *list)
{
    cJSON *json;
    PX_TRY(parse(text, bytes, path, &json));
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
    return status;
}

/* llm.c's tokenizer: 256 uint32 {magic, version, tokens, the one that ends a text, 0, ...}, then for each token a byte
 * for its length and so many bytes. Source: llmc/tokenizer.h of llm.c. */
enum { TOKENIZER_MAGIC = 20240328, TOKENIZER_HEADER = 1024 };

static int is_tokenizer(const char *text, size_t bytes)
{
    uint32_t magic = 0;
    if (bytes >= TOKENIZER_HEADER) memcpy(&magic, text, sizeof magic);
    return magic == TOKENIZER_MAGIC;
}

static px_status read_tokenizer(const char *text, size_t bytes, const char *path, px_vocabulary_list *list)
{
    uint32_t header[3];
    memcpy(header, text, sizeof header);
    if (header[1] != 1 && header[1] != 2)
        return px_fail(PX_ERR_INPUT, "%s: a tokenizer of llm.c of version %u; 1 and 2 are read", path, header[1]);
    PX_TRY(list_start(list, header[2], path));
    list->level = PX_LEVEL_BYTE_BPE;
    size_t at = TOKENIZER_HEADER;
    for (size_t i = 0; i < list->count; i++) {
        const size_t length = at < bytes ? (unsigned char)text[at++] : 0;
        char spelled[2 * 255];
        size_t used = 0;
        if (length == 0 || length > bytes - at)
            return px_fail(PX_ERR_INPUT, "%s: the file ends in token %zu of %zu; get the whole file", path, i,
                           list->count);
        for (size_t k = 0; k < length; k++) used += px_spell_byte((unsigned char)text[at + k], spelled + used);
        PX_TRY(list_set(list, i, spelled, used));
        at += length;
    }
    return PX_OK;
}

px_status px_vocabulary_list_read(const char *path, px_vocabulary_list *list)
{
    char *text;
    size_t bytes, mark = 0;
    *list = (px_vocabulary_list){0};
    PX_TRY(px_file_read(path, FILE_LIMIT, &text, &bytes));
    px_status status;
    if (is_tokenizer(text, bytes))
        status = read_tokenizer(text, bytes, path, list);
    else {
        PX_TRY_GOTO(status, px_text_form_check(path, text, bytes, &mark), done);
        status = read_text(text + mark, bytes - mark, path, list);
    }
done:
    free(text);
    if (status != PX_OK) px_vocabulary_list_free(list);
    return status;
}

px_status px_vocabulary_list_bytes(px_vocabulary_list *list)
{
    px_status status;
    PX_TRY_GOTO(status, list_start(list, 256, "bytes"), done);
    for (size_t i = 0; i < 256; i++) {
        char byte = (char)i;
        PX_TRY_GOTO(status, list_set(list, i, &byte, 1), done);
    }
done:
    list->level = PX_LEVEL_BYTE;
    if (status != PX_OK) px_vocabulary_list_free(list);
    return status;
}

px_status px_vocabulary_list_of(const px_vocabulary *vocabulary, const char *source, px_vocabulary_list *list)
{
    px_text_options options = px_vocabulary_options(vocabulary);
    px_status status;
    PX_TRY_GOTO(status, list_start(list, (size_t)px_vocabulary_size(vocabulary), source), done);
    for (size_t i = 0; i < list->count; i++) {
        size_t bytes;
        const char *token = px_vocabulary_token(vocabulary, (int32_t)i, &bytes);
        PX_TRY_GOTO(status, list_set(list, i, token, bytes), done);
    }
done:
    list->level = options.level;
    list->normalise = options.normalise;
    if (status != PX_OK) px_vocabulary_list_free(list);
    return status;
}
