/* A team of threads for work that comes in short phases, with nothing to learn from who does what.
 *
 * A phase is cut into pieces, shared out in order. A thread takes those of its own share, then any that are left, so
 * that a thread that has no core (another program has it, it was stopped, a cgroup's quota is used up) holds up only
 * the piece that it has begun. Whoever waits spins for some microseconds, since the next phase is usually near, and
 * then sleeps (futex): a thread that is waited for finds a core.
 *
 * Results must not depend on which thread takes a piece, nor on how many threads there are. The threads of a team block
 * all signals: handlers run on the threads of the program that made it. A team is used by one thread at a time; that
 * thread is its thread 0. Teams do not survive fork(). */
#ifndef PX_TEAM_H
#define PX_TEAM_H

#include <perplex/status.h>
#include <stddef.h>

typedef struct px_team px_team;

/* Pieces [begin, end) of a phase, on thread 0 <= thread < threads of the team. */
typedef void (*px_team_body)(void *context, int thread, long begin, long end);

/* `threads` counts the caller: threads - 1 are started, and sleep. PX_ERR_MEMORY where the system gives fewer. */
px_status px_team_create(int threads, px_team **team);
void px_team_destroy(px_team *team);
int px_team_threads(const px_team *team);

/* body over [0, count) in pieces of `grain` (>= 1; the last may be shorter); returns when all are done, and what they
 * wrote is seen by the caller. One piece, or a team of one, runs on the caller alone. */
void px_team_for(px_team *team, long count, long grain, px_team_body body, void *context);
/* body once for each part [i, i+1) of `parts` <= threads, each on a thread of its own: the parts may wait for one
 * another. */
void px_team_together(px_team *team, int parts, px_team_body body, void *context);
/* 1: threads of this team had to wait for one that had no core; for 20 times as long as they waited, a second at most.
 * Phases in which threads wait for one another often are then better run by fewer. Timed: nothing that reaches a result
 * may depend on it. */
int px_team_disturbed(const px_team *team);

/* Where parts of px_team_together meet. Zeroed memory is a fresh one; 64-byte aligned. */
typedef struct px_meeting {
    _Alignas(64) _Atomic unsigned arrived;
    _Alignas(64) _Atomic unsigned turn;
    _Atomic int sleepers;
} px_meeting;

/* Returns when `parts` threads have called it; what any of them wrote before is then seen by all. */
void px_team_meet(px_team *team, px_meeting *meeting, unsigned parts);

/* Even share of `count` things for `part` of `parts`: [*begin, *end). */
static inline void px_share(long count, int part, int parts, long *begin, long *end)
{
    *begin = count * part / parts;
    *end = count * (part + 1) / parts;
}

/* Grain that cuts `count` things into about `pieces` per thread, but none smaller than `least`. */
static inline long px_team_grain(const px_team *team, long count, int pieces, long least)
{
    const long wanted = (long)px_team_threads(team) * pieces, grain = (count + wanted - 1) / wanted;
    return grain > least ? grain : least;
}

#endif
