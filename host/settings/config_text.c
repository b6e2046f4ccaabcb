/* Configuration files: `key = value`, one setting a line, # begins a comment.
 *
 * A value that begins with a quotation mark is a quoted string (\n, \t, \\, \", \xNN inside), so that every path and
 * token can be written; others end at the line's end or at a # with a space before it. The same text is what a run
 * folder and a checkpoint keep, so reading what was written gives the same configuration exactly. */
#include "config.h"
#include "check.h"
#include "escape.h"
#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const GROUP_TITLES[PX_GROUP_COUNT] = {
    "corpus",  "minibatches", "model",         "initial weights",
    "dropout", "optimizer",   "learning rate", "length, validation, averaging",
    "running",
};

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static int is_plain(const char *text)
{
    size_t bytes = strlen(text);
    if (bytes == 0 || text[0] == '"' || text[0] == '#' || text[0] == ' ' || text[bytes - 1] == ' ') return 0;
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return 0;
    return strstr(text, " #") == NULL;
}

static const char NAMED[] = "\n\t\"\\"; /* what has a short name between quotes */

static void write_string(FILE *out, const char *text)
{
    if (is_plain(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        char escaped[4];
        const size_t bytes = px_escape_byte((unsigned char)*text, NAMED, 0, escaped);
        fwrite(escaped, 1, bytes, out);
    }
    fputc('"', out);
}

char *px_config_write(const px_config *config)
{
    px_memory_stream memory;
    if (px_memory_open(&memory, "config") != PX_OK) return NULL;
    FILE *out = memory.stream;
    for (int group = 0; group < PX_GROUP_COUNT; group++) {
        fprintf(out, "%s# %s\n", group ? "\n" : "", GROUP_TITLES[group]);
        for (size_t i = 0; i < px_option_count; i++) {
            const px_option *option = &px_options[i];
            if ((int)option->group != group) continue;
            if (option->type == PX_OPTION_STRING) {
                const char *value = *(char *const *)((const char *)config + option->offset);
                fprintf(out, value ? "%s = " : "# %s =", option->name);
                if (value) write_string(out, value);
            } else {
                char value[160];
                px_config_get(config, option, value, sizeof value);
                fprintf(out, "%s = %s", option->name, value);
            }
            fputc('\n', out);
        }
    }
    return px_memory_end(&memory);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Undoes write_string's quotes in place; text begins with a quotation mark. Returns what follows the closing one. */
static char *unquote(char *text, const char **mistake)
{
    const char *in = text + 1, *end = in + strlen(in);
    char *out = text;
    while (*in && *in != '"') {
        if (!px_unescape_byte(&in, end, NAMED, out)) {
            *mistake = "after \\ only n, t, \\, \" or x with two hexadecimal digits is known";
            return NULL;
        }
        if (!*out++) {
            *mistake = "\\x00 cannot stand in a value";
            return NULL;
        }
    }
    if (*in != '"') {
        *mistake = "the quotation mark at the value's beginning is not closed";
        return NULL;
    }
    char *rest = text + (in + 1 - text);
    *out = 0;
    return rest;
}

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t bytes = strlen(text);
    while (bytes > 0 && strchr(" \t\r", text[bytes - 1])) text[--bytes] = 0;
    return text;
}

/* Cuts one line into name and value, in place. An empty line or a comment gives name NULL. */
static px_status read_line(char *line, int number, const char *source, char **name_out, char **value_out)
{
    *name_out = NULL;
    line = trim(line);
    if (!*line || *line == '#') return PX_OK;
    char *equals = strchr(line, '=');
    if (!equals) return px_fail(PX_ERR_INPUT, "%s:%d: '%.60s' is not of the form key = value", source, number, line);
    *equals = 0;
    char *name = trim(line), *value = trim(equals + 1);
    if (*value == '"') {
        const char *mistake = NULL;
        char *rest = unquote(value, &mistake);
        if (!rest) return px_fail(PX_ERR_INPUT, "%s:%d: %.60s: %s", source, number, name, mistake);
        rest = trim(rest);
        if (*rest && *rest != '#')
            return px_fail(PX_ERR_INPUT, "%s:%d: %.60s: '%.40s' after the closing quotation mark", source, number, name,
                           rest);
    } else {
        char *comment = *value == '#' ? value : strstr(value, " #");
        if (!comment) comment = strstr(value, "\t#");
        if (comment) *comment = 0;
        value = trim(value);
    }
    *name_out = name;
    *value_out = value;
    return PX_OK;
}

px_status px_config_each(const char *text, size_t bytes, const char *source,
                         px_status (*setting)(void *context, const char *name, const char *value), void *context)
{
    if (memchr(text, 0, bytes))
        return px_fail(PX_ERR_INPUT, "%s: not a configuration file: it holds a zero byte", source);
    char *copy = malloc(bytes + 1);
    int *set_at = calloc(px_option_count, sizeof *set_at); /* the line that set an option; 0 = none yet */
    px_status status = PX_OK;
    if (!copy || !set_at) {
        status = px_fail(PX_ERR_MEMORY, "%s: no memory to read %zu bytes of configuration", source, bytes);
        goto done;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    int number = 1;
    char *first = strncmp(copy, "\xef\xbb\xbf", 3) == 0
                      ? copy + 3
                      : copy; /* the mark that some editors begin a file of UTF-8 with */
    for (char *line = first; line; number++) {
        char *end = strchr(line, '\n'), *name, *value;
        if (end) *end = 0;
        PX_TRY_GOTO(status, read_line(line, number, source, &name, &value), done);
        line = end ? end + 1 : NULL;
        if (!name) continue;
        const px_option *option = px_config_find(name);
        if (option && set_at[option - px_options]) {
            status = px_fail(PX_ERR_INPUT, "%s:%d: %s was already set in line %d; remove one of them", source, number,
                             name, set_at[option - px_options]);
            goto done;
        }
        if (option) set_at[option - px_options] = number;
        status = setting(context, name, value);
        if (status != PX_OK) {
            status = px_fail_context(status == PX_ERR_ARGUMENT ? PX_ERR_INPUT : status, "%s:%d", source, number);
            goto done;
        }
    }
done:
    free(set_at);
    free(copy);
    return status;
}

static px_status set_in_config(void *context, const char *name, const char *value)
{
    return px_config_set(context, name, value);
}

px_status px_config_read(px_config *config, const char *text, size_t bytes, const char *source)
{
    /* what 0.1.0, which had no other ways, meant by not naming them */
    config->model.init = PX_INIT_UNIFORM;
    config->optimizer.lr_scaling = PX_LR_SCALING_NONE;
    return px_config_each(text, bytes, source, set_in_config, config);
}
