/* The cells' equations in the kernels' precision (host/model/cells). */
#ifndef PX_CELL_MATHS_H
#define PX_CELL_MATHS_H

#include <math.h>

typedef float px_real;

#define PX_CELL_FUNCTION inline __device__ /* nobody needs all of them */

PX_CELL_FUNCTION float px_real_tanh(float x) { return tanhf(x); }

PX_CELL_FUNCTION float px_real_sigmoid(float x) { return 1 / (1 + expf(-x)); }

#include "cells/maths.h"

/* A cell as a type: its numbers, and its two functions. */
template <px_cell CELL> struct px_cell_type;
#define CELL_TYPE(NAME, name, label, torch, G, S, K, L, O)                                                             \
    template <> struct px_cell_type<PX_CELL_##NAME> {                                                                  \
        static constexpr int gates = G, states = S, lone = L;                                                          \
        static __device__ void forward(px_cell_unit *unit) { px_cell_##name##_forward(unit); }                         \
        static __device__ void backward(px_cell_unit *unit) { px_cell_##name##_backward(unit); }                       \
    };
PX_CELLS(CELL_TYPE)
#undef CELL_TYPE

#endif
