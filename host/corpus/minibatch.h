/* Minibatches: how a range of tokens is cut into windows of T steps for n streams.
 *
 * Stateless: any window of any epoch can be asked for, so that a resumed run reads what the uninterrupted one would
 * have read. Random choices are Philox streams (philox.h).
 *
 * Sequential: the range's N-1 input positions are divided among n streams as evenly as possible, in order; all streams
 * advance together through ceil(S / T) windows of nearly equal length (each T or a little less), S the longest stream.
 * With jitter the windows have lengths drawn about T, other ones in every epoch.
 * Every target is used exactly once an epoch. Window 0 resets every stream; later windows reset a stream with
 * probability reset_probability at t = 0, and, with a document token, before each step whose input is that token.
 *
 * Random: windows of T inputs start at offset + k T, k >= -1, offset drawn per epoch; the parts before the first and
 * after the last input are cut off, so that here too every target is used exactly once an epoch. Their order is
 * shuffled per epoch (a keyed permutation, no array), n stand side by side in a step (one fewer where their number does
 * not divide evenly), and each resets its stream at t = 0.
 *
 * A stream that has nothing left in a window reads token 0 there with target -1. */
#ifndef PX_MINIBATCH_H
#define PX_MINIBATCH_H

#include "batch.h"
#include "corpus.h"

typedef struct px_minibatches px_minibatches;

typedef struct px_minibatch_options {
    px_range range;
    int32_t n, T;
    double jitter; /* sequential: windows of random lengths about T, at most px_window_longest (window_cuts.h); 0 = all
                      T */
    int random;    /* 0 sequential, 1 random */
    double reset_probability;
    int32_t reset_id; /* document token, -1 = none */
    uint64_t seed;
} px_minibatch_options;

/* PX_ERR_ARGUMENT if the range is too short for n streams of one step (the message gives the largest n). */
px_status px_minibatches_create(const px_minibatch_options *options, px_minibatches **minibatches);
void px_minibatches_destroy(px_minibatches *minibatches);
int64_t px_minibatches_per_epoch(px_minibatches *minibatches, int64_t epoch);
int64_t px_minibatches_targets(const px_minibatches *minibatches, int64_t epoch); /* scored tokens of that epoch */
/* Steps of a sequential window. */
int32_t px_minibatches_steps(px_minibatches *minibatches, int64_t epoch, int64_t window);
/* Fills batch with pointers into buffers of the minibatches (valid until the next call); inv_count counts this window.
 */
px_status px_minibatches_get(px_minibatches *minibatches, int64_t epoch, int64_t window, uint64_t step,
                             px_batch *batch);
/* The same, cut to streams [first, first + count): a rank's share, or a part that fits. step and inv_count are the
 * whole window's. */
px_status px_minibatches_get_streams(px_minibatches *minibatches, int64_t epoch, int64_t window, uint64_t step,
                                     int32_t first, int32_t count, px_batch *batch);

/* For evaluation: like sequential without random resets; window 0 of the only epoch resets unless keep_state. */
px_status px_minibatches_create_eval(px_range range, int32_t n, int32_t T, int32_t reset_id, int keep_state,
                                     px_minibatches **minibatches);

#endif
