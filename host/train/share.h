/* Which streams of a step are whose: how the n streams are divided among ranks, and each rank's among windows. */
#ifndef PX_SHARE_H
#define PX_SHARE_H

#include "config.h"

typedef struct px_share {
    px_reduce reduce; /* never AUTO */
    int32_t rank, ranks;
    int32_t first, streams; /* of this rank: global numbers [first, first + streams) */
    int32_t windows, n;     /* computed as so many windows of n streams; with the tree every window is a leaf */
} px_share;

/* AUTO becomes NONE for one rank, TREE for several on CPUs, FAST for several GPUs. PX_ERR_ARGUMENT where it does not
 * divide evenly, with the remedy: tree: ranks * accumulate must divide the leaves (a power of two), and those the
 * batch; else ranks * accumulate the batch. */
px_status px_share_make(const px_config *config, int32_t rank, int32_t ranks, int on_cpu, px_share *share);

#endif
