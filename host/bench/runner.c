/* One case being measured (runner.h). Everything goes through the engine seam, as a training does: the windows come
 * from minibatches, a step is accumulate + update, and a repeat ends with px_engine_metrics, which waits for the
 * device. */
#include "runner.h"

#include "check.h"
#include "decoding.h"
#include "energy_meter.h"
#include "machine.h"
#include "read_probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENERGY_SECONDS = 2 };

struct px_runner {
    px_bench_case c;
    const px_bench_options *options;
    int on_host; /* the engine runs on this processor */
    px_model_config model;
    double share[PX_CUTOFFS_MAX]; /* of the tokens, in each cluster of an adaptive output layer */
    px_optimizer_config optimizer;
    px_engine *engine;
    px_tokens *tokens;
    px_minibatches *minibatches;
    int64_t per_epoch;
    px_decoding decoding; /* of the works "decode" and "next" only */
    int checked;          /* decoding: the losses that are shown are known, so whatever draws may draw */
    uint64_t step;        /* steps done */
    px_batch batch;       /* the window of the last step */
    int32_t row;          /* decoding: next row of the window */
    double data_s;        /* time spent making windows since the repeat began */
    int64_t scored;       /* tokens done since the repeat began */
    int32_t steps_per_round;
    double warm_step_s; /* seconds of one warm step */
    size_t resident_before, resident_bytes;
    double loss[PX_BENCH_LOSSES];
    int32_t loss_count;
    px_samples samples;
    px_work_count work; /* of one step */
    px_energy_meter energy;
};

static int is_training(const px_bench_case *c) { return c->work == PX_BENCH_TRAIN || px_bench_work_is_part(c->work); }

static px_engine_shape shape_of(const px_runner *r)
{
    const px_bench_case *c = &r->c;
    return (px_engine_shape){.n = c->batch,
                             .T = c->steps,
                             .training = is_training(c),
                             .threads = c->threads,
                             .precision = c->precision,
                             .recurrence = r->options->config->recurrence,
                             .wavefront = r->options->config->wavefront,
                             .products = r->options->config->products,
                             .seed = r->options->config->seed};
}

static px_status make_weights(px_runner *r)
{
    px_parameters table;
    PX_TRY(px_parameters_make(&r->model, &table));
    float *weights = malloc(table.count * sizeof *weights);
    if (!weights) return px_fail(PX_ERR_MEMORY, "bench: no memory for %zu initial weights", table.count);
    px_status status = px_parameters_init(&table, &r->model, r->options->config->seed, weights);
    if (status == PX_OK) status = px_engine_write(r->engine, PX_SECTION_PARAMETERS, weights);
    free(weights);
    return status;
}

static void count_work(const px_runner *r, px_work_count *work)
{
    switch (r->c.work) {
    case PX_BENCH_TRAIN: px_count_train(&r->model, r->share, &r->optimizer, r->c.batch, r->c.steps, work); break;
    case PX_BENCH_EVALUATE: px_count_evaluate(&r->model, r->share, r->c.batch, r->c.steps, work); break;
    case PX_BENCH_DECODE:
    case PX_BENCH_NEXT: px_count_decode(&r->model, r->c.batch, work); break;
    case PX_BENCH_DATA: px_count_data(r->c.batch, r->c.steps, work); break;
    default:
        px_count_phase(&r->model, r->share, &r->optimizer, r->c.batch, r->c.steps,
                       (px_phase)(r->c.work - PX_BENCH_PHASE), work);
        break;
    }
    const int training = is_training(&r->c), narrow = training && r->c.precision == PX_BF16;
    const double *share =
        px_bench_work_decodes(r->c.work) ? NULL : r->share; /* decoding takes every cluster's logits */
    if (!r->on_host) px_count_logits(&r->model, share, training, narrow ? 2 : 4, work);
}

