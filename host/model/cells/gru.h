/* The GRU cell, as PyTorch and cuDNN define it: gates r, z, n; n's recurrent part u = h_prev W_hn + b_hn is multiplied
 * by r.
 *     r = s(z_r),  z = s(z_z),  n = tanh(z_n + r u),  h = (1 - z) n + z h_prev
 *     dn = dh (1 - z) (1 - n^2),  dz = dh (h_prev - n) z (1 - z),  dr = dn u r (1 - r),  du = dn r,  dh_prev = dh z + (through W_hh)
 * Kept: r, z, n and u.
 * Source: Cho et al. 2014; torch.nn.GRU; cuDNN, CUDNN_GRU. Included by maths.h. */

PX_CELL_FUNCTION void px_cell_gru_forward(px_cell_unit *c)
{
    const px_real r = px_real_sigmoid(c->z[0]), z = px_real_sigmoid(c->z[1]), n = px_real_tanh(c->z[2] + r * c->u);
    c->z[0] = r;
    c->z[1] = z;
    c->z[2] = n;
    c->now[0] = (1 - z) * n + z * c->before[0];
}

PX_CELL_FUNCTION void px_cell_gru_backward(px_cell_unit *c)
{
    const px_real r = c->z[0], z = c->z[1], n = c->z[2], dh = c->d[0], dn = dh * (1 - z) * (1 - n * n);
    c->z[0] = dn * c->u * r * (1 - r);
    c->z[1] = dh * (c->before[0] - n) * z * (1 - z);
    c->z[2] = dn;
    c->u = dn * r;
    c->d[0] = dh * z;
}
