/* What a terminal obeys, by name, out of ncurses' terminfo. A file of its own, as <term.h> makes macros of short words.
 */
#ifndef PX_TERMINFO_H
#define PX_TERMINFO_H

#include "text_buffer.h"

typedef enum px_control {
    PX_CONTROL_OPEN,   /* puts the former screen aside, hides the cursor */
    PX_CONTROL_CLOSE,  /* and back */
    PX_CONTROL_CLEAR,  /* the whole screen */
    PX_CONTROL_TO_ROW, /* to the beginning of row `value` */
    PX_CONTROL_END,    /* clears what is behind the cursor in its row */
    PX_CONTROL_BOLD,
    PX_CONTROL_COLOUR, /* of number `value`, where the terminal has colours */
    PX_CONTROL_PLAIN   /* neither bold nor coloured */
} px_control;

/* 1 where this program was built with ncurses. */
int px_terminfo_built_in(void);
/* Whether the terminal behind descriptor can draw in place: read from the database by TERM. Before all other calls. */
int px_terminfo_open(int descriptor);
/* Appends what does that; nothing where the terminal cannot. */
void px_terminfo_append(px_text *text, px_control control, int value);

#endif
