/* Plots of a result by gnuplot. */
#ifndef PX_PLOT_H
#define PX_PLOT_H

#include "bench.h"

/* Writes folder/plots/NAME.gp (data inside), and runs gnuplot on each for NAME.svg and NAME.png. note gets one line if
 * gnuplot is missing or fails, "" otherwise; that is no error. */
px_status px_bench_plot(const px_bench_result *result, const char *folder, char *note, size_t note_bytes);

#endif
