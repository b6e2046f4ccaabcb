/* Files that only this user can read and can have written: see bootstrap_ways.h. */
#include "bootstrap_ways.h"

#include "check.h"
#include "file.h"
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void px_bootstrap_pause(int *tries)
{
    long ms = *tries < 5 ? 2L << *tries : 50;
    ++*tries;
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

px_status px_private_random(void *data, size_t bytes)
{
    if (bytes > 256 || getrandom(data, bytes, 0) != (ssize_t)bytes) /* up to 256 bytes come whole */
        return px_fail(PX_ERR_IO, "the system gives no random bytes: %s", strerror(errno));
    return PX_OK;
}

px_status px_private_folder(const char *path)
{
    struct stat about;
    if (px_make_folder(path, 0700) != 0 && errno != EEXIST)
        return px_fail(PX_ERR_INPUT,
                       "%s: the folder cannot be made: %s; name one that all ranks share in PERPLEX_BOOTSTRAP_DIR",
                       path, strerror(errno));
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode))
        return px_fail(PX_ERR_INPUT, "%s: not a folder; name one that all ranks share in PERPLEX_BOOTSTRAP_DIR", path);
    /* where others may write, they may also take away and exchange what lies there, unless the folder is sticky as /tmp
     * is */
    if ((about.st_mode & 022) && !(about.st_mode & S_ISVTX))
        return px_fail(PX_ERR_INPUT,
                       "%s: others can write there; chmod go-w it, or name another folder in PERPLEX_BOOTSTRAP_DIR",
                       path);
    return PX_OK;
}

