/* The parts of reports that a page cannot show to be right: escaping, curves with odd values, growing series,
 * histograms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "html.h"
#include "series.h"
#ifdef PERPLEX_TENSORBOARD
#include "event_file.h"
#include "histogram.h"
#endif

static px_text text;

static int empty(void **state)
{
    px_text_free(&text);
    return 0;
}

static void assert_escaped(const char *in, size_t bytes, const char *want)
{
    px_text_clear(&text);
    px_text_append(&text, "", 0);
    px_html_text(&text, in, bytes);
    assert_string_equal(text.data, want);
}

static void no_character_with_a_meaning_in_markup_is_left(void **state)
{
    assert_escaped("<a href=\"x\" title='y'>&", 23, "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;");
    assert_escaped("tab\tline\nend", 12, "tab\tline\nend");
}

static void what_is_no_text_becomes_the_replacement_character(void **state)
{
    assert_escaped("a\0b", 3,
                   "a\xef\xbf\xbd"
                   "b");
    assert_escaped("\x1b[31m", 5, "\xef\xbf\xbd[31m");
    assert_escaped("\xff\xc3\xa9\xc3", 4, "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd"); /* not UTF-8; e acute; cut off */
    assert_escaped("\xe2\x80\xae"
                   "x",
                   4, "\xef\xbf\xbdx"); /* U+202E turns the direction of what follows */
    assert_escaped("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
}

static void numbers_are_written_for_people(void **state)
{
    char b[32];
    assert_string_equal(px_html_count(b, 1234567), "1,234,567");
    assert_string_equal(px_html_count(b, 999), "999");
    assert_string_equal(px_html_short(b, 12345), "12.3k");
    assert_string_equal(px_html_short(b, 999.9), "1k");
    assert_string_equal(px_html_value(b, 3.53024), "3.5302");
    assert_string_equal(px_html_value(b, 1e9), "1e+09");
    assert_string_equal(px_html_value(b, NAN), "–");
    assert_string_equal(px_html_value(b, INFINITY), "∞");
    assert_string_equal(px_html_seconds(b, 125), "2 min 05 s");
    assert_string_equal(px_html_seconds(b, 7260), "2 h 01 min");
}

/* ---- series ------------------------------------------------------------------------------------------------------ */

static void a_later_line_of_an_earlier_step_takes_the_place_of_what_follows(void **state)
{
    px_series series = {0};
    for (int step = 10; step <= 1000; step += 10) assert_int_equal(px_series_add(&series, step, step, step), PX_OK);
    assert_int_equal(series.count, 100);
    assert_int_equal(px_series_add(&series, 500, 500, -1), PX_OK);
    assert_int_equal(series.count, 50);
    assert_true(series.value[49] == -1 && series.step[48] == 490);
    px_series_cut(&series, 100);
    assert_int_equal(series.count, 10);
    double median, least, none;
    assert_int_equal(px_series_quantile(&series, 0, 0.5, &median), PX_OK);
    assert_int_equal(px_series_quantile(&series, 5, 0, &least), PX_OK);
    assert_int_equal(px_series_quantile(&series, 10, 0.5, &none), PX_OK);
    assert_true(median == 60 && least == 60 && isnan(none));
    px_series_free(&series);
}

/* ---- charts ------------------------------------------------------------------------------------------------------ */

static px_chart chart_of(const double *x, const double *y, size_t count, int log_y)
{
    px_chart chart = {.title = "t",
                      .description = "d",
                      .x_label = "x",
                      .y_label = "y",
                      .log_y = log_y,
                      .y_min = NAN,
                      .y_max = NAN,
                      .lines = 1};
    chart.line[0] = (px_chart_line){.label = "line", .x = x, .y = y, .count = count};
    return chart;
}

static void draw(const px_chart *chart)
{
    px_text_clear(&text);
    px_chart_draw(&text, chart, 1000, 300, "");
    assert_int_equal(text.failed, 0);
    assert_null(strstr(text.data, "nan"));
    assert_null(strstr(text.data, "inf"));
    assert_non_null(strstr(text.data, "</svg>"));
}

/* Every number of paths and places lies inside the drawing, give or take the margin in which lines are cut. */
static void assert_inside(double low, double high)
{
    for (const char *d = text.data; (d = strstr(d, " d=\"")); d++)
        for (const char *c = d + 4; *c && *c != '"';) {
            char *end;
            double value = strtod(c, &end);
            if (end == c) {
                c++;
                continue;
            }
            assert_true(value >= low && value <= high);
            c = end;
        }
}

