/* The lock of a run folder: see run_lock.h.
 *
 * flock rather than a file that is there or not: the system lets go of it when its holder ends, also by SIGKILL or a power cut. Over
 * NFS Linux turns it into a lock of the server, which keeps other machines out. Where there are no locks at all the caller is told. */
#include "run_lock.h"

#include "check.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct px_run_lock {
    char *path;
    int fd;
    int holds;
};

enum { HOLDER_BYTES = 512 };

/* One line about this process, for those who find the lock taken. */
static void describe_self(char text[HOLDER_BYTES])
{
    char host[256] = "", when[40] = "", batch[128] = "";
    const char *job = getenv("SLURM_JOB_ID"), *array = getenv("SLURM_ARRAY_JOB_ID"), *task = getenv("SLURM_ARRAY_TASK_ID");
    time_t now = time(NULL);
    struct tm parts;
    if (gethostname(host, sizeof host - 1) != 0) strcpy(host, "unknown");
    if (gmtime_r(&now, &parts)) strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &parts);
    if (array && *array && task)
        snprintf(batch, sizeof batch, ", Slurm job %.40s_%.40s", array, task);
    else if (job && *job)
        snprintf(batch, sizeof batch, ", Slurm job %.40s", job);
    snprintf(text, HOLDER_BYTES, "process %ld on %s%s, since %s\n", (long)getpid(), host, batch, when);
}

static void read_holder(int fd, char text[HOLDER_BYTES])
{
    ssize_t got = pread(fd, text, HOLDER_BYTES - 1, 0);
    text[got > 0 ? got : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    if (!*text) strcpy(text, "a process that has just begun");
}

/* Best effort: the lock does not depend on its text. */
static void write_self(int fd)
{
    char text[HOLDER_BYTES];
    describe_self(text);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, strlen(text), 0) < 0) return;
}

/* The locked file must still be the one that has the name: its last holder may have removed it in between. */
static int is_at_its_name(const px_run_lock *lock)
{
    struct stat held, named;
    return fstat(lock->fd, &held) == 0 && stat(lock->path, &named) == 0 && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static px_status take_once(px_run_lock *lock, const char *folder, int *again)
{
    *again = 0;
    lock->fd = px_open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (lock->fd < 0) return px_fail(PX_ERR_IO, "%s: cannot be written: %s", lock->path, strerror(errno));
    if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0) {
        lock->holds = 1;
        *again = !is_at_its_name(lock);
    } else if (errno == EWOULDBLOCK || errno == EAGAIN) {
        char holder[HOLDER_BYTES];
        read_holder(lock->fd, holder);
        return px_fail(PX_ERR_ARGUMENT, "%s: another job is training in this folder (%s); wait for it or end it, or give another --run", folder, holder);
    } else if (errno == EINTR)
        *again = 1;
    else if (errno != ENOLCK && errno != ENOSYS && errno != EOPNOTSUPP && errno != EINVAL)
        return px_fail(PX_ERR_IO, "%s: cannot be locked: %s", lock->path, strerror(errno));
    if (*again) {
        close(lock->fd);
        lock->fd = -1;
        lock->holds = 0;
    }
    return PX_OK;
}

px_status px_run_lock_take(const char *folder, px_run_lock **out)
{
    px_run_lock *lock = calloc(1, sizeof *lock);
    int again = 1;
    *out = NULL;
    if (!lock || asprintf(&lock->path, "%s/lock", folder) < 0) {
        free(lock);
        return px_fail(PX_ERR_MEMORY, "%s: no memory for its lock", folder);
    }
    lock->fd = -1;
    px_status status = PX_OK;
    for (int tries = 0; again && tries < 100 && status == PX_OK; tries++) status = take_once(lock, folder, &again);
    if (status == PX_OK && again) status = px_fail(PX_ERR_IO, "%s: cannot be locked: it is replaced again and again", lock->path);
    if (status != PX_OK) {
        if (lock->fd >= 0) close(lock->fd);
        free(lock->path);
        free(lock);
        return status;
    }
    write_self(lock->fd);
    *out = lock;
    return PX_OK;
}

int px_run_lock_holds(const px_run_lock *lock)
{
    return lock->holds;
}

void px_run_lock_release(px_run_lock *lock)
{
    if (!lock) return;
    if (lock->holds) unlink(lock->path); /* while it is still ours */
    close(lock->fd);
    free(lock->path);
    free(lock);
}
