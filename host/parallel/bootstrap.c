/* Which way a bootstrap goes, and what the environment says of it: see bootstrap.h. */
#include "bootstrap.h"

#include "bootstrap_ways.h"
#include "check.h"
#include "comm_load.h"
#include "machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* ---- the environment --------------------------------------------------------------------------------------------- */

static px_status copy(char *to, size_t size, const char *value, const char *name)
{
    if (snprintf(to, size, "%s", value) >= (int)size)
        return px_fail(PX_ERR_ARGUMENT, "%s: %zu characters are too long", name, strlen(value));
    return PX_OK;
}

/* The first name of "node[03-05,9],other": "node03". */
static void first_node(const char *list, char *node, size_t size)
{
    size_t prefix = strcspn(list, "[,"), number = 0;
    const char *digits = list + prefix;
    if (*digits == '[') number = strcspn(++digits, "-,]");
    if (prefix + number < size) snprintf(node, size, "%.*s%.*s", (int)prefix, list, (int)number, digits);
}

static px_status read_address(int32_t one_node, px_bootstrap *bootstrap)
{
    const char *address = variable("MASTER_ADDR"), *port = variable("MASTER_PORT"),
               *nodes = variable("SLURM_STEP_NODELIST");
    if (address)
        PX_TRY(copy(bootstrap->address, sizeof bootstrap->address, address, "MASTER_ADDR"));
    else if (one_node)
        snprintf(bootstrap->address, sizeof bootstrap->address, "127.0.0.1");
    else if (nodes)
        first_node(nodes, bootstrap->address, sizeof bootstrap->address);
    if (!port) return PX_OK;
    char *end;
    long number = strtol(port, &end, 10);
    if (*end || number < 0 || number > 65535)
        return px_fail(PX_ERR_ARGUMENT, "MASTER_PORT=%s: a port is a number from 1 to 65535 (0: the system chooses)",
                       port);
    if (number > 0) snprintf(bootstrap->port, sizeof bootstrap->port, "%ld", number);
    return PX_OK;
}

static px_status read_folder(px_bootstrap *bootstrap)
{
    const char *folder = variable("PERPLEX_BOOTSTRAP_DIR"), *key = variable("PERPLEX_BOOTSTRAP_KEY"),
               *home = variable("HOME");
    char path[PX_BOOTSTRAP_PATH_MAX + 16];
    if (folder)
        PX_TRY(copy(bootstrap->folder, sizeof bootstrap->folder - 64, folder, "PERPLEX_BOOTSTRAP_DIR"));
    else if (home) {
        snprintf(path, sizeof path, "%.900s/.perplex", home);
        PX_TRY(copy(bootstrap->folder, sizeof bootstrap->folder, path, "HOME"));
    }
    if (key) return copy(bootstrap->key_path, sizeof bootstrap->key_path - 32, key, "PERPLEX_BOOTSTRAP_KEY");
    if (!bootstrap->folder[0]) return PX_OK;
    snprintf(path, sizeof path, "%s/key", bootstrap->folder);
    return copy(bootstrap->key_path, sizeof bootstrap->key_path, path, "PERPLEX_BOOTSTRAP_DIR");
}

/* A name of the job that every rank and every restart of it finds alike, and the number of the restart. */
static px_status read_job(px_bootstrap *bootstrap)
{
    const char *own = variable("PERPLEX_JOB"), *slurm = variable("SLURM_JOB_ID"), *step = variable("SLURM_STEP_ID");
    const char *torch = variable("TORCHELASTIC_RUN_ID"), *pmix = variable("PMIX_NAMESPACE"), *restart = "0";
    char job[512] = "";
    if (own)
        snprintf(job, sizeof job, "%s", own);
    else if (slurm && step) {
        snprintf(job, sizeof job, "slurm-%s-%s", slurm, step);
        restart = variable("SLURM_RESTART_COUNT");
    } else if (torch && strcmp(torch, "none") != 0) {
        snprintf(job, sizeof job, "torch-%s", torch);
        restart = variable("TORCHELASTIC_RESTART_COUNT");
    } else if (pmix)
        snprintf(job, sizeof job, "mpi-%s", pmix);
    else if (bootstrap->port[0])
        snprintf(job, sizeof job, "at-%s-%s", bootstrap->address, bootstrap->port);
    for (char *c = job; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *c))
            *c = '_'; /* part of a file's name */
    PX_TRY(copy(bootstrap->job, sizeof bootstrap->job, job, "the job's name (PERPLEX_JOB)"));
    if (!restart) restart = "0";
    if (strspn(restart, "0123456789") != strlen(restart) || strlen(restart) > 20)
        return px_fail(PX_ERR_ARGUMENT, "SLURM_RESTART_COUNT or TORCHELASTIC_RESTART_COUNT=%s: not a number", restart);
    return copy(bootstrap->restart, sizeof bootstrap->restart, restart, "the number of restarts");
}

