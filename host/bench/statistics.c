/* Order statistics of a few repeats; see statistics.h. */
#include "statistics.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double px_quantile(double *values, size_t count, double p)
{
    if (count == 0) return NAN;
    qsort(values, count, sizeof values[0], by_value);
    double place = p * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count) return values[count - 1];
    double share = place - (double)below;
    return values[below] + share * (values[below + 1] - values[below]);
}

double px_median_error(double q1, double median, double q3, size_t count)
{
    if (count < 3 || !(median > 0)) return INFINITY;
    return 0.93 * (q3 - q1) / (median * sqrt((double)count));
}
