/* The tanh cell: one gate, and H itself is all that the backward pass needs.
 *     h = tanh(z),   dz = dh (1 - h^2)
 * Source: Elman 1990; Dive into Deep Learning, 8.4.2. Included by maths.h. */

PX_CELL_FUNCTION void px_cell_tanh_forward(px_cell_unit *c) { c->now[0] = px_real_tanh(c->z[0]); }

PX_CELL_FUNCTION void px_cell_tanh_backward(px_cell_unit *c)
{
    c->z[0] = c->d[0] * (1 - c->now[0] * c->now[0]);
    c->d[0] = 0;
}
