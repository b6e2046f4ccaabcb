/* Talking among the ranks of a job. One rank alone has a px_comm too, so that callers know no difference.
 *
 * Every call but tell and close is made by all ranks in the same order with the same sizes. None waits for ever: a rank
 * that does not come within timeout_s, or that has said why it fails (px_comm_tell), ends the wait with a failure on
 * every other rank. */
#ifndef PX_COMM_H
#define PX_COMM_H

#include "bootstrap.h"
#include "ranks.h"

#include <stdatomic.h>

typedef struct px_comm_ops px_comm_ops;

typedef struct px_comm {
    const px_comm_ops *ops;
    void *state; /* of the ops */
    int32_t rank, size, local_rank;
    double timeout_s; /* longest wait for other ranks; 0: for ever */
    /* Where a signal is known and the others still keep us waiting for a second, notice tells a person once; both may
     * be NULL. */
    const atomic_int *signalled;
    void (*notice)(void *context, const char *text);
    void *notice_context;
    int noticed;
    int broken; /* the ranks are no longer at the same place */
    int agreed; /* they have failed together: px_comm_agree */
} px_comm;

/* How ranks meet, and how long they wait for each other afterwards (px_comm.timeout_s). */
typedef struct px_comm_options {
    double timeout_s;
    px_bootstrap_way way;  /* AUTO: by MPI where a launcher of it has started them and it is there, else by TCP or files
                              (bootstrap.h) */
    double meet_timeout_s; /* TCP and files: until all have come */
} px_comm_options;

/* Whether perplex-mpi.so is there; nothing is loaded. */
int px_comm_mpi_is_built(void);
/* Joins the other ranks where there is more than one. MPI's library is loaded here, and only then: it lies in
 * perplex-mpi.so beside the program. Without MPI ranks reach rank 0 alone: enough for GPUs, whose gradients NCCL adds
 * up. PX_ERR_DEVICE: MPI was asked for and perplex was built without, or its library is not there, or the launcher and
 * MPI do not agree; else what px_bootstrap_run says. */
px_status px_comm_open(const px_ranks *ranks, const px_comm_options *options, px_comm **comm);
/* Leaves. status: how this rank ends. Where the ranks are no longer together (a failure of this one alone, a rank that
 * did not answer), the whole job is ended with that status's exit code, after the reason has been told to the others.
 * NULL does nothing. */
void px_comm_close(px_comm *comm, px_status status);

/* As long as rank 0 needs: no time limit. For what rank 0 does alone (a last evaluation, a large file). */
px_status px_comm_wait_for_root(px_comm *comm);
/* data [bytes] of rank 0 to all. */
px_status px_comm_broadcast(px_comm *comm, void *data, size_t bytes);
/* all [size][bytes]: mine of every rank, in order. For small things. */
px_status px_comm_all_gather(px_comm *comm, const void *mine, size_t bytes, void *all);
/* all [size][bytes] on rank 0 (NULL elsewhere): mine of every rank, in order; of any size. */
px_status px_comm_gather(px_comm *comm, const void *mine, size_t bytes, void *all);
/* values [count] become their sums, added in the order of ranks: the same bits everywhere. */
px_status px_comm_sum(px_comm *comm, double *values, size_t count);
px_status px_comm_max(px_comm *comm, int64_t *values, size_t count);
/* What `send` [bytes] is here becomes `receive` of `peer`, which makes the same call. */
px_status px_comm_exchange(px_comm *comm, int32_t peer, const void *send, void *receive, size_t bytes);
/* part [count] becomes the sum over all ranks, in the background; one number of ranks repeats to the bit. Any number of
 * parts may be under way, started in the same order on every rank; none may be touched before finish. */
px_status px_comm_sum_start(px_comm *comm, float *part, size_t count);
px_status px_comm_sum_finish(px_comm *comm);

/* A failure that another rank has told by now; for whoever waits for something else. */
px_status px_comm_listen(px_comm *comm);
/* Every rank says how it fared: PX_OK where all are well. Otherwise a failure on every rank: a rank's own, or "rank 2:
 * ..." of the first that failed. The ranks are still together then. */
px_status px_comm_agree(px_comm *comm, px_status status);
/* This rank fails alone, with the message of px_error_message(): the others are told, whatever they wait for. Nothing
 * where all have failed together. */
void px_comm_tell(px_comm *comm);

/* ---- what carries it: comm_mpi.c, a module, or comm_tcp.c; one rank alone needs nothing -------------------------- */
typedef enum px_comm_work { PX_COMM_CALL, PX_COMM_SUMS } px_comm_work; /* the call under way; all sums under way */

/* Calls only start something; test says whether it is done. Sizes are below 1 GiB. */
struct px_comm_ops {
    const char *name;
    px_status (*broadcast)(void *state, void *data, size_t bytes);
    px_status (*all_gather)(void *state, const void *mine, size_t bytes, void *all);
    px_status (*exchange)(void *state, int32_t peer, const void *send, size_t send_bytes, void *receive,
                          size_t receive_bytes);
    px_status (*sum_floats)(void *state, float *part, size_t count);
    px_status (*test)(void *state, px_comm_work work, int *done);
    void (*tell)(void *state, const char *text);
    int (*heard)(void *state, int32_t *from, char *text, size_t text_bytes); /* 1: some rank has told */
    void (*close)(void *state,
                  int abort_code); /* 0: in order, with all others; else the whole job is ended with that exit code */
};

/* The module's one function: NULL where it was built for another version. host: what it calls back. */
typedef struct px_mpi_host {
    px_status (*fail)(px_status status, const char *message);
} px_mpi_host;
typedef px_status (*px_mpi_open_function)(int version, const px_mpi_host *host, const px_ranks *ranks,
                                          const px_comm_ops **ops, void **state);
enum { PX_MPI_MODULE_VERSION = 1 };
#define PX_MPI_MODULE_SYMBOL "px_mpi_open"
#define PX_MPI_MODULE_FILE "perplex-mpi.so"

#endif
