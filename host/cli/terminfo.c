/* Terminfo: see terminfo.h. */
#include "terminfo.h"

#include <stdlib.h>

#if PX_WITH_TERMINFO
#include <curses.h>
#include <term.h>

static px_text *target; /* tputs hands its bytes to a function that is given nothing else */

static int put(int byte)
{
    const char c = (char)byte;
    px_text_append(target, &c, 1);
    return byte;
}

static void append(const char *capability)
{
    if (capability) tputs(capability, 1, put);
}

int px_terminfo_built_in(void) { return 1; }

int px_terminfo_open(int descriptor)
{
    int error;
    return getenv("TERM") && setupterm(NULL, descriptor, &error) == OK && cursor_address && clr_eol && clear_screen;
}

void px_terminfo_append(px_text *text, px_control control, int value)
{
    target = text;
    switch (control) {
    case PX_CONTROL_OPEN:
        append(enter_ca_mode);
        append(cursor_invisible);
        break;
    case PX_CONTROL_CLOSE:
        append(exit_ca_mode);
        append(cursor_normal);
        break;
    case PX_CONTROL_CLEAR: append(clear_screen); break;
    case PX_CONTROL_TO_ROW: append(tparm(cursor_address, (long)value, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L)); break;
    case PX_CONTROL_END: append(clr_eol); break;
    case PX_CONTROL_BOLD: append(enter_bold_mode); break;
    case PX_CONTROL_COLOUR:
        if (set_a_foreground) append(tparm(set_a_foreground, (long)value, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L));
        break;
    case PX_CONTROL_PLAIN: append(exit_attribute_mode); break;
    }
}

#else

int px_terminfo_built_in(void) { return 0; }
int px_terminfo_open(int descriptor) { return 0; }
void px_terminfo_append(px_text *text, px_control control, int value) {}

#endif
