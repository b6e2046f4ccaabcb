/* The page of one run: see page.h. */
#include "page.h"

#include "chart.h"
#include "check.h"
#include "html.h"
#include "paths.h"
#include "series.h"
#include "style.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_SHOWN = 7 };

/* A fact of the row at the top. Value and note are ours, or escaped by the caller. */
static void write_fact(px_text *out, const char *name, const char *value, const char *note)
{
    px_text_format(out, "<div><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", name, value, note);
}

/* ---- the top ----------------------------------------------------------------------------------------------------- */

static void write_head(px_text *out, const px_run_data *run)
{
    char model[96], a[32], b[32];
    px_text_format(out, "<header><h1>");
    px_html_string(out, run->name);
    px_text_format(out, " <span class=\"pill %s\">%s</span></h1>\n<p class=\"sub\">",
                   px_run_condition_name(run->condition), px_run_condition_name(run->condition));
    px_html_string(out, px_run_data_model(run, model));
    px_text_format(out, ", %s parameters · vocabulary of %s %s · ", px_html_count(a, (double)run->parameters),
                   px_html_count(b, (double)run->vocabulary), px_level_tokens(run->config.corpus.text.level));
    char text[PX_PATHS_NAME_BYTES];
    px_html_string(out, run->config.corpus.data ? px_paths_name(run->config.corpus.data, text) : "no text");
    px_text_format(out, " · ");
    px_html_string(out, run->device);
    px_text_format(out, "</p></header>\n");
}

