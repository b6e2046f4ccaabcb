/* Errors, JSON and numbers for people: see output.h. */
#include "output.h"
#include "check.h"
#include "escape.h"
#include "hint.h"
#include "printable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

void px_output_note(const char *text)
{
    static char told[8][256];
    static size_t count;
    for (size_t i = 0; i < count && i < sizeof told / sizeof told[0]; i++)
        if (strncmp(told[i], text, sizeof told[0] - 1) == 0) return;
    snprintf(told[count++ % (sizeof told / sizeof told[0])], sizeof told[0], "%s", text);
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr); /* over a progress line */
    px_print(stderr, "note: %s\n", text);
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

int px_output_is_terminal(void) { return isatty(STDOUT_FILENO); }

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
        char escaped[4];
        const size_t length = px_escape_byte((unsigned char)*text, "'\\", 1, escaped);
        memcpy(buffer + used, escaped, length);
        used += length;
    }
    snprintf(buffer + used, room - used, "'");
    return buffer;
}

/* text in '...', each ' of it as '\''. */
static const char *quote(char *buffer, size_t room, const char *text)
{
    size_t used = (size_t)snprintf(buffer, room, "'");
    for (; *text && used + 8 < room; text++)
        used += (size_t)snprintf(buffer + used, 5, *text == '\'' ? "'\\''" : "%c", *text);
    snprintf(buffer + used, room - used, "'");
    return buffer;
}

const char *px_text_shell(char *buffer, size_t room, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+=@%";
    if (*text && !text[strspn(text, plain)]) return text;
    px_printable(buffer, room, text, strlen(text), 0);
    return strcmp(buffer, text) != 0 && strlen(text) + 8 < room ? quote_bytes(buffer, room, text)
                                                                : quote(buffer, room, text);
}
