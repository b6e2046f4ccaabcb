/* Signs of a training that does not learn: see diagnose.h. */
#include "diagnose.h"

#include "check.h"
#include "metrics_log.h"
#include "quantity.h"
#include "together.h"
#include "unigram.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In px_run.warned, and by these names in metrics.jsonl. */
typedef enum warning { NO_BETTER, SATURATED, SILENT, WARNINGS } warning;
static const char *const NAMES[WARNINGS] = {"no-better", "saturated", "silent"};
/* Beside them in px_run.warned: the text could not be read again, so that nothing is compared in this job. */
static const unsigned UNREADABLE = 1u << WARNINGS;

static const double SATURATED_VALUE = 0.99, SATURATED_SHARE = 0.6, SILENT_RMS = 1e-2;

static int was_said(const px_run *run, warning what) { return (run->warned & (1u << what)) != 0; }

/* Each thing is said once in a run. */
static px_status __attribute__((format(printf, 3, 4))) say(px_run *run, warning what, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    run->warned |= 1u << what;
    px_run_line(run, "warning: %s", text);
    px_metrics_begin(run->log, "warning");
    px_metrics_count(run->log, "step", run->state.step);
    px_metrics_text(run->log, "kind", NAMES[what]);
    px_metrics_text(run->log, "text", text);
    return px_metrics_end(run->log);
}

/* The kind that a line of metrics.jsonl has, WARNINGS where it is none of these. */
static warning kind_of(const char *line)
{
    static const char START[] = "{\"event\":\"warning\"";
    char field[32];
    int what = WARNINGS;
    if (strncmp(line, START, sizeof START - 1) == 0)
        for (what = 0; what < WARNINGS; what++) {
            snprintf(field, sizeof field, "\"kind\":\"%s\"", NAMES[what]);
            if (strstr(line, field)) break;
        }
    return (warning)what;
}

px_status px_run_recall_warnings(px_run *run)
{
    FILE *file = fopen(run->metrics_path, "re");
    char *line = NULL;
    size_t room = 0;
    if (!file) return px_fail_system(errno, "%s", run->metrics_path);
    while (getline(&line, &room, file) > 0) {
        const warning what = kind_of(line);
        if (what != WARNINGS) run->warned |= 1u << what;
    }
    const int failed = ferror(file);
    free(line);
    fclose(file);
    return failed ? px_fail(PX_ERR_IO, "%s: cannot be read", run->metrics_path) : PX_OK;
}

/* The loss that the model should pass; NaN where the text cannot be read again, which ends a run where it is needed,
 * not here. */
static px_status find_unigram(px_run *run)
{
    if (!isnan(run->unigram_loss) || (run->warned & UNREADABLE)) return PX_OK;
    px_status status = px_run_unigram_loss(&run->corpus, &run->unigram_loss);
    if (status != PX_ERR_IO) return status;
    run->warned |= UNREADABLE;
    px_run_line(run, "warning: not compared with the frequencies of single tokens: %s", px_error_message());
    return PX_OK;
}

static px_status compare_unigram(px_run *run, double valid_loss)
{
    char is[32], unigram[32];
    if (was_said(run, NO_BETTER)) return PX_OK;
    PX_TRY(find_unigram(run));
    if (isnan(run->unigram_loss) || valid_loss < run->unigram_loss) return PX_OK;
    return say(run, NO_BETTER,
               "no better than the frequencies of single tokens (validation perplexity %s, unigram %s); try a third of "
               "--lr %g, or three times it%s",
               px_text_perplexity(is, exp(valid_loss)), px_text_perplexity(unigram, exp(run->unigram_loss)),
               run->config.lr, run->config.model.init == PX_INIT_FAN_IN ? "" : ", and --init fan-in");
}

/* A layer's hidden values [streams,h]; those of streams that have read nothing are zeros and do not count, unless all
 * are: some stream has read something. */
typedef struct layer_values {
    double saturated, rms; /* share of values beyond +-0.99; 0 where some lie beyond +-1, as a ReLU's do */
} layer_values;

static layer_values look_at(const float *H, size_t streams, size_t h)
{
    double squares = 0, large = 0, count = 0, largest = 0;
    for (size_t i = 0; i < streams; i++, H += h) {
        double sum = 0;
        for (size_t j = 0; j < h; j++) {
            const double value = fabs((double)H[j]);
            sum += value * value;
            large += value > SATURATED_VALUE;
            if (value > largest) largest = value;
        }
        if (sum > 0) count += (double)h;
        squares += sum;
    }
    if (count == 0) return (layer_values){0, 0};
    return (layer_values){largest > 1 ? 0 : large / count, sqrt(squares / count)};
}

static px_status judge_layer(px_run *run, int32_t layer, layer_values values, double valid_loss)
{
    if (!was_said(run, SILENT) && values.rms < SILENT_RMS)
        PX_TRY(say(run, SILENT,
                   "layer %d: hidden values of rms %.2g carry almost nothing; use --init fan-in, or a larger "
                   "--init-scale",
                   (int)layer + 1, values.rms));
    if (was_said(run, SATURATED) || values.saturated <= SATURATED_SHARE) return PX_OK;
    PX_TRY(find_unigram(run));
    if (isnan(run->unigram_loss) || valid_loss < run->unigram_loss) return PX_OK; /* good models of words are so */
    return say(run, SATURATED,
               "layer %d: %.0f %% of the hidden values are saturated (beyond +-0.99), so that little comes back "
               "through them, and the model is no better than the frequencies of single tokens; lower --lr or "
               "--init-scale",
               (int)layer + 1, 100 * values.saturated);
}

/* The state that the evaluation has left: of every layer, H of each stream after its last token. */
static px_status examine_layers(px_run *run, double valid_loss)
{
    const size_t streams = (size_t)run->engine->shape.n, h = (size_t)run->config.model.hidden;
    PX_TRY(px_engine_read(run->engine, PX_SECTION_EVAL_STATE, run->buffer));
    for (int32_t l = 0; l < run->config.model.layers; l++)
        PX_TRY(judge_layer(run, l, look_at(run->buffer + (size_t)l * streams * h, streams, h), valid_loss));
    return PX_OK;
}

px_status px_run_diagnose(px_run *run, double valid_loss, int64_t evaluations)
{
    if (!px_run_leads(run)) return PX_OK;
    if (evaluations >= 2) PX_TRY(compare_unigram(run, valid_loss));
    return was_said(run, SATURATED) && was_said(run, SILENT) ? PX_OK : examine_layers(run, valid_loss);
}
