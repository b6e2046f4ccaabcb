/* Probabilities of an n-gram model: see ngram.h. Counting is ngram_build.c. */
#include "ngram_internal.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>

static const uint32_t NONE = UINT32_MAX;

void px_ngram_destroy(px_ngram *ngram)
{
    if (!ngram) return;
    for (int32_t k = 0; k <= ngram->order; k++) {
        px_ngram_level *level = &ngram->level[k];
        free(level->token);
        free(level->c);
        free(level->first);
        free(level->total);
        free(level->ones);
        free(level->twos);
    }
    free(ngram);
}

int32_t px_ngram_order(const px_ngram *ngram) { return ngram->order; }

size_t px_ngram_count(const px_ngram *ngram, int32_t k) { return ngram->level[k].count; }

size_t px_ngram_bytes(const px_ngram *ngram)
{
    size_t bytes = sizeof *ngram;
    for (int32_t k = 0; k <= ngram->order; k++)
        bytes += ngram->level[k].count * sizeof(uint32_t) * (k == ngram->order ? 2 : 6);
    return bytes;
}

void px_ngram_discounts(const px_ngram *ngram, int32_t k, double discount[3])
{
    for (int i = 0; i < 3; i++) discount[i] = ngram->level[k].discount[i + 1];
}

/* The continuation of a context by a token, as a place in the level below; NONE. */
static uint32_t find(const px_ngram_level *context, const px_ngram_level *below, uint32_t node, uint32_t token)
{
    size_t low = context->first[node], high = context->first[node + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (below->token[middle] < token)
            low = middle + 1;
        else
            high = middle;
    }
    return low < context->first[node + 1] && below->token[low] == token ? (uint32_t)low : NONE;
}

void px_ngram_start(const px_ngram *ngram, px_ngram_state *state)
{
    state->node[0] = 0;
    for (int32_t k = 1; k < ngram->order; k++) state->node[k] = NONE;
    if (ngram->line_end >= 0 && ngram->order > 1)
        state->node[1] = find(&ngram->level[0], &ngram->level[1], 0, (uint32_t)ngram->line_end);
}

double px_ngram_next(const px_ngram *ngram, px_ngram_state *state, int32_t token)
{
    uint32_t next[PX_NGRAM_MAX_ORDER + 1];
    double p = 1.0 / ngram->vocab;
    int32_t k = 1;
    for (; k <= ngram->order; k++) {
        const px_ngram_level *context = &ngram->level[k - 1], *below = &ngram->level[k];
        uint32_t node = state->node[k - 1];
        if (node == NONE) break; /* nor was a longer context ever seen */
        uint32_t found = next[k] = find(context, below, node, (uint32_t)token);
        if (context->total[node] == 0) continue;
        const double *D = below->discount;
        uint32_t c = found == NONE ? 0 : below->c[found], ones = context->ones[node], twos = context->twos[node];
        uint32_t more = context->first[node + 1] - context->first[node] - ones - twos - (k == 1 ? ngram->unseen : 0);
        double kept = c - D[c < 3 ? c : 3], spread = D[1] * ones + D[2] * twos + D[3] * more;
        p = (kept + spread * p) / context->total[node];
    }
    for (int32_t j = 1; j < ngram->order; j++) state->node[j] = j < k ? next[j] : NONE;
    return p;
}

px_status px_ngram_score(const px_ngram *ngram, px_range range, const px_ngram_options *hooks, double *nll,
                         px_ngram_result *result)
{
    enum { CHUNK = 4096 };
    int32_t ids[CHUNK];
    px_ngram_state state;
    double sum = 0;
    size_t count = range.end - range.begin, unknown;
    *result = (px_ngram_result){0};
    if (count < 2) return px_fail(PX_ERR_INPUT, "%zu tokens: at least 2 are needed to predict one", count);
    px_ngram_start(ngram, &state);
    for (size_t begin = 0; begin < count; begin += CHUNK) {
        size_t here = count - begin < CHUNK ? count - begin : CHUNK;
        if (hooks && hooks->stop && *hooks->stop) return px_fail(PX_STOPPED, "stopped while scoring");
        if (hooks && hooks->progress) hooks->progress(hooks->progress_context, (double)begin / (double)count);
        PX_TRY(px_tokens_copy(range.tokens, range.begin + begin, here, ids));
        for (size_t i = 0; i < here; i++) {
            if (ids[i] < 0 || ids[i] >= ngram->vocab)
                return px_fail(PX_ERR_INPUT, "token %zu is %d, outside a vocabulary of %d", begin + i, ids[i],
                               ngram->vocab);
            double loss = -log(px_ngram_next(ngram, &state, ids[i]));
            if (begin + i == 0) continue;
            sum += loss;
            if (nll) nll[begin + i - 1] = loss;
        }
    }
    result->tokens = (int64_t)count - 1;
    PX_TRY(px_tokens_unknown(range.tokens, range.begin + 1, range.end, &unknown));
    result->unknown = (int64_t)unknown;
    result->loss = sum / (double)result->tokens;
    result->perplexity = exp(result->loss);
    result->bits_per_token = result->loss / M_LN2;
    return PX_OK;
}
