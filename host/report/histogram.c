/* Counting values in buckets: see histogram.h. */
#include "histogram.h"

#include <math.h>

void px_histogram_make(const float *values, size_t count, double low, double high, px_histogram *histogram)
{
    px_histogram h = {.min = INFINITY, .max = -INFINITY};
    for (size_t i = 0; i < count; i++) {
        double value = values[i];
        if (!isfinite(value)) continue;
        h.min = value < h.min ? value : h.min;
        h.max = value > h.max ? value : h.max;
        h.sum += value;
        h.sum_squares += value * value;
        h.count++;
    }
    if (h.count == 0) h.min = h.max = 0;
    if (!(low < high)) {
        low = h.min;
        high = h.max;
    }
    if (!(low < high)) { /* all values are equal */
        low -= 0.5e-6;
        high += 0.5e-6;
    }
    double width = (high - low) / PX_HISTOGRAM_BUCKETS;
    for (int k = 0; k < PX_HISTOGRAM_BUCKETS; k++)
        h.right[k] = k + 1 < PX_HISTOGRAM_BUCKETS ? low + (k + 1) * width : high;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) continue;
        double place = floor(((double)values[i] - low) / width);
        int k = place < 0 ? 0 : place >= PX_HISTOGRAM_BUCKETS ? PX_HISTOGRAM_BUCKETS - 1 : (int)place;
        h.bucket[k]++;
    }
    *histogram = h;
}
