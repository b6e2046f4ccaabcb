/* Scoring texts with an engine that holds a model's weights. */
#ifndef PX_EVALUATE_H
#define PX_EVALUATE_H

#include "corpus.h"
#include "engine.h"
#include <stdatomic.h>

typedef struct px_evaluation {
    double loss;           /* nats per scored token; +inf where a target had probability 0 */
    double perplexity;     /* exp(loss) */
    double bits_per_token; /* loss / ln 2 */
    double known_loss;     /* nats per scored token that is not <unk>; NaN where there is none */
    int64_t tokens,
        unknown; /* scored tokens; those among them that are <unk>: what the vocabulary lacks, and a literal <unk> */
    double seconds;
} px_evaluation;

typedef struct px_evaluate_options {
    int32_t n, T;     /* streams and window; n = 1 carries the state through the whole text */
    int32_t reset_id; /* document token, -1 = none */
    int keep_state;   /* 1: start from the engine's evaluation state instead of zeros */
    /* called for each scored token in order of position; NULL = not wanted (needs n = 1) */
    px_status (*per_token)(void *context, int32_t id, double nll);
    void *context;
    /* px_evaluate: called with each window and its losses [T,n] once it has been scored; may be NULL */
    px_status (*window)(void *context, const px_batch *batch, const float *token_nll);
    void *window_context;
    void (*progress)(void *context, double share);
    void *progress_context;
    const atomic_int *stop;
    px_status (*poll)(
        void *context); /* px_evaluate_streams: called before each window; what is not PX_OK ends it; may be NULL */
    void *poll_context;
} px_evaluate_options;

/* Scores every token of the range after its first exactly once. PX_STOPPED where *stop became non-zero. The engine's
 * metrics are left cleared. The sum is made in double from single tokens' fp32 values in the order of windows, so that
 * with n = 1 it does not depend on T wherever an engine's values do not. */
px_status px_evaluate(px_engine *engine, px_range range, const px_evaluate_options *options, px_evaluation *result);

/* PX_ERR_NUMERIC where a sum of losses is no number: model's weights are finite, but so large that what is computed
 * from them overflows. A training asks for no such verdict: its next steps show what becomes of it. */
px_status px_evaluate_check(const char *model, double nll);

/* One rank's share of the same: of options->n streams only [first, first + count), a few at a time where the engine has
 * fewer; sums [count] in nats and tokens [count] of each stream, which depend neither on the cut nor on the ranks.
 * count may be 0. most: the largest count of any rank, so that poll is called equally often on all. The engine's
 * metrics are left cleared. */
px_status px_evaluate_streams(px_engine *engine, px_range range, const px_evaluate_options *options, int32_t first,
                              int32_t count, int32_t most, double *sums, int64_t *tokens);

typedef struct px_sequence_score {
    double nll, known_nll;   /* sums in nats: of the scored tokens; of those among them that are not <unk> */
    int64_t tokens, unknown; /* scored tokens; those among them that are <unk> */
} px_sequence_score;

/* Scores sequences each on its own from a zero state; ids of sequence i are ids[begin[i] .. begin[i+1]), its first id
 * is context and not scored. scores [count]. Results do not depend on the order or company of sequences. */
px_status px_evaluate_sequences(px_engine *engine, const int32_t *ids, const size_t *begin, size_t count,
                                px_sequence_score *scores);

#endif
