/* A command that several processes run together: their flags, and how each joins the others. */
#ifndef PX_JOIN_H
#define PX_JOIN_H

#include "comm.h"
#include "config.h"

typedef struct px_join_flags {
    int32_t rank, world_size, local_rank; /* -1: not given */
    int ranks;                            /* --ranks: print what was found */
} px_join_flags;
#define PX_JOIN_FLAGS_START                                                                                            \
    {                                                                                                                  \
        .rank = -1, .world_size = -1, .local_rank = -1                                                                 \
    }
/* Rows of a px_flag table. */
#define PX_JOIN_FLAG_ROWS(flags)                                                                                       \
    {"ranks",                                                                                                          \
     NULL,                                                                                                             \
     PX_FLAG_SWITCH,                                                                                                   \
     &(flags).ranks,                                                                                                   \
     0,                                                                                                                \
     0,                                                                                                                \
     "print rank and world size and where they come from; train nothing"},                                             \
        {"rank",                                                                                                       \
         "k",                                                                                                          \
         PX_FLAG_INT32,                                                                                                \
         &(flags).rank,                                                                                                \
         0,                                                                                                            \
         1 << 20,                                                                                                      \
         "which process this is; under mpirun and srun it is known"},                                                  \
        {"world-size", "k", PX_FLAG_INT32, &(flags).world_size, 1, 1 << 20, "how many processes there are"},           \
    {                                                                                                                  \
        "local-rank", "k", PX_FLAG_INT32, &(flags).local_rank, 0, 1 << 20, "which of those on this machine"            \
    }

/* Finds this process among the ranks and, where there are more, joins them. *comm is NULL after --ranks, which has
 * printed. A signal that sets *stop while other ranks keep this one waiting is said on standard error. */
px_status px_join(const px_join_flags *flags, const px_config *config, const atomic_int *stop, px_comm **comm);

#endif
