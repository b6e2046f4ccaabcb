/* The repeats of one case (samples.h). */
#include "samples.h"

#include "machine.h"
#include "statistics.h"

#include <math.h>
#include <time.h>

static const double REPEAT_USE = 0.97; /* of the best repeat's */
static const double PROBE_USE = 0.95;  /* of its threads; waking them costs a little */

double px_samples_cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Marks the repeats that had the machine to themselves; returns how many. */
static int32_t mark_undisturbed(const px_samples *s, unsigned char *kept)
{
    double best = 0;
    int32_t count = 0;
    for (int32_t i = 0; i < s->count; i++) best = fmax(best, s->use[i]);
    for (int32_t i = 0; i < s->count; i++) {
        kept[i] = s->use[i] >= REPEAT_USE * best && (i >= s->probe_count || s->probe_use[i] >= PROBE_USE * s->threads);
        count += kept[i];
    }
    return count;
}

/* Quartiles of one value of every repeat that counts. */
static px_bench_quartiles quartiles(const px_samples *s, const double *values)
{
    unsigned char kept[PX_SAMPLES_MAX];
    double chosen[PX_SAMPLES_MAX];
    size_t n = 0;
    int all = mark_undisturbed(s, kept) < PX_SAMPLES_LEAST;
    for (int32_t i = 0; i < s->count; i++)
        if (all || kept[i]) chosen[n++] = values[i];
    return (px_bench_quartiles){
        .median = px_quantile(chosen, n, 0.5), .q1 = px_quantile(chosen, n, 0.25), .q3 = px_quantile(chosen, n, 0.75)};
}

int32_t px_samples_undisturbed(const px_samples *s)
{
    unsigned char kept[PX_SAMPLES_MAX];
    int32_t count = mark_undisturbed(s, kept);
    return count < PX_SAMPLES_LEAST ? s->count : count;
}

int px_samples_contended(const px_samples *s)
{
    unsigned char kept[PX_SAMPLES_MAX];
    return mark_undisturbed(s, kept) < PX_SAMPLES_LEAST && s->count >= PX_SAMPLES_LEAST;
}

px_bench_quartiles px_samples_speed(const px_samples *s) { return quartiles(s, s->tokens_per_s); }

/* Relative interquartile range; infinite without repeats. */
static double spread_of(const px_samples *s)
{
    px_bench_quartiles q = px_samples_speed(s);
    return s->count > 0 ? (q.q3 - q.q1) / q.median : INFINITY;
}

double px_samples_error(const px_samples *s)
{
    px_bench_quartiles q = px_samples_speed(s);
    return px_median_error(q.q1, q.median, q.q3, (size_t)px_samples_undisturbed(s));
}

double px_samples_probe(const px_samples *s, double best)
{
    unsigned char kept[PX_SAMPLES_MAX];
    if (s->count == 0 || s->probe_count < s->count) return 0;
    if (mark_undisturbed(s, kept) >= PX_SAMPLES_LEAST) return quartiles(s, s->probe).median;
    for (int32_t i = 0; i < s->probe_count; i++) best = fmax(best, s->probe[i]);
    return best;
}

double px_samples_rate(const px_samples *s, const double *rates)
{
    double best = 0;
    if (!px_samples_contended(s)) return s->count > 0 ? quartiles(s, rates).median : 0;
    for (int32_t i = 0; i < s->count; i++) best = fmax(best, rates[i]);
    return best;
}

void px_samples_take_probe(px_samples *s)
{
    if (s->probe_count == PX_SAMPLES_MAX) return;
    double cpu = px_samples_cpu_seconds(), wall = px_clock();
    s->probe[s->probe_count] = px_peak_probe_cpu(s->threads);
    wall = px_clock() - wall;
    s->probe_use[s->probe_count++] = (px_samples_cpu_seconds() - cpu) / wall;
}

int32_t px_samples_clean_probes(const px_samples *s, double *probes)
{
    int32_t count = 0;
    for (int32_t i = 0; i < s->probe_count; i++)
        if (s->probe_use[i] >= PROBE_USE * s->threads) probes[count++] = s->probe[i];
    return count;
}

static double sum_of(const double *values, int32_t count)
{
    double sum = 0;
    for (int32_t i = 0; i < count; i++) sum += values[i];
    return sum;
}

void px_samples_fill(const px_samples *s, px_bench_measure *m)
{
    m->rounds = px_samples_undisturbed(s);
    m->disturbed = s->count - m->rounds;
    m->contended = px_samples_contended(s);
    m->tokens_per_s = px_samples_speed(s);
    m->spread = spread_of(s);
    m->error = px_samples_error(s);
    m->step_s = quartiles(s, s->step_s).median;
    m->data_s = quartiles(s, s->data_s).median;
    double phases = sum_of(s->data_s, s->count);
    for (int p = 0; p < PX_PHASE_COUNT; p++) {
        m->phase_s[p] = quartiles(s, s->phase_s[p]).median;
        phases += sum_of(s->phase_s[p], s->count);
    }
    m->phase_sum = phases / sum_of(s->step_s, s->count);
}
