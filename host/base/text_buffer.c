/* A growing piece of text: see text_buffer.h. */
#include "text_buffer.h"

#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void px_text_free(px_text *text)
{
    free(text->data);
    *text = (px_text){0};
}

void px_text_clear(px_text *text)
{
    text->bytes = 0;
    text->failed = 0;
    if (text->data) text->data[0] = 0;
}

/* Room for that many more bytes and the NUL. */
static int reserve(px_text *text, size_t bytes)
{
    if (text->failed) return 0;
    if (bytes > ((size_t)-1) / 4 - text->bytes) {
        text->failed = 1;
        return 0;
    }
    size_t need = text->bytes + bytes + 1;
    if (need <= text->room) return 1;
    size_t room = text->room ? text->room : 256;
    while (room < need) room *= 2;
    char *data = realloc(text->data, room);
    if (!data) {
        text->failed = 1;
        return 0;
    }
    text->data = data;
    text->room = room;
    return 1;
}

void px_text_append(px_text *text, const char *data, size_t bytes)
{
    if (!reserve(text, bytes)) return;
    if (bytes) memcpy(text->data + text->bytes, data, bytes);
    text->bytes += bytes;
    text->data[text->bytes] = 0;
}

void px_text_append_utf8(px_text *text, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t used =
            utf8proc_iterate((const utf8proc_uint8_t *)data + i, (utf8proc_ssize_t)(bytes - i), &code);
        int good = used > 0 && code != 0;
        px_text_append(text, good ? data + i : "\xef\xbf\xbd", good ? (size_t)used : 3);
        i += good ? (size_t)used : 1;
    }
}

void px_text_format(px_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (bytes < 0)
        text->failed = 1;
    else if (reserve(text, (size_t)bytes)) {
        vsnprintf(text->data + text->bytes, (size_t)bytes + 1, format, again);
        text->bytes += (size_t)bytes;
    }
    va_end(again);
}

void px_text_json_string(px_text *text, const char *data, size_t bytes)
{
    px_text_append(text, "\"", 1);
    size_t begin = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        px_text_append(text, data + begin, i - begin);
        begin = i + 1;
        if (c == '"' || c == '\\')
            px_text_format(text, "\\%c", c);
        else if (c == '\n')
            px_text_append(text, "\\n", 2);
        else
            px_text_format(text, "\\u%04x", c);
    }
    px_text_append(text, data + begin, bytes - begin);
    px_text_append(text, "\"", 1);
}

void px_text_json_number(px_text *text, double value, int digits)
{
    if (isnan(value))
        px_text_append(text, "\"nan\"", 5);
    else if (isinf(value))
        px_text_format(text, "\"%sinf\"", value < 0 ? "-" : "");
    else
        px_text_format(text, "%.*g", digits, value);
}

px_status px_text_check(const px_text *text, const char *what)
{
    if (text->failed) return px_fail(PX_ERR_MEMORY, "%s: no memory for its text", what);
    return PX_OK;
}
