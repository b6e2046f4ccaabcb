/* Minibatches: see minibatch.h for what is promised. Here is the arithmetic of windows.
 *
 * A range of N tokens has M = N - 1 inputs; input p (0 <= p < M) stands at begin + p and its target right after it.
 * Nothing is remembered between calls but buffers, and where random lengths have cut an epoch: any window of any epoch
 * comes from numbers alone. */
#include "minibatch.h"
#include "check.h"
#include "permutation.h"
#include "philox.h"
#include "window_cuts.h"

#include <stdlib.h>

struct px_minibatches {
    px_minibatch_options options;
    int keep_state;            /* window 0 does not reset */
    int64_t M;                 /* inputs of the range */
    int64_t longest, windows;  /* sequential: inputs of the longest stream; windows an epoch */
    px_window_cuts cuts;       /* with jitter */
    int32_t first, count;      /* streams that the next window is filled for: columns of what follows */
    int32_t *tokens, *targets; /* [T,count] */
    int32_t *row;              /* [T+1]: one stream's tokens before they are spread over the columns */
    uint8_t *reset;            /* [T,count] */
};

/* floor(i * total / parts) without overflow. */
static int64_t share_begin(int64_t i, int64_t total, int64_t parts)
{
    return (int64_t)((unsigned __int128)(uint64_t)i * (uint64_t)total / (uint64_t)parts);
}

static int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0); }

static px_status check_options(const px_minibatch_options *o)
{
    if (o->n < 1 || o->T < 1)
        return px_fail(PX_ERR_ARGUMENT, "minibatches: n = %d streams of T = %d steps; both must be at least 1", o->n,
                       o->T);
    if (!(o->jitter >= 0 && 3 * o->jitter <= o->T) || (o->jitter > 0 && o->random))
        return px_fail(PX_ERR_ARGUMENT,
                       "minibatches: lengths of windows that deviate by %g from %d: at most a third of it, and not of "
                       "random windows",
                       o->jitter, o->T);
    if (!(o->reset_probability >= 0 && o->reset_probability <= 1))
        return px_fail(PX_ERR_ARGUMENT, "minibatches: reset probability %g is not in 0 to 1", o->reset_probability);
    if (!o->range.tokens || o->range.end < o->range.begin || o->range.end > px_tokens_count(o->range.tokens))
        return px_fail(PX_ERR_ARGUMENT, "minibatches: the range %zu to %zu does not lie inside its tokens",
                       o->range.begin, o->range.end);
    size_t N = o->range.end - o->range.begin;
    if (N < 2)
        return px_fail(PX_ERR_ARGUMENT,
                       "minibatches: %zu token%s; at least 2 are needed, one to read and one to predict", N,
                       N == 1 ? "" : "s");
    if (N - 1 < (size_t)o->n)
        return px_fail(PX_ERR_ARGUMENT, "minibatches: %zu tokens are too few for %d streams; at most %zu (--batch)", N,
                       o->n, N - 1);
    return PX_OK;
}

static px_status create(const px_minibatch_options *options, int keep_state, px_minibatches **minibatches)
{
    PX_TRY(check_options(options));
    px_minibatches *m = calloc(1, sizeof *m);
    if (!m) return px_fail(PX_ERR_MEMORY, "minibatches: no memory");
    size_t steps = (size_t)px_window_longest(options->T, options->jitter), cells = steps * (size_t)options->n;
    m->options = *options;
    m->keep_state = keep_state;
    m->M = (int64_t)(options->range.end - options->range.begin) - 1;
    m->longest = ceil_div(m->M, options->n);
    m->windows = ceil_div(m->longest, options->T);
    m->tokens = calloc(cells, sizeof *m->tokens);
    m->targets = calloc(cells, sizeof *m->targets);
    m->reset = calloc(cells, sizeof *m->reset);
    m->row = calloc(steps + 1, sizeof *m->row);
    if (!m->tokens || !m->targets || !m->reset || !m->row) {
        px_minibatches_destroy(m);
        return px_fail(PX_ERR_MEMORY,
                       "minibatches: no memory for windows of %d steps of %d streams; lower --steps or --batch",
                       options->T, options->n);
    }
    px_status status = options->jitter > 0
                           ? px_window_cuts_init(&m->cuts, options->T, options->jitter, options->seed, m->longest)
                           : PX_OK;
    if (status != PX_OK) {
        px_minibatches_destroy(m);
        return status;
    }
    *minibatches = m;
    return PX_OK;
}

