/* The fixed tree of sums: see tree.h. */
#include "tree.h"

#include "check.h"
#include "team.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAIL = PX_TREE_VALUES * sizeof(double) / sizeof(float),
    LEVELS_MAX = 11,
    CHUNK = 1 << 18 /* floats of one exchange: what was received is added while it is in the cache */
};

struct px_tree {
    px_comm *comm;
    int32_t leaves, next; /* of this rank; the leaf that comes next */
    int32_t levels;       /* log2 leaves */
    px_team *team;
    size_t count;
    float *buffer[LEVELS_MAX]; /* [count] each: buffer[k] waits with the sum of 2^k leaves */
    double values[LEVELS_MAX][PX_TREE_VALUES], sum[PX_TREE_VALUES];
    float *sent, *received; /* [CHUNK + TAIL] */
};

static int32_t log2_of(int32_t power)
{
    int32_t levels = 0;
    while (1 << levels < power) levels++;
    return levels;
}

static int is_power_of_two(int32_t value) { return value > 0 && (value & (value - 1)) == 0; }

size_t px_tree_bytes(int32_t leaves_here, size_t count)
{
    return ((size_t)log2_of(leaves_here) * count + 2 * (CHUNK + TAIL)) * sizeof(float);
}

px_status px_tree_create(px_comm *comm, int32_t leaves_here, size_t count, int32_t threads, px_tree **result)
{
    *result = NULL;
    if (!is_power_of_two(leaves_here) || !is_power_of_two(comm->size) || leaves_here > PX_TREE_LEAVES_MAX)
        return px_fail(PX_ERR_ARGUMENT, "a tree of %d leaves on each of %d ranks: both must be powers of two",
                       (int)leaves_here, (int)comm->size);
    px_tree *tree = calloc(1, sizeof *tree);
    if (!tree) return px_fail(PX_ERR_MEMORY, "no memory for the tree of sums");
    *tree = (px_tree){.comm = comm, .leaves = leaves_here, .levels = log2_of(leaves_here), .count = count};
    int missing = 0;
    for (int32_t level = 0; level < tree->levels; level++)
        if (!(tree->buffer[level] = malloc(count * sizeof(float)))) missing = 1;
    if (!(tree->received = malloc((CHUNK + TAIL) * sizeof(float)))) missing = 1;
    if (!(tree->sent = malloc((CHUNK + TAIL) * sizeof(float)))) missing = 1;
    if (missing) {
        int levels = (int)tree->levels;
        px_tree_destroy(tree);
        return px_fail(PX_ERR_MEMORY, "no memory for %d copies of the gradient; give fewer --leaves, or more ranks",
                       levels);
    }
    px_status status = px_team_create(threads, &tree->team);
    if (status != PX_OK) {
        px_tree_destroy(tree);
        return status;
    }
    *result = tree;
    return PX_OK;
}

void px_tree_destroy(px_tree *tree)
{
    if (!tree) return;
    for (int32_t level = 0; level < LEVELS_MAX; level++) free(tree->buffer[level]);
    free(tree->received);
    free(tree->sent);
    px_team_destroy(tree->team);
    free(tree);
}

/* One pass over everything: what its pieces share. */
typedef struct addition {
    px_tree *tree;
    float *g, *to;
    int carries;
} addition;

enum { BLOCK = 2048 }; /* floats: they stay in the first-level cache from operand to operand */

static void add_blocks(void *context, int thread, long begin, long end)
{
    const addition *a = context;
    (void)thread;
    for (long b = begin; b < end; b++) {
        const size_t first = (size_t)b * BLOCK, n = a->tree->count - first < BLOCK ? a->tree->count - first : BLOCK;
        float *carry = a->g + first;
        for (int k = 0; k < a->carries; k++) {
            const float *restrict other = a->tree->buffer[k] + first;
            for (size_t i = 0; i < n; i++) carry[i] = other[i] + carry[i];
        }
        if (a->to == a->g) continue;
        memcpy(a->to + first, carry, n * sizeof *carry);
        memset(carry, 0, n * sizeof *carry);
    }
}

/* carry = g, then carry = buffer[k] + carry for the `carries` levels that are full; the sum goes to `to`, and g is
 * cleared unless it is where the sum goes. */
static void add_up(px_tree *tree, float *g, int carries, float *to)
{
    addition a = {tree, g, to, carries};
    const long blocks = (long)((tree->count + BLOCK - 1) / BLOCK);
    px_team_for(tree->team, blocks, px_team_grain(tree->team, blocks, 4, 4), add_blocks, &a);
}

px_status px_tree_add(px_tree *tree, float *g, const double values[PX_TREE_VALUES])
{
    const int32_t leaf = tree->next++;
    const int last = tree->next == tree->leaves;
    int carries = 0;
    double sum[PX_TREE_VALUES];
    if (leaf >= tree->leaves)
        return px_fail(PX_ERR_INTERNAL, "leaf %d of %d is added to a tree", (int)leaf, (int)tree->leaves);
    while (leaf >> carries & 1) carries++; /* as in a binary counter: that many full levels make one of the next */
    add_up(tree, g, carries, last ? g : tree->buffer[carries]);
    memcpy(sum, values, sizeof sum);
    for (int k = 0; k < carries; k++)
        for (int i = 0; i < PX_TREE_VALUES; i++) sum[i] = tree->values[k][i] + sum[i];
    memcpy(last ? tree->sum : tree->values[carries], sum, sizeof sum);
    return PX_OK;
}

/* What peer has, added to what is here, chunk by chunk; the few doubles travel behind the last chunk: every exchange
 * costs a wait. */
static px_status add_peer(px_tree *tree, int32_t peer, float *g)
{
    for (size_t first = 0; first < tree->count; first += CHUNK) {
        const int last = tree->count - first <= CHUNK;
        const size_t n = last ? tree->count - first : CHUNK;
        float *restrict to = g + first;
        const float *restrict from = tree->received;
        if (last) {
            memcpy(tree->sent, to, n * sizeof *to);
            memcpy(tree->sent + n, tree->sum, sizeof tree->sum);
        }
        PX_TRY(px_comm_exchange(tree->comm, peer, last ? tree->sent : to, tree->received,
                                n * sizeof *to + (last ? sizeof tree->sum : 0)));
        for (size_t i = 0; i < n; i++) to[i] = from[i] + to[i];
        if (!last) continue;
        double values[PX_TREE_VALUES];
        memcpy(values, from + n, sizeof values);
        for (int i = 0; i < PX_TREE_VALUES; i++) tree->sum[i] = values[i] + tree->sum[i];
    }
    return PX_OK;
}

px_status px_tree_reduce(px_tree *tree, float *g, double values[PX_TREE_VALUES])
{
    if (tree->next != tree->leaves)
        return px_fail(PX_ERR_INTERNAL, "%d of %d leaves are in a tree that is added up", (int)tree->next,
                       (int)tree->leaves);
    tree->next = 0;
    for (int32_t bit = 1; bit < tree->comm->size; bit <<= 1) PX_TRY(add_peer(tree, tree->comm->rank ^ bit, g));
    memcpy(values, tree->sum, sizeof tree->sum);
    return PX_OK;
}