static px_status write_all(int file, const char *path, const void *data, size_t bytes)
{
    if (px_write_all(file, data, bytes) != 0 || px_sync(file) != 0)
        return px_fail(PX_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
    return PX_OK;
}

/* A new file beside path, of mode 0600, that nobody else has: its name goes to temporary. */
static px_status write_temporary(const char *path, const void *data, size_t bytes,
                                 char temporary[PX_BOOTSTRAP_PATH_MAX])
{
    uint64_t number;
    PX_TRY(px_private_random(&number, sizeof number));
    if (snprintf(temporary, PX_BOOTSTRAP_PATH_MAX, "%s.%016llx", path, (unsigned long long)number) >=
        PX_BOOTSTRAP_PATH_MAX)
        return px_fail(PX_ERR_ARGUMENT, "%s: too long a path", path);
    int file = px_open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return px_fail(PX_ERR_IO, "%s: cannot be made: %s", temporary, strerror(errno));
    px_status status = write_all(file, temporary, data, bytes);
    if (close(file) != 0 && status == PX_OK)
        status = px_fail(PX_ERR_IO, "%s: cannot be written: %s", temporary, strerror(errno));
    if (status != PX_OK) unlink(temporary);
    return status;
}

px_status px_private_write(const char *path, const void *data, size_t bytes)
{
    char temporary[PX_BOOTSTRAP_PATH_MAX];
    PX_TRY(write_temporary(path, data, bytes, temporary));
    if (px_rename(temporary, path) == 0) return PX_OK;
    px_status status = px_fail(PX_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
    unlink(temporary);
    return status;
}

/* As many bytes as there are, up to limit; -1: errno. */
static ssize_t read_all(int file, char *data, size_t limit)
{
    size_t got = 0;
    ssize_t part = 0;
    while (got < limit && (part = px_read(file, data + got, limit - got)) > 0) got += (size_t)part;
    return part < 0 ? -1 : (ssize_t)got;
}

px_status px_private_read(const char *path, void *data, size_t limit, size_t *bytes, int *found)
{
    struct stat about;
    *found = 0;
    *bytes = 0;
    int file = px_open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (file < 0 && (errno == ENOENT || errno == ESTALE))
        return PX_OK; /* ESTALE: replaced on a network file system just now */
    if (file < 0)
        return px_fail(PX_ERR_INPUT, "%s: cannot be read: %s", path,
                       errno == ELOOP ? "it is a symbolic link" : strerror(errno));
    px_status status = PX_OK;
    ssize_t got = 0;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
        status = px_fail(PX_ERR_INPUT, "%s: not a plain file", path);
    else if (about.st_uid != geteuid())
        status = px_fail(PX_ERR_INPUT, "%s: belongs to user %u, not to this one (%u); remove it or name another", path,
                         (unsigned)about.st_uid, (unsigned)geteuid());
    else if (about.st_mode & 077)
        status =
            px_fail(PX_ERR_INPUT, "%s: others can use it (mode %03o); chmod 600 it, and make a new key if it is one",
                    path, (unsigned)about.st_mode & 0777);
    else if (about.st_size > (off_t)limit)
        status =
            px_fail(PX_ERR_INPUT, "%s: %lld bytes; at most %zu are expected", path, (long long)about.st_size, limit);
    else if ((got = read_all(file, data, limit)) < 0)
        status = px_fail(PX_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    close(file);
    if (status != PX_OK) return status;
    *bytes = (size_t)got;
    *found = 1;
    return PX_OK;
}

/* link() fails where the file is there by now: of several ranks that make a key, the first wins, and all read his. */
static px_status make_key(const char *path)
{
    px_bootstrap_key key;
    char temporary[PX_BOOTSTRAP_PATH_MAX], folder[PX_BOOTSTRAP_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash && slash != folder) {
        *slash = '\0';
        PX_TRY(px_private_folder(folder));
    }
    PX_TRY(px_private_random(&key, sizeof key));
    PX_TRY(write_temporary(path, &key, sizeof key, temporary));
    int linked = link(temporary, path), error = errno;
    unlink(temporary);
    if (linked != 0 && error != EEXIST) return px_fail(PX_ERR_IO, "%s: cannot be made: %s", path, strerror(error));
    return PX_OK;
}

px_status px_private_key(const char *path, px_bootstrap_key *key)
{
    unsigned char text[4096];
    size_t bytes;
    int found;
    PX_TRY(px_private_read(path, text, sizeof text, &bytes, &found));
    if (!found) {
        PX_TRY(make_key(path));
        PX_TRY(px_private_read(path, text, sizeof text, &bytes, &found));
    }
    if (!found || bytes < PX_KEY_BYTES)
        return px_fail(PX_ERR_INPUT, "%s: %zu bytes are no key; make one: (umask 077; head -c %d /dev/urandom > %s)",
                       path, bytes, PX_KEY_BYTES, path);
    memcpy(key->bytes, text, sizeof key->bytes);
    return PX_OK;
}

px_status px_private_path(const px_bootstrap *bootstrap, const char *what, char path[PX_BOOTSTRAP_PATH_MAX])
{
    int length = snprintf(path, PX_BOOTSTRAP_PATH_MAX, "%s/perplex-%s-%s-%s", bootstrap->folder, bootstrap->job,
                          bootstrap->restart, what);
    /* room for the suffix of a temporary file */
    if (length < 0 || length >= PX_BOOTSTRAP_PATH_MAX - 20)
        return px_fail(PX_ERR_ARGUMENT, "%s: too long a path; name a shorter folder in PERPLEX_BOOTSTRAP_DIR",
                       bootstrap->folder);
    return PX_OK;
}

void px_private_clean(const px_bootstrap *bootstrap)
{
    char job[PX_BOOTSTRAP_JOB_MAX + 16], now[sizeof job + 40];
    snprintf(job, sizeof job, "perplex-%s-", bootstrap->job);
    snprintf(now, sizeof now, "%s%s-", job, bootstrap->restart);
    DIR *folder = opendir(bootstrap->folder);
    if (!folder) return;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        const char *rest = entry->d_name + strlen(job);
        if (strncmp(entry->d_name, job, strlen(job)) != 0 || strncmp(entry->d_name, now, strlen(now)) == 0) continue;
        /* "3-id", "3-rank-1": a number, then one of ours; another job whose name goes on after this one's is left alone
         */
        size_t digits = strspn(rest, "0123456789");
        if (digits == 0 || rest[digits] != '-' ||
            (strncmp(rest + digits, "-id", 3) != 0 && strncmp(rest + digits, "-rank-", 6) != 0 &&
             strncmp(rest + digits, "-port", 5) != 0))
            continue;
        unlinkat(dirfd(folder), entry->d_name, 0); /* one of another user stays: that is no failure */
    }
    closedir(folder);
}
