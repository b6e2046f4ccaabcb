/* Reading and atomic writing: see file.h. */
#include "file.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- calls that a signal may interrupt --------------------------------------------------------------------------- */

int px_open(const char *path, int flags, mode_t mode)
{
    int fd;
    do fd = open(path, flags, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

ssize_t px_read(int descriptor, void *buffer, size_t bytes)
{
    ssize_t got;
    do got = read(descriptor, buffer, bytes);
    while (got < 0 && errno == EINTR);
    return got;
}

int px_write_all(int descriptor, const void *data, size_t bytes)
{
    const char *next = data;
    while (bytes > 0) {
        ssize_t wrote = write(descriptor, next, bytes);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return -1;
        if (wrote == 0) {
            errno = ENOSPC;
            return -1;
        }
        next += wrote;
        bytes -= (size_t)wrote;
    }
    return 0;
}

int px_sync(int descriptor)
{
    int result;
    do result = fsync(descriptor);
    while (result != 0 && errno == EINTR);
    return result;
}

int px_truncate(int descriptor, off_t bytes)
{
    int result;
    do result = ftruncate(descriptor, bytes);
    while (result != 0 && errno == EINTR);
    return result;
}

int px_rename(const char *from, const char *to)
{
    int result;
    do result = rename(from, to);
    while (result != 0 && errno == EINTR);
    return result;
}

int px_link(const char *from, const char *to)
{
    int result;
    do result = link(from, to);
    while (result != 0 && errno == EINTR);
    return result;
}

int px_make_folder(const char *path, mode_t mode)
{
    int result;
    do result = mkdir(path, mode);
    while (result != 0 && errno == EINTR);
    return result;
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* The cookie is the descriptor itself. */
static int descriptor_of(void *cookie) { return (int)(intptr_t)cookie; }

static ssize_t stream_read(void *cookie, char *buffer, size_t bytes)
{
    return px_read(descriptor_of(cookie), buffer, bytes);
}

static ssize_t stream_write(void *cookie, const char *data, size_t bytes)
{
    return px_write_all(descriptor_of(cookie), data, bytes) == 0 ? (ssize_t)bytes : 0;
}

static int stream_seek(void *cookie, off64_t *offset, int whence)
{
    off_t at = lseek(descriptor_of(cookie), (off_t)*offset, whence);
    if (at < 0) return -1;
    *offset = at;
    return 0;
}

static int stream_close(void *cookie) { return close(descriptor_of(cookie)); }

FILE *px_stream(int descriptor, const char *mode)
{
    cookie_io_functions_t functions = {
        .read = stream_read, .write = stream_write, .seek = stream_seek, .close = stream_close};
    return fopencookie((void *)(intptr_t)descriptor, mode, functions);
}

static ssize_t memory_write(void *cookie, const char *data, size_t bytes)
{
    px_memory_stream *m = cookie;
    if (m->bytes + bytes + 1 > m->room) {
        size_t room = 2 * (m->bytes + bytes) + 256;
        char *larger = realloc(m->text, room);
        if (!larger) {
            m->failed = 1;
            return 0;
        }
        m->text = larger;
        m->room = room;
    }
    memcpy(m->text + m->bytes, data, bytes);
    m->bytes += bytes;
    m->text[m->bytes] = 0;
    return (ssize_t)bytes;
}

px_status px_memory_open(px_memory_stream *memory, const char *what)
{
    *memory = (px_memory_stream){0};
    memory->stream = fopencookie(memory, "w", (cookie_io_functions_t){.write = memory_write});
    return memory->stream ? PX_OK : px_fail(PX_ERR_MEMORY, "%s: no memory to make it", what);
}

char *px_memory_end(px_memory_stream *memory)
{
    if (ferror(memory->stream)) memory->failed = 1;
    if (fclose(memory->stream) != 0) memory->failed = 1;
    if (memory->bytes == 0 && !memory->failed) memory_write(memory, "", 0);
    if (memory->failed) {
        free(memory->text);
        memory->text = NULL;
    }
    memory->stream = NULL;
    return memory->text;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

px_status px_file_open(const char *path, px_file *file)
{
    struct stat info;
    /* a pipe without a writer must not stop us; regular files do not care */
    *file = (px_file){.descriptor = px_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0), .path = path};
    if (file->descriptor < 0) return px_fail_system(errno, "%s", path);
    px_status status = PX_OK;
    if (fstat(file->descriptor, &info) != 0)
        status = px_fail_system(errno, "%s", path);
    else if (!S_ISREG(info.st_mode))
        status = px_fail(PX_ERR_INPUT, "%s: %s, a regular file is needed", path,
                         S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
    else
        file->bytes = (size_t)info.st_size;
    if (status != PX_OK) px_file_close(file);
    return status;
}

px_status px_file_read_at(const px_file *file, uint64_t offset, void *buffer, size_t bytes)
{
    char *next = buffer;
    while (bytes > 0) {
        ssize_t got = pread(file->descriptor, next, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return px_fail_system(errno, "%s: cannot be read", file->path);
        if (got == 0) return px_fail(PX_ERR_IO, "%s: became shorter while it was being read", file->path);
        next += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return PX_OK;
}

void px_file_close(px_file *file)
{
    if (file->descriptor >= 0) close(file->descriptor);
    file->descriptor = -1;
}

px_status px_file_read(const char *path, size_t limit, char **text, size_t *bytes)
{
    px_file file;
    char *buffer = NULL;
    PX_TRY(px_file_open(path, &file));
    px_status status = PX_OK;
    if (file.bytes > limit)
        status = px_fail(PX_ERR_INPUT, "%s: %zu bytes, at most %zu are expected here", path, file.bytes, limit);
    else if (!(buffer = malloc(file.bytes + 1)))
        status = px_fail(PX_ERR_MEMORY, "%s: no memory for %zu bytes", path, file.bytes);
    else
        status = px_file_read_at(&file, 0, buffer, file.bytes);
    px_file_close(&file);
    if (status != PX_OK) {
        free(buffer);
        return status;
    }
    buffer[file.bytes] = 0;
    *text = buffer;
    if (bytes) *bytes = file.bytes;
    return PX_OK;
}

px_status px_file_read_start(const char *path, void *buffer, size_t bytes, size_t *got)
{
    px_file file;
    PX_TRY(px_file_open(path, &file));
    *got = file.bytes < bytes ? file.bytes : bytes;
    px_status status = px_file_read_at(&file, 0, buffer, *got);
    px_file_close(&file);
    return status;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

px_status px_folder_open(const char *path, px_folder *folder)
{
    *folder = (px_folder){.path = path};
    do folder->listing = opendir(path);
    while (!folder->listing && errno == EINTR);
    return folder->listing ? PX_OK : px_fail_system(errno, "%s: cannot be listed", path);
}

px_status px_folder_next(px_folder *folder, const char **name)
{
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(folder->listing);
    } while (!entry && errno == EINTR);
    *name = entry ? entry->d_name : NULL;
    return entry || errno == 0 ? PX_OK : px_fail_system(errno, "%s: cannot be listed", folder->path);
}

void px_folder_close(px_folder *folder)
{
    if (folder->listing) closedir(folder->listing);
    folder->listing = NULL;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static px_status open_temporary(px_atomic_file *file)
{
    file->descriptor = px_open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file->descriptor < 0) return px_fail(PX_ERR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    file->stream = px_stream(file->descriptor, "w");
    if (!file->stream) {
        px_status status = px_fail(PX_ERR_MEMORY, "%s: no memory to write it", file->path);
        close(file->descriptor);
        return status;
    }
    setvbuf(file->stream, NULL, _IOFBF, 1 << 20);
    return PX_OK;
}

int px_file_is_same(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

px_status px_atomic_open(const char *path, px_atomic_file *file)
{
    struct stat info;
    *file = (px_atomic_file){.descriptor = -1};
    /* a rename would put a file in the place of a device or a pipe, such as /dev/null */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return px_fail(PX_ERR_IO, "%s: %s, only a regular file is replaced; give another name", path,
                       S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
    size_t length = strlen(path) + 32;
    file->path = strdup(path);
    file->temporary = malloc(length);
    if (!file->path || !file->temporary) {
        free(file->temporary);
        file->temporary = NULL;
        px_atomic_abandon(file);
        return px_fail(PX_ERR_MEMORY, "%s: no memory to open it", path);
    }
    snprintf(file->temporary, length, "%s.tmp.%ld", path, (long)getpid());
    px_status status = open_temporary(file);
    if (status != PX_OK) px_atomic_abandon(file);
    return status;
}

px_status px_atomic_write(px_atomic_file *file, const void *data, size_t bytes)
{
    if (bytes && fwrite(data, 1, bytes, file->stream) != bytes)
        return px_fail(PX_ERR_IO, "%s: writing failed: %s; the file was left as it was", file->path, strerror(errno));
    return PX_OK;
}

/* Flushes the folder's entry, so that the rename survives a power cut. Best effort: some file systems refuse. */
static void sync_folder(const char *path)
{
    char *folder = strdup(path);
    if (!folder) return;
    char *slash = strrchr(folder, '/');
    if (slash) *(slash == folder ? slash + 1 : slash) = 0;
    int fd = px_open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd >= 0) {
        px_sync(fd);
        close(fd);
    }
    free(folder);
}

px_status px_atomic_commit(px_atomic_file *file)
{
    int error = 0;
    errno = 0;
    if (fflush(file->stream) != 0 || ferror(file->stream) || px_sync(file->descriptor) != 0)
        error = errno ? errno : EIO;
    if (fclose(file->stream) != 0 && !error) error = errno ? errno : EIO;
    file->stream = NULL;
    if (!error && px_rename(file->temporary, file->path) != 0) error = errno;
    px_status status = PX_OK;
    if (error)
        status = px_fail(PX_ERR_IO, "%s: writing failed: %s; the file was left as it was", file->path, strerror(error));
    else {
        sync_folder(file->path);
        free(file->temporary);
        file->temporary = NULL;
    }
    px_atomic_abandon(file);
    return status;
}

void px_atomic_abandon(px_atomic_file *file)
{
    if (file->stream) fclose(file->stream);
    if (file->temporary) {
        unlink(file->temporary);
        free(file->temporary);
    }
    free(file->path);
    *file = (px_atomic_file){.descriptor = -1};
}

px_status px_atomic_end(px_atomic_file *file, px_status status)
{
    if (status == PX_OK) return px_atomic_commit(file);
    px_atomic_abandon(file);
    return status;
}

px_status px_file_put(const char *path, const void *data, size_t bytes)
{
    px_atomic_file file;
    PX_TRY(px_atomic_open(path, &file));
    return px_atomic_end(&file, px_atomic_write(&file, data, bytes));
}
