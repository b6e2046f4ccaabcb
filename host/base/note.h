/* What a person should know of an input although the work goes on. The program prints it (cli/main.c); a library keeps
 * silent. */
#ifndef PX_NOTE_H
#define PX_NOTE_H

/* Who is told; NULL: nobody, as at first. Set before threads are started. */
void px_note_to(void (*tell)(const char *text));
void px_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
