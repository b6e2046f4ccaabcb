/* Line charts as inline SVG: axes with units, a linear or logarithmic scale, levels as dashed lines, and a label at the
 * end of every line in the margin, moved apart where they would overlap. Colours are CSS classes (style.c), so that one
 * drawing serves light and dark. */
#ifndef PX_CHART_H
#define PX_CHART_H

#include "text_buffer.h"

enum { PX_CHART_LINES_MAX = 16, PX_CHART_LEVELS_MAX = 4, PX_CHART_SEAMS_MAX = 8 };

typedef struct px_chart_line {
    const char *label; /* any text; escaped here. "" = no label */
    const double *x,
        *y; /* [count], x rising; what is not finite, or not positive on a logarithmic scale, breaks the line */
    size_t count;
    int colour; /* 0..7 */
    int group;  /* > 0: line, marks and label carry the class g1, g2, ...: one run's, to be hidden together */
    int marks;  /* 1: the points are marked */
    int dashed;
} px_chart_line;

typedef struct px_chart_level {
    const char *label;
    double y; /* NaN: not drawn */
} px_chart_level;

typedef struct px_chart {
    const char *title, *description; /* for those who cannot see it */
    const char *x_label, *y_label;   /* with units */
    int log_y, log_x;
    double y_min, y_max; /* NaN: from lines and levels. A level outside is left out */
    px_chart_line line[PX_CHART_LINES_MAX];
    int lines;
    px_chart_level level[PX_CHART_LEVELS_MAX];
    int levels;
    double seam[PX_CHART_SEAMS_MAX]; /* where something began anew: upright dashed lines at these x */
    int seams;
} px_chart;

/* 1 where there is at least one point to draw. */
int px_chart_has_points(const px_chart *chart);
/* Appends one <svg> of that size in CSS pixels. css_class is put on it. */
void px_chart_draw(px_text *out, const px_chart *chart, int width, int height, const char *css_class);

#endif
