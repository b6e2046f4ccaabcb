/* MPI behind comm.h: the module perplex-mpi.so. Everything is started without waiting and looked at by test(); who
 * waits, and for how long, is comm.c's.
 *
 * A second communicator carries what a failing rank tells the others, so that it can never be taken for data. */
#include "comm.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TELL_TAG = 1, EXCHANGE_TAG = 2, SUMS_MAX = 256 };

typedef struct mpi_state {
    MPI_Comm data, words;
    int rank, size;
    MPI_Request call[2];
    int calls;
    MPI_Request sum[SUMS_MAX];
    int sums;
} mpi_state;

static const px_mpi_host *host;

/* MPI's own words. */
static px_status fail_mpi(const char *what, int error)
{
    char words[MPI_MAX_ERROR_STRING] = "", message[MPI_MAX_ERROR_STRING + 80];
    int length = 0;
    MPI_Error_string(error, words, &length);
    snprintf(message, sizeof message, "%s: %s", what, words);
    return host->fail(PX_ERR_IO, message);
}

#define MPI_TRY(call)                                                                                                  \
    do {                                                                                                               \
        int error_ = (call);                                                                                           \
        if (error_ != MPI_SUCCESS) return fail_mpi(#call, error_);                                                     \
    } while (0)

static px_status mpi_broadcast(void *state, void *data, size_t bytes)
{
    mpi_state *m = state;
    MPI_TRY(MPI_Ibcast(data, (int)bytes, MPI_BYTE, 0, m->data, &m->call[0]));
    m->calls = 1;
    return PX_OK;
}

static px_status mpi_all_gather(void *state, const void *mine, size_t bytes, void *all)
{
    mpi_state *m = state;
    MPI_TRY(MPI_Iallgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, m->data, &m->call[0]));
    m->calls = 1;
    return PX_OK;
}

static px_status mpi_exchange(void *state, int32_t peer, const void *send, size_t send_bytes, void *receive,
                              size_t receive_bytes)
{
    mpi_state *m = state;
    m->calls = 0;
    if (receive_bytes) {
        MPI_TRY(MPI_Irecv(receive, (int)receive_bytes, MPI_BYTE, peer, EXCHANGE_TAG, m->data, &m->call[m->calls]));
        m->calls++;
    }
    if (send_bytes) {
        MPI_TRY(MPI_Isend(send, (int)send_bytes, MPI_BYTE, peer, EXCHANGE_TAG, m->data, &m->call[m->calls]));
        m->calls++;
    }
    return PX_OK;
}

static px_status mpi_sum_floats(void *state, float *part, size_t count)
{
    mpi_state *m = state;
    if (m->sums == SUMS_MAX) return host->fail(PX_ERR_INTERNAL, "more sums under way than there is room for");
    MPI_TRY(MPI_Iallreduce(MPI_IN_PLACE, part, (int)count, MPI_FLOAT, MPI_SUM, m->data, &m->sum[m->sums]));
    m->sums++;
    return PX_OK;
}

static px_status mpi_test(void *state, px_comm_work work, int *done)
{
    mpi_state *m = state;
    int *count = work == PX_COMM_CALL ? &m->calls : &m->sums;
    MPI_TRY(MPI_Testall(*count, work == PX_COMM_CALL ? m->call : m->sum, done, MPI_STATUSES_IGNORE));
    if (*done) *count = 0;
    return PX_OK;
}

