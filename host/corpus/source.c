/* Sources of text: files and standard input. See reader.h. */
#include "check.h"
#include "file.h"
#include "note.h"
#include "reader.h"
#include "text_form.h"
#include "token_file.h"
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, OPEN_FILES = 64 };

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
    if (fd < 0)
        return px_fail(PX_ERR_IO, "%s: no temporary file can be made there: %s; set TMPDIR to a folder with room",
                       directory, strerror(error));
    *descriptor = fd;
    return PX_OK;
}

static px_status read_some(const px_source_file *source, int descriptor, char *buffer, size_t room, size_t *got)
{
    ssize_t n = px_read(descriptor, buffer, room);
    if (n < 0) return px_fail_system(errno, "%s: cannot be read", source->name);
    *got = (size_t)n;
    return PX_OK;
}

/* buffer [CHUNK]. Counts in file->bytes. */
static px_status copy_all(px_source_file *file, int from, int to, char *buffer)
{
    for (size_t got;; file->bytes += got) {
        PX_TRY(read_some(file, from, buffer, CHUNK, &got));
        if (got == 0) return PX_OK;
        if (px_write_all(to, buffer, got) != 0)
            return px_fail(PX_ERR_IO, "%s: its temporary copy cannot be written: %s; set TMPDIR to a folder with room",
                           file->name, strerror(errno));
    }
}

