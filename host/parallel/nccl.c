/* Communicators of NCCL: see nccl.h. What is declared here of NCCL is from its documented interface (nccl.h of 2.14 and
 * later), so that building perplex does not need it. */
#include "nccl.h"

#include "check.h"
#include "machine.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the interface of NCCL --------------------------------------------------------------------------------------- */

enum {
    NCCL_SUCCESS = 0,
    NCCL_IN_PROGRESS = 7,
    NCCL_SUM = 0,
    NCCL_FLOAT32 = 7,
    NCCL_VERSION_MIN = 21400,
    NCCL_CONFIG_MAGIC = (int)0xcafebeef
};

typedef struct nccl_id {
    char bytes[PX_NCCL_ID_BYTES];
} nccl_id;

/* ncclConfig_t as of 2.14: later ones are longer, and tell the lengths apart by size and version. */
typedef struct nccl_config {
    size_t size;
    unsigned magic, version;
    int blocking;
} nccl_config;

typedef struct ncclComm nccl_comm;

static struct {
    int (*version)(int *);
    int (*unique_id)(nccl_id *);
    int (*init)(nccl_comm **, int, nccl_id, int, nccl_config *);
    int (*all_reduce)(const void *, void *, size_t, int, int, nccl_comm *, void *);
    int (*async_error)(nccl_comm *, int *);
    int (*finalize)(nccl_comm *);
    int (*destroy)(nccl_comm *);
    int (*abort)(nccl_comm *);
    const char *(*error_string)(int);
    const char *(*last_error)(nccl_comm *);
} api;

static const struct {
    const char *name;
    void **place;
} symbols[] = {
    {"ncclGetVersion", (void **)&api.version},
    {"ncclGetUniqueId", (void **)&api.unique_id},
    {"ncclCommInitRankConfig", (void **)&api.init},
    {"ncclAllReduce", (void **)&api.all_reduce},
    {"ncclCommGetAsyncError", (void **)&api.async_error},
    {"ncclCommFinalize", (void **)&api.finalize},
    {"ncclCommDestroy", (void **)&api.destroy},
    {"ncclCommAbort", (void **)&api.abort},
    {"ncclGetErrorString", (void **)&api.error_string},
    {"ncclGetLastError", (void **)&api.last_error},
};

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int loaded_version; /* under lock */

static const char *const PINNED[][2] = {{"NCCL_ALGO", "Ring"}, {"NCCL_PROTO", "Simple"}};

static px_status load_locked(void)
{
    const char *given = getenv("PERPLEX_NCCL"), *name = given && *given ? given : "libnccl.so.2";
    int version = 0;
    for (size_t i = 0; i < sizeof PINNED / sizeof *PINNED; i++) setenv(PINNED[i][0], PINNED[i][1], 0);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        return px_fail(PX_ERR_DEVICE,
                       "%s: NCCL cannot be loaded: %s; install it (libnccl2, or PyPI's nvidia-nccl-cu13), name its "
                       "file in PERPLEX_NCCL, or use one rank",
                       name, why ? why : "unknown reason");
    }
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        *symbols[i].place = dlsym(library, symbols[i].name);
        if (*symbols[i].place) continue;
        dlclose(library);
        return px_fail(PX_ERR_DEVICE, "%s: has no %s: NCCL 2.14 or newer is needed", name, symbols[i].name);
    }
    int result = api.version(&version);
    if (result != NCCL_SUCCESS || version < NCCL_VERSION_MIN || version / 10000 != 2) {
        dlclose(library);
        return px_fail(PX_ERR_DEVICE, "%s: NCCL %d.%d.%d; version 2.14 or a newer 2 is needed", name, version / 10000,
                       version / 100 % 100, version % 100);
    }
    loaded_version = version; /* never closed: it has threads of its own */
    return PX_OK;
}

px_status px_nccl_load(int32_t *version)
{
    pthread_mutex_lock(&lock);
    px_status status = loaded_version ? PX_OK : load_locked();
    if (version) *version = loaded_version;
    pthread_mutex_unlock(&lock);
    return status;
}

