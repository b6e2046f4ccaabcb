/* Looking at the model after an evaluation: a text that it writes, for metrics.jsonl, and its weights and activations,
 * for the run's observer (observe.h). Everything happens on the evaluation state and with random numbers of its own, so
 * that a training that is looked at has the bits of one that is not. */
#include "run.h"

#include "check.h"
#include "metrics_log.h"
#include "minibatch.h"
#include "observe.h"
#include "philox.h"
#include "text_sink.h"

#include <stdlib.h>
#include <string.h>

enum {
    SAMPLE_TOKENS = 240,
    SAMPLE_WORDS = 60,
    ACTIVATION_WINDOWS = 16,
    ACTIVATION_VALUES = 1 << 19 /* about as many are looked at, of all layers */
};

/* ---- a text ------------------------------------------------------------------------------------------------------ */

/* Whether the evaluation just counted is one that writes: each of the first 16, then 8 of every doubling. So their
 * number grows with the logarithm of a run's length; a pure function of the state, so that a resumed run writes the
 * same ones. */
static int sample_due(int64_t evaluations)
{
    int64_t every = 1;
    while (evaluations / every >= 16) every *= 2;
    return evaluations % every == 0;
}

static px_status log_sample(px_run *run, const px_text_sink *sink)
{
    size_t bytes;
    const char *made = px_text_sink_made(sink, &bytes);
    px_metrics_begin(run->log, "sample");
    px_metrics_count(run->log, "step", run->state.step);
    px_metrics_count(run->log, "epoch", px_run_epoch_number(run));
    px_metrics_bytes(run->log, "text", made, bytes);
    return px_metrics_end(run->log);
}

/* The same uniforms each time, so that what differs between two samples is the model. */
static px_status write_sample(px_run *run)
{
    const int64_t length = run->config.corpus.text.level == PX_LEVEL_WORD ? SAMPLE_WORDS : SAMPLE_TOKENS;
    px_text_sink sink;
    px_text_sink_start(&sink, run->corpus.vocabulary, NULL, NULL);
    px_status status = px_text_sink_sample(&sink, run->engine, length, 1, run->config.seed);
    if (status == PX_OK)
        status = log_sample(run, &sink);
    else if (status == PX_ERR_NUMERIC)
        status = PX_OK; /* a model that cannot write: the evaluation has said how bad it is */
    px_text_sink_free(&sink);
    return status;
}

/* ---- weights and activations ------------------------------------------------------------------------------------- */

/* Hidden states after each of some windows of the validation text, spread over n streams: [L, windows * n * h]. */
static px_status read_activations(px_run *run, float **values, size_t *count)
{
    size_t L = (size_t)run->config.model.layers, h = (size_t)run->config.model.hidden,
           streams = (size_t)run->engine->shape.n;
    size_t targets = run->corpus.valid.end - run->corpus.valid.begin - 1, n = targets < streams ? targets : streams;
    px_minibatches *minibatches = NULL;
    float *state = malloc(px_state_blocks(&run->config.model) * streams * h * sizeof *state);
    px_status status;
    *values = NULL;
    PX_TRY_GOTO(status,
                px_minibatches_create_eval(run->corpus.valid, (int32_t)n, run->config.minibatch.steps, run->reset_id, 0,
                                           &minibatches),
                done);
    size_t windows = (size_t)px_minibatches_per_epoch(minibatches, 0), most = 1 + ACTIVATION_VALUES / (L * n * h);
    if (windows > ACTIVATION_WINDOWS) windows = ACTIVATION_WINDOWS;
    if (windows > most) windows = most;
    *count = windows * n * h;
    *values = malloc(L * *count * sizeof **values);
    if (!state || !*values) {
        status = px_fail(PX_ERR_MEMORY, "no memory to look at the hidden states");
        goto done;
    }
    for (size_t w = 0; w < windows; w++) {
        px_batch batch;
        PX_TRY_GOTO(status, px_minibatches_get(minibatches, 0, (int64_t)w, (uint64_t)w, &batch), done);
        PX_TRY_GOTO(status, px_engine_evaluate(run->engine, &batch, NULL), done);
        PX_TRY_GOTO(status, px_engine_read(run->engine, PX_SECTION_EVAL_STATE, state), done);
        for (size_t l = 0; l < L; l++)
            memcpy(*values + l * *count + w * n * h, state + l * streams * h, n * h * sizeof *state);
    }
done:
    px_minibatches_destroy(minibatches);
    free(state);
    return status;
}

static px_status show_model(px_run *run)
{
    px_run_snapshot snapshot = {.step = run->state.step,
                                .parameters = &run->parameters,
                                .weights = run->buffer,
                                .cell = run->config.model.cell,
                                .layers = run->config.model.layers};
    float *activations = NULL;
    px_status status;
    if (run->validates) PX_TRY_GOTO(status, read_activations(run, &activations, &snapshot.activation_count), done);
    PX_TRY_GOTO(status, px_engine_read(run->engine, PX_SECTION_PARAMETERS, run->buffer), done);
    snapshot.activations = activations;
    px_run_show_snapshot(run, &snapshot);
done:
    free(activations);
    return status;
}

px_status px_run_look(px_run *run, int sample)
{
    px_metrics ignored;
    int averaged = run->state.average_count > 0;
    sample = sample && sample_due(run->state.evaluations);
    const int shown = run->observed && run->hooks->observer->snapshot;
    if (!run->log || (!sample && !shown)) return PX_OK;
    if (averaged) PX_TRY(px_engine_swap_average(run->engine));
    px_status status = sample ? write_sample(run) : PX_OK;
    if (status == PX_OK && shown) status = show_model(run);
    if (averaged) PX_TRY(px_engine_swap_average(run->engine));
    PX_TRY(status);
    return px_engine_metrics(run->engine, 1, &ignored); /* these losses belong to no interval */
}
