/* Broken files, thousands of them, and always the same ones: no reader crashes on one, hangs, leaks, or asks for absurd
 * memory; each is read or refused with a message.
 *
 *     test_fuzz                        every target
 *     test_fuzz TARGET                 one
 *     test_fuzz TARGET ITERATION FILE  writes that input to FILE and reads it in this process, for a debugger
 *
 * A target runs in a process of its own that says in shared memory where it is; so a crash can be named, and a hang be
 * ended. Memory is bounded by the address space (in ordinary builds) or by AddressSanitizer's largest allocation. */
#include "targets.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "max_allocation_size_mb=256:allocator_may_return_null=1"; }
#else
#define SANITIZED 0
#endif

enum { HANG_S = 600, MEMORY_MB = 1024, SEED_LIMIT = 1 << 22 };

typedef struct place {
    volatile int iteration, accepted;
    volatile char mistake[512];
} place;

static fuzz_bytes read_seed(const char *folder, const char *name)
{
    char path[700];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    fuzz_bytes seed = {malloc(SEED_LIMIT), 0};
    if (!file || !seed.data) exit(1);
    seed.bytes = fread(seed.data, 1, SEED_LIMIT, file);
    fclose(file);
    return seed;
}

static void write_input(const char *path, const fuzz_bytes *input)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(input->data, 1, input->bytes, file) != input->bytes || fclose(file) != 0) {
        fprintf(stderr, "fuzz: %s cannot be written: %s\n", path, strerror(errno));
        exit(1);
    }
}

/* Iteration 0 of each seed is the seed itself, which must be accepted. */
static fuzz_bytes make_input(const fuzz_target *target, const fuzz_bytes *seeds, size_t seed_count, int iteration)
{
    size_t which = (size_t)iteration % seed_count;
    fuzz_bytes input = fuzz_copy(seeds[which].data, seeds[which].bytes);
    if ((size_t)iteration < seed_count) return input;
    fuzz_random random = {.state = (uint64_t)iteration * 1000003u + (unsigned char)target->name[0]};
    target->mutate(&input, &seeds[fuzz_below(&random, seed_count)], &random);
    return input;
}

static size_t read_seeds(const fuzz_target *target, const char *folder, fuzz_bytes *seeds)
{
    size_t count = 0;
    while (count < FUZZ_SEEDS_MAX && target->seeds[count]) {
        seeds[count] = read_seed(folder, target->seeds[count]);
        count++;
    }
    return count;
}

static void complain(place *at, const char *what)
{
    snprintf((char *)at->mistake, sizeof at->mistake, "%s: %.400s", what, px_error_message());
    exit(1);
}

static void run_target(const fuzz_target *target, const char *folder, place *at)
{
    fuzz_bytes seeds[FUZZ_SEEDS_MAX];
    char path[700];
    size_t count = read_seeds(target, folder, seeds);
    snprintf(path, sizeof path, "%s/input", folder);
    if (!SANITIZED) setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)MEMORY_MB << 20, (rlim_t)MEMORY_MB << 20});
    fuzz_prepare(folder);
    for (int i = 0; i < target->iterations; i++) {
        at->iteration = i;
        fuzz_bytes input = make_input(target, seeds, count, i);
        write_input(path, &input);
        px_status status = target->read(folder, path, &input);
        free(input.data);
        at->accepted += status == PX_OK;
        const char *mistake = fuzz_mistake(status);
        if (mistake) complain(at, mistake);
        if (status != PX_OK && (size_t)i < count) complain(at, "a valid file was refused");
    }
    for (size_t i = 0; i < count; i++) free(seeds[i].data);
    exit(0); /* the leak checker looks now */
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits for the child; ends it where an input takes too long. Returns wait's status, -1 for a hang. */
static int watch(pid_t child, const place *at)
{
    int status, iteration = -1;
    double since = now();
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (at->iteration != iteration) {
            iteration = at->iteration;
            since = now();
        } else if (now() - since > HANG_S) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return status;
}

static int try_target(const fuzz_target *target, const char *folder)
{
    place *at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return 1;
    memset((void *)at, 0, sizeof *at);
    double started = now();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) run_target(target, folder, at);
    int status = child < 0 ? 1 : watch(child, at);
    int failed = status != 0;
    if (failed) {
        printf("FAIL  %s: input %d: ", target->name, at->iteration);
        if (status == -1)
            printf("hangs");
        else if (at->mistake[0])
            printf("%s", (const char *)at->mistake);
        else if (WIFSIGNALED(status))
            printf("crashes: %s", strsignal(WTERMSIG(status)));
        else
            printf("ends with status %d", WEXITSTATUS(status));
        printf("\n      to see it: test_fuzz %s %d FILE\n", target->name, at->iteration);
    } else
        printf("ok    %s: %d inputs, %d of them accepted, %.1f s\n", target->name, target->iterations, at->accepted,
               now() - started);
    munmap(at, sizeof *at);
    return failed;
}

static int reproduce(const fuzz_target *target, const char *folder, int iteration, const char *path)
{
    fuzz_bytes seeds[FUZZ_SEEDS_MAX];
    size_t count = read_seeds(target, folder, seeds);
    fuzz_prepare(folder);
    fuzz_bytes input = make_input(target, seeds, count, iteration);
    write_input(path, &input);
    printf("%s: %zu bytes\n", path, input.bytes);
    fflush(stdout);
    px_status status = target->read(folder, path, &input);
    printf("%s %s\n", px_status_name(status), status == PX_OK ? "" : px_error_message());
    free(input.data);
    for (size_t i = 0; i < count; i++) free(seeds[i].data);
    return 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *level)
{
    (void)info, (void)kind, (void)level;
    return remove(path);
}

int main(int argc, char **argv)
{
    char folder[600];
    const char *base = getenv("TMPDIR");
    int failed = 0, found = 0;
    if (!base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/perplex-fuzz-XXXXXX", base);
    if (!mkdtemp(folder)) return 1;
    pid_t child = fork(); /* the training's threads stay out of the processes that are forked from here */
    if (child == 0) {
        fuzz_make_seeds(folder);
        exit(0);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) failed = 1;
    for (size_t i = 0; i < fuzz_target_count && !failed; i++) {
        if (argc > 1 && strcmp(argv[1], fuzz_targets[i].name) != 0) continue;
        found = 1;
        failed |= argc > 3 ? reproduce(&fuzz_targets[i], folder, atoi(argv[2]), argv[3])
                           : try_target(&fuzz_targets[i], folder);
    }
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return failed || !found;
}
