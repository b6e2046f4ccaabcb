/* The team of threads: see team.h.
 *
 * A phase's pieces are shared out in order, and a thread takes those of its own share first, then what others have
 * left: rows that one phase wrote are read by the next on the core that has them in its caches. A ticket for each share
 * says which phase is on and how many of the share's pieces are left: epoch << 32 | left. A piece is taken by
 * decreasing it with compare-and-swap, which fails where the phase has moved on, so a thread that comes late can take
 * nothing of a phase that is over, and what it read of the phase's description is only used where the ticket has not
 * changed since. */
#include "team.h"

#include "check.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* How long a wait spins. A phase's threads come within microseconds of one another unless one of them has no core; then
 * it is away for a scheduler's slice, milliseconds, and whoever spins keeps it from coming back. So a wait that was
 * long makes the next one short. */
enum {
    SPIN_NS = 30000,     /* usually: as long as a sleeping thread takes to wake up */
    SPIN_LATE_NS = 3000, /* after a wait longer than LATE_NS */
    LATE_NS = 400000,
    SPINS_A_LOOK = 32,        /* pauses between looks at the clock */
    DISTURBED_TIMES = 20,     /* a late thread counts for so many times as long as it was waited for, */
    DISTURBED_NS = 1000000000 /* but no longer than this: what is lost to waiting stays below 5 % */
};

typedef struct team_thread {
    _Alignas(64) pthread_t id;
    px_team *team;
    int number;
    int started;
    int64_t spin_ns;
} team_thread;

/* Each on a cache line of its own: the thread whose share it is takes pieces without waiting for another's line. */
typedef struct team_ticket {
    _Alignas(64) _Atomic uint64_t left; /* epoch << 32 | pieces */
} team_ticket;

struct px_team {
    _Alignas(64) _Atomic uint32_t epoch; /* workers wait for its change */
    _Alignas(64) _Atomic uint32_t done;  /* pieces; thread 0 waits for the last */
    _Atomic int waiting;                 /* thread 0 sleeps */
    _Alignas(64) _Atomic int sleepers;   /* workers that sleep */
    /* the phase: written by thread 0 between phases */
    _Alignas(64) _Atomic(px_team_body) body;
    _Atomic(void *) context;
    _Atomic long count, grain, pieces;
    _Atomic int one_each, stop;
    _Atomic int64_t disturbed_until; /* by now_ns(); 0: not disturbed */
    int threads;
    team_thread *thread; /* [threads]; 0 is the caller's */
    team_ticket *ticket; /* [threads] */
};

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_while(_Atomic uint32_t *word, uint32_t value)
{
    /* EINTR and EAGAIN: the caller looks again */
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* Spins while *word is `value`, no longer than ns; returns 1 where it changed. */
static int spin_while(_Atomic uint32_t *word, uint32_t value, int64_t begin, int64_t ns)
{
    do {
        for (int i = 0; i < SPINS_A_LOOK; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value) return 1;
            pause_briefly();
        }
    } while (now_ns() - begin < ns);
    return 0;
}

/* At `now`, a thread came after a wait of `waited` ns. */
static void disturb(px_team *team, int64_t now, int64_t waited)
{
    const int64_t ns = waited < DISTURBED_NS / DISTURBED_TIMES ? waited * DISTURBED_TIMES : DISTURBED_NS;
    if (now + ns > atomic_load_explicit(&team->disturbed_until, memory_order_relaxed)) /* never sooner */
        atomic_store_explicit(&team->disturbed_until, now + ns, memory_order_relaxed);
}

/* Waits until *word is no longer `value`: spins, then sleeps with *sleepers raised. *spin_ns follows how long it took.
 */
static void wait_while(px_team *team, _Atomic uint32_t *word, uint32_t value, _Atomic int *sleepers, int64_t *spin_ns,
                       int counts)
{
    if (atomic_load_explicit(word, memory_order_acquire) != value) return;
    const int64_t begin = now_ns();
    if (spin_while(word, value, begin, *spin_ns)) {
        *spin_ns = SPIN_NS;
        return;
    }
    atomic_fetch_add(sleepers, 1);
    while (atomic_load(word) == value) sleep_while(word, value);
    atomic_fetch_sub(sleepers, 1);
    const int64_t end = now_ns(), waited = end - begin;
    *spin_ns = waited > LATE_NS ? SPIN_LATE_NS : SPIN_NS;
    if (waited > LATE_NS && counts) disturb(team, end, waited);
}

