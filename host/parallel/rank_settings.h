/* What a job of several ranks is told, and the names of what there is to choose. Each list of names is in the order of
 * its enum and ended by NULL. */
#ifndef PX_RANK_SETTINGS_H
#define PX_RANK_SETTINGS_H

#include <stdint.h>

typedef enum px_reduce {
    PX_REDUCE_AUTO,
    PX_REDUCE_NONE,
    PX_REDUCE_TREE,
    PX_REDUCE_FAST
} px_reduce; /* how gradients are summed */
typedef enum px_bootstrap_way {
    PX_BOOTSTRAP_AUTO,
    PX_BOOTSTRAP_MPI,
    PX_BOOTSTRAP_TCP,
    PX_BOOTSTRAP_FILE
} px_bootstrap_way; /* how ranks meet */

extern const char *const px_reduce_names[], *const px_bootstrap_way_names[];

typedef struct px_rank_settings {
    px_reduce reduce;    /* AUTO is settled at the first start */
    int32_t leaves;      /* tree: contiguous groups of streams whose gradients are added pairwise; a power of two */
    int32_t accumulate;  /* windows that a rank cuts its streams of a step into */
    int64_t check_every; /* steps from one comparison of the ranks' weights to the next; 0 = at checkpoints alone */
    double timeout;      /* seconds that a rank waits for the others; 0 = for ever */
    px_bootstrap_way bootstrap;
    double bootstrap_timeout; /* seconds until all have met */
} px_rank_settings;

#endif
