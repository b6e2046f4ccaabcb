/* A benchmark run (bench.h): groups of cases measured in turns, beside the peaks of their devices. */
#include "bench.h"

#include "check.h"
#include "bench_source.h"
#include "export.h"
#include "machine.h"
#include "registry.h"
#include "runner.h"
#include "statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MIN_ROUNDS = 5 };

/* What the book prints at the end of its two trainings: the speed of the last epoch, with data, transfers and clipping,
 * on a GPU that it does not name. Checked in the notebooks as its authors rendered them on 2023-08-18:
 * d2l-ai/d2l-zh-pytorch-slides, commit 341c193b, chapter_recurrent-neural-networks/. */
static const struct published {
    int32_t hidden;
    double tokens_per_s;
    const char *source;
} published[] = {
    {512, 67212.6,
     "Dive into Deep Learning, Chinese 2nd edition (2.0.0, PyTorch), 8.5, from scratch, one unnamed GPU: "
     "zh.d2l.ai/chapter_recurrent-neural-networks/rnn-scratch.html"},
    {256, 404413.8,
     "Dive into Deep Learning, Chinese 2nd edition (2.0.0, PyTorch), 8.6, nn.RNN, one unnamed GPU: "
     "zh.d2l.ai/chapter_recurrent-neural-networks/rnn-concise.html"},
};

void px_bench_options_default(px_bench_options *options)
{
    *options = (px_bench_options){.spread = 0.01, .noisy_spread = 0.06, .case_seconds = 4, .round_seconds = 0.05};
}

/* ---- peaks ------------------------------------------------------------------------------------------------------- */
typedef struct run {
    const px_bench_plan *plan;
    const px_bench_options *options;
    px_bench_result *result;
    px_bench_source source;
    double started;
    double **probes; /* per entry of result->peaks: every probe of this run */
    size_t *probe_counts;
    px_status first_failure;
    char first_message[256];
} run;

static int stopped(const run *r) { return r->options->stop && *r->options->stop; }

static void tell(const run *r, size_t done, const char *text)
{
    if (r->options->progress) r->options->progress(r->options->context, done, r->plan->count, text);
}

/* The peaks for a case's device, threads and precision: measured where they are first met. The host's engines share
 * theirs. */
static px_status find_peak(run *r, const px_bench_case *c, size_t done, px_peak **peak)
{
    px_bench_result *result = r->result;
    const char *device = px_peak_is_host(c->device) ? px_device_of_host() : c->device;
    for (size_t i = 0; i < result->peak_count; i++) {
        *peak = &result->peaks[i];
        if (strcmp((*peak)->device, device) == 0 && (*peak)->threads == c->threads &&
            (*peak)->precision == c->precision)
            return PX_OK;
    }
    char text[128];
    snprintf(text, sizeof text, "peaks of %s, %d thread%s", device, c->threads, c->threads == 1 ? "" : "s");
    tell(r, done, text);
    *peak = &result->peaks[result->peak_count]; /* room for one per case */
    PX_TRY(px_peak_measure(device, c->threads, c->precision, *peak));
    result->peak_count++;
    return PX_OK;
}

static px_status keep_probes(run *r, const px_runner *runner, const px_peak *peak)
{
    const px_samples *samples = px_runner_samples(runner);
    double values[PX_SAMPLES_MAX];
    size_t count = (size_t)px_samples_clean_probes(samples, values), index = (size_t)(peak - r->result->peaks);
    if (count == 0) return PX_OK;
    double *grown = realloc(r->probes[index], (r->probe_counts[index] + count) * sizeof *grown);
    if (!grown) return px_fail(PX_ERR_MEMORY, "bench: no memory for probes");
    memcpy(grown + r->probe_counts[index], values, count * sizeof *grown);
    r->probes[index] = grown;
    r->probe_counts[index] += count;
    return PX_OK;
}

static void settle_peaks(run *r)
{
    for (size_t i = 0; i < r->result->peak_count; i++) {
        px_peak *peak = &r->result->peaks[i];
        if (r->probe_counts[i] > 0) { /* without any, what was measured at first stands */
            peak->gflops = px_quantile(r->probes[i], r->probe_counts[i], 0.5);
            peak->gflops_best = fmax(peak->gflops_best, px_quantile(r->probes[i], r->probe_counts[i], 1));
        }
    }
}

/* ---- a group ----------------------------------------------------------------------------------------------------- */
typedef struct group {
    size_t first, count; /* into the plan and the result */
    px_runner *runner[PX_BENCH_MAX_GROUP];
    px_peak *peak[PX_BENCH_MAX_GROUP];
} group;

