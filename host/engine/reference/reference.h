/* The reference engine: docs/DESIGN.md in executable form, plain loops in double, slow on purpose. */
#ifndef PX_REFERENCE_H
#define PX_REFERENCE_H

#include "engine.h"

extern const px_engine_ops px_reference_ops;

/* Both penalties of the window that was accumulated last, with their factors: the gradient is of these too, and no
 * metric has them. For tests. */
double px_reference_penalties(const px_engine *engine);

#endif
