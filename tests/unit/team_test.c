/* The team of threads: every piece is done once, parts that wait for one another run at the same time, and a team with
 * more threads than processors, or with threads that are held up, ends its phases all the same. */
#include "team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { THREADS = 5, COUNT = 1000, PHASES = 3000 };

static px_team *team_of(int threads)
{
    px_team *team;
    assert_int_equal(px_team_create(threads, &team), PX_OK);
    return team;
}

typedef struct tally {
    unsigned char done[COUNT]; /* written by one thread each: a plain array shows that phases publish */
    atomic_int threads_seen;   /* bits */
    atomic_int outside;
    int threads;
} tally;

static void count_piece(void *context, int thread, long begin, long end)
{
    tally *t = context;
    if (thread < 0 || thread >= t->threads || begin >= end) atomic_fetch_add(&t->outside, 1);
    atomic_fetch_or(&t->threads_seen, 1 << thread);
    for (long i = begin; i < end; i++) t->done[i]++;
}

static void every_piece_is_done_once_in_every_phase(void **state)
{
    (void)state;
    for (int threads = 1; threads <= THREADS; threads++) {
        px_team *team = team_of(threads);
        assert_int_equal(px_team_threads(team), threads);
        for (int phase = 0; phase < PHASES; phase++) {
            static const long grains[] = {1, 7, 100, COUNT - 1, COUNT, 5 * COUNT};
            tally t = {.threads = threads};
            const long grain = grains[phase % 6], count = phase % COUNT + 1;
            px_team_for(team, count, grain, count_piece, &t);
            assert_int_equal(atomic_load(&t.outside), 0);
            for (long i = 0; i < COUNT; i++)
                if (t.done[i] != (i < count))
                    fail_msg("%d threads, phase %d, grain %ld: piece %ld of %ld done %d times", threads, phase, grain,
                             i, count, t.done[i]);
        }
        px_team_for(team, 0, 1, count_piece, NULL); /* nothing to do */
        px_team_destroy(team);
    }
}

/* Each part waits for all others many times: only parts that run at the same time, each on its own thread, come to an
 * end. */
typedef struct circle {
    px_team *team;
    px_meeting meeting;
    unsigned parts;
    long sum[THREADS]; /* written before a meeting, read by the others after it */
    atomic_int wrong;
} circle;

static void go_round(void *context, int thread, long begin, long end)
{
    circle *c = context;
    (void)thread, (void)end;
    for (long round = 1; round <= 300; round++) {
        c->sum[begin] = round;
        px_team_meet(c->team, &c->meeting, c->parts);
        for (unsigned i = 0; i < c->parts; i++)
            if (c->sum[i] != round) atomic_fetch_add(&c->wrong, 1);
        px_team_meet(c->team, &c->meeting, c->parts);
    }
}

static void parts_meet(void **state)
{
    (void)state;
    px_team *team = team_of(THREADS);
    for (int parts = 1; parts <= THREADS; parts++) {
        circle c = {.team = team, .parts = (unsigned)parts};
        px_team_together(team, parts, go_round, &c);
        assert_int_equal(atomic_load(&c.wrong), 0);
    }
    px_team_destroy(team);
}

/* A piece that is held up: the others' pieces are done meanwhile by whoever has a core, and the phase waits for it. */
typedef struct held_up {
    atomic_int others;
    int seen_by_the_slow_one;
} held_up;

static void hold_up(void *context, int thread, long begin, long end)
{
    held_up *h = context;
    (void)thread, (void)end;
    if (begin > 0) {
        atomic_fetch_add(&h->others, 1);
        return;
    }
    while (atomic_load(&h->others) < 63) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    h->seen_by_the_slow_one = atomic_load(&h->others);
}

static void a_thread_that_is_held_up_does_not_hold_up_pieces(void **state)
{
    (void)state;
    px_team *team = team_of(2);
    for (int i = 0; i < 20; i++) {
        held_up h = {0};
        px_team_for(team, 64, 1, hold_up, &h);
        assert_int_equal(h.seen_by_the_slow_one, 63);
    }
    px_team_destroy(team);
}

static void sleep_in_part_1(void *context, int thread, long begin, long end)
{
    (void)context, (void)thread, (void)end;
    if (begin == 1) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* A team that was held up is told apart for a while, and then tries again: also where its phases meanwhile are ones for
 * a single thread. */
static void a_disturbance_is_forgotten_after_phases_of_one_piece(void **state)
{
    (void)state;
    px_team *team = team_of(2);
    const time_t limit = time(NULL) + 120;
    do px_team_together(team, 2, sleep_in_part_1, NULL); /* the caller may be away itself, and have waited for nobody */
    while (!px_team_disturbed(team) && time(NULL) < limit);
    assert_true(px_team_disturbed(team));
    tally t = {.threads = 2};
    while (px_team_disturbed(team) && time(NULL) < limit) px_team_for(team, 1, 1, count_piece, &t);
    assert_false(px_team_disturbed(team));
    px_team_destroy(team);
}

static atomic_int handled_elsewhere;
static pthread_t owner;

static void on_signal(int number)
{
    (void)number;
    if (!pthread_equal(pthread_self(), owner)) atomic_fetch_add(&handled_elsewhere, 1);
}

typedef struct mask_seen {
    atomic_int blocked, threads;
} mask_seen;

static void look_at_mask(void *context, int thread, long begin, long end)
{
    mask_seen *m = context;
    sigset_t mask;
    (void)begin, (void)end;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (thread == 0) return;
    atomic_fetch_add(&m->threads, 1);
    atomic_fetch_add(&m->blocked,
                     sigismember(&mask, SIGTERM) && sigismember(&mask, SIGALRM) && sigismember(&mask, SIGUSR1));
}

static void handlers_run_on_the_owners_thread_alone(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    sigset_t mask, mask_after;
    owner = pthread_self();
    sigaction(SIGALRM, &action, &before);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    px_team *team = team_of(3);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
    assert_int_equal(sigismember(&mask_after, SIGALRM),
                     sigismember(&mask, SIGALRM)); /* the owner's mask is as it was */
    timer_t timer;
    const struct itimerspec often = {.it_value = {.tv_nsec = 500000}, .it_interval = {.tv_nsec = 500000}};
    assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
    mask_seen m = {0};
    px_team_together(team, 3, look_at_mask, &m);
    tally t = {.threads = 3};
    for (int phase = 0; phase < PHASES; phase++) {
        memset(t.done, 0, sizeof t.done);
        px_team_for(team, COUNT, 10, count_piece, &t);
        for (long i = 0; i < COUNT; i++) assert_int_equal(t.done[i], 1);
    }
    timer_delete(timer);
    px_team_destroy(team);
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(atomic_load(&m.threads), 2);
    assert_int_equal(atomic_load(&m.blocked), 2);
    assert_int_equal(atomic_load(&handled_elsewhere), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_done_once_in_every_phase),
        cmocka_unit_test(parts_meet),
        cmocka_unit_test(a_thread_that_is_held_up_does_not_hold_up_pieces),
        cmocka_unit_test(a_disturbance_is_forgotten_after_phases_of_one_piece),
        cmocka_unit_test(handlers_run_on_the_owners_thread_alone),
    };
    return cmocka_run_group_tests_name("team", tests, NULL, NULL);
}
