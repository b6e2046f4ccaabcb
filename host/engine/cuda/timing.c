/* Times of the phases, measured on the device by events between them, inside the graphs.
 *
 * Event nodes cost time, so they are there only once somebody has asked: phase_times() with reset turns them on, from
 * the next window on, and until then all times are 0. Two sets alternate, so that the host reads the stamps of the
 * window before last and the device is kept busy meanwhile. */
#include "engine_cuda.h"

static px_status elapsed(cudaEvent_t from, cudaEvent_t to, double *seconds)
{
    float ms = 0;
    PX_CUDA(cudaEventElapsedTime(&ms, from, to));
    *seconds += (double)ms / 1e3;
    return PX_OK;
}

/* Adds what a set has recorded, waiting for it. */
static px_status harvest(px_cuda *engine, px_cuda_stamps *stamps)
{
    double *seconds = engine->timing.seconds;
    if (stamps->phases) {
        PX_TRY(px_cuda_wait_event(engine, stamps->at[stamps->phases]));
        for (int phase = stamps->first; phase < stamps->phases; phase++)
            PX_TRY(elapsed(stamps->at[phase], stamps->at[phase + 1], &seconds[phase]));
        stamps->phases = 0;
    }
    if (stamps->update_pending) {
        PX_TRY(px_cuda_wait_event(engine, stamps->update[1]));
        PX_TRY(elapsed(stamps->update[0], stamps->update[1], &seconds[PX_PHASE_UPDATE]));
        stamps->update_pending = 0;
    }
    return PX_OK;
}

static px_status turn_on(px_cuda *engine)
{
    px_cuda_timing *timing = &engine->timing;
    if (timing->on) return PX_OK;
    for (int set = 0; set < 2; set++) {
        for (int i = 0; i < PX_CUDA_STAMPS; i++)
            if (!timing->stamps[set].at[i]) PX_CUDA(cudaEventCreate(&timing->stamps[set].at[i]));
        for (int i = 0; i < 2; i++)
            if (!timing->stamps[set].update[i]) PX_CUDA(cudaEventCreate(&timing->stamps[set].update[i]));
    }
    timing->on = 1;
    return PX_OK;
}

void px_cuda_timing_destroy(px_cuda *engine)
{
    for (int set = 0; set < 2; set++) {
        px_cuda_stamps *stamps = &engine->timing.stamps[set];
        for (int i = 0; i < PX_CUDA_STAMPS; i++)
            if (stamps->at[i]) cudaEventDestroy(stamps->at[i]);
        for (int i = 0; i < 2; i++)
            if (stamps->update[i]) cudaEventDestroy(stamps->update[i]);
    }
    engine->timing = (px_cuda_timing){0};
}

px_status px_cuda_stamp(px_cuda *engine, int phase)
{
    px_cuda_timing *timing = &engine->timing;
    if (!timing->on) return PX_OK;
    /* inside a graph an event must be an external node, so that the host may wait for it */
    PX_CUDA(cudaEventRecordWithFlags(timing->stamps[timing->set].at[phase + 1], engine->compute,
                                     engine->capturing ? cudaEventRecordExternal : cudaEventRecordDefault));
    px_cuda_place_after_other(engine);
    return PX_OK;
}

px_status px_cuda_timing_begin(px_cuda *engine)
{
    px_cuda_timing *timing = &engine->timing;
    if (!timing->on) return PX_OK;
    timing->set = 1 - timing->set;
    return harvest(engine, &timing->stamps[timing->set]);
}

void px_cuda_timing_end(px_cuda *engine, int first, int last)
{
    px_cuda_stamps *stamps = &engine->timing.stamps[engine->timing.set];
    if (!engine->timing.on) return;
    stamps->first = first;
    stamps->phases = last;
}

px_status px_cuda_timing_update_begin(px_cuda *engine)
{
    px_cuda_stamps *stamps = &engine->timing.stamps[engine->timing.set];
    if (!engine->timing.on) return PX_OK;
    if (stamps->update_pending) PX_TRY(harvest(engine, stamps)); /* two updates without a window between */
    PX_CUDA(cudaEventRecord(stamps->update[0], engine->compute));
    return PX_OK;
}

px_status px_cuda_timing_update_end(px_cuda *engine)
{
    px_cuda_stamps *stamps = &engine->timing.stamps[engine->timing.set];
    if (!engine->timing.on) return PX_OK;
    PX_CUDA(cudaEventRecord(stamps->update[1], engine->compute));
    stamps->update_pending = 1;
    return PX_OK;
}

px_status px_cuda_phase_times(px_engine *base, int reset, px_phase_times *times)
{
    px_cuda *engine = px_cuda_self(base);
    px_cuda_timing *timing = &engine->timing;
    PX_CUDA(cudaSetDevice(engine->ordinal));
    if (timing->on)
        for (int set = 0; set < 2; set++) PX_TRY(harvest(engine, &timing->stamps[set]));
    for (int phase = 0; phase < PX_PHASE_COUNT; phase++) {
        times->seconds[phase] = timing->seconds[phase];
        if (reset) timing->seconds[phase] = 0;
    }
    return reset ? turn_on(engine) : PX_OK;
}
