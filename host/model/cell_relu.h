/* The ReLU cell, as scalar maths: the only place where its equations are written; every engine includes it.
 *
 * Pre-activation z = x W_xh + h_prev W_hh + b_h, one gate (G = 1); kept from the forward pass: the output itself.
 *     h = max(z, 0),   dz = dh [h > 0]
 * A NaN stays a NaN, so that a run that has gone wrong is seen. PX_CELL_FUNCTION: see cell_tanh.h.
 * Source: Le, Jaitly, Hinton 2015, "A simple way to initialize recurrent networks of rectified linear units". */
#ifndef PX_CELL_RELU_H
#define PX_CELL_RELU_H

#ifndef PX_CELL_FUNCTION
#define PX_CELL_FUNCTION static inline
#endif

enum { PX_CELL_RELU_GATES = 1, PX_CELL_RELU_KEPT = 1 };

PX_CELL_FUNCTION double px_cell_relu_forward(double z)
{
    return z <= 0 ? 0 : z;
}

PX_CELL_FUNCTION double px_cell_relu_backward(double h, double dh)
{
    return h > 0 ? dh : 0;
}

PX_CELL_FUNCTION float px_cell_relu_forwardf(float z)
{
    return z <= 0 ? 0 : z;
}

PX_CELL_FUNCTION float px_cell_relu_backwardf(float h, float dh)
{
    return h > 0 ? dh : 0;
}

#endif
