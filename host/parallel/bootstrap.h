/* Hands a few bytes (the 128 of an ncclUniqueId) from rank 0 to every other rank, before the ranks can talk to each
 * other in any other way. Three ways, the first that is possible unless one is asked for:
 *
 *     mpi    a broadcast of the caller's
 *     tcp    rank 0 listens on MASTER_ADDR alone, port MASTER_PORT; who asks must know a random key that lies in a file which only
 *            this user can read. Without a port the system chooses one, published in a file beside the key
 *     file   a shared folder: files named by job, step and restart
 *
 * None of them waits longer than the deadline, and what is missing then is named. Internal to host/parallel but for
 * this header. */
#ifndef PX_BOOTSTRAP_H
#define PX_BOOTSTRAP_H

#include "rank_settings.h"

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

enum { PX_BOOTSTRAP_BYTES_MAX = 512, PX_BOOTSTRAP_JOB_MAX = 160, PX_BOOTSTRAP_PATH_MAX = 1024 };

typedef struct px_bootstrap {
    px_bootstrap_way way;
    int32_t rank, size;
    int32_t one_node; /* 1: every rank runs on this machine */
    double timeout_s; /* for the whole of it */
    /* mpi: data [bytes] of rank 0 to all; NULL: not built in, or not used */
    px_status (*broadcast)(void *context, void *data, size_t bytes);
    void *broadcast_context;
    /* tcp; "" where not known */
    char address[256], port[16];
    char key_path[PX_BOOTSTRAP_PATH_MAX];
    /* file, and a published port */
    char folder[PX_BOOTSTRAP_PATH_MAX]; /* shared by all ranks, made where it is missing */
    char job[PX_BOOTSTRAP_JOB_MAX]; /* "slurm-71-0": the same for all ranks and for all restarts of this job; "" = not
                                       known */
    char restart[32];               /* "2" */
} px_bootstrap;

/* What the environment says: MASTER_ADDR (else this machine where one_node, else the first node of
 * SLURM_STEP_NODELIST), MASTER_PORT; PERPLEX_BOOTSTRAP_DIR (else ~/.perplex) and PERPLEX_BOOTSTRAP_KEY (else the file
 * `key` in it); the job from PERPLEX_JOB, SLURM_JOB_ID and SLURM_STEP_ID with SLURM_RESTART_COUNT, TORCHELASTIC_RUN_ID
 * with TORCHELASTIC_RESTART_COUNT, PMIX_NAMESPACE, or address and port. way, timeout_s and broadcast stay as they are.
 * PX_ERR_ARGUMENT names a variable that cannot be used. */
px_status px_bootstrap_from_environment(int32_t rank, int32_t size, int32_t one_node, px_bootstrap *bootstrap);

/* 1 where every rank runs on this machine, as far as the launcher has said so; where it has said nothing, rank =
 * local_rank is taken for it. */
int px_bootstrap_one_node(int32_t rank, int32_t size, int32_t local_rank);

/* data [bytes]: read on rank 0, written on the others; one rank alone needs nothing. Every rank calls it with the same
 * bytes. PX_ERR_ARGUMENT or PX_ERR_INPUT: what was asked cannot work here (no port, a key file that others can read, a
 * folder that is none). PX_ERR_IO: it failed while running: a port in use, a rank that did not come, a rank without the
 * key. */
px_status px_bootstrap_run(const px_bootstrap *bootstrap, void *data, size_t bytes);

/* "mpi", "tcp" or "file": which one px_bootstrap_run would take. PX_ERR_ARGUMENT where none is possible, with the
 * remedy. */
px_status px_bootstrap_choose(const px_bootstrap *bootstrap, px_bootstrap_way *way);

#endif
