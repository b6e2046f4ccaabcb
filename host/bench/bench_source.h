/* Where a case's tokens come from: a text given with --data, or synthetic ones. */
#ifndef PX_BENCH_SOURCE_H
#define PX_BENCH_SOURCE_H

#include "bench.h"
#include "minibatch.h"

typedef struct px_bench_source {
    const px_config *config;
    px_corpus corpus; /* open where config->corpus.data is given */
    int has_corpus;
} px_bench_source;

px_status px_bench_source_open(const px_config *config, px_bench_source *source);
void px_bench_source_close(px_bench_source *source);
/* The vocabulary of the text, or 0 where tokens are synthetic. */
int32_t px_bench_source_vocab(const px_bench_source *source);
/* Settles the cutoffs of an adaptive output layer for these tokens, where none were given, and gives the share of the
 * tokens that each cluster has; nothing happens where model has a softmax. model->vocab is set. */
px_status px_bench_source_clusters(const px_bench_source *source, px_model_config *model, double share[PX_CUTOFFS_MAX]);
/* Windows for a case, through the same code that a training reads its corpus with. tokens gets synthetic tokens, to be
 * destroyed after the minibatches; NULL with a text. The same case always gets the same windows, on every device. */
px_status px_bench_source_minibatches(const px_bench_source *source, const px_bench_case *c, px_tokens **tokens,
                                      px_minibatches **minibatches);

#endif
