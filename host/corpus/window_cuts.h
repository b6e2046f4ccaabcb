/* Windows of random lengths: where an epoch is cut, so that gradients are not truncated at the same places every epoch.
 *
 *     base = T with probability 0.95, else floor(T / 2)
 *     length = base + round(s z), at least min(T, 5), at most longest(T, s); z nearly normal, of deviation 1
 *
 * Source: Merity, Keskar and Socher, "Regularizing and optimizing LSTM language models", 2017, section 5. Here z is the
 * sum of 12 uniforms less 6, so that integers decide and every machine draws the same. A length is a pure function of
 * seed, epoch and window: ranks agree, and a resumed run goes on with the next one. The last window of an epoch is what
 * is left. */
#ifndef PX_WINDOW_CUTS_H
#define PX_WINDOW_CUTS_H

#include <perplex/status.h>
#include <stdint.h>

/* The longest window that is drawn: T + ceil(3 s). For sizing what holds one. */
int32_t px_window_longest(int32_t T, double jitter);
/* Lengths that may be drawn: the longest less the shortest, and one; 1 without jitter. */
int32_t px_window_lengths(int32_t T, double jitter);
/* The expected length before bounds, 0.95 T + 0.05 floor(T / 2); T without jitter. */
double px_window_mean(int32_t T, double jitter);
/* Length of window `window` of an epoch, before its end cuts it. jitter > 0. */
int32_t px_window_length(int32_t T, double jitter, uint64_t seed, int64_t epoch, int64_t window);

/* The cuts of `total` steps, one epoch at a time. */
typedef struct px_window_cuts {
    int32_t T;
    double jitter;
    uint64_t seed;
    int64_t total;
    int64_t epoch, windows; /* the epoch that is known, -1: none; and its windows */
    int64_t *mark;          /* where every PX_WINDOW_MARK-th of them begins */
} px_window_cuts;
enum { PX_WINDOW_MARK = 64 };

/* PX_ERR_MEMORY. total > 0; jitter > 0. */
px_status px_window_cuts_init(px_window_cuts *cuts, int32_t T, double jitter, uint64_t seed, int64_t total);
void px_window_cuts_free(px_window_cuts *cuts); /* a zeroed one is fine */
int64_t px_window_cuts_count(px_window_cuts *cuts, int64_t epoch);
/* Window `window` is steps [*from, *to). */
void px_window_cuts_at(px_window_cuts *cuts, int64_t epoch, int64_t window, int64_t *from, int64_t *to);

#endif
