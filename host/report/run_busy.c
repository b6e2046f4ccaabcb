/* Looking at a run's lock: see run_busy.h. */
#include "run_busy.h"

#include "file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* /proc/locks has a line "1: FLOCK  ADVISORY  WRITE 4711 fe:01:135203 0 EOF" for each; the device differs from stat's on some
 * file systems, so that only the inode is compared. -1: the list cannot be read. */
static int listed(ino_t inode)
{
    char line[256];
    int found = 0;
    FILE *list = fopen("/proc/locks", "re");
    if (!list) return -1;
    while (!found && fgets(line, sizeof line, list)) {
        char kind[16];
        unsigned long long number;
        if (sscanf(line, "%*d: %15s %*s %*s %*d %*x:%*x:%llu", kind, &number) == 2)
            found = strcmp(kind, "FLOCK") == 0 && number == (unsigned long long)inode;
    }
    fclose(list);
    return found;
}

/* Whether the file's text, "process 4711 on HOST, ...", names another machine: its locks are in no list of ours. */
static int of_another_machine(int fd)
{
    char text[512], host[256] = "", holder[256];
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = 0;
    if (gethostname(host, sizeof host - 1) != 0 || sscanf(text, "process %*d on %255[^, \n]", holder) != 1) return 0;
    return strcmp(host, holder) != 0;
}

static int is_locked(const char *folder, const char *name)
{
    char path[4400];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) return 0;
    int fd = px_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) return 0;
    int held = (listed(info.st_ino) != 0 || of_another_machine(fd)) && flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return held;
}

int px_run_is_busy(const char *folder)
{
    return is_locked(folder, "lock") || is_locked(folder, "metrics.jsonl");
}