/* A case that cannot be measured is recorded with its reason; the others go on. */
static void record_failure(run *r, group *g, size_t i, px_status status)
{
    px_bench_measure *m = &r->result->measures[g->first + i];
    snprintf(m->failure, sizeof m->failure, "%s", px_error_message());
    if (r->first_failure == PX_OK) {
        r->first_failure = status;
        snprintf(r->first_message, sizeof r->first_message, "%s", m->failure);
    }
    px_runner_destroy(g->runner[i]);
    g->runner[i] = NULL;
}

static px_status start_case(run *r, group *g, size_t i)
{
    px_bench_measure *m = &r->result->measures[g->first + i];
    char name[160];
    px_bench_case_name(&m->c, name, sizeof name);
    PX_TRY(find_peak(r, &m->c, g->first + i, &g->peak[i]));
    tell(r, g->first + i, name);
    PX_TRY(px_runner_create(&m->c, r->options, &r->source, &g->runner[i]));
    return px_runner_warm(g->runner[i]);
}

static int enough(const run *r, const group *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->runner[i] && (px_samples_undisturbed(px_runner_samples(g->runner[i])) < MIN_ROUNDS ||
                             px_samples_error(px_runner_samples(g->runner[i])) > r->options->spread))
            return 0;
    return 1;
}

static int32_t fewest_rounds(const group *g)
{
    int32_t fewest = INT32_MAX;
    for (size_t i = 0; i < g->count; i++)
        if (g->runner[i] && px_runner_samples(g->runner[i])->count < fewest)
            fewest = px_runner_samples(g->runner[i])->count;
    return fewest;
}

/* Repeats in turns: there and back, so that no case always follows the same one, until all are certain or time is up.
 */
static void measure_rounds(run *r, group *g, double seconds)
{
    double begin = px_clock();
    for (int round = 0; round < 400 && !stopped(r); round++) {
        int alive = 0;
        for (size_t k = 0; k < g->count; k++) {
            size_t i = round % 2 ? g->count - 1 - k : k;
            if (!g->runner[i]) continue;
            alive = 1;
            px_status status = px_runner_round(g->runner[i]);
            if (status != PX_OK) record_failure(r, g, i, status);
        }
        if (!alive || enough(r, g)) return;
        double spent = px_clock() - begin;
        if (spent > seconds && (fewest_rounds(g) >= PX_SAMPLES_LEAST || spent > 3 * seconds)) return;
    }
}

static void finish_case(run *r, group *g, size_t i)
{
    px_bench_measure *m = &r->result->measures[g->first + i];
    px_status status = px_runner_finish(g->runner[i], g->peak[i], m);
    if (status == PX_OK) status = keep_probes(r, g->runner[i], g->peak[i]);
    if (status != PX_OK) {
        m->measured = 0;
        record_failure(r, g, i, status);
    }
}

static int is_noisy(const run *r, const px_bench_measure *m)
{
    return m->measured && (m->contended || m->rounds < PX_SAMPLES_LEAST || m->spread > r->options->noisy_spread);
}

/* A case whose repeats scatter is measured again, once; the calmer of the two measurements counts. */
static void repeat_noisy(run *r, group *g, double seconds)
{
    double limit = r->options->total_seconds;
    int noisy = 0;
    for (size_t i = 0; i < g->count; i++) noisy |= g->runner[i] && is_noisy(r, &r->result->measures[g->first + i]);
    if (!noisy || stopped(r) || (limit > 0 && px_clock() - r->started > limit)) return;
    for (size_t i = 0; i < g->count; i++)
        if (g->runner[i]) px_runner_forget(g->runner[i]);
    measure_rounds(r, g, seconds);
    for (size_t i = 0; i < g->count; i++) {
        px_bench_measure *m = &r->result->measures[g->first + i];
        if (!g->runner[i] || px_runner_samples(g->runner[i])->count < PX_SAMPLES_LEAST) continue;
        px_bench_measure before = *m;
        finish_case(r, g, i);
        if (m->spread > before.spread && m->contended >= before.contended) *m = before;
        m->repeated = 1;
    }
}

static int same_sizes(const px_bench_case *a, const px_bench_case *b)
{
    return a->work == b->work && a->batch == b->batch && a->steps == b->steps && a->hidden == b->hidden &&
           a->embed == b->embed && a->layers == b->layers && a->vocab == b->vocab && a->tied == b->tied;
}

/* The largest difference to the losses of the group's first measured case of the same sizes. */
static void compare_losses(px_bench_measure *measures, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        px_bench_measure *m = &measures[i];
        for (size_t j = 0; j < i && isnan(m->loss_difference); j++) {
            const px_bench_measure *base = &measures[j];
            if (!m->measured || !base->measured || !same_sizes(&m->c, &base->c) || m->loss_count == 0) continue;
            m->loss_difference = 0;
            for (int32_t k = 0; k < m->loss_count && k < base->loss_count; k++)
                m->loss_difference = fmax(m->loss_difference, fabs(m->loss[k] - base->loss[k]));
        }
    }
}