int px_bootstrap_one_node(int32_t rank, int32_t size, int32_t local_rank)
{
    const char *local_size = variable("OMPI_COMM_WORLD_LOCAL_SIZE"), *nodes = variable("SLURM_STEP_NUM_NODES");
    if (!local_size) local_size = variable("LOCAL_WORLD_SIZE");
    if (local_size) return atoi(local_size) == size;
    if (nodes && variable("SLURM_STEP_ID")) return atoi(nodes) == 1;
    return rank == local_rank;
}

px_status px_bootstrap_from_environment(int32_t rank, int32_t size, int32_t one_node, px_bootstrap *bootstrap)
{
    bootstrap->rank = rank;
    bootstrap->size = size;
    bootstrap->one_node = one_node;
    PX_TRY(read_address(one_node, bootstrap));
    PX_TRY(read_folder(bootstrap));
    return read_job(bootstrap);
}

/* ---- the choice -------------------------------------------------------------------------------------------------- */

static px_status check_tcp(const px_bootstrap *b)
{
    if (!b->address[0])
        return px_fail(PX_ERR_ARGUMENT,
                       "--bootstrap tcp: where is rank 0? export MASTER_ADDR=HOST (and MASTER_PORT) on every rank");
    if (!b->key_path[0])
        return px_fail(PX_ERR_ARGUMENT,
                       "--bootstrap tcp: no key; name a file that only you can read in PERPLEX_BOOTSTRAP_KEY");
    if (!b->port[0] && !(b->folder[0] && b->job[0]))
        return px_fail(PX_ERR_ARGUMENT, "--bootstrap tcp: which port? export MASTER_PORT on every rank, or "
                                        "PERPLEX_JOB=NAME, unique to this job, so that "
                                        "rank 0 can publish one in a shared folder");
    return PX_OK;
}

static px_status check_file(const px_bootstrap *b)
{
    if (!b->folder[0])
        return px_fail(PX_ERR_ARGUMENT,
                       "--bootstrap file: no folder; name one that all ranks share in PERPLEX_BOOTSTRAP_DIR");
    if (!b->job[0])
        return px_fail(
            PX_ERR_ARGUMENT,
            "--bootstrap file: what is this job called? export PERPLEX_JOB=NAME, unique to this job, on every rank");
    return PX_OK;
}

px_status px_bootstrap_choose(const px_bootstrap *b, px_bootstrap_way *way)
{
    *way = b->way;
    switch (b->way) {
    case PX_BOOTSTRAP_MPI:
        if (b->broadcast) return PX_OK;
        if (!px_comm_mpi_is_built())
            return px_fail(PX_ERR_ARGUMENT, "--bootstrap mpi: this perplex was built without MPI; install openmpi-bin "
                                            "and libopenmpi-dev and build again, "
                                            "or give --bootstrap tcp or file");
        return px_fail(PX_ERR_ARGUMENT,
                       "--bootstrap mpi: these ranks do not run under MPI; use mpirun, or --bootstrap tcp or file");
    case PX_BOOTSTRAP_TCP: return check_tcp(b);
    case PX_BOOTSTRAP_FILE: return check_file(b);
    case PX_BOOTSTRAP_AUTO: break;
    }
    /* a port of its own tells that somebody has prepared for TCP; else the folder, which needs no preparing under Slurm
     * or torchrun */
    *way = b->broadcast ? PX_BOOTSTRAP_MPI : b->port[0] && check_tcp(b) == PX_OK ? PX_BOOTSTRAP_TCP : PX_BOOTSTRAP_FILE;
    if (*way != PX_BOOTSTRAP_FILE || check_file(b) == PX_OK) return PX_OK;
    return px_fail(
        PX_ERR_ARGUMENT,
        "rank %d of %d: no way to reach the other ranks: %s; export MASTER_ADDR and MASTER_PORT on every rank, "
        "or PERPLEX_JOB=NAME, unique to this job, and PERPLEX_BOOTSTRAP_DIR, a folder that all ranks share",
        (int)b->rank, (int)b->size,
        px_comm_mpi_is_built() ? "no MPI started them"
                               : "this perplex was built without MPI (openmpi-bin, libopenmpi-dev)");
}

px_status px_bootstrap_run(const px_bootstrap *bootstrap, void *data, size_t bytes)
{
    px_bootstrap_way way;
    if (bytes > PX_BOOTSTRAP_BYTES_MAX) return px_fail(PX_ERR_INTERNAL, "bootstrap: %zu bytes", bytes);
    if (!(bootstrap->timeout_s > 0 && isfinite(bootstrap->timeout_s)))
        return px_fail(PX_ERR_ARGUMENT, "--bootstrap-timeout %g: a number of seconds above 0 is needed",
                       bootstrap->timeout_s);
    if (bootstrap->size <= 1) return PX_OK;
    PX_TRY(px_bootstrap_choose(bootstrap, &way));
    double end = px_clock() + bootstrap->timeout_s;
    if (way == PX_BOOTSTRAP_MPI) return bootstrap->broadcast(bootstrap->broadcast_context, data, bytes);
    return way == PX_BOOTSTRAP_TCP ? px_bootstrap_tcp(bootstrap, data, bytes, end)
                                   : px_bootstrap_file(bootstrap, data, bytes, end);
}
