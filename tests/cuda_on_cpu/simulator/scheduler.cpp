/* The simulator: blocks, threads, barriers and warps of one launch at a time, on one host thread.
 *
 * A launch keeps `resident` blocks alive. Their threads run as fibers, each until it waits (barrier, warp function) or
 * returns; which one runs next is the schedule's choice. A fault (a barrier that not all threads reach, a warp function
 * without one of its lanes, nothing left to run) abandons the launch and is remembered in words.
 *
 * This file is built without sanitizers. Code of the simulator runs as TSan's main fiber (struct inside), kernels as
 * their own. */
#include "scheduler.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace px_sim
{

view *running;
dim3 block_size, grid_size;

namespace
{

const char *const state_names[] = {"nothing",      "nothing",       "__syncthreads",   "a warp function",
                                   "cluster_wait", "mbarrier_wait", "wait_for_stream", "nothing"};

settings control_;
counters statistics_;
char fault[600], deadlock[390]; /* deadlock: what a thread waited for in vain */
submit_hook submit_;
pointer_hook is_device_;
curtain_hook curtain_;
bool curtain_is_drawn; /* the launch before the one that runs has not ended yet */

/* the launch that runs */
const launch *job;
const std::function<void()> *body;
bool failed;
fiber *caller;
std::vector<std::unique_ptr<block>> blocks,
    ended;                   /* ended ones keep their memory until the launch is over: TSan remembers it */
std::vector<unsigned> order; /* of blocks */
size_t next_block;
std::vector<thread *> ready; /* from ready_head on */
size_t ready_head;
uint64_t random_state;
char launch_token, end_token;
std::map<const void *, size_t> &allowed = *new std::map<const void *, size_t>;
std::set<const void *> &large_clusters = *new std::set<const void *>;

} // namespace

unsigned draw(size_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return static_cast<unsigned>((random_state >> 11) % n);
}

thread *self() { return static_cast<thread *>(running); }

size_t dynamic_bytes() { return job->shared_bytes; }

inside::inside() : context(running ? self()->context : nullptr)
{
    if (context) fiber_leave();
}

inside::~inside()
{
    if (context) fiber_enter(context);
}

/* ---- choosing ---- */

namespace
{

unsigned resident_blocks(const launch &what, unsigned count);

bool newest_first()
{
    return control_.order == DEPTH_FIRST || control_.order == DEPTH_FIRST_REVERSE || control_.order == STICKY;
}

} // namespace

void wake(std::vector<thread *> &threads)
{
    if (control_.order == STICKY) { /* warps in random order, lanes in random order within */
        for (size_t i = threads.size(); i > 1; i--) std::swap(threads[i - 1], threads[draw(i)]);
        unsigned rank[32];
        for (unsigned &r : rank) r = draw(1u << 16);
        std::stable_sort(threads.begin(), threads.end(),
                         [&](const thread *a, const thread *b) { return rank[a->linear / 32] < rank[b->linear / 32]; });
    } else {
        const bool backward = control_.order == REVERSE || control_.order == DEPTH_FIRST_REVERSE;
        if (backward != newest_first()) std::reverse(threads.begin(), threads.end());
    }
    ready.insert(ready.end(), threads.begin(), threads.end());
}

namespace
{

/* A wait that nobody can end any more comes to the end of its patience. */
void run_out_of_patience()
{
    for (const std::unique_ptr<block> &b : blocks)
        for (thread &t : b->threads) {
            if (t.now != AT_MBARRIER) continue;
            char text[200] = "";
            describe_wait(t, text, sizeof text);
            std::snprintf(deadlock, sizeof deadlock, "deadlock: thread %u of block %u waits in %s at %s:%d", t.linear,
                          t.block_index.x, text, t.where->file, t.where->line);
            t.in_vain = true;
            t.now = READY;
            ready.push_back(&t);
            return;
        }
}

void draw_curtain(bool drawn)
{
    if (curtain_is_drawn == drawn) return;
    curtain_is_drawn = drawn;
    if (curtain_) curtain_(drawn);
    order_release(&launch_token); /* who goes on sees what is there now */
}

/* As far as threads come, they have come: the launch before ends, and those go on that wait for it. */
void end_launch_before()
{
    std::vector<thread *> waiting;
    draw_curtain(false);
    for (const std::unique_ptr<block> &b : blocks)
        for (thread &t : b->threads)
            if (t.now == AT_STREAM) {
                t.now = READY;
                waiting.push_back(&t);
            }
    wake(waiting);
}

/* The thread that runs next. Stores between blocks arrive meanwhile: now and then, and where nobody could run without
 * them. */
thread *choose()
{
    if (control_.order == STICKY && stores_under_way() && draw(8) == 0) deliver_store();
    while (!failed && ready_head == ready.size() && stores_under_way()) deliver_store();
    if (!failed && ready_head == ready.size() && curtain_is_drawn) end_launch_before();
    if (!failed && ready_head == ready.size()) run_out_of_patience();
    if (failed || ready_head == ready.size()) return nullptr;
    thread *t;
    if (!newest_first()) {
        t = ready[ready_head++];
        if (ready_head > 4096 && ready_head * 2 > ready.size()) {
            ready.erase(ready.begin(), ready.begin() + static_cast<std::ptrdiff_t>(ready_head));
            ready_head = 0;
        }
        return t;
    }
    if (control_.order == STICKY && draw(512) == 0)
        std::swap(ready[ready_head + draw(ready.size() - ready_head)], ready.back());
    t = ready.back();
    ready.pop_back();
    return t;
}

void thread_main();

/* Goes on in `next`, or back to the caller of the launch. */
void go(fiber *from, thread *next, bool ends)
{
    statistics_.switches++;
    running = next;
    fiber_switch(from, next ? next->context : caller, ends);
}

/* Fibers under TSan: all threads of the resident blocks and of the ones that follow must differ. */
size_t fibers_apart()
{
    const size_t threads = static_cast<size_t>(block_size.x) * block_size.y * block_size.z;
    const size_t together = resident_blocks(*job, grid_size.x * grid_size.y * grid_size.z);
    return std::min<size_t>(7000, threads * (together + 1) + 1);
}

void give_context(thread *t)
{
    if (t && t->now == FRESH && !t->context) t->context = fiber_take(thread_main, fibers_apart());
}

} // namespace

void wait_as(state s)
{
    thread *me = self(), *next;
    me->now = s;
    next = choose();
    if (next == me) return; /* it paused, and nobody else can run */
    give_context(next);
    go(me->context, next, false);
}

/* ---- faults ---- */

void fail(const place *where, const char *format, ...)
{
    if (failed) return;
    char text[400], who[120] = "";
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (running)
        std::snprintf(who, sizeof who, "block (%u,%u,%u) thread (%u,%u,%u): ", running->block_index.x,
                      running->block_index.y, running->block_index.z, running->thread_index.x, running->thread_index.y,
                      running->thread_index.z);
    if (where)
        std::snprintf(fault, sizeof fault, "%s: %s%s at %s:%d", job->kernel, who, text, where->file, where->line);
    else
        std::snprintf(fault, sizeof fault, "%s: %s%s", job->kernel, who, text);
    failed = true;
    if (running) go(self()->context, nullptr, false); /* never comes back: the launch abandons its fibers */
}

namespace
{

bool same_place(const place *a, const place *b)
{
    return a == b || (a->line == b->line && std::string(a->file) == b->file);
}

/* ---- warps ---- */

unsigned lanes_of(const block *b, unsigned first)
{
    return static_cast<unsigned>(std::min<size_t>(32, b->threads.size() - first));
}

/* Have all lanes of the mask come? Lanes that have returned are not waited for (as on hardware); reading one is a
 * fault. */
bool warp_is_complete(block *b, unsigned first, warp_op op, unsigned mask)
{
    for (unsigned l = 0; l < lanes_of(b, first); l++) {
        const thread &t = b->threads[first + l];
        if (!(mask >> l & 1) || t.now == RETURNED) continue;
        if (t.now != IN_WARP || t.op != op || t.mask != mask) return false;
    }
    return true;
}

/* All lanes' words, one lane after the other, once a meeting; source is how many a lane has. Not by memcpy, which
 * sanitizers look into. */
const uint32_t *gather_words(block *b, unsigned first, thread *const *lanes, unsigned count)
{
    const unsigned words = lanes[0]->source;
    std::vector<uint32_t> &all = b->gathered[b->gatherings[first / 32] & 1];
    volatile uint32_t *to = &all[static_cast<size_t>(first) * GATHER_WORDS];
    for (unsigned k = 0; k < count; k++)
        for (unsigned w = 0; w < words; w++)
            to[k * words + w] = reinterpret_cast<const volatile uint32_t *>(lanes[k]->value)[w];
    return &all[static_cast<size_t>(first) * GATHER_WORDS];
}

/* Exchanges values and wakes the lanes; me (may be NULL) runs already. */
void warp_complete(block *b, unsigned first, warp_op op, unsigned mask, thread *me)
{
    thread *lanes[32]; /* no vector before fail(), which never returns: it would leak */
    unsigned count = 0;
    uint64_t votes = 0;
    for (unsigned l = 0; l < lanes_of(b, first); l++) {
        thread &t = b->threads[first + l];
        if (!(mask >> l & 1) || t.now == RETURNED) continue;
        lanes[count++] = &t;
        votes |= t.value << l; /* of a vote: 0 or 1 */
    }
    if (op == GATHER) {
        b->gatherings[first / 32]++;
        votes = reinterpret_cast<uintptr_t>(gather_words(b, first, lanes, count));
    }
    for (unsigned k = 0; k < count; k++) {
        thread *t = lanes[k];
        if (control_.strict && !same_place(t->where, lanes[0]->where)) {
            fail(t->where, "lanes of one warp are in different warp functions; another is at %s:%d",
                 lanes[0]->where->file, lanes[0]->where->line);
            return;
        }
        if (op > SHUFFLE_DOWN) {
            t->result = votes;
            continue;
        }
        const unsigned s = t->source;
        if (s >= lanes_of(b, first) || !(mask >> s & 1) || b->threads[first + s].now == RETURNED) {
            fail(t->where, "a shuffle reads lane %u, which takes no part (mask %08x)", s, mask);
            return;
        }
        t->result = b->threads[first + s].value;
    }
    std::vector<thread *> others;
    for (unsigned k = 0; k < count; k++) {
        lanes[k]->now = READY;
        if (lanes[k] != me) others.push_back(lanes[k]);
    }
    wake(others);
}

/* ---- barriers ---- */

void release_barrier(block *b)
{
    std::vector<thread *> waiting;
    for (thread &t : b->threads)
        if (t.now == AT_BARRIER) {
            t.now = READY;
            waiting.push_back(&t);
        }
    b->arrived = 0;
    b->phase++;
    wake(waiting);
}

/* ---- blocks ---- */

void *poisoned(size_t bytes, size_t alignment)
{
    void *p = alignment <= 16 ? std::malloc(bytes)
                              : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!p) std::abort();
    volatile unsigned char *c = static_cast<unsigned char *>(p); /* NaN for floats, -1 for integers */
    for (size_t i = 0; i < bytes; i++) c[i] = 0xff;
    return p;
}

void add_block(unsigned number, const std::shared_ptr<cluster> &home)
{
    std::unique_ptr<block> b(new block());
    const unsigned count = block_size.x * block_size.y * block_size.z;
    b->threads.resize(count);
    b->alive = count;
    b->dynamic = job->shared_bytes ? poisoned(job->shared_bytes, 16) : nullptr;
    std::vector<thread *> all(count);
    for (unsigned i = 0; i < count; i++) {
        thread &t = b->threads[i];
        t = thread();
        t.thread_index = {i % block_size.x, i / block_size.x % block_size.y, i / block_size.x / block_size.y};
        t.block_index = {number % grid_size.x, number / grid_size.x % grid_size.y, number / grid_size.x / grid_size.y};
        t.linear = i;
        t.home = b.get();
        t.now = FRESH;
        all[i] = &t;
    }
    for (std::vector<uint32_t> &words : b->gathered) words.resize((count + 31) / 32 * 32 * GATHER_WORDS);
    b->home = home;
    b->rank = number % static_cast<unsigned>(home->blocks.size());
    home->blocks[b->rank] = b.get();
    home->alive += count;
    statistics_.threads += count;
    wake(all);
    blocks.push_back(std::move(b));
    order_release(&launch_token); /* what was allocated here is there for the block's threads */
}

/* The blocks of the cluster that is next begin together. */
void add_cluster()
{
    const unsigned size = std::max(1u, job->attributes.cluster);
    const std::shared_ptr<cluster> home = std::make_shared<cluster>();
    home->blocks.resize(size);
    for (unsigned i = 0; i < size; i++) add_block(order[next_block++], home);
}

void free_block(block &b)
{
    for (variable &v : b.shared) std::free(v.memory);
    std::free(b.dynamic);
}

/* The running thread has returned. */
void finish(thread *t)
{
    block *b = t->home;
    if (job->attributes.overlap && !t->has_waited) {
        fail(nullptr, "a thread returned without wait_for_stream() in a launch that overlaps");
        return;
    }
    t->now = RETURNED;
    b->alive--;
    leave_cluster(t);
    leave_warpgroup(t);
    if (b->alive && b->arrived == b->alive) {
        if (control_.strict) {
            fail(b->barrier_place, "a thread returned while the others of its block wait in __syncthreads");
            return;
        }
        release_barrier(b);
    }
    const unsigned first = t->linear & ~31u;
    for (unsigned l = 0; l < lanes_of(b, first); l++) { /* lanes that waited for this one alone */
        thread &o = b->threads[first + l];
        if (o.now == IN_WARP && warp_is_complete(b, first, o.op, o.mask))
            warp_complete(b, first, o.op, o.mask, nullptr);
    }
    if (b->alive) return;
    end_in_cluster(b);
    auto it = std::find_if(blocks.begin(), blocks.end(), [b](const std::unique_ptr<block> &x) { return x.get() == b; });
    ended.push_back(std::move(*it));
    blocks.erase(it);
    if (next_block < order.size() && b->home->alive == 0) add_cluster();
#if !defined(PX_SIM_THREAD)
    if (ended.size() > 1) { /* t itself is still in the last one */
        free_block(*ended.front());
        ended.erase(ended.begin());
    }
#endif
}

/* Where every fiber starts; it runs one thread after the other as long as the next one has not started yet. */
void thread_main()
{
    fiber_entered();
    for (;;) {
        thread *me = self();
        fiber *context = me->context;
        me->now = READY;
        fiber_enter(context);
        order_acquire(&launch_token);
        (*body)();
        order_release(&end_token);
        fiber_leave();
        finish(me);
        thread *next = choose();
        me->context = nullptr;
#if !defined(PX_SIM_THREAD)
        if (next && next->now == FRESH && !next->context) { /* no switch at all: the same stack again */
            next->context = context;
            running = next;
            continue;
        }
#endif
        give_context(next);
        fiber_give(context, false);
        go(context, next, true);
    }
}

/* A cluster's blocks are neighbours along x, so the grid must hold whole ones. */
bool attributes_are_valid(const launch &what)
{
    const px_launch_attributes &a = what.attributes;
    const unsigned portable = std::min(8u, control_.cluster_limit),
                   most = large_clusters.count(what.function) ? control_.cluster_limit : portable;
    if (a.cluster && (a.cluster > most || what.grid.x % a.cluster)) return false;
    return !a.cooperative ||
           static_cast<uint64_t>(what.grid.x) * what.grid.y * what.grid.z <= control_.cooperative_limit;
}

/* Blocks side by side: what the schedule has, but whole clusters, and all of a grid that may wait for itself; of one
 * that overlaps many, since each thread that is there from the start shows what it does before its wait. */
enum { MOST_THREADS = 1024 };
unsigned resident_blocks(const launch &what, unsigned count)
{
    const unsigned wanted = std::max(1u, control_.resident), cluster = std::max(1u, what.attributes.cluster);
    if (what.attributes.cooperative) return count;
#if !defined(PX_SIM_THREAD) /* where every thread has a fiber, which take their time: the plain build has shown it */
    const unsigned threads = what.block.x * what.block.y * what.block.z;
    if (what.attributes.overlap) return std::min(count, std::max(cluster, MOST_THREADS / threads / cluster * cluster));
#endif
    return std::min(count, (wanted + cluster - 1) / cluster * cluster);
}

/* The order in which blocks begin: clusters in the schedule's order, their blocks too. */
void order_blocks(unsigned count, unsigned cluster)
{
    const bool backward = control_.order == REVERSE || control_.order == DEPTH_FIRST_REVERSE;
    order.resize(count);
    for (unsigned i = 0; i < count; i++) order[i] = i;
    if (backward) std::reverse(order.begin(), order.end());
    if (control_.order != STICKY) return;
    for (unsigned i = count / cluster; i > 1; i--) { /* whole clusters change places */
        const unsigned j = draw(i);
        if (j != i - 1)
            std::swap_ranges(&order[(i - 1) * cluster], &order[(i - 1) * cluster] + cluster, &order[j * cluster]);
    }
    for (unsigned first = 0; first < count; first += cluster)
        for (unsigned i = cluster; i > 1; i--) std::swap(order[first + i - 1], order[first + draw(i)]);
}

bool launch_is_valid(const launch &what)
{
    const dim3 g = what.grid, b = what.block;
    if (!g.x || !g.y || !g.z || !b.x || !b.y || !b.z) return false;
    if (g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535 || b.x > 1024 || b.y > 1024 || b.z > 64 ||
        b.x * b.y * b.z > 1024)
        return false;
    if (!attributes_are_valid(what)) return false;
    if (what.shared_bytes <= 48 * 1024) return true;
    auto it = allowed.find(what.function);
    return it != allowed.end() && what.shared_bytes <= it->second && what.shared_bytes <= control_.shared_limit;
}

/* Nothing can run, and threads are left: who waits for whom. */
void report_deadlock()
{
    const thread *one = nullptr, *other = nullptr;
    for (const std::unique_ptr<block> &b : blocks)
        for (const thread &t : b->threads) {
            if (t.now < AT_BARRIER || t.now == RETURNED) continue;
            if (!one)
                one = &t;
            else if (!other && (t.now != one->now || !same_place(t.where, one->where)))
                other = &t;
        }
    if (!one) return;
    if (other)
        fail(one->where, "deadlock: thread %u of block %u waits in %s, thread %u in %s at line %d", one->linear,
             one->block_index.x, state_names[one->now], other->linear, state_names[other->now], other->where->line);
    else
        fail(one->where, "deadlock: thread %u of block %u waits in %s for threads that never come", one->linear,
             one->block_index.x, state_names[one->now]);
}

} // namespace

