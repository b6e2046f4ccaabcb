/* Linear interpolation of two models: see mixture.h. */
#include "mixture.h"

#include <math.h>

double px_mixture_loss(const double *a, const double *b, size_t count, double weight)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double least = fmin(a[i], b[i]); /* the larger probability is taken out, so that nothing underflows */
        if (isinf(least)) return INFINITY;
        const double p = weight > 0 ? weight * exp(least - a[i]) : 0,
                     q = weight < 1 ? (1 - weight) * exp(least - b[i]) : 0;
        sum += least - log(p + q);
    }
    return sum / (double)count;
}

/* Of the sum of log p with respect to the weight; +-inf at an end where a model that stands alone gives probability 0.
 */
static double slope(const double *a, const double *b, size_t count, double weight)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double least = fmin(a[i], b[i]);
        if (isinf(least)) continue; /* lost at every weight */
        double p = exp(least - a[i]), q = exp(least - b[i]);
        sum += (p - q) / (weight * p + (1 - weight) * q);
    }
    return sum;
}

double px_mixture_best(const double *a, const double *b, size_t count)
{
    double low = 0, high = 1;
    if (slope(a, b, count, 0) <= 0) return 0;
    if (slope(a, b, count, 1) >= 0) return 1;
    while (high - low > 1e-9) {
        double middle = 0.5 * (low + high);
        if (slope(a, b, count, middle) > 0)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}
