/* perplex eval: perplexity of a text under a model. Scoring line by line is eval_lines.c. */
#include "check.h"
#include "commands.h"
#include "eval.h"
#include "evaluate.h"
#include "model_engine.h"
#include "note.h"
#include "options.h"
#include "output.h"
#include "outputs.h"
#include "printable.h"
#include "quantity.h"
#include "progress.h"
#include "scored_text.h"
#include "inputs.h"
#include "registry.h"

#include <math.h>
#include <string.h>

static const char USAGE[] =
    "perplex eval --model M --data FILE [flags]              FILE - is standard input\n"
    "       perplex eval --model M --split-of RUN valid|test [flags]\n"
    "Scores every token of a text after its first, exactly once, with the hidden state carried through\n"
    "the whole text. M is a .safetensors file, or a run folder (its best model).\n";
static const char HELP_END[] =
    "Prints perplexity, nats and bits per token, per byte where the text's length is known, and the\n"
    "perplexity per word of models of bytes, characters and pieces.\n"
    "--per-token writes token<TAB>log-probability, --lines prints log-probability<TAB>tokens (natural\n"
    "logarithms). In JSON an infinite perplexity (a token of probability 0) is \"inf\".\n";

static const char *const SETTINGS[] = {"data", "valid", "test", "invalid", "device", "threads", NULL};

enum { DEFAULT_STEPS = 256 };

/* ---- per token ------------------------------------------------------------------------------------------------ */

typedef struct token_writer {
    px_text_output output;
    const px_vocabulary *vocabulary;
} token_writer;

static px_status write_token(void *context, int32_t id, double nll)
{
    token_writer *writer = context;
    char text[PX_TOKEN_TEXT_BYTES];
    if (fprintf(writer->output.stream, "%s\t%.9g\n", px_input_token_text(writer->vocabulary, id, text),
                nll == 0 ? 0 : -nll) < 0)
        return px_text_output_failed(&writer->output);
    return PX_OK;
}

/* ---- the result ----------------------------------------------------------------------------------------------- */

/* The perplexity of a model of words that gives the text the same probability. */
static double per_word(const px_evaluation *result, size_t words)
{
    return exp(result->loss * (double)result->tokens / (double)words);
}

/* 0 where tokens are words, or the text has lost what parts them. */
static px_status count_words(const px_vocabulary *vocabulary, const px_scored_text *text, size_t *words)
{
    px_text_options options = px_vocabulary_options(vocabulary);
    px_range scored = {text->range.tokens, text->range.begin + 1, text->range.end};
    px_text_size size = {0};
    px_status status = PX_OK;
    if (options.level != PX_LEVEL_WORD && options.normalise != PX_NORMALISE_LETTERS_BY_LINE)
        status = px_text_measure(vocabulary, scored, &size);
    *words = size.words;
    return status;
}

void px_eval_note_unknown(const px_vocabulary *vocabulary, int64_t unknown)
{
    int never = px_vocabulary_frequency(vocabulary, 0) == 0 && px_vocabulary_size(vocabulary) > 1 &&
                px_vocabulary_frequency(vocabulary, 1) > 0;
    if (unknown > 0 && never)
        px_note("the model has never seen <unk>, which stands for %lld tokens here: their probabilities mean nothing "
                "(--min-count 2 trains it)",
                (long long)unknown);
}

static px_status print_json(const px_evaluation *result, const eval_flags *flags, const px_scored_text *text,
                            size_t words)
{
    cJSON *object = cJSON_CreateObject();
    px_json_text(object, "model", flags->model, strlen(flags->model));
    px_json_text(object, "text", text->name, strlen(text->name));
    px_json_count(object, "tokens", result->tokens);
    px_json_count(object, "unknown", result->unknown);
    px_json_number(object, "loss", result->loss);
    px_json_number(object, "perplexity", result->perplexity);
    px_json_number(object, "bits_per_token", result->bits_per_token);
    px_json_number(object, "perplexity_known", exp(result->known_loss));
    if (words > 0) {
        px_json_count(object, "words", (long long)words);
        px_json_number(object, "perplexity_per_word", per_word(result, words));
    }
    if (text->bytes > 0) {
        px_json_number(object, "nats_per_byte", result->loss * (double)result->tokens / text->bytes);
        px_json_number(object, "bits_per_byte", result->bits_per_token * (double)result->tokens / text->bytes);
    }
    px_json_count(object, "streams", flags->batch);
    px_json_number(object, "seconds", result->seconds);
    return px_json_print(object);
}

