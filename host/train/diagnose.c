/* Signs of a training that does not learn: see diagnose.h. */
#include "diagnose.h"

#include "check.h"
#include "quantity.h"
#include "together.h"
#include "unigram.h"

#include <math.h>

enum { NO_BETTER = 1, SATURATED = 2, SILENT = 4 }; /* in px_run.warned */

static const double SATURATED_VALUE = 0.99, SATURATED_SHARE = 0.6, SILENT_RMS = 1e-2;

/* Whether this is to be said now; each thing is said once. */
static int is_news(px_run *run, unsigned what, int is_so)
{
    if (!is_so || (run->warned & what)) return 0;
    run->warned |= what;
    return 1;
}

static px_status compare_unigram(px_run *run, double valid_loss)
{
    char is[32], unigram[32];
    if (run->warned & NO_BETTER) return PX_OK;
    if (isnan(run->unigram_loss)) {
        px_status status = px_run_unigram_loss(&run->corpus, &run->unigram_loss);
        if (status == PX_ERR_IO) { /* a text that cannot be read again ends a run where it is needed, not here */
            run->warned |= NO_BETTER;
            px_run_line(run, "warning: not compared with the frequencies of single tokens: %s", px_error_message());
            return PX_OK;
        }
        PX_TRY(status);
    }
    if (is_news(run, NO_BETTER, !(valid_loss < run->unigram_loss)))
        px_run_line(run,
                    "warning: no better than the frequencies of single tokens (validation perplexity %s, unigram %s); "
                    "try a third of --lr %g, or three times it%s",
                    px_text_perplexity(is, exp(valid_loss)), px_text_perplexity(unigram, exp(run->unigram_loss)),
                    run->config.lr, run->config.model.init == PX_INIT_FAN_IN ? "" : ", and --init fan-in");
    return PX_OK;
}

/* A layer's hidden values [streams,h]; those of streams that have read nothing are zeros and do not count. */
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
    if (count == 0) return (layer_values){0, 1};
    return (layer_values){largest > 1 ? 0 : large / count, sqrt(squares / count)};
}

static void judge_layer(px_run *run, int32_t layer, layer_values values)
{
    if (is_news(run, SATURATED, values.saturated > SATURATED_SHARE))
        px_run_line(run,
                    "warning: layer %d: %.0f %% of the hidden values are saturated (beyond +-0.99) and hardly learn; "
                    "lower --lr or --init-scale",
                    (int)layer + 1, 100 * values.saturated);
    if (is_news(run, SILENT, values.rms < SILENT_RMS))
        px_run_line(run,
                    "warning: layer %d: hidden values of rms %.2g carry almost nothing; use --init fan-in, or a larger "
                    "--init-scale",
                    (int)layer + 1, values.rms);
}

/* The state that the evaluation has left: of every layer, H of each stream after its last token. */
static px_status examine_layers(px_run *run)
{
    const size_t streams = (size_t)run->engine->shape.n, h = (size_t)run->config.model.hidden;
    PX_TRY(px_engine_read(run->engine, PX_SECTION_EVAL_STATE, run->buffer));
    for (int32_t l = 0; l < run->config.model.layers; l++)
        judge_layer(run, l, look_at(run->buffer + (size_t)l * streams * h, streams, h));
    return PX_OK;
}

px_status px_run_diagnose(px_run *run, double valid_loss, int64_t evaluations)
{
    if (!px_run_leads(run)) return PX_OK;
    if (evaluations >= 2) PX_TRY(compare_unigram(run, valid_loss));
    return (run->warned & (SATURATED | SILENT)) == (SATURATED | SILENT) ? PX_OK : examine_layers(run);
}
