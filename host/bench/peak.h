/* The peaks that a speed is held against, measured on the same threads in the same run.
 *
 * CPU: the rate of independent fused multiply-adds in registers (the best of the instruction sets that this processor
 * has), the rate of a copy larger than the caches, and the time of one barrier between the threads. Another device
 * measures its own through its engine (px_engine_ops.peak): a large product, a device copy, one dependent step. */
#ifndef PX_PEAK_H
#define PX_PEAK_H

#include "config.h"

typedef struct px_peak {
    char device[32];
    int32_t threads;
    px_precision precision;
    char instruction_set[24]; /* "avx2", or the device's name for what did the product */
    double gflops;            /* median of the probes, 1e9 operations per second; 0 = not measured */
    double gflops_best;       /* the best single probe */
    double copy_gb_s;         /* bytes read plus bytes written; 0 = not measured */
    double
        step_latency_s; /* least cost of one dependent step beyond its product: a barrier, a launch; 0 with 1 thread */
} px_peak;

/* Measures all of a device's peaks. PX_OK with zeros where the device offers no measurement. */
px_status px_peak_measure(const char *device, int32_t threads, px_precision precision, px_peak *peak);
/* One short probe (some 10 ms) of the CPU's multiply-add rate in GFLOP/s: taken between repeats. */
double px_peak_probe_cpu(int32_t threads);
/* Seconds of one meeting of so many threads, some ms of them: taken between repeats, since a virtual machine's cores
 * may be moved nearer to each other or farther apart while it runs. 0 with one thread, or where so many cannot be had.
 */
double px_peak_probe_meeting(int32_t threads);
/* 1 for the engines that run on the processor itself. */
int px_peak_is_host(const char *device);

#endif
