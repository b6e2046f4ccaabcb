/* The repeats of one case: what each measured, and which of them had the machine to themselves.
 *
 * A repeat during which another program took a core says little about this one. Two things tell: the repeat's CPU time
 * over its wall time lies more than 3 % below the best repeat's, or the probe just before it, which keeps every thread
 * busy all the time, got less than 95 % of the CPU time that its threads could use. Such repeats are set aside; where
 * fewer than PX_SAMPLES_LEAST are left, all count and the case is marked as contended: too noisy to judge, however
 * small its spread. */
#ifndef PX_SAMPLES_H
#define PX_SAMPLES_H

#include "bench.h"

enum { PX_SAMPLES_MAX = 400, PX_SAMPLES_LEAST = 3 };

typedef struct px_samples {
    int32_t threads; /* of the case */
    int32_t count;
    double tokens_per_s[PX_SAMPLES_MAX], step_s[PX_SAMPLES_MAX], data_s[PX_SAMPLES_MAX];
    double phase_s[PX_PHASE_COUNT][PX_SAMPLES_MAX];
    double use[PX_SAMPLES_MAX]; /* CPU seconds per second of wall time */
    int32_t probe_count;
    double probe[PX_SAMPLES_MAX]; /* GFLOP/s of the peak, before each repeat */
    double probe_use[PX_SAMPLES_MAX];
    double model_read[PX_SAMPLES_MAX],
        loop_read[PX_SAMPLES_MAX];   /* GB/s at which as many bytes can be read, before each repeat (count.h) */
    double meetings[PX_SAMPLES_MAX]; /* of all threads, per second, before each repeat; 0 with one thread */
} px_samples;

/* CPU seconds that this process has used, over all its threads. */
double px_samples_cpu_seconds(void);
int32_t px_samples_undisturbed(
    const px_samples *samples);                      /* repeats that are not set aside; all, if too few would be left */
int px_samples_contended(const px_samples *samples); /* 1: fewer than PX_SAMPLES_LEAST had the machine to themselves */
px_bench_quartiles px_samples_speed(const px_samples *samples); /* tokens/s */
double px_samples_error(const px_samples *samples);             /* standard error of the median, as a share of it */
/* Median of the probes of repeats that were not disturbed; where there are too few, the best probe, or `best` (of the
 * same threads at another time), so that the share of the peak comes out too small rather than too large. 0 without
 * probes. */
double px_samples_probe(const px_samples *samples, double best);
/* Median of a rate that was probed before each repeat, over those that were not disturbed; where there are too few, the
 * best. */
double px_samples_rate(const px_samples *samples, const double *rates);
/* Probes the peak on samples->threads threads of the processor and keeps it with its use of CPU time; nothing where no
 * room is left. */
void px_samples_take_probe(px_samples *samples);
/* Copies the probes that had their threads' CPU time to themselves into probes [count of samples]; returns how many. */
int32_t px_samples_clean_probes(const px_samples *samples, double *probes);
/* Fills the measure's rounds, speed, spread, error, step, phases and their sum. */
void px_samples_fill(const px_samples *samples, px_bench_measure *measure);

#endif
