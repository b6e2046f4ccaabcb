/* perplex eval: perplexity of a text under a model or several. The scoring is eval_models.c, line by line eval_lines.c.
 */
#include "check.h"
#include "commands.h"
#include "eval.h"
#include "evaluate.h"
#include "inputs.h"
#include "note.h"
#include "output.h"
#include "outputs.h"
#include "printable.h"
#include "progress.h"
#include "quantity.h"
#include "run_command.h"
#include "scored_text.h"
#include "token_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "perplex eval --model M --data FILE [flags]              FILE - is standard input\n"
    "       perplex eval --model M --split-of RUN valid|test [flags]\n"
    "Scores every token of a text after its first, exactly once, with the hidden state carried through\n"
    "the whole text. M is a .safetensors file, or a run folder (its best model). Of several models the\n"
    "probabilities are averaged, and each has its own figure too.\n";
static const char HELP_END[] =
    "Prints perplexity, nats and bits per token, and all three per byte where the text's length is\n"
    "known; the perplexity per word of models of bytes, characters and pieces.\n"
    "--per-token writes token<TAB>log-probability, --lines prints log-probability<TAB>tokens (natural\n"
    "logarithms). In JSON an infinite perplexity (a token of probability 0) is \"inf\".\n";

static const char *const SETTINGS[] = {"data", "valid", "test", "invalid", "device", "threads", NULL};

enum { DEFAULT_STEPS = 256 };

/* ---- the result ----------------------------------------------------------------------------------------------- */

/* The perplexity of a model of words that gives the text the same probability. */
static double per_word(const px_evaluation *result, size_t words)
{
    return exp(result->loss * (double)result->tokens / (double)words);
}

/* Nats; only where the text's length is known. */
static double per_byte(const px_evaluation *result, const px_scored_text *text)
{
    return result->loss * (double)result->tokens / text->bytes;
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
    if (unknown > 0 && px_vocabulary_lacks_unknown(vocabulary))
        px_note("the model has never seen <unk>, which stands for %lld tokens here: their probabilities mean nothing "
                "(--min-count 2 trains it)",
                (long long)unknown);
}

/* The models' names: "a", "a and 2 more". */
static const char *model_names(const eval_flags *flags, char name[PX_PATHS_NAME_BYTES])
{
    if (flags->models.count == 1) return flags->model;
    snprintf(name, PX_PATHS_NAME_BYTES, "%.500s and %zu more, averaged", flags->model, flags->models.count - 1);
    return name;
}

static void add_models(cJSON *object, const eval_flags *flags, const px_eval_score *scores)
{
    if (flags->models.count == 1) {
        px_dynamic_json(object, &scores->dynamic);
        return;
    }
    cJSON *models = cJSON_CreateArray();
    for (size_t i = 0; i < flags->models.count; i++) {
        cJSON *model = cJSON_CreateObject();
        px_json_text(model, "model", flags->models.value[i], strlen(flags->models.value[i]));
        px_json_number(model, "loss", scores[i].result.loss);
        px_json_number(model, "perplexity", scores[i].result.perplexity);
        px_dynamic_json(model, &scores[i].dynamic);
        cJSON_AddItemToArray(models, model);
    }
    cJSON_AddItemToObject(object, "models", models);
}

static void print_models(FILE *out, const eval_flags *flags, const px_eval_score *scores)
{
    char a[32];
    for (size_t i = 0; i < flags->models.count; i++) {
        if (flags->models.count > 1)
            px_print(out, "alone         %s, perplexity %s\n", flags->models.value[i],
                     px_text_perplexity(a, scores[i].result.perplexity));
        px_dynamic_print(out, &scores[i].dynamic);
    }
}

static px_status print_json(const px_evaluation *result, const px_eval_score *scores, const eval_flags *flags,
                            const px_scored_text *text, size_t words)
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
        px_json_number(object, "perplexity_per_byte", exp(per_byte(result, text)));
        px_json_number(object, "nats_per_byte", per_byte(result, text));
        px_json_number(object, "bits_per_byte", result->bits_per_token * (double)result->tokens / text->bytes);
    }
    add_models(object, flags, scores);
    px_json_count(object, "streams", flags->batch);
    px_json_number(object, "seconds", result->seconds);
    return px_json_print(object);
}