static px_status create(px_runner *r, const px_bench_source *source)
{
    const px_bench_case *c = &r->c;
    px_engine_shape shape = shape_of(r);
    if (c->work == (px_bench_work)(PX_BENCH_PHASE + PX_PHASE_EMBED) && c->embed == 0 && !(r->model.dropout_input > 0))
        return px_fail(
            PX_ERR_ARGUMENT,
            "embed: a one-hot input is a row of weights that the recurrence reads in place, so this phase has "
            "nothing to do; give --embed");
    PX_TRY(px_engine_create(c->device, &r->model, &r->optimizer, &shape,
                            &r->engine)); /* first: it refuses what no memory holds */
    px_energy_meter_open(&r->energy, r->engine, r->on_host);
    PX_TRY(px_bench_source_minibatches(source, c, &r->tokens, &r->minibatches));
    r->per_epoch = px_minibatches_per_epoch(r->minibatches, 0);
    PX_TRY(make_weights(r));
    if (px_bench_work_decodes(c->work))
        PX_TRY(px_decoding_create(&r->decoding, r->engine, c->batch, c->vocab, c->work == PX_BENCH_DECODE,
                                  r->options->config->seed));
    return PX_OK;
}

px_status px_runner_create(const px_bench_case *c, const px_bench_options *options, const px_bench_source *source,
                           px_runner **runner)
{
    px_runner *r = calloc(1, sizeof *r);
    if (!r) return px_fail(PX_ERR_MEMORY, "bench: no memory for a case");
    r->c = *c;
    r->samples.threads = c->threads;
    r->on_host = px_peak_is_host(c->device);
    r->options = options;
    r->model = options->config->model;
    r->model.vocab = c->vocab, r->model.embed = c->embed, r->model.hidden = c->hidden, r->model.layers = c->layers;
    r->model.tied = c->tied;
    r->optimizer = options->config->optimizer;
    r->resident_before = px_memory_resident();
    px_status status = px_bench_source_clusters(source, &r->model, r->share);
    if (status == PX_OK) {
        count_work(r, &r->work);
        status = create(r, source);
    }
    if (status != PX_OK) {
        px_runner_destroy(r);
        return status;
    }
    *runner = r;
    return PX_OK;
}

void px_runner_destroy(px_runner *r)
{
    if (!r) return;
    px_energy_meter_close(&r->energy);
    px_engine_destroy(r->engine);
    if (r->minibatches) px_minibatches_destroy(r->minibatches);
    if (r->tokens) px_tokens_destroy(r->tokens);
    px_decoding_free(&r->decoding);
    free(r);
}

/* The next window, timed as the phase "data". */
static px_status next_window(px_runner *r, uint64_t window)
{
    double begin = px_clock();
    PX_TRY(px_minibatches_get(r->minibatches, (int64_t)(window / (uint64_t)r->per_epoch),
                              (int64_t)(window % (uint64_t)r->per_epoch), window, &r->batch));
    r->data_s += px_clock() - begin;
    return PX_OK;
}

static px_status train_step(px_runner *r)
{
    PX_TRY(next_window(r, r->step));
    PX_TRY(px_engine_accumulate(r->engine, &r->batch));
    px_update update = {.step = r->step, .lr = r->options->config->lr};
    PX_TRY(px_engine_update(r->engine, &update));
    r->scored += (int64_t)r->batch.T * r->batch.n;
    return PX_OK;
}

/* Steps that one_step() makes: several where the engine draws several tokens at once. */
static int32_t steps_at_once(const px_runner *r)
{
    return px_bench_work_decodes(r->c.work) && r->checked ? r->decoding.tokens : 1;
}

static px_status decode_step(px_runner *r)
{
    if (r->row == 0) PX_TRY(next_window(r, r->step / (uint64_t)r->c.steps));
    PX_TRY(r->checked ? px_decoding_step(&r->decoding, &r->batch, r->row)
                      : px_decoding_next(&r->decoding, &r->batch, r->row));
    r->scored += (int64_t)r->batch.n * steps_at_once(r);
    return PX_OK;
}

/* One phase, on the first window and what a whole step left of it. */
static px_status phase_step(px_runner *r)
{
    px_update update = {.step = r->step, .lr = r->options->config->lr};
    if (r->step == 0) return train_step(r);
    r->scored += (int64_t)r->batch.T * r->batch.n;
    return px_engine_run_phase(r->engine, (px_phase)(r->c.work - PX_BENCH_PHASE), &r->batch, &update);
}

