/* perplex ngram: the baseline beside the network. Counting and smoothing are host/ngram, the network's part is
 * px_evaluate. */
#include "check.h"
#include "commands.h"
#include "dynamic_flags.h"
#include "evaluate.h"
#include "inputs.h"
#include "machine.h"
#include "mixture.h"
#include "model_engine.h"
#include "ngram.h"
#include "output.h"
#include "paths.h"
#include "progress.h"
#include "quantity.h"
#include "registry.h"
#include "run_command.h"
#include "run_text.h"
#include "scored_text.h"
#include "token_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "perplex ngram --order K --data FILE [--valid FILE] [--test FILE] [flags]\n"
    "       perplex ngram --order K --split-of RUN valid|test [--model M]\n"
    "Perplexity of an interpolated modified Kneser-Ney n-gram model, of the same tokens and vocabulary\n"
    "as the network: counted on --data (all of it where --test or --valid is given, else its first share\n"
    "by --split), or on what RUN was trained on.\n";
static const char HELP_END[] =
    "With --model: the network's perplexity on the same tokens, and that of the best linear mixture of\n"
    "the two; its weight is found on the validation part and used on the test part. The result is that\n"
    "of the test part where there is one, else of the validation part; --split-of names the part.\n";

static const char *const SETTINGS[] = {"data",    "valid",     "test",      "level", "normalise",
                                       "invalid", "min-count", "max-vocab", "split", "limit-tokens",
                                       "device",  "threads",   NULL};
enum { DEFAULT_ORDER = 5, WINDOW = 256, VALID = 0, TEST = 1 };

typedef struct ngram_flags {
    const char *model, *split_of[2], *per_token;
    px_dynamic_flags dynamic;
    int32_t order;
    int lines; /* -1: where tokens end lines */
    int json;
} ngram_flags;

/* One text that is scored; range is empty where there is no such part. */
typedef struct ngram_part {
    const char *name;
    px_range range;
    px_ngram_result ngram;
    double *ngram_nll, *network_nll; /* [tokens]; NULL where nobody asks for them */
    double network_loss, mixed_loss;
} ngram_part;

typedef struct ngram_job {
    const ngram_flags *flags;
    px_config config;    /* what the corpus is opened with */
    px_model_file model; /* weights NULL: no network */
    px_corpus corpus;
    px_ngram *ngram;
    px_dynamic_used dynamic;
    ngram_part part[2];
    int32_t line_end; /* -1: n-grams go on across line ends */
    int result;       /* the part that is asked for */
    double weight;    /* of the network in the mixture */
    int weight_from;
    double seconds;
    px_progress progress;
} ngram_job;

static void show_counting(void *context, double share) { px_progress_hook_what(context, "counting n-grams", share); }

static void show_scoring(void *context, double share) { px_progress_hook_what(context, "scoring with n-grams", share); }

static void show_network(void *context, double share)
{
    px_progress_hook_what(context, "scoring with the network", share);
}

static int has(const ngram_part *part) { return part->range.end - part->range.begin >= 2; }

/* ---- texts ------------------------------------------------------------------------------------------------------- */

/* Options that would contradict the model's vocabulary are refused, others follow it. */
static px_status follow_model(ngram_job *job, const px_command_line *line)
{
    px_text_options text = px_vocabulary_options(job->model.vocabulary);
    if (px_command_line_gave(line, "level") && job->config.corpus.text.level != text.level)
        return px_fail(PX_ERR_ARGUMENT, "--level %s: the model's tokens are of level %s; leave --level out",
                       px_level_name(job->config.corpus.text.level), px_level_name(text.level));
    if (px_command_line_gave(line, "min-count") || px_command_line_gave(line, "max-vocab") ||
        px_command_line_gave(line, "normalise"))
        return px_fail(
            PX_ERR_ARGUMENT,
            "--normalise, --min-count, --max-vocab: with --model the vocabulary is the model's; leave them out");
    job->config.corpus.text.level = text.level;
    job->config.corpus.text.normalise = text.normalise;
    return PX_OK;
}

/* The texts of --split-of; --data, --valid and --test say where they lie now. */
static px_status open_texts_of_run(ngram_job *job)
{
    px_config given = job->config;
    job->config = (px_config){0};
    px_status status = px_run_texts_open(job->flags->split_of[0], job->flags->split_of[1], &given,
                                         job->model.vocabulary, &job->progress, &job->config, &job->corpus);
    px_config_free(&given);
    return status;
}

