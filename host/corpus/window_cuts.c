/* Windows of random lengths: see window_cuts.h. */
#include "window_cuts.h"
#include "check.h"
#include "philox.h"

#include <math.h>
#include <stdlib.h>

enum { UNIFORMS = 12, SHORTEST = 5 };
static const double WHOLE_SHARE = 0.95;

int32_t px_window_longest(int32_t T, double jitter) { return T + (int32_t)ceil(3 * jitter); }

static int32_t shortest(int32_t T) { return T < SHORTEST ? T : SHORTEST; }

int32_t px_window_lengths(int32_t T, double jitter)
{
    return jitter > 0 ? px_window_longest(T, jitter) - shortest(T) + 1 : 1;
}

double px_window_mean(int32_t T, double jitter)
{
    return jitter > 0 ? WHOLE_SHARE * T + (1 - WHOLE_SHARE) * (T / 2) : T;
}

int32_t px_window_length(int32_t T, double jitter, uint64_t seed, int64_t epoch, int64_t window)
{
    enum { BLOCKS = 4 };         /* 13 lanes of 16 */
    uint64_t sum = UNIFORMS / 2; /* each uniform in the middle of its interval of 2^-32 */
    uint32_t lane[4 * BLOCKS];
    for (uint64_t b = 0; b < BLOCKS; b++) {
        const px_philox_block block = px_philox(seed, PX_RANDOM_STEPS, (uint32_t)epoch, (uint64_t)window * BLOCKS + b);
        for (int i = 0; i < 4; i++) lane[4 * b + (uint64_t)i] = block.lane[i];
    }
    for (int i = 0; i < UNIFORMS; i++) sum += lane[i];
    const double z = (double)sum * 0x1p-32 - UNIFORMS / 2;
    const int64_t base = lane[UNIFORMS] < (uint32_t)(WHOLE_SHARE * 4294967296.0) ? T : T / 2;
    const int64_t length = base + llround(jitter * z), longest = px_window_longest(T, jitter);
    return (int32_t)(length < shortest(T) ? shortest(T) : length > longest ? longest : length);
}

px_status px_window_cuts_init(px_window_cuts *cuts, int32_t T, double jitter, uint64_t seed, int64_t total)
{
    *cuts = (px_window_cuts){.T = T, .jitter = jitter, .seed = seed, .total = total, .epoch = -1};
    const int64_t most = total / shortest(T) + 1;
    cuts->mark = malloc((size_t)(most / PX_WINDOW_MARK + 1) * sizeof *cuts->mark);
    return cuts->mark ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory for the lengths of %lld windows", (long long)most);
}

void px_window_cuts_free(px_window_cuts *cuts)
{
    free(cuts->mark);
    cuts->mark = NULL;
}

static int64_t length_of(const px_window_cuts *cuts, int64_t window)
{
    return px_window_length(cuts->T, cuts->jitter, cuts->seed, cuts->epoch, window);
}

static void cut(px_window_cuts *cuts, int64_t epoch)
{
    int64_t at = 0, window = 0;
    cuts->epoch = epoch;
    for (; at < cuts->total; window++) {
        if (window % PX_WINDOW_MARK == 0) cuts->mark[window / PX_WINDOW_MARK] = at;
        at += length_of(cuts, window);
    }
    cuts->windows = window;
}

int64_t px_window_cuts_count(px_window_cuts *cuts, int64_t epoch)
{
    if (cuts->epoch != epoch) cut(cuts, epoch);
    return cuts->windows;
}

void px_window_cuts_at(px_window_cuts *cuts, int64_t epoch, int64_t window, int64_t *from, int64_t *to)
{
    if (cuts->epoch != epoch) cut(cuts, epoch);
    int64_t at = cuts->mark[window / PX_WINDOW_MARK];
    for (int64_t w = window / PX_WINDOW_MARK * PX_WINDOW_MARK; w < window; w++) at += length_of(cuts, w);
    const int64_t end = at + length_of(cuts, window);
    *from = at;
    *to = end < cuts->total ? end : cuts->total;
}