static px_status one_step(px_runner *r)
{
    double begin = r->options->slow_down > 0 ? px_clock() : 0;
    switch (r->c.work) {
    case PX_BENCH_TRAIN: PX_TRY(train_step(r)); break;
    case PX_BENCH_EVALUATE:
        PX_TRY(next_window(r, r->step));
        PX_TRY(px_engine_evaluate(r->engine, &r->batch, NULL));
        r->scored += (int64_t)r->batch.T * r->batch.n;
        break;
    case PX_BENCH_DECODE:
    case PX_BENCH_NEXT:
        PX_TRY(decode_step(r));
        r->row = r->row + 1 < r->batch.T ? r->row + 1 : 0;
        break;
    case PX_BENCH_DATA:
        PX_TRY(next_window(r, r->step));
        r->scored += (int64_t)r->batch.T * r->batch.n;
        break;
    default: PX_TRY(phase_step(r)); break;
    }
    r->step++;
    if (r->options->slow_down > 0) { /* a planted loss of speed: waits for its share of the time that the step took */
        double now = px_clock(), until = now + (now - begin) * r->options->slow_down;
        while (px_clock() < until) {
        }
    }
    return PX_OK;
}

/* Of the step just done, nats a token. */
static double loss_of(const px_runner *r, const px_metrics *metrics)
{
    if (!px_bench_work_decodes(r->c.work)) return metrics->loss_sum / (double)metrics->tokens;
    return px_decoding_loss(&r->decoding, &r->batch, r->row > 0 ? r->row - 1 : r->batch.T - 1);
}

static px_status check_finite(px_runner *r, px_metrics *metrics)
{
    PX_TRY(px_engine_metrics(r->engine, 1, metrics));
    if (r->c.work == PX_BENCH_TRAIN && metrics->bad_step >= 0)
        return px_fail(PX_ERR_NUMERIC, "loss or gradient was not finite at step %lld; give a smaller --lr",
                       (long long)metrics->bad_step);
    return PX_OK;
}

/* A step, timed until the device has done it. */
static px_status timed_step(px_runner *r, px_metrics *metrics, double *seconds)
{
    const double started = px_clock();
    PX_TRY(one_step(r));
    PX_TRY(check_finite(r, metrics));
    *seconds = px_clock() - started;
    return PX_OK;
}

/* The first steps, whose losses are kept. */
static px_status take_losses(px_runner *r, double *last)
{
    px_metrics metrics;
    const double begin = px_clock();
    PX_TRY(px_engine_metrics(r->engine, 1, &metrics));
    for (int32_t i = 0; i < PX_BENCH_LOSSES; i++) {
        PX_TRY(timed_step(r, &metrics, last));
        if (!px_bench_work_is_part(r->c.work)) r->loss[r->loss_count++] = loss_of(r, &metrics);
        if (r->options->stop && *r->options->stop) break;
        /* slow cases keep fewer losses: at least two, then no more than a third of the case's time */
        if (i >= 1 && px_clock() - begin > r->options->case_seconds / 3) break;
    }
    r->checked = 1;
    return PX_OK;
}

px_status px_runner_warm(px_runner *r)
{
    px_metrics metrics;
    double begin = px_clock(), last = 0;
    PX_TRY(take_losses(r, &last));
    /* what draws has not done so yet: once to capture its graph, once to say how long it takes */
    for (int i = 0; i < 2 && steps_at_once(r) > 1; i++) PX_TRY(timed_step(r, &metrics, &last));
    /* small cases need more than a few steps before clocks, caches and branch predictors settle */
    double until = begin + fmin(0.2, r->options->case_seconds / 4);
    while (last < 0.05 && px_clock() < until) PX_TRY(timed_step(r, &metrics, &last));
    r->warm_step_s = last;
    double steps = ceil(r->options->round_seconds / fmax(last, 1e-7));
    r->steps_per_round = steps < 1 ? 1 : steps > 1e6 ? 1000000 : (int32_t)steps;
    size_t resident = px_memory_resident();
    if (resident > r->resident_before && r->resident_before > 0) r->resident_bytes = resident - r->resident_before;
    return PX_OK;
}

