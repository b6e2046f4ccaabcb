/* Clusters in the simulator: places in other blocks' shared memory, the cluster's barrier, barriers that count bytes,
 * and stores that report to them when they arrive. When that is depends on the schedule: at once, as late as possible,
 * or at any time; in the order in which they were sent or another. */
#include "scheduler.h"

#include <cstdio>

/* simulator.h names them for kernels. */
#undef cluster_rank
#undef cluster_map
#undef cluster_arrive
#undef cluster_wait
#undef mbarrier_init
#undef mbarrier_expect
#undef mbarrier_wait
#undef store_async

namespace px_sim
{

namespace
{

/* A store that has not arrived yet. */
struct flight {
    std::shared_ptr<cluster> home;
    char *to, *barrier;
    uint32_t words[4];
    const place *where;
};
std::vector<flight> &flights = *new std::vector<flight>;

bool prompt()
{
#if defined(PX_SIM_THREAD)
    return true; /* the thread sanitizer must see the store in the thread that makes it */
#else
    return control().order == FORWARD || control().order == DEPTH_FIRST;
#endif
}

/* The block of the cluster in whose dynamic shared memory [p, p + bytes) lies; NULL: none that runs. */
block *owner_of(const cluster &c, const char *p, size_t bytes)
{
    for (block *b : c.blocks) {
        const char *base = b ? static_cast<const char *>(b->dynamic) : nullptr;
        if (base && p >= base && p + bytes <= base + dynamic_bytes()) return b;
    }
    return nullptr;
}

/* The initialised barrier at p; NULL after fail(). */
mbarrier *barrier_at(block *b, char *p, const char *call, const place *where)
{
    const auto it = b->mbarriers.find(p);
    if (it != b->mbarriers.end()) return &it->second;
    fail(where,
         "%s: there is no initialised mbarrier at byte %ld of the dynamic shared memory of block %u of the cluster",
         call, static_cast<long>(p - static_cast<char *>(b->dynamic)), b->rank);
    return nullptr;
}

bool is_over(const mbarrier &m, unsigned parity) { return (m.phase & 1) != parity; }

/* Ends the phase where nothing is lacking, and wakes who waited for that. */
void end_phase(block *b, mbarrier *m)
{
    if (m->lacking || m->bytes) return;
    m->phase++;
    m->lacking = m->arrivals;
    std::vector<thread *> waiting;
    for (thread &t : b->threads) {
        if (t.now != AT_MBARRIER || t.awaited != m || !is_over(*m, t.parity)) continue;
        t.now = READY;
        waiting.push_back(&t);
    }
    wake(waiting);
}

void take_bytes(const cluster &c, char *barrier, unsigned bytes, const place *where)
{
    block *b = owner_of(c, barrier, sizeof(uint64_t));
    mbarrier *m = b ? barrier_at(b, barrier, "store_async", where) : nullptr;
    if (!m) {
        fail(where, "store_async reports to a barrier of a block that has left the cluster");
        return;
    }
    m->bytes -= bytes;
    end_phase(b, m);
}

/* Both ends of a store lie in one block that is still there. */
bool store_is_valid(const cluster &c, const char *to, char *barrier, const place *where)
{
    block *b = owner_of(c, to, 4 * sizeof(uint32_t));
    if (!b)
        fail(where, "store_async to a place that is in no running block's dynamic shared memory; a block of the "
                    "cluster has ended, or an "
                    "index has left it");
    else if (reinterpret_cast<uintptr_t>(to) % 16)
        fail(where, "store_async to byte %ld of block %u of the cluster, which is no multiple of 16",
             static_cast<long>(to - static_cast<const char *>(b->dynamic)), b->rank);
    else if (owner_of(c, barrier, sizeof(uint64_t)) != b)
        fail(where, "store_async to block %u of the cluster reports to a barrier of another one", b->rank);
    else if (!barrier_at(b, barrier, "store_async", where))
        return false;
    else
        return true;
    return false;
}

} // namespace

/* ---- places ---- */

unsigned cluster_rank() { return self()->home->rank; }

char *cluster_map(const void *mine, unsigned rank, const place *where)
{
    inside simulator;
    block *b = self()->home;
    const char *p = static_cast<const char *>(mine);
    if (owner_of(*b->home, p, 1) != b)
        fail(where, "cluster_map of a place outside the block's own dynamic shared memory");
    if (rank >= b->home->blocks.size())
        fail(where, "cluster_map: rank %u of a cluster of %zu blocks", rank, b->home->blocks.size());
    if (!b->home->blocks[rank]) fail(where, "cluster_map: block %u of the cluster has ended", rank);
    return static_cast<char *>(b->home->blocks[rank]->dynamic) + (p - static_cast<const char *>(b->dynamic));
}

/* ---- the cluster's barrier ---- */

static void release_cluster(cluster *c)
{
    std::vector<thread *> waiting;
    c->arrived = 0;
    c->phase++;
    for (block *b : c->blocks) {
        if (!b) continue;
        for (thread &t : b->threads) {
            if (t.now != AT_CLUSTER) continue;
            t.now = READY;
            waiting.push_back(&t);
        }
    }
    wake(waiting);
}

void cluster_arrive(const place *where)
{
    thread *me = self();
    cluster *c = me->home->home.get();
    order_release(&c->token[c->phase & 1]);
    inside simulator;
    if (me->in_cluster_barrier) fail(where, "cluster_arrive twice without cluster_wait");
    me->in_cluster_barrier = true;
    me->cluster_phase = c->phase;
    if (++c->arrived == c->alive) release_cluster(c);
}

void cluster_wait(const place *where)
{
    thread *me = self();
    cluster *c = me->home->home.get();
    const unsigned phase = me->cluster_phase;
    {
        inside simulator;
        me->where = where;
        if (!me->in_cluster_barrier) fail(where, "cluster_wait without cluster_arrive");
        me->in_cluster_barrier = false;
        me->sees_shared_writes = false;
        if (c->phase == phase) wait_as(AT_CLUSTER);
    }
    order_acquire(&c->token[phase & 1]);
}

void leave_cluster(thread *t)
{
    cluster *c = t->home->home.get();
    c->alive--;
    if (t->in_cluster_barrier && t->cluster_phase == c->phase) c->arrived--;
    if (c->alive && c->arrived == c->alive) release_cluster(c);
}

void end_in_cluster(block *b)
{
    for (const auto &m : b->mbarriers)
        if (m.second.bytes > 0)
            fail(nullptr, "block %u of the cluster has ended, and its mbarrier at byte %ld still expects %lld bytes",
                 b->rank, static_cast<long>(m.first - static_cast<char *>(b->dynamic)),
                 static_cast<long long>(m.second.bytes));
    b->home->blocks[b->rank] = nullptr;
}

/* ---- barriers that count bytes ---- */

void mbarrier_init(uint64_t *barrier, unsigned arrivals, const place *where)
{
    inside simulator;
    block *b = self()->home;
    char *p = reinterpret_cast<char *>(barrier);
    if (owner_of(*b->home, p, sizeof *barrier) != b || reinterpret_cast<uintptr_t>(p) % 8)
        fail(where, "mbarrier_init of a place that is not 8 aligned bytes of the block's own dynamic shared memory");
    if (b->mbarriers.count(p)) fail(where, "mbarrier_init of a barrier that is one already");
    b->mbarriers[p] = {arrivals, arrivals, 0, 0, {0, 0}};
}

void mbarrier_expect(uint64_t *barrier, unsigned bytes, const place *where)
{
    inside simulator;
    block *b = self()->home;
    mbarrier *m = barrier_at(b, reinterpret_cast<char *>(barrier), "mbarrier_expect", where);
    if (!m->lacking) fail(where, "mbarrier_expect: all %u arrivals of this phase are there already", m->arrivals);
    m->lacking--;
    m->bytes += bytes;
    end_phase(b, m);
}

bool mbarrier_wait(uint64_t *barrier, unsigned parity, const place *where)
{
    thread *me = self();
    mbarrier *m;
    {
        inside simulator;
        m = barrier_at(me->home, reinterpret_cast<char *>(barrier), "mbarrier_wait", where);
        me->where = where;
        me->awaited = m;
        me->sees_shared_writes = false;
        me->parity = parity;
        if (!is_over(*m, parity)) wait_as(AT_MBARRIER);
    }
    if (me->in_vain) return false;
    order_acquire(&m->token[parity]);
    return true;
}

void describe_wait(const thread &t, char *text, size_t bytes)
{
    const block *b = t.home;
    for (const auto &m : b->mbarriers)
        if (&m.second == t.awaited)
            std::snprintf(text, bytes,
                          "mbarrier_wait for the end of a phase of parity %u of the barrier at byte %ld, which lacks "
                          "%u arrivals and %lld bytes",
                          t.parity, static_cast<long>(m.first - static_cast<char *>(b->dynamic)), m.second.lacking,
                          static_cast<long long>(m.second.bytes));
}

/* ---- stores ---- */

bool store_later(char *to, const uint32_t words[4], char *barrier, const place *where)
{
    inside simulator;
    const std::shared_ptr<cluster> &home = self()->home->home;
    if (!store_is_valid(*home, to, barrier, where)) return true;
    if (control().lost_store && --control().lost_store == 0) return true;
    if (prompt()) return false;
    flights.push_back({home, to, barrier, {words[0], words[1], words[2], words[3]}, where});
    return true;
}

void stored(char *barrier, unsigned bytes, const place *where)
{
    const cluster &c = *self()->home->home;
    block *b = owner_of(c, barrier, sizeof(uint64_t));
    const auto it = b->mbarriers.find(barrier);
    if (it != b->mbarriers.end()) order_release(&it->second.token[it->second.phase & 1]);
    inside simulator;
    take_bytes(c, barrier, bytes, where);
}

bool stores_under_way() { return !flights.empty(); }

/* The last one sent, the first, or any: by the schedule. */
void deliver_store()
{
    const size_t last = flights.size() - 1, i = control().order == REVERSE  ? last
                                                : control().order == STICKY ? draw(last + 1)
                                                                            : 0;
    const flight &f = flights[i]; /* stays in the list until it has arrived: fail() does not come back */
    if (!store_is_valid(*f.home, f.to, f.barrier, f.where)) return;
    volatile uint32_t *to =
        reinterpret_cast<volatile uint32_t *>(f.to); /* not memcpy, which the sanitizers look into */
    for (int w = 0; w < 4; w++) to[w] = f.words[w];
    take_bytes(*f.home, f.barrier, sizeof f.words, f.where);
    flights.erase(flights.begin() + static_cast<std::ptrdiff_t>(i));
}

void forget_stores() { flights.clear(); }

} // namespace px_sim
