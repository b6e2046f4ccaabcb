/* The cells' equations, once for every engine: for one unit at one step, forward and backward.
 *
 * Whoever includes this has defined the type px_real, the functions px_real_tanh and px_real_sigmoid on it, and
 * PX_CELL_FUNCTION (static inline; a CUDA kernel adds __device__). Each cell's file NAME.h gives
 *
 *     px_cell_NAME_forward(unit)    z, u, before -> z, u (what is kept), now
 *     px_cell_NAME_backward(unit)   z, u (as kept), before, now, d -> z, u (gradients of the pre-activations), d (of `before`)
 *
 * What passes through W_hh is not theirs: H's whole gradient is d[0] plus the product of the pre-activations' gradients
 * with W_hh. */
#ifndef PX_CELLS_MATHS_H
#define PX_CELLS_MATHS_H

#include "../cells.h"

typedef struct px_cell_unit {
    px_real z[PX_CELL_GATES_MAX];       /* by gate: x W_xh + b_h, and + H_{t-1} W_hh but for the lone gate */
    px_real u;                          /* the lone gate's H_{t-1} W_hn + b_hn */
    px_real before[PX_CELL_STATES_MAX]; /* the states before the step; zeros after a reset */
    px_real now[PX_CELL_STATES_MAX];    /* the states after it */
    px_real d[PX_CELL_STATES_MAX];      /* gradients: of `now`, then of `before` */
} px_cell_unit;

#include "gru.h"
#include "lstm.h"
#include "relu.h"
#include "tanh.h"

#endif