settings &control() { return control_; }
counters &statistics() { return statistics_; }
const char *last_fault() { return fault; }

const char *schedule_name(schedule s)
{
    static const char *const names[SCHEDULES] = {"forward", "reverse", "depth-first", "depth-first-reverse", "sticky"};
    return s < SCHEDULES ? names[s] : "?";
}

void barrier(const place *where)
{
    thread *me = self();
    block *b = me->home;
    const unsigned phase = b->phase;
    me->where = where;
    me->sees_shared_writes = false;
    statistics_.barriers++;
    order_release(&b->barrier_token[phase & 1]);
    {
        inside simulator;
        if (control_.strict && b->arrived && !same_place(b->barrier_place, where))
            fail(where, "__syncthreads while another thread of the block waits in the one at %s:%d",
                 b->barrier_place->file, b->barrier_place->line);
        if (control_.strict && b->alive < b->threads.size())
            fail(where, "__syncthreads after %zu threads of the block have returned", b->threads.size() - b->alive);
        b->barrier_place = where;
        if (++b->arrived == b->alive)
            release_barrier(b);
        else
            wait_as(AT_BARRIER);
    }
    order_acquire(&b->barrier_token[phase & 1]);
}

void stream_wait(const place *where)
{
    thread *me = self();
    if (!job->attributes.overlap) return;
    me->where = where;
    me->has_waited = true;
    {
        inside simulator;
        if (curtain_is_drawn) wait_as(AT_STREAM);
    }
    order_acquire(&launch_token);
}

