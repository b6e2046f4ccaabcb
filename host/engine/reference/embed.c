/* Phase embed: from tokens to what the first layer reads, and back. */
#include "masks.h"

/* x = E[token], times the token's mask and the input's. One-hot: the mask has one element per word type, so that the
 * row of W_xh is kept or dropped as a whole, and only its factor is needed. */
void reference_embed_forward(reference *r, const window *win)
{
    int32_t d = r->model.embed, V = r->model.vocab;
    double p = r->model.dropout_input;
    for (int32_t t = 0; t < win->T; t++)
        for (int32_t i = 0; i < win->n; i++) {
            size_t row = (size_t)t * (size_t)win->n + (size_t)i;
            int32_t token = win->batch->tokens[row];
            double kept = embedding_mask(r, win, token);
            if (d == 0) {
                r->x[row] = kept * mask(r, win, PX_RANDOM_DROPOUT_INPUT, 0, p, t, i, V, token);
                continue;
            }
            const float *e = r->w + place(r, PX_TENSOR_EMBEDDING, 0) + (size_t)token * (size_t)d;
            for (int32_t j = 0; j < d; j++)
                r->x[row * (size_t)d + (size_t)j] =
                    kept * e[j] * mask(r, win, PX_RANDOM_DROPOUT_INPUT, 0, p, t, i, d, j);
        }
}

/* dE[token] += dx times both masks; after the head's part where the tables are tied. */
void reference_embed_backward(reference *r, const window *win)
{
    size_t d = (size_t)r->model.embed, e = place(r, PX_TENSOR_EMBEDDING, 0);
    double p = r->model.dropout_input;
    for (int32_t t = 0; t < win->T; t++)
        for (int32_t i = 0; i < win->n; i++) {
            size_t row = (size_t)t * (size_t)win->n + (size_t)i;
            size_t token = (size_t)win->batch->tokens[row];
            double kept = embedding_mask(r, win, (int32_t)token);
            for (size_t j = 0; j < d; j++)
                r->grad[e + token * d + j] += kept * r->dx[row * d + j] *
                                              mask(r, win, PX_RANDOM_DROPOUT_INPUT, 0, p, t, i, (int32_t)d, (int32_t)j);
        }
}