/* Beside tokens on standard output the result goes to standard error. */
static px_status print_result(const px_evaluation *result, const px_eval_score *scores, const eval_flags *flags,
                              const px_scored_text *text, size_t words, int level)
{
    FILE *out = flags->per_token && strcmp(flags->per_token, "-") == 0 ? stderr : stdout;
    static const char *const tokens_called[] = {"byte", "character", "token", "token", "token"};
    char a[32], b[32], c[32], names[PX_PATHS_NAME_BYTES];
    px_print(out, "%s under %s\n", text->name, model_names(flags, names));
    fprintf(out, "perplexity    %s\n", px_text_perplexity(a, result->perplexity));
    fprintf(out, "per %-10s%.5f nats, %.5f bits\n", tokens_called[level], result->loss, result->bits_per_token);
    if (text->bytes > 0 && level != PX_LEVEL_BYTE)
        fprintf(out, "per byte      %.5f nats, %.5f bits, perplexity %s\n", per_byte(result, text),
                result->bits_per_token * (double)result->tokens / text->bytes,
                px_text_perplexity(a, exp(per_byte(result, text))));
    if (result->unknown > 0 && result->unknown < result->tokens)
        fprintf(out, "known tokens  perplexity %s, without the %s that are <unk>\n",
                px_text_perplexity(a, exp(result->known_loss)), px_text_count(b, result->unknown));
    if (words > 0)
        fprintf(out, "per word      perplexity %s, of %s words and line ends\n",
                px_text_perplexity(a, per_word(result, words)), px_text_count(b, (long long)words));
    fprintf(out, "tokens        %s scored, %s unknown, in %s\n", px_text_count(a, result->tokens),
            px_text_count(b, result->unknown), px_text_seconds(c, result->seconds));
    print_models(out, flags, scores);
    return PX_OK;
}

/* ---- the texts ------------------------------------------------------------------------------------------------- */

/* What is scored, and for dynamic evaluation what is learned from beforehand. */
typedef struct eval_texts {
    px_scored_text scored, train, valid; /* train, valid: of --train-text and --valid, else empty */
} eval_texts;

static void close_texts(eval_texts *texts)
{
    px_scored_text_close(&texts->scored);
    px_scored_text_close(&texts->train);
    px_scored_text_close(&texts->valid);
}

static px_status open_file(const px_eval_job *job, const char *path, px_scored_text *text)
{
    if (!path) return PX_OK;
    return px_scored_text_watched(path, job->first->vocabulary, job->config->corpus.text.invalid, job->progress, text);
}

static px_status open_texts(px_eval_job *job, eval_texts *texts)
{
    const eval_flags *flags = job->flags;
    PX_TRY(flags->split_of[0] ? px_scored_text_split(flags->split_of[0], flags->split_of[1], job->config,
                                                     job->first->vocabulary, job->progress, &texts->scored)
                              : open_file(job, job->config->corpus.data, &texts->scored));
    PX_TRY(open_file(job, flags->train_text, &texts->train));
    if (!flags->split_of[0]) PX_TRY(open_file(job, job->config->corpus.valid, &texts->valid));
    const px_corpus *corpus = &texts->scored.corpus;
    job->text = &texts->scored;
    job->texts = (px_dynamic_texts){.train = flags->train_text ? texts->train.range : corpus->train,
                                    .valid = flags->split_of[0] ? corpus->valid : texts->valid.range,
                                    .no_train = "give --train-text FILE, or score a part of a run by --split-of RUN",
                                    .no_valid = "give --valid FILE, or score a part of a run by --split-of RUN test"};
    if (px_dynamic_is_auto(&flags->dynamic) && flags->split_of[0] && strcmp(flags->split_of[1], "valid") == 0)
        fprintf(stderr, "note: --dynamic auto chooses on the validation part, which is the one that is scored\n");
    return PX_OK;
}

