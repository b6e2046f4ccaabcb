/* Notes: see note.h. */
#include "note.h"

#include <stdarg.h>
#include <stdio.h>

static void (*told)(const char *text);

void px_note_to(void (*tell)(const char *text)) { told = tell; }

void px_note(const char *format, ...)
{
    char text[1024];
    va_list args;
    if (!told) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    told(text);
}
