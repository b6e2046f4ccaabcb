/* Growing px_series: see run_data.h. */
#ifndef PX_SERIES_H
#define PX_SERIES_H

#include "run_data.h"

/* Appends; what stands there of this step or later ones is dropped first, since the later line counts. PX_ERR_MEMORY.
 */
px_status px_series_add(px_series *series, double step, double tokens, double value);
/* Drops everything behind that step. */
void px_series_cut(px_series *series, double step);
void px_series_free(px_series *series);
/* The q-quantile of the finite values from index `first` on; NaN without any. PX_ERR_MEMORY. */
px_status px_series_quantile(const px_series *series, size_t first, double q, double *value);

#endif
