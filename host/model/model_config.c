/* The names of what there is to choose of a model: see model_config.h. */
#include "model_config.h"

#include <stddef.h>

const char *const px_init_names[] = {"uniform", "normal", "glorot", "fan-in", NULL};
const char *const px_init_recurrent_names[] = {"same", "orthogonal", "identity", NULL};
