/* One rank of a bootstrap, for bootstrap.sh: RANK, WORLD_SIZE and what bootstrap.h names come from the environment.
 *
 *     test_bootstrap_tool WAY SECONDS          prints "rank R got HEX"
 *     test_bootstrap_tool WAY SECONDS nccl     then sums a few vectors over the ranks by NCCL, and prints "rank R sums HEX"
 *     test_bootstrap_tool WAY SECONDS comm     instead: talks by a px_comm of that way
 *
 * Ends like perplex does: 0, 2 for wrong input, 1 for what failed while running, with one line on standard error. */
#include "bootstrap.h"
#include "check.h"
#include "comm.h"
#include "machine.h"
#include "nccl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* MPI's broadcast, as a training has it. */
static px_status broadcast(void *context, void *data, size_t bytes) { return px_comm_broadcast(context, data, bytes); }

enum { ROUNDS = 5, FLOATS = 1000 };

/* Round k, rank r contributes r + 1 + i + k: sums that are exact in fp32. */
static px_status sum(px_nccl *nccl, int rank, int size)
{
    static float values[FLOATS];
    for (int k = 0; k < ROUNDS; k++) {
        for (int i = 0; i < FLOATS; i++) values[i] = (float)(rank + 1 + i + k);
        PX_TRY(px_nccl_start(nccl, values + FLOATS / 2, FLOATS / 2, NULL));
        PX_TRY(px_nccl_start(nccl, values, FLOATS / 2, NULL));
        PX_TRY(px_nccl_finish(nccl, NULL));
        for (int i = 0; i < FLOATS; i++)
            if (values[i] != (float)(size * (size + 1) / 2 + size * (i + k)))
                return px_fail(PX_ERR_INTERNAL, "round %d: element %d is %g", k, i, (double)values[i]);
    }
    printf("rank %d summed %d rounds\n", rank, ROUNDS);
    return PX_OK;
}

static px_status use_nccl(const px_bootstrap *bootstrap, const void *id)
{
    const char *stall = getenv("PX_TEST_STALL_S");
    px_nccl_options options = {.rank = bootstrap->rank,
                               .size = bootstrap->size,
                               .start_timeout_s = bootstrap->timeout_s,
                               .stall_timeout_s = stall ? atof(stall) : 5};
    px_nccl *nccl;
    PX_TRY(px_nccl_create(&options, id, &nccl));
    px_status status = sum(nccl, bootstrap->rank, bootstrap->size);
    px_nccl_destroy(nccl);
    return status;
}

