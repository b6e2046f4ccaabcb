/* Peaks of the processor and of devices (peak.h).
 *
 * The threads are a team's (team.h), as those of the CPU engine are. */
#include "peak.h"

#include "check.h"
#include "engine.h"
#include "fma.h"
#include "machine.h"
#include "samples.h"
#include "statistics.h"
#include "team.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHOICE_TURNS = 4, PROBES = 9, COPY_PASSES = 7, BARRIERS = 400, BARRIER_PASSES = 25, BARRIER_PROBE_PASSES = 5 };
static const double PROBE_SECONDS = 0.01;
static const size_t COPY_BYTES = (size_t)128
                                 << 20; /* per array: above every last-level cache that a core can fill alone */

int px_peak_is_host(const char *device)
{
    const px_engine_ops *ops; /* "auto" may be either */
    int ordinal;
    return px_engine_find(device, &ops, &ordinal) == PX_OK && ops->on_host;
}

static volatile float sink; /* written so that the work is not thrown away */

/* GFLOP/s of a kernel on this thread per second of its own CPU time, which does not pass while another program has the
 * core; *count iterations, made more until they take 2 ms. */
static double rate_by_cpu_time(const px_fma_kernel *kernel, size_t *count)
{
    for (;;) {
        struct timespec begin, end;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
        sink = kernel->run(*count);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
        if (seconds > 0.002) return kernel->flops_per_iteration * (double)*count / seconds * 1e-9;
        *count *= 4;
    }
}

/* The team that is measured, as long as the number of threads stays the same; NULL where so many cannot be had. */
static px_team *team_of(int32_t threads)
{
    static px_team *team; /* the bench runs on one thread */
    if (team && px_team_threads(team) == threads) return team;
    px_team_destroy(team);
    if (px_team_create(threads, &team) != PX_OK) team = NULL;
    return team;
}

typedef struct probe_run {
    const px_fma_kernel *kernel;
    size_t count;
} probe_run;

static void run_probe(void *context, int thread, long begin, long end)
{
    const probe_run *p = context;
    (void)thread, (void)begin, (void)end;
    float value = p->kernel->run(p->count);
    if (value == 0.125f) sink = value; /* never: the values tend to 1 */
}

/* GFLOP/s of one kernel on `threads` threads for `count` iterations each, by the clock on the wall. */
static double probe(const px_fma_kernel *kernel, int32_t threads, size_t count)
{
    px_team *team = team_of(threads);
    probe_run p = {kernel, count};
    const double begin = px_clock();
    if (team)
        px_team_together(team, threads, run_probe, &p);
    else
        run_probe(&p, 0, 0, 1);
    return kernel->flops_per_iteration * (double)count * (team ? threads : 1) / (px_clock() - begin) * 1e-9;
}

/* The kernel that ran fastest on this processor, and how many iterations take PROBE_SECONDS; widest is not always best
 * where wide vectors lower the clock. The kernels take turns, so that a neighbour on the same core slows them all. */
static px_fma_kernel best_kernel;
static size_t best_iterations;
static double best_rate; /* of one thread, GFLOP/s by its own CPU time */

static void choose_kernel(void)
{
    if (best_kernel.name) return;
    size_t counts[8] = {0};
    for (int turn = 0; turn < CHOICE_TURNS; turn++) {
        const px_fma_kernel *kernel = px_fma_kernels();
        for (size_t i = 0; i < sizeof counts / sizeof counts[0] && kernel[i].name; i++) {
            if (counts[i] == 0) counts[i] = 1 << 12;
            double rate = rate_by_cpu_time(&kernel[i], &counts[i]);
            if (!(rate > best_rate)) continue;
            best_rate = rate;
            best_kernel = kernel[i];
            best_iterations = 1 + (size_t)(PROBE_SECONDS * rate * 1e9 / kernel[i].flops_per_iteration);
        }
    }
}

double px_peak_probe_cpu(int32_t threads)
{
    choose_kernel();
    return probe(&best_kernel, threads, best_iterations);
}

typedef struct copy_run {
    float *from, *to;
} copy_run;

/* Touched first by threads that will copy, so that pages lie near them. */
static void touch(void *context, int thread, long begin, long end)
{
    const copy_run *c = context;
    (void)thread;
    for (long i = begin; i < end; i++) {
        c->from[i] = (float)i;
        c->to[i] = 0;
    }
}

static void copy(void *context, int thread, long begin, long end)
{
    const copy_run *c = context;
    (void)thread;
    for (long i = begin; i < end; i++) c->to[i] = c->from[i];
}

