/* Backslash escapes: how a line of text holds bytes that it cannot show, and how they are read back. Vocabularies,
 * configurations, tokens in flags, messages and quoted arguments all write "\n", "\\" or "\x1b" by this; they differ in
 * which characters have a short name. */
#ifndef PX_ESCAPE_H
#define PX_ESCAPE_H

#include <stddef.h>

/* One byte into out; returns how many bytes that are, 1 to 4. Those in `named` get a backslash and n, t, r or
 * themselves; other control characters, and with high 1 every byte from 0x80 on, become \xNN; the rest stands as it is.
 */
size_t px_escape_byte(unsigned char byte, const char *named, int high, char out[4]);
/* Reads one byte, escaped or not, at *at < end and moves on. 0: a backslash begins no escape that px_escape_byte writes
 * with these names
 * (*at then points at the backslash); hexadecimal digits may be of either case. */
int px_unescape_byte(const char **at, const char *end, const char *named, char *byte);

#endif
