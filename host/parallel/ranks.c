/* Finding this process among the ranks of a job: see ranks.h. */
#include "ranks.h"

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { RANKS_MAX = 1 << 20 };

typedef struct launcher {
    const char *rank, *size, *local_rank;
    int needs_step; /* 1: only inside a Slurm step */
} launcher;

static const launcher launchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", 0},
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", 0},
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", 1},
};

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static px_status number(const char *name, long least, long most, int32_t *value)
{
    const char *text = variable(name);
    char *end;
    errno = 0;
    long found = text ? strtol(text, &end, 10) : 0;
    if (!text)
        return px_fail(PX_ERR_ARGUMENT,
                       "%s is not set, though the other variables of this launcher are; start again by mpirun or srun, "
                       "or unset them",
                       name);
    if (*end || errno || found < least || found > most)
        return px_fail(PX_ERR_ARGUMENT, "%s=%.40s: not a number from %ld to %ld; unset it, or start by mpirun or srun",
                       name, text, least, most);
    *value = (int32_t)found;
    return PX_OK;
}

/* A step's number: "batch", "extern" and the numbers that Slurm keeps for those are none. */
static int inside_a_step(void)
{
    const char *step = variable("SLURM_STEP_ID");
    char *end;
    if (!step) return 0;
    unsigned long id = strtoul(step, &end, 10);
    return !*end && id < 0xfffffff0ul;
}

static int offers(const launcher *from)
{
    if (from->needs_step) return inside_a_step() && variable(from->rank);
    /* RANK alone is too common a name to be believed */
    return variable(from->rank) && variable(from->size);
}

static px_status from_flags(int32_t rank, int32_t size, int32_t local_rank, px_ranks *ranks)
{
    if (rank < 0 || size < 1)
        return px_fail(PX_ERR_ARGUMENT, "--rank and --world-size belong together: give both, or neither");
    if (rank >= size)
        return px_fail(PX_ERR_ARGUMENT, "--rank %d --world-size %d: ranks are counted from 0 to %d", (int)rank,
                       (int)size, (int)size - 1);
    *ranks =
        (px_ranks){.rank = rank, .size = size, .local_rank = local_rank < 0 ? rank : local_rank, .source = "flags"};
    return PX_OK;
}

px_status px_ranks_find(int32_t rank, int32_t size, int32_t local_rank, px_ranks *ranks)
{
    *ranks = (px_ranks){.size = 1, .source = "alone"};
    if (rank >= 0 || size >= 0 || local_rank >= 0)
        PX_TRY(from_flags(rank, size, local_rank, ranks));
    else
        for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
            const launcher *from = &launchers[i];
            if (!offers(from)) continue;
            PX_TRY(number(from->size, 1, RANKS_MAX, &ranks->size));
            PX_TRY(number(from->rank, 0, ranks->size - 1, &ranks->rank));
            ranks->local_rank = ranks->rank;
            if (variable(from->local_rank)) PX_TRY(number(from->local_rank, 0, RANKS_MAX, &ranks->local_rank));
            ranks->source = from->rank;
            break;
        }
    ranks->mpi = variable("OMPI_COMM_WORLD_SIZE") || variable("PMIX_RANK") || variable("PMI_RANK");
    return PX_OK;
}

void px_ranks_describe(const px_ranks *ranks, char *text, size_t text_bytes)
{
    if (ranks->size == 1)
        snprintf(text, text_bytes, "rank 0 of 1 (%s)", ranks->source);
    else
        snprintf(text, text_bytes, "rank %d of %d, %d on this machine (%s)", (int)ranks->rank, (int)ranks->size,
                 (int)ranks->local_rank, ranks->source);
}
