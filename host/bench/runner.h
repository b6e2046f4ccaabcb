/* One case being measured: its engine, its batches, and the samples of its repeats. */
#ifndef PX_RUNNER_H
#define PX_RUNNER_H

#include "bench.h"
#include "bench_source.h"
#include "samples.h"

typedef struct px_runner px_runner;

/* Creates the engine with the initial weights of the seed, and the batches. */
px_status px_runner_create(const px_bench_case *c, const px_bench_options *options, const px_bench_source *source,
                           px_runner **runner);
void px_runner_destroy(px_runner *runner); /* NULL does nothing */
/* The first steps: losses from the initial weights are kept, caches and threads warm up, the length of a repeat is
 * chosen. */
px_status px_runner_warm(px_runner *runner);
/* One repeat: a probe of the peak (on the host's engines), a step that is not timed, then the timed steps. */
px_status px_runner_round(px_runner *runner);
const px_samples *px_runner_samples(const px_runner *runner); /* the repeats so far */
void px_runner_forget(px_runner *runner);                     /* drops them, for a second measurement */
/* Medians, quartiles, shares. peak: this device's peaks; its gflops and step_latency_s are replaced by the medians of
 * the probes between the repeats where there were any. */
px_status px_runner_finish(px_runner *runner, const px_peak *peak, px_bench_measure *measure);

#endif
