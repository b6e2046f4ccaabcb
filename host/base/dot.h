/* The inner product of doubles and weights, in a fixed order of additions. */
#ifndef PX_DOT_H
#define PX_DOT_H

#include <stddef.h>

/* Sum of x[j] y[j] over j < n, of four partial sums, so that additions need not wait for each other. */
static inline double px_dot(const double *x, const float *y, size_t n)
{
    double sum[4] = {0, 0, 0, 0};
    size_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (size_t i = 0; i < 4; i++) sum[i] += x[j + i] * (double)y[j + i];
    for (; j < n; j++) sum[0] += x[j] * (double)y[j];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

#endif
