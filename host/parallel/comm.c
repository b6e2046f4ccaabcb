/* The calls of comm.h over whatever carries them: pieces of bounded size, sums in a fixed order, and waits that end. */
#include "comm.h"

#include "check.h"
#include "comm_load.h"
#include "comm_tcp.h"
#include "machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PIECE_BYTES = 64 << 20, WORDS_BYTES = 700 };
static const double SPIN_S = 50e-6, YIELD_S = 1e-3, LISTEN_S = 10e-3, NOTICE_S = 0.4;

static px_status meet_without_mpi(const px_ranks *ranks, const px_comm_options *options, px_comm *comm)
{
    px_bootstrap how = {.way = options->way, .timeout_s = options->meet_timeout_s};
    PX_TRY(px_bootstrap_from_environment(ranks->rank, ranks->size,
                                         px_bootstrap_one_node(ranks->rank, ranks->size, ranks->local_rank), &how));
    return px_comm_meet_tcp(&how, &comm->ops, &comm->state);
}

static px_status meet(const px_ranks *ranks, const px_comm_options *options, px_comm *comm)
{
    if (options->way == PX_BOOTSTRAP_MPI) return px_comm_load_mpi(ranks, &comm->ops, &comm->state);
    if (options->way == PX_BOOTSTRAP_AUTO && ranks->mpi) {
        px_status status = px_comm_load_mpi(ranks, &comm->ops, &comm->state);
        if (status != PX_ERR_DEVICE)
            return status; /* else this build or machine has no MPI, which is the same on all ranks */
    }
    return meet_without_mpi(ranks, options, comm);
}

px_status px_comm_open(const px_ranks *ranks, const px_comm_options *options, px_comm **result)
{
    *result = NULL;
    px_comm *comm = calloc(1, sizeof *comm);
    if (!comm) return px_fail(PX_ERR_MEMORY, "no memory to talk to the other ranks");
    *comm = (px_comm){
        .rank = ranks->rank, .size = ranks->size, .local_rank = ranks->local_rank, .timeout_s = options->timeout_s};
    if (ranks->size > 1) {
        px_status status = meet(ranks, options, comm);
        if (status != PX_OK) {
            free(comm);
            return status;
        }
    }
    *result = comm;
    return PX_OK;
}

void px_comm_close(px_comm *comm, px_status status)
{
    if (!comm) return;
    if (comm->ops)
        comm->ops->close(comm->state, comm->broken ? (status == PX_OK ? 1 : px_status_exit_code(status)) : 0);
    free(comm);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* First in a spin (a step's exchanges take microseconds), then leaving the core to others, then asleep. */
static void pause_after(double waited)
{
    if (waited < SPIN_S) return;
    if (waited < YIELD_S)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = waited < 0.1 ? 100000 : 2000000}, NULL);
}

static px_status broken(px_comm *comm, px_status status)
{
    comm->broken = 1;
    return status;
}

static px_status listen_to_others(px_comm *comm)
{
    char text[WORDS_BYTES];
    int32_t from;
    if (!comm->ops->heard(comm->state, &from, text, sizeof text)) return PX_OK;
    return broken(comm, px_fail(PX_ERR_IO, "rank %d of %d has failed: %s", (int)from, (int)comm->size, text));
}

static void notice(px_comm *comm)
{
    char text[160];
    if (comm->noticed || !comm->notice) return;
    comm->noticed = 1;
    snprintf(text, sizeof text, "rank %d of %d: told to end while waiting for the other ranks; has one of them died?",
             (int)comm->rank, (int)comm->size);
    comm->notice(comm->notice_context, text);
}

static px_status wait_for(px_comm *comm, px_comm_work work, double timeout_s)
{
    double started = 0, listened = 0, signalled = 0;
    for (;;) {
        int done = 0;
        px_status status = comm->ops->test(comm->state, work, &done);
        if (status != PX_OK) return broken(comm, status);
        if (done) return PX_OK;
        double now = px_clock();
        if (started == 0) started = listened = now;
        if (now - listened >= LISTEN_S) {
            PX_TRY(listen_to_others(comm));
            listened = now;
        }
        if (comm->signalled && *comm->signalled) {
            if (signalled == 0) signalled = now;
            if (now - signalled >= NOTICE_S) notice(comm);
        }
        if (timeout_s > 0 && now - started > timeout_s)
            return broken(
                comm, px_fail(PX_ERR_IO,
                              "rank %d of %d: no answer from the other ranks for %g s: one of them has died or hangs; "
                              "where a step may take longer, raise --rank-timeout",
                              (int)comm->rank, (int)comm->size, timeout_s));
        pause_after(now - started);
    }
}

