/* Errors, JSON and numbers for people: see output.h. */
#include "output.h"
#include "check.h"
#include "hint.h"
#include "printable.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

/* Whoever read standard output has gone, as head does when it has enough: that needs no words, the status says it. */
static int reader_is_gone(const char *message)
{
    static const char what[] = "standard output: ";
    return strncmp(message, what, sizeof what - 1) == 0 && strcmp(message + sizeof what - 1, strerror(EPIPE)) == 0;
}

int px_output_fail(px_status status)
{
    char cut[4096];
    const char *message = px_hint_for_command(px_error_message(), cut, sizeof cut);
    if (!reader_is_gone(message)) fprintf(stderr, "perplex: %s\n", message[0] ? message : px_status_text(status));
    return px_status_exit_code(status);
}

px_status px_output_flush(void)
{
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        const char *reason = errno ? strerror(errno) : "some of it was lost";
        return px_fail(PX_ERR_IO, "standard output: %s", reason);
    }
    if (px_print_lost()) return px_fail(PX_ERR_MEMORY, "standard output: no memory for all of it");
    return PX_OK;
}

int px_output_end(px_status status)
{
    if (status == PX_OK) status = px_output_flush();
    return status == PX_OK ? 0 : px_output_fail(status);
}

int px_output_is_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

void px_json_number(cJSON *object, const char *name, double value)
{
    if (isinf(value))
        cJSON_AddStringToObject(object, name, value > 0 ? "inf" : "-inf");
    else if (isnan(value))
        cJSON_AddNullToObject(object, name);
    else
        cJSON_AddNumberToObject(object, name, value);
}

void px_json_count(cJSON *object, const char *name, long long value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", value);
    cJSON_AddRawToObject(object, name, text);
}

void px_json_text(cJSON *object, const char *name, const char *text, size_t bytes)
{
    char *clean = malloc(3 * bytes + 1), *out = clean;
    if (!clean) {
        px_json_lost();
        return;
    }
    for (size_t i = 0; i < bytes;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(bytes - i), &code);
        if (used <= 0 || code == 0) {
            memcpy(out, "\xef\xbf\xbd", 3);
            out += 3;
            i += 1;
        } else {
            memcpy(out, text + i, (size_t)used);
            out += used;
            i += (size_t)used;
        }
    }
    *out = 0;
    cJSON_AddStringToObject(object, name, clean);
    free(clean);
}

px_status px_json_print(cJSON *object)
{
    char *text;
    PX_TRY(px_json_write(object, 0, "standard output", &text));
    puts(text);
    free(text);
    return px_output_flush();
}

/* $'...' of bash, zsh and ksh: what a terminal would obey stands as \xNN. */
static const char *quote_bytes(char *buffer, size_t room, const char *text)
{
    size_t used = (size_t)snprintf(buffer, room, "$'");
    for (; *text && used + 8 < room; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte >= 0x7f) used += (size_t)snprintf(buffer + used, 5, "\\x%02x", byte);
        else used += (size_t)snprintf(buffer + used, 3, byte == '\'' || byte == '\\' ? "\\%c" : "%c", byte);
    }
    snprintf(buffer + used, room - used, "'");
    return buffer;
}

/* text in '...', each ' of it as '\''. */
static const char *quote(char *buffer, size_t room, const char *text)
{
    size_t used = (size_t)snprintf(buffer, room, "'");
    for (; *text && used + 8 < room; text++) used += (size_t)snprintf(buffer + used, 5, *text == '\'' ? "'\\''" : "%c", *text);
    snprintf(buffer + used, room - used, "'");
    return buffer;
}

const char *px_text_shell(char *buffer, size_t room, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+=@%";
    if (*text && !text[strspn(text, plain)]) return text;
    px_printable(buffer, room, text, strlen(text), 0);
    return strcmp(buffer, text) != 0 && strlen(text) + 8 < room ? quote_bytes(buffer, room, text) : quote(buffer, room, text);
}
