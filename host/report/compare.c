/* Several runs on one page: ranked, overlaid, and where their settings differ. See page.h. */
#include "page.h"
#include "utf8.h"

#include "chart.h"
#include "html.h"
#include "report.h"
#include "style.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char px_compare_js[]; /* compare.js, NUL-terminated: cmake/embed.cmake */

_Static_assert((int)PX_REPORT_RUNS_MAX <= (int)PX_CHART_LINES_MAX, "every run has a line");

/* The best first; runs that were never evaluated last. */
static int by_rank(const void *a, const void *b)
{
    double x = (*(px_run_data *const *)a)->best_valid_loss, y = (*(px_run_data *const *)b)->best_valid_loss;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

/* ---- what can be held against each other ------------------------------------------------------------------------- */

/* Perplexities of different tokens or texts say nothing of each other. */
static int comparable(px_run_data *const *runs, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (runs[i]->vocabulary != runs[0]->vocabulary || runs[i]->valid_tokens != runs[0]->valid_tokens ||
            runs[i]->config.corpus.text.level != runs[0]->config.corpus.text.level ||
            runs[i]->config.corpus.text.normalise != runs[0]->config.corpus.text.normalise)
            return 0;
    return 1;
}

/* A cell that the page's script sorts by its number; NaN: it has none, and comes last. */
static void write_number(px_text *out, const char *text, double value)
{
    if (isnan(value))
        px_text_format(out, "<td data-sort=\"\">%s</td>", text);
    else
        px_text_format(out, "<td data-sort=\"%.9g\">%s</td>", value, text);
}

/* A row, and with it what is hidden together: everything of class g1, g2, ... (chart.h). */
static void write_ranked(px_text *out, const px_run_data *run, size_t i)
{
    char text[32], model[96];
    const double valid = exp(run->best_valid_loss), test = exp(run->end_test_loss), speed = px_run_data_speed(run);
    px_text_format(out, "<tr data-group=\"g%zu\"><td data-sort=\"%zu\">%zu</td><td><strong class=\"c%zu\">", i + 1,
                   i + 1, i + 1, i % 8);
    px_html_string(out, run->name);
    px_text_format(out, "</strong></td>");
    write_number(out, px_html_value(text, valid), valid);
    if (run->best_step >= 0)
        write_number(out, px_html_count(text, (double)run->best_step), (double)run->best_step);
    else
        write_number(out, "–", NAN);
    write_number(out, px_html_value(text, test), test);
    write_number(out, px_html_count(text, (double)run->steps), (double)run->steps);
    write_number(out, px_html_short(text, speed), speed);
    write_number(out, px_html_count(text, (double)run->parameters), (double)run->parameters);
    px_text_format(out, "<td>");
    px_html_string(out, px_run_data_model(run, model));
    px_text_format(out, "</td><td>");
    px_html_string(out, run->device);
    px_text_format(out, "</td><td class=\"%s\">%s</td></tr>\n", px_run_condition_name(run->condition),
                   px_run_condition_name(run->condition));
}

static void write_ranking(px_text *out, px_run_data *const *runs, size_t count)
{
    px_text_format(out, "<section id=\"ranking\"><h2>Ranking</h2>\n<p>By the best validation perplexity.<span "
                        "class=\"scripted\"> A click on a title sorts; a box shows or hides a run.</span></p>\n");
    if (!comparable(runs, count))
        px_text_format(out, "<p class=\"note\">These runs differ in their vocabulary or in their validation text: "
                            "their perplexities cannot be compared.</p>\n");
    px_text_format(
        out,
        "<div class=\"scroll\"><table class=\"runs\"><thead><tr><th></th><th>run</th><th>validation perplexity</th>"
        "<th>at step</th><th>test perplexity</th><th>steps</th>"
        "<th>tokens/s</th><th>parameters</th><th>model</th><th>device</th><th>state</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < count; i++) write_ranked(out, runs[i], i);
    px_text_format(out, "</tbody></table></div></section>\n");
}

/* ---- curves over each other -------------------------------------------------------------------------------------- */

typedef struct overlay {
    const char *id, *heading, *about, *y_label;
    int log_y, perplexity, validation;
    size_t series; /* offset of a px_series in px_run_data */
} overlay;

static const overlay OVERLAYS[] = {
    {"valid", "Validation perplexity",
     "Over the tokens trained on, so that batches of different sizes can be compared.", "perplexity (logarithmic)", 1,
     1, 1, offsetof(px_run_data, valid_loss)},
    {"train", "Training perplexity", "Mean between two points, with dropout where there is any.",
     "perplexity (logarithmic)", 1, 1, 0, offsetof(px_run_data, train_loss)},
    {"norm", "Gradient norm, before clipping", "", "norm (logarithmic)", 1, 0, 0, offsetof(px_run_data, grad_norm)},
    {"rate", "Learning rate", "", "rate", 0, 0, 0, offsetof(px_run_data, learning_rate)},
    {"speed", "Throughput", "Of the steps alone.", "tokens/s", 0, 0, 0, offsetof(px_run_data, speed)},
};

/* The name of a run in the margin, cut to what fits there. */
static const char *short_name(const px_run_data *run, char buffer[72])
{
    const size_t bytes = px_utf8_fit(run->name, 14, 64);
    snprintf(buffer, 72, "%.*s%s", (int)bytes, run->name, run->name[bytes] ? "…" : "");
    return buffer;
}

static void write_overlay(px_text *out, const overlay *o, px_run_data *const *runs, size_t count)
{
    char names[PX_REPORT_RUNS_MAX][72];
    double *values[PX_REPORT_RUNS_MAX] = {NULL};
    px_chart chart = {.title = o->heading,
                      .description = o->heading,
                      .x_label = "tokens trained on",
                      .y_label = o->y_label,
                      .log_y = o->log_y,
                      .y_min = o->log_y ? NAN : 0,
                      .y_max = NAN};
    for (size_t i = 0; i < count; i++) {
        const px_series *series = (const px_series *)((const char *)runs[i] + o->series);
        values[i] = malloc((series->count + 1) * sizeof **values);
        for (size_t k = 0; values[i] && k < series->count; k++)
            values[i][k] = o->perplexity ? exp(series->value[k]) : series->value[k];
        out->failed |= !values[i];
        if (!values[i] || series->count == 0) continue;
        chart.line[chart.lines++] =
            (px_chart_line){.label = short_name(runs[i], names[i]),
                            .x = series->tokens,
                            .y = values[i],
                            .count = series->count,
                            .colour = (int)(i % 8),
                            .group = (int)i + 1,
                            .dashed = i >= 8,
                            .marks = series->count == 1 || (o->validation && series->count <= 60)};
    }
    px_text_format(out, "<section id=\"%s\"><h2>%s</h2>\n<p>%s</p>\n", o->id, o->heading, o->about);
    if (px_chart_has_points(&chart)) {
        px_text_format(out, "<figure>");
        px_chart_draw(out, &chart, 1000, 330, "wide");
        px_chart_draw(out, &chart, 360, 290, "narrow");
        px_text_format(out, "</figure>");
    } else
        px_text_format(out, "<p class=\"note\">Nothing has been logged.</p>");
    px_text_format(out, "</section>\n");
    for (size_t i = 0; i < count; i++) free(values[i]);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static int differs(const px_option *option, px_run_data *const *runs, size_t count)
{
    char first[4200], other[4200];
    px_config_get(&runs[0]->config, option, first, sizeof first);
    for (size_t i = 1; i < count; i++) {
        px_config_get(&runs[i]->config, option, other, sizeof other);
        if (strcmp(first, other) != 0) return 1;
    }
    return 0;
}

static void write_differences(px_text *out, px_run_data *const *runs, size_t count)
{
    int any = 0;
    px_text_format(out, "<section id=\"settings\"><h2>Where their settings differ</h2>\n<div "
                        "class=\"scroll\"><table><thead><tr><th>setting</th>");
    for (size_t i = 0; i < count; i++) {
        px_text_format(out, "<th class=\"c%zu\">", i % 8);
        px_html_string(out, runs[i]->name);
        px_text_format(out, "</th>");
    }
    px_text_format(out, "</tr></thead><tbody>\n");
    for (size_t k = 0; k < px_option_count; k++) {
        if (strcmp(px_options[k].name, "run") == 0 || !differs(&px_options[k], runs, count)) continue;
        any = 1;
        px_text_format(out, "<tr><td>%s</td>", px_options[k].name);
        for (size_t i = 0; i < count; i++) {
            char value[4200];
            px_config_get(&runs[i]->config, &px_options[k], value, sizeof value);
            px_text_format(out, "<td>");
            px_html_string(out, value);
            px_text_format(out, "</td>");
        }
        px_text_format(out, "</tr>\n");
    }
    px_text_format(out, "</tbody></table></div>%s</section>\n", any ? "" : "<p>They do not.</p>");
}

static void write_last_samples(px_text *out, px_run_data *const *runs, size_t count)
{
    px_text_format(out, "<section id=\"samples\"><h2>Their latest samples</h2>\n<div class=\"samples\">\n");
    for (size_t i = 0; i < count; i++) {
        char at[32];
        if (runs[i]->sample_count == 0) continue;
        const px_run_sample *sample = &runs[i]->samples[runs[i]->sample_count - 1];
        px_text_format(out, "<article class=\"g%zu\"><h3><span class=\"c%zu\">", i + 1, i % 8);
        px_html_string(out, runs[i]->name);
        px_text_format(out, "</span> · step %s</h3><pre class=\"sample\">", px_html_count(at, (double)sample->step));
        px_html_string(out, sample->text);
        px_text_format(out, "</pre></article>\n");
    }
    px_text_format(out, "</div></section>\n");
}

void px_page_write_comparison(px_text *out, px_run_data *const *runs, size_t count)
{
    px_run_data *ranked[PX_REPORT_RUNS_MAX];
    char title[64], value[32];
    memcpy(ranked, runs, count * sizeof *ranked);
    qsort(ranked, count, sizeof *ranked, by_rank);
    snprintf(title, sizeof title, "%zu runs – perplex", count);
    px_page_begin(out, title);
    px_text_format(out, "<header><h1>%zu runs</h1>\n<p class=\"sub\">", count);
    if (!isnan(ranked[0]->best_valid_loss)) {
        px_text_format(out, "best: <strong>");
        px_html_string(out, ranked[0]->name);
        px_text_format(out, "</strong>, validation perplexity %s",
                       px_html_value(value, exp(ranked[0]->best_valid_loss)));
    }
    px_text_format(out, "</p></header>\n");
    write_ranking(out, ranked, count);
    for (size_t i = 0; i < sizeof OVERLAYS / sizeof OVERLAYS[0]; i++) write_overlay(out, &OVERLAYS[i], ranked, count);
    write_differences(out, ranked, count);
    write_last_samples(out, ranked, count);
    px_text_format(out, "<footer>Made by perplex report.</footer>\n");
    px_page_end(out, px_compare_js);
}
