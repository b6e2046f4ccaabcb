/* The few lines at the start of a run: see run.h. */
#include "run.h"

#include "check.h"
#include "devices.h"
#include "quantity.h"
#include "registry.h"

#include <stdio.h>
#include <string.h>

static size_t length(px_range range) { return range.end - range.begin; }

/* *scored_unknown grows by the part's unknown tokens. */
static px_status introduce_part(const px_run *run, const char *what, px_range range, size_t *scored_unknown)
{
    char tokens[32], unknown[32];
    size_t count = length(range);
    size_t missing;
    if (count < 2) return PX_OK;
    PX_TRY(px_tokens_unknown(range.tokens, range.begin, range.end, &missing));
    *scored_unknown += missing;
    if (missing)
        px_run_line(run, "%s: %s tokens, %s of them unknown (%.2f %%)", what, px_text_count(tokens, (long long)count),
                    px_text_count(unknown, (long long)missing), 100.0 * (double)missing / (double)count);
    else
        px_run_line(run, "%s: %s tokens", what, px_text_count(tokens, (long long)count));
    return PX_OK;
}

/* Where <unk> is scored but never trained, its probability alone may decide a perplexity. */
static px_status introduce_parts(const px_run *run)
{
    size_t unknown = 0;
    PX_TRY(introduce_part(run, "validation", run->corpus.valid, &unknown));
    PX_TRY(introduce_part(run, "test", run->corpus.test, &unknown));
    if (unknown > 0 && px_vocabulary_lacks_unknown(run->corpus.vocabulary))
        px_run_line(run,
                    "warning: the training text has no <unk>, so that what the model gives the unknown tokens means "
                    "nothing; --min-count 2 trains it");
    return PX_OK;
}

/* The vocabulary of a plain text is that of its training part; a token file's counts the whole file where it was made
 * of that, and has no token then that never comes. Another tool's list of pieces was made of its own texts. */
static void warn_of_vocabulary(const px_run *run)
{
    const px_corpus *corpus = &run->corpus;
    if (px_level_is_pieces(px_vocabulary_options(corpus->vocabulary).level)) return;
    int cut_from_data = (length(corpus->valid) > 0 && corpus->valid.tokens == corpus->data) ||
                        (length(corpus->test) > 0 && corpus->test.tokens == corpus->data);
    int64_t counted = 0;
    for (int32_t id = 0; id < px_vocabulary_size(corpus->vocabulary); id++) {
        const int64_t frequency = px_vocabulary_frequency(corpus->vocabulary, id);
        if (id > 0 && frequency == 0) return;
        counted += frequency;
    }
    if (cut_from_data && counted == (int64_t)px_tokens_count(corpus->data))
        px_run_line(run, "warning: the token file's vocabulary was made of its validation and test parts, too; perplex "
                         "tokenize --vocabulary-from TRAIN makes "
                         "it of a training text alone");
}

static void introduce_model(px_run *run, double bytes)
{
    const px_model_config *model = &run->config.model;
    char a[32], b[32], input[48], output[48] = "";
    snprintf(input, sizeof input, model->embed ? "%d-wide embeddings%s" : "one-hot input", (int)model->embed,
             model->tied ? ", tied" : "");
    if (model->output == PX_OUTPUT_ADAPTIVE)
        snprintf(output, sizeof output, ", adaptive output (%d cluster%s)", (int)model->cutoffs.count,
                 model->cutoffs.count > 1 ? "s" : "");
    px_run_line(run, "model: %d layer%s of %d %s units, %s%s; %s parameters, %s in all", (int)model->layers,
                model->layers > 1 ? "s" : "", (int)model->hidden, px_cell_of(model->cell)->label, input, output,
                px_text_count(a, (long long)run->parameters.weights), px_text_bytes(b, bytes));
}

px_status px_run_introduce(px_run *run)
{
    const px_model_config *model = &run->config.model;
    px_engine_memory memory;
    char a[32], b[32], device[256];
    px_run_line(run, "corpus: %s tokens to train on, vocabulary of %s (%s)",
                px_text_count(a, (long long)length(run->corpus.train)), px_text_count(b, model->vocab),
                px_level_tokens(run->config.corpus.text.level));
    warn_of_vocabulary(run);
    PX_TRY(introduce_parts(run));
    if (!run->validates) px_run_line(run, "warning: no validation text; best.safetensors will hold the last weights");

    PX_TRY(px_engine_memory_of(px_device_or_default(run->config.device), model, &run->config.optimizer,
                               &run->engine->shape, &memory));
    introduce_model(run, (double)memory.total);
    PX_TRY(px_engine_describe(run->engine, device, sizeof device));
    px_run_line(run, "device: %s", device);
    if (run->share.ranks > 1 || run->share.windows > 1) {
        char ranks[40] = "";
        if (run->share.ranks > 1) snprintf(ranks, sizeof ranks, " on each of %d ranks,", (int)run->share.ranks);
        px_run_line(run, "streams: %d%s in %d window%s of %d; --reduce %s", (int)run->share.streams, ranks,
                    (int)run->share.windows, run->share.windows > 1 ? "s" : "", (int)run->share.n,
                    px_reduce_names[run->share.reduce]);
    }
    if (px_device_is_auto(run->config.device)) px_run_line(run, "device auto took %s", px_engine_choice_text());
    return PX_OK;
}
