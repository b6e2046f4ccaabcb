/* Warpgroups in the simulator: matrix instructions whose sums stand apart until they are waited for, and the fences
 * before them. */
#include "scheduler.h"

#include <cmath>

namespace px_sim
{

namespace
{

enum { WARPGROUP = 128 };

/* All threads of a warpgroup give the same instructions: each is compared with the first that came so far. */
void compare_with_others(thread *me, uint64_t matrix, const place *where)
{
    block *b = me->home;
    const unsigned group = me->linear / WARPGROUP;
    if ((group + 1) * WARPGROUP > b->threads.size()) fail(where, "warpgroup_multiply: a warpgroup has 128 threads");
    if (b->matrices.size() <= group) b->matrices.resize(group + 1);
    std::vector<uint64_t> &given = b->matrices[group];
    if (me->products == given.size())
        given.push_back(matrix);
    else if (given[me->products] != matrix)
        fail(where, "warpgroup_multiply: another warp of the warpgroup has another matrix");
    me->products++;
}

} // namespace

void shared_writes_fence() { self()->sees_shared_writes = true; }

void warpgroup_fence() { self()->registers_are_fenced = true; }

float *accumulators(float *c, unsigned count, uint64_t matrix, const place *where)
{
    inside simulator;
    thread *me = self();
    if (!me->registers_are_fenced) fail(where, "warpgroup_multiply without warpgroup_fence() before it");
    if (!me->sees_shared_writes)
        fail(where, "warpgroup_multiply without shared_writes_fence() since the thread's last barrier");
    if (me->c && me->c != c) fail(where, "warpgroup_multiply while another C is under way");
    compare_with_others(me, matrix, where);
    if (me->c) return me->sums;
    me->c = c;
    me->count = count;
    for (unsigned r = 0; r < count; r++) {
        me->sums[r] = c[r];
        c[r] = NAN;
    }
    return me->sums;
}

bool products_are_prompt() { return control().order == FORWARD || control().order == DEPTH_FIRST; }

void product_later(const product &p, product_maker make)
{
    inside simulator;
    self()->later.push_back({p, make});
}

product_maker next_product(product *p)
{
    inside simulator;
    thread *me = self();
    if (me->made == me->later.size()) return nullptr;
    *p = me->later[me->made].of;
    return me->later[me->made++].make;
}

void land_products(float *c, const place *where)
{
    inside simulator;
    thread *me = self();
    if (me->c != c) fail(where, "warpgroup_wait for a C that no product is under way to");
    for (unsigned r = 0; r < me->count; r++) c[r] = me->sums[r];
    me->c = nullptr;
    me->later.clear();
    me->made = 0;
    me->registers_are_fenced = false;
}

void leave_warpgroup(thread *t)
{
    block *b = t->home;
    const unsigned group = t->linear / WARPGROUP;
    if (t->c) fail(nullptr, "a thread ends while its products are under way");
    if (b->alive == 0)
        for (const thread &o : b->threads)
            if (o.linear / WARPGROUP < b->matrices.size() && o.products != b->matrices[o.linear / WARPGROUP].size())
                fail(nullptr, "warpgroup_multiply: the warps of warpgroup %u have given different numbers of them",
                     group);
}

} // namespace px_sim
