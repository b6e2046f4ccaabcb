/* Asking a run's model: see examine.h. */
#include "examine.h"

#include "check.h"
#include "evaluate.h"
#include "html.h"
#include "lags.h"
#include "model_engine.h"
#include "paths.h"
#include "registry.h"
#include "note.h"
#include "run_text.h"
#include "surprise.h"
#include "text_sink.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utf8proc.h>

enum {
    STREAMS = 16,
    WINDOW = 64,
    SAMPLE_TOKENS = 700,
    SAMPLE_WORDS = 160,
    STRETCH_TOKENS = 160,
    STRETCH_WORDS = 36,
    SHADES = 8
};
static const double WORK = 3e10; /* multiply-adds that scoring may take: some seconds of one busy core */
static const size_t TOKENS_MAX = 200000, TOKENS_MIN = 3000;

/* ---- the validation text ----------------------------------------------------------------------------------------- */

static px_status check_file(const char *path)
{
    struct stat info;
    if (strcmp(path, "-") == 0) return px_fail(PX_ERR_INPUT, "the run was trained on standard input, which is gone");
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) return px_fail(PX_ERR_INPUT, "%s: not a regular file", path);
    return PX_OK;
}

static px_status check_files(const char *files)
{
    px_paths paths;
    PX_TRY(px_paths_split(files, &paths));
    px_status status = PX_OK;
    for (size_t i = 0; i < paths.count; i++) PX_TRY_GOTO(status, check_file(paths.path[i]), done);
done:
    px_paths_free(&paths);
    return status;
}

/* Opens the run's texts with the model's vocabulary. */
static px_status open_text(const px_run_data *run, px_model_file *model, const px_examine_options *options,
                           px_corpus *corpus)
{
    px_config *config = &model->config;
    px_config remembered;
    int checked;
    if (run->valid_tokens < 2) return px_fail(PX_ERR_INPUT, "the run has no validation text");
    if (!config->corpus.data) return px_fail(PX_ERR_INPUT, "the run does not say what it was trained on");
    PX_TRY(check_files(config->corpus.data));
    if (config->corpus.valid) PX_TRY(check_files(config->corpus.valid));
    if (config->corpus.test) PX_TRY(check_files(config->corpus.test));
    PX_TRY(px_config_copy(&remembered, config));
    const px_run_text_reader reader = {model->vocabulary, options->progress, options->progress_context};
    px_status status = px_run_text_open(run->folder, &remembered, config, &reader, corpus, &checked);
    px_config_free(&remembered);
    PX_TRY(status);
    if (checked || (int64_t)(corpus->valid.end - corpus->valid.begin) == run->valid_tokens) return PX_OK;
    char name[PX_PATHS_NAME_BYTES];
    px_corpus_close(corpus);
    return px_fail(PX_ERR_INPUT, "%s: not the text that %s was trained with: it has changed",
                   px_paths_name(config->corpus.valid ? config->corpus.valid : config->corpus.data, name), run->folder);
}

/* ---- tokens as coloured text ------------------------------------------------------------------------------------- */

static int shade_of(double nll, int32_t vocab)
{
    double share = nll / log(vocab > 2 ? vocab : 2);
    return share >= 1 ? SHADES - 1 : (int)(share * SHADES);
}

static void write_token(px_text *out, const char *text, size_t bytes, double nll, int32_t vocab)
{
    px_text_format(out, "<span class=\"u%d\" title=\"", shade_of(nll, vocab));
    if (isfinite(nll))
        px_text_format(out, "%.2f bits\">", nll / M_LN2);
    else
        px_text_format(out, "probability 0\">");
    if (bytes == 1 && text[0] == '\n')
        px_text_append(out, "↵</span>\n", strlen("↵</span>\n"));
    else {
        px_html_text(out, text, bytes);
        px_text_append(out, "</span>", 7);
    }
}

/* Bytes that are parts of one character are shown as that character, with the sum of their surprise. */
static size_t character_bytes(const char *text, size_t bytes)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &code);
    return used > 0 ? (size_t)used : 1;
}

static void write_bytes(px_text *out, const px_vocabulary *vocabulary, const int32_t *ids, const float *nll,
                        size_t count, int32_t vocab)
{
    char *text = malloc(count + 1);
    if (!text) {
        out->failed = 1;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        const char *token = px_vocabulary_token(vocabulary, ids[i], &bytes);
        text[i] = ids[i] == 0 || bytes != 1 ? '\xff' : token[0]; /* <unk> is shown as what it is: no character */
    }
    for (size_t i = 0; i < count;) {
        size_t used = character_bytes(text + i, count - i);
        double sum = 0;
        for (size_t k = 0; k < used; k++) sum += nll[i + k];
        write_token(out, text + i, used, sum, vocab);
        i += used;
    }
    free(text);
}