void px_nccl_describe(char *text, size_t size)
{
    int32_t version = 0;
    const char *algorithm = getenv(PINNED[0][0]), *protocol = getenv(PINNED[1][0]);
    if (px_nccl_load(&version) != PX_OK)
        snprintf(text, size, "no NCCL");
    else
        snprintf(text, size, "NCCL %d.%d.%d, algorithm %s, protocol %s", version / 10000, version / 100 % 100,
                 version % 100, algorithm ? algorithm : "its choice", protocol ? protocol : "its choice");
}

/* ---- communicators ----------------------------------------------------------------------------------------------- */

struct px_nccl {
    px_nccl_options options;
    nccl_comm *comm;   /* NULL once given up */
    int pending;       /* the last call may not be in its stream yet */
    char gave_up[256]; /* why */
};

/* The library's own words on a failure; its last line, where it has one. */
static void reason(const px_nccl *nccl, int result, char *text, size_t size)
{
    const char *detail = api.last_error(nccl->comm);
    snprintf(text, size, "%s%s%.300s", api.error_string(result), detail && *detail ? ": " : "",
             detail && *detail ? detail : "");
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r') *c = ' ';
}

/* Other ranks see it as an error or as a stall. */
void px_nccl_give_up(px_nccl *nccl)
{
    if (nccl->comm) api.abort(nccl->comm);
    nccl->comm = NULL;
    nccl->pending = 0;
    snprintf(nccl->gave_up, sizeof nccl->gave_up, "%.255s", px_error_message());
}

static const char *const LOOK_ELSEWHERE = "another rank may have ended: see its message";

static px_status failed(px_nccl *nccl, px_status status, const char *call, int result, const char *remedy)
{
    char text[512];
    reason(nccl, result, text, sizeof text);
    (void)px_fail(status, "rank %d of %d: %s: %s; %s, and NCCL's own words with NCCL_DEBUG=WARN",
                  (int)nccl->options.rank, (int)nccl->options.size, call, text, remedy);
    px_nccl_give_up(nccl);
    return status;
}

static px_status stalled(px_nccl *nccl, const char *what, double limit_s, const char *remedy)
{
    (void)px_fail(PX_ERR_IO, "rank %d of %d: %s within %g s; another rank has ended or hangs%s",
                  (int)nccl->options.rank, (int)nccl->options.size, what, limit_s, remedy);
    px_nccl_give_up(nccl);
    return PX_ERR_IO;
}

static px_status check_alive(const px_nccl *nccl)
{
    if (nccl->comm) return PX_OK;
    return px_fail(PX_ERR_IO, "the ranks were given up before: %s", nccl->gave_up);
}

static px_status listen_to_others(px_nccl *nccl)
{
    px_status status = nccl->options.listen ? nccl->options.listen(nccl->options.listen_context) : PX_OK;
    if (status != PX_OK) px_nccl_give_up(nccl);
    return status;
}

/* Polls until the last call has been taken in; *result: how it went, NCCL_IN_PROGRESS: not before `end`. Fails where
 * another rank has told of a failure. */
static px_status settle_before(px_nccl *nccl, double end, int *result)
{
    for (long pause_ns = 1000;; pause_ns = pause_ns < 1000000 ? 2 * pause_ns : pause_ns) {
        int asked = api.async_error(nccl->comm, result);
        if (asked != NCCL_SUCCESS) *result = asked;
        if (*result != NCCL_IN_PROGRESS || px_clock() >= end) return PX_OK;
        if (pause_ns > 100000) PX_TRY(listen_to_others(nccl));
        nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
    }
}

/* The last call must be in its stream before the next one, and before an event is recorded behind it. */
static px_status settle(px_nccl *nccl)
{
    int result;
    if (!nccl->pending) return PX_OK;
    PX_TRY(settle_before(nccl, px_clock() + nccl->options.stall_timeout_s, &result));
    if (result == NCCL_IN_PROGRESS)
        return stalled(nccl, "no reduction could be started", nccl->options.stall_timeout_s, "");
    nccl->pending = 0;
    return result == NCCL_SUCCESS ? PX_OK : failed(nccl, PX_ERR_IO, "ncclAllReduce", result, LOOK_ELSEWHERE);
}

