/* Tokens for a case (bench_source.h). */
#include "bench_source.h"

#include "check.h"
#include "machine.h"
#include "synthetic.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOWS = 64 };                     /* synthetic windows before they repeat ... */
static const size_t MAX_TOKENS = 4u << 20; /* ... or fewer, so that large cases stay small in memory */

px_status px_bench_source_open(const px_config *config, px_bench_source *source)
{
    memset(source, 0, sizeof *source);
    source->config = config;
    if (!config->corpus.data) return PX_OK;
    px_corpus_request request = {.data = config->corpus.data,
                                 .text = {.level = config->corpus.text.level,
                                          .normalise = config->corpus.text.normalise,
                                          .invalid = config->corpus.text.invalid},
                                 .min_count = config->corpus.min_count,
                                 .max_vocab = config->corpus.max_vocab,
                                 .split = {1, 0, 0},
                                 .limit_tokens = config->corpus.limit_tokens};
    PX_TRY(px_corpus_open(&request, &source->corpus));
    source->has_corpus = 1;
    return PX_OK;
}

void px_bench_source_close(px_bench_source *source)
{
    if (source->has_corpus) px_corpus_close(&source->corpus);
    memset(source, 0, sizeof *source);
}

int32_t px_bench_source_vocab(const px_bench_source *source)
{
    return source->has_corpus ? px_vocabulary_size(source->corpus.vocabulary) : 0;
}

px_status px_bench_source_clusters(const px_bench_source *source, px_model_config *model, double share[PX_CUTOFFS_MAX])
{
    int64_t *frequency = NULL;
    if (model->output != PX_OUTPUT_ADAPTIVE) return PX_OK;
    if (source->has_corpus && !(frequency = malloc((size_t)model->vocab * sizeof *frequency)))
        return px_fail(PX_ERR_MEMORY, "bench: no memory for the frequencies of %d tokens", (int)model->vocab);
    for (int32_t id = 0; frequency && id < model->vocab; id++)
        frequency[id] = px_vocabulary_frequency(source->corpus.vocabulary, id);
    px_status status = PX_OK;
    if (model->cutoffs.count == 0)
        status = px_cutoffs_choose(frequency, model->vocab, model->hidden, &model->cutoffs);
    else
        status = px_cutoffs_check(&model->cutoffs, model->vocab, model->hidden);
    if (status == PX_OK) px_cutoffs_shares(frequency, model->vocab, &model->cutoffs, share);
    free(frequency);
    return status;
}

static px_status synthetic(const px_bench_source *source, const px_bench_case *c, px_tokens **tokens)
{
    size_t window = (size_t)c->batch * (size_t)c->steps, windows = WINDOWS;
    while (windows > 4 && window * windows > MAX_TOKENS) windows /= 2;
    size_t count = window * windows + 1; /* the last one is a target only */
    size_t available = px_memory_available();
    if (available > 0 && count > available / (2 * sizeof(int32_t))) /* the ids, and their copy */
        return px_fail(PX_ERR_MEMORY, "bench: no memory for %zu synthetic tokens of n=%d, T=%d", count, c->batch,
                       c->steps);
    int32_t *ids = malloc(count * sizeof *ids);
    if (!ids) return px_fail(PX_ERR_MEMORY, "bench: no memory for %zu synthetic tokens", count);
    px_status status = px_synthetic_tokens(source->config->seed, c->vocab, count, ids);
    if (status == PX_OK) status = px_tokens_from_ids(ids, count, tokens);
    free(ids);
    return status;
}

px_status px_bench_source_minibatches(const px_bench_source *source, const px_bench_case *c, px_tokens **tokens,
                                      px_minibatches **minibatches)
{
    *tokens = NULL;
    px_minibatch_options options = {.n = c->batch,
                                    .T = c->steps,
                                    .random = source->config->minibatch.partition == PX_PARTITION_RANDOM,
                                    .reset_probability = source->config->minibatch.reset_probability,
                                    .reset_id = -1,
                                    .seed = source->config->seed};
    if (source->has_corpus) {
        options.range = source->corpus.train;
    } else {
        PX_TRY(synthetic(source, c, tokens));
        options.range = (px_range){*tokens, 0, px_tokens_count(*tokens)};
    }
    px_status status = px_minibatches_create(&options, minibatches);
    if (status != PX_OK) {
        px_tokens_destroy(*tokens);
        *tokens = NULL;
    }
    return status;
}
