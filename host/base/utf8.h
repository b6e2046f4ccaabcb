/* UTF-8 as people see it: characters and the columns that they take. Bytes that are not UTF-8 count as a character
 * each. */
#ifndef PX_UTF8_H
#define PX_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* 1 if text is valid (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
int px_utf8_is_valid(const char *text, size_t bytes);
/* 1 for a code point that a terminal or a page would obey instead of showing it: control characters of ASCII (line end
 * and tab among them) and of Unicode, and marks that turn the direction of what stands around them. */
int px_utf8_is_control(int32_t code);
/* Characters (code points) of text [bytes]. */
size_t px_utf8_length(const char *text, size_t bytes);
/* Columns that a NUL-terminated text takes on a terminal: 0 for a character that joins the one before it, 2 for one of
 * East Asia. */
int px_utf8_columns(const char *text);
/* Bytes of the longest beginning of text that takes at most so many columns and most_bytes. */
size_t px_utf8_fit(const char *text, int columns, size_t most_bytes);

#endif
