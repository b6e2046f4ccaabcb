/* The LSTM cell, as PyTorch and cuDNN define it: gates i, f, g, o; the second state is c.
 *     i = s(z_i),  f = s(z_f),  g = tanh(z_g),  o = s(z_o),  c = f c_prev + i g,  h = o tanh(c)
 *     dc += dh o (1 - tanh(c)^2)
 *     di = dc g i (1 - i),  df = dc c_prev f (1 - f),  dg = dc i (1 - g^2),  do = dh tanh(c) o (1 - o),  dc_prev = dc f
 * Kept: i, f, g, o; c stands among the states, tanh(c) is computed again.
 * Source: Hochreiter and Schmidhuber 1997; Gers et al. 2000 (f); torch.nn.LSTM. Included by maths.h. */

PX_CELL_FUNCTION void px_cell_lstm_forward(px_cell_unit *c)
{
    const px_real i = px_real_sigmoid(c->z[0]), f = px_real_sigmoid(c->z[1]), g = px_real_tanh(c->z[2]),
                  o = px_real_sigmoid(c->z[3]);
    const px_real cell = f * c->before[1] + i * g;
    c->z[0] = i;
    c->z[1] = f;
    c->z[2] = g;
    c->z[3] = o;
    c->now[1] = cell;
    c->now[0] = o * px_real_tanh(cell);
}

PX_CELL_FUNCTION void px_cell_lstm_backward(px_cell_unit *c)
{
    const px_real i = c->z[0], f = c->z[1], g = c->z[2], o = c->z[3], y = px_real_tanh(c->now[1]);
    const px_real dh = c->d[0], dc = c->d[1] + dh * o * (1 - y * y);
    c->z[0] = dc * g * i * (1 - i);
    c->z[1] = dc * c->before[1] * f * (1 - f);
    c->z[2] = dc * i * (1 - g * g);
    c->z[3] = dh * y * o * (1 - o);
    c->d[0] = 0;
    c->d[1] = dc * f;
}
