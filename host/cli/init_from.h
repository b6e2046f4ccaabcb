/* What a new run takes from the model that --init-from names, beside its weights. */
#ifndef PX_INIT_FROM_H
#define PX_INIT_FROM_H

#include "options.h"

/* Settings that the model decides (its sizes, cell, level) and that were not given become the model's. One that was
 * given stays, and the training refuses it where it is another. */
px_status px_init_from_settle(const px_command_line *line, px_config *config);

#endif
