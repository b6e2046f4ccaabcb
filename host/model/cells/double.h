/* The cells' equations in double precision, for the reference engine, inspection and tests. */
#ifndef PX_CELLS_DOUBLE_H
#define PX_CELLS_DOUBLE_H

#include <math.h>

typedef double px_real;

#define PX_CELL_FUNCTION static inline __attribute__((unused))

PX_CELL_FUNCTION double px_real_tanh(double x) { return tanh(x); }

PX_CELL_FUNCTION double px_real_sigmoid(double x) { return 1 / (1 + exp(-x)); }

#include "maths.h"

/* A cell's two functions, for whoever chooses the cell at run time: px_cell_maths[cell]. */
static const struct { /* in the order of the enum */
    void (*forward)(px_cell_unit *), (*backward)(px_cell_unit *);
} px_cell_maths[] = {
#define PX_CELL_MATHS(NAME, name, label, torch, gates, states, keeps, lone, ones)                                      \
    {px_cell_##name##_forward, px_cell_##name##_backward},
    PX_CELLS(PX_CELL_MATHS)
#undef PX_CELL_MATHS
};

#endif
