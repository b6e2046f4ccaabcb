/* The inside of the simulator: what scheduler.cpp runs, and what cluster.cpp adds to it. Nobody else includes it. */
#ifndef PX_SIMULATOR_SCHEDULER_H
#define PX_SIMULATOR_SCHEDULER_H

#include "control.h"
#include "fiber.h"

#include <map>
#include <memory>
#include <vector>

#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace px_sim
{

enum state { FRESH, READY, AT_BARRIER, IN_WARP, AT_CLUSTER, AT_MBARRIER, AT_STREAM, RETURNED };

struct block;
struct cluster;
struct mbarrier;

enum { MOST_SUMS = 16 };
struct later_product {
    product of;
    product_maker make;
};

struct thread : view {
    block *home;
    fiber *context;
    state now;
    warp_op op; /* while IN_WARP */
    unsigned mask, source;
    uint64_t value, result;
    const place *where;      /* the call it waits in */
    const mbarrier *awaited; /* while AT_MBARRIER: a phase of that parity */
    unsigned parity;
    bool has_waited;         /* stream_wait() */
    bool in_vain;            /* nobody can end that phase any more */
    bool in_cluster_barrier; /* it has arrived there and not waited yet, in that phase */
    unsigned cluster_phase;
    /* Of its matrix instructions (warpgroup.cpp): what fences it has passed since its last barrier, and since its last
     * wait; how many it has given; the sums that are under way to c, and those products that are not made yet. */
    bool sees_shared_writes, registers_are_fenced;
    size_t products, made;
    float *c, sums[MOST_SUMS];
    unsigned count;
    std::vector<later_product> later;
};

struct variable {
    const void *key;
    void *memory;
};

/* A barrier in shared memory that counts arrivals and bytes. A phase ends when neither is lacking; early bytes make
 * `bytes` negative. */
struct mbarrier {
    unsigned arrivals, lacking; /* of a phase; of this one */
    int64_t bytes;              /* expected and not yet here */
    unsigned phase;
    char token[2]; /* of even and odd phases */
};

struct block {
    std::vector<thread> threads;
    std::vector<variable> shared;
    void *dynamic;
    unsigned alive, arrived;
    const place *barrier_place;
    unsigned phase; /* of the barrier; its two tokens take turns */
    char barrier_token[2], warp_token[32];
    std::vector<uint32_t> gathered[2]; /* words of the warps' last two gatherings; they take turns */
    unsigned char gatherings[32];
    std::shared_ptr<cluster> home;
    unsigned rank;                               /* in the cluster */
    std::map<char *, mbarrier> mbarriers;        /* by their places in dynamic shared memory */
    std::vector<std::vector<uint64_t>> matrices; /* of each warpgroup: of its instructions so far */
};

/* Blocks that see each other's shared memory. A launch without clusters has clusters of one block. */
struct cluster {
    std::vector<block *> blocks; /* NULL: has ended */
    unsigned alive, arrived;     /* threads */
    unsigned phase;              /* of the barrier */
    char token[2];
};

/* ---- scheduler.cpp ---- */

thread *self();
/* While it lives, TSan takes us for the launch's caller. */
struct inside {
    fiber *context;
    inside();
    ~inside();
    inside(const inside &) = delete;
    inside &operator=(const inside &) = delete;
};
size_t dynamic_bytes();  /* of shared memory that a block of this launch has */
unsigned draw(size_t n); /* below n, by the schedule's seed */
/* Makes threads (in ascending order) runnable. */
void wake(std::vector<thread *> &threads);
/* The running thread waits; others run. */
void wait_as(state s);
/* Remembers what went wrong and leaves the launch. Called from inside. */
void fail(const place *where, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- cluster.cpp ---- */

/* Stores on their way: whether there are any, one that arrives now, and all forgotten. */
bool stores_under_way();
void deliver_store();
void forget_stores();
/* A thread has returned; and the last one of a block. */
void leave_cluster(thread *t);
void end_in_cluster(block *b);
/* What a thread that is AT_MBARRIER waits for, in words. */
void describe_wait(const thread &t, char *text, size_t bytes);

/* ---- warpgroup.cpp ---- */

/* A thread has returned. */
void leave_warpgroup(thread *t);

} // namespace px_sim

#endif
