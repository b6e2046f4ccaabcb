/* Plots of a result by gnuplot. */
#ifndef PX_PLOT_H
#define PX_PLOT_H

#include "bench.h"

#include <stdio.h>

/* Writes folder/plots/NAME.gp (data inside), and runs gnuplot on each for NAME.svg and, where png is set, NAME.png.
 * note gets one line if gnuplot is missing or fails, "" otherwise; that is no error. */
px_status px_bench_plot(const px_bench_result *result, const char *folder, int png, char *note, size_t note_bytes);

/* One picture as a gnuplot script: its text goes to out; its height in pixels is returned, 0 where the result has
 * nothing to show. PX_PLOT_WIDTH is their width. (plot_speed.c, plot_step.c) */
enum { PX_PLOT_WIDTH = 920 };
int px_plot_speed_over_hidden(FILE *out, const px_bench_result *result);
int px_plot_speed_over_batch(FILE *out, const px_bench_result *result);
int px_plot_phases(FILE *out, const px_bench_result *result);
int px_plot_roofline(FILE *out, const px_bench_result *result);

/* What all pictures share: colours that can be read on white and on dark pages, thin axes, a title in two lines. */
void px_plot_style(FILE *out, const char *title, const char *subtitle);

/* What names a case: work, device, sizes, precision, threads. The fields that differ between the chosen cases name
 * them; the others are said once. `skip` is left out of both (PX_CASE_FIELDS: none). */
typedef enum px_case_field {
    PX_CASE_WORK,
    PX_CASE_DEVICE,
    PX_CASE_BATCH,
    PX_CASE_STEPS,
    PX_CASE_EMBED,
    PX_CASE_HIDDEN,
    PX_CASE_LAYERS,
    PX_CASE_VOCAB,
    PX_CASE_TIED,
    PX_CASE_PRECISION,
    PX_CASE_THREADS,
    PX_CASE_FIELDS
} px_case_field;
void px_case_common(const px_bench_case *const *cases, size_t count, px_case_field skip, char *buffer,
                    size_t buffer_bytes);
void px_case_label(const px_bench_case *const *cases, size_t count, px_case_field skip, const px_bench_case *c,
                   char *buffer, size_t buffer_bytes);

/* The name of a picture (plots/NAME.gp, .svg, .png); NULL from the last one on. */
const char *px_bench_picture(size_t index);

#endif
