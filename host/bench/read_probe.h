/* How fast the threads of an engine can read its weights, again and again.
 *
 * For one stream a step of the recurrence is a matrix-vector product: every weight is used once, and the cache that
 * holds the weights is the limit. Which pages the weights lie on, and so how much of them a nearer cache keeps, is
 * chance: the engine reads its own (px_engine_read_weights), so that a step and its limit are of the same memory. */
#ifndef PX_READ_PROBE_H
#define PX_READ_PROBE_H

#include "engine.h"

/* One short probe (some 3 ms, but at least two passes) in GB/s; 0 where the engine cannot read its weights alone. */
double px_read_probe_take(px_engine *engine, px_weights which);

#endif
