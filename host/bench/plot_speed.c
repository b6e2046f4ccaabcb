/* Tokens per second over h and over n (plot.h): a line for every device and every other size. */
#include "plot.h"

#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 64 };

/* Lines of a picture: each measure's line number, -1 where it stands alone. */
typedef struct lines {
    const px_bench_result *result;
    px_case_field axis;
    int *line_of;                /* [result->count] */
    const px_bench_case **first; /* [line] a case of each */
    int count;
} lines;

static int32_t axis_value(const px_bench_case *c, px_case_field axis)
{
    return axis == PX_CASE_BATCH ? c->batch : c->hidden;
}

/* Equal but for the axis. */
static int on_one_line(const px_bench_case *a, const px_bench_case *b, px_case_field axis)
{
    return a->work == b->work && strcmp(a->device, b->device) == 0 && a->steps == b->steps && a->embed == b->embed &&
           a->layers == b->layers && a->vocab == b->vocab && a->tied == b->tied && a->precision == b->precision &&
           a->threads == b->threads && (axis == PX_CASE_BATCH ? a->hidden == b->hidden : a->batch == b->batch);
}

/* The first line of the same sizes, on whatever device. */
static int find_same_sizes(const lines *l, int line)
{
    for (int i = 0; i < line; i++) {
        px_bench_case other = *l->first[i];
        memcpy(other.device, l->first[line]->device, sizeof other.device);
        if (on_one_line(&other, l->first[line], l->axis)) return i;
    }
    return line;
}

static int is_shown(const px_bench_measure *m) { return m->measured && !px_bench_work_is_part(m->c.work); }

/* Gives every measure with a neighbour on its line a number. 0 where memory ran out. */
static int find_lines(lines *l)
{
    const px_bench_result *result = l->result;
    l->line_of = malloc((result->count + 1) * sizeof *l->line_of);
    l->first = malloc((result->count + 1) * sizeof *l->first);
    if (!l->line_of || !l->first) return 0;
    for (size_t i = 0; i < result->count; i++) l->line_of[i] = -1;
    for (size_t i = 0; i < result->count; i++) {
        const px_bench_measure *m = &result->measures[i];
        if (!is_shown(m) || l->line_of[i] >= 0) continue;
        int points = 1;
        for (size_t j = i + 1; j < result->count; j++) {
            const px_bench_measure *other = &result->measures[j];
            if (!is_shown(other) || !on_one_line(&m->c, &other->c, l->axis)) continue;
            l->line_of[j] = l->count;
            points++;
        }
        if (points < 2) continue;
        l->line_of[i] = l->count;
        l->first[l->count++] = &m->c;
    }
    return 1;
}

static int32_t next_value(const lines *l, int line, int32_t above)
{
    int32_t least = INT32_MAX;
    for (size_t i = 0; i < l->result->count; i++) {
        int32_t value = axis_value(&l->result->measures[i].c, l->axis);
        if (l->line_of[i] == line && value > above && value < least) least = value;
    }
    return least;
}

/* One data block, its points in the order of the axis. */
static void write_line(FILE *out, const lines *l, int line)
{
    char label[192];
    px_case_label(l->first, (size_t)l->count, l->axis, l->first[line], label, sizeof label);
    fprintf(out, "$line%d << EOD\n\"%s\"\n", line, label[0] ? label : "measured");
    for (int32_t value = next_value(l, line, 0); value < INT32_MAX; value = next_value(l, line, value))
        for (size_t i = 0; i < l->result->count; i++) {
            const px_bench_measure *m = &l->result->measures[i];
            if (l->line_of[i] == line && axis_value(&m->c, l->axis) == value)
                fprintf(out, "%d %.6g %.6g %.6g\n", value, m->tokens_per_s.median, m->tokens_per_s.q1,
                        m->tokens_per_s.q3);
        }
    fprintf(out, "EOD\n");
}

/* Powers of two between the least and the largest value, as tics. */
static void write_tics(FILE *out, const lines *l)
{
    int32_t least = INT32_MAX, largest = 1;
    for (size_t i = 0; i < l->result->count; i++) {
        int32_t value = axis_value(&l->result->measures[i].c, l->axis);
        if (l->line_of[i] < 0) continue;
        if (value < least) least = value;
        if (value > largest) largest = value;
    }
    fprintf(out, "set logscale x 2\nset xrange [%.4g:%.4g]\nset xtics (", least / 1.15, largest * 1.15);
    int written = 0;
    for (int64_t tic = 1; tic <= 2 * (int64_t)largest; tic *= 2)
        if ((double)tic >= least / 1.15 && (double)tic <= largest * 1.15)
            fprintf(out, "%s%lld", written++ ? ", " : "", (long long)tic);
    if (!written) fprintf(out, "%d", least);
    fprintf(out, ")\n");
}

static int write_script(FILE *out, lines *l)
{
    char common[192];
    int colour[LINES_MAX];
    if (!find_lines(l) || l->count == 0) return 0;
    if (l->count > LINES_MAX) l->count = LINES_MAX; /* more than eye and page can hold */
    int height = 360 + (l->count > 14 ? 20 * (l->count - 14) : 0);
    px_case_common(l->first, (size_t)l->count, l->axis, common, sizeof common);
    px_plot_style(out,
                  l->axis == PX_CASE_BATCH ? "Tokens per second over streams" : "Tokens per second over hidden units",
                  common);
    for (int line = 0; line < l->count; line++) write_line(out, l, line);
    write_tics(out, l);
    fprintf(out,
            "set xlabel '%s'\nset ylabel 'tokens/s: median, quartiles'\nset logscale y\nset format y '%%.0s%%c'\nplot ",
            l->axis == PX_CASE_BATCH ? "n, streams" : "h, hidden units");
    /* a device after the first one is dashed, in the colour of the same sizes on the first */
    int colours = 0;
    for (int line = 0; line < l->count; line++) {
        int dash = strcmp(l->first[line]->device, l->first[0]->device) == 0 ? 1 : 2, same = find_same_sizes(l, line);
        colour[line] = same < line ? colour[same] : colours++ % 8 + 1;
        fprintf(out, "%s$line%d using 1:2:3:4 with yerrorlines linetype %d dashtype %d title columnheader(1)",
                line ? ", \\\n     " : "", line, colour[line], dash);
    }
    fprintf(out, "\n");
    return height;
}

static int plot_speed(FILE *out, const px_bench_result *result, px_case_field axis)
{
    lines l = {.result = result, .axis = axis};
    int height = write_script(out, &l);
    free(l.line_of);
    free(l.first);
    return height;
}

int px_plot_speed_over_hidden(FILE *out, const px_bench_result *result)
{
    return plot_speed(out, result, PX_CASE_HIDDEN);
}

int px_plot_speed_over_batch(FILE *out, const px_bench_result *result)
{
    return plot_speed(out, result, PX_CASE_BATCH);
}
