/* The level that a model without memory reaches: what every curve of a run is held against. */
#include "unigram.h"

#include "check.h"
#include "run.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 4096, TOKENS_MAX = 1 << 26 /* of each text: more would not move the digits that are shown */ };

static px_range bounded(px_range range)
{
    if (range.end - range.begin > TOKENS_MAX) range.end = range.begin + TOKENS_MAX;
    return range;
}

static px_status count(px_range range, int64_t *counts)
{
    int32_t ids[BLOCK];
    for (size_t at = range.begin; at < range.end;) {
        size_t n = range.end - at < BLOCK ? range.end - at : BLOCK;
        PX_TRY(px_tokens_copy(range.tokens, at, n, ids));
        for (size_t i = 0; i < n; i++) counts[ids[i]]++;
        at += n;
    }
    return PX_OK;
}

px_status px_run_unigram_loss(const px_corpus *corpus, double *loss)
{
    size_t V = (size_t)px_vocabulary_size(corpus->vocabulary);
    int64_t *trained = calloc(2 * V, sizeof *trained);
    if (!trained) return px_fail(PX_ERR_MEMORY, "no memory to count %zu tokens", V);
    int64_t *scored = trained + V;
    px_range train = bounded(corpus->train),
             text = bounded(corpus->valid.end - corpus->valid.begin >= 2 ? corpus->valid : corpus->train);
    double sum = 0, all = (double)(train.end - train.begin) + (double)V, tokens = 0;
    px_status status;
    text.begin++; /* a model predicts every token but the first */
    PX_TRY_GOTO(status, count(train, trained), done);
    PX_TRY_GOTO(status, count(text, scored), done);
    for (size_t i = 0; i < V; i++) {
        sum -= (double)scored[i] * log(((double)trained[i] + 1) / all);
        tokens += (double)scored[i];
    }
    *loss = sum / tokens;
done:
    free(trained);
    return status;
}
