/* See escape.h. */
#include "escape.h"

#include <string.h>

static const char PLAIN[] = "\n\t\r", LETTERS[] = "ntr"; /* the others are named by themselves */

size_t px_escape_byte(unsigned char byte, const char *named, int high, char out[4])
{
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    if (byte && strchr(named, byte)) {
        const char *plain = strchr(PLAIN, byte);
        out[1] = plain ? LETTERS[plain - PLAIN] : (char)byte;
        return 2;
    }
    if (byte < 0x20 || byte == 0x7f || (high && byte >= 0x80)) {
        out[1] = 'x';
        out[2] = digits[byte >> 4];
        out[3] = digits[byte & 15];
        return 4;
    }
    out[0] = (char)byte;
    return 1;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int px_unescape_byte(const char **at, const char *end, const char *named, char *byte)
{
    const char *text = *at;
    if (*text != '\\') {
        *byte = *text;
        *at = text + 1;
        return 1;
    }
    if (end - text < 2) return 0;
    const char *letter = text[1] ? strchr(LETTERS, text[1]) : NULL;
    const char plain = letter ? PLAIN[letter - LETTERS] : text[1];
    if (plain && strchr(named, plain)) {
        *byte = plain;
        *at = text + 2;
        return 1;
    }
    if (text[1] != 'x' || end - text < 4 || hex_digit(text[2]) < 0 || hex_digit(text[3]) < 0) return 0;
    *byte = (char)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
    *at = text + 4;
    return 1;
}
