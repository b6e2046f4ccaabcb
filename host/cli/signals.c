/* Signal handlers: see signals.h. They do only what a handler may do: set a flag, unlink, raise. */
#include "signals.h"

#include "train.h"

#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* timeout(1) and others send one signal to the process and at once another to its group: two within this time are one wish. */
#define SAME_WISH_S 0.2

static volatile sig_atomic_t stop_asked;
static char unfinished[4200];

static void on_stop(int number)
{
    static struct timespec first; /* SIGINT; it is blocked while its handler runs */
    static int interrupted;
    if (number == SIGINT) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (!interrupted) first = now;
        interrupted = 1;
        if ((double)(now.tv_sec - first.tv_sec) + 1e-9 * (double)(now.tv_nsec - first.tv_nsec) > SAME_WISH_S) {
            signal(SIGINT, SIG_DFL);
            raise(SIGINT);
        }
    }
    stop_asked = PX_STOP_ASKED;
}

static void on_time(int number)
{
    (void)number;
    if (stop_asked == PX_STOP_NO) stop_asked = PX_STOP_TIME;
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
    struct sigaction hangup;
    for (int i = 0; i < 4; i++) handle(numbers[i], on_stop);
    /* a terminal or a connection that is closed; nohup ignores it, and that is kept */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) handle(SIGHUP, on_stop);
    return &stop_asked;
}

void px_signals_stop_after(double seconds)
{
    struct itimerval timer = {0};
    if (seconds > 1e9) return; /* further away than any machine runs */
    timer.it_value.tv_sec = (time_t)seconds;
    timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6) + 1;
    if (timer.it_value.tv_usec > 999999) timer.it_value.tv_usec = 999999;
    handle(SIGALRM, on_time);
    setitimer(ITIMER_REAL, &timer, NULL);
}

void px_signals_remove_unfinished(const char *path)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    snprintf(unfinished, sizeof unfinished, "%s.tmp.%ld", path, (long)getpid());
    for (int i = 0; i < 3; i++) handle(numbers[i], on_end);
}