static px_status check_streams(const eval_flags *flags, const px_scored_text *text)
{
    const size_t tokens = text->range.end - text->range.begin - 1;
    if ((size_t)flags->batch > tokens)
        return px_fail(PX_ERR_ARGUMENT, "--batch %d: %s has only %zu tokens to score; lower it", flags->batch,
                       text->name, tokens);
    if (flags->batch > 1)
        fprintf(stderr,
                "note: --batch %d cuts the text into %d streams that each start cold, from a zero state; one stream "
                "(the default) carries it through\n",
                flags->batch, flags->batch);
    return PX_OK;
}

static px_status print(const px_eval_job *job, const px_eval_score *scores, const px_evaluation *result)
{
    const px_vocabulary *vocabulary = job->first->vocabulary;
    size_t words;
    PX_TRY(count_words(vocabulary, job->text, &words));
    px_eval_note_unknown(vocabulary, result->unknown);
    if (job->flags->json) return print_json(result, scores, job->flags, job->text, words);
    return print_result(result, scores, job->flags, job->text, words, px_vocabulary_options(vocabulary).level);
}

static px_status score_text(const px_eval_job *job, px_eval_score *scores)
{
    const eval_flags *flags = job->flags;
    px_token_writer writer = {0};
    px_eval_job writing = *job;
    px_evaluation result;
    PX_TRY(check_streams(flags, job->text));
    if (flags->per_token) {
        PX_TRY(px_token_writer_open(flags->per_token, job->first->vocabulary, &writer));
        writing.per_token = px_token_writer_write;
        writing.context = &writer;
    }
    px_status status = px_text_output_close(&writer.output, px_eval_models(&writing, scores, &result));
    px_progress_clear(job->progress);
    return status == PX_OK ? print(job, scores, &result) : status;
}

