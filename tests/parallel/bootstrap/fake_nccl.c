/* A libnccl.so.2 without GPUs, for tests: sums over processes through a shared file, and fails or hangs where it is
 * told to.
 *
 * It has what host/parallel/nccl.c uses of NCCL, with the behaviour of non-blocking communicators. With stream NULL a
 * reduction goes on while its state is asked for; with a stream of the fake CUDA runtime it stands in that stream and
 * holds it up until all ranks have come there, as NCCL's kernels do.
 *
 *     PX_FAKE_NCCL_DIR    folder of the shared files [/tmp]
 *     PX_FAKE_NCCL_LOG    a line for each call is appended to this file
 *     PX_FAKE_NCCL_FAULT  old | id-fails | init-fails | init-hangs | enqueue-fails | reduce-hangs | reduce-breaks | reduce-dies;
 *                         with "@K" a reduction's fault comes at the Kth one (from 1) */
#include "fake_stream.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum { SUCCESS = 0, SYSTEM_ERROR = 2, INTERNAL_ERROR = 3, INVALID_ARGUMENT = 4, REMOTE_ERROR = 6, IN_PROGRESS = 7 };
enum { RANKS_MAX = 16, SLOT_FLOATS = 1 << 20, FLOAT32 = 7, SUM = 0 };

typedef struct ncclUniqueId {
    char internal[128];
} ncclUniqueId;

typedef struct ncclConfig {
    size_t size;
    unsigned magic, version;
    int blocking;
} ncclConfig;

/* The file that all ranks of a communicator map. */
typedef struct shared {
    atomic_uint_fast64_t joined[RANKS_MAX], arrived[RANKS_MAX], done[RANKS_MAX], count[RANKS_MAX];
    float slot[RANKS_MAX][SLOT_FLOATS];
} shared;

typedef struct ncclComm {
    shared *all;
    int rank, size, aborted, failed, met;
    unsigned long long reductions; /* called for */
    struct reduction *waiting;     /* with stream NULL */
    char path[512];
    struct ncclComm *next; /* of those that were aborted */
} ncclComm;

typedef struct reduction {
    ncclComm *comm;
    const float *in;
    float *out;
    size_t count;
    unsigned long long number;
    int arrived;
} reduction;

static char last_error[256];
static ncclComm *aborted; /* streams may still hold a reduction of theirs */

/* ---- what the test has asked for --------------------------------------------------------------------------------- */

