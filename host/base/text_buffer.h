/* A growing piece of text: what headers of checkpoints and lines of metrics.jsonl are made in.
 *
 * Running out of memory is remembered instead of returned, so that a caller appends freely and asks once, at the end.
 */
#ifndef PX_TEXT_BUFFER_H
#define PX_TEXT_BUFFER_H

#include <perplex/status.h>
#include <stddef.h>

typedef struct px_text {
    char *data;   /* NUL-terminated once anything was appended; NULL before */
    size_t bytes; /* without the NUL */
    size_t room;
    int failed; /* 1: memory ran out; what is there is not whole */
} px_text;

void px_text_free(px_text *text);  /* zeroed afterwards */
void px_text_clear(px_text *text); /* empty again; memory is kept */
void px_text_append(px_text *text, const char *data, size_t bytes);
/* Any bytes as UTF-8 without NUL: what is not valid, and NUL, becomes U+FFFD. */
void px_text_append_utf8(px_text *text, const char *data, size_t bytes);
void px_text_format(px_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes. data is UTF-8; control characters, quotes and backslashes are escaped. */
void px_text_json_string(px_text *text, const char *data, size_t bytes);
/* A JSON number with that many significant digits; infinities and NaN, which JSON lacks, as "inf", "-inf", "nan". */
void px_text_json_number(px_text *text, double value, int digits);
/* PX_ERR_MEMORY naming `what` if an append failed. */
px_status px_text_check(const px_text *text, const char *what);

#endif
