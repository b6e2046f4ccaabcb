/* Order statistics of a few repeats. */
#ifndef PX_STATISTICS_H
#define PX_STATISTICS_H

#include <stddef.h>

/* The p-quantile (0 to 1) with linear interpolation between order statistics; values are sorted in place. NaN if empty.
 */
double px_quantile(double *values, size_t count, double p);
/* Standard error of the median as a share of it, from the interquartile range: 0.93 (q3 - q1) / (median sqrt(count)),
 * the normal distribution's 1.2533 sigma / sqrt(count) with sigma = (q3 - q1) / 1.349. Infinite below 3 values. */
double px_median_error(double q1, double median, double q3, size_t count);

#endif