static px_status finish_call(px_comm *comm, px_status started)
{
    if (started != PX_OK) return broken(comm, started);
    return wait_for(comm, PX_COMM_CALL, comm->timeout_s);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static size_t piece(size_t left) { return left < PIECE_BYTES ? left : PIECE_BYTES; }

px_status px_comm_broadcast(px_comm *comm, void *data, size_t bytes)
{
    if (comm->size == 1) return PX_OK;
    for (size_t done = 0; done < bytes; done += piece(bytes - done))
        PX_TRY(finish_call(comm, comm->ops->broadcast(comm->state, (char *)data + done, piece(bytes - done))));
    return PX_OK;
}

px_status px_comm_wait_for_root(px_comm *comm)
{
    char nothing = 0;
    if (comm->size == 1) return PX_OK;
    px_status started = comm->ops->broadcast(comm->state, &nothing, 1);
    if (started != PX_OK) return broken(comm, started);
    return wait_for(comm, PX_COMM_CALL, comm->rank == 0 ? comm->timeout_s : 0);
}

px_status px_comm_all_gather(px_comm *comm, const void *mine, size_t bytes, void *all)
{
    if (comm->size == 1) {
        memmove(all, mine, bytes);
        return PX_OK;
    }
    return finish_call(comm, comm->ops->all_gather(comm->state, mine, bytes, all));
}

static px_status exchange(px_comm *comm, int32_t peer, const void *send, size_t send_bytes, void *receive,
                          size_t receive_bytes)
{
    size_t bytes = send_bytes > receive_bytes ? send_bytes : receive_bytes;
    for (size_t done = 0; done < bytes; done += piece(bytes - done)) {
        size_t out = send_bytes > done ? piece(send_bytes - done) : 0,
               in = receive_bytes > done ? piece(receive_bytes - done) : 0;
        PX_TRY(finish_call(comm, comm->ops->exchange(comm->state, peer, out ? (const char *)send + done : NULL, out,
                                                     in ? (char *)receive + done : NULL, in)));
    }
    return PX_OK;
}

px_status px_comm_exchange(px_comm *comm, int32_t peer, const void *send, void *receive, size_t bytes)
{
    if (peer == comm->rank) {
        memmove(receive, send, bytes);
        return PX_OK;
    }
    return exchange(comm, peer, send, bytes, receive, bytes);
}

px_status px_comm_gather(px_comm *comm, const void *mine, size_t bytes, void *all)
{
    if (comm->rank != 0) return exchange(comm, 0, mine, bytes, NULL, 0);
    memmove(all, mine, bytes);
    for (int32_t peer = 1; peer < comm->size; peer++)
        PX_TRY(exchange(comm, peer, NULL, 0, (char *)all + (size_t)peer * bytes, bytes));
    return PX_OK;
}

/* Every rank's bytes, in the order of ranks; malloc'ed. purpose: what there may be no memory for. NULL: see *status. */
static void *gather_all(px_comm *comm, const void *mine, size_t bytes, const char *purpose, px_status *status)
{
    void *all = malloc((size_t)comm->size * bytes);
    if (!all) {
        *status = broken(comm, px_fail(PX_ERR_MEMORY, "no memory to %s %d ranks", purpose, (int)comm->size));
        return NULL;
    }
    *status = px_comm_all_gather(comm, mine, bytes, all);
    if (*status == PX_OK) return all;
    free(all);
    return NULL;
}

px_status px_comm_sum(px_comm *comm, double *values, size_t count)
{
    if (comm->size == 1) return PX_OK;
    px_status status;
    double *all = gather_all(comm, values, count * sizeof *values, "add up over", &status);
    if (!all) return status;
    for (size_t i = 0; i < count; i++) {
        values[i] = all[i];
        for (size_t rank = 1; rank < (size_t)comm->size; rank++) values[i] += all[rank * count + i];
    }
    free(all);
    return PX_OK;
}

px_status px_comm_max(px_comm *comm, int64_t *values, size_t count)
{
    if (comm->size == 1) return PX_OK;
    px_status status;
    int64_t *all = gather_all(comm, values, count * sizeof *values, "compare", &status);
    if (!all) return status;
    for (size_t i = 0; i < (size_t)comm->size * count; i++)
        if (all[i] > values[i % count]) values[i % count] = all[i];
    free(all);
    return PX_OK;
}

px_status px_comm_sum_start(px_comm *comm, float *part, size_t count)
{
    enum { PIECE = PIECE_BYTES / sizeof(float) };
    int done;
    if (comm->size == 1) return PX_OK;
    for (size_t first = 0; first < count; first += PIECE) {
        px_status status =
            comm->ops->sum_floats(comm->state, part + first, count - first < PIECE ? count - first : PIECE);
        if (status != PX_OK) return broken(comm, status);
    }
    /* sums under way move on when they are looked at */
    px_status status = comm->ops->test(comm->state, PX_COMM_SUMS, &done);
    return status == PX_OK ? PX_OK : broken(comm, status);
}

px_status px_comm_sum_finish(px_comm *comm)
{
    return comm->size == 1 ? PX_OK : wait_for(comm, PX_COMM_SUMS, comm->timeout_s);
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

px_status px_comm_listen(px_comm *comm) { return comm->size == 1 ? PX_OK : listen_to_others(comm); }

typedef struct verdict {
    int32_t status;
    char words[WORDS_BYTES];
} verdict;

px_status px_comm_agree(px_comm *comm, px_status status)
{
    if (comm->size == 1 || comm->broken || (comm->agreed && status != PX_OK)) return status; /* said already */
    verdict mine = {.status = status}, *all = malloc((size_t)comm->size * sizeof *all);
    if (status != PX_OK) snprintf(mine.words, sizeof mine.words, "%.*s", WORDS_BYTES - 1, px_error_message());
    if (!all) return broken(comm, px_fail(PX_ERR_MEMORY, "no memory to compare %d ranks", (int)comm->size));
    px_status met = px_comm_all_gather(comm, &mine, sizeof mine, all);
    int32_t bad = 0;
    while (bad < comm->size && all[bad].status == PX_OK) bad++;
    if (met != PX_OK)
        status = met;
    else if (status == PX_OK && bad < comm->size)
        status = px_fail((px_status)all[bad].status, "rank %d of %d: %s", (int)bad, (int)comm->size, all[bad].words);
    free(all);
    comm->agreed = met == PX_OK && status != PX_OK;
    return status;
}

void px_comm_tell(px_comm *comm)
{
    if (!comm || comm->size == 1 || comm->broken || comm->agreed) return;
    comm->broken = 1;
    comm->ops->tell(comm->state, px_error_message());
}
