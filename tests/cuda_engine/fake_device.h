/* Inside of the fake runtime: what its files share. fake_streams.cpp: order (streams, events, graphs);
 * fake_runtime.cpp: devices, memory, errors; fake_cublas.cpp, fake_cublas_lt.cpp: products. */
#ifndef PX_FAKE_DEVICE_H
#define PX_FAKE_DEVICE_H

#include "fake_control.h"

#include <cuda_runtime_api.h>

#include <functional>

namespace px_fake
{

typedef std::function<cudaError_t()> work;

/* ---- fake_streams.cpp */

/* Puts work into a stream, or into the graph that the stream is being captured into. NULL: the legacy default stream,
 * which waits for all others. name: of what it does, as px_fake_nodes says it. */
cudaError_t enqueue(cudaStream_t stream, const char *name, work run);
bool is_capturing(cudaStream_t stream);
/* What was put there last is a kernel or a product, in the same graph or in none. */
bool is_behind_kernel(cudaStream_t stream);
/* Runs a stream (NULL: the default one) to its end, and of the others what it waits for; or all of them. */
void drain(cudaStream_t stream);
void drain_all();
/* What may not be called while any stream is captured: complains and says so. */
bool forbidden();
/* Keeps an error for cudaGetLastError, and returns it; and the error that a device cannot recover from. */
cudaError_t report(cudaError_t error);
cudaError_t broken();

/* ---- fake_runtime.cpp */

extern px_fake_counts counts;
px_fake_settings &settings();

/* One of the calls that create something: counted, and failed where fail_at says so. */
bool creation_fails();
void object_created();
void object_destroyed();

/* bytes at p lie inside one device allocation (device memory only). */
bool device_range(const void *p, size_t bytes);

/* Says on standard error what the program did wrong. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

} // namespace px_fake

#endif