/* The peaks just before a repeat, on the same threads. */
static void take_probes(px_runner *r)
{
    px_samples *s = &r->samples;
    if (!r->on_host) return;
    px_samples_take_probe(s);
    const double meeting = px_peak_probe_meeting(s->threads);
    s->meetings[s->count] = meeting > 0 ? 1 / meeting : 0;
    if (r->work.model_bytes > 0) s->model_read[s->count] = px_read_probe_take(r->engine, PX_WEIGHTS_STEP);
    if (r->work.loop_passes > 0) s->loop_read[s->count] = px_read_probe_take(r->engine, PX_WEIGHTS_RECURRENT);
}

px_status px_runner_round(px_runner *r)
{
    px_metrics metrics;
    px_phase_times phases;
    px_samples *s = &r->samples;
    if (s->count == PX_SAMPLES_MAX) return PX_OK;
    take_probes(r);
    if (r->warm_step_s < r->options->round_seconds / 4)
        PX_TRY(one_step(r)); /* brings the caches back from the neighbour's case */
    PX_TRY(px_engine_metrics(r->engine, 1, &metrics));
    PX_TRY(px_engine_phase_times(r->engine, 1, &phases));
    if (r->on_host) px_energy_meter_begin(&r->energy);
    r->data_s = 0;
    r->scored = 0;
    double cpu = px_samples_cpu_seconds(), begin = px_clock();
    for (int32_t i = 0; i < r->steps_per_round; i++) PX_TRY(one_step(r));
    PX_TRY(check_finite(r, &metrics)); /* waits for the device */
    double wall = px_clock() - begin, seconds = wall;
    cpu = px_samples_cpu_seconds() - cpu;
    if (r->on_host) px_energy_meter_end(&r->energy, (double)r->scored);
    PX_TRY(px_engine_phase_times(r->engine, 1, &phases));
    if (r->c.work >= PX_BENCH_PHASE)
        seconds = phases.seconds[r->c.work - PX_BENCH_PHASE]; /* without what set the phase up */
    if (r->c.work == PX_BENCH_DATA) seconds = r->data_s;
    int32_t k = s->count++, steps = r->steps_per_round * steps_at_once(r);
    s->tokens_per_s[k] = (double)r->scored / seconds;
    s->step_s[k] = seconds / steps;
    s->data_s[k] = r->data_s / steps;
    /* a GPU's host thread may sleep as it waits: its use of a core says nothing about the device's */
    s->use[k] = r->on_host ? cpu / wall : 1;
    for (int p = 0; p < PX_PHASE_COUNT; p++) s->phase_s[p][k] = phases.seconds[p] / steps;
    return PX_OK;
}

const px_samples *px_runner_samples(const px_runner *r) { return &r->samples; }

void px_runner_forget(px_runner *r)
{
    memset(&r->samples, 0, sizeof r->samples);
    r->samples.threads = r->c.threads;
    if (r->on_host) px_energy_meter_forget(&r->energy);
}

/* Seconds in which a step's weights can be read, at the rates of the probes; the recurrence's alone. NaN where none was
 * taken. */
static double weights_seconds(const px_runner *r, double *recurrence)
{
    const px_work_count *work = &r->work;
    const double model = px_samples_rate(&r->samples, r->samples.model_read),
                 loop = px_samples_rate(&r->samples, r->samples.loop_read);
    const double loops = work->loop_passes > 0 ? work->loop_passes * work->loop_bytes / loop : 0;
    if (!(model > 0)) return *recurrence = NAN;
    *recurrence = (work->model_recurrent_bytes / model + loops) * 1e-9;
    return (work->model_bytes / model + loops) * 1e-9;
}

