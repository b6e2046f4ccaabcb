/* See utf8.h. */
#include "utf8.h"

#include <string.h>
#include <utf8proc.h>

/* Bytes of the character at text, and its columns. */
static size_t step(const char *text, size_t bytes, int *columns)
{
    utf8proc_int32_t code;
    const utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &code);
    *columns = used > 0 ? utf8proc_charwidth(code) : 1;
    return used > 0 ? (size_t)used : 1;
}

int px_utf8_is_valid(const char *text, size_t bytes)
{
    utf8proc_int32_t code;
    for (size_t i = 0; i < bytes;) {
        const utf8proc_ssize_t used =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(bytes - i), &code);
        if (used <= 0) return 0;
        i += (size_t)used;
    }
    return 1;
}

int px_utf8_is_control(int32_t code)
{
    const int is_c0_or_c1 = code < 0x20 || (code >= 0x7f && code < 0xa0);
    return is_c0_or_c1 || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069); /* overrides and isolates of direction */
}

size_t px_utf8_length(const char *text, size_t bytes)
{
    size_t count = 0;
    int columns;
    for (size_t i = 0; i < bytes; count++) i += step(text + i, bytes - i, &columns);
    return count;
}

size_t px_utf8_fit(const char *text, int columns, size_t most_bytes)
{
    const size_t bytes = strlen(text);
    size_t fit = 0;
    for (int taken = 0, one; fit < bytes;) {
        const size_t used = step(text + fit, bytes - fit, &one);
        taken += one;
        if (taken > columns || fit + used > most_bytes) break;
        fit += used;
    }
    return fit;
}

int px_utf8_columns(const char *text)
{
    const size_t bytes = strlen(text);
    int columns = 0, one;
    for (size_t i = 0; i < bytes; columns += one) i += step(text + i, bytes - i, &one);
    return columns;
}
