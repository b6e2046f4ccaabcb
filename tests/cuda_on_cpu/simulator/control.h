/* The simulator from outside: what tests set and read, and what a fake CUDA runtime plugs into. */
#ifndef PX_SIMULATOR_CONTROL_H
#define PX_SIMULATOR_CONTROL_H

#include "simulator.h"

namespace px_sim
{

/* Order in which runnable threads run. A missing barrier gives a wrong result or a data race under at least one of
 * them. */
enum schedule {
    FORWARD,     /* lowest thread first, all up to the next barrier */
    REVERSE,     /* highest thread and block first */
    DEPTH_FIRST, /* one warp runs as far ahead as it can */
    DEPTH_FIRST_REVERSE,
    STICKY, /* random warps run ahead, with a random change now and then; by seed */
    SCHEDULES
};
const char *schedule_name(schedule order);

struct settings {
    schedule order = FORWARD;
    uint64_t seed = 1;
    unsigned resident = 1;            /* blocks that run side by side */
    size_t shared_limit = 227 * 1024; /* dynamic shared memory that a kernel may ask for (H100's) */
    unsigned cluster_limit = 16; /* blocks of a cluster, where a kernel may have large ones (H100's); 0: no clusters */
    unsigned cooperative_limit = 1024; /* blocks that a cooperative launch can have on the device at once */
    uint64_t lost_store = 0;           /* the so many-th st.async from now never arrives; 0: none is lost */
    bool strict = true;                /* barriers and warp functions must be reached at the same place by all */
};
settings &control();

struct counters {
    uint64_t launches, threads, switches, barriers, meetings;
};
counters &statistics();

/* What the last faulty launch did wrong ("" = none): kernel, block, thread, fault, file:line. */
const char *last_fault();

/* Runs a launch to its end, now. cudaErrorInvalidConfiguration for a grid that no GPU takes, cudaErrorLaunchFailure
 * where a fault was found (last_fault). */
cudaError_t run(const launch &what, const std::function<void()> &body);

/* Hooks, NULL by default: without them a launch runs at once and every pointer passes. */
typedef cudaError_t (*submit_hook)(const launch &what, cudaStream_t stream, std::function<void()> body);
typedef bool (*pointer_hook)(const void *p);
void set_hooks(submit_hook submit_launch, pointer_hook is_device);
/* Of launches that overlap, which may begin while the launch before them runs. drawn true: device memory shows 0xff
 * from here on, and what is written there is lost; false: it is there again, as it was. Blocks that begin later than
 * the first ones find it there. Without the hook it is always there. */
typedef void (*curtain_hook)(bool drawn);
void set_curtain(curtain_hook curtain);

} // namespace px_sim

#endif
