/* See printable.h. */
#include "printable.h"

#include "escape.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Bytes of the character at text that may be shown as it is; 0: its first byte is to be escaped. */
static size_t harmless(const char *text, size_t bytes, int flags)
{
    utf8proc_int32_t code;
    const unsigned char first = (unsigned char)text[0];
    if (first == '\n' || first == '\t') return (flags & PX_PRINTABLE_LINES) != 0;
    if (first == '\\') return !(flags & PX_PRINTABLE_UNAMBIGUOUS);
    const utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &code);
    if (used <= 0 || px_utf8_is_control(code)) return 0;
    return (size_t)used;
}

/* What is shown for the first character of text: at most 4 bytes in shown, their number in *length. Returns how many
 * bytes of text that is. */
static size_t show_one(const char *text, size_t bytes, int flags, char shown[4], size_t *length)
{
    const size_t used = harmless(text, bytes, flags);
    if (used) {
        memcpy(shown, text, used);
        *length = used;
        return used;
    }
    *length = px_escape_byte((unsigned char)text[0], "\n\t\\", 1, shown);
    return 1;
}

const char *px_printable(char *buffer, size_t room, const char *text, size_t bytes, int flags)
{
    size_t out = 0;
    for (size_t i = 0; i < bytes;) {
        char shown[4];
        size_t length;
        i += show_one(text + i, bytes - i, flags, shown, &length);
        if (out + length + 4 > room) { /* "..." and NUL find room in any case */
            memcpy(buffer + out, "...", 3);
            out += 3;
            break;
        }
        memcpy(buffer + out, shown, length);
        out += length;
    }
    buffer[out] = 0;
    return buffer;
}

static void print_shown(FILE *out, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        char shown[4];
        size_t length;
        i += show_one(text + i, bytes - i, PX_PRINTABLE_LINES, shown, &length);
        fwrite(shown, 1, length, out);
    }
}

static _Thread_local int lost;

int px_print_lost(void) { return lost; }

void px_print(FILE *out, const char *format, ...)
{
    char line[1024], *longer = NULL;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int bytes = vsnprintf(line, sizeof line, format, args);
    if (bytes >= (int)sizeof line && vasprintf(&longer, format, again) < 0) longer = NULL;
    va_end(again);
    va_end(args);
    print_shown(out, longer ? longer : line, longer ? (size_t)bytes : strlen(line));
    if (!longer && bytes >= (int)sizeof line) { /* no memory for all of it */
        fputs("...\n", out);
        lost = 1;
    }
    free(longer);
}
