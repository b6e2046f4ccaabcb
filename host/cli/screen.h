/* A terminal's whole screen, drawn in place: rows of text, of which only those that changed are sent. By terminfo
 * alone, so that no signal handler and no mode of the terminal's input is touched: Ctrl-C stays what it was. While it
 * is open the former screen is put aside, and comes back when it is closed. */
#ifndef PX_SCREEN_H
#define PX_SCREEN_H

#include <stdio.h>

typedef struct px_screen px_screen;

typedef enum px_screen_style { PX_SCREEN_PLAIN, PX_SCREEN_BOLD, PX_SCREEN_GREEN, PX_SCREEN_STYLES } px_screen_style;

/* 1 where this program was built with ncurses' terminfo. */
int px_screen_built_in(void);
/* NULL: out is no terminal, TERM says that it can draw nothing in place, or perplex was built without ncurses. */
px_screen *px_screen_open(FILE *out);
/* NULL does nothing. */
void px_screen_close(px_screen *screen);

/* A picture: begin, texts, end. begin asks for the terminal's size, which may have changed. */
void px_screen_begin(px_screen *screen);
int px_screen_rows(const px_screen *screen);    /* at least 1 */
int px_screen_columns(const px_screen *screen); /* at least 1 */
/* The whole of a row (from 0), cut where the screen ends; outside it is left out. Shown as px_printable does. */
void px_screen_row(px_screen *screen, int row, px_screen_style style, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Sends what changed since the last picture; all of it where the size did, or where the process was stopped between. */
void px_screen_end(px_screen *screen);

#endif
