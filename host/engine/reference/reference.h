/* The reference engine: docs/DESIGN.md in executable form, plain loops in double, slow on purpose. */
#ifndef PX_REFERENCE_H
#define PX_REFERENCE_H

#include "engine.h"

extern const px_engine_ops px_reference_ops;

#endif
