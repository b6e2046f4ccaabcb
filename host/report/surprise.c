/* Scoring a text token by token and picking stretches of it: see surprise.h. */
#include "surprise.h"

#include "check.h"
#include "minibatch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLD_TOKENS = 32 /* a stream knows too little at its beginning to be held to account */ };

/* [n, room] values of each stream in order; streams lie one behind the other in the text. */
typedef struct streams {
    size_t n, room;
    size_t *count;
    float *nll;
} streams;

static px_status keep_values(const px_batch *batch, const float *token_nll, streams *s)
{
    for (size_t row = 0; row < (size_t)batch->T * (size_t)batch->n; row++) {
        size_t i = row % (size_t)batch->n;
        if (batch->targets[row] < 0) continue;
        if (s->count[i] == s->room) return px_fail(PX_ERR_INTERNAL, "a stream is longer than its share of the text");
        s->nll[i * s->room + s->count[i]++] = token_nll[row];
    }
    return PX_OK;
}

static px_status score(px_engine *engine, px_minibatches *minibatches, streams *s,
                       void (*progress)(void *, const char *, double), void *context)
{
    int64_t windows = px_minibatches_per_epoch(minibatches, 0);
    float *token_nll = malloc((size_t)engine->shape.n * (size_t)engine->shape.T * sizeof *token_nll);
    px_status status = PX_OK;
    if (!token_nll) return px_fail(PX_ERR_MEMORY, "no memory to score the validation text");
    for (int64_t w = 0; w < windows; w++) {
        px_batch batch;
        PX_TRY_GOTO(status, px_minibatches_get(minibatches, 0, w, (uint64_t)w, &batch), done);
        PX_TRY_GOTO(status, px_engine_evaluate(engine, &batch, token_nll), done);
        PX_TRY_GOTO(status, keep_values(&batch, token_nll, s), done);
        if (progress) progress(context, "scoring the validation text", (double)(w + 1) / (double)windows);
    }
done:
    free(token_nll);
    return status;
}

/* ---- stretches --------------------------------------------------------------------------------------------------- */

typedef struct picker {
    const px_surprise *surprise;
    const double *sum;          /* [count + 1] of values before each */
    const unsigned char *cold;  /* [count] 1: near a stream's beginning */
    const unsigned char *begin; /* [count] 1: a stretch may begin here; NULL: anywhere */
    unsigned char *taken;       /* [count] */
    size_t length;
} picker;

/* The best stretch that touches no taken one: `sign` 1 for the least mean, -1 for the greatest. */
static int pick(picker *p, double sign, px_stretch *best)
{
    size_t clear = 0; /* tokens up to here that are neither cold nor taken */
    int found = 0;
    for (size_t end = 1; end <= p->surprise->count; end++) {
        clear = p->cold[end - 1] || p->taken[end - 1] ? 0 : clear + 1;
        if (clear < p->length || (p->begin && !p->begin[end - p->length])) continue;
        double mean = (p->sum[end] - p->sum[end - p->length]) / (double)p->length;
        if (isnan(mean) || (found && sign * mean >= sign * best->nll)) continue;
        *best = (px_stretch){end - p->length, p->length, mean};
        found = 1;
    }
    if (found) memset(p->taken + best->begin, 1, best->count);
    return found;
}

static px_status pick_all(px_surprise *s, const unsigned char *cold, const unsigned char *begin, size_t length)
{
    double *sum = calloc(s->count + 1, sizeof *sum);
    unsigned char *taken = calloc(s->count + 1, 1);
    px_status status = PX_OK;
    if (!sum || !taken) {
        status = px_fail(PX_ERR_MEMORY, "no memory to look through the validation text");
        goto done;
    }
    for (size_t i = 0; i < s->count; i++)
        sum[i + 1] = sum[i] + (isfinite(s->nll[i]) ? s->nll[i] : 100); /* ∞ counts as e^-100 */
    picker p = {s, sum, cold, begin, taken, length};
    while (s->most_count < PX_STRETCHES && pick(&p, -1, &s->most[s->most_count])) s->most_count++;
    while (s->least_count < PX_STRETCHES && pick(&p, 1, &s->least[s->least_count])) s->least_count++;
done:
    free(sum);
    free(taken);
    return status;
}

/* *out [count]: 1 behind each token that a stretch may begin behind; NULL where there is none. The caller frees it. */
static px_status mark_beginnings(px_range range, size_t count, int (*begins)(void *context, int32_t id), void *context,
                                 unsigned char **out)
{
    size_t found = 0;
    int32_t id = 0;
    if (!begins) return PX_OK;
    unsigned char *marks = calloc(count + 1, 1);
    px_status status = PX_OK;
    if (!marks) return px_fail(PX_ERR_MEMORY, "no memory to mark where stretches of text begin");
    for (size_t i = 0; i < count; i++) {
        PX_TRY_GOTO(status, px_tokens_at(range.tokens, range.begin + i, &id), done);
        found += marks[i] = (unsigned char)begins(context, id);
    }
    if (found) {
        *out = marks;
        marks = NULL;
    }
done:
    free(marks);
    return status;
}

px_status px_surprise_find(px_engine *engine, px_range range, int32_t reset_id, size_t length,
                           int (*begins)(void *context, int32_t id), void *begins_context,
                           void (*progress)(void *context, const char *what, double share), void *context,
                           px_surprise *surprise)
{
    size_t targets = range.end - range.begin - 1, n = (size_t)engine->shape.n;
    px_minibatches *minibatches = NULL;
    streams s = {.n = n, .room = targets / n + 2, .count = calloc(n, sizeof *s.count)};
    unsigned char *cold = calloc(targets + 1, 1), *begin = NULL;
    px_status status;
    *surprise = (px_surprise){0};
    s.nll = malloc(s.n * s.room * sizeof *s.nll);
    surprise->nll = malloc((targets + 1) * sizeof *surprise->nll);
    if (!s.count || !s.nll || !cold || !surprise->nll) {
        status = px_fail(PX_ERR_MEMORY, "no memory to score the validation text");
        goto done;
    }
    PX_TRY_GOTO(status, px_minibatches_create_eval(range, engine->shape.n, engine->shape.T, reset_id, 0, &minibatches),
                done);
    PX_TRY_GOTO(status, score(engine, minibatches, &s, progress, context), done);
    for (size_t i = 0; i < n; i++) {
        memcpy(surprise->nll + surprise->count, s.nll + i * s.room, s.count[i] * sizeof *s.nll);
        memset(cold + surprise->count, 1, s.count[i] < COLD_TOKENS ? s.count[i] : COLD_TOKENS);
        surprise->count += s.count[i];
    }
    PX_TRY_GOTO(status, mark_beginnings(range, surprise->count, begins, begins_context, &begin), done);
    status = pick_all(surprise, cold, begin, length);
done:
    px_minibatches_destroy(minibatches);
    free(s.count);
    free(s.nll);
    free(cold);
    free(begin);
    if (status != PX_OK) px_surprise_free(surprise);
    return status;
}

void px_surprise_free(px_surprise *surprise)
{
    free(surprise->nll);
    *surprise = (px_surprise){0};
}
