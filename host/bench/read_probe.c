/* Reading weights again and again: see read_probe.h. */
#include "read_probe.h"

static const double PROBE_SECONDS = 0.003;
enum { MOST_PASSES = 1 << 20 };

double px_read_probe_take(px_engine *engine, px_weights which)
{
    px_weight_reading reading;
    if (!engine->ops->read_weights) return 0;
    /* passes until they take a quarter of a probe bring the caches into their state and say how many a probe needs */
    int32_t passes = 2;
    for (;; passes *= 2) {
        if (px_engine_read_weights(engine, which, passes, &reading) != PX_OK) return 0;
        if (reading.seconds >= PROBE_SECONDS / 4 || passes >= MOST_PASSES) break;
    }
    const double wanted = PROBE_SECONDS / reading.seconds * passes;
    passes = wanted > MOST_PASSES ? MOST_PASSES : wanted > 2 ? (int32_t)wanted : 2;
    if (px_engine_read_weights(engine, which, passes, &reading) != PX_OK) return 0;
    return reading.bytes / reading.seconds * 1e-9;
}