void counter_add(unsigned *counter)
{
    order_release(counter);
    ++*counter;
}

unsigned counter_next(unsigned *counter)
{
    order_acquire(counter);
    order_release(counter);
    return (*counter)++;
}

unsigned counter_read(const unsigned *counter)
{
    order_acquire(const_cast<unsigned *>(counter));
    return *counter;
}

void trap()
{
    inside simulator;
    fail(nullptr, "%s", deadlock[0] ? deadlock : "a thread has waited in vain");
}

void pause()
{
    thread *me = self();
    inside simulator;
    /* to where every other runnable thread comes before it, whatever the schedule */
    if (newest_first())
        ready.insert(ready.begin() + static_cast<std::ptrdiff_t>(ready_head), me);
    else
        ready.push_back(me);
    wait_as(READY);
}

uint64_t meet(warp_op op, unsigned mask, uint64_t value, unsigned source, const place *where)
{
    thread *me = self();
    block *b = me->home;
    const unsigned first = me->linear & ~31u, lane = me->linear & 31u;
    statistics_.meetings++;
    /* only __syncwarp orders memory: a shuffle moves its value and nothing else */
    if (op == SYNC) order_release(&b->warp_token[first / 32]);
    {
        inside simulator;
        if (!(mask >> lane & 1))
            fail(where, "lane %u calls a warp function with mask %08x, which leaves it out", lane, mask);
        me->op = op;
        me->mask = mask;
        me->value = value;
        me->source = source;
        me->where = where;
        me->now = IN_WARP;
        if (warp_is_complete(b, first, op, mask))
            warp_complete(b, first, op, mask, me);
        else
            wait_as(IN_WARP);
    }
    if (op == SYNC) order_acquire(&b->warp_token[first / 32]);
    return me->result;
}