/* A pipe becomes an unlinked file. Takes the descriptor over. */
static px_status spool(px_source_file *file, const char *scratch_dir)
{
    int pipe_end = file->descriptor, copy = -1;
    char *buffer = malloc(CHUNK);
    px_status status;
    file->bytes = 0;
    if (!buffer) {
        status = px_fail(PX_ERR_MEMORY, "%s: no memory to read it", file->name);
        goto done;
    }
    PX_TRY_GOTO(status, px_scratch_open(scratch_dir, &copy), done);
    status = copy_all(file, pipe_end, copy, buffer);
done:
    free(buffer);
    close(pipe_end);
    file->descriptor = copy;
    return status;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* What can be opened again by its name. */
static void close_reopenable(px_source_file *file)
{
    if (!file->from_start || file->spooled) return;
    close(file->descriptor);
    file->descriptor = -1;
}

/* once: a pipe is read as it comes, not spooled. */
static px_status open_file(const char *path, const char *scratch_dir, int once, px_source_file *file)
{
    int standard = strcmp(path, "-") == 0;
    *file = (px_source_file){.descriptor = -1, .path = path, .name = standard ? "standard input" : path};
    /* A copy of descriptor 0 shares its position; a spool starts where it stands. */
    int fd = standard ? fcntl(0, F_DUPFD_CLOEXEC, 0) : px_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return px_fail_system(errno, "%s", file->name);
    file->descriptor = fd;
    struct stat info;
    if (fstat(fd, &info) != 0) return px_fail_system(errno, "%s", file->name);
    if (S_ISREG(info.st_mode) && (!standard || lseek(fd, 0, SEEK_CUR) == 0)) {
        file->bytes = (size_t)info.st_size;
        file->from_start = 1;
        return PX_OK;
    }
    if (!S_ISFIFO(info.st_mode) && !S_ISSOCK(info.st_mode) && (!standard || S_ISDIR(info.st_mode)))
        return px_fail(PX_ERR_INPUT, "%s: %s, a text or token file is needed", file->name,
                       S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
    if (once) return PX_OK;
    file->from_start = file->spooled = 1;
    return spool(file, scratch_dir);
}

static px_status open_files(const char *scratch_dir, int once, px_source *source)
{
    source->file = calloc(source->paths.count, sizeof *source->file);
    if (!source->file) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", source->name);
    while (source->file_count < source->paths.count) {
        px_source_file *file = &source->file[source->file_count++];
        PX_TRY(open_file(source->paths.path[source->file_count - 1], scratch_dir, once, file));
        source->bytes += file->bytes;
        /* of many files each is opened again when its turn comes; what is no longer anywhere else stays open */
        if (source->file_count > OPEN_FILES) close_reopenable(file);
    }
    if (source->file_count == 1) source->descriptor = source->file[0].descriptor;
    return PX_OK;
}

static px_status open_paths(const char *paths, const char *scratch_dir, int once, px_source *source)
{
    *source = (px_source){.descriptor = -1};
    PX_TRY(px_paths_split(paths, &source->paths));
    px_paths_name(paths, source->name);
    px_status status = open_files(scratch_dir, once, source);
    if (status != PX_OK) px_source_close(source);
    return status;
}

px_status px_source_open(const char *paths, const char *scratch_dir, px_source *source)
{
    return open_paths(paths, scratch_dir, 0, source);
}

void px_source_close(px_source *source)
{
    for (size_t i = 0; i < source->file_count; i++)
        if (source->file[i].descriptor >= 0) close(source->file[i].descriptor);
    free(source->file);
    px_paths_free(&source->paths);
    source->file = NULL;
    source->file_count = 0;
    source->descriptor = -1;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* The file from its first byte. */
static px_status start_file(px_source_file *file, px_unpack **unpack)
{
    if (file->descriptor < 0) file->descriptor = px_open(file->path, O_RDONLY | O_CLOEXEC, 0);
    if (file->descriptor < 0) return px_fail_system(errno, "%s", file->name);
    if (file->from_start && lseek(file->descriptor, 0, SEEK_SET) != 0)
        return px_fail_system(errno, "%s: cannot be read from its start", file->name);
    return px_unpack_open(file->descriptor, file->name, unpack);
}

/* What the unpacked text begins with; *mark: bytes of a byte order mark, which is no part of a text of characters or
 * words. */
static px_status check_start(const px_source *source, const px_source_file *file, const px_unpack *unpack,
                             const char *text, size_t bytes, int level, size_t *mark)
{
    const char *what;
    const size_t magic = sizeof PX_TOKEN_MAGIC - 1;
    *mark = 0;
    if (bytes >= magic && memcmp(text, PX_TOKEN_MAGIC, magic) == 0)
        return px_fail(PX_ERR_INPUT, "%s: a token file%s; give it alone, as it is", file->name,
                       px_unpack_is_packed(unpack) ? ", compressed"
                       : source->file_count > 1    ? " among other files"
                                                   : "");
    px_text_form form = px_text_form_of(text, bytes, &what);
    if (form == PX_FORM_FOREIGN && level == 0)
        px_note("%s: %s; its bytes are read as they are (iconv -f %s -t UTF-8 makes UTF-8 of it)", file->name, what,
                what);
    if (form == PX_FORM_MARKED && level != 0) {
        *mark = PX_MARK_BYTES;
        px_note("%s: the byte order mark at its start is no part of the text", file->name);
    }
    if (form == PX_FORM_GZIP || form == PX_FORM_ZSTD || form == PX_FORM_PACKED ||
        (form == PX_FORM_FOREIGN && level != 0))
        return px_text_form_refuse(file->name, form, what);
    return PX_OK;
}

/* One file through the tokeniser. buffer [CHUNK]. before: bytes of the files that came earlier. */
static px_status tokenise_file(const px_source *source, px_source_file *file, px_tokeniser *tokeniser, char *buffer,
                               size_t before, size_t *text_bytes, px_progress progress, void *progress_context)
{
    px_unpack *unpack;
    size_t held = 0, mark = 0; /* held: bytes of a cut sequence at the buffer's start */
    PX_TRY(start_file(file, &unpack));
    px_status status = PX_OK;
    tokeniser->source = file->name;
    tokeniser->offset = 0;
    for (int final = 0, first = 1; !final && !tokeniser->enough; first = 0) {
        size_t got = 0, used = 0;
        PX_TRY_GOTO(status, px_unpack_read(unpack, buffer + held, CHUNK - held, &got), done);
        final = got == 0;
        if (first)
            PX_TRY_GOTO(status, check_start(source, file, unpack, buffer, got, tokeniser->options.level, &mark), done);
        size_t skip = first ? mark : 0;
        tokeniser->offset += skip;
        PX_TRY_GOTO(status, px_tokeniser_feed(tokeniser, buffer + skip, held + got - skip, final, &used), done);
        held = held + got - skip - used;
        if (!tokeniser->enough) memmove(buffer, buffer + skip + used, held);
        if (progress)
            progress(progress_context, source->name,
                     source->bytes ? (double)(before + px_unpack_position(unpack)) / (double)source->bytes : 1);
    }
    *text_bytes += (size_t)tokeniser->offset - mark;
done:
    px_unpack_close(unpack);
    if (source->file_count > OPEN_FILES) close_reopenable(file);
    return status;
}

px_status px_source_tokenise(px_source *source, px_text_options options, px_sink *sink, size_t *text_bytes,
                             px_progress progress, void *progress_context)
{
    px_tokeniser tokeniser;
    size_t before = 0;
    char *buffer = malloc(CHUNK);
    px_status status;
    *text_bytes = 0;
    if (!buffer) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", source->name);
    PX_TRY_GOTO(status, px_tokeniser_init(&tokeniser, options, source->name, sink), done);
    for (size_t i = 0; i < source->file_count && !tokeniser.enough; i++) {
        PX_TRY_GOTO(
            status,
            tokenise_file(source, &source->file[i], &tokeniser, buffer, before, text_bytes, progress, progress_context),
            free_tokeniser);
        before += source->file[i].bytes;
    }
free_tokeniser:
    px_tokeniser_free(&tokeniser);
done:
    free(buffer);
    return status;
}

/* ---- as a stream ------------------------------------------------------------------------------------------------- */

typedef struct text_stream {
    px_source source;
    px_unpack *unpack;
    char start[PX_FORM_HEAD_BYTES]; /* what was read to see what it is, and is still to be given: [at, bytes) */
    size_t at, bytes;
    px_status *failure;
} text_stream;

static ssize_t read_stream(void *cookie, char *buffer, size_t room)
{
    text_stream *s = cookie;
    size_t got = s->bytes - s->at < room ? s->bytes - s->at : room;
    if (got > 0) {
        memcpy(buffer, s->start + s->at, got);
        s->at += got;
        return (ssize_t)got;
    }
    *s->failure = px_unpack_read(s->unpack, buffer, room, &got);
    if (*s->failure == PX_OK) return (ssize_t)got;
    errno = EIO;
    return -1;
}

static int close_stream(void *cookie)
{
    text_stream *s = cookie;
    px_unpack_close(s->unpack);
    px_source_close(&s->source);
    free(s);
    return 0;
}

px_status px_text_stream(const char *path, int level, px_status *failure, FILE **stream)
{
    text_stream *s = calloc(1, sizeof *s);
    if (!s) return px_fail(PX_ERR_MEMORY, "%s: no memory to read it", path);
    s->source.descriptor = -1;
    s->failure = failure;
    *failure = PX_OK;
    px_status status;
    PX_TRY_GOTO(status, open_paths(path, NULL, 1, &s->source), fail);
    PX_TRY_GOTO(status, start_file(&s->source.file[0], &s->unpack), fail);
    PX_TRY_GOTO(status, px_unpack_read(s->unpack, s->start, sizeof s->start, &s->bytes), fail);
    PX_TRY_GOTO(status, check_start(&s->source, &s->source.file[0], s->unpack, s->start, s->bytes, level, &s->at),
                fail);
    *stream = fopencookie(s, "r", (cookie_io_functions_t){.read = read_stream, .close = close_stream});
    if (*stream) return PX_OK;
    status = px_fail(PX_ERR_MEMORY, "%s: no memory to read it", path);
fail:
    close_stream(s);
    return status;
}
