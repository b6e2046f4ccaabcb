/* The owner of a run folder: see run_owner.h. */
#include "run_owner.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A small file of the system; "" where there is none. */
static void read_text(const char *path, char *text, size_t room)
{
    int fd = px_open(path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t got = fd >= 0 ? px_read(fd, text, room - 1) : 0;
    text[got > 0 ? got : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    if (fd >= 0) close(fd);
}

/* When a process started, in ticks since the machine did; 0 where that is not known. Its name, in brackets, may hold
 * anything. */
static unsigned long long start_of(long process)
{
    char path[64], text[1024];
    unsigned long long ticks = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", process);
    read_text(path, text, sizeof text);
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                        &ticks) != 1)
        return 0;
    return ticks;
}

static void name_host(char host[256])
{
    memset(host, 0, 256);
    if (gethostname(host, 255) != 0 || !*host) strcpy(host, "unknown");
}

/* "-" outside of a batch job. */
static void name_job(char job[100])
{
    const char *one = getenv("SLURM_JOB_ID"), *array = getenv("SLURM_ARRAY_JOB_ID"),
               *task = getenv("SLURM_ARRAY_TASK_ID");
    if (array && *array && task)
        snprintf(job, 100, "%.40s_%.40s", array, task);
    else
        snprintf(job, 100, "%.40s", one && *one ? one : "-");
}

void px_owner_describe(char text[PX_OWNER_BYTES])
{
    char host[256], when[40] = "", job[100], boot[64];
    time_t now = time(NULL);
    struct tm parts;
    name_host(host);
    name_job(job);
    read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    if (gmtime_r(&now, &parts)) strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &parts);
    int in_batch = strcmp(job, "-") != 0;
    snprintf(text, PX_OWNER_BYTES, "process %ld on %s%s%s, since %s\nstarted %llu job %s boot %s\n", (long)getpid(),
             host, in_batch ? ", Slurm job " : "", in_batch ? job : "", when, start_of((long)getpid()), job,
             *boot ? boot : "-");
}

void px_owner_read(int descriptor, char text[PX_OWNER_BYTES])
{
    ssize_t got;
    do got = pread(descriptor, text, PX_OWNER_BYTES - 1, 0);
    while (got < 0 && errno == EINTR);
    text[got > 0 ? got : 0] = 0;
    for (char *c = text; *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f) *c = '?';
}

px_owner px_owner_state(const char *text)
{
    char host[256], job[100], boot[64], owner_host[256], owner_job[100], owner_boot[64];
    long process;
    unsigned long long started;
    const char *line = strchr(text, '\n');
    if (!line || sscanf(text, "process %ld on %255[^, \n]", &process, owner_host) != 2 ||
        sscanf(line + 1, "started %llu job %99s boot %63s", &started, owner_job, owner_boot) != 3)
        return PX_OWNER_UNKNOWN;
    name_host(host);
    name_job(job);
    read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    if (strcmp(host, owner_host) != 0) /* Slurm gives a job another turn only when the one before has ended */
        return strcmp(job, "-") != 0 && strcmp(job, owner_job) == 0 ? PX_OWNER_ENDED : PX_OWNER_UNKNOWN;
    if (strcmp(owner_boot, "-") != 0 && strcmp(boot, owner_boot) != 0) return PX_OWNER_ENDED;
    if (kill((pid_t)process, 0) != 0 && errno == ESRCH) return PX_OWNER_ENDED;
    return started == 0 || start_of(process) == started ? PX_OWNER_LIVES : PX_OWNER_ENDED;
}