px_status px_minibatches_create(const px_minibatch_options *options, px_minibatches **minibatches)
{
    return create(options, 0, minibatches);
}

px_status px_minibatches_create_eval(px_range range, int32_t n, int32_t T, int32_t reset_id, int keep_state,
                                     px_minibatches **minibatches)
{
    px_minibatch_options options = {.range = range, .n = n, .T = T, .reset_id = reset_id};
    return create(&options, keep_state, minibatches);
}

void px_minibatches_destroy(px_minibatches *m)
{
    if (!m) return;
    free(m->tokens);
    free(m->targets);
    free(m->reset);
    free(m->row);
    px_window_cuts_free(&m->cuts);
    free(m);
}

/* Where the first window of an epoch of random sampling starts: 0, or -T + offset, its part before 0 cut off. */
static int64_t random_first(const px_minibatches *m, int64_t epoch)
{
    int64_t T = m->options.T, bound = T < m->M ? T : m->M;
    uint64_t u = px_random_u32(m->options.seed, PX_RANDOM_OFFSET, 0, (uint64_t)epoch);
    int64_t offset = (int64_t)(u * (uint64_t)bound >> 32);
    return offset > 0 ? offset - T : 0;
}

/* Windows of T inputs in an epoch of random sampling (the cut ones at both ends included). */
static int64_t random_pieces(const px_minibatches *m, int64_t epoch)
{
    return ceil_div(m->M - random_first(m, epoch), m->options.T);
}

int64_t px_minibatches_per_epoch(px_minibatches *m, int64_t epoch)
{
    if (m->options.jitter > 0) return px_window_cuts_count(&m->cuts, epoch);
    return m->options.random ? ceil_div(random_pieces(m, epoch), m->options.n) : m->windows;
}

int64_t px_minibatches_targets(const px_minibatches *m, int64_t epoch)
{
    (void)epoch; /* every target is used exactly once in every epoch */
    return m->M;
}

static int wanted(const px_minibatches *m, int32_t i) { return i >= m->first && i < m->first + m->count; }

/* Stream i of the window: inputs [from, to) of the range from step 0 on; the steps after them are not scored. */
static px_status fill_stream(px_minibatches *m, int32_t i, int32_t T, int64_t from, int64_t to)
{
    int32_t used = to > from ? (int32_t)(to - from) : 0;
    if (used > 0)
        PX_TRY(
            px_tokens_copy(m->options.range.tokens, m->options.range.begin + (size_t)from, (size_t)used + 1, m->row));
    for (int32_t t = 0; t < T; t++) {
        size_t at = (size_t)t * (size_t)m->count + (size_t)(i - m->first);
        int scored = t < used;
        m->tokens[at] = scored ? m->row[t] : 0;
        m->targets[at] = scored ? m->row[t + 1] : -1;
        m->reset[at] = scored && m->options.reset_id >= 0 && m->row[t] == m->options.reset_id;
    }
    return PX_OK;
}

/* Steps [*from, *to) of every stream are a sequential window. */
static void bounds_of(px_minibatches *m, int64_t epoch, int64_t window, int64_t *from, int64_t *to)
{
    if (m->options.jitter > 0) {
        px_window_cuts_at(&m->cuts, epoch, window, from, to);
        return;
    }
    *from = share_begin(window, m->longest, m->windows);
    *to = share_begin(window + 1, m->longest, m->windows);
}

int32_t px_minibatches_steps(px_minibatches *m, int64_t epoch, int64_t window)
{
    int64_t from, to;
    bounds_of(m, epoch, window, &from, &to);
    return (int32_t)(to - from);
}

