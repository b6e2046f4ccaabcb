/* Opening a text for scoring: see scored_text.h. */
#include "scored_text.h"

#include "check.h"
#include "file.h"
#include "inputs.h"
#include "printable.h"
#include "run_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_CONFIG_LIMIT = 1 << 24 };

void px_scored_text_close(px_scored_text *text)
{
    px_tokens_destroy(text->tokens);
    if (text->corpus.vocabulary) px_corpus_close(&text->corpus);
    *text = (px_scored_text){0};
}

static double token_bytes(const px_vocabulary *vocabulary, int32_t id)
{
    size_t bytes;
    px_vocabulary_token(vocabulary, id, &bytes);
    int level = px_vocabulary_options(vocabulary).level;
    return level == PX_LEVEL_BYTE ? 1 : level == PX_LEVEL_WORD ? (double)bytes + 1 : (double)bytes;
}

/* Bytes of the text that the scored pieces spell. */
static px_status count_pieces(const px_vocabulary *vocabulary, px_scored_text *text)
{
    const px_range scored = {text->range.tokens, text->range.begin + 1, text->range.end};
    px_text_size size;
    PX_TRY(px_text_measure(vocabulary, scored, &size));
    text->bytes = (double)size.bytes;
    return PX_OK;
}

px_status px_scored_text_file(const char *path, const px_vocabulary *vocabulary, px_invalid invalid,
                              px_scored_text *text)
{
    return px_scored_text_watched(path, vocabulary, invalid, NULL, text);
}

px_status px_scored_text_watched(const char *path, const px_vocabulary *vocabulary, px_invalid invalid,
                                 px_progress *progress, px_scored_text *text)
{
    px_paths_name(path, text->name);
    PX_TRY(px_tokens_open(path, vocabulary, (int)invalid, progress ? px_progress_hook_what : NULL, progress,
                          &text->tokens));
    size_t count = px_tokens_count(text->tokens);
    text->range = (px_range){text->tokens, 0, count};
    if (count < 2)
        return px_fail(PX_ERR_INPUT, "%s: %s; at least two tokens are needed, the first is only read", text->name,
                       count ? "one token" : "no tokens");
    if (px_level_is_pieces(px_vocabulary_options(vocabulary).level)) return count_pieces(vocabulary, text);
    text->bytes = (double)px_tokens_text_bytes(text->tokens);
    int32_t first;
    PX_TRY(px_tokens_at(text->tokens, 0, &first));
    if (text->bytes > 0) text->bytes -= token_bytes(vocabulary, first);
    return PX_OK;
}

px_status px_run_config(const char *run, px_config *config)
{
    char path[4200], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/config", run);
    PX_TRY(px_file_read(path, RUN_CONFIG_LIMIT, &text, &bytes));
    px_config_default(config);
    px_status status = px_config_read(config, text, bytes, path);
    free(text);
    if (status != PX_OK) px_config_free(config);
    return status;
}

static px_status move_texts(px_config *config, const px_config *elsewhere)
{
    if (elsewhere->corpus.data) PX_TRY(px_config_set(config, "data", elsewhere->corpus.data));
    if (elsewhere->corpus.valid) PX_TRY(px_config_set(config, "valid", elsewhere->corpus.valid));
    return elsewhere->corpus.test ? px_config_set(config, "test", elsewhere->corpus.test) : PX_OK;
}

px_status px_run_texts_open(const char *run, const char *part, const px_config *elsewhere,
                            const px_vocabulary *vocabulary, px_progress *progress, px_config *config,
                            px_corpus *corpus)
{
    char name[PX_PATHS_NAME_BYTES];
    px_config remembered = {0};
    int checked = 0;
    PX_TRY(px_run_config(run, config));
    const px_run_text_reader reader = {vocabulary, px_progress_hook_what, progress};
    PX_TRY(px_config_copy(&remembered, config));
    px_status status;
    PX_TRY_GOTO(status, move_texts(config, elsewhere), opened);
    status = px_run_text_open(run, &remembered, config, &reader, corpus, &checked);
opened:
    px_config_free(&remembered);
    px_progress_clear(progress);
    if (status != PX_OK)
        return elsewhere->corpus.data
                   ? px_fail_context(status, "--split-of %s", run)
                   : px_fail_context(status, "--split-of %s (give --data FILE where its text lies elsewhere now)", run);
    const int is_valid = strcmp(part, "valid") == 0;
    const px_range range = is_valid ? corpus->valid : corpus->test;
    const char *own = is_valid ? config->corpus.valid : config->corpus.test;
    if (range.end - range.begin < 2) {
        px_corpus_close(corpus);
        return px_fail(PX_ERR_INPUT,
                       "--split-of %s %s: this run has no such part; see split, valid and test in %s/config", run, part,
                       run);
    }
    px_print(stderr, "note: --split-of %s: reads %s%s\n", run, px_paths_name(own ? own : config->corpus.data, name),
             checked ? "" : "; without a checkpoint nothing tells whether it is the text of the run");
    return PX_OK;
}

px_status px_scored_text_split(const char *run, const char *part, const px_config *elsewhere,
                               const px_vocabulary *vocabulary, px_progress *progress, px_scored_text *text)
{
    px_config config = {0};
    px_status status = px_run_texts_open(run, part, elsewhere, vocabulary, progress, &config, &text->corpus);
    px_config_free(&config);
    if (status != PX_OK) {
        text->corpus = (px_corpus){0};
        return status;
    }
    text->range = strcmp(part, "valid") == 0 ? text->corpus.valid : text->corpus.test;
    snprintf(text->name, sizeof text->name, "%s part of the text of %.500s", part, run);
    const px_level level = px_vocabulary_options(vocabulary).level;
    if (level == PX_LEVEL_BYTE) text->bytes = (double)(text->range.end - text->range.begin - 1);
    return px_level_is_pieces(level) ? count_pieces(vocabulary, text) : PX_OK;
}