static px_status open_texts(ngram_job *job, const px_command_line *line)
{
    const ngram_flags *flags = job->flags;
    if (!flags->split_of[0]) {
        PX_TRY(px_input_settle_level(line, &job->config));
        if (flags->model) PX_TRY(follow_model(job, line));
        if (job->config.corpus.test && !job->config.corpus.valid && !px_command_line_gave(line, "split")) {
            job->config.corpus.split[0] = 1; /* nothing of --data need lie idle */
            job->config.corpus.split[1] = job->config.corpus.split[2] = 0;
        }
    }
    if (flags->split_of[0])
        PX_TRY(open_texts_of_run(job));
    else {
        px_corpus_request request;
        px_run_text_request(&job->config, &request);
        request.vocabulary = job->model.vocabulary;
        request.progress = px_progress_hook_what;
        request.progress_context = &job->progress;
        PX_TRY(px_corpus_open(&request, &job->corpus));
    }
    px_progress_clear(&job->progress);
    job->part[VALID] = (ngram_part){.name = "valid", .range = job->corpus.valid};
    job->part[TEST] = (ngram_part){.name = "test", .range = job->corpus.test};
    job->result = flags->split_of[0]      ? (strcmp(flags->split_of[1], "test") == 0 ? TEST : VALID)
                  : has(&job->part[TEST]) ? TEST
                                          : VALID;
    char name[PX_PATHS_NAME_BYTES];
    if (!has(&job->part[job->result]))
        return flags->split_of[0]
                   ? px_fail(PX_ERR_INPUT,
                             "--split-of %s %s: this run has no such part; see split, valid and test in %s/config",
                             flags->split_of[0], flags->split_of[1], flags->split_of[0])
                   : px_fail(PX_ERR_INPUT,
                             "%s: nothing is left to score; give --test FILE or a --split such as 0.9,0.05,0.05",
                             px_paths_name(job->config.corpus.data, name));
    if (job->corpus.train.begin == job->corpus.train.end)
        return px_fail(PX_ERR_INPUT, "%s: nothing is left to count n-grams in; the first share of --split is empty",
                       px_paths_name(job->config.corpus.data, name));
    return PX_OK;
}