static void write_facts(px_text *out, const px_run_data *run)
{
    char value[32], note[96], a[32];
    px_text_format(out, "<dl class=\"facts\">\n");
    if (run->best_step >= 0) {
        snprintf(note, sizeof note, "best, at step %s", px_html_count(a, (double)run->best_step));
        write_fact(out, "validation perplexity", px_html_value(value, exp(run->best_valid_loss)), note);
    }
    if (!isnan(run->end_test_loss))
        write_fact(out, "test perplexity", px_html_value(value, exp(run->end_test_loss)),
                   run->end_of_last ? "last weights, one stream" : "best model, one stream");
    if (!isnan(run->unigram_loss)) {
        snprintf(note, sizeof note, "uniform %s", px_html_count(a, (double)run->vocabulary));
        write_fact(out, "unigram perplexity", px_html_value(value, exp(run->unigram_loss)), note);
    }
    snprintf(note, sizeof note, "epoch %lld · %s tokens", (long long)run->epoch, px_html_short(a, (double)run->tokens));
    write_fact(out, "steps", px_html_count(value, (double)run->steps), note);
    write_fact(out, "tokens per second", px_html_short(value, px_run_data_speed(run)), "median, of the steps alone");
    if (!isnan(run->end_seconds))
        write_fact(out, "time of the last job", px_html_seconds(value, run->end_seconds), "evaluations included");
    px_text_format(out, "</dl>\n");
    if (run->condition != PX_RUN_FINISHED && run->reason[0]) {
        px_text_format(out,
                       "<p class=\"note\">The run has stopped at step %s: ", px_html_count(value, (double)run->steps));
        px_html_string(out, run->reason);
        px_text_format(out, ".</p>\n");
    }
    for (int i = 0; i < run->warnings; i++) {
        px_text_format(out, "<p class=\"note\">Step %s: ", px_html_count(value, (double)run->warning[i].step));
        px_html_string(out, run->warning[i].text);
        px_text_format(out, ".</p>\n");
    }
    for (int i = 0; i < run->extensions; i++)
        px_text_format(out,
                       "<p class=\"note\">Extended at step %s by %s steps, with a new cosine from a rate of %s.</p>\n",
                       px_html_count(value, (double)run->extension[i].step),
                       px_html_count(a, (double)run->extension[i].steps), px_html_value(note, run->extension[i].rate));
    if (run->rollbacks)
        px_text_format(
            out, "<p class=\"note\">Went back to a checkpoint %lld times after a value that was not finite.</p>\n",
            (long long)run->rollbacks);
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

typedef struct curves {
    double *train, *valid; /* perplexities; NULL where memory ran out */
} curves;

static double *exponentials(const px_series *series)
{
    double *values = malloc((series->count + 1) * sizeof *values);
    for (size_t i = 0; values && i < series->count; i++) values[i] = exp(series->value[i]);
    return values;
}

static void two_sizes(px_text *out, const px_chart *chart, int height)
{
    if (!px_chart_has_points(chart)) {
        px_text_format(out, "<p class=\"note\">Nothing has been logged yet.</p>\n");
        return;
    }
    px_text_format(out, "<figure>");
    px_chart_draw(out, chart, 1000, height, "wide");
    px_chart_draw(out, chart, 360, 270, "narrow");
    px_text_format(out, "</figure>\n");
}

static const char *line_label(char buffer[64], const char *name, const px_series *series, int perplexity)
{
    char value[32];
    double last = series->count ? series->value[series->count - 1] : NAN;
    snprintf(buffer, 64, "%s %s", name, px_html_value(value, perplexity ? exp(last) : last));
    return buffer;
}

static void add_curve(px_chart *chart, const char *label, const px_series *series, const double *values, int colour,
                      int marks)
{
    if (values && series->count)
        chart->line[chart->lines++] = (px_chart_line){.label = label,
                                                      .x = series->step,
                                                      .y = values,
                                                      .count = series->count,
                                                      .colour = colour,
                                                      .marks = series->count == 1 || (marks && series->count <= 60)};
}

static void add_seams(px_chart *chart, const px_run_data *run)
{
    for (int i = 0; i < run->extensions; i++) chart->seam[chart->seams++] = (double)run->extension[i].step;
}

static void write_perplexity(px_text *out, const px_run_data *run)
{
    char train[64], valid[64], uniform[64], unigram[64], a[32];
    curves c = {exponentials(&run->train_loss), exponentials(&run->valid_loss)};
    out->failed |= !c.train || !c.valid;
    px_chart chart = {.title = "Perplexity over steps",
                      .description = "Perplexity of training and validation over steps on a logarithmic scale, with "
                                     "the levels of a uniform and of a unigram model.",
                      .x_label = "steps",
                      .y_label = "perplexity (logarithmic)",
                      .log_y = 1,
                      .y_min = NAN,
                      .y_max = NAN};
    add_seams(&chart, run);
    add_curve(&chart, line_label(train, "train", &run->train_loss, 1), &run->train_loss, c.train, 0, 0);
    add_curve(&chart, line_label(valid, "valid", &run->valid_loss, 1), &run->valid_loss, c.valid, 1, 1);
    snprintf(uniform, sizeof uniform, "uniform %s", px_html_count(a, (double)run->vocabulary));
    snprintf(unigram, sizeof unigram, "unigram %s", px_html_value(a, exp(run->unigram_loss)));
    chart.level[chart.levels++] = (px_chart_level){uniform, run->vocabulary > 0 ? (double)run->vocabulary : NAN};
    chart.level[chart.levels++] = (px_chart_level){unigram, exp(run->unigram_loss)};
    px_text_format(
        out,
        "<section id=\"perplexity\"><h2>Perplexity</h2>\n<p>Training: mean between two points, with dropout where "
        "there is any. Validation: %s. "
        "A uniform guess has the vocabulary's size; unigram is the best that a model without memory can do.</p>\n",
        run->valid_loss.count ? "at evaluations" : "none");
    two_sizes(out, &chart, 340);
    px_text_format(out, "</section>\n");
    free(c.train);
    free(c.valid);
}

/* The loss again, without the steep beginning: the range is that of what came after the first tenth. */
static void write_loss(px_text *out, const px_run_data *run)
{
    char train[64], valid[64], unigram[64], a[32];
    px_chart chart = {
        .title = "Loss over steps",
        .description =
            "Mean loss in nats per token of training and validation over steps, without the steep beginning.",
        .x_label = "steps",
        .y_label = "loss, nats per token",
        .y_min = NAN,
        .y_max = NAN};
    const px_series *t = &run->train_loss, *v = &run->valid_loss;
    add_seams(&chart, run);
    add_curve(&chart, line_label(train, "train", t, 0), t, t->value, 0, 0);
    add_curve(&chart, line_label(valid, "valid", v, 0), v, v->value, 1, 1);
    double highest_t, highest_v;
    if (px_series_quantile(t, t->count / 10, 1, &highest_t) != PX_OK ||
        px_series_quantile(v, v->count / 10, 1, &highest_v) != PX_OK) {
        out->failed = 1;
        return;
    }
    double most = fmax(highest_t, highest_v);
    if (t->count >= 20 && isfinite(most)) chart.y_max = most;
    snprintf(unigram, sizeof unigram, "unigram %s", px_html_value(a, run->unigram_loss));
    chart.level[chart.levels++] = (px_chart_level){unigram, run->unigram_loss};
    px_text_format(out, "<section id=\"loss\"><h2>Loss, close up</h2>\n<p>Nats per token; the first tenth of the run "
                        "may leave the picture at the top.</p>\n");
    two_sizes(out, &chart, 300);
    px_text_format(out, "</section>\n");
}

static void write_small(px_text *out, const char *heading, const char *unit, const px_series *series, int colour,
                        int log_y)
{
    px_chart chart = {.title = heading,
                      .description = heading,
                      .x_label = "steps",
                      .y_label = unit,
                      .log_y = log_y,
                      .y_min = log_y ? NAN : 0,
                      .y_max = NAN};
    add_curve(&chart, "", series, series->value, colour, 0);
    px_text_format(out, "<div><h3>%s</h3>\n<figure>", heading);
    if (px_chart_has_points(&chart))
        px_chart_draw(out, &chart, 360, 230, "");
    else
        px_text_format(out, "<p class=\"note\">Nothing has been logged yet.</p>");
    px_text_format(out, "</figure></div>\n");
}

static void write_course(px_text *out, const px_run_data *run)
{
    px_text_format(out, "<section id=\"course\"><h2>The course of the training</h2>\n<div class=\"three\">\n");
    write_small(out, "Learning rate", "rate", &run->learning_rate, 2, 0);
    write_small(out, "Gradient norm, before clipping", "norm (logarithmic)", &run->grad_norm, 3, 1);
    write_small(out, "Throughput", "tokens/s", &run->speed, 5, 0);
    px_text_format(out, "</div></section>\n");
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* Perplexity of the evaluation at that step; NaN without one. */
static double perplexity_at(const px_run_data *run, int64_t step)
{
    for (size_t i = 0; i < run->valid_loss.count; i++)
        if ((int64_t)run->valid_loss.step[i] == step) return exp(run->valid_loss.value[i]);
    return NAN;
}

static void write_samples(px_text *out, const px_run_data *run)
{
    size_t shown = run->sample_count < SAMPLES_SHOWN ? run->sample_count : SAMPLES_SHOWN;
    px_text_format(out, "<section id=\"samples\"><h2>What it wrote on the way</h2>\n");
    if (shown == 0)
        px_text_format(out, "<p class=\"note\">No evaluation has written a sample.</p>\n");
    else
        px_text_format(
            out,
            "<p>The same random numbers each time, so that what differs is the model.</p>\n<div class=\"samples\">\n");
    for (size_t i = 0; i < shown; i++) {
        const px_run_sample *sample = &run->samples[shown == 1 ? 0 : i * (run->sample_count - 1) / (shown - 1)];
        char a[32], b[32];
        double perplexity = perplexity_at(run, sample->step);
        px_text_format(out, "<article><h3>step %s", px_html_count(a, (double)sample->step));
        if (!isnan(perplexity)) px_text_format(out, " · validation perplexity %s", px_html_value(b, perplexity));
        px_text_format(out, "</h3><pre class=\"sample\">");
        px_html_string(out, sample->text);
        px_text_format(out, "</pre></article>\n");
    }
    px_text_format(out, "%s</section>\n", shown ? "</div>\n" : "");
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void result_row(px_text *out, const char *name, double loss, const char *remark)
{
    char a[32], b[32], c[32];
    if (isnan(loss)) return;
    px_text_format(out, "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n", name,
                   px_html_value(a, exp(loss)), px_html_value(b, loss), px_html_value(c, loss / M_LN2), remark);
}

static void write_results(px_text *out, const px_run_data *run)
{
    const char *zero =
        run->end_of_last ? "last weights, one stream from a zero state" : "best model, one stream from a zero state";
    const char *carried = run->end_of_last ? "last weights, one stream from the state of training"
                                           : "best model, one stream from the state of training";
    px_text_format(out, "<section id=\"results\"><h2>Results</h2>\n<div "
                        "class=\"scroll\"><table><thead><tr><th>text</th><th>perplexity</th><th>nats per token</th>"
                        "<th>bits per token</th><th>how</th></tr></thead><tbody>\n");
    result_row(out, "training", run->end_train_loss, "mean over the last epoch");
    result_row(out, "validation, best", run->best_valid_loss, "n streams, started cold");
    result_row(out, "validation", run->end_valid_loss_zero, zero);
    result_row(out, "validation", run->end_valid_loss_carried, carried);
    result_row(out, "test", run->end_test_loss, zero);
    result_row(out, "unigram", run->unigram_loss, "frequencies of the training text");
    result_row(out, "uniform", run->vocabulary > 0 ? log((double)run->vocabulary) : NAN, "every token alike");
    px_text_format(out, "</tbody></table></div>\n");
    char a[32], b[32], c[32];
    px_text_format(out, "<p>Tokens: %s to train on, %s to validate on, %s to test on.</p></section>\n",
                   px_html_count(a, (double)run->train_tokens), px_html_count(b, (double)run->valid_tokens),
                   px_html_count(c, (double)run->test_tokens));
}

static void write_settings(px_text *out, const px_run_data *run)
{
    px_config defaults;
    px_config_default(&defaults);
    px_text_format(out, "<section id=\"settings\"><h2>Settings</h2>\n<p>What differs from the defaults stands out. "
                        "<code>perplex train --config RUN/config --run NEW</code> "
                        "repeats the run.</p>\n<div class=\"settings\"><table><tbody>\n");
    for (size_t i = 0; i < px_option_count; i++) {
        char value[4200], usual[256];
        px_config_get(&run->config, &px_options[i], value, sizeof value);
        px_config_get(&defaults, &px_options[i], usual, sizeof usual);
        if (!value[0]) continue;
        px_text_format(out, "<tr class=\"%s\"><td>%s</td><td>", strcmp(value, usual) == 0 ? "same" : "changed",
                       px_options[i].name);
        px_html_string(out, value);
        px_text_format(out, "</td></tr>\n");
    }
    px_text_format(out, "</tbody></table></div></section>\n");
    px_config_free(&defaults);
}

px_status px_page_write_run(px_text *out, const px_run_data *run, const px_examine_options *options)
{
    char title[512];
    snprintf(title, sizeof title, "%.400s – perplex", run->name);
    px_page_begin(out, title);
    write_head(out, run);
    write_facts(out, run);
    write_perplexity(out, run);
    write_loss(out, run);
    write_course(out, run);
    write_samples(out, run);
    PX_TRY(px_examine_write(out, run, options));
    write_results(out, run);
    write_settings(out, run);
    px_text_format(out, "<footer>Made by perplex from this folder's metrics.jsonl, config and best.safetensors; "
                        "<code>perplex report RUN</code> makes it again.</footer>\n");
    px_page_end(out, "");
    return PX_OK;
}
