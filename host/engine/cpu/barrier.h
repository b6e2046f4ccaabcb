/* The barrier between the steps of a recurrence. Like OpenMP's, it spins; unlike libgomp's, which spins for milliseconds, it soon gives the
 * core away where somebody else needs it: a step lasts some 10 to 100 microseconds, and a thread that was put aside would otherwise
 * hold up all the others' cores. */
#ifndef PX_BARRIER_H
#define PX_BARRIER_H

#include <sched.h>
#include <stdatomic.h>

typedef struct px_barrier {
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint phase;
} px_barrier;

static inline void px_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Returns when `threads` threads have called it; what any of them wrote before is then seen by all. */
static inline void px_barrier_wait(px_barrier *barrier, unsigned threads)
{
    enum { SPINS = 5000 }; /* about 0.1 ms: longer than the difference between even shares of a step */
    if (threads == 1) return;
    const unsigned phase = atomic_load_explicit(&barrier->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) == threads - 1) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->phase, phase + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&barrier->phase, memory_order_acquire) == phase;) {
        if (spins < SPINS) {
            spins++;
            px_pause();
        } else
            sched_yield();
    }
}

#endif
