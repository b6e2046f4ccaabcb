/* Plots (plot.h): one self-contained gnuplot script per picture, so that it can be drawn again or changed by hand.
 *
 *     speed-hidden, speed-batch   tokens/s over h and over n, one line per device and other sizes
 *     phases                      shares of a step
 *     roofline                    GFLOP/s over operations per byte, under each device's roof */
#include "plot.h"

#include "check.h"
#include "file.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int32_t axis_value(const px_bench_case *c, int over_batch)
{
    return over_batch ? c->batch : c->hidden;
}

/* Whether two cases belong on one line of the plot. */
static int one_line(const px_bench_case *a, const px_bench_case *b, int over_batch)
{
    return a->work == b->work && strcmp(a->device, b->device) == 0 && a->steps == b->steps && a->embed == b->embed &&
           a->layers == b->layers && a->vocab == b->vocab && a->tied == b->tied && a->precision == b->precision &&
           a->threads == b->threads && (over_batch ? a->hidden == b->hidden : a->batch == b->batch);
}

static int by_axis_hidden(const void *a, const void *b)
{
    return (*(px_bench_measure *const *)a)->c.hidden - (*(px_bench_measure *const *)b)->c.hidden;
}

static int by_axis_batch(const void *a, const void *b)
{
    return (*(px_bench_measure *const *)a)->c.batch - (*(px_bench_measure *const *)b)->c.batch;
}

/* One data block per line; returns how many lines have two points or more. */
static int write_lines(FILE *out, const px_bench_result *result, int over_batch)
{
    int lines = 0;
    char *done = calloc(result->count + 1, 1);
    const px_bench_measure **points = calloc(result->count + 1, sizeof *points);
    for (size_t i = 0; done && points && i < result->count; i++) {
        if (done[i] || !result->measures[i].measured) continue;
        const px_bench_case *first = &result->measures[i].c;
        size_t count = 0;
        for (size_t j = i; j < result->count; j++) {
            const px_bench_measure *m = &result->measures[j];
            if (done[j] || !m->measured || !one_line(first, &m->c, over_batch)) continue;
            done[j] = 1;
            points[count++] = m;
        }
        if (count < 2) continue;
        qsort(points, count, sizeof *points, over_batch ? by_axis_batch : by_axis_hidden);
        fprintf(out, "$line%d << EOD\n", lines++);
        fprintf(out, "\"%s %s %s=%d T=%d L=%d V=%d d=%d, %d thread%s\"\n", first->device, px_bench_work_name(first->work),
                over_batch ? "h" : "n", over_batch ? first->hidden : first->batch, first->steps, first->layers, first->vocab, first->embed,
                first->threads, first->threads == 1 ? "" : "s");
        for (size_t k = 0; k < count; k++)
            fprintf(out, "%d %.6g %.6g %.6g\n", axis_value(&points[k]->c, over_batch), points[k]->tokens_per_s.median,
                    points[k]->tokens_per_s.q1, points[k]->tokens_per_s.q3);
        fprintf(out, "EOD\n");
    }
    free(done);
    free(points);
    return lines;
}

static int script_speed(FILE *out, const px_bench_result *result, int over_batch)
{
    int lines = write_lines(out, result, over_batch);
    fprintf(out, "set title 'Tokens per second over %s'\nset xlabel '%s'\nset ylabel 'tokens/s (median and quartiles)'\n"
                 "set logscale x 2\nset logscale y\nset format y '%%.0s%%c'\nset key below noenhanced\nset grid\nplot ",
            over_batch ? "streams" : "hidden units", over_batch ? "n, streams" : "h, hidden units");
    for (int i = 0; i < lines; i++)
        fprintf(out, "%s$line%d using 1:2:3:4 with yerrorlines pointtype 7 title columnheader(1)", i ? ", \\\n     " : "", i);
    fprintf(out, "\n");
    return lines > 0;
}

static int script_phases(FILE *out, const px_bench_result *result)
{
    int rows = 0;
    fprintf(out, "$shares << EOD\ncase data");
    for (int p = 0; p < PX_PHASE_COUNT; p++) fprintf(out, " \"%s\"", px_phase_name((px_phase)p));
    fprintf(out, "\n");
    for (size_t i = 0; i < result->count && rows < 40; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (!m->measured) continue;
        fprintf(out, "\"%s n=%d h=%d L=%d V=%d %dt\" %.5f", m->c.device, m->c.batch, m->c.hidden, m->c.layers, m->c.vocab, m->c.threads,
                100 * m->data_s / m->step_s);
        for (int p = 0; p < PX_PHASE_COUNT; p++) fprintf(out, " %.5f", 100 * m->phase_s[p] / m->step_s);
        fprintf(out, "\n");
        rows++;
    }
    fprintf(out, "EOD\nset title 'Shares of a step'\nset style data histograms\nset style histogram rowstacked\nset style fill solid 0.8 border -1\n"
                 "set boxwidth 0.8\nset yrange [0:100]\nset ylabel '%% of the step'\nset xtics rotate by -45 noenhanced\nset key outside right top noenhanced\n"
                 "plot for [i=2:%d] $shares using i:xtic(1) title columnheader(i)\n",
            2 + PX_PHASE_COUNT);
    return rows > 0;
}

