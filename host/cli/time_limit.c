/* The time limit of a job: see time_limit.h. Slurm says when a job ends in SLURM_JOB_END_TIME; versions that do not are
 * asked once, by squeue, in a child process that is given ten seconds. */
#include "time_limit.h"

#include "check.h"
#include "machine.h"
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MARGIN_MOST_S = 120, SQUEUE_TIMEOUT_S = 10 };

/* ---- durations --------------------------------------------------------------------------------------------------- */

/* Up to nine digits at *text, which moves behind them. */
static int read_digits(const char **text, double *value)
{
    size_t digits = strspn(*text, "0123456789");
    if (digits < 1 || digits > 9) return 0;
    *value = (double)strtol(*text, NULL, 10);
    *text += digits;
    return 1;
}

int px_duration_read(const char *text, double *seconds)
{
    double part[3], days = 0;
    int parts = 0;
    if (!read_digits(&text, &part[parts++])) return 0;
    if (*text && strchr("smh", *text)) {
        double scale = *text == 's' ? 1 : *text == 'm' ? 60 : 3600;
        *seconds = part[0] * scale;
        return text[1] == 0;
    }
    int has_days = *text == '-';
    if (has_days) {
        days = part[0];
        text++;
        if (!read_digits(&text, &part[0])) return 0;
    }
    while (*text == ':' && parts < 3) {
        text++;
        if (!read_digits(&text, &part[parts]) || part[parts++] >= 60) return 0;
    }
    if (*text) return 0;
    if (has_days) /* days-hours[:minutes[:seconds]] */
        *seconds = days * 86400 + part[0] * 3600 + (parts > 1 ? part[1] * 60 : 0) + (parts > 2 ? part[2] : 0);
    else if (parts == 3)
        *seconds = part[0] * 3600 + part[1] * 60 + part[2];
    else
        *seconds = parts == 2 ? part[0] * 60 + part[1] : part[0];
    return 1;
}

static px_status read_flag(const char *flag, const char *text, double *seconds)
{
    if (px_duration_read(text, seconds)) return PX_OK;
    return px_fail(PX_ERR_ARGUMENT, "--%s %.60s: not a length of time; give 90 (seconds), 30m, 2h or 1:30:00", flag,
                   text);
}

/* ---- Slurm ------------------------------------------------------------------------------------------------------- */

/* Reads what a child writes until it ends or the time is over; the child is always gone afterwards. */
static int read_child(pid_t child, int fd, char *text, size_t room)
{
    size_t used = 0;
    double end = px_clock() + SQUEUE_TIMEOUT_S;
    int whole = 0, status = 0;
    for (;;) {
        double left = end - px_clock();
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&waiting, 1, (int)(left * 1000) + 1) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) break;
        ssize_t got = read(fd, text + used, room - 1 - used);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            whole = got == 0;
            break;
        }
        used += (size_t)got;
        if (used == room - 1) break;
    }
    text[used] = 0;
    text[strcspn(text, "\n")] = 0;
    if (!whole) kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return whole && WIFEXITED(status) && WEXITSTATUS(status) == 0 && used > 0;
}

/* "2:03:04", "UNLIMITED", ... as squeue -o %L prints it for this job; 0 where it cannot be asked. */
static int ask_squeue(const char *job, char *text, size_t room)
{
    char *arguments[] = {"squeue", "-h", "-j", (char *)job, "-o", "%L", NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], ok = 0;
    pid_t child;
    if (pipe2(ends, O_CLOEXEC) != 0) return 0;
    if (posix_spawn_file_actions_init(&actions) == 0) {
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        ok = px_spawn(&child, arguments, &actions) == 0;
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (ok) ok = read_child(child, ends[0], text, room);
    close(ends[0]);
    return ok;
}

/* Seconds left of this process's Slurm job; 0 where it has no end, or nobody says. */
static double slurm_left(int ask_slurm)
{
    const char *job = getenv("SLURM_JOB_ID"), *end_text = getenv("SLURM_JOB_END_TIME");
    char answer[64], *rest;
    double left;
    if (!job || !*job || strspn(job, "0123456789") != strlen(job)) return 0;
    if (end_text && *end_text) {
        double end = strtod(end_text, &rest), now = (double)time(NULL);
        if (!*rest && end > 0 && end < 4e9) return end > now ? end - now : 1; /* 2^32 - 1 and the like: without end */
    }
    if (!ask_slurm || !ask_squeue(job, answer, sizeof answer)) return 0;
    return px_duration_read(answer, &left) ? left : 0;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

px_status px_time_limit_find(const char *limit_text, const char *margin_text, int ask_slurm, px_time_limit *limit)
{
    double whole = 0, margin = -1;
    const char *whose = "--time-limit";
    *limit = (px_time_limit){0};
    if (margin_text) PX_TRY(read_flag("time-margin", margin_text, &margin));
    if (limit_text && strcmp(limit_text, "none") == 0) return PX_OK;
    if (limit_text) {
        PX_TRY(read_flag("time-limit", limit_text, &whole));
        if (whole <= 0)
            return px_fail(PX_ERR_ARGUMENT, "--time-limit %.60s: no time at all; give none for no limit", limit_text);
    } else {
        whole = slurm_left(ask_slurm);
        whose = "what is left of the Slurm job";
    }
    if (whole <= 0) return PX_OK;
    if (margin < 0) margin = whole / 10 < MARGIN_MOST_S ? whole / 10 : MARGIN_MOST_S;
    if (margin >= whole)
        return px_fail(PX_ERR_ARGUMENT,
                       "time limit: of %.0f seconds (%s) nothing is left beside a margin of %.0f; ask for more time, "
                       "or give a smaller --time-margin",
                       whole, whose, margin);
    limit->seconds = whole - margin;
    snprintf(limit->source, sizeof limit->source, "%s, %.0f seconds, less a margin of %.*f", whose, whole,
             margin < 10 && fmod(margin, 1) != 0, margin);
    return PX_OK;
}
