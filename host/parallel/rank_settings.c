/* The names of what there is to choose of several ranks: see rank_settings.h. */
#include "rank_settings.h"

#include <stddef.h>

const char *const px_reduce_names[] = {"auto", "none", "tree", "fast", NULL};
const char *const px_bootstrap_way_names[] = {"auto", "mpi", "tcp", "file", NULL};
