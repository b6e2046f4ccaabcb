/* Mapped reading and atomic writing: see file.h. */
#include "file.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static px_status open_regular(const char *path, int *descriptor, size_t *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not stop us; regular files do not care */
    if (fd < 0) return px_fail(PX_ERR_INPUT, "%s: %s", path, strerror(errno));
    struct stat info;
    if (fstat(fd, &info) != 0) {
        int error = errno;
        close(fd);
        return px_fail(PX_ERR_INPUT, "%s: %s", path, strerror(error));
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return px_fail(PX_ERR_INPUT, "%s: %s, a regular file is needed", path, S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
    }
    *descriptor = fd;
    *bytes = (size_t)info.st_size;
    return PX_OK;
}

px_status px_file_map(const char *path, px_mapping *mapping)
{
    int fd = -1;
    *mapping = (px_mapping){0};
    PX_TRY(open_regular(path, &fd, &mapping->bytes));
    if (mapping->bytes > 0) {
        void *data = mmap(NULL, mapping->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        int error = errno;
        close(fd);
        if (data == MAP_FAILED) {
            *mapping = (px_mapping){0};
            return px_fail(PX_ERR_INPUT, "%s: cannot be mapped: %s", path, strerror(error));
        }
        mapping->data = data;
    } else
        close(fd);
    return PX_OK;
}

void px_file_unmap(px_mapping *mapping)
{
    if (mapping->data) munmap((void *)mapping->data, mapping->bytes);
    *mapping = (px_mapping){0};
}

px_status px_file_read(const char *path, size_t limit, char **text, size_t *bytes)
{
    int fd = -1;
    size_t size = 0;
    PX_TRY(open_regular(path, &fd, &size));
    if (size > limit) {
        close(fd);
        return px_fail(PX_ERR_INPUT, "%s: %zu bytes, at most %zu are expected here", path, size, limit);
    }
    char *buffer = malloc(size + 1);
    if (!buffer) {
        close(fd);
        return px_fail(PX_ERR_MEMORY, "%s: no memory for %zu bytes", path, size);
    }
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, buffer + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int error = errno;
            close(fd);
            free(buffer);
            return px_fail(PX_ERR_INPUT, "%s: %s", path, n == 0 ? "became shorter while it was read" : strerror(error));
        }
        got += (size_t)n;
    }
    close(fd);
    buffer[size] = 0;
    *text = buffer;
    if (bytes) *bytes = size;
    return PX_OK;
}

px_status px_atomic_open(const char *path, px_atomic_file *file)
{
    struct stat info;
    *file = (px_atomic_file){0};
    /* a rename would put a file in the place of a device or a pipe, such as /dev/null */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return px_fail(PX_ERR_IO, "%s: %s, only a regular file is replaced; give another name", path, S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
    size_t length = strlen(path) + 32;
    file->path = strdup(path);
    file->temporary = malloc(length);
    if (!file->path || !file->temporary) {
        px_atomic_abandon(file);
        return px_fail(PX_ERR_MEMORY, "%s: no memory to open it", path);
    }
    snprintf(file->temporary, length, "%s.tmp.%ld", path, (long)getpid());
    file->stream = fopen(file->temporary, "wbe");
    if (!file->stream) {
        int error = errno;
        px_atomic_abandon(file);
        return px_fail(PX_ERR_IO, "%s: cannot be written: %s", path, strerror(error));
    }
    setvbuf(file->stream, NULL, _IOFBF, 1 << 20);
    return PX_OK;
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
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

px_status px_atomic_commit(px_atomic_file *file)
{
    int error = 0;
    if (fflush(file->stream) != 0 || ferror(file->stream) || fsync(fileno(file->stream)) != 0) error = errno ? errno : EIO;
    if (fclose(file->stream) != 0 && !error) error = errno;
    file->stream = NULL;
    if (!error && rename(file->temporary, file->path) != 0) error = errno;
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
    *file = (px_atomic_file){0};
}