/* Beside tokens on standard output the result goes to standard error. */
static px_status print_result(const px_evaluation *result, const eval_flags *flags, const px_scored_text *text,
                              size_t words, int level)
{
    FILE *out = flags->per_token && strcmp(flags->per_token, "-") == 0 ? stderr : stdout;
    static const char *const tokens_called[] = {"byte", "character", "token", "token", "token"};
    char a[32], b[32], c[32];
    px_print(out, "%s under %s\n", text->name, flags->model);
    fprintf(out, "perplexity    %s\n", px_text_perplexity(a, result->perplexity));
    fprintf(out, "per %-10s%.5f nats, %.5f bits\n", tokens_called[level], result->loss, result->bits_per_token);
    if (text->bytes > 0 && level != PX_LEVEL_BYTE)
        fprintf(out, "per byte      %.5f nats, %.5f bits\n", result->loss * (double)result->tokens / text->bytes,
                result->bits_per_token * (double)result->tokens / text->bytes);
    if (result->unknown > 0 && result->unknown < result->tokens)
        fprintf(out, "known tokens  perplexity %s, without the %s that are <unk>\n",
                px_text_perplexity(a, exp(result->known_loss)), px_text_count(b, result->unknown));
    if (words > 0)
        fprintf(out, "per word      perplexity %s, of %s words and line ends\n",
                px_text_perplexity(a, per_word(result, words)), px_text_count(b, (long long)words));
    fprintf(out, "tokens        %s scored, %s unknown, in %s\n", px_text_count(a, result->tokens),
            px_text_count(b, result->unknown), px_text_seconds(c, result->seconds));
    return PX_OK;
}