/* What every way needs once rank and size are known. */
static px_status meet(px_bootstrap *bootstrap, int nccl)
{
    unsigned char id[PX_NCCL_ID_BYTES] = {0};
    if (bootstrap->rank == 0 && nccl) PX_TRY(px_nccl_new_id(id));
    if (bootstrap->rank == 0 && !nccl && getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
        return px_fail(PX_ERR_IO, "no random bytes");
    PX_TRY(px_bootstrap_run(bootstrap, id, sizeof id));
    printf("rank %d got ", (int)bootstrap->rank);
    for (size_t i = 0; i < 16; i++) printf("%02x", id[i]);
    printf("\n");
    fflush(stdout);
    return nccl ? use_nccl(bootstrap, id) : PX_OK;
}

/* A value that depends on its place and on who made it. */
static unsigned char mark(int rank, size_t i) { return (unsigned char)(131 * (unsigned)rank + i % 251 + i / 1000); }

/* Everything that ranks without MPI say to each other, over connections to rank 0. mode: comm; comm-fails: rank 1 tells
 * a failure in the middle; comm-dies: it just ends there. */
static px_status talk(px_comm *comm, const char *mode)
{
    enum { LARGE = 3000017, LITTLE = 1001 };
    const int rank = comm->rank, size = comm->size;
    unsigned char *large = malloc(LARGE), *all = malloc((size_t)size * LARGE), little[LITTLE];
    px_status status = large && all ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory");
    for (int round = 0; status == PX_OK && round < 50; round++) {
        double sums[2] = {rank + round, 1};
        int64_t most = rank == round % size ? 1000 + round : -5;
        for (size_t i = 0; i < LITTLE; i++) little[i] = mark(rank, i);
        status = px_comm_sum(comm, sums, 2);
        if (status == PX_OK && (sums[0] != size * (size - 1) / 2 + size * round || sums[1] != size))
            status = px_fail(PX_ERR_INTERNAL, "wrong sum");
        if (status == PX_OK) status = px_comm_max(comm, &most, 1);
        if (status == PX_OK && most != 1000 + round) status = px_fail(PX_ERR_INTERNAL, "wrong maximum");
        if (status == PX_OK) status = px_comm_broadcast(comm, little, LITTLE);
        if (status == PX_OK) status = px_comm_broadcast(comm, little, 1); /* rank 0 is ahead by now */
        for (size_t i = 0; status == PX_OK && i < LITTLE; i++)
            if (little[i] != mark(0, i)) status = px_fail(PX_ERR_INTERNAL, "byte %zu of a broadcast", i);
        if (round == 25 && rank == 1 && strcmp(mode, "comm-dies") == 0) _exit(9);
        if (status == PX_OK && round == 25 && rank == 1 && strcmp(mode, "comm-fails") == 0) {
            status = px_fail(PX_ERR_IO, "the disk is full");
            px_comm_tell(comm);
        }
    }
    for (size_t i = 0; status == PX_OK && i < LARGE; i++) large[i] = mark(rank, i);
    if (status == PX_OK) status = px_comm_gather(comm, large, LARGE, all);
    for (size_t k = 0; status == PX_OK && rank == 0 && k < (size_t)size * LARGE; k++)
        if (all[k] != mark((int)(k / LARGE), k % LARGE))
            status = px_fail(PX_ERR_INTERNAL, "byte %zu of what was gathered", k);
    double together = 1;
    if (status == PX_OK) status = px_comm_sum(comm, &together, 1);
    free(large);
    free(all);
    if (status == PX_OK) printf("rank %d talked\n", rank);
    return status;
}

static px_status run_talk(px_bootstrap_way way, double seconds, const char *mode)
{
    px_ranks ranks;
    px_comm *comm = NULL;
    PX_TRY(px_ranks_find(-1, -1, -1, &ranks));
    PX_TRY(px_comm_open(&ranks, &(px_comm_options){seconds, way, seconds}, &comm));
    px_status status = talk(comm, mode);
    px_comm_close(comm, status);
    return status;
}

static px_status run(px_bootstrap_way way, double seconds, int nccl)
{
    px_bootstrap bootstrap = {.way = way, .timeout_s = seconds};
    px_ranks ranks;
    px_comm *comm = NULL;
    PX_TRY(px_ranks_find(-1, -1, -1, &ranks));
    if (way == PX_BOOTSTRAP_MPI && ranks.mpi) {
        PX_TRY(px_comm_open(&ranks, &(px_comm_options){seconds, PX_BOOTSTRAP_MPI, seconds}, &comm));
        bootstrap.broadcast = broadcast;
        bootstrap.broadcast_context = comm;
    }
    px_status status = px_bootstrap_from_environment(ranks.rank, ranks.size, 1, &bootstrap);
    if (status == PX_OK) status = meet(&bootstrap, nccl);
    px_comm_close(comm, status);
    return status;
}

int main(int argc, char **argv)
{
    px_bootstrap_way way = PX_BOOTSTRAP_AUTO;
    if (argc < 3) {
        fprintf(stderr, "test_bootstrap_tool auto|mpi|tcp|file SECONDS [nccl|comm|comm-fails|comm-dies]\n");
        return 2;
    }
    for (int w = PX_BOOTSTRAP_AUTO; w <= PX_BOOTSTRAP_FILE; w++)
        if (strcmp(argv[1], px_bootstrap_way_names[w]) == 0) way = (px_bootstrap_way)w;
    double started = px_clock();
    const char *mode = argc > 3 ? argv[3] : "";
    px_status status =
        strncmp(mode, "comm", 4) == 0 ? run_talk(way, atof(argv[2]), mode) : run(way, atof(argv[2]), *mode != 0);
    if (status != PX_OK) fprintf(stderr, "error after %.1f s: %s\n", px_clock() - started, px_error_message());
    return px_status_exit_code(status);
}
