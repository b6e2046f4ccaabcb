/* How fast the threads of this processor read as many bytes as a model's weights have, again and again.
 *
 * For one stream a step of the recurrence is a matrix-vector product: every weight is used once, and the cache that
 * holds the weights is the limit. Each thread reads its own share, every other pass from the end to the beginning: what
 * one pass read last is then still in a nearer cache when the next begins, and no order is faster. The pages are like
 * an engine's (arena.h). */
#ifndef PX_READ_PROBE_H
#define PX_READ_PROBE_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct px_read_probe px_read_probe;

/* Room for probes of up to `bytes`; no memory is touched before the first one. PX_ERR_MEMORY. */
px_status px_read_probe_create(int32_t threads, size_t bytes, px_read_probe **probe);
void px_read_probe_destroy(px_read_probe *probe);
/* One short probe (some 3 ms, but at least two passes) over the first `bytes`, in GB/s; 0 where so many threads cannot
 * be had. */
double px_read_probe_take(px_read_probe *probe, size_t bytes);

#endif
