/* The lock of a run folder: see run_lock.h.
 *
 * flock rather than a file that is there or not: the system lets go of it when its holder ends, also by SIGKILL or a
 * power cut. Over NFS Linux turns it into a lock of the server, which keeps other machines out. Where there are no
 * locks at all the file itself keeps others out: it is made by whoever is first and names its owner (run_owner.c); one
 * whose owner has ended is taken away. */
#include "run_lock.h"

#include "check.h"
#include "file.h"
#include "run_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct px_run_lock {
    char *path;
    int fd;
    int holds;                 /* 1: by flock */
    char self[PX_OWNER_BYTES]; /* what we wrote into the file */
};

static px_status taken(const char *folder, const char *owner)
{
    return px_fail(PX_ERR_ARGUMENT,
                   "%s: another job is training in this folder (%.*s); wait for it or end it, or give another --run",
                   folder, (int)strcspn(owner, "\n"), *owner ? owner : "a process that has just begun");
}

/* Best effort where the lock does not depend on its text. */
static px_status write_self(px_run_lock *lock)
{
    px_owner_describe(lock->self);
    if (px_truncate(lock->fd, 0) == 0 &&
        pwrite(lock->fd, lock->self, strlen(lock->self), 0) == (ssize_t)strlen(lock->self))
        return PX_OK;
    return px_fail(PX_ERR_IO, "%s: cannot be written: %s", lock->path, strerror(errno));
}

/* A file of somebody's own that is called lock must not be written or removed. */
static px_status check_own(const px_run_lock *lock)
{
    static const char start[] = "process ";
    char text[sizeof start] = "";
    ssize_t got = lseek(lock->fd, 0, SEEK_SET) == 0 ? px_read(lock->fd, text, sizeof start - 1) : -1;
    if (got < 0) return px_fail(PX_ERR_IO, "%s: cannot be read: %s", lock->path, strerror(errno));
    if (got == 0 || (got > 0 && memcmp(text, start, (size_t)got) == 0)) return PX_OK;
    return px_fail(PX_ERR_ARGUMENT, "%s: not a lock of perplex, which needs this name; give the file another one",
                   lock->path);
}

/* The locked file must still be the one that has the name: its last holder may have removed it in between. */
static int is_at_its_name(const px_run_lock *lock)
{
    struct stat held, named;
    return fstat(lock->fd, &held) == 0 && stat(lock->path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

/* The file of an owner that has ended is moved aside. Of several who do that one succeeds; whoever has moved another
 * file than the one that was judged puts it back. */
static px_status take_away(const px_run_lock *lock, const char *owner)
{
    char *aside, found[PX_OWNER_BYTES] = "";
    if (asprintf(&aside, "%s.%ld", lock->path, (long)getpid()) < 0)
        return px_fail(PX_ERR_MEMORY, "%s: no memory for its name", lock->path);
    px_status status = PX_OK;
    if (px_rename(lock->path, aside) == 0) {
        int fd = px_open(aside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
        if (fd >= 0) px_owner_read(fd, found);
        if (fd >= 0) close(fd);
        if (strcmp(found, owner) != 0 && px_link(aside, lock->path) != 0 && errno != EEXIST)
            status = px_fail(PX_ERR_IO, "%s: cannot be put back: %s", lock->path, strerror(errno));
        unlink(aside);
    } else if (errno != ENOENT)
        status = px_fail(PX_ERR_IO, "%s: cannot be taken away: %s", lock->path, strerror(errno));
    free(aside);
    return status;
}

/* Without locks: made is 1 where the file was not there before. */
static px_status own(px_run_lock *lock, const char *folder, int made, int *again)
{
    char owner[PX_OWNER_BYTES];
    if (made) {
        px_status status = write_self(lock);
        if (status != PX_OK) unlink(lock->path);
        return status;
    }
    px_owner_read(lock->fd, owner);
    switch (px_owner_state(owner)) {
    case PX_OWNER_LIVES: return taken(folder, owner);
    case PX_OWNER_UNKNOWN:
        return px_fail(
            PX_ERR_ARGUMENT,
            "%s: %.*s trains in this folder, or was killed there; this file system has no locks that would tell: "
            "if that job has ended, remove %s",
            folder, (int)strcspn(owner, "\n"), *owner ? owner : "a process that has just begun", lock->path);
    default: *again = 1; return take_away(lock, owner);
    }
}

/* *made 1: the file was not there before. */
static px_status open_file(px_run_lock *lock, int *made)
{
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    *made = 0;
    for (int tries = 0; tries < 100; tries++) {
        if ((lock->fd = px_open(lock->path, flags, 0)) >= 0) return PX_OK;
        if (errno != ENOENT) break;
        *made = (lock->fd = px_open(lock->path, flags | O_CREAT | O_EXCL, 0666)) >= 0;
        if (*made) return PX_OK;
        if (errno != EEXIST) break;
    }
    return px_fail(PX_ERR_IO, "%s: cannot be written: %s", lock->path, strerror(errno));
}

static px_status lock_file(px_run_lock *lock, const char *folder, int made, int *again)
{
    char owner[PX_OWNER_BYTES];
    if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0) {
        lock->holds = 1;
        *again = !is_at_its_name(lock);
        if (!*again) (void)write_self(lock);
        return PX_OK;
    }
    switch (errno) {
    case EAGAIN: px_owner_read(lock->fd, owner); return taken(folder, owner);
    case EINTR: *again = 1; return PX_OK;
    case ENOLCK:
    case ENOSYS:
    case EOPNOTSUPP:
    case EINVAL: return own(lock, folder, made, again);
    default: return px_fail(PX_ERR_IO, "%s: cannot be locked: %s", lock->path, strerror(errno));
    }
}

static px_status take_once(px_run_lock *lock, const char *folder, int *again)
{
    int made;
    *again = 0;
    PX_TRY(open_file(lock, &made));
    PX_TRY(check_own(lock));
    px_status status = lock_file(lock, folder, made, again);
    if (*again) {
        close(lock->fd);
        lock->fd = -1;
        lock->holds = 0;
    }
    return status;
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
    px_status status;
    for (int tries = 0; again && tries < 100; tries++) PX_TRY_GOTO(status, take_once(lock, folder, &again), fail);
    if (again) {
        status = px_fail(PX_ERR_IO, "%s: cannot be locked: it is replaced again and again", lock->path);
        goto fail;
    }
    *out = lock;
    return PX_OK;
fail:
    if (lock->fd >= 0) close(lock->fd);
    free(lock->path);
    free(lock);
    return status;
}

int px_run_lock_holds(const px_run_lock *lock) { return lock->holds; }

void px_run_lock_release(px_run_lock *lock)
{
    if (!lock) return;
    char owner[PX_OWNER_BYTES];
    px_owner_read(lock->fd, owner);
    /* while it is still ours */
    if (is_at_its_name(lock) && (lock->holds || strcmp(owner, lock->self) == 0)) unlink(lock->path);
    close(lock->fd);
    free(lock->path);
    free(lock);
}
