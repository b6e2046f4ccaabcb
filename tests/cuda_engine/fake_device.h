/* Inside of the fake runtime: what its files share. */
#ifndef PX_FAKE_DEVICE_H
#define PX_FAKE_DEVICE_H

#include "fake_control.h"

#include <cuda_runtime_api.h>

#include <functional>

namespace px_fake {

typedef std::function<cudaError_t()> work;

/* Puts work into a stream, or into the graph that the stream is being captured into. NULL: the legacy default stream, which
 * waits for all others. */
cudaError_t enqueue(cudaStream_t stream, work run);
bool is_capturing(cudaStream_t stream);

/* One of the calls that create something: counted, and failed where fail_at says so. */
bool creation_fails();
void object_created();
void object_destroyed();

/* bytes at p lie inside one device allocation (device memory only). */
bool device_range(const void *p, size_t bytes);

/* Says on standard error what the program did wrong. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

extern px_fake_counts counts;

} // namespace px_fake

#endif
