/* The remedies of a message are written where the failure is noticed, for all commands; each command names only those
 * that it has. */
#ifndef PX_HINT_H
#define PX_HINT_H

#include "options.h"

#include <stddef.h>

/* The command whose flags count from here on, NULL: none (then every flag may be named). It must live as long as
 * messages come. */
void px_hint_command(const px_command_line *line);

/* The message without remedies that name flags which the command does not have. A remedy is an alternative of a part
 * behind the first "; ":
 *     "x: not UTF-8; use --level byte or --invalid replace"   becomes, for eval,   "x: not UTF-8; use --invalid replace"
 * Flags of other programs ("perplex info --devices", "mpirun -n 2") stay. Returns buffer (room bytes), or message where
 * nothing was cut or the buffer is too small. */
const char *px_hint_for_command(const char *message, char *buffer, size_t room);

#endif
