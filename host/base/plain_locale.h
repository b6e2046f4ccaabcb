/* The "C" locale for as long as a block lasts: a program that embeds perplex may have called setlocale(), and printf,
 * strtod, cJSON and the ctype functions would then read and write "0,9", or know another i. Every function of
 * libperplex that works on files, numbers or text begins with PX_PLAIN_LOCALE; perplex's own program never leaves "C".
 */
#ifndef PX_PLAIN_LOCALE_H
#define PX_PLAIN_LOCALE_H

#include <locale.h>

/* This thread reads and writes as "C" does from here on; other threads are not touched. Returns what it used before. */
locale_t px_plain_locale_enter(void);
/* Gives it back what it used before. */
void px_plain_locale_leave(const locale_t *before);

/* A declaration: until the end of the block, however it is left. */
#define PX_PLAIN_LOCALE                                                                                                \
    __attribute__((cleanup(px_plain_locale_leave), unused)) const locale_t px_locale_before = px_plain_locale_enter()

#endif
