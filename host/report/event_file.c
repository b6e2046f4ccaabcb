/* Frames of event files: see event_file.h. */
#include "event_file.h"

#include "check.h"
#include "file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char PREFIX[] = "events.out.tfevents.";

/* Readers take files in the order of their names, which begin with a time: the latest of those here, 0 without any. */
static px_status latest(const char *path, long long *found)
{
    px_folder folder;
    const char *name;
    px_status status;
    *found = 0;
    PX_TRY(px_folder_open(path, &folder));
    while ((status = px_folder_next(&folder, &name)) == PX_OK && name) {
        if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0) continue;
        long long seconds = strtoll(name + sizeof PREFIX - 1, NULL, 10);
        if (seconds > *found && seconds < 9999999999) *found = seconds;
    }
    px_folder_close(&folder);
    return status;
}

px_status px_event_file_create(const char *folder, px_event_file *file)
{
    char host[HOST_NAME_MAX + 1] = "host";
    long long seconds = (long long)time(NULL), after;
    *file = (px_event_file){.fd = -1};
    PX_TRY(latest(folder, &after));
    after++;
    if (gethostname(host, sizeof host) != 0) strcpy(host, "host");
    host[sizeof host - 1] = 0;
    for (char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._", *c)) *c = '_';
    if (asprintf(&file->path, "%s/%s%010lld.%s.%ld", folder, PREFIX, seconds > after ? seconds : after, host,
                 (long)getpid()) < 0) {
        file->path = NULL;
        return px_fail(PX_ERR_MEMORY, "%s: no memory for the name of its event file", folder);
    }
    file->fd = px_open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (file->fd >= 0) return PX_OK;
    px_status status =
        px_fail(PX_ERR_IO, "%s: the event file for TensorBoard cannot be made: %s", file->path, strerror(errno));
    px_event_file_close(file);
    return status;
}

void px_event_file_close(px_event_file *file)
{
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file->frame);
    *file = (px_event_file){.fd = -1};
}

uint32_t px_event_masked_crc(const void *data, size_t bytes)
{
    uint32_t crc = crc32_iscsi((unsigned char *)data, (int)bytes, 0xffffffffu) ^ 0xffffffffu;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static void put(unsigned char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(value >> (8 * i));
}

px_status px_event_file_append(px_event_file *file, const void *data, size_t bytes)
{
    size_t all = bytes + 16;
    if (bytes > INT_MAX) return px_fail(PX_ERR_INTERNAL, "%s: an event of %zu bytes", file->path, bytes);
    if (all > file->room) {
        unsigned char *larger = realloc(file->frame, 2 * all);
        if (!larger) return px_fail(PX_ERR_MEMORY, "%s: no memory for an event of %zu bytes", file->path, bytes);
        file->frame = larger;
        file->room = 2 * all;
    }
    put(file->frame, bytes, 8);
    put(file->frame + 8, px_event_masked_crc(file->frame, 8), 4);
    memcpy(file->frame + 12, data, bytes);
    put(file->frame + 12 + bytes, px_event_masked_crc(file->frame + 12, bytes), 4);
    if (px_write_all(file->fd, file->frame, all) != 0)
        return px_fail(PX_ERR_IO, "%s: writing failed: %s", file->path, strerror(errno));
    return PX_OK;
}
