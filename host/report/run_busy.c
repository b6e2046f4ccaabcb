/* Looking at a run's lock: see run_busy.h. */
#include "run_busy.h"

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

static int is_locked(const char *folder, const char *name)
{
    char path[4400];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) return 0;
    int fd = px_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) return 0;
    char owner[PX_OWNER_BYTES];
    px_owner_read(fd, owner);
    px_owner state = px_owner_state(owner);
    /* locks of another machine are in no list of ours; where there are no locks only the owner's process tells */
    int held = state == PX_OWNER_LIVES;
    if (!held && (listed(info.st_ino) != 0 || (state == PX_OWNER_UNKNOWN && *owner == 'p')))
        held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

int px_run_is_busy(const char *folder) { return is_locked(folder, "lock") || is_locked(folder, "metrics.jsonl"); }
