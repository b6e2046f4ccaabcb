/* Reading a text with a model and gathering what the inspection tells: see inspect.h. */
#include "inspect.h"

#include "check.h"
#include "machine.h"
#include "network.h"
#include "spectrum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_MAX = 32, CHUNK = 1024, CHECK_EVERY = 256 };
static const double GROUP_BYTES = 64e6, SATURATED = 0.99, REACH = 0.01;

/* Everything that a run needs beside the result. */
typedef struct inspection_work {
    const px_inspect_request *request;
    px_network network;
    size_t L, h, K;
    size_t steps;         /* tokens that are inputs */
    size_t probes, group; /* positions in all, and at most at once */
    size_t depth, row;    /* records of a history, and their numbers (network.h) */
    double *ring;         /* [depth,L,R,h] the latest records; step t is at t mod depth */
    uint8_t *ring_reset;  /* [depth] */
    double *windows;      /* [group,depth,L,R,h] */
    uint8_t *resets;      /* [group,depth] */
    px_history history[GROUP_MAX];
    double *dh, *scratch; /* [group,h]; px_network_scratch */
    double *norm;         /* [probes,L,K+1] */
    size_t waiting, done; /* positions in the group, and finished ones */
    int64_t *often;       /* [L,h] how often a unit was saturated */
} inspection_work;

static void work_free(inspection_work *w)
{
    px_network_destroy(&w->network);
    free(w->ring);
    free(w->ring_reset);
    free(w->windows);
    free(w->resets);
    free(w->dh);
    free(w->scratch);
    free(w->norm);
    free(w->often);
}