static void find_published(px_bench_measure *m)
{
    const px_bench_case *c = &m->c;
    if (c->work != PX_BENCH_TRAIN || c->batch != 32 || c->steps != 35 || c->vocab != 28 || c->layers != 1 ||
        c->embed != 0)
        return;
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++)
        if (published[i].hidden == c->hidden) {
            m->published_tokens_per_s = published[i].tokens_per_s;
            m->published_source = published[i].source;
        }
}

static void measure_group(run *r, group *g)
{
    for (size_t i = 0; i < g->count && !stopped(r); i++) {
        px_status status = start_case(r, g, i);
        if (status != PX_OK) record_failure(r, g, i, status);
    }
    double seconds = r->options->case_seconds * (double)g->count;
    measure_rounds(r, g, seconds);
    for (size_t i = 0; i < g->count; i++)
        if (g->runner[i]) finish_case(r, g, i);
    repeat_noisy(r, g, seconds);
    for (size_t i = 0; i < g->count; i++) {
        px_bench_measure *m = &r->result->measures[g->first + i];
        m->noisy = is_noisy(r, m);
        find_published(m);
        px_runner_destroy(g->runner[i]);
    }
    compare_losses(&r->result->measures[g->first], g->count);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */
static void stamp(px_bench_result *result)
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(result->date, sizeof result->date, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static px_status prepare(run *r)
{
    px_bench_result *result = r->result;
    size_t count = r->plan->count;
    for (size_t i = 0; i < count; i++) { /* a device that is not there ends the run before anything is measured */
        const px_engine_ops *ops;
        int ordinal;
        PX_TRY(px_engine_find(r->plan->cases[i].device, &ops, &ordinal));
    }
    PX_TRY(px_bench_source_open(r->options->config, &r->source));
    result->measures = calloc(count, sizeof *result->measures);
    result->peaks = calloc(count, sizeof *result->peaks);
    r->probes = calloc(count, sizeof *r->probes);
    r->probe_counts = calloc(count, sizeof *r->probe_counts);
    if (!result->measures || !result->peaks || !r->probes || !r->probe_counts)
        return px_fail(PX_ERR_MEMORY, "bench: no memory for %zu cases", count);
    result->count = count;
    int32_t vocab = px_bench_source_vocab(&r->source);
    for (size_t i = 0; i < count; i++) {
        px_bench_measure *m = &result->measures[i];
        m->c = r->plan->cases[i];
        if (vocab > 0) m->c.vocab = vocab;
        m->loss_difference = m->joules_per_token = m->share_of_peak = m->share_of_roofline = m->share_of_floor = NAN;
        m->roofline_s = m->recurrence_floor_s = m->weight_gb_s = m->read_gb_s = NAN;
    }
    if (r->options->export_path)
        return px_bench_export(r->options->export_path, &result->measures[0].c, r->options, &r->source);
    return PX_OK;
}

static void measure_all(run *r)
{
    const px_bench_result *result = r->result;
    for (size_t i = 0; i < result->count && !stopped(r);) {
        group g = {.first = i};
        while (i < result->count && g.count < PX_BENCH_MAX_GROUP &&
               result->measures[i].c.group == result->measures[g.first].c.group) {
            g.count++;
            i++;
        }
        measure_group(r, &g);
    }
}

px_status px_bench_run(const px_bench_plan *plan, const px_bench_options *options, px_bench_result *result)
{
    memset(result, 0, sizeof *result);
    run r = {.plan = plan, .options = options, .result = result, .started = px_clock()};
    stamp(result);
    snprintf(result->preset, sizeof result->preset, "%s", plan->preset);
    px_status status = prepare(&r);
    if (status == PX_OK) {
        measure_all(&r);
        settle_peaks(&r);
        result->complete = !stopped(&r);
        status = px_bench_find_crossovers(plan, result);
        size_t measured = 0;
        for (size_t i = 0; i < result->count; i++) measured += (size_t)result->measures[i].measured;
        if (status == PX_OK && measured == 0 && r.first_failure != PX_OK)
            status = px_fail(r.first_failure, "%s", r.first_message);
    }
    result->seconds = px_clock() - r.started;
    for (size_t i = 0; r.probes && i < plan->count; i++) free(r.probes[i]);
    free(r.probes);
    free(r.probe_counts);
    px_bench_source_close(&r.source);
    if (status != PX_OK) px_bench_result_free(result);
    return status;
}

int px_bench_is_first_of_device(const px_bench_result *result, size_t i)
{
    const px_bench_measure *m = result->measures;
    if (!m[i].measured) return 0;
    for (size_t k = 0; k < i; k++)
        if (m[k].measured && strcmp(m[k].c.device, m[i].c.device) == 0) return 0;
    return 1;
}

void px_bench_result_free(px_bench_result *result)
{
    free(result->measures);
    free(result->peaks);
    free(result->crossovers);
    memset(result, 0, sizeof *result);
}