static void record(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void record(const char *format, ...)
{
    const char *path = getenv("PX_FAKE_NCCL_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    va_list args;
    if (!log) return;
    va_start(args, format);
    vfprintf(log, format, args);
    va_end(args);
    fclose(log);
}

static int fault(const char *name, unsigned long long number)
{
    const char *given = getenv("PX_FAKE_NCCL_FAULT");
    size_t length = strlen(name);
    if (!given || strncmp(given, name, length) != 0) return 0;
    if (given[length] == '@') return number == strtoull(given + length + 1, NULL, 10);
    return given[length] == '\0';
}

static int fail(int result, const char *words)
{
    snprintf(last_error, sizeof last_error, "%s", words);
    return result;
}

/* ---- reductions -------------------------------------------------------------------------------------------------- */

static int all_have(atomic_uint_fast64_t *marks, int size, unsigned long long number)
{
    for (int rank = 0; rank < size; rank++)
        if (atomic_load(&marks[rank]) < number) return 0;
    return 1;
}

/* 0: done (or given up), 1: not all ranks are there yet. */
static int advance(void *argument)
{
    reduction *r = argument;
    ncclComm *comm = r->comm;
    shared *all = comm->all;
    if (comm->aborted) {
        free(r);
        return 0;
    }
    if (comm->failed) return 1;
    if (fault("reduce-hangs", r->number)) return 1;
    if (fault("reduce-breaks", r->number)) {
        comm->failed = fail(REMOTE_ERROR, "socket closed by rank 1 (fake)");
        return 1;
    }
    if (!r->arrived) {
        if (!all_have(all->done, comm->size, r->number - 1)) return 1; /* a slot is still being read */
        memcpy(all->slot[comm->rank], r->in, r->count * sizeof(float));
        atomic_store(&all->count[comm->rank], r->count);
        atomic_store(&all->arrived[comm->rank], r->number);
        r->arrived = 1;
    }
    if (!all_have(all->arrived, comm->size, r->number)) return 1;
    for (int rank = 0; rank < comm->size; rank++)
        if (atomic_load(&all->count[rank]) != r->count)
            comm->failed = fail(INVALID_ARGUMENT, "ranks reduce different counts (fake)");
    for (size_t i = 0; i < r->count; i++) {
        float sum = all->slot[0][i];
        for (int rank = 1; rank < comm->size; rank++) sum += all->slot[rank][i];
        r->out[i] = sum;
    }
    atomic_store(&all->done[comm->rank], r->number);
    free(r);
    return 0;
}

/* ---- the library ------------------------------------------------------------------------------------------------- */

#define EXPORT __attribute__((visibility("default")))
EXPORT int ncclGetVersion(int *version);
EXPORT int ncclGetUniqueId(ncclUniqueId *id);
EXPORT int ncclCommInitRankConfig(ncclComm **comm, int size, ncclUniqueId id, int rank, ncclConfig *config);
EXPORT int ncclAllReduce(const void *in, void *out, size_t count, int type, int operation, ncclComm *comm,
                         void *stream);
EXPORT int ncclCommGetAsyncError(ncclComm *comm, int *result);
EXPORT int ncclCommFinalize(ncclComm *comm);
EXPORT int ncclCommDestroy(ncclComm *comm);
EXPORT int ncclCommAbort(ncclComm *comm);
EXPORT const char *ncclGetErrorString(int result);
EXPORT const char *ncclGetLastError(ncclComm *comm);

int ncclGetVersion(int *version)
{
    *version = fault("old", 0) ? 21003 : 22905;
    return SUCCESS;
}

int ncclGetUniqueId(ncclUniqueId *id)
{
    const char *algorithm = getenv("NCCL_ALGO"), *protocol = getenv("NCCL_PROTO");
    if (fault("id-fails", 0)) return fail(SYSTEM_ERROR, "no socket interface found (fake)");
    memset(id, 0, sizeof *id);
    memcpy(id->internal, "FAKE", 4);
    if (getrandom(id->internal + 4, 16, 0) != 16) return SYSTEM_ERROR;
    record("id algo=%s proto=%s\n", algorithm ? algorithm : "-", protocol ? protocol : "-");
    return SUCCESS;
}

int ncclCommInitRankConfig(ncclComm **result, int size, ncclUniqueId id, int rank, ncclConfig *config)
{
    const char *folder = getenv("PX_FAKE_NCCL_DIR");
    *result = NULL;
    if (config->magic != 0xcafebeef || config->size < sizeof *config || config->blocking != 0)
        return fail(INVALID_ARGUMENT, "config argument (fake)");
    if (memcmp(id.internal, "FAKE", 4) != 0 || rank < 0 || rank >= size || size > RANKS_MAX)
        return fail(INVALID_ARGUMENT, "id, rank or size (fake)");
    if (fault("init-fails", 0)) return fail(INTERNAL_ERROR, "Duplicate GPU detected (fake)");
    ncclComm *comm = calloc(1, sizeof *comm);
    int length = snprintf(comm->path, sizeof comm->path, "%s/px-fake-nccl-", folder ? folder : "/tmp");
    for (int i = 4; i < 20; i++)
        length +=
            snprintf(comm->path + length, sizeof comm->path - (size_t)length, "%02x", (unsigned char)id.internal[i]);
    int file = open(comm->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof(shared)) != 0) {
        free(comm);
        return fail(SYSTEM_ERROR, "no shared file (fake)");
    }
    comm->all = mmap(NULL, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    comm->rank = rank;
    comm->size = size;
    record("init rank=%d size=%d\n", rank, size);
    atomic_store(&comm->all->joined[rank], 1);
    *result = comm;
    return IN_PROGRESS;
}

int ncclCommGetAsyncError(ncclComm *comm, int *result)
{
    *result = IN_PROGRESS;
    if (fault("init-hangs", 0)) return SUCCESS;
    if (!comm->met) {
        if (!all_have(comm->all->joined, comm->size, 1)) return SUCCESS;
        comm->met = 1;
        unlink(comm->path); /* everybody has it mapped */
    }
    if (comm->waiting && advance(comm->waiting) == 0) comm->waiting = NULL;
    *result = comm->failed ? comm->failed : comm->waiting ? IN_PROGRESS : SUCCESS;
    return SUCCESS;
}

int ncclAllReduce(const void *in, void *out, size_t count, int type, int operation, ncclComm *comm, void *stream)
{
    px_fake_stream *fake = stream;
    if (type != FLOAT32 || operation != SUM || count > SLOT_FLOATS)
        return fail(INVALID_ARGUMENT, "type, operation or count (fake)");
    if (fault("enqueue-fails", comm->reductions + 1))
        return fail(SYSTEM_ERROR, "Call to connect failed: connection refused (fake)");
    if (fault("reduce-dies", comm->reductions + 1)) _exit(9);
    if (comm->waiting) return fail(INVALID_ARGUMENT, "a call before the last one was taken in (fake)");
    reduction *r = calloc(1, sizeof *r);
    *r = (reduction){.comm = comm, .in = in, .out = out, .count = count, .number = ++comm->reductions};
    record("allreduce rank=%d number=%llu count=%zu\n", comm->rank, r->number, count);
    if (!fake) {
        comm->waiting = r;
        return IN_PROGRESS;
    }
    if (fake->magic != PX_FAKE_STREAM_MAGIC) return fail(INVALID_ARGUMENT, "a stream of no fake runtime (fake)");
    return fake->enqueue(stream, advance, r) == 0 ? SUCCESS : fail(INTERNAL_ERROR, "the stream takes nothing (fake)");
}

int ncclCommFinalize(ncclComm *comm)
{
    record("finalize rank=%d\n", comm->rank);
    return SUCCESS;
}

int ncclCommDestroy(ncclComm *comm)
{
    record("destroy rank=%d\n", comm->rank);
    munmap(comm->all, sizeof(shared));
    free(comm);
    return SUCCESS;
}

/* What stands in a stream is let go the next time it is tried; so the communicator itself stays. */
int ncclCommAbort(ncclComm *comm)
{
    record("abort rank=%d\n", comm->rank);
    comm->aborted = 1;
    if (comm->waiting) advance(comm->waiting);
    comm->waiting = NULL;
    unlink(comm->path);
    comm->next = aborted;
    aborted = comm;
    return SUCCESS;
}

const char *ncclGetErrorString(int result)
{
    static const char *const words[] = {"no error",
                                        "unhandled cuda error",
                                        "unhandled system error",
                                        "internal error",
                                        "invalid argument",
                                        "invalid usage",
                                        "remote process exited or there was a network error",
                                        "NCCL operation in progress"};
    return result >= 0 && result <= IN_PROGRESS ? words[result] : "unknown result code";
}

const char *ncclGetLastError(ncclComm *comm)
{
    (void)comm;
    return last_error;
}
