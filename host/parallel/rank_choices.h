/* What there is to choose of several ranks, and its names. Each list of names is in the order of its enum and ended by NULL. */
#ifndef PX_RANK_CHOICES_H
#define PX_RANK_CHOICES_H

typedef enum px_reduce { PX_REDUCE_AUTO, PX_REDUCE_NONE, PX_REDUCE_TREE, PX_REDUCE_FAST } px_reduce; /* how gradients are summed */
typedef enum px_bootstrap_way { PX_BOOTSTRAP_AUTO, PX_BOOTSTRAP_MPI, PX_BOOTSTRAP_TCP, PX_BOOTSTRAP_FILE } px_bootstrap_way; /* how ranks meet */

extern const char *const px_reduce_names[], *const px_bootstrap_way_names[];

#endif
