/* Which process of how many this is: what a launcher (mpirun, srun, torchrun) has left in the environment, or flags. */
#ifndef PX_RANKS_H
#define PX_RANKS_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct px_ranks {
    int32_t rank, size; /* 0 <= rank < size */
    int32_t local_rank; /* among the ranks of this machine: the GPU to take */
    int32_t mpi;        /* 1: a launcher is there that MPI can start by */
    const char *source; /* "OMPI_COMM_WORLD_RANK" and the like: where it was found; static */
} px_ranks;

/* Flags have the first word: -1 = not given; local_rank alone may be left out (it is then rank). Then, each as a whole:
 *     OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK   mpirun of OpenMPI
 *     RANK, WORLD_SIZE, LOCAL_RANK               torchrun and its like
 *     SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID   srun; only where SLURM_STEP_ID is set and is a number: a batch script has
 *                                                SLURM_PROCID too, but is no step
 * else alone. The order matters: under mpirun inside a Slurm job every process sees SLURM_PROCID=0. PX_ERR_ARGUMENT
 * names a variable that is missing beside the others, or no number in range. */
px_status px_ranks_find(int32_t rank, int32_t size, int32_t local_rank, px_ranks *ranks);

/* "rank 1 of 4, 1 on this machine (OMPI_COMM_WORLD_RANK)". */
void px_ranks_describe(const px_ranks *ranks, char *text, size_t text_bytes);

#endif
