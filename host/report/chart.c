/* Charts: see chart.h. All lengths are in the SVG's own units, which are CSS pixels at the size asked for. */
#include "chart.h"

#include "html.h"
#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICKS_MAX = 24, LABEL_STEP = 15, CHARACTER = 7 /* width of one at 12 px, a little generous */ };

typedef struct axis {
    double low, high; /* in values; log: both > 0 */
    int log;
    double from, to; /* where low and high lie in the drawing */
    double tick[TICKS_MAX];
    char text[TICKS_MAX][32];
    int ticks;
} axis;

static double place(const axis *a, double value)
{
    double share =
        a->log ? (log(value) - log(a->low)) / (log(a->high) - log(a->low)) : (value - a->low) / (a->high - a->low);
    return a->from + share * (a->to - a->from);
}

static int drawable(const axis *a, double value) { return isfinite(value) && (!a->log || value > 0); }

/* ---- ticks ------------------------------------------------------------------------------------------------------- */

static void tick_text(char text[32], double value, double step)
{
    if (fabs(value) < step * 1e-9) value = 0;
    if (fabs(value) >= 1000)
        px_html_short(text, value);
    else if (step >= 1)
        snprintf(text, 32, "%.0f", value);
    else if (step >= 1e-4)
        snprintf(text, 32, "%.*f", (int)ceil(-log10(step) - 1e-9), value);
    else
        snprintf(text, 32, "%.2g", value);
}

static void linear_ticks(axis *a, int about)
{
    double raw = (a->high - a->low) / about, ten = pow(10, floor(log10(raw))), step = ten;
    if (raw > 5 * ten * 1.0001)
        step = 10 * ten;
    else if (raw > 2 * ten * 1.0001)
        step = 5 * ten;
    else if (raw > ten * 1.0001)
        step = 2 * ten;
    for (double k = ceil(a->low / step - 1e-9); k * step <= a->high + step * 1e-9 && a->ticks < TICKS_MAX; k++) {
        a->tick[a->ticks] = k * step;
        tick_text(a->text[a->ticks++], k * step, step);
    }
}

