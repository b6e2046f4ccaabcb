/* Signals: see signals.h. */
#include "signals.h"

#include "check.h"
#include "train.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* timeout(1) and others send one signal to the process and at once another to its group: two within this time are one
 * wish. */
#define SAME_WISH_S 0.2

static atomic_int stop_asked;
static char unfinished[4200]; /* written before the thread starts */
static sigset_t watched;
static int watching;

static void (*_Atomic before_end)(void);

void px_signals_before_end(void (*first)(void)) { atomic_store(&before_end, first); }

static double clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Ends the program as the signal would have. */
static void end_by(int number)
{
    sigset_t set;
    void (*first)(void) = atomic_exchange(&before_end, NULL);
    if (first) first();
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    raise(number); /* pending: it is blocked here too */
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *wait_for_stop(void *unused)
{
    double first = 0;
    (void)unused;
    for (;;) {
        int number, asked = PX_STOP_NO;
        if (sigwait(&watched, &number) != 0) continue;
        if (number == SIGALRM) {
            atomic_compare_exchange_strong(&stop_asked, &asked, PX_STOP_TIME);
            continue;
        }
        if (number == SIGINT) {
            const double now = clock_s();
            if (first == 0) first = now;
            if (now - first > SAME_WISH_S) end_by(SIGINT);
        }
        atomic_store(&stop_asked, PX_STOP_ASKED);
    }
    return NULL;
}

static void *wait_for_end(void *unused)
{
    int number;
    (void)unused;
    while (sigwait(&watched, &number) != 0) continue;
    unlink(unfinished);
    end_by(number);
    return NULL;
}

/* What a program that is forked without exec (MPI's own helpers) goes on with. */
static void unblock_in_child(void) { pthread_sigmask(SIG_UNBLOCK, &watched, NULL); }

/* Blocks `numbers` here and in every thread to come, and starts the thread that waits for them. */
static px_status watch(const int *numbers, int count, void *(*waiter)(void *))
{
    pthread_t thread;
    sigset_t all, before;
    sigemptyset(&watched);
    for (int i = 0; i < count; i++) {
        struct sigaction action;
        /* nohup ignores SIGHUP, and that is kept */
        if (numbers[i] == SIGHUP && sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN) continue;
        signal(numbers[i], SIG_DFL); /* what is ignored need not be queued */
        sigaddset(&watched, numbers[i]);
    }
    pthread_sigmask(SIG_BLOCK, &watched, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the waiter gets nothing but what it waits for */
    const int error = pthread_create(&thread, NULL, waiter, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return px_fail(PX_ERR_MEMORY, "the thread that waits for signals cannot be started: %s", strerror(error));
    pthread_detach(thread);
    pthread_atfork(NULL, NULL, unblock_in_child);
    watching = 1;
    return PX_OK;
}

void px_signals_prepare(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

px_status px_signals_stop_flag(const atomic_int **flag)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, SIGALRM};
    *flag = &stop_asked;
    return watching ? PX_OK : watch(numbers, sizeof numbers / sizeof numbers[0], wait_for_stop);
}

void px_signals_stop_after(double seconds)
{
    struct itimerval timer = {0};
    if (seconds > 1e9) return; /* further away than any machine runs */
    timer.it_value.tv_sec = (time_t)seconds;
    timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6) + 1;
    if (timer.it_value.tv_usec > 999999) timer.it_value.tv_usec = 999999;
    setitimer(ITIMER_REAL, &timer, NULL);
}

px_status px_signals_remove_unfinished(const char *path)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    snprintf(unfinished, sizeof unfinished, "%s.tmp.%ld", path, (long)getpid());
    return watch(numbers, sizeof numbers / sizeof numbers[0], wait_for_end);
}