/* STREAM's copy: bytes read plus bytes written per second, best pass but the first. 0 where memory is short. */
static double measure_copy(int32_t threads)
{
    size_t bytes = COPY_BYTES, available = px_memory_available();
    px_team *team = team_of(threads);
    if (available > 0 && available < 4 * bytes) bytes = available / 4 & ~(size_t)4095;
    if (!team || bytes < (size_t)16 << 20) return 0;
    copy_run c = {aligned_alloc(4096, bytes), aligned_alloc(4096, bytes)};
    double best = 0;
    if (c.from && c.to) {
        const long count = (long)(bytes / sizeof *c.from), grain = (count + threads - 1) / threads;
        px_team_for(team, count, grain, touch, &c);
        for (int pass = 0; pass < COPY_PASSES; pass++) {
            double begin = px_clock();
            px_team_for(team, count, grain, copy, &c);
            double seconds = px_clock() - begin, rate = 2.0 * (double)bytes / seconds * 1e-9;
            if (pass > 0 && rate > best) best = rate;
        }
        sink = c.to[count - 1];
    }
    free(c.from);
    free(c.to);
    return best;
}

typedef struct meeting_run {
    px_team *team;
    px_meeting meeting;
    unsigned threads;
    double begin, end;
} meeting_run;

static void meet_often(void *context, int thread, long begin, long end)
{
    meeting_run *m = context;
    (void)thread, (void)end;
    px_team_meet(m->team, &m->meeting, m->threads);
    if (begin == 0) m->begin = px_clock();
    for (int i = 0; i < BARRIERS; i++) px_team_meet(m->team, &m->meeting, m->threads);
    if (begin == 0) m->end = px_clock();
}

/* Seconds of one meeting of the threads: what a step costs whose threads share rows. */
static double measure_barrier(int32_t threads, size_t pass_count)
{
    px_team *team = threads < 2 ? NULL : team_of(threads);
    double passes[BARRIER_PASSES];
    if (!team) return 0;
    for (size_t pass = 0; pass < pass_count; pass++) {
        meeting_run m = {.team = team, .threads = (unsigned)threads};
        px_team_together(team, threads, meet_often, &m);
        passes[pass] = (m.end - m.begin) / BARRIERS;
    }
    return px_quantile(passes, pass_count, 0.5);
}

double px_peak_probe_meeting(int32_t threads) { return measure_barrier(threads, BARRIER_PROBE_PASSES); }

static void measure_host(px_peak *peak)
{
    static px_samples samples; /* large; this runs on one thread */
    double clean[PX_SAMPLES_MAX];
    choose_kernel();
    samples.threads = peak->threads;
    samples.probe_count = 0;
    probe(&best_kernel, peak->threads, best_iterations); /* wakes the threads */
    for (int i = 0; i < PROBES; i++) px_samples_take_probe(&samples);
    int32_t count = px_samples_clean_probes(&samples, clean);
    peak->gflops_best = px_quantile(samples.probe, PROBES, 1);
    if (count >= PX_SAMPLES_LEAST)
        peak->gflops = px_quantile(clean, (size_t)count, 0.5);
    else /* other programs disturbed the probes, which then say less than the machine can do */
        peak->gflops = peak->gflops_best = fmax(peak->gflops_best, best_rate * peak->threads);
    peak->copy_gb_s = measure_copy(peak->threads);
    peak->step_latency_s = measure_barrier(peak->threads, BARRIER_PASSES);
    snprintf(peak->instruction_set, sizeof peak->instruction_set, "%s", best_kernel.name);
}

px_status px_peak_measure(const char *device, int32_t threads, px_precision precision, px_peak *peak)
{
    *peak = (px_peak){.threads = threads, .precision = precision};
    snprintf(peak->device, sizeof peak->device, "%s", device);
    if (px_peak_is_host(device)) {
        measure_host(peak);
        return PX_OK;
    }
    const px_engine_ops *ops;
    int ordinal;
    PX_TRY(px_engine_find(device, &ops, &ordinal));
    if (!ops->peak) return PX_OK;
    px_device_peak measured = {0};
    PX_TRY(ops->peak(ordinal, precision, &measured));
    peak->gflops = peak->gflops_best = measured.gflops;
    peak->copy_gb_s = measured.copy_gb_s;
    peak->step_latency_s = measured.step_latency_s;
    snprintf(peak->instruction_set, sizeof peak->instruction_set, "%s", measured.what);
    return PX_OK;
}
