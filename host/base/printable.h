/* Text that a terminal shows and does not obey. Names and values out of files, and paths, may hold escape sequences
 * that set a title, hide a line or colour it; every message (px_fail) and every line for people (px_print) goes through
 * here. */
#ifndef PX_PRINTABLE_H
#define PX_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

enum {
    PX_PRINTABLE_LINES = 1,      /* line ends and tabs stay as they are: a text of lines */
    PX_PRINTABLE_UNAMBIGUOUS = 2 /* a backslash is doubled, so that the bytes can be told from the text */
};

/* Writes text [bytes] into buffer [room], NUL-terminated; a longer one ends with "...". Control characters (of ASCII
 * and of Unicode), marks that turn the direction of writing round, and what is not UTF-8 become \n, \t or \xNN for each
 * of their bytes. room is 4 at least, and buffer is not text. Returns buffer. */
const char *px_printable(char *buffer, size_t room, const char *text, size_t bytes, int flags);

/* printf for lines that hold such names: what was made of the format is shown as px_printable does with
 * PX_PRINTABLE_LINES. */
void px_print(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 1 where memory ran out for a long line of this thread, which then ends with "...". */
int px_print_lost(void);

#endif