static px_status open_and_score(const eval_flags *flags, const px_config *config, const px_model_file *first)
{
    px_progress progress;
    px_eval_job job = {.flags = flags, .config = config, .first = first, .progress = &progress};
    eval_texts texts = {0};
    px_eval_score *scores = calloc(flags->models.count, sizeof *scores);
    px_progress_start(&progress, stderr);
    px_status status = scores ? open_texts(&job, &texts) : px_fail(PX_ERR_MEMORY, "eval: no memory");
    if (status == PX_OK) status = score_text(&job, scores);
    px_progress_clear(&progress);
    close_texts(&texts);
    free(scores);
    return status;
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

/* What needs one stream through the text, and what goes with dynamic evaluation alone. */
static px_status check_alone(const eval_flags *flags)
{
    const char *wants = flags->dynamic.rate       ? "dynamic"
                        : flags->models.count > 1 ? "model"
                        : flags->per_token        ? "per-token"
                                                  : NULL;
    PX_TRY(px_dynamic_flags_check(&flags->dynamic));
    if (flags->train_text && !px_dynamic_is_rms(&flags->dynamic))
        return px_fail(PX_ERR_ARGUMENT,
                       "--train-text: is what --dynamic-method rms measures; leave it out, or give that");
    if (flags->lines && (flags->dynamic.rate || flags->models.count > 1))
        return px_fail(PX_ERR_ARGUMENT, "--lines and %s: lines are scored by one model as it is; leave one of them out",
                       flags->dynamic.rate ? "--dynamic" : "several models");
    if (wants && flags->batch > 1)
        return px_fail(PX_ERR_ARGUMENT, "--%s: tokens are taken in order, which needs one stream; leave --batch out",
                       wants);
    return PX_OK;
}

static void settle_steps(eval_flags *flags)
{
    if (flags->steps && flags->dynamic.rate) px_note("--steps has no effect: windows are of --dynamic-steps");
    if (flags->steps && flags->lines) px_note("--steps has no effect: lines are scored side by side");
    if (!flags->steps) flags->steps = DEFAULT_STEPS;
}

static px_status check_flags(eval_flags *flags, const px_config *config)
{
    if (flags->models.count == 0 && flags->split_of[0]) flags->models.value[flags->models.count++] = flags->split_of[0];
    flags->model = flags->models.value[0];
    if (flags->models.count == 0)
        return px_fail(PX_ERR_ARGUMENT, "eval: no model; give --model M, a .safetensors file or a run folder");
    PX_TRY(check_alone(flags));
    if (((config->corpus.valid && !px_dynamic_is_auto(&flags->dynamic)) || config->corpus.test) && !flags->split_of[0])
        return px_fail(PX_ERR_ARGUMENT,
                       "--%s: says where a text of --split-of lies now; a text of its own is given by --data",
                       config->corpus.valid ? "valid" : "test");
    if (!config->corpus.data && !flags->split_of[0])
        return px_fail(PX_ERR_ARGUMENT, "eval: nothing to score; give --data FILE, --data - or --split-of RUN valid");
    if (flags->split_of[0] && strcmp(flags->split_of[1], "valid") != 0 && strcmp(flags->split_of[1], "test") != 0)
        return px_fail(PX_ERR_ARGUMENT, "--split-of %s %s: the part is valid or test", flags->split_of[0],
                       flags->split_of[1]);
    if (flags->lines && flags->split_of[0])
        return px_fail(PX_ERR_ARGUMENT,
                       "--lines and --split-of: a part of a text is cut anywhere, not between lines; give --model M "
                       "--data FILE, whose lines are scored");
    if (flags->lines && flags->per_token) return px_fail(PX_ERR_ARGUMENT, "--lines and --per-token: give one of them");
    if (flags->lines && flags->batch > 1)
        return px_fail(PX_ERR_ARGUMENT, "--lines and --batch: each line is a stream of its own; leave --batch out");
    if (flags->json && flags->per_token && strcmp(flags->per_token, "-") == 0)
        return px_fail(PX_ERR_ARGUMENT,
                       "--per-token - and --json: both are for standard output; give --per-token FILE");
    settle_steps(flags);
    if ((int64_t)flags->batch * flags->steps > INT32_MAX)
        return px_fail(PX_ERR_ARGUMENT, "--batch %d --steps %d: too many tokens a window; lower one of them",
                       flags->batch, flags->steps);
    return PX_OK;
}

static px_status evaluate(px_command_line *line, void *context)
{
    eval_flags *flags = context;
    const px_config *config = line->config;
    px_model_file model;
    PX_TRY(check_flags(flags, config));
    PX_TRY(px_input_model(flags->model, &model));
    px_status status = flags->lines ? px_eval_lines(flags, config, &model) : open_and_score(flags, config, &model);
    px_model_file_close(&model);
    return status;
}

int px_cmd_eval(int argc, char **argv)
{
    eval_flags flags = {.dynamic = PX_DYNAMIC_FLAGS_START, .batch = 1};
    const px_flag own[] = {
        {"model", "M ...", PX_FLAG_LIST, &flags.models, 0, 0,
         "the model, or several; if not given, that of --split-of"},
        {"split-of", "RUN valid|test", PX_FLAG_PAIR, &flags.split_of, 0, 0,
         "score that part of the text that RUN was trained on"},
        {"batch", "n", PX_FLAG_INT32, &flags.batch, 1, 1 << 16,
         "n streams at once: faster, each starts from a zero state [1]"},
        {"steps", "T", PX_FLAG_INT32, &flags.steps, 1, 1 << 20, "tokens per window: memory and speed only [256]"},
        {"per-token", "FILE", PX_FLAG_OUT_TEXT, &flags.per_token, 0, 0,
         "write each token and its log-probability; - is standard output"},
        PX_DYNAMIC_FLAG_ROWS(flags.dynamic),
        {"train-text", "FILE", PX_FLAG_STRING, &flags.train_text, 0, 0,
         "what the model was trained on, for --dynamic-method rms"},
        {"lines", NULL, PX_FLAG_SWITCH, &flags.lines, 0, 0, "score each line on its own, as between two line ends"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "the result as one JSON object on standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {
        .command = "eval", .usage = USAGE, .flags = own, .settings = SETTINGS, .config = &config, .help_end = HELP_END};
    return px_command_run(&line, argc, argv, evaluate, &flags);
}
