/* Fibers; see fiber.h. x86-64 switches with 20 instructions of its own, other processors with ucontext. */
#include "fiber.h"

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include <pthread.h>
#include <sys/mman.h>

#if defined(PX_SIM_ADDRESS)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(PX_SIM_THREAD)
extern "C" {
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *p);
void __tsan_release(void *p);
}
enum { NO_ORDER = 1 }; /* a switch is no synchronisation */
#endif

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace px_sim
{

struct fiber {
    void *saved; /* stack pointer, or ucontext_t */
    char *base;  /* lowest address; a guard page lies there */
    size_t bytes;
    void *fake; /* ASan's stack for use-after-return */
    void *tsan;
    bool dirty; /* frames were left on it */
};

namespace
{

#if defined(PX_SIM_ADDRESS) || defined(PX_SIM_THREAD)
enum : size_t { STACK_BYTES = 256 * 1024 };
#else
enum : size_t { STACK_BYTES = 64 * 1024 };
#endif
enum : size_t {
    GUARD_BYTES = 4096,
    GUARDED_FIBERS = 8192
}; /* beyond that, guards would use up the kernel's map count */

fiber main_fiber;
std::deque<fiber *> &pool = *new std::deque<fiber *>; /* kept for the life of the process */
size_t made;

void fatal(const char *what)
{
    std::perror(what);
    std::abort();
}

fiber *fiber_make()
{
    fiber *f = new fiber();
    f->bytes = STACK_BYTES;
    void *p = mmap(nullptr, f->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) fatal("simulator: a stack for a CUDA thread");
    f->base = static_cast<char *>(p);
    if (made < GUARDED_FIBERS && mprotect(f->base, GUARD_BYTES, PROT_NONE) != 0)
        fatal("simulator: a stack's guard page");
#if defined(PX_SIM_THREAD)
    f->tsan = __tsan_create_fiber(0);
#endif
    made++;
    return f;
}

} // namespace

#if defined(__x86_64__)

/* Saves what a call must keep, exchanges stacks, and returns into the other fiber. */
extern "C" void px_sim_switch(void **save, void *to);
asm(".text\n"
    ".type px_sim_switch,@function\n"
    "px_sim_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size px_sim_switch,.-px_sim_switch\n"
    ".section .note.GNU-stack,\"\",@progbits\n"
    ".text\n");

static void prepare(fiber *f, void (*entry)())
{
    /* as if px_sim_switch had been called by a caller that entry() would return to; entry sees an aligned stack */
    void **top = reinterpret_cast<void **>(f->base + f->bytes) - 1;
    *top = nullptr;
    *--top = reinterpret_cast<void *>(entry);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    f->saved = top;
}

static void exchange(fiber *from, fiber *to) { px_sim_switch(&from->saved, to->saved); }

#else

static void prepare(fiber *f, void (*entry)())
{
    ucontext_t *context = f->saved ? static_cast<ucontext_t *>(f->saved) : new ucontext_t;
    getcontext(context);
    context->uc_stack.ss_sp = f->base;
    context->uc_stack.ss_size = f->bytes;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
    f->saved = context;
}

static void exchange(fiber *from, fiber *to)
{
    if (!from->saved) from->saved = new ucontext_t;
    swapcontext(static_cast<ucontext_t *>(from->saved), static_cast<ucontext_t *>(to->saved));
}

#endif

fiber *fiber_here()
{
#if defined(PX_SIM_ADDRESS)
    if (!main_fiber.base) {
        pthread_attr_t attributes;
        void *base = nullptr;
        if (pthread_getattr_np(pthread_self(), &attributes) != 0) fatal("simulator: the caller's stack");
        pthread_attr_getstack(&attributes, &base, &main_fiber.bytes);
        pthread_attr_destroy(&attributes);
        main_fiber.base = static_cast<char *>(base);
    }
#endif
#if defined(PX_SIM_THREAD)
    main_fiber.tsan = __tsan_get_current_fiber();
#endif
    return &main_fiber;
}

fiber *fiber_take(void (*entry)(), size_t apart)
{
    fiber *f;
#if defined(PX_SIM_THREAD)
    const bool again = !pool.empty() && made >= apart;
#else
    (void)apart;
    const bool again = !pool.empty();
#endif
    if (again) {
#if defined(PX_SIM_THREAD)
        f = pool.front(); /* the one that has rested longest */
        pool.pop_front();
#else
        f = pool.back(); /* the one in cache */
        pool.pop_back();
#endif
    } else {
        f = fiber_make();
    }
#if defined(PX_SIM_ADDRESS)
    if (f->dirty) __asan_unpoison_memory_region(f->base + GUARD_BYTES, f->bytes - GUARD_BYTES);
#endif
    f->dirty = false;
    prepare(f, entry);
    return f;
}

void fiber_give(fiber *f, bool abandoned)
{
    f->dirty = abandoned;
#if defined(PX_SIM_THREAD)
    if (abandoned) return; /* TSan's call stack of it is in the middle too: never used again */
#endif
    pool.push_back(f);
}

void fiber_switch(fiber *from, fiber *to, bool ends)
{
#if defined(PX_SIM_ADDRESS)
    __sanitizer_start_switch_fiber(ends ? nullptr : &from->fake, to->base, to->bytes);
#else
    (void)ends;
#endif
    exchange(from, to);
#if defined(PX_SIM_ADDRESS)
    __sanitizer_finish_switch_fiber(from->fake, nullptr, nullptr);
#endif
}

void fiber_entered()
{
#if defined(PX_SIM_ADDRESS)
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void fiber_enter(fiber *f)
{
#if defined(PX_SIM_THREAD)
    __tsan_switch_to_fiber(f->tsan, NO_ORDER);
#else
    (void)f;
#endif
}

void fiber_leave()
{
#if defined(PX_SIM_THREAD)
    __tsan_switch_to_fiber(main_fiber.tsan, NO_ORDER);
#endif
}

void order_release(void *p)
{
#if defined(PX_SIM_THREAD)
    __tsan_release(p);
#else
    (void)p;
#endif
}

void order_acquire(void *p)
{
#if defined(PX_SIM_THREAD)
    __tsan_acquire(p);
#else
    (void)p;
#endif
}

} // namespace px_sim
