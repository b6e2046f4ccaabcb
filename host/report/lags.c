/* The gradient by lag as a chart and a table: see lags.h. */
#include "lags.h"

#include "chart.h"
#include "check.h"
#include "html.h"
#include "inspect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LAGS = 60, PROBES_MAX = 64 };
static const double WORK = 2e9;          /* multiply-adds of plain loops: about a second */
static const double EIGENVALUES = 2.5e9; /* layers times h^3: about ten seconds for the spectral radii */

typedef struct share {
    void (*progress)(void *context, const char *what, double share);
    void *context;
} share;

static void tell(void *context, double done)
{
    const share *s = context;
    if (s->progress) s->progress(s->context, "looking at gradients through time", done);
}

static void write_chart(px_text *out, const px_inspection *inspection)
{
    px_chart chart = {.title = "Gradient by lag",
                      .description = "Mean norm of the derivative of the loss with respect to the hidden state k steps "
                                     "before, over k, one line for each layer.",
                      .x_label = "lag k, steps back",
                      .y_label = "mean ‖∂lossₜ / ∂Hₜ₋ₖ‖",
                      .log_y = 1,
                      .y_min = NAN,
                      .y_max = NAN};
    char label[PX_CHART_LINES_MAX][32];
    size_t count = (size_t)inspection->lags + 1;
    double *lag = malloc(count * sizeof *lag);
    if (!lag) {
        out->failed = 1;
        return;
    }
    for (size_t k = 0; k < count; k++) lag[k] = (double)k;
    for (int32_t l = 0; l < inspection->layers && l < PX_CHART_LINES_MAX; l++) {
        snprintf(label[l], sizeof label[l], "layer %d", (int)l + 1);
        chart.line[chart.lines++] = (px_chart_line){.label = label[l],
                                                    .x = lag,
                                                    .y = inspection->layer[l].norm,
                                                    .count = count,
                                                    .colour = l % 8,
                                                    .dashed = l >= 8};
    }
    if (px_chart_has_points(&chart)) {
        px_text_format(out, "<figure>");
        px_chart_draw(out, &chart, 1000, 300, "wide");
        px_chart_draw(out, &chart, 360, 260, "narrow");
        px_text_format(out, "</figure>\n");
    }
    free(lag);
}

static void write_table(px_text *out, const px_inspection *inspection)
{
    px_text_format(
        out,
        "<div class=\"scroll\"><table><thead><tr><th>layer</th><th>factor per step</th><th>below 1 %% from lag</th>"
        "<th>spectral radius of W<sub>hh</sub></th><th>saturated values</th><th>units always "
        "saturated</th></tr></thead><tbody>\n");
    for (int32_t l = 0; l < inspection->layers; l++) {
        const px_inspect_layer *layer = &inspection->layer[l];
        char a[32], b[32], reach[32] = "not within the plot";
        if (layer->reach >= 0) snprintf(reach, sizeof reach, "%d", (int)layer->reach);
        px_text_format(out, "<tr><td>%d</td><td>%s</td><td>%s</td><td>%s</td><td>%.1f %%</td><td>%.1f %%</td></tr>\n",
                       (int)l + 1, px_html_value(a, layer->rate), reach, px_html_value(b, layer->spectral_radius),
                       100 * layer->saturated, 100 * layer->always_saturated);
    }
    px_text_format(out, "</tbody></table></div>\n");
}

px_status px_lags_write(px_text *out, const px_model_file *model, px_range range,
                        void (*progress)(void *context, const char *what, double share), void *context)
{
    share s = {progress, context};
    const px_model_config *sizes = &model->config.model;
    if ((double)sizes->layers * pow(sizes->hidden, 3) > EIGENVALUES)
        return px_fail(
            PX_ERR_INPUT,
            "the eigenvalues of %d × %d units take minutes; perplex inspect shows them, and the gradient by lag",
            (int)sizes->layers, (int)sizes->hidden);
    double per_probe = (double)(LAGS + 1) * (double)model->parameters.weights;
    px_inspect_request request = {.model = &model->config.model,
                                  .parameters = &model->parameters,
                                  .weights = model->weights,
                                  .reset_id = model->reset_id,
                                  .range = range,
                                  .lags = LAGS,
                                  .progress = tell,
                                  .progress_context = &s};
    double probes = WORK / (3 * per_probe);
    request.probes = probes > PROBES_MAX ? PROBES_MAX : probes < 4 ? 4 : (int32_t)probes;
    request.tokens = (int64_t)request.probes * (LAGS + 1) + 1; /* so that windows hardly overlap */
    if (range.end - range.begin < LAGS + 2)
        request.lags = range.end - range.begin > 3 ? (int32_t)(range.end - range.begin) - 3 : 1;
    px_inspection inspection;
    PX_TRY(px_inspect_run(&request, &inspection));
    char a[32];
    px_text_format(out,
                   "<section id=\"lags\"><h2>How far back a loss reaches</h2>\n<p>The norm of the derivative of a "
                   "token's loss with respect to the hidden state "
                   "k steps before it, averaged over %s places of the validation text. A straight line downwards is a "
                   "gradient that vanishes by the same "
                   "factor each step. <code>perplex inspect --gradient-lags</code> looks closer.</p>\n",
                   px_html_count(a, (double)inspection.probes));
    write_chart(out, &inspection);
    write_table(out, &inspection);
    px_text_format(out, "</section>\n");
    px_inspection_free(&inspection);
    return PX_OK;
}
