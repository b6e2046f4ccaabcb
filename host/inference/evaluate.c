/* Scoring texts with an engine that holds a model's weights: see evaluate.h. */
#include "evaluate.h"

#include "check.h"
#include "machine.h"
#include "minibatch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The engine adds every evaluation to its sums; they belong to no training loss. */
static px_status forget_metrics(px_engine *engine)
{
    px_metrics ignored;
    return px_engine_metrics(engine, 1, &ignored);
}

/* Takes in the [T,n] values of one window. */
static px_status count_window(const px_evaluate_options *options, const px_batch *batch, const float *token_nll,
                              double *sum, double *known, px_evaluation *result)
{
    size_t rows = (size_t)batch->T * (size_t)batch->n;
    for (size_t i = 0; i < rows; i++) {
        int32_t id = batch->targets[i];
        if (id < 0) continue;
        *sum += token_nll[i];
        *known += id == 0 ? 0 : (double)token_nll[i];
        result->unknown += id == 0;
        result->tokens++;
        if (options->per_token) PX_TRY(options->per_token(options->context, id, token_nll[i]));
    }
    return PX_OK;
}

px_status px_evaluate(px_engine *engine, px_range range, const px_evaluate_options *options, px_evaluation *result)
{
    px_minibatches *minibatches = NULL;
    float *token_nll = NULL;
    px_status status;
    double sum = 0, known = 0, started = px_clock(); /* known: the sum without targets that are <unk> */
    *result = (px_evaluation){0};
    if (options->per_token && options->n != 1)
        return px_fail(PX_ERR_ARGUMENT, "values for each token need one stream; give --batch 1");
    if (range.end - range.begin < 2)
        return px_fail(PX_ERR_INPUT, "%zu tokens: at least 2 are needed to predict one", range.end - range.begin);

    PX_TRY_GOTO(
        status,
        px_minibatches_create_eval(range, options->n, options->T, options->reset_id, options->keep_state, &minibatches),
        done);
    token_nll = malloc((size_t)options->n * (size_t)options->T * sizeof *token_nll);
    if (!token_nll) {
        status = px_fail(PX_ERR_MEMORY, "no memory for a window of %d streams and %d steps", (int)options->n,
                         (int)options->T);
        goto done;
    }
    int64_t windows = px_minibatches_per_epoch(minibatches, 0);
    for (int64_t window = 0; window < windows; window++) {
        px_batch batch;
        if (options->stop && *options->stop) {
            status = px_fail(PX_STOPPED, "stopped while scoring");
            goto done;
        }
        PX_TRY_GOTO(status, px_minibatches_get(minibatches, 0, window, (uint64_t)window, &batch), done);
        PX_TRY_GOTO(status, px_engine_evaluate(engine, &batch, token_nll), done);
        PX_TRY_GOTO(status, count_window(options, &batch, token_nll, &sum, &known, result), done);
        if (options->window) PX_TRY_GOTO(status, options->window(options->window_context, &batch, token_nll), done);
        if (options->progress) options->progress(options->progress_context, (double)(window + 1) / (double)windows);
    }
    PX_TRY_GOTO(status, forget_metrics(engine), done);
    result->loss = sum / (double)result->tokens;
    result->perplexity = exp(result->loss);
    result->bits_per_token = result->loss / M_LN2;
    result->known_loss = result->tokens > result->unknown ? known / (double)(result->tokens - result->unknown) : NAN;
    result->seconds = px_clock() - started;
done:
    free(token_nll);
    px_minibatches_destroy(minibatches);
    return status;
}

px_status px_evaluate_check(const char *model, double nll)
{
    if (!isnan(nll)) return PX_OK;
    return px_fail(PX_ERR_NUMERIC,
                   "%s: gives probabilities that are no numbers: its weights are so large that sums of them overflow; "
                   "the training diverged, use an earlier checkpoint",
                   model);
}

/* ---- a share of the streams -------------------------------------------------------------------------------------- */

/* Adds one window's values to its streams' sums: in the order of time, so that no cut shows. */
static void count_streams(const px_batch *batch, const float *token_nll, double *sums, int64_t *tokens)
{
    for (int32_t t = 0; t < batch->T; t++)
        for (int32_t i = 0; i < batch->n; i++) {
            size_t row = (size_t)t * (size_t)batch->n + (size_t)i;
            if (batch->targets[row] < 0) continue;
            sums[i] += token_nll[row];
            tokens[i]++;
        }
}

px_status px_evaluate_streams(px_engine *engine, px_range range, const px_evaluate_options *options, int32_t first,
                              int32_t count, int32_t most, double *sums, int64_t *tokens)
{
    px_minibatches *minibatches = NULL;
    const int32_t together = engine->shape.n;
    float *token_nll = malloc((size_t)together * (size_t)options->T * sizeof *token_nll);
    px_status status;
    for (int32_t i = 0; i < count; i++) {
        sums[i] = 0;
        tokens[i] = 0;
    }
    if (!token_nll)
        return px_fail(PX_ERR_MEMORY, "no memory for a window of %d streams and %d steps", (int)together,
                       (int)options->T);
    PX_TRY_GOTO(
        status,
        px_minibatches_create_eval(range, options->n, options->T, options->reset_id, options->keep_state, &minibatches),
        done);
    const int64_t windows = px_minibatches_per_epoch(minibatches, 0);
    for (int32_t at = 0; at < most; at += together)
        for (int64_t w = 0; w < windows; w++) {
            px_batch batch;
            if (options->poll) PX_TRY_GOTO(status, options->poll(options->poll_context), done);
            if (at >= count) continue; /* who has fewer streams is asked as often as the others */
            PX_TRY_GOTO(status,
                        px_minibatches_get_streams(minibatches, 0, w, (uint64_t)w, first + at,
                                                   count - at < together ? count - at : together, &batch),
                        done);
            PX_TRY_GOTO(status, px_engine_evaluate(engine, &batch, token_nll), done);
            count_streams(&batch, token_nll, sums + at, tokens + at);
        }
    status = forget_metrics(engine);
done:
    free(token_nll);
    px_minibatches_destroy(minibatches);
    return status;
}

