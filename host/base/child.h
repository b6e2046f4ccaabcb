/* Other programs (squeue, gnuplot): started with the signals that a program expects, whatever this one blocks and
 * ignores. */
#ifndef PX_CHILD_H
#define PX_CHILD_H

#include <spawn.h>

/* posix_spawnp of arguments[0] with this process's environment, no signal blocked, SIGPIPE and SIGXFSZ not ignored.
 * `actions` may be NULL. Returns 0, or an errno. */
int px_spawn(pid_t *child, char *const arguments[], const posix_spawn_file_actions_t *actions);

#endif
