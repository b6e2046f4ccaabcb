/* The host waits for the device. With other ranks in play what it waits for may hang on them, so that the reducer is
 * asked now and then whether they still live; without one these are the runtime's own waits. */
#include "engine_cuda.h"
#include "machine.h"

#include <time.h>

enum { PAUSE_NS_LEAST = 20000, PAUSE_NS_MOST = 1000000 };

/* What one of the two waits asks for. */
typedef struct awaited {
    cudaStream_t stream;
    cudaEvent_t event; /* NULL: the stream */
} awaited;

static cudaError_t query(awaited what)
{
    cudaError_t error = what.event ? cudaEventQuery(what.event) : cudaStreamQuery(what.stream);
    if (error == cudaErrorNotReady) cudaGetLastError(); /* it is no failure, and must not be found by a later check */
    return error;
}

static px_status wait_and_watch(px_cuda *engine, awaited what)
{
    const px_reducer *reducer = &engine->reduction.reducer;
    double started = px_clock();
    for (long pause_ns = PAUSE_NS_LEAST;; pause_ns = pause_ns < PAUSE_NS_MOST ? 2 * pause_ns : pause_ns) {
        cudaError_t error = query(what);
        if (error == cudaSuccess)
            return reducer->watch(reducer->context, 0); /* sums of a broken connection may have come to an end too */
        if (error != cudaErrorNotReady) PX_CUDA(error);
        PX_TRY(reducer->watch(reducer->context, px_clock() - started));
        nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
    }
}

px_status px_cuda_wait_stream(px_cuda *engine, cudaStream_t stream)
{
    if (engine->reduction.reducer.watch) return wait_and_watch(engine, (awaited){.stream = stream});
    PX_CUDA(cudaStreamSynchronize(stream));
    return PX_OK;
}

px_status px_cuda_wait_event(px_cuda *engine, cudaEvent_t event)
{
    if (engine->reduction.reducer.watch) return wait_and_watch(engine, (awaited){.event = event});
    PX_CUDA(cudaEventSynchronize(event));
    return PX_OK;
}