/* The first piece of thread i's share. */
static long share_begin(const px_team *team, long pieces, int i)
{
    return (pieces * i + team->threads - 1) / team->threads;
}

/* Takes one piece of `owner`'s share of phase `epoch` and does it; returns 0 where none is left. */
static int take_piece(px_team *team, int number, int owner, uint32_t epoch)
{
    uint64_t ticket = atomic_load_explicit(&team->ticket[owner].left, memory_order_acquire);
    for (;;) {
        const uint32_t left = (uint32_t)ticket;
        if ((uint32_t)(ticket >> 32) != epoch || left == 0) return 0;
        const px_team_body body = atomic_load_explicit(&team->body, memory_order_relaxed);
        void *context = atomic_load_explicit(&team->context, memory_order_relaxed);
        const long count = atomic_load_explicit(&team->count, memory_order_relaxed),
                   grain = atomic_load_explicit(&team->grain, memory_order_relaxed);
        const long pieces = atomic_load_explicit(&team->pieces, memory_order_relaxed);
        if (!atomic_compare_exchange_weak_explicit(&team->ticket[owner].left, &ticket, ticket - 1, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        const long begin = (share_begin(team, pieces, owner + 1) - (long)left) * grain;
        body(context, number, begin, begin + grain < count ? begin + grain : count);
        if (atomic_fetch_add(&team->done, 1) + 1 == (uint32_t)pieces && atomic_load(&team->waiting))
            wake(&team->done, 1);
        return 1;
    }
}

/* Takes and does pieces of phase `epoch` while there are any: its own, then those of the threads after it. */
static void take_pieces(px_team *team, int number, uint32_t epoch)
{
    const int one_each = atomic_load_explicit(&team->one_each, memory_order_relaxed);
    for (int i = 0; i < team->threads; i++)
        while (take_piece(team, number, (number + i) % team->threads, epoch))
            if (one_each) return;
}

static void *work(void *argument)
{
    team_thread *self = argument;
    px_team *team = self->team;
    for (uint32_t seen = 0;;) {
        wait_while(team, &team->epoch, seen, &team->sleepers, &self->spin_ns, 0);
        seen = atomic_load_explicit(&team->epoch, memory_order_acquire);
        if (atomic_load_explicit(&team->stop, memory_order_relaxed)) return NULL;
        take_pieces(team, self->number, seen);
    }
}

/* Publishes a phase of so many pieces and wakes at most as many threads as it has work for. */
static uint32_t begin_phase(px_team *team, uint32_t pieces)
{
    const uint32_t epoch = atomic_load_explicit(&team->epoch, memory_order_relaxed) + 1;
    atomic_store_explicit(&team->done, 0, memory_order_relaxed);
    for (int i = 0; i < team->threads; i++) {
        const long share = share_begin(team, pieces, i + 1) - share_begin(team, pieces, i);
        atomic_store_explicit(&team->ticket[i].left, (uint64_t)epoch << 32 | (uint64_t)share, memory_order_release);
    }
    atomic_store(&team->epoch, epoch);
    if (atomic_load(&team->sleepers) > 0) wake(&team->epoch, pieces == 0 ? INT_MAX : (int)pieces - 1);
    return epoch;
}

static void wait_for_pieces(px_team *team, uint32_t pieces)
{
    for (uint32_t done; (done = atomic_load_explicit(&team->done, memory_order_acquire)) != pieces;)
        wait_while(team, &team->done, done, &team->waiting, &team->thread[0].spin_ns, 1);
}

static void run(px_team *team, long count, long grain, int one_each, px_team_body body, void *context)
{
    const long pieces = (count + grain - 1) / grain;
    atomic_store_explicit(&team->body, body, memory_order_relaxed);
    atomic_store_explicit(&team->context, context, memory_order_relaxed);
    atomic_store_explicit(&team->count, count, memory_order_relaxed);
    atomic_store_explicit(&team->grain, grain, memory_order_relaxed);
    atomic_store_explicit(&team->pieces, pieces, memory_order_relaxed);
    atomic_store_explicit(&team->one_each, one_each, memory_order_relaxed);
    const uint32_t epoch = begin_phase(team, (uint32_t)pieces);
    take_pieces(team, 0, epoch);
    wait_for_pieces(team, (uint32_t)pieces);
}

/* A phase begins: also one that the caller does alone, or a team whose phases are all such would never try again to be
 * more. */
static void forget_disturbance(px_team *team)
{
    const int64_t until = atomic_load_explicit(&team->disturbed_until, memory_order_relaxed);
    if (until != 0 && now_ns() >= until) atomic_store_explicit(&team->disturbed_until, 0, memory_order_relaxed);
}

void px_team_for(px_team *team, long count, long grain, px_team_body body, void *context)
{
    if (count <= 0) return;
    forget_disturbance(team);
    if (team->threads == 1 || count <= grain)
        body(context, 0, 0, count);
    else {
        while ((count + grain - 1) / grain > INT_MAX) grain *= 2;
        run(team, count, grain, 0, body, context);
    }
}

void px_team_together(px_team *team, int parts, px_team_body body, void *context)
{
    forget_disturbance(team);
    if (parts == 1)
        body(context, 0, 0, 1);
    else
        run(team, parts, 1, 1, body, context);
}

int px_team_disturbed(const px_team *team)
{
    return atomic_load_explicit(&team->disturbed_until, memory_order_relaxed) != 0;
}

void px_team_meet(px_team *team, px_meeting *meeting, unsigned parts)
{
    if (parts == 1) return;
    const unsigned turn = atomic_load_explicit(&meeting->turn, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&meeting->arrived, 1, memory_order_acq_rel) == parts - 1) {
        atomic_store_explicit(&meeting->arrived, 0, memory_order_relaxed);
        atomic_store(&meeting->turn, turn + 1);
        if (atomic_load(&meeting->sleepers) > 0) wake(&meeting->turn, INT_MAX);
        return;
    }
    int64_t spin_ns = px_team_disturbed(team) ? SPIN_LATE_NS : SPIN_NS;
    wait_while(team, &meeting->turn, turn, &meeting->sleepers, &spin_ns, 1);
}

int px_team_threads(const px_team *team) { return team->threads; }

/* Starts thread i with every signal blocked. */
static int start(px_team *team, int i)
{
    sigset_t all, before;
    sigfillset(&all);
    team->thread[i].number = i;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&team->thread[i].id, NULL, work, &team->thread[i]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    team->thread[i].started = error == 0;
    return error;
}

px_status px_team_create(int threads, px_team **result)
{
    *result = NULL;
    px_team *team = aligned_alloc(64, sizeof *team);
    team_thread *thread = aligned_alloc(64, sizeof *thread * (size_t)threads);
    team_ticket *ticket = aligned_alloc(64, sizeof *ticket * (size_t)threads);
    if (!team || !thread || !ticket) {
        free(team);
        free(thread);
        free(ticket);
        return px_fail(PX_ERR_MEMORY, "no memory for a team of %d threads", threads);
    }
    memset(team, 0, sizeof *team);
    memset(thread, 0, sizeof *thread * (size_t)threads);
    memset(ticket, 0, sizeof *ticket * (size_t)threads);
    team->threads = threads;
    team->thread = thread;
    team->ticket = ticket;
    for (int i = 0; i < threads; i++) thread[i].team = team, thread[i].spin_ns = SPIN_NS;
    for (int i = 1; i < threads; i++) {
        const int error = start(team, i);
        if (!error) continue;
        px_team_destroy(team);
        return px_fail(PX_ERR_MEMORY, "thread %d of %d cannot be started: %s; give fewer --threads", i + 1, threads,
                       strerror(error));
    }
    *result = team;
    return PX_OK;
}

void px_team_destroy(px_team *team)
{
    if (!team) return;
    atomic_store(&team->stop, 1);
    begin_phase(team, 0);
    for (int i = 1; i < team->threads; i++)
        if (team->thread[i].started) pthread_join(team->thread[i].id, NULL);
    free(team->ticket);
    free(team->thread);
    free(team);
}