static px_status score_text(const eval_flags *flags, const px_config *config, const px_model_file *model)
{
    px_scored_text text = {0};
    token_writer writer = {0};
    px_engine *engine = NULL;
    px_evaluation result;
    size_t words = 0;
    px_progress progress;
    px_progress_start(&progress, stderr);
    px_status status = flags->split_of[0] ? px_scored_text_split(flags->split_of[0], flags->split_of[1], config,
                                                                 model->vocabulary, &progress, &text)
                                          : px_scored_text_watched(config->corpus.data, model->vocabulary,
                                                                   config->corpus.text.invalid, &progress, &text);
    if (status != PX_OK) goto done;
    if ((size_t)flags->batch > text.range.end - text.range.begin - 1) {
        status = px_fail(PX_ERR_ARGUMENT, "--batch %d: %s has only %zu tokens to score; lower it", flags->batch,
                         text.name, text.range.end - text.range.begin - 1);
        goto done;
    }
    if (flags->batch > 1)
        fprintf(stderr,
                "note: --batch %d cuts the text into %d streams that each start cold, from a zero state; one stream "
                "(the default) carries it through\n",
                flags->batch, flags->batch);
    if (flags->per_token) PX_TRY_GOTO(status, px_text_output_open("per-token", flags->per_token, &writer.output), done);
    writer.vocabulary = model->vocabulary;
    PX_TRY_GOTO(status,
                px_model_file_engine(model, px_device_or_default(config->device), flags->batch, flags->steps,
                                     px_model_file_threads(model, config->threads, flags->batch), &engine),
                done);
    px_evaluate_options options = {.n = flags->batch,
                                   .T = flags->steps,
                                   .reset_id = model->reset_id,
                                   .progress = px_progress_hook_share,
                                   .progress_context = &progress};
    if (flags->per_token) {
        options.per_token = write_token;
        options.context = &writer;
    }
    status = px_evaluate(engine, text.range, &options, &result);
    px_progress_clear(&progress);
    status = px_text_output_close(&writer.output, status);
    if (status == PX_OK) status = count_words(model->vocabulary, &text, &words);
    if (status == PX_OK) px_eval_note_unknown(model->vocabulary, result.unknown);
    if (status == PX_OK)
        status = flags->json
                     ? print_json(&result, flags, &text, words)
                     : print_result(&result, flags, &text, words, px_vocabulary_options(model->vocabulary).level);
done:
    px_progress_clear(&progress);
    status = px_text_output_close(&writer.output, status);
    px_engine_destroy(engine);
    px_scored_text_close(&text);
    return status;
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

static px_status check_flags(eval_flags *flags, const px_config *config)
{
    if (!flags->model && flags->split_of[0]) flags->model = flags->split_of[0];
    if (!flags->model)
        return px_fail(PX_ERR_ARGUMENT, "eval: no model; give --model M, a .safetensors file or a run folder");
    if ((config->corpus.valid || config->corpus.test) && !flags->split_of[0])
        return px_fail(PX_ERR_ARGUMENT,
                       "--%s: says where a text of --split-of lies now; a text of its own is given by --data",
                       config->corpus.valid ? "valid" : "test");
    if (!config->corpus.data && !flags->split_of[0])
        return px_fail(PX_ERR_ARGUMENT, "eval: nothing to score; give --data FILE, --data - or --split-of RUN valid");
    if (flags->split_of[0] && strcmp(flags->split_of[1], "valid") != 0 && strcmp(flags->split_of[1], "test") != 0)
        return px_fail(PX_ERR_ARGUMENT, "--split-of %s %s: the part is valid or test", flags->split_of[0],
                       flags->split_of[1]);
    if (flags->lines && flags->split_of[0])
        return px_fail(PX_ERR_ARGUMENT, "--lines: needs --data FILE, whose lines are scored");
    if (flags->lines && flags->per_token) return px_fail(PX_ERR_ARGUMENT, "--lines and --per-token: give one of them");
    if (flags->lines && flags->batch > 1)
        return px_fail(PX_ERR_ARGUMENT, "--lines and --batch: each line is a stream of its own; leave --batch out");
    if (flags->per_token && flags->batch > 1)
        return px_fail(PX_ERR_ARGUMENT,
                       "--per-token: tokens are written in order, which needs one stream; leave --batch out");
    if (flags->json && flags->per_token && strcmp(flags->per_token, "-") == 0)
        return px_fail(PX_ERR_ARGUMENT,
                       "--per-token - and --json: both are for standard output; give --per-token FILE");
    if ((int64_t)flags->batch * flags->steps > INT32_MAX)
        return px_fail(PX_ERR_ARGUMENT, "--batch %d --steps %d: too many tokens a window; lower one of them",
                       flags->batch, flags->steps);
    return PX_OK;
}

static px_status evaluate(eval_flags *flags, const px_config *config)
{
    px_model_file model;
    PX_TRY(check_flags(flags, config));
    PX_TRY(px_input_model(flags->model, &model));
    px_status status = flags->lines ? px_eval_lines(flags, config, &model) : score_text(flags, config, &model);
    px_model_file_close(&model);
    return status;
}

int px_cmd_eval(int argc, char **argv)
{
    eval_flags flags = {.batch = 1, .steps = DEFAULT_STEPS};
    const px_flag own[] = {
        {"model", "M", PX_FLAG_STRING, &flags.model, 0, 0, "the model; if not given, that of --split-of"},
        {"split-of", "RUN valid|test", PX_FLAG_PAIR, &flags.split_of, 0, 0,
         "score that part of the text that RUN was trained on"},
        {"batch", "n", PX_FLAG_INT32, &flags.batch, 1, 1 << 16,
         "n streams at once: faster, each starts from a zero state [1]"},
        {"steps", "T", PX_FLAG_INT32, &flags.steps, 1, 1 << 20, "tokens per window: memory and speed only [256]"},
        {"per-token", "FILE", PX_FLAG_OUT_TEXT, &flags.per_token, 0, 0,
         "write each token and its log-probability; - is standard output"},
        {"lines", NULL, PX_FLAG_SWITCH, &flags.lines, 0, 0, "score each line on its own, as between two line ends"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "the result as one JSON object on standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {
        .command = "eval", .usage = USAGE, .flags = own, .settings = SETTINGS, .config = &config, .help_end = HELP_END};
    px_status status = px_command_line_read(&line, argc, argv);
    if (status == PX_OK && line.help)
        px_help_print(&line);
    else if (status == PX_OK)
        status = evaluate(&flags, &config);
    int code = px_output_end(status);
    px_command_line_free(&line);
    px_config_free(&config);
    return code;
}
