/* Values over steps: see series.h. */
#include "series.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void px_series_cut(px_series *series, double step)
{
    while (series->count > 0 && series->step[series->count - 1] > step) series->count--;
}

static int grow(double **array, size_t room)
{
    double *larger = realloc(*array, room * sizeof **array);
    if (!larger) return 0;
    *array = larger;
    return 1;
}

px_status px_series_add(px_series *series, double step, double tokens, double value)
{
    while (series->count > 0 && series->step[series->count - 1] >= step) series->count--;
    if (series->count == series->room) {
        size_t room = series->room ? 2 * series->room : 256;
        if (!grow(&series->step, room) || !grow(&series->tokens, room) || !grow(&series->value, room))
            return px_fail(PX_ERR_MEMORY, "no memory for a curve of %zu points", room);
        series->room = room;
    }
    series->step[series->count] = step;
    series->tokens[series->count] = tokens;
    series->value[series->count++] = value;
    return PX_OK;
}

void px_series_free(px_series *series)
{
    free(series->step);
    free(series->tokens);
    free(series->value);
    *series = (px_series){0};
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

px_status px_series_quantile(const px_series *series, size_t first, double q, double *value)
{
    size_t count = 0;
    double *sorted = malloc((series->count + 1) * sizeof *sorted);
    *value = NAN;
    if (!sorted) return px_fail(PX_ERR_MEMORY, "no memory for %zu values of a series", series->count);
    for (size_t i = first; i < series->count; i++)
        if (isfinite(series->value[i])) sorted[count++] = series->value[i];
    if (count) {
        qsort(sorted, count, sizeof *sorted, rising);
        *value = sorted[(size_t)(q * (double)(count - 1) + 0.5)];
    }
    free(sorted);
    return PX_OK;
}