/* ---- many sequences, each from a zero state ---------------------------------------------------------------------- */

/* Slots are the engine's streams. Each works through one sequence and takes the next when it is done, with a reset mark
 * there; windows always have the engine's full shape, idle places being unscored. */
typedef struct slots {
    int32_t n, T;
    size_t next, count;        /* the next sequence to hand out, and how many there are */
    size_t *sequence, *place;  /* [n]: what a slot works on (count: idle), and the position of its next input id */
    int32_t *tokens, *targets; /* [T,n] */
    uint8_t *reset;            /* [T,n] */
    size_t *owner;             /* [T,n] sequence of a scored row */
    float *token_nll;          /* [T,n] */
} slots;

static void slots_free(slots *s)
{
    free(s->sequence);
    free(s->place);
    free(s->tokens);
    free(s->targets);
    free(s->reset);
    free(s->owner);
    free(s->token_nll);
}

static px_status slots_make(slots *s, const px_engine *engine, size_t count)
{
    *s = (slots){.n = engine->shape.n, .T = engine->shape.T, .count = count};
    size_t n = (size_t)s->n, rows = n * (size_t)s->T;
    s->sequence = malloc(n * sizeof *s->sequence);
    s->place = malloc(n * sizeof *s->place);
    s->tokens = malloc(rows * sizeof *s->tokens);
    s->targets = malloc(rows * sizeof *s->targets);
    s->reset = malloc(rows);
    s->owner = malloc(rows * sizeof *s->owner);
    s->token_nll = malloc(rows * sizeof *s->token_nll);
    if (!s->sequence || !s->place || !s->tokens || !s->targets || !s->reset || !s->owner || !s->token_nll)
        return px_fail(PX_ERR_MEMORY, "no memory for a window of %d streams and %d steps", (int)s->n, (int)s->T);
    for (size_t i = 0; i < n; i++) s->sequence[i] = count;
    return PX_OK;
}

/* Lays the next window; returns the number of scored rows, 0 when everything is done. */
static int64_t slots_fill(slots *s, const int32_t *ids, const size_t *begin)
{
    int64_t scored = 0;
    for (int32_t stream = 0; stream < s->n; stream++)
        for (int32_t t = 0; t < s->T; t++) {
            size_t row = (size_t)t * (size_t)s->n + (size_t)stream;
            s->tokens[row] = 0;
            s->targets[row] = -1;
            s->reset[row] = 0;
            if (s->sequence[stream] == s->count) {
                while (s->next < s->count && begin[s->next + 1] - begin[s->next] < 2) s->next++;
                if (s->next == s->count) {
                    s->reset[row] = t == 0; /* an idle stream computes, but never anything that grows */
                    continue;
                }
                s->sequence[stream] = s->next;
                s->place[stream] = begin[s->next];
                s->next++;
                s->reset[row] = 1;
            }
            size_t sequence = s->sequence[stream], place = s->place[stream]++;
            s->tokens[row] = ids[place];
            s->targets[row] = ids[place + 1];
            s->owner[row] = sequence;
            scored++;
            if (place + 2 == begin[sequence + 1]) s->sequence[stream] = s->count;
        }
    return scored;
}

static void add_token(px_sequence_score *score, int32_t id, double nll)
{
    score->nll += nll;
    score->tokens++;
    if (id != 0)
        score->known_nll += nll;
    else
        score->unknown++;
}

px_status px_evaluate_sequences(px_engine *engine, const int32_t *ids, const size_t *begin, size_t count,
                                px_sequence_score *scores)
{
    slots s;
    px_status status;
    int64_t scored;
    for (size_t i = 0; i < count; i++) scores[i] = (px_sequence_score){0};
    PX_TRY_GOTO(status, slots_make(&s, engine, count), done);
    size_t rows = (size_t)s.n * (size_t)s.T;
    while ((scored = slots_fill(&s, ids, begin)) > 0) {
        px_batch batch = {.tokens = s.tokens,
                          .targets = s.targets,
                          .reset = s.reset,
                          .T = s.T,
                          .n = s.n,
                          .streams_in_all = (uint32_t)s.n,
                          .inv_count = 1.0 / (double)scored};
        PX_TRY_GOTO(status, px_engine_evaluate(engine, &batch, s.token_nll), done);
        /* rows go up in t, so a sequence's values are added in its own order, whatever stands beside it */
        for (size_t row = 0; row < rows; row++)
            if (s.targets[row] >= 0) add_token(&scores[s.owner[row]], s.targets[row], s.token_nll[row]);
    }
    status = forget_metrics(engine);
done:
    slots_free(&s);
    return status;
}
