/* Writing HTML and SVG into a px_text. Everything that comes from outside (corpus, settings, names of files) goes
 * through px_html_text, which leaves no character with a meaning in markup. */
#ifndef PX_HTML_H
#define PX_HTML_H

#include "text_buffer.h"

/* Escaped for element content and for quoted attributes; what is not UTF-8, and control characters but newline and tab,
 * become U+FFFD. */
void px_html_text(px_text *out, const char *text, size_t bytes);
void px_html_string(px_text *out, const char *text); /* the same for a NUL-terminated text */

/* Numbers for people, into a buffer of 32 bytes that the caller gives, which is returned: "1,234,567"; "12.3k", "4.5M";
 * a perplexity or loss with four or five digits; "2 min 05 s". NaN is "–", infinity "∞". */
const char *px_html_count(char buffer[32], double value);
const char *px_html_short(char buffer[32], double value);
const char *px_html_value(char buffer[32], double value);
const char *px_html_seconds(char buffer[32], double seconds);

#endif