void *shared_variable(const void *key, size_t bytes, size_t alignment)
{
    void *p = nullptr;
    block *b = self()->home;
    {
        inside simulator;
        for (const variable &v : b->shared)
            if (v.key == key) p = v.memory;
        if (!p) {
            p = poisoned(bytes, alignment);
            b->shared.push_back({key, p});
            order_release(&launch_token); /* by the caller: the memory is there before any thread uses it */
        }
    }
    order_acquire(&launch_token);
    return p;
}

void *dynamic_shared() { return self()->home->dynamic; }

cudaError_t allow_shared(const void *function, size_t bytes)
{
    if (bytes > control_.shared_limit) return cudaErrorInvalidValue;
    allowed[function] = bytes;
    return cudaSuccess;
}

cudaError_t allow_large_clusters(const void *function)
{
    if (control_.cluster_limit <= 8) return cudaErrorInvalidValue;
    large_clusters.insert(function);
    return cudaSuccess;
}

cudaError_t run(const launch &what, const std::function<void()> &kernel)
{
    fault[0] = deadlock[0] = 0;
    if (!launch_is_valid(what)) {
        std::snprintf(
            fault, sizeof fault,
            "%s: grid (%u,%u,%u), block (%u,%u,%u), clusters of %u%s or %zu bytes of shared memory: no GPU takes that",
            what.kernel, what.grid.x, what.grid.y, what.grid.z, what.block.x, what.block.y, what.block.z,
            what.attributes.cluster, what.attributes.cooperative ? ", cooperative," : "", what.shared_bytes);
        return cudaErrorInvalidConfiguration;
    }
    job = &what;
    body = &kernel;
    grid_size = what.grid;
    block_size = what.block;
    failed = false;
    running = nullptr;
    ready.clear();
    ready_head = 0;
    random_state = control_.seed * 0x9e3779b97f4a7c15ull + 88172645463325252ull;
    statistics_.launches++;
    caller = fiber_here();
    if (what.attributes.overlap) draw_curtain(true);
    order_release(&launch_token);
    const unsigned count = grid_size.x * grid_size.y * grid_size.z;
    order_blocks(count, std::max(1u, what.attributes.cluster));
    next_block = 0;
    while (next_block < resident_blocks(what, count)) add_cluster();
    thread *first = choose();
    give_context(first);
    go(caller, first, false);
    running = nullptr;
    order_acquire(&end_token);
    draw_curtain(false);
    if (!failed) report_deadlock();
    forget_stores();
    for (std::unique_ptr<block> &b : blocks) {
        for (thread &t : b->threads)
            if (t.context) fiber_give(t.context, true);
        free_block(*b);
    }
    for (std::unique_ptr<block> &b : ended) {
        for (thread &t : b->threads) /* the one in whose name a store to an ended block failed */
            if (t.context) fiber_give(t.context, true);
        free_block(*b);
    }
    blocks.clear();
    ended.clear();
    return failed ? cudaErrorLaunchFailure : cudaSuccess;
}

void set_hooks(submit_hook submit_launch, pointer_hook is_device)
{
    submit_ = submit_launch;
    is_device_ = is_device;
}

void set_curtain(curtain_hook curtain) { curtain_ = curtain; }

cudaError_t submit(const launch &what, cudaStream_t stream, std::function<void()> kernel)
{
    if (submit_) return submit_(what, stream, std::move(kernel));
    return run(what, kernel);
}

bool is_device_pointer(const void *p) { return !is_device_ || is_device_(p); }

void refuse_argument(const launch &what, int index)
{
    std::snprintf(fault, sizeof fault, "%s: argument %d is not a pointer to device memory at %s:%d", what.kernel, index,
                  what.where.file, what.where.line);
}

} // namespace px_sim
