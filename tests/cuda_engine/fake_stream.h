/* How a library that was loaded at run time puts work into a stream of the fake CUDA runtime (tests/cuda_engine), whose
 * functions it cannot see: each stream begins with this. */
#ifndef PX_FAKE_STREAM_H
#define PX_FAKE_STREAM_H

#include <stdint.h>

enum { PX_FAKE_STREAM_MAGIC = 0x50587374 };

typedef struct px_fake_stream {
    uint64_t magic; /* PX_FAKE_STREAM_MAGIC */
    /* run(argument), in the stream's order: 0 = done, 1 = not yet (the stream stays there, and tries again later) */
    int (*enqueue)(void *stream, int (*run)(void *argument), void *argument);
} px_fake_stream;

#endif
