/* Synthetic tokens with the shape of language: Zipf-Mandelbrot frequencies, independent draws. */
#ifndef PX_SYNTHETIC_H
#define PX_SYNTHETIC_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

/* Fills ids [count]: id r has probability proportional to 1 / (r + 2.7), the exponent and shift of English words; id 0,
 * <unk>, is the most frequent. Element i is a pure function of (seed, i): Philox, purpose PX_RANDOM_SYNTHETIC. */
px_status px_synthetic_tokens(uint64_t seed, int32_t vocab, size_t count, int32_t *ids);

#endif
