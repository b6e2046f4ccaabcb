/* Starting other programs: see child.h. */
#include "child.h"

#include <signal.h>
#include <unistd.h>

int px_spawn(pid_t *child, char *const arguments[], const posix_spawn_file_actions_t *actions)
{
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int error = posix_spawnattr_init(&attributes);
    if (error) return error;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGXFSZ);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    error = posix_spawnp(child, arguments[0], actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}
