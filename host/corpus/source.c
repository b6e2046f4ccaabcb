/* Sources of text: files and standard input. See reader.h. */
#include "check.h"
#include "file.h"
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

px_status px_scratch_open(const char *directory, int *descriptor)
{
    if (!directory) directory = getenv("TMPDIR");
    if (!directory || !*directory) directory = "/tmp";
    size_t room = strlen(directory) + 32;
    char *path = malloc(room);
    if (!path) return px_fail(PX_ERR_MEMORY, "no memory for the name of a temporary file");
    int fd;
    do {
        snprintf(path, room, "%s/perplex-XXXXXX", directory);
        fd = mkostemp(path, O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    int error = errno;
    if (fd >= 0) unlink(path); /* it lives as long as it is open or mapped */
    free(path);
    if (fd < 0) return px_fail(PX_ERR_IO, "%s: no temporary file can be made there: %s; set TMPDIR to a folder with room", directory, strerror(error));
    *descriptor = fd;
    return PX_OK;
}

static px_status read_some(const px_source *source, int descriptor, char *buffer, size_t room, size_t *got)
{
    ssize_t n = px_read(descriptor, buffer, room);
    if (n < 0) return px_fail_system(errno, "%s: cannot be read", source->name);
    *got = (size_t)n;
    return PX_OK;
}

/* A pipe becomes an unlinked file. Takes the descriptor over. */
static px_status spool(px_source *source, const char *scratch_dir)
{
    int pipe_end = source->descriptor, copy = -1;
    char *buffer = malloc(CHUNK);
    px_status status = buffer ? PX_OK : px_fail(PX_ERR_MEMORY, "%s: no memory to read it", source->name);
    if (status == PX_OK) status = px_scratch_open(scratch_dir, &copy);
    source->bytes = 0;
    while (status == PX_OK) {
        size_t got = 0;
        status = read_some(source, pipe_end, buffer, CHUNK, &got);
        if (status != PX_OK || got == 0) break;
        if (px_write_all(copy, buffer, got) != 0)
            status = px_fail(PX_ERR_IO, "%s: its temporary copy cannot be written: %s; set TMPDIR to a folder with room", source->name, strerror(errno));
        source->bytes += got;
    }
    free(buffer);
    close(pipe_end);
    source->descriptor = copy;
    return status;
}

px_status px_source_open(const char *path, const char *scratch_dir, px_source *source)
{
    int standard = strcmp(path, "-") == 0;
    *source = (px_source){.descriptor = -1, .name = standard ? "standard input" : path};
    /* A copy of descriptor 0 shares its position; a spool starts where it stands. */
    int fd = standard ? fcntl(0, F_DUPFD_CLOEXEC, 0) : px_open(path, O_RDONLY | O_CLOEXEC, 0);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        int error = errno;
        if (fd >= 0) close(fd);
        return px_fail_system(error, "%s", source->name);
    }
    source->descriptor = fd;
    px_status status = PX_OK;
    if (S_ISREG(info.st_mode) && (!standard || lseek(fd, 0, SEEK_CUR) == 0))
        source->bytes = (size_t)info.st_size;
    else if (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || (standard && !S_ISDIR(info.st_mode)))
        status = spool(source, scratch_dir);
    else
        status = px_fail(PX_ERR_INPUT, "%s: %s, a text or token file is needed", source->name, S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
    if (status != PX_OK) px_source_close(source);
    return status;
}

void px_source_close(px_source *source)
{
    if (source->descriptor >= 0) close(source->descriptor);
    source->descriptor = -1;
}

px_status px_source_tokenise(px_source *source, px_text_options options, px_sink *sink, size_t *text_bytes,
                             px_progress progress, void *progress_context)
{
    px_tokeniser tokeniser;
    char *buffer = malloc(CHUNK);
    px_status status = buffer ? px_tokeniser_init(&tokeniser, options, source->name, sink)
                              : px_fail(PX_ERR_MEMORY, "%s: no memory to read it", source->name);
    if (status != PX_OK) goto fail_init;
    if (lseek(source->descriptor, 0, SEEK_SET) != 0) {
        status = px_fail_system(errno, "%s: cannot be read from its start", source->name);
        goto fail_read;
    }
    size_t held = 0; /* bytes of a cut sequence at the buffer's start */
    for (int final = 0; !final && !tokeniser.enough;) {
        size_t got = 0, used = 0;
        PX_TRY_GOTO(status, read_some(source, source->descriptor, buffer + held, CHUNK - held, &got), fail_read);
        final = got == 0;
        PX_TRY_GOTO(status, px_tokeniser_feed(&tokeniser, buffer, held + got, final, &used), fail_read);
        held = held + got - used;
        if (!tokeniser.enough) memmove(buffer, buffer + used, held);
        if (progress) progress(progress_context, source->name, source->bytes ? (double)tokeniser.offset / (double)source->bytes : 1);
    }
    *text_bytes = (size_t)tokeniser.offset;
fail_read:
    px_tokeniser_free(&tokeniser);
fail_init:
    free(buffer);
    return status;
}