static px_status work_make(inspection_work *w, const px_inspect_request *request)
{
    size_t tokens = request->range.end - request->range.begin,
           wanted = (size_t)(request->probes ? request->probes : PX_INSPECT_PROBES);
    *w =
        (inspection_work){.request = request, .L = (size_t)request->model->layers, .h = (size_t)request->model->hidden};
    if (request->lags < 0 || request->lags > PX_INSPECT_MAX_LAGS)
        return px_fail(PX_ERR_ARGUMENT, "%d lags: from 0 to %d", request->lags, PX_INSPECT_MAX_LAGS);
    if (request->probes < 0) return px_fail(PX_ERR_ARGUMENT, "%d positions: at least one is needed", request->probes);
    w->K = (size_t)request->lags;
    if (request->tokens > 0 && (uint64_t)request->tokens < tokens) tokens = (size_t)request->tokens;
    if (tokens < w->K + 2)
        return px_fail(PX_ERR_INPUT,
                       "%zu tokens are too few for %zu lags: at least %zu; take a longer text or fewer lags", tokens,
                       w->K, w->K + 2);
    w->steps = tokens - 1;
    w->probes = w->steps - w->K < wanted ? w->steps - w->K : wanted;
    PX_TRY(px_network_create(request->model, request->parameters, request->weights, &w->network));
    w->depth = px_network_depth(&w->network, w->K);
    w->row = w->L * w->network.values * w->h;
    size_t states = w->depth * w->row;
    w->group = (size_t)fmin(GROUP_MAX, fmax(1, GROUP_BYTES / (double)(states * sizeof *w->windows)));
    if (w->group > w->probes) w->group = w->probes;

    w->ring = calloc(states, sizeof *w->ring);
    w->ring_reset = calloc(w->depth, 1);
    w->windows = malloc(w->group * states * sizeof *w->windows);
    w->resets = malloc(w->group * w->depth);
    w->dh = malloc(w->group * w->h * sizeof *w->dh);
    w->scratch = malloc(px_network_scratch(&w->network, w->group) * sizeof *w->scratch);
    w->norm = malloc(w->probes * w->L * (w->K + 1) * sizeof *w->norm);
    w->often = calloc(w->L * w->h, sizeof *w->often);
    if (!w->ring || !w->ring_reset || !w->windows || !w->resets || !w->dh || !w->scratch || !w->norm || !w->often)
        return px_fail(PX_ERR_MEMORY, "inspection: no memory for %zu positions with %zu lags; lower one of them",
                       w->probes, w->K);
    return PX_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void count_saturated(inspection_work *w)
{
    int relu = w->request->model->cell == PX_CELL_RELU;
    for (size_t l = 0; l < w->L; l++) {
        const double *state = px_network_h(&w->network, w->network.record, l);
        for (size_t j = 0; j < w->h; j++) w->often[l * w->h + j] += relu ? state[j] == 0 : fabs(state[j]) > SATURATED;
    }
}

static void finish_group(inspection_work *w)
{
    if (!w->waiting) return;
    px_network_backward(&w->network, w->history, w->waiting, w->dh, w->norm + w->done * w->L * (w->K + 1), w->scratch);
    w->done += w->waiting;
    w->waiting = 0;
}

/* Position t joins the group: its records are copied out of the ring, lag 0 first; one before the text is behind a
 * reset. */
static void add_position(inspection_work *w, size_t t, int32_t target, double *loss)
{
    size_t slot = w->waiting++, row = w->row;
    double *states = w->windows + slot * w->depth * row;
    uint8_t *resets = w->resets + slot * w->depth;
    for (size_t k = 0; k < w->depth; k++) {
        size_t from = (t + w->depth - k) % w->depth;
        memcpy(states + k * row, w->ring + from * row, row * sizeof *states);
        resets[k] = w->ring_reset[from];
    }
    *loss += px_network_loss(&w->network, target, w->dh + slot * w->h);
    w->history[slot] = (px_history){(int32_t)w->K, states, resets};
    if (w->waiting == w->group) finish_group(w);
}

static px_status read_text(inspection_work *w, double *loss)
{
    const px_inspect_request *request = w->request;
    int32_t ids[CHUNK + 1];
    size_t next = 0, candidates = w->steps - w->K;
    *loss = 0;
    for (size_t begin = 0; begin < w->steps; begin += CHUNK) {
        size_t count = w->steps - begin < CHUNK ? w->steps - begin : CHUNK;
        PX_TRY(px_tokens_copy(request->range.tokens, request->range.begin + begin, count + 1, ids));
        for (size_t i = 0; i < count; i++) {
            size_t t = begin + i, place = t % w->depth;
            int reset = t == 0 || (request->reset_id >= 0 && ids[i] == request->reset_id);
            if (t % CHECK_EVERY == 0) {
                if (request->stop && *request->stop) return px_fail(PX_STOPPED, "stopped while inspecting");
                if (request->progress) request->progress(request->progress_context, (double)t / (double)w->steps);
            }
            PX_TRY(px_network_step(&w->network, ids[i], reset));
            count_saturated(w);
            memcpy(w->ring + place * w->row, w->network.record, w->row * sizeof *w->ring);
            w->ring_reset[place] = (uint8_t)reset;
            /* position number p of P is the middle of the p-th of P equal stretches */
            if (next < w->probes &&
                t == w->K + (size_t)(((double)next + 0.5) * (double)candidates / (double)w->probes)) {
                add_position(w, t, ids[i + 1], loss);
                next++;
            }
        }
    }
    finish_group(w);
    *loss /= (double)w->probes;
    return PX_OK;
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between neighbours of the sorted values. */
static double quantile(const double *sorted, size_t count, double share)
{
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count) return sorted[count - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

/* exp of the slope of log norm[k], k = 1..K: see px_inspect_layer.rate. */
static double fit_rate(const double *norm, size_t K)
{
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (size_t k = 1; k <= K; k++) {
        if (!(norm[k] > 0) || !isfinite(norm[k])) continue;
        double value = log(norm[k]);
        n += 1;
        x += (double)k;
        y += value;
        xx += (double)k * (double)k;
        xy += (double)k * value;
    }
    if (n == 0 && K > 0) return 0;
    return n < 2 ? NAN : exp((n * xy - x * y) / (n * xx - x * x));
}

static px_status sum_up(inspection_work *w, px_inspection *out)
{
    size_t lags = w->K + 1;
    double *at = out->storage = malloc((w->L * 4 * lags + w->probes) * sizeof *at);
    if (!at) return px_fail(PX_ERR_MEMORY, "inspection: no memory for its result");
    double *sorted = at + w->L * 4 * lags;
    for (size_t l = 0; l < w->L; l++, at += 4 * lags) {
        px_inspect_layer *layer = &out->layer[l];
        layer->reach = -1;
        for (size_t k = 0; k < lags; k++) {
            double sum = 0;
            for (size_t p = 0; p < w->probes; p++) sum += sorted[p] = w->norm[(p * w->L + l) * lags + k];
            qsort(sorted, w->probes, sizeof *sorted, ascending);
            at[k] = sum / (double)w->probes;
            at[lags + k] = quantile(sorted, w->probes, 0.1);
            at[2 * lags + k] = quantile(sorted, w->probes, 0.5);
            at[3 * lags + k] = quantile(sorted, w->probes, 0.9);
            if (layer->reach < 0 && at[k] < REACH * at[0]) layer->reach = (int32_t)k;
        }
        layer->norm = at;
        layer->low = at + lags;
        layer->median = at + 2 * lags;
        layer->high = at + 3 * lags;
        layer->rate = fit_rate(at, w->K);
        int64_t often = 0, always = 0;
        for (size_t j = 0; j < w->h; j++) {
            often += w->often[l * w->h + j];
            always += w->often[l * w->h + j] == (int64_t)w->steps;
        }
        layer->saturated = (double)often / (double)w->steps / (double)w->h;
        layer->always_saturated = (double)always / (double)w->h;
        layer->spectral_radius = NAN; /* of several gates there is not one W_hh whose powers are the gradient */
        if (w->network.cell->gates == 1) PX_TRY(px_spectral_radius(w->network.w_hh[l], w->h, &layer->spectral_radius));
    }
    return PX_OK;
}

px_status px_inspect_run(const px_inspect_request *request, px_inspection *inspection)
{
    inspection_work w;
    double started = px_clock();
    *inspection = (px_inspection){.layers = request->model->layers, .lags = request->lags};
    px_status status;
    PX_TRY_GOTO(status, work_make(&w, request), done);
    PX_TRY_GOTO(status, read_text(&w, &inspection->loss), done);
    inspection->tokens = (int64_t)w.steps;
    inspection->probes = (int64_t)w.probes;
    status = sum_up(&w, inspection);
done:
    work_free(&w);
    inspection->seconds = px_clock() - started;
    if (status != PX_OK) px_inspection_free(inspection);
    return status;
}

void px_inspection_free(px_inspection *inspection)
{
    free(inspection->storage);
    *inspection = (px_inspection){0};
}