/* Powers of ten; with them 2 and 5 where the range is short; ordinary steps where it is shorter. */
static void log_ticks(axis *a, int about)
{
    static const double finest[] = {1, 2, 3, 5, 7}, fine[] = {1, 2, 5}, coarse[] = {1};
    double decades = log10(a->high) - log10(a->low);
    if (decades < 0.8) {
        linear_ticks(a, about);
        return;
    }
    int count = decades * 5 <= about + 1   ? 5
                : decades * 3 <= about + 2 ? 3
                                           : 1,
        every = count > 1 ? 1 : 1 + (int)(decades / (about + 1));
    const double *within = count == 5 ? finest : count == 3 ? fine : coarse;
    for (int d = (int)floor(log10(a->low)); d <= (int)ceil(log10(a->high)); d++) {
        if (d % every != 0) continue;
        for (int i = 0; i < count && a->ticks < TICKS_MAX; i++) {
            double value = within[i] * pow(10, d);
            if (value < a->low * 0.9999 || value > a->high * 1.0001) continue;
            a->tick[a->ticks] = value;
            if (value >= 1000)
                px_html_short(a->text[a->ticks++], value);
            else if (value < 1e-4)
                snprintf(a->text[a->ticks++], 32, "%.0fe%d", within[i], d);
            else
                snprintf(a->text[a->ticks++], 32, "%g", value);
        }
    }
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

int px_chart_has_points(const px_chart *chart)
{
    for (int i = 0; i < chart->lines; i++)
        for (size_t k = 0; k < chart->line[i].count; k++)
            if (isfinite(chart->line[i].y[k]) && (!chart->log_y || chart->line[i].y[k] > 0)) return 1;
    return 0;
}

static void widen(axis *a, double value)
{
    if (!drawable(a, value)) return;
    a->low = fmin(a->low, value);
    a->high = fmax(a->high, value);
}

static void range_y(const px_chart *chart, axis *y)
{
    *y = (axis){.low = INFINITY, .high = -INFINITY, .log = chart->log_y};
    for (int i = 0; i < chart->lines; i++)
        for (size_t k = 0; k < chart->line[i].count; k++) widen(y, chart->line[i].y[k]);
    if (isnan(chart->y_max))
        for (int i = 0; i < chart->levels; i++) widen(y, chart->level[i].y);
    if (!isnan(chart->y_min)) y->low = chart->y_min;
    if (!isnan(chart->y_max)) y->high = chart->y_max;
    if (!(y->low <= y->high)) y->low = y->high = 1;
    if (y->log) {
        double room = exp(0.04 * (log(y->high) - log(y->low)));
        if (room < 1.01) room = 1.01;
        y->high = fmin(y->high * room, 1e308);
        y->low = fmax(y->low / room, 1e-308);
    } else {
        y->high = fmin(y->high, 1e300); /* so that a range has a width */
        y->low = fmax(y->low, -1e300);
        double room = 0.04 * (y->high - y->low);
        if (!(room > 1e-9 * fabs(y->high))) room = fabs(y->high) > 0 ? 0.05 * fabs(y->high) : 1;
        int from_zero = y->low >= 0 && y->low <= room;
        y->high += room;
        y->low = from_zero ? 0 : y->low - room;
    }
}

static void range_x(const px_chart *chart, axis *x)
{
    *x = (axis){.low = INFINITY, .high = -INFINITY, .log = chart->log_x};
    for (int i = 0; i < chart->lines; i++)
        for (size_t k = 0; k < chart->line[i].count; k++) widen(x, chart->line[i].x[k]);
    if (!(x->low <= x->high)) x->low = 0, x->high = 1;
    if (!x->log) x->low = fmin(0, x->low);
    if (x->high <= x->low) x->high = x->log ? x->low * 10 : x->low + 1;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

typedef struct pen {
    px_text *out;
    int down; /* a path is being drawn */
} pen;

static void draw_to(pen *p, double x, double y)
{
    px_text_format(p->out, "%c%.1f %.1f", p->down ? 'L' : 'M', x, y);
    p->down = 1;
}

/* Many points in one column of pixels: what the eye sees of them are the first, the least, the greatest and the last.
 */
static void draw_points(pen *p, const px_chart_line *line, const axis *x, const axis *y)
{
    double column = NAN, first = 0, least = 0, most = 0, last = 0;
    for (size_t k = 0; k <= line->count; k++) {
        int ends = k == line->count || !drawable(y, line->y[k]) || !drawable(x, line->x[k]);
        double px = ends ? NAN : floor(place(x, line->x[k]) * 2) / 2, py = ends ? NAN : place(y, line->y[k]);
        if (!isnan(column) && px == column) {
            least = fmin(least, py);
            most = fmax(most, py);
            last = py;
            continue;
        }
        if (!isnan(column)) {
            draw_to(p, column, first);
            if (least < fmin(first, last)) draw_to(p, column, least);
            if (most > fmax(first, last)) draw_to(p, column, most);
            if (last != first) draw_to(p, column, last);
        }
        if (ends) p->down = 0;
        column = px;
        first = least = most = last = py;
    }
}

/* "k3", or "k3 g4" of a group. */
static const char *classes(char buffer[32], int colour, int group)
{
    const int used = snprintf(buffer, 32, "k%d", colour);
    if (group > 0) snprintf(buffer + used, (size_t)(32 - used), " g%d", group);
    return buffer;
}

static void draw_line(px_text *out, const px_chart_line *line, const axis *x, const axis *y)
{
    pen p = {out, 0};
    char class[32];
    classes(class, line->colour, line->group);
    px_text_format(out, "<path class=\"line %s%s\" d=\"", class, line->dashed ? " dashed" : "");
    draw_points(&p, line, x, y);
    px_text_format(out, "\"/>");
    if (!line->marks) return;
    for (size_t k = 0; k < line->count; k++)
        if (drawable(y, line->y[k]) && drawable(x, line->x[k]))
            px_text_format(out, "<circle class=\"mark %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"/>", class,
                           place(x, line->x[k]), place(y, line->y[k]), line->count > 30 ? "1.8" : "2.6");
}

/* ---- labels in the margin ---------------------------------------------------------------------------------------- */

typedef struct margin_label {
    const char *text;
    double y;
    int colour;            /* -1: a level's */
    double from_x, from_y; /* where its line ends */
    int group;
} margin_label;

static int by_y(const void *a, const void *b)
{
    double x = ((const margin_label *)a)->y, y = ((const margin_label *)b)->y;
    return (x > y) - (x < y);
}

/* Labels of lines at their last point, and of levels. */
static int collect_labels(const px_chart *chart, const axis *x, const axis *y, margin_label *labels)
{
    int count = 0;
    for (int i = 0; i < chart->lines; i++) {
        const px_chart_line *line = &chart->line[i];
        size_t k = line->count;
        while (k > 0 && !drawable(y, line->y[k - 1])) k--;
        if (k == 0 || !line->label[0]) continue;
        double at = fmin(fmax(line->y[k - 1], y->low), y->high);
        labels[count++] = (margin_label){line->label,  place(y, at), line->colour, place(x, line->x[k - 1]),
                                         place(y, at), line->group};
    }
    for (int i = 0; i < chart->levels; i++)
        if (drawable(y, chart->level[i].y) && chart->level[i].y >= y->low && chart->level[i].y <= y->high)
            labels[count++] = (margin_label){chart->level[i].label, place(y, chart->level[i].y), -1, x->to, 0, 0};
    qsort(labels, (size_t)count, sizeof *labels, by_y);
    return count;
}

static void move_apart(margin_label *labels, int count, double top, double bottom)
{
    for (int i = 0; i < count; i++) {
        double least = i ? labels[i - 1].y + LABEL_STEP : top;
        if (labels[i].y < least) labels[i].y = least;
    }
    for (int i = count - 1; i >= 0; i--) {
        double most = i + 1 < count ? labels[i + 1].y - LABEL_STEP : bottom;
        if (labels[i].y > most) labels[i].y = most;
    }
}

static int label_margin(const px_chart *chart, int width)
{
    int most = 0;
    for (int i = 0; i < chart->lines; i++)
        if (px_utf8_columns(chart->line[i].label) > most) most = px_utf8_columns(chart->line[i].label);
    for (int i = 0; i < chart->levels; i++)
        if (!isnan(chart->level[i].y) && px_utf8_columns(chart->level[i].label) > most)
            most = px_utf8_columns(chart->level[i].label);
    int margin = most ? 16 + most * CHARACTER : 12;
    return margin > width / 3 ? width / 3 : margin;
}

static void draw_labels(px_text *out, const px_chart *chart, const axis *x, const axis *y)
{
    margin_label labels[PX_CHART_LINES_MAX + PX_CHART_LEVELS_MAX];
    int count = collect_labels(chart, x, y, labels);
    move_apart(labels, count, y->to + 4, y->from - 6); /* above the ticks of x */
    for (int i = 0; i < count; i++) {
        char class[32];
        classes(class, labels[i].colour, labels[i].group);
        if (labels[i].from_x < x->to - 12) /* a line that ends early is led to its label */
            px_text_format(out, "<path class=\"leader line %s\" d=\"M%.1f %.1fL%.1f %.1f\"/>", class,
                           labels[i].from_x + 4, labels[i].from_y, x->to + 4, labels[i].y);
        if (labels[i].colour >= 0)
            px_text_format(out, "<text class=\"label %s\" x=\"%.1f\" y=\"%.1f\">", class, x->to + 7, labels[i].y + 4);
        else
            px_text_format(out, "<text class=\"label level\" x=\"%.1f\" y=\"%.1f\">", x->to + 7, labels[i].y + 4);
        px_html_string(out, labels[i].text);
        px_text_format(out, "</text>");
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void draw_axes(px_text *out, const px_chart *chart, const axis *x, const axis *y, int height)
{
    for (int i = 0; i < y->ticks; i++) {
        double at = place(y, y->tick[i]);
        px_text_format(
            out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text class=\"tick end\" x=\"%.1f\" y=\"%.1f\">%s</text>",
            x->from, at, x->to, x->from - 6, at + 4, y->text[i]);
    }
    for (int i = 0; i < x->ticks; i++) {
        double at = place(x, x->tick[i]);
        px_text_format(
            out,
            "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/><text class=\"tick middle\" x=\"%.1f\" y=\"%.1f\">%s</text>",
            at, y->from, y->to, at, y->from + 16, x->text[i]);
    }
    px_text_format(out, "<path class=\"axis\" d=\"M%.1f %.1fV%.1fH%.1f\"/>", x->from, y->to, y->from, x->to);
    px_text_format(out, "<text class=\"axis-label end\" x=\"%.1f\" y=\"%d\">", x->to, height - 4);
    px_html_string(out, chart->x_label);
    px_text_format(out, "</text><text class=\"axis-label\" x=\"2\" y=\"12\">");
    px_html_string(out, chart->y_label);
    px_text_format(out, "</text>");
}

/* Lines that leave the range are cut at its edges: each drawing has a clip path of its own. */
static void draw_lines(px_text *out, const px_chart *chart, const axis *x, const axis *y)
{
    size_t id = out->bytes; /* no other drawing of the page begins there */
    px_text_format(out,
                   "<clipPath id=\"clip%zu\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/></clipPath><g "
                   "clip-path=\"url(#clip%zu)\">",
                   id, x->from - 3, y->to - 3, x->to - x->from + 6, y->from - y->to + 6, id);
    for (int i = 0; i < chart->levels; i++)
        if (drawable(y, chart->level[i].y) && chart->level[i].y >= y->low && chart->level[i].y <= y->high)
            px_text_format(out, "<path class=\"level-line\" d=\"M%.1f %.1fH%.1f\"/>", x->from,
                           place(y, chart->level[i].y), x->to);
    for (int i = 0; i < chart->seams; i++)
        px_text_format(out, "<path class=\"seam-line\" d=\"M%.1f %.1fV%.1f\"/>", place(x, chart->seam[i]), y->from,
                       y->to);
    for (int i = 0; i < chart->lines; i++) draw_line(out, &chart->line[i], x, y);
    px_text_format(out, "</g>");
}

void px_chart_draw(px_text *out, const px_chart *chart, int width, int height, const char *css_class)
{
    axis x, y;
    int widest = 2;
    range_x(chart, &x);
    range_y(chart, &y);
    y.from = height - 38;
    y.to = 24;
    (y.log ? log_ticks : linear_ticks)(&y, height / 48);
    for (int i = 0; i < y.ticks; i++)
        if (px_utf8_columns(y.text[i]) > widest) widest = px_utf8_columns(y.text[i]);
    x.from = 10 + widest * CHARACTER;
    x.to = width - label_margin(chart, width);
    (x.log ? log_ticks : linear_ticks)(&x, (int)((x.to - x.from) / 75));

    px_text_format(out,
                   "<svg class=\"chart %s\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
                   "data-x=\"%g,%g,%d,%.1f,%.1f\" data-y=\"%g,%g,%d,%.1f,%.1f\"><title>",
                   css_class, width, height, width, height, x.low, x.high, x.log, x.from, x.to, y.low, y.high, y.log,
                   y.from, y.to);
    px_html_string(out, chart->title);
    px_text_format(out, "</title><desc>");
    px_html_string(out, chart->description);
    px_text_format(out, "</desc>");
    draw_axes(out, chart, &x, &y, height);
    draw_lines(out, chart, &x, &y);
    draw_labels(out, chart, &x, &y);
    px_text_format(out, "</svg>\n");
}
