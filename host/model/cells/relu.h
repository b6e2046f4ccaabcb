/* The ReLU cell: one gate, and H itself is all that the backward pass needs.
 *     h = max(z, 0),   dz = dh [h > 0]
 * A NaN stays a NaN, so that a run that has gone wrong is seen.
 * Source: Le, Jaitly, Hinton 2015, "A simple way to initialize recurrent networks of rectified linear units". Included
 * by maths.h. */

PX_CELL_FUNCTION void px_cell_relu_forward(px_cell_unit *c) { c->now[0] = c->z[0] <= 0 ? 0 : c->z[0]; }

PX_CELL_FUNCTION void px_cell_relu_backward(px_cell_unit *c)
{
    c->z[0] = c->now[0] > 0 ? c->d[0] : 0;
    c->d[0] = 0;
}
