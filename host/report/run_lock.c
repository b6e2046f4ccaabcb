/* Looking at a run's lock: see run_lock.h. */
#include "run_lock.h"

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

int px_run_lock_is_held(const char *folder)
{
    char path[4200];
    struct stat info;
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || listed(info.st_ino) == 0) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    int held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return held;
}
