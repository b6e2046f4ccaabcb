/* How tokens are drawn from a model's probabilities; draw_maths.h is the choice itself. */
#ifndef PX_DRAW_H
#define PX_DRAW_H

#include <stdint.h>

typedef struct px_draw {
    double temperature;      /* 0: as greedy, which ignores it */
    double top_p;            /* 1 = all */
    uint64_t seed, position; /* the uniform of stream i is element `position` of (seed, PX_RANDOM_SAMPLE, layer i) */
    int32_t top_k;           /* 0 = all */
    int32_t greedy, exclude_unknown; /* exclude_unknown 1: id 0 is never drawn */
} px_draw;

/* Whether tokens have to be put into order of their probability. */
static inline int px_draw_orders(const px_draw *draw)
{
    return !draw->greedy && draw->temperature != 0 && (draw->top_k > 0 || draw->top_p < 1);
}

/* Of larger vocabularies a GPU leaves the ordering to the host: one thread's work that grows with V, and memory. */
enum { PX_DRAW_ORDERED_MAX = 2048 };

#endif
