/* The table of optimisers: see optimizer.h. */
#include "optimizer.h"

#include <stddef.h>

const char *const px_lr_scaling_names[] = {"none", "mup", NULL};

#define ROW(NAME, name, step, moment1, moment2, decoupled, normalised, rate, settings)                                 \
    {#name, #step, moment1, moment2, decoupled, normalised, rate, settings},
static const px_optimizer_row rows[PX_OPTIMIZER_COUNT] = {PX_OPTIMIZERS(ROW)};

const px_optimizer_row *px_optimizer_of(px_optimizer kind) { return &rows[kind]; }