/* The cases of one device and thread count, under its own roof. */
static int write_roofline_points(FILE *out, const px_bench_result *result, const px_peak *peak, size_t index)
{
    int points = 0;
    fprintf(out, "$points%zu << EOD\n", index);
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (!m->measured || !(m->gflops > 0) || m->peak.threads != peak->threads || m->peak.precision != peak->precision ||
            strcmp(m->peak.device, peak->device) != 0)
            continue;
        fprintf(out, "%.6g %.6g\n", m->work.flops / m->work.bytes, m->gflops);
        points++;
    }
    fprintf(out, "EOD\n");
    return points;
}

static int script_roofline(FILE *out, const px_bench_result *result)
{
    int roofs = 0;
    fprintf(out, "set title 'Roofline: counted operations against compulsory bytes'\nset xlabel 'operations per byte'\nset ylabel 'GFLOP/s'\n"
                 "set logscale xy\nset grid\nset key below noenhanced\nset xrange [0.1:10000]\n");
    for (size_t i = 0; i < result->peak_count; i++) write_roofline_points(out, result, &result->peaks[i], i);
    fprintf(out, "plot ");
    for (size_t i = 0; i < result->peak_count; i++) {
        const px_peak *p = &result->peaks[i];
        if (!(p->gflops > 0) || !(p->copy_gb_s > 0)) continue;
        fprintf(out, "%s%.6g * x < %.6g ? %.6g * x : %.6g with lines linetype %d title 'peak of %s, %d thread%s', \\\n"
                     "     $points%zu using 1:2 with points pointtype 7 linetype %d title 'cases, %s, %d thread%s'",
                roofs ? ", \\\n     " : "", p->copy_gb_s, p->gflops, p->copy_gb_s, p->gflops, roofs + 1, p->device, p->threads,
                p->threads == 1 ? "" : "s", i, roofs + 1, p->device, p->threads, p->threads == 1 ? "" : "s");
        roofs++;
    }
    fprintf(out, "\n");
    return roofs > 0;
}

/* Runs gnuplot on a script with the terminal and output given before it. 0 if it worked, 127 if it is not installed. */
static int draw(const char *script, const char *terminal, const char *picture)
{
    char setup[PATH_MAX + 128];
    snprintf(setup, sizeof setup, "set terminal %s; set output '%s'", terminal, picture);
    char *arguments[] = {"gnuplot", "-e", setup, (char *)script, NULL};
    pid_t child;
    int code;
    if (posix_spawnp(&child, "gnuplot", NULL, NULL, arguments, environ) != 0) return 127;
    while (waitpid(child, &code, 0) < 0)
        if (errno != EINTR) return 1;
    return WIFEXITED(code) ? WEXITSTATUS(code) : 1;
}

static px_status write_text(const char *path, const char *text, size_t bytes)
{
    px_atomic_file file;
    PX_TRY(px_atomic_open(path, &file));
    px_status status = px_atomic_write(&file, text, bytes);
    if (status == PX_OK) return px_atomic_commit(&file);
    px_atomic_abandon(&file);
    return status;
}

static px_status plot(const px_bench_result *result, const char *folder, int which, int *failed)
{
    static const char *const names[] = {"speed-hidden", "speed-batch", "phases", "roofline"};
    char path[PATH_MAX], picture[PATH_MAX], *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return px_fail(PX_ERR_MEMORY, "bench: no memory for a plot");
    int wanted = which < 2 ? script_speed(out, result, which) : which == 2 ? script_phases(out, result) : script_roofline(out, result);
    fclose(out);
    px_status status = PX_OK;
    if (wanted) {
        snprintf(path, sizeof path, "%s/plots/%s.gp", folder, names[which]);
        status = write_text(path, text, bytes);
        if (status == PX_OK && *failed == 0) {
            snprintf(picture, sizeof picture, "%s/plots/%s.svg", folder, names[which]);
            *failed = draw(path, "svg size 1000,600 dynamic", picture);
            snprintf(picture, sizeof picture, "%s/plots/%s.png", folder, names[which]);
            if (*failed == 0) *failed = draw(path, "pngcairo size 1000,600", picture);
        }
    }
    free(text);
    return status;
}

px_status px_bench_plot(const px_bench_result *result, const char *folder, char *note, size_t note_bytes)
{
    char path[PATH_MAX];
    int failed = 0;
    note[0] = 0;
    if (strchr(folder, '\'')) return px_fail(PX_ERR_ARGUMENT, "%s: a folder for plots may not have a quote in its name", folder);
    snprintf(path, sizeof path, "%s/plots", folder);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) return px_fail(PX_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
    for (int which = 0; which < 4; which++) PX_TRY(plot(result, folder, which, &failed));
    if (failed == 127) snprintf(note, note_bytes, "gnuplot was not found: plots/*.gp are written but not drawn (apt-get install gnuplot-nox)");
    else if (failed) snprintf(note, note_bytes, "gnuplot failed (status %d): see plots/*.gp", failed);
    return PX_OK;
}
