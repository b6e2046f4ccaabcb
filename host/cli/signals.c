/* Signal handlers: see signals.h. They do only what a handler may do: set a flag, unlink, raise. */
#include "signals.h"

#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t stop_asked;
static char unfinished[4200];

static void on_stop(int number)
{
    if (number == SIGINT && stop_asked) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
    stop_asked = 1;
}

static void on_end(int number)
{
    unlink(unfinished);
    signal(number, SIG_DFL);
    raise(number);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void px_signals_prepare(void)
{
    handle(SIGPIPE, SIG_IGN);
    handle(SIGXFSZ, SIG_IGN);
}

const volatile sig_atomic_t *px_signals_stop_flag(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    for (int i = 0; i < 4; i++) handle(numbers[i], on_stop);
    return &stop_asked;
}

void px_signals_remove_unfinished(const char *path)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    snprintf(unfinished, sizeof unfinished, "%s.tmp.%ld", path, (long)getpid());
    for (int i = 0; i < 3; i++) handle(numbers[i], on_end);
}
