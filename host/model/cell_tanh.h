/* The tanh cell, as scalar maths: the only place where its equations are written; every engine includes it.
 *
 * Pre-activation z = x W_xh + h_prev W_hh + b_h, one gate (G = 1); kept from the forward pass: the output itself.
 *     h = tanh(z),   dz = dh (1 - h^2)
 * PX_CELL_FUNCTION may be defined before inclusion (a CUDA engine adds __host__ __device__).
 * Source: Elman 1990; Dive into Deep Learning, 8.4.2. */
#ifndef PX_CELL_TANH_H
#define PX_CELL_TANH_H

#include <math.h>

#ifndef PX_CELL_FUNCTION
#define PX_CELL_FUNCTION static inline
#endif

enum { PX_CELL_TANH_GATES = 1, PX_CELL_TANH_KEPT = 1 };

PX_CELL_FUNCTION double px_cell_tanh_forward(double z)
{
    return tanh(z);
}

PX_CELL_FUNCTION double px_cell_tanh_backward(double h, double dh)
{
    return dh * (1 - h * h);
}

PX_CELL_FUNCTION float px_cell_tanh_forwardf(float z)
{
    return tanhf(z);
}

PX_CELL_FUNCTION float px_cell_tanh_backwardf(float h, float dh)
{
    return dh * (1 - h * h);
}

#endif