static void fill_shares(const px_runner *r, px_bench_measure *m)
{
    const px_peak *peak = &m->peak;
    double peak_flops = peak->gflops * 1e9, copy = peak->copy_gb_s * 1e9;
    m->share_of_peak = peak_flops > 0 && m->work.flops > 0 ? m->gflops / peak->gflops : NAN;
    double recurrence_weights, weights = weights_seconds(r, &recurrence_weights);
    m->read_gb_s = px_count_weight_bytes(&m->work) / weights * 1e-9;
    m->weight_gb_s =
        weights > 0 ? m->tokens_per_s.median * px_count_weight_bytes(&m->work) / m->work.tokens * 1e-9 : NAN;
    m->roofline_s = !(peak_flops > 0) ? NAN
                    : weights > 0     ? fmax(m->work.flops / peak_flops, weights)
                    : copy > 0        ? fmax(m->work.flops / peak_flops, m->work.bytes / copy)
                                      : NAN;
    /* a window of a real text may be shorter than T: rates are per token, so the share is taken there too */
    m->share_of_roofline = m->roofline_s / m->work.tokens * m->tokens_per_s.median;
    double recurrent =
        m->work.phase_flops[PX_PHASE_RECURRENCE_FORWARD] + m->work.phase_flops[PX_PHASE_RECURRENCE_BACKWARD];
    double spent = m->phase_s[PX_PHASE_RECURRENCE_FORWARD] + m->phase_s[PX_PHASE_RECURRENCE_BACKWARD];
    /* fmax takes the other number where one is not known */
    m->recurrence_floor_s = NAN;
    if (peak_flops > 0 && recurrent > 0)
        m->recurrence_floor_s =
            fmax(recurrent / peak_flops, recurrence_weights) + m->work.dependent_steps * peak->step_latency_s;
    m->share_of_floor = spent > 0 ? m->recurrence_floor_s / spent : NAN;
}

/* A GPU's counter moves some ten times a second, less often than repeats end: it is read around one long stretch. */
static px_status count_energy(px_runner *r)
{
    px_metrics metrics;
    if (r->on_host || px_energy_meter_has(&r->energy)) return PX_OK;
    const double seconds = fmin(ENERGY_SECONDS, r->options->case_seconds), begin = px_clock();
    r->scored = 0;
    px_energy_meter_begin(&r->energy);
    do {
        for (int32_t i = 0; i < r->steps_per_round; i++) PX_TRY(one_step(r));
        PX_TRY(check_finite(r, &metrics)); /* waits for the device */
    } while (px_clock() - begin < seconds);
    px_energy_meter_end(&r->energy, (double)r->scored);
    return PX_OK;
}

px_status px_runner_finish(px_runner *r, const px_peak *peak, px_bench_measure *m)
{
    if (r->samples.count == 0) return PX_OK; /* stopped before the first repeat */
    m->measured = 1;
    m->steps_per_round = r->steps_per_round * steps_at_once(r);
    px_samples_fill(&r->samples, m);
    m->work = r->work;
    m->gflops = m->tokens_per_s.median * m->work.flops / m->work.tokens * 1e-9;
    m->gb_s = m->tokens_per_s.median * m->work.bytes / m->work.tokens * 1e-9;
    m->peak = *peak;
    double probe = px_samples_probe(&r->samples, peak->gflops_best);
    if (probe > 0) m->peak.gflops = probe;
    const double meetings = px_samples_rate(&r->samples, r->samples.meetings);
    if (meetings > 0 && !(m->contended && peak->step_latency_s * meetings < 1)) /* a share too small, not too large */
        m->peak.step_latency_s = 1 / meetings;
    fill_shares(r, m);
    PX_TRY(count_energy(r));
    m->joules_per_token = px_energy_meter_per_token(&r->energy);
    memcpy(m->energy_counter, r->energy.counter, sizeof m->energy_counter);
    memcpy(m->no_energy, r->energy.reason, sizeof m->no_energy);
    m->loss_count = r->loss_count;
    memcpy(m->loss, r->loss, sizeof m->loss);
    m->resident_bytes = r->resident_bytes;
    px_engine_shape shape = shape_of(r);
    m->recurrence = px_engine_recurrence(r->engine);
    m->wavefront = px_engine_wavefront(r->engine);
    m->products = px_engine_products(r->engine);
    PX_TRY(px_engine_memory_of(r->c.device, &r->model, &r->optimizer, &shape, &m->memory));
    return px_engine_describe(r->engine, m->device_text, sizeof m->device_text);
}
