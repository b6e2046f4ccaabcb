/* Ranks as threads: see thread_ranks.h. Messages lie in one queue per pair, copied when they are sent. */
#include "thread_ranks.h"

#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct message {
    struct message *next;
    size_t bytes;
    unsigned char data[];
} message;

typedef struct world {
    int32_t size;
    pthread_mutex_t lock;
    message *queue[THREAD_RANKS_MAX][THREAD_RANKS_MAX]; /* from, to */
    message *words[THREAD_RANKS_MAX][THREAD_RANKS_MAX];
} world;

/* What a call still waits for from one rank; to NULL: nothing. */
typedef struct awaited {
    void *to;
    size_t bytes;
} awaited;

typedef struct thread_rank {
    world *world;
    int32_t rank;
    awaited call[THREAD_RANKS_MAX];
} thread_rank;

static void put(world *w, message **queue, const void *data, size_t bytes)
{
    message *m = malloc(sizeof *m + bytes), **end = queue;
    m->next = NULL;
    m->bytes = bytes;
    memcpy(m->data, data, bytes);
    pthread_mutex_lock(&w->lock);
    while (*end) end = &(*end)->next;
    *end = m;
    pthread_mutex_unlock(&w->lock);
}

static message *take(world *w, message **queue)
{
    pthread_mutex_lock(&w->lock);
    message *m = *queue;
    if (m) *queue = m->next;
    pthread_mutex_unlock(&w->lock);
    return m;
}

static px_status all_gather(void *state, const void *mine, size_t bytes, void *all)
{
    thread_rank *r = state;
    for (int32_t peer = 0; peer < r->world->size; peer++) {
        put(r->world, &r->world->queue[r->rank][peer], mine, bytes);
        r->call[peer] = (awaited){(char *)all + (size_t)peer * bytes, bytes};
    }
    return PX_OK;
}

static px_status broadcast(void *state, void *data, size_t bytes)
{
    thread_rank *r = state;
    for (int32_t peer = 1; r->rank == 0 && peer < r->world->size; peer++)
        put(r->world, &r->world->queue[0][peer], data, bytes);
    if (r->rank != 0) r->call[0] = (awaited){data, bytes};
    return PX_OK;
}

static px_status exchange(void *state, int32_t peer, const void *send, size_t send_bytes, void *receive,
                          size_t receive_bytes)
{
    thread_rank *r = state;
    if (send_bytes) put(r->world, &r->world->queue[r->rank][peer], send, send_bytes);
    if (receive_bytes) r->call[peer] = (awaited){receive, receive_bytes};
    return PX_OK;
}

static px_status sum_floats(void *state, float *part, size_t count)
{
    (void)state, (void)part, (void)count;
    return px_fail(PX_ERR_INTERNAL, "threads do not add up");
}

static px_status test(void *state, px_comm_work work, int *done)
{
    thread_rank *r = state;
    *done = 1;
    if (work != PX_COMM_CALL) return PX_OK;
    for (int32_t peer = 0; peer < r->world->size; peer++) {
        if (!r->call[peer].to) continue;
        message *m = take(r->world, &r->world->queue[peer][r->rank]);
        if (!m) {
            *done = 0;
            continue;
        }
        if (m->bytes != r->call[peer].bytes) abort(); /* ranks that are not at the same place */
        memcpy(r->call[peer].to, m->data, m->bytes);
        r->call[peer] = (awaited){0};
        free(m);
    }
    return PX_OK;
}

static void tell(void *state, const char *text)
{
    thread_rank *r = state;
    for (int32_t peer = 0; peer < r->world->size; peer++)
        if (peer != r->rank) put(r->world, &r->world->words[r->rank][peer], text, strlen(text) + 1);
}

static int heard(void *state, int32_t *from, char *text, size_t text_bytes)
{
    thread_rank *r = state;
    for (int32_t peer = 0; peer < r->world->size; peer++) {
        message *m = take(r->world, &r->world->words[peer][r->rank]);
        if (!m) continue;
        strncpy(text, (const char *)m->data, text_bytes - 1);
        text[text_bytes - 1] = 0;
        *from = peer;
        free(m);
        return 1;
    }
    return 0;
}

static void leave(void *state, int abort_code) { (void)state, (void)abort_code; }

static const px_comm_ops ops = {"threads", broadcast, all_gather, exchange, sum_floats, test, tell, heard, leave};

typedef struct job {
    px_comm comm;
    void (*body)(px_comm *comm, void *context);
    void *context;
} job;

static void *run(void *argument)
{
    job *j = argument;
    j->body(&j->comm, j->context);
    return NULL;
}

void thread_ranks_run(int32_t size, double timeout_s, void (*body)(px_comm *comm, void *context), void *context)
{
    world w = {.size = size, .lock = PTHREAD_MUTEX_INITIALIZER};
    thread_rank rank[THREAD_RANKS_MAX];
    job jobs[THREAD_RANKS_MAX];
    pthread_t thread[THREAD_RANKS_MAX];
    for (int32_t i = 0; i < size; i++) {
        rank[i] = (thread_rank){.world = &w, .rank = i};
        jobs[i] = (job){
            .comm = {.ops = &ops, .state = &rank[i], .rank = i, .size = size, .local_rank = i, .timeout_s = timeout_s},
            .body = body,
            .context = context};
        if (pthread_create(&thread[i], NULL, run, &jobs[i]) != 0) abort();
    }
    for (int32_t i = 0; i < size; i++) pthread_join(thread[i], NULL);
    for (int32_t a = 0; a < size; a++)
        for (int32_t b = 0; b < size; b++)
            for (message *m; (m = take(&w, &w.queue[a][b])) || (m = take(&w, &w.words[a][b]));) free(m);
}
