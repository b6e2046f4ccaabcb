/* What goes to the terminal: lines for people, one JSON object for programs, errors, and the check that all of it
 * arrived. */
#ifndef PX_OUTPUT_H
#define PX_OUTPUT_H

#include "json.h"

#include <perplex/status.h>
#include <stddef.h>
#include <stdio.h>

/* Prints the recorded failure as "perplex: ..." on standard error and returns the exit status. */
int px_output_fail(px_status status);
/* A note on standard error (note.h). The same one is told once: a text may be opened again, for the report at the end.
 */
void px_output_note(const char *text);
/* Flushes standard output; PX_ERR_IO if anything written to it was lost (a full disk, a closed pipe). */
px_status px_output_flush(void);
/* The end of every command: an error line if status is one or if standard output was lost; the exit status. */
int px_output_end(px_status status);

int px_output_is_terminal(void);

/* Prints the object on one line of standard output, then deletes it. PX_ERR_MEMORY, and nothing printed, where a part
 * of it was lost. */
px_status px_json_print(cJSON *object);

/* text as one word of a shell, itself or quoted in buffer (4 bytes for one of text, and 16), for commands that are
 * shown to be typed. */
const char *px_text_shell(char *buffer, size_t room, const char *text);

#endif
