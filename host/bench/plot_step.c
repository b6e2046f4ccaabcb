/* What a step is made of, and how near it comes to the roof (plot.h). */
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 48, ROW_HEIGHT = 19 };

/* ---- shares of a step: a bar for each case ----------------------------------------------------------------------- */

static size_t choose_rows(const px_bench_result *result, const px_bench_measure **rows, const px_bench_case **cases)
{
    size_t count = 0;
    for (size_t i = 0; i < result->count && count < ROWS_MAX; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (!m->measured || px_bench_work_is_part(m->c.work)) continue;
        rows[count] = m;
        cases[count++] = &m->c;
    }
    return count;
}

static const char *bar_name(int part)
{
    static const char *const names[] = {"data",       "embed", "recurrence", "head", "recurrence back",
                                        "embed back", "update"};
    return names[part];
}

/* One block per part: row, left and right end in percent. */
static void write_part(FILE *out, const px_bench_measure *const *rows, size_t count, int part)
{
    fprintf(out, "$part%d << EOD\n", part);
    for (size_t i = 0; i < count; i++) {
        double from = 0, length = 0;
        for (int p = 0; p <= part; p++) {
            from += length;
            length = 100 * (p == 0 ? rows[i]->data_s : rows[i]->phase_s[p - 1]) / rows[i]->step_s;
        }
        fprintf(out, "%zu %.4f %.4f\n", i, from, from + length);
    }
    fprintf(out, "EOD\n");
}

int px_plot_phases(FILE *out, const px_bench_result *result)
{
    /* from light to dark would be read as an order; neighbours differ in hue instead */
    static const char *const colour[] = {"#8b8f98", "#1b9aaa", "#2f81f7", "#d9822b", "#a371f7", "#2da44e", "#e5534b"};
    const px_bench_measure *rows[ROWS_MAX];
    const px_bench_case *cases[ROWS_MAX];
    char text[192], step[32];
    size_t count = choose_rows(result, rows, cases);
    if (count == 0) return 0;
    px_case_common(cases, count, PX_CASE_FIELDS, text, sizeof text);
    px_plot_style(out, "Where a step's time goes", text);
    for (int part = 0; part <= PX_PHASE_COUNT; part++) write_part(out, rows, count, part);
    fprintf(out,
            "set xrange [0:100]\nset yrange [%.1f:-0.6]\nset format x '%%g %%%%'\nunset grid\nset border 1\nset style "
            "fill solid 1 noborder\n"
            "set key outside bottom center horizontal width 1 samplen 1\nset ytics scale 0 noenhanced (",
            (double)count - 0.4);
    for (size_t i = 0; i < count; i++) {
        px_case_label(cases, count, PX_CASE_FIELDS, cases[i], text, sizeof text);
        fprintf(out, "%s\"%s\" %zu", i ? ", " : "", text[0] ? text : "step", i);
    }
    fprintf(out, ")\nset y2range [%.1f:-0.6]\nset y2tics scale 0 (", (double)count - 0.4);
    for (size_t i = 0; i < count; i++) {
        snprintf(step, sizeof step, "%.3g ms", rows[i]->step_s * 1e3);
        fprintf(out, "%s\"%s\" %zu", i ? ", " : "", step, i);
    }
    fprintf(out, ")\nplot ");
    for (int part = 0; part <= PX_PHASE_COUNT; part++)
        fprintf(out,
                "%s$part%d using (($2+$3)/2):1:2:3:($1-0.38):($1+0.38) with boxxyerror linecolor rgb '%s' title '%s'",
                part ? ", \\\n     " : "", part, colour[part], bar_name(part));
    fprintf(out, "\n");
    return 120 + ROW_HEIGHT * (int)count;
}

/* ---- roofline ---------------------------------------------------------------------------------------------------- */

static int is_under(const px_bench_measure *m, const px_peak *peak)
{
    return m->measured && m->gflops > 0 && m->work.bytes > 0 && m->peak.threads == peak->threads &&
           m->peak.precision == peak->precision && strcmp(m->peak.device, peak->device) == 0;
}

static int has_roof(const px_peak *peak) { return peak->gflops > 0 && peak->copy_gb_s > 0; }

static void widen(double value, double *least, double *largest)
{
    *least = fmin(*least, value);
    *largest = fmax(*largest, value);
}

/* The cases of one device and thread count; *x and *y ranges take them in. Returns how many there are. */
static int write_points(FILE *out, const px_bench_result *result, const px_peak *peak, size_t index, double x[2],
                        double y[2])
{
    int points = 0;
    fprintf(out, "$points%zu << EOD\n", index);
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (!is_under(m, peak)) continue;
        double intensity = m->work.flops / m->work.bytes;
        fprintf(out, "%.6g %.6g\n", intensity, m->gflops);
        widen(intensity, &x[0], &x[1]);
        widen(m->gflops, &y[0], &y[1]);
        points++;
    }
    fprintf(out, "EOD\n");
    return points;
}

int px_plot_roofline(FILE *out, const px_bench_result *result)
{
    double x[2] = {1e30, 0}, y[2] = {1e30, 0};
    int roofs = 0;
    px_plot_style(out, "Roofline", "every point is a case, every line the peaks that the same run measured");
    for (size_t i = 0; i < result->peak_count; i++) {
        const px_peak *p = &result->peaks[i];
        if (!has_roof(p) || write_points(out, result, p, i, x, y) == 0) continue;
        widen(p->gflops / p->copy_gb_s, &x[0], &x[1]);
        widen(p->gflops, &y[0], &y[1]);
        roofs++;
    }
    if (roofs == 0) return 0;
    fprintf(out,
            "set key outside bottom center horizontal width 2\nset logscale xy\nset xrange [%.4g:%.4g]\nset yrange "
            "[%.4g:%.4g]\nset xlabel 'operations per byte'\nset ylabel 'GFLOP/s'\n"
            "set samples 500\nplot ",
            x[0] / 2.5, x[1] * 2.5, y[0] / 2, y[1] * 1.8);
    int roof = 0;
    for (size_t i = 0; i < result->peak_count; i++) {
        const px_peak *p = &result->peaks[i];
        int points = 0;
        for (size_t j = 0; j < result->count; j++) points += is_under(&result->measures[j], p);
        if (!has_roof(p) || points == 0) continue;
        roof++;
        fprintf(out,
                "%s%.6g * x < %.6g ? %.6g * x : %.6g with lines linetype %d title '%s, %d thread%s: %.0f GFLOP/s, %.0f "
                "GB/s', \\\n"
                "     $points%zu using 1:2 with points linetype %d title '%d case%s'",
                roof > 1 ? ", \\\n     " : "", p->copy_gb_s, p->gflops, p->copy_gb_s, p->gflops, roof, p->device,
                p->threads, p->threads == 1 ? "" : "s", p->gflops, p->copy_gb_s, i, roof, points,
                points == 1 ? "" : "s");
    }
    fprintf(out, "\n");
    return 380;
}