/* To every other rank; given a second to leave, since the job is ended right after. */
static void mpi_tell(void *state, const char *text)
{
    mpi_state *m = state;
    MPI_Request *sent = malloc((size_t)m->size * sizeof *sent);
    int count = 0, done = 0;
    if (!sent) return;
    for (int peer = 0; peer < m->size; peer++)
        if (peer != m->rank &&
            MPI_Isend(text, (int)strlen(text) + 1, MPI_BYTE, peer, TELL_TAG, m->words, &sent[count]) == MPI_SUCCESS)
            count++;
    for (int tries = 0; tries < 500 && !done; tries++) {
        if (MPI_Testall(count, sent, &done, MPI_STATUSES_IGNORE) != MPI_SUCCESS) break;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    free(sent);
}

static int mpi_heard(void *state, int32_t *from, char *text, size_t text_bytes)
{
    mpi_state *m = state;
    MPI_Status status;
    int there = 0, bytes = 0;
    if (MPI_Iprobe(MPI_ANY_SOURCE, TELL_TAG, m->words, &there, &status) != MPI_SUCCESS || !there) return 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    char *whole = malloc((size_t)bytes + 1);
    if (!whole) return 0;
    whole[0] = 0;
    MPI_Recv(whole, bytes, MPI_BYTE, status.MPI_SOURCE, TELL_TAG, m->words, MPI_STATUS_IGNORE);
    whole[bytes] = 0;
    snprintf(text, text_bytes, "%s", whole);
    *from = status.MPI_SOURCE;
    free(whole);
    return 1;
}

static void mpi_close(void *state, int abort_code)
{
    mpi_state *m = state;
    if (abort_code) {
        /* the others have been told, or find out by themselves: a moment for them to say so */
        nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
        MPI_Abort(MPI_COMM_WORLD, abort_code);
    } else {
        MPI_Comm_free(&m->words);
        MPI_Comm_free(&m->data);
        MPI_Finalize();
    }
    free(m);
}

static const px_comm_ops mpi_ops = {
    .name = "mpi",
    .broadcast = mpi_broadcast,
    .all_gather = mpi_all_gather,
    .exchange = mpi_exchange,
    .sum_floats = mpi_sum_floats,
    .test = mpi_test,
    .tell = mpi_tell,
    .heard = mpi_heard,
    .close = mpi_close,
};

/* Which algorithm adds may not depend on sizes or on the machine, so that one number of ranks repeats to the bit. Read
 * by OpenMPI when it starts; what the user has set stays. 4: recursive doubling. */
static void pin_algorithms(void) { setenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm", "4", 0); }

px_status px_mpi_open(int version, const px_mpi_host *its_host, const px_ranks *ranks, const px_comm_ops **ops,
                      void **state);

__attribute__((visibility("default"))) px_status px_mpi_open(int version, const px_mpi_host *its_host,
                                                             const px_ranks *ranks, const px_comm_ops **ops,
                                                             void **state)
{
    char message[400];
    int provided, started = 0;
    host = its_host;
    if (version != PX_MPI_MODULE_VERSION)
        return host->fail(PX_ERR_DEVICE,
                          PX_MPI_MODULE_FILE ": belongs to another build of perplex; build both together");
    mpi_state *m = calloc(1, sizeof *m);
    if (!m) return host->fail(PX_ERR_MEMORY, "no memory to talk to the other ranks");
    MPI_Initialized(&started);
    pin_algorithms();
    if (!started) {
        int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
        if (error != MPI_SUCCESS) {
            free(m);
            return host->fail(PX_ERR_DEVICE, "MPI cannot be started here; start by mpirun, or srun --mpi=pmix");
        }
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &m->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &m->size);
    if (m->rank != ranks->rank || m->size != ranks->size) {
        snprintf(message, sizeof message,
                 "rank %d of %d by %s, but MPI says rank %d of %d; start by mpirun, or srun --mpi=pmix",
                 (int)ranks->rank, (int)ranks->size, ranks->source, m->rank, m->size);
        MPI_Finalize();
        free(m);
        return host->fail(PX_ERR_DEVICE, message);
    }
    MPI_Comm_dup(MPI_COMM_WORLD, &m->data);
    MPI_Comm_dup(MPI_COMM_WORLD, &m->words);
    MPI_Comm_set_errhandler(m->data, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(m->words, MPI_ERRORS_RETURN);
    *ops = &mpi_ops;
    *state = m;
    return PX_OK;
}
