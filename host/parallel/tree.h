/* Gradients added in one fixed order, whatever the number of ranks.
 *
 * The streams of a step are cut into `leaves` groups (a power of two). Leaf gradients are added pairwise, neighbours
 * first:
 *
 *     ((g0 + g1) + (g2 + g3)) + ((g4 + g5) + (g6 + g7))
 *
 * A rank owns a whole subtree, leaves [rank * leaves / ranks, ...). Its leaves come one after another and are added as
 * in a binary counter, which needs log2 of their number buffers; the ranks' sums are then added by recursive doubling:
 * in round k with the rank whose number differs in bit k, so that every rank makes the same sums from the same
 * operands. (a + b = b + a to the bit, so it does not matter which of two partners adds.) A few doubles go the same
 * way: loss and counts. */
#ifndef PX_TREE_H
#define PX_TREE_H

#include "comm.h"

enum { PX_TREE_VALUES = 4, PX_TREE_LEAVES_MAX = 1024 };

typedef struct px_tree px_tree;

/* For gradients of `count` floats and `leaves_here` leaves of this rank. comm->size and leaves_here are powers of two:
 * PX_ERR_ARGUMENT otherwise. threads: for the additions. bytes, where not NULL: what it takes. */
px_status px_tree_create(px_comm *comm, int32_t leaves_here, size_t count, int32_t threads, px_tree **tree);
void px_tree_destroy(px_tree *tree); /* NULL does nothing */
size_t px_tree_bytes(int32_t leaves_here, size_t count);

/* Leaves 0, 1, ... of this rank, in order. g [count] is read and, but for the last one, cleared; after the last g holds
 * the sum of all of them. values: added alike. */
px_status px_tree_add(px_tree *tree, float *g, const double values[PX_TREE_VALUES]);
/* After the last leaf: g, as px_tree_add left it, becomes the sum over all ranks; values get theirs. */
px_status px_tree_reduce(px_tree *tree, float *g, double values[PX_TREE_VALUES]);

#endif
