/* Fibers: stacks, switching between them, and what the sanitizers must be told about it. Used by scheduler.cpp alone.
 *
 * Never built with a sanitizer itself; PX_SIM_ADDRESS and PX_SIM_THREAD say which one the kernels are built with. Under
 * the thread sanitizer every fiber is one of TSan's fibers too, entered without synchronisation: two CUDA threads are
 * ordered only by what barriers and warp functions release and acquire, so that a race is reported even where this
 * schedule gave the right result. */
#ifndef PX_SIMULATOR_FIBER_H
#define PX_SIMULATOR_FIBER_H

#include <cstddef>

namespace px_sim
{

struct fiber; /* a stack, its saved registers, and TSan's fiber */

/* The context of the caller; call it before the first switch of a launch. */
fiber *fiber_here();
/* A fiber that will run entry(), which never returns. Under TSan one is used again only after `apart` others, so that
 * threads near each other are never taken for one. */
fiber *fiber_take(void (*entry)(), size_t apart);
/* Gives a fiber back; abandoned: its entry was left in the middle. The one that runs may be given just before it
 * switches away for good, after the next one has been taken. */
void fiber_give(fiber *f, bool abandoned);
/* Leaves `from` (the running one) and goes on in `to`. ends: from is not come back to. */
void fiber_switch(fiber *from, fiber *to, bool ends);
/* First thing that entry() calls. */
void fiber_entered();

/* TSan's view: user code of a fiber runs between enter and leave, the scheduler outside, as the launch's caller. */
void fiber_enter(fiber *f);
void fiber_leave();
/* Order: what happened before release(p) is seen after acquire(p). */
void order_release(void *p);
void order_acquire(void *p);

} // namespace px_sim

#endif
