/* Loaded into a program by LD_PRELOAD: kills it, as SIGKILL would, at its k-th call that changes files
 * (PERPLEX_DIE_AT=k). A write is half done then; of the other calls nothing. With PERPLEX_DIE_COUNT=FILE the program
 * lives, and the number of such calls is written to FILE at its end. Used by die_at.sh to stop a training at every
 * place where that could matter. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static long calls;

/* 1: this is the call to die in. */
static int now(void)
{
    static long at = -1;
    if (at < 0) {
        const char *text = getenv("PERPLEX_DIE_AT");
        at = text ? atol(text) : 0;
    }
    return ++calls == at;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

size_t fwrite(const void *data, size_t size, size_t count, FILE *stream)
{
    REAL(fwrite);
    if (now()) {
        real(data, 1, size * count / 2, stream);
        fflush_unlocked(stream);
        die();
    }
    return real(data, size, count, stream);
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    REAL(write);
    if (now()) {
        if (real(fd, data, bytes / 2) < 0) die();
        die();
    }
    return real(fd, data, bytes);
}

#define PLAIN(type, name, parameters, arguments)                                                                       \
    type name parameters                                                                                               \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        if (now()) die();                                                                                              \
        return real arguments;                                                                                         \
    }

PLAIN(int, mkdir, (const char *path, mode_t mode), (path, mode))
PLAIN(int, rmdir, (const char *path), (path))
PLAIN(int, unlink, (const char *path), (path))
PLAIN(int, rename, (const char *from, const char *to), (from, to))
PLAIN(int, link, (const char *from, const char *to), (from, to))
PLAIN(int, fsync, (int fd), (fd))
PLAIN(int, ftruncate, (int fd, off_t bytes), (fd, bytes))
PLAIN(FILE *, fopen, (const char *path, const char *mode), (path, mode))
PLAIN(int, fflush, (FILE * stream), (stream))
PLAIN(int, fclose, (FILE * stream), (stream))

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("PERPLEX_DIE_COUNT");
    char text[32];
    if (!path) return;
    int length = snprintf(text, sizeof text, "%ld\n", calls), fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) return;
    __typeof__(&write) real = (__typeof__(&write))dlsym(RTLD_NEXT, "write");
    if (real(fd, text, (size_t)length) < 0) abort();
    close(fd);
}
