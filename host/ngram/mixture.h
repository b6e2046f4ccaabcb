/* Two models together: p = w p_a + (1 - w) p_b, from what each of them lost on every token of the same text. */
#ifndef PX_MIXTURE_H
#define PX_MIXTURE_H

#include <stddef.h>

/* Mean loss of the mixture, nats per token. a, b [count]: -log p of each model, +inf allowed. +inf where both give
 * probability 0, or where the only one with a weight does. */
double px_mixture_loss(const double *a, const double *b, size_t count, double weight);

/* The weight w of a with the least loss, in [0, 1], to 1e-9. The loss is convex in w, so that its derivative
 *     -mean (p_a - p_b) / (w p_a + (1 - w) p_b)
 * has one sign change at most, which is found by bisection. */
double px_mixture_best(const double *a, const double *b, size_t count);

#endif
