/* What every command but train does around its own work. */
#ifndef PX_RUN_COMMAND_H
#define PX_RUN_COMMAND_H

#include "options.h"

/* A command's work; line has been read, its config is what settings made of it, and flags are the command's own. */
typedef px_status px_command_work(px_command_line *line, void *flags);

/* Reads the command line and prints --help or does the work; then says what failed, and frees what the line and its
 * config own. The exit status. */
int px_command_run(px_command_line *line, int argc, char **argv, px_command_work *work, void *flags);

#endif
