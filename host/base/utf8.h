/* UTF-8 as people see it: characters and the columns that they take. Bytes that are not UTF-8 count as a character each. */
#ifndef PX_UTF8_H
#define PX_UTF8_H

#include <stddef.h>

/* Characters (code points) of text [bytes]. */
size_t px_utf8_length(const char *text, size_t bytes);
/* Columns that a NUL-terminated text takes on a terminal: 0 for a character that joins the one before it, 2 for one of East Asia. */
int px_utf8_columns(const char *text);
/* Bytes of the longest beginning of text that takes at most so many columns and most_bytes. */
size_t px_utf8_fit(const char *text, int columns, size_t most_bytes);

#endif
