/* A CUDA runtime and a cuBLAS without a GPU, for tests: what a test sets and reads.
 *
 * The CUDA engine's own host code is linked with these instead of the real libraries; kernels are the simulator's
 * (tests/cuda_on_cpu). Streams are queues. In lazy mode, the default, nothing runs before something waits for it, and
 * then other streams get ahead only by chance: so a buffer that is reused too early, a read before a wait or an event
 * that nobody waits for gives a wrong result here, where an eager runtime would hide it. Device and pinned memory start
 * as NaN (bytes 0xff), every copy and every product is checked against the bounds of its allocations, and what real
 * CUDA refuses while a stream is captured is refused. */
#ifndef PX_FAKE_CONTROL_H
#define PX_FAKE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Mistakes that the engine's host code might make, planted here by leaving out what it asks for. */
typedef enum px_fake_fault {
    PX_FAKE_NO_FAULT,
    PX_FAKE_NO_EVENT_SYNCHRONIZE, /* the host does not wait for events: pinned buffers are reused too early */
    PX_FAKE_NO_FIRST_STREAM_WAIT, /* of every two cudaStreamWaitEvent the first is missing: the copy stream runs ahead
                                   */
    PX_FAKE_NO_SECOND_STREAM_WAIT /* the second: the compute stream does not wait for the copy */
} px_fake_fault;

typedef struct px_fake_settings {
    int lazy;            /* 0: every operation runs when it is enqueued */
    uint64_t seed;       /* of what runs ahead in lazy mode */
    int others_first;    /* lazy: others go as far as they can before each operation that somebody waits for */
    int devices;         /* 0: no GPU */
    int driver;          /* 0: cudaErrorInsufficientDriver, results unwritten */
    size_t memory_bytes; /* that can be allocated */
    size_t total_bytes;  /* what the device says that it has: decides how long a chunk of the head is */
    int major, minor;    /* compute capability */
    int multiprocessors;
    int lt_refuses;  /* 1: cuBLASLt's heuristics have no algorithm */
    int64_t fail_at; /* this many calls that create something succeed, the next one fails; -1: none fails */
    px_fake_fault fault;
    uint64_t lost_store;   /* the so many-th store between blocks from now never arrives; 0: none is lost */
    uint64_t lost_wait;    /* the so many-th cudaStreamWaitEvent inside a capture from now is missing; 0: none is */
    uint64_t wait_period;  /* of every so many cudaStreamWaitEvent ... */
    uint64_t wait_missing; /* ... this one, from 0, is missing; period 0: none is */
} px_fake_settings;

/* The settings, to be changed in place. Start: lazy, one device of capability 9.0 with 1 GiB, which says that it has
 * 64 KiB (so that the head runs in several chunks). PERPLEX_FAKE_EAGER in the environment starts eager,
 * PERPLEX_FAKE_DRIVER=0 without a driver, PERPLEX_FAKE_DEVICES sets their number, PERPLEX_FAKE_MEMORY the device's
 * bytes, PERPLEX_FAKE_LOST_STORE lost_store,
 * PERPLEX_FAKE_MULTIPROCESSORS their number (1), PERPLEX_FAKE_LT_REFUSES lt_refuses. */
px_fake_settings *px_fake_control(void);

typedef struct px_fake_counts {
    size_t allocations, bytes; /* alive now: device and pinned blocks */
    size_t objects;            /* alive now: streams, events, graphs, cuBLAS handles */
    size_t creations;          /* calls so far that fail_at counts */
    size_t graph_launches, captures, kernels;
    size_t overlapping; /* kernels among them that may begin before the one ahead has ended */
} px_fake_counts;
px_fake_counts px_fake_count(void);

/* The nodes of a graph (cudaGraphExec_t) in their order: kernels by their names, "product", "copy", "fill", "mark".
 * Returns how many there are; names: room for capacity of them, which live as long as the graph. */
size_t px_fake_nodes(const void *graph, const char **names, size_t capacity);

/* Forgets queued work, sticky errors and capture, as a new process would; memory and objects stay. */
void px_fake_reset(void);

#ifdef __cplusplus
}
#endif
#endif