static void odd_values_break_a_line_and_nothing_else(void **state)
{
    const double x[] = {0, 1, 2, 3, 4, 5, 6}, y[] = {1, NAN, 2, INFINITY, -INFINITY, 3, 4},
                 flat[] = {2, 2, 2, 2, 2, 2, 2}, zero[7] = {0};
    const double wide[] = {1e-300, 1e300, 1, 2, 3, 4, 5}, below[] = {-1, 0, -3, 1, 10, 0, 100};
    const double *const all[] = {y, flat, zero, wide, below};
    for (int log_y = 0; log_y < 2; log_y++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            for (size_t count = 0; count <= 7; count++) {
                px_chart chart = chart_of(x, all[i], count, log_y);
                draw(&chart);
                assert_inside(-1, 1001);
            }
    px_chart broken = chart_of(x, y, 7, 0);
    draw(&broken);
    const char *path = strstr(text.data, "class=\"line");
    int begun = 0;
    for (const char *c = strstr(path, " d=\"") + 4; *c != '"'; c++) begun += *c == 'M';
    assert_int_equal(begun, 3); /* 1 | 2 | 3 4 */
    const px_chart nothing = chart_of(x, y + 1, 1, 0);
    assert_false(px_chart_has_points(&nothing));
    assert_true(px_chart_has_points(&broken));
}

static void a_million_points_make_a_small_drawing_that_keeps_the_extremes(void **state)
{
    enum { POINTS = 1000000 };
    double *x = malloc(POINTS * sizeof *x), *y = malloc(POINTS * sizeof *y);
    assert_true(x && y);
    for (int i = 0; i < POINTS; i++) {
        x[i] = i;
        y[i] = 100 + i % 7;
    }
    y[123456] = 0;
    y[654321] = 200;
    px_chart chart = chart_of(x, y, POINTS, 0);
    draw(&chart);
    assert_true(text.bytes < 200000);
    /* the lowest and the highest place of the line are those of the two outliers: 0 lies 4 % above the foot, or upon it
     */
    const char *path = strstr(strstr(text.data, "class=\"line"), " d=\"") + 4;
    double top = 1e9, bottom = -1e9;
    for (const char *c = path; *c != '"';) {
        char *end;
        strtod(c + 1, &end);
        double at = strtod(end, &end);
        top = at < top ? at : top;
        bottom = at > bottom ? at : bottom;
        c = end;
    }
    assert_true(fabs(bottom - 262) < 0.2);
    assert_true(top < 24 + 0.05 * 238 && top > 23);
    free(x);
    free(y);
}

static void labels_that_would_overlap_are_moved_apart(void **state)
{
    const double x[] = {0, 1}, y[] = {0, 1};
    px_chart chart = chart_of(x, y, 2, 0);
    for (; chart.lines < 12; chart.lines++) chart.line[chart.lines] = chart.line[0];
    draw(&chart);
    double last = -1e9;
    int seen = 0;
    for (const char *c = text.data; (c = strstr(c, "class=\"label")); c++, seen++) {
        double at = strtod(strstr(c, " y=\"") + 4, NULL);
        assert_true(at - last >= 14.9 && at < 300);
        last = at;
    }
    assert_int_equal(seen, 12);
}

/* ---- event files ------------------------------------------------------------------------------------------------- */

static void a_histogram_counts_every_finite_value_once(void **state)
{
#ifdef PERPLEX_TENSORBOARD
    const float values[] = {-1, 1, 0, 0.5f, NAN, INFINITY, 1}, same[] = {3, 3};
    px_histogram h;
    px_histogram_make(values, 7, 0, 0, &h);
    double sum = 0;
    for (int k = 0; k < PX_HISTOGRAM_BUCKETS; k++) sum += h.bucket[k];
    assert_true(sum == 5 && h.count == 5 && h.min == -1 && h.max == 1 && h.sum == 1.5 && h.sum_squares == 3.25);
    assert_true(h.bucket[0] == 1 && h.bucket[PX_HISTOGRAM_BUCKETS - 1] == 2 && h.right[PX_HISTOGRAM_BUCKETS - 1] == 1);
    px_histogram_make(same, 2, 0, 0, &h);
    for (int k = 1; k < PX_HISTOGRAM_BUCKETS; k++) assert_true(h.right[k] > h.right[k - 1]);
    assert_true(h.count == 2);
    px_histogram_make(values + 4, 1, 0, 0, &h);
    assert_true(h.count == 0 && h.min == 0 && h.max == 0);
#else
    print_message("SKIP: report_parts: histograms: built without event files\n");
    skip();
#endif
}

static void a_masked_crc_is_the_one_of_the_format(void **state)
{
#ifdef PERPLEX_TENSORBOARD
    const uint32_t crc = 0xe3069283u; /* of "123456789": RFC 3720's polynomial */
    assert_int_equal(px_event_masked_crc("123456789", 9), ((crc >> 15) | (crc << 17)) + 0xa282ead8u);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_character_with_a_meaning_in_markup_is_left),
        cmocka_unit_test(what_is_no_text_becomes_the_replacement_character),
        cmocka_unit_test(numbers_are_written_for_people),
        cmocka_unit_test(a_later_line_of_an_earlier_step_takes_the_place_of_what_follows),
        cmocka_unit_test(odd_values_break_a_line_and_nothing_else),
        cmocka_unit_test(a_million_points_make_a_small_drawing_that_keeps_the_extremes),
        cmocka_unit_test(labels_that_would_overlap_are_moved_apart),
        cmocka_unit_test(a_histogram_counts_every_finite_value_once),
        cmocka_unit_test(a_masked_crc_is_the_one_of_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, empty);
}