px_status px_nccl_new_id(void *id)
{
    nccl_id made;
    PX_TRY(px_nccl_load(NULL));
    int result = api.unique_id(&made);
    if (result != NCCL_SUCCESS)
        return px_fail(PX_ERR_DEVICE,
                       "ncclGetUniqueId: %s; is there a network interface? NCCL_SOCKET_IFNAME names one, "
                       "NCCL_DEBUG=WARN says more",
                       api.error_string(result));
    memcpy(id, &made, sizeof made);
    return PX_OK;
}

/* Makes the communicator, once all ranks are there. */
static px_status meet(px_nccl *nccl, const void *id)
{
    const px_nccl_options *options = &nccl->options;
    nccl_config config = {
        .size = sizeof config, .magic = (unsigned)NCCL_CONFIG_MAGIC, .version = NCCL_VERSION_MIN, .blocking = 0};
    nccl_id job;
    memcpy(&job, id, sizeof job);
    int result = api.init(&nccl->comm, options->size, job, options->rank, &config);
    if (result == NCCL_IN_PROGRESS && nccl->comm)
        PX_TRY(settle_before(nccl, px_clock() + options->start_timeout_s, &result));
    if (result == NCCL_IN_PROGRESS)
        return stalled(nccl, "not all ranks met", options->start_timeout_s,
                       "; raise --bootstrap-timeout if they start late");
    if (result != NCCL_SUCCESS)
        return failed(nccl, PX_ERR_DEVICE, "ncclCommInitRankConfig", result,
                      "each rank needs a GPU of its own: see perplex info --devices");
    return PX_OK;
}

px_status px_nccl_create(const px_nccl_options *options, const void *id, px_nccl **result_nccl)
{
    *result_nccl = NULL;
    PX_TRY(px_nccl_load(NULL));
    px_nccl *nccl = calloc(1, sizeof *nccl);
    if (!nccl) return px_fail(PX_ERR_MEMORY, "no memory for a communicator");
    nccl->options = *options;
    px_status status = meet(nccl, id);
    if (status != PX_OK) {
        free(nccl);
        return status;
    }
    *result_nccl = nccl;
    return PX_OK;
}

void px_nccl_destroy(px_nccl *nccl)
{
    enum { LEAVE_S = 10 }; /* for reductions that are under way on other ranks */
    int result;
    if (!nccl) return;
    if (nccl->comm) {
        result = api.finalize(nccl->comm);
        nccl->options.listen = NULL; /* the others may have gone already */
        if (result == NCCL_SUCCESS || result == NCCL_IN_PROGRESS) settle_before(nccl, px_clock() + LEAVE_S, &result);
        if (result == NCCL_SUCCESS)
            api.destroy(nccl->comm);
        else
            api.abort(nccl->comm);
    }
    free(nccl);
}

/* ---- as a reducer ------------------------------------------------------------------------------------------------ */

px_status px_nccl_start(void *context, float *part, size_t count, void *stream)
{
    px_nccl *nccl = context;
    PX_TRY(check_alive(nccl));
    PX_TRY(settle(nccl));
    int result = api.all_reduce(part, part, count, NCCL_FLOAT32, NCCL_SUM, nccl->comm, stream);
    if (result != NCCL_SUCCESS && result != NCCL_IN_PROGRESS)
        return failed(nccl, PX_ERR_IO, "ncclAllReduce", result, LOOK_ELSEWHERE);
    nccl->pending = result == NCCL_IN_PROGRESS;
    return PX_OK;
}

px_status px_nccl_finish(void *context, void *stream)
{
    px_nccl *nccl = context;
    (void)stream; /* sums are in the stream's order */
    PX_TRY(check_alive(nccl));
    return settle(nccl);
}

px_status px_nccl_watch(void *context, double waited_s)
{
    px_nccl *nccl = context;
    int result = NCCL_SUCCESS;
    PX_TRY(check_alive(nccl));
    PX_TRY(listen_to_others(nccl));
    int asked = api.async_error(nccl->comm, &result);
    if (asked != NCCL_SUCCESS) result = asked;
    if (result != NCCL_SUCCESS && result != NCCL_IN_PROGRESS)
        return failed(nccl, PX_ERR_IO, "NCCL", result, LOOK_ELSEWHERE);
    if (waited_s > nccl->options.stall_timeout_s)
        return stalled(nccl, "a reduction did not end", nccl->options.stall_timeout_s, "");
    return PX_OK;
}
