/* Loaded into a program by LD_PRELOAD: its k-th call of a kind fails (PERPLEX_FAIL_AT=k; PERPLEX_FAIL_ON=1: and all
 * after it), with the errno PERPLEX_FAIL_ERRNO (a number; 0: a read or write is cut short instead).
 *
 *     PERPLEX_FAIL_KIND=memory   malloc, calloc, realloc, aligned_alloc, anonymous mmap; strdup and all else that takes memory by them
 *                       open     open, fopen, opendir, mkostemp
 *                       read     read, pread, readdir
 *                       write    write, pwrite
 *                       file     fsync, ftruncate, rename, link, mkdir, posix_fallocate, mmap of a file
 *                       lock     flock
 *
 * With PERPLEX_FAIL_COUNT=FILE nothing fails, and the number of such calls is written to FILE at the end. Calls from
 * within some libraries (the loader, the C++ runtime), which end the process themselves when they get no memory, are
 * left alone. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

enum { RANGES_MAX = 128 };
static struct {
    uintptr_t begin, end;
} ranges[RANGES_MAX]; /* code whose calls count */
static int range_count;
static long calls, at;
static int on, error;
static const char *kind = "", *count_path;

static int is_left_alone(const char *name)
{
    static const char *const names[] = {"ld-linux", "libstdc++", "libgcc_s", "fail_at"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strstr(name, names[i])) return 1;
    return 0;
}

static int add_ranges(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size, (void)data;
    if (is_left_alone(info->dlpi_name)) return 0;
    for (int i = 0; i < info->dlpi_phnum && range_count < RANGES_MAX; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        ranges[range_count].begin = info->dlpi_addr + part->p_vaddr;
        ranges[range_count++].end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("PERPLEX_FAIL_AT"), *number = getenv("PERPLEX_FAIL_ERRNO");
    at = text ? atol(text) : 0;
    error = number ? atoi(number) : ENOMEM;
    on = getenv("PERPLEX_FAIL_ON") != NULL;
    count_path = getenv("PERPLEX_FAIL_COUNT");
    kind = getenv("PERPLEX_FAIL_KIND") ? getenv("PERPLEX_FAIL_KIND") : "";
    dl_iterate_phdr(add_ranges, NULL);
}

/* 1: this is the call to fail. */
static int now(const char *of, const void *caller)
{
    uintptr_t place = (uintptr_t)caller;
    if (strcmp(of, kind) != 0) return 0;
    for (int i = 0; i < range_count; i++) {
        if (place < ranges[i].begin || place >= ranges[i].end) continue;
        long call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
        return at > 0 && (call == at || (on && call > at));
    }
    return 0;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define CALLER __builtin_return_address(0)
#define FAILS(of, value)                                                                                               \
    do {                                                                                                               \
        if (now(of, CALLER)) {                                                                                         \
            errno = error;                                                                                             \
            return value;                                                                                              \
        }                                                                                                              \
    } while (0)

void *malloc(size_t bytes)
{
    FAILS("memory", NULL);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    FAILS("memory", NULL);
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    FAILS("memory", NULL);
    return __libc_realloc(block, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    FAILS("memory", NULL);
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes)
{
    if (now("memory", CALLER)) return ENOMEM;
    *block = __libc_memalign(alignment, bytes);
    return *block ? 0 : ENOMEM;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap);
    if (error != EINTR) FAILS(flags & MAP_ANONYMOUS ? "memory" : "file", MAP_FAILED); /* no signal interrupts it */
    return real(address, bytes, protection, flags, fd, offset);
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    __builtin_va_list rest;
    __builtin_va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? __builtin_va_arg(rest, mode_t) : 0;
    __builtin_va_end(rest);
    FAILS("open", -1);
    return real(path, flags, mode);
}

#define PLAIN(of, value, type, name, parameters, arguments)                                                            \
    type name parameters                                                                                               \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        FAILS(of, value);                                                                                              \
        return real arguments;                                                                                         \
    }

PLAIN("open", NULL, FILE *, fopen, (const char *path, const char *mode), (path, mode))
PLAIN("open", NULL, DIR *, opendir, (const char *path), (path))
PLAIN("open", -1, int, mkostemp, (char *path, int flags), (path, flags))
PLAIN("file", -1, int, fsync, (int fd), (fd))
PLAIN("file", -1, int, ftruncate, (int fd, off_t bytes), (fd, bytes))
PLAIN("file", -1, int, rename, (const char *from, const char *to), (from, to))
PLAIN("file", -1, int, link, (const char *from, const char *to), (from, to))
PLAIN("file", -1, int, mkdir, (const char *path, mode_t mode), (path, mode))
PLAIN("lock", -1, int, flock, (int fd, int operation), (fd, operation))
PLAIN("file", error, int, posix_fallocate, (int fd, off_t offset, off_t bytes), (fd, offset, bytes))

#define TRANSFER(of, name, parameters, arguments, short_arguments)                                                     \
    ssize_t name parameters                                                                                            \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        if (!now(of, CALLER)) return real arguments;                                                                   \
        if (error == 0 && bytes > 1) return real short_arguments;                                                      \
        if (error == 0) return real arguments;                                                                         \
        errno = error;                                                                                                 \
        return -1;                                                                                                     \
    }

TRANSFER("read", read, (int fd, void *data, size_t bytes), (fd, data, bytes), (fd, data, bytes / 2))
TRANSFER("read", pread, (int fd, void *data, size_t bytes, off_t from), (fd, data, bytes, from),
         (fd, data, bytes / 2, from))
TRANSFER("write", write, (int fd, const void *data, size_t bytes), (fd, data, bytes), (fd, data, bytes / 2))
TRANSFER("write", pwrite, (int fd, const void *data, size_t bytes, off_t to), (fd, data, bytes, to),
         (fd, data, bytes / 2, to))

struct dirent *readdir(DIR *folder)
{
    REAL(readdir);
    if (error != 0) FAILS("read", NULL); /* it cannot be cut short */
    return real(folder);
}

__attribute__((destructor)) static void report(void)
{
    char text[32];
    if (!count_path) return;
    __typeof__(&open) real_open = (__typeof__(&open))dlsym(RTLD_NEXT, "open");
    __typeof__(&write) real_write = (__typeof__(&write))dlsym(RTLD_NEXT, "write");
    int length = snprintf(text, sizeof text, "%ld\n", calls),
        fd = real_open(count_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || real_write(fd, text, (size_t)length) < 0) abort();
    close(fd);
}