/* Pieces as the text that they spell; a very long one as it is spelled. */
static void write_pieces(px_text *out, const px_model_file *model, const int32_t *ids, const float *nll, size_t count)
{
    px_joiner joiner = px_joiner_start(px_vocabulary_options(model->vocabulary).level);
    char text[1024];
    joiner.begins = 0;
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        const char *piece = px_vocabulary_token(model->vocabulary, ids[i], &bytes);
        const int fits = bytes + PX_JOIN_MORE <= sizeof text;
        if (fits) bytes = px_join_piece(&joiner, ids[i], piece, bytes, text);
        write_token(out, fits ? text : piece, bytes, nll[i], px_vocabulary_size(model->vocabulary));
    }
}

static void write_tokens(px_text *out, const px_model_file *model, const int32_t *ids, const float *nll, size_t count)
{
    int32_t vocab = px_vocabulary_size(model->vocabulary);
    if (model->config.corpus.text.level == PX_LEVEL_BYTE) {
        write_bytes(out, model->vocabulary, ids, nll, count, vocab);
        return;
    }
    if (px_level_is_pieces(model->config.corpus.text.level)) {
        write_pieces(out, model, ids, nll, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        const char *token = px_vocabulary_token(model->vocabulary, ids[i], &bytes);
        if (model->config.corpus.text.level == PX_LEVEL_WORD && bytes == 5 && memcmp(token, "<eos>", 5) == 0)
            write_token(out, "\n", 1, nll[i], vocab);
        else {
            write_token(out, token, bytes, nll[i], vocab);
            if (model->config.corpus.text.level == PX_LEVEL_WORD) px_text_append(out, " ", 1);
        }
    }
}

static px_status write_stretch(px_text *out, const px_model_file *model, px_range range, const px_surprise *surprise,
                               const px_stretch *stretch)
{
    char at[32], perplexity[32];
    int32_t *ids = malloc((stretch->count + 1) * sizeof *ids);
    px_status status;
    if (!ids) return px_fail(PX_ERR_MEMORY, "no memory for a stretch of text");
    PX_TRY_GOTO(status, px_tokens_copy(range.tokens, range.begin + 1 + stretch->begin, stretch->count, ids), done);
    px_text_format(out, "<figure class=\"stretch\"><figcaption>from token %s · perplexity %s</figcaption><pre>",
                   px_html_count(at, (double)stretch->begin + 1), px_html_value(perplexity, exp(stretch->nll)));
    write_tokens(out, model, ids, surprise->nll + stretch->begin, stretch->count);
    px_text_format(out, "</pre></figure>\n");
done:
    free(ids);
    return status;
}

static void write_legend(px_text *out, int32_t vocab)
{
    double bits = log2(vocab > 2 ? vocab : 2);
    px_text_format(out, "<p class=\"legend\">bits per token: ");
    for (int i = 0; i < SHADES; i++)
        px_text_format(out, "<span class=\"u%d\">%.1f%s</span>", i, bits * i / SHADES, i + 1 == SHADES ? "+" : "");
    px_text_format(out, "</p>\n");
}

static px_status write_surprise(px_text *out, const px_model_file *model, px_range range, size_t whole,
                                const px_surprise *surprise)
{
    char a[32], b[32];
    px_text_format(out,
                   "<section id=\"surprise\"><h2>What it foresaw, and what it did not</h2>\n<p>Stretches of the "
                   "validation text, each token "
                   "coloured by how much it surprised the best model: −log<sub>2</sub> of the probability it gave. ");
    if (surprise->count + 1 < whole)
        px_text_format(out, "The first %s of %s tokens were looked at.", px_html_count(a, (double)surprise->count),
                       px_html_count(b, (double)whole - 1));
    else
        px_text_format(out, "All %s tokens were looked at.", px_html_count(a, (double)surprise->count));
    px_text_format(out, "</p>\n");
    write_legend(out, px_vocabulary_size(model->vocabulary));
    if (surprise->most_count == 0) px_text_format(out, "<p class=\"note\">The text is too short for a stretch.</p>\n");
    px_text_format(out, "<div class=\"two\"><div><h3>Least surprising</h3>\n");
    for (int i = 0; i < surprise->least_count; i++)
        PX_TRY(write_stretch(out, model, range, surprise, &surprise->least[i]));
    px_text_format(out, "</div><div><h3>Most surprising</h3>\n");
    for (int i = 0; i < surprise->most_count; i++)
        PX_TRY(write_stretch(out, model, range, surprise, &surprise->most[i]));
    px_text_format(out, "</div></div></section>\n");
    return PX_OK;
}

/* A stretch of bytes or characters begins behind white space, so that no word is cut. */
static int is_blank(void *context, int32_t id)
{
    size_t bytes;
    const char *token = px_vocabulary_token(context, id, &bytes);
    return id > 0 && bytes == 1 && (*token == ' ' || *token == '\n' || *token == '\t');
}

static px_status examine_text(px_text *out, const px_model_file *model, px_range range,
                              const px_examine_options *options)
{
    px_engine *engine = NULL;
    px_surprise surprise = {0};
    px_status status;
    size_t whole = range.end - range.begin, most = (size_t)(WORK / (2.0 * (double)(model->parameters.weights + 1)));
    if (most < TOKENS_MIN) most = TOKENS_MIN;
    if (most > TOKENS_MAX) most = TOKENS_MAX;
    if (whole > most + 1) range.end = range.begin + most + 1;
    int32_t n = range.end - range.begin > STREAMS * 1000 ? STREAMS : 1;
    PX_TRY_GOTO(status,
                px_model_file_engine(model, px_device_or_default(options->device), n, WINDOW,
                                     px_model_file_threads(model, options->threads, n), &engine),
                done);
    const px_level level = model->config.corpus.text.level;
    const int parts_anywhere = level == PX_LEVEL_WORD || px_level_is_pieces(level);
    size_t length = parts_anywhere ? STRETCH_WORDS : STRETCH_TOKENS;
    PX_TRY_GOTO(status,
                px_surprise_find(engine, range, model->reset_id, length, parts_anywhere ? NULL : is_blank,
                                 model->vocabulary, options->progress, options->progress_context, &surprise),
                done);
    status = write_surprise(out, model, range, whole, &surprise);
done:
    px_surprise_free(&surprise);
    px_engine_destroy(engine);
    return status;
}

/* ---- a page of its own ------------------------------------------------------------------------------------------- */

static px_status write_page(px_text *out, const px_model_file *model, const px_examine_options *options)
{
    const int64_t length = model->config.corpus.text.level == PX_LEVEL_WORD ? SAMPLE_WORDS : SAMPLE_TOKENS;
    px_engine *engine;
    px_text_sink sink;
    size_t bytes;
    px_status status;
    PX_TRY(px_model_file_engine(model, px_device_or_default(options->device), 1, WINDOW,
                                px_model_file_threads(model, options->threads, 1), &engine));
    px_text_sink_start(&sink, model->vocabulary, NULL, NULL);
    PX_TRY_GOTO(status, px_text_sink_sample(&sink, engine, length, 0.8, model->config.seed), done);
    px_text_format(out,
                   "<section id=\"page\"><h2>A page by the best model</h2>\n<p>Step %lld; temperature 0.8, seed "
                   "%llu.</p>\n<pre class=\"sample\">",
                   (long long)model->step, (unsigned long long)model->config.seed);
    const char *made = px_text_sink_made(&sink, &bytes);
    px_html_text(out, made, bytes);
    px_text_format(out, "</pre></section>\n");
done:
    px_text_sink_free(&sink);
    px_engine_destroy(engine);
    return status;
}

/* A part that cannot be made (the text has changed, the model is gone) leaves a note with the reason in its place;
 * where the system is short of something there is no page. */
static px_status settle(px_status status, px_text *out, size_t keep, const char *id, const char *title)
{
    if (status == PX_OK || status == PX_ERR_MEMORY || status == PX_ERR_IO) return status;
    out->bytes = keep;
    if (out->data) out->data[keep] = 0;
    px_text_format(out, "<section id=\"%s\"><h2>%s</h2>\n<p class=\"note\">Not shown: ", id, title);
    px_html_string(out, px_error_message());
    px_text_format(out, "</p></section>\n");
    return PX_OK;
}

static px_status examine_valid(px_text *out, const px_run_data *run, px_model_file *model,
                               const px_examine_options *options)
{
    static const char title[] = "What it foresaw, and what it did not";
    px_corpus corpus = {0};
    size_t keep = out->bytes;
    px_status status = open_text(run, model, options, &corpus);
    if (status != PX_OK) {
        if (run->valid_tokens >= 2)
            px_note("report: without the passages of the validation text: %s", px_error_message());
        return settle(status, out, keep, "surprise", title);
    }
    PX_TRY_GOTO(status, settle(examine_text(out, model, corpus.valid, options), out, keep, "surprise", title), done);
    keep = out->bytes;
    status = settle(px_lags_write(out, model, corpus.valid, options->progress, options->progress_context), out, keep,
                    "lags", "How far back a loss reaches");
done:
    px_corpus_close(&corpus);
    return status;
}

px_status px_examine_write(px_text *out, const px_run_data *run, const px_examine_options *options)
{
    px_model_file model;
    size_t keep = out->bytes;
    px_status status = px_model_file_open(run->folder, &model);
    if (status != PX_OK) return settle(status, out, keep, "page", "What the model shows");
    if (model.from_last)
        px_text_format(out,
                       "<p class=\"note\">The run has no best.safetensors: what follows is by its last weights, of "
                       "step %lld.</p>\n",
                       (long long)model.step);
    keep = out->bytes;
    PX_TRY_GOTO(status, settle(write_page(out, &model, options), out, keep, "page", "A page by the best model"), done);
    PX_TRY_GOTO(status, examine_valid(out, run, &model, options), done);
    status = px_text_check(out, "report");
done:
    px_model_file_close(&model);
    return status;
}
