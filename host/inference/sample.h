/* Continuing a text with an engine that holds a model's weights. */
#ifndef PX_SAMPLE_H
#define PX_SAMPLE_H

#include "corpus.h"
#include "engine.h"

typedef struct px_sample_options {
    int64_t length;     /* tokens to make in each text */
    double temperature; /* 0: as greedy, which ignores it */
    int32_t top_k;      /* 0 = all */
    double top_p;       /* 1 = all */
    int greedy;
    uint64_t seed;
    int32_t count;         /* texts, made side by side; stream i of seed s is always the same text */
    const int32_t *prompt; /* [prompt_count] ids; at least one */
    size_t prompt_count;
    int32_t exclude_unknown; /* 1: <unk> is never drawn */
    /* called for each token made; return non-zero to end that stream */
    int (*token)(void *context, int32_t stream, int32_t id);
    void *context;
} px_sample_options;

/* Where a text begins that has no prompt: after a line end, else after a space, else after the most frequent token. */
int32_t px_sample_start(const px_vocabulary *vocabulary);

/* Token p of stream i is drawn with the uniform (seed, PX_RANDOM_SAMPLE, layer i, element p) of philox.h, so that a
 * stream's text depends neither on `count` nor on the other streams. PX_ERR_NUMERIC where the model's probabilities are
 * not finite. */
px_status px_sample(px_engine *engine, int32_t vocab, const px_sample_options *options);

/* The token drawn from probabilities [V] for a uniform u in [0, 1): temperature, then top-k, then top-p (the smallest
 * set, most probable first, whose share of what top-k left is at least top_p; never empty). Equally probable tokens are
 * taken in order of their ids. scratch: 2 V doubles. Returns -1 where no token can be drawn (all probabilities 0, or a
 * NaN). Public for tests of the statistics. */
int32_t px_sample_choose(const float *probabilities, int32_t vocab, const px_sample_options *options, double u,
                         void *scratch);

#endif