/* T: steps of the window. */
static px_status fill_sequential(px_minibatches *m, int64_t epoch, int64_t window, uint64_t step, int32_t *T,
                                 int64_t *scored)
{
    int32_t n = m->options.n;
    int64_t from, to;
    bounds_of(m, epoch, window, &from, &to);
    uint64_t threshold =
        (uint64_t)(m->options.reset_probability * 4294967296.0); /* 2^32 at 1: every lane is below it */
    for (int32_t i = 0; i < n; i++) {
        int64_t begin = share_begin(i, m->M, n), end = share_begin(i + 1, m->M, n);
        int64_t last = begin + to < end ? begin + to : end;
        *scored += last > begin + from ? last - (begin + from) : 0;
        if (!wanted(m, i)) continue;
        PX_TRY(fill_stream(m, i, (int32_t)(to - from), begin + from, last));
        uint64_t element = step * (uint64_t)n + (uint64_t)i;
        if (window == 0)
            m->reset[i - m->first] |= !m->keep_state;
        else if (threshold && px_random_u32(m->options.seed, PX_RANDOM_RESET, 0, element) < threshold)
            m->reset[i - m->first] = 1;
    }
    *T = (int32_t)(to - from);
    return PX_OK;
}

/* The pieces of an epoch are dealt to its windows as evenly as possible, so that no step rests on a few tokens. */
static px_status fill_random(px_minibatches *m, int64_t epoch, int64_t window, int64_t *scored)
{
    int32_t n = m->options.n, T = m->options.T;
    int64_t first = random_first(m, epoch), pieces = ceil_div(m->M - first, T), windows = ceil_div(pieces, n);
    int64_t from = share_begin(window, pieces, windows), to = share_begin(window + 1, pieces, windows);
    px_permutation order = px_permutation_make((uint64_t)pieces, m->options.seed, PX_RANDOM_SHUFFLE, (uint32_t)epoch);
    for (int32_t i = 0; i < n; i++) {
        int64_t begin = 0, end = 0;
        if (from + i < to) {
            begin = first + (int64_t)px_permutation_at(&order, (uint64_t)(from + i)) * T;
            end = begin + T < m->M ? begin + T : m->M;
            if (begin < 0) begin = 0;
        }
        *scored += end - begin;
        if (!wanted(m, i)) continue;
        PX_TRY(fill_stream(m, i, T, begin, end));
        m->reset[i - m->first] = 1;
    }
    return PX_OK;
}

px_status px_minibatches_get(px_minibatches *m, int64_t epoch, int64_t window, uint64_t step, px_batch *batch)
{
    return px_minibatches_get_streams(m, epoch, window, step, 0, m->options.n, batch);
}

px_status px_minibatches_get_streams(px_minibatches *m, int64_t epoch, int64_t window, uint64_t step, int32_t first,
                                     int32_t count, px_batch *batch)
{
    int64_t windows = epoch >= 0 ? px_minibatches_per_epoch(m, epoch) : 0, scored = 0;
    if (epoch < 0 || window < 0 || window >= windows)
        return px_fail(PX_ERR_ARGUMENT, "minibatches: there is no window %lld of epoch %lld; an epoch has %lld",
                       (long long)window, (long long)epoch, (long long)windows);
    if (first < 0 || count < 1 || first > m->options.n - count)
        return px_fail(PX_ERR_ARGUMENT, "minibatches: there are no streams %d to %d; there are %d", (int)first,
                       (int)(first + count - 1), (int)m->options.n);
    m->first = first;
    m->count = count;
    int32_t T = m->options.T;
    PX_TRY(m->options.random ? fill_random(m, epoch, window, &scored)
                             : fill_sequential(m, epoch, window, step, &T, &scored));
    *batch = (px_batch){.tokens = m->tokens,
                        .targets = m->targets,
                        .reset = m->reset,
                        .T = T,
                        .n = count,
                        .step = step,
                        .first_stream = (uint32_t)first,
                        .streams_in_all = (uint32_t)m->options.n,
                        .inv_count = 1.0 / (double)scored};
    return PX_OK;
}
