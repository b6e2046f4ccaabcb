/* Dividing a step's streams: see share.h. */
#include "share.h"

#include "check.h"

#define REFUSE(...) return px_fail(PX_ERR_ARGUMENT, __VA_ARGS__)

static px_reduce settled(const px_config *config, int32_t ranks, int on_cpu)
{
    if (config->ranks.reduce != PX_REDUCE_AUTO) return config->ranks.reduce;
    return ranks == 1 ? PX_REDUCE_NONE : on_cpu ? PX_REDUCE_TREE : PX_REDUCE_FAST;
}

static px_status check_tree(const px_config *config, int32_t ranks)
{
    const int32_t leaves = config->ranks.leaves;
    const int64_t parts = (int64_t)ranks * config->ranks.accumulate;
    if (leaves & (leaves - 1)) REFUSE("--leaves %d: must be a power of two, such as 8", (int)leaves);
    if (config->minibatch.batch % leaves)
        REFUSE("--batch %d --leaves %d: the leaves must divide the batch; give --batch %d, or --leaves 1, 2, 4, ... "
               "that divides it",
               (int)config->minibatch.batch, (int)leaves, (int)(config->minibatch.batch / leaves + 1) * leaves);
    if (leaves % parts)
        REFUSE("%d rank%s, --accumulate %d, --leaves %d: ranks times accumulation must divide the leaves; start 1, 2, "
               "4, ... up to %d ranks, or give "
               "other --leaves to a new run",
               (int)ranks, ranks == 1 ? "" : "s", (int)config->ranks.accumulate, (int)leaves, (int)leaves);
    return PX_OK;
}

px_status px_share_make(const px_config *config, int32_t rank, int32_t ranks, int on_cpu, px_share *share)
{
    *share = (px_share){.reduce = settled(config, ranks, on_cpu), .rank = rank, .ranks = ranks};
    if (share->reduce == PX_REDUCE_NONE && ranks > 1)
        REFUSE("--reduce none is for one rank, and there are %d; give --reduce %s to a new run, or start one process",
               (int)ranks, on_cpu ? "tree or fast" : "fast");
    if (share->reduce == PX_REDUCE_TREE) {
        if (!on_cpu) REFUSE("--reduce tree: for CPUs; on GPUs give --reduce fast");
        PX_TRY(check_tree(config, ranks));
        share->windows = config->ranks.leaves / ranks;
    } else {
        const int64_t parts = (int64_t)ranks * config->ranks.accumulate;
        if (config->minibatch.batch % parts)
            REFUSE("--batch %d, %d rank%s, --accumulate %d: ranks times accumulation must divide the batch; %d streams "
                   "would do",
                   (int)config->minibatch.batch, (int)ranks, ranks == 1 ? "" : "s", (int)config->ranks.accumulate,
                   (int)((config->minibatch.batch / parts + 1) * parts));
        share->windows = config->ranks.accumulate;
    }
    share->streams = config->minibatch.batch / ranks;
    share->first = rank * share->streams;
    share->n = share->streams / share->windows;
    return PX_OK;
}