/* Words come with a token for each line end, and n-gram models of words are models of lines, unless asked otherwise. */
static px_status find_line_end(ngram_job *job)
{
    const px_vocabulary *vocabulary = job->corpus.vocabulary;
    px_text_options text = px_vocabulary_options(vocabulary);
    int words = text.level == PX_LEVEL_WORD;
    job->line_end = -1;
    if (job->flags->lines == 0 || (job->flags->lines < 0 && !words)) return PX_OK;
    job->line_end = text.normalise != PX_NORMALISE_NONE ? -1
                    : words                             ? px_vocabulary_id(vocabulary, "<eos>", 5)
                                                        : px_vocabulary_id(vocabulary, "\n", 1);
    if (job->line_end < 0 && job->flags->lines > 0)
        return px_fail(PX_ERR_ARGUMENT, "--lines: the training text has no line ends as tokens; leave it out");
    return PX_OK;
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

typedef struct nll_list {
    double *next;
} nll_list;

static px_status keep_nll(void *context, int32_t id, double nll)
{
    (void)id;
    *((nll_list *)context)->next++ = nll;
    return PX_OK;
}

/* The network as it is, or learning from what it reads: one of the two is open. */
typedef struct network {
    px_engine *engine;
    px_dynamic *dynamic;
} network;

static px_status open_network(ngram_job *job, const px_config *given, network *net)
{
    const char *device = px_device_or_default(given->device);
    const int32_t threads = px_model_file_threads(&job->model, given->threads, 1);
    if (!job->flags->dynamic.rate) return px_model_file_engine(&job->model, device, 1, WINDOW, threads, &net->engine);
    const px_dynamic_texts texts = {.train = job->corpus.train,
                                    .valid = job->corpus.valid,
                                    .no_train = "give --data FILE",
                                    .no_valid = "give --valid FILE, or a share of --split"};
    return px_dynamic_open(&job->flags->dynamic, &job->model, device, threads, &texts, &job->progress, &net->dynamic,
                           &job->dynamic);
}

static px_status score_network(ngram_job *job, const network *net, ngram_part *part)
{
    nll_list list = {part->network_nll};
    px_evaluation result;
    px_evaluate_options options = {.n = 1,
                                   .T = WINDOW,
                                   .reset_id = job->model.reset_id,
                                   .per_token = keep_nll,
                                   .context = &list,
                                   .progress = show_network,
                                   .progress_context = &job->progress};
    PX_TRY(net->dynamic ? px_dynamic_evaluate(net->dynamic, part->range, &options, &result)
                        : px_evaluate(net->engine, part->range, &options, &result));
    part->network_loss = result.loss;
    return px_evaluate_check(job->flags->model, result.loss);
}

/* The weight is found on the validation part; where there is none, on the only part that there is, which is said. */
static px_status mix(ngram_job *job, const px_config *given)
{
    network net = {0};
    PX_TRY(open_network(job, given, &net));
    px_status status = PX_OK;
    for (int p = VALID; status == PX_OK && p <= TEST; p++)
        if (has(&job->part[p])) status = score_network(job, &net, &job->part[p]);
    px_engine_destroy(net.engine);
    px_dynamic_destroy(net.dynamic);
    PX_TRY(status);
    job->weight_from = has(&job->part[VALID]) ? VALID : TEST;
    const ngram_part *from = &job->part[job->weight_from];
    job->weight = px_mixture_best(from->network_nll, from->ngram_nll, (size_t)from->ngram.tokens);
    for (int p = VALID; p <= TEST; p++) {
        ngram_part *part = &job->part[p];
        if (has(part))
            part->mixed_loss =
                px_mixture_loss(part->network_nll, part->ngram_nll, (size_t)part->ngram.tokens, job->weight);
    }
    return PX_OK;
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

static void add_part(cJSON *object, const ngram_job *job, const ngram_part *part)
{
    px_json_count(object, "tokens", part->ngram.tokens);
    px_json_count(object, "unknown", part->ngram.unknown);
    px_json_number(object, "loss", part->ngram.loss);
    px_json_number(object, "perplexity", part->ngram.perplexity);
    px_json_number(object, "bits_per_token", part->ngram.bits_per_token);
    if (!job->model.weights) return;
    px_json_number(object, "network_perplexity", exp(part->network_loss));
    px_json_number(object, "mixed_perplexity", exp(part->mixed_loss));
}

static px_status print_json(const ngram_job *job)
{
    cJSON *object = cJSON_CreateObject(), *ngrams = cJSON_CreateArray(), *discounts = cJSON_CreateArray();
    px_json_count(object, "order", px_ngram_order(job->ngram));
    cJSON_AddStringToObject(object, "level", px_level_name(px_vocabulary_options(job->corpus.vocabulary).level));
    px_json_count(object, "vocabulary", px_vocabulary_size(job->corpus.vocabulary));
    cJSON_AddBoolToObject(object, "lines", job->line_end >= 0);
    px_json_count(object, "train_tokens", (long long)(job->corpus.train.end - job->corpus.train.begin));
    for (int32_t k = 1; k <= px_ngram_order(job->ngram); k++) {
        double discount[3];
        px_ngram_discounts(job->ngram, k, discount);
        cJSON_AddItemToArray(ngrams, cJSON_CreateNumber((double)px_ngram_count(job->ngram, k)));
        cJSON_AddItemToArray(discounts, cJSON_CreateDoubleArray(discount, 3));
    }
    cJSON_AddItemToObject(object, "ngrams", ngrams);
    cJSON_AddItemToObject(object, "discounts", discounts);
    px_json_count(object, "model_bytes", (long long)px_ngram_bytes(job->ngram));
    cJSON_AddStringToObject(object, "part", job->part[job->result].name);
    add_part(object, job, &job->part[job->result]);
    if (job->model.weights) {
        px_json_text(object, "model", job->flags->model, strlen(job->flags->model));
        px_dynamic_json(object, &job->dynamic);
        px_json_number(object, "weight", job->weight);
        cJSON_AddStringToObject(object, "weight_from", job->part[job->weight_from].name);
    }
    for (int p = VALID; p <= TEST; p++) {
        if (!has(&job->part[p])) continue;
        cJSON *row = cJSON_CreateObject();
        add_part(row, job, &job->part[p]);
        cJSON_AddItemToObject(object, job->part[p].name, row);
    }
    px_json_number(object, "seconds", job->seconds);
    return px_json_print(object);
}

static void print_result(const ngram_job *job)
{
    FILE *out = job->flags->per_token && strcmp(job->flags->per_token, "-") == 0 ? stderr : stdout;
    char a[32], b[32], c[32], d[32];
    fprintf(out, "%d-grams of %s tokens (level %s, vocabulary of %s), modified Kneser-Ney%s; %s, in %s\n",
            px_ngram_order(job->ngram), px_text_count(a, (long long)(job->corpus.train.end - job->corpus.train.begin)),
            px_level_name(px_vocabulary_options(job->corpus.vocabulary).level),
            px_text_count(b, px_vocabulary_size(job->corpus.vocabulary)), job->line_end >= 0 ? ", line by line" : "",
            px_text_bytes(c, (double)px_ngram_bytes(job->ngram)), px_text_seconds(d, job->seconds));
    fprintf(out, "            %12s %12s", "n-grams", "bits");
    if (job->model.weights) fprintf(out, " %12s %12s", "network", "mixture");
    fprintf(out, " %12s %9s\n", "tokens", "unknown");
    for (int p = VALID; p <= TEST; p++) {
        const ngram_part *part = &job->part[p];
        if (!has(part)) continue;
        fprintf(out, "%-12s%12s %12.5f", part->name, px_text_perplexity(a, part->ngram.perplexity),
                part->ngram.bits_per_token);
        if (job->model.weights)
            fprintf(out, " %12s %12s", px_text_perplexity(b, exp(part->network_loss)),
                    px_text_perplexity(c, exp(part->mixed_loss)));
        fprintf(out, " %12s", px_text_count(d, part->ngram.tokens));
        fprintf(out, " %9s\n", px_text_count(d, part->ngram.unknown));
    }
    if (job->model.weights)
        fprintf(out, "mixture     %.4f network + %.4f n-grams, found on the %s part\n", job->weight, 1 - job->weight,
                job->part[job->weight_from].name);
    px_dynamic_print(out, &job->dynamic);
}

/* Room for the losses of single tokens, where they are asked for. */
static px_status make_room(const ngram_job *job, ngram_part *part)
{
    const size_t tokens = part->range.end - part->range.begin - 1;
    const int of_ngrams = job->flags->model || job->flags->per_token, of_network = job->flags->model != NULL;
    if (of_ngrams) part->ngram_nll = malloc(tokens * sizeof *part->ngram_nll);
    if (of_network) part->network_nll = malloc(tokens * sizeof *part->network_nll);
    if ((of_ngrams && !part->ngram_nll) || (of_network && !part->network_nll))
        return px_fail(PX_ERR_MEMORY, "no memory for the losses of %zu tokens", tokens);
    return PX_OK;
}

/* The asked part's tokens under the n-grams alone. */
static px_status write_tokens(const ngram_job *job)
{
    const ngram_part *part = &job->part[job->result];
    px_token_writer writer = {0};
    int32_t id;
    px_status status = px_token_writer_open(job->flags->per_token, job->corpus.vocabulary, &writer);
    for (size_t i = 0; status == PX_OK && i < (size_t)part->ngram.tokens; i++) {
        status = px_tokens_copy(part->range.tokens, part->range.begin + 1 + i, 1, &id);
        if (status == PX_OK) status = px_token_writer_write(&writer, id, part->ngram_nll[i]);
    }
    return px_text_output_close(&writer.output, status);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static px_status run_job(ngram_job *job, const px_config *given, const px_command_line *line)
{
    const ngram_flags *flags = job->flags;
    double started = px_clock();
    if (flags->model) PX_TRY(px_input_model(flags->model, &job->model));
    PX_TRY(open_texts(job, line));
    PX_TRY(find_line_end(job));
    px_ngram_options options = {.order = flags->order,
                                .line_end = job->line_end,
                                .vocab = px_vocabulary_size(job->corpus.vocabulary),
                                .progress = show_counting,
                                .progress_context = &job->progress};
    PX_TRY(px_ngram_create(job->corpus.train, &options, &job->ngram));
    options.progress = show_scoring;
    for (int p = VALID; p <= TEST; p++) {
        ngram_part *part = &job->part[p];
        if (!has(part)) continue;
        PX_TRY(make_room(job, part));
        PX_TRY(px_ngram_score(job->ngram, part->range, &options, part->ngram_nll, &part->ngram));
    }
    if (flags->model) PX_TRY(mix(job, given));
    if (flags->per_token) PX_TRY(write_tokens(job));
    px_progress_clear(&job->progress);
    job->seconds = px_clock() - started;
    if (flags->model && job->weight_from == TEST)
        fprintf(stderr,
                "note: there is no validation part, so the mixture's weight was found on the test part itself\n");
    if (flags->json) return print_json(job);
    print_result(job);
    return PX_OK;
}

static const char *const BESIDE_SPLIT_OF[] = {"device", "threads", "data", "valid", "test", NULL};

static int has_word(const char *const *words, const char *word)
{
    while (*words && strcmp(*words, word) != 0) words++;
    return *words != NULL;
}

static px_status check_network_flags(const px_command_line *line, const ngram_flags *flags)
{
    static const char *const settings[] = {"device", "threads"}; /* n-grams are counted on the CPU, by one thread */
    if (flags->model) return PX_OK;
    if (flags->dynamic.rate) return px_fail(PX_ERR_ARGUMENT, "--dynamic: is for a network; name one by --model");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (px_command_line_typed(line, settings[i]))
            return px_fail(PX_ERR_ARGUMENT, "--%s: is for a network; name one by --model, or leave it out",
                           settings[i]);
    return PX_OK;
}

static px_status count_and_score(px_command_line *line, void *context)
{
    const ngram_flags *flags = context;
    const px_config *given = line->config;
    ngram_job job = {.flags = flags};
    PX_TRY(px_dynamic_flags_check(&flags->dynamic));
    PX_TRY(check_network_flags(line, flags));
    if (flags->json && flags->per_token && strcmp(flags->per_token, "-") == 0)
        return px_fail(PX_ERR_ARGUMENT,
                       "--per-token - and --json: both are for standard output; give --per-token FILE");
    if (!given->corpus.data && !flags->split_of[0])
        return px_fail(PX_ERR_ARGUMENT, "ngram: no text to count n-grams in; give --data FILE, or --split-of RUN test");
    if (flags->split_of[0] && strcmp(flags->split_of[1], "valid") != 0 && strcmp(flags->split_of[1], "test") != 0)
        return px_fail(PX_ERR_ARGUMENT, "--split-of %s %s: the part is valid or test", flags->split_of[0],
                       flags->split_of[1]);
    for (size_t i = 0; flags->split_of[0] && i < line->given_count; i++)
        if (!has_word(BESIDE_SPLIT_OF, line->given[2 * i]))
            return px_fail(PX_ERR_ARGUMENT,
                           "--%s and --split-of: texts and tokens are those of the run; give one of them",
                           line->given[2 * i]);
    PX_TRY(px_config_copy(&job.config, given));
    px_progress_start(&job.progress, stderr);
    px_status status = run_job(&job, given, line);
    px_progress_clear(&job.progress);
    for (int p = VALID; p <= TEST; p++) {
        free(job.part[p].ngram_nll);
        free(job.part[p].network_nll);
    }
    px_ngram_destroy(job.ngram);
    if (job.corpus.vocabulary) px_corpus_close(&job.corpus);
    if (job.model.weights) px_model_file_close(&job.model);
    px_config_free(&job.config);
    return status;
}

int px_cmd_ngram(int argc, char **argv)
{
    ngram_flags flags = {.dynamic = PX_DYNAMIC_FLAGS_START, .order = DEFAULT_ORDER, .lines = -1};
    const px_flag own[] = {
        {"order", "K", PX_FLAG_INT32, &flags.order, 1, PX_NGRAM_MAX_ORDER, "predict from the K-1 tokens before [5]"},
        {"split-of", "RUN valid|test", PX_FLAG_PAIR, &flags.split_of, 0, 0,
         "count what RUN was trained on, score that part of its text"},
        {"model", "M", PX_FLAG_STRING, &flags.model, 0, 0, "a network to compare and to mix with, on its vocabulary"},
        PX_DYNAMIC_FLAG_ROWS(flags.dynamic),
        {"per-token", "FILE", PX_FLAG_OUT_TEXT, &flags.per_token, 0, 0,
         "write each token and its log-probability under the n-grams"},
        {"lines", NULL, PX_FLAG_SWITCH, &flags.lines, 0, 0,
         "n-grams do not cross line ends [words: yes; else --no-lines]"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "the result as one JSON object on standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {.command = "ngram",
                            .usage = USAGE,
                            .flags = own,
                            .settings = SETTINGS,
                            .config = &config,
                            .help_end = HELP_END};
    return px_command_run(&line, argc, argv, count_and_score, &flags);
}
