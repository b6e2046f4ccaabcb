/* Values counted in buckets of equal width between two bounds. */
#ifndef PX_HISTOGRAM_H
#define PX_HISTOGRAM_H

#include <stddef.h>

enum { PX_HISTOGRAM_BUCKETS = 60 };

typedef struct px_histogram {
    double min, max, sum, sum_squares;                                /* of the finite values */
    double count;                                                     /* of them */
    double right[PX_HISTOGRAM_BUCKETS], bucket[PX_HISTOGRAM_BUCKETS]; /* right edges, and how many values lie in each */
} px_histogram;

/* Buckets between the values' least and largest, or, with low < high, between those bounds (values outside count in the
 * outermost). Values that are not finite are left out. */
void px_histogram_make(const float *values, size_t count, double low, double high, px_histogram *histogram);

#endif
