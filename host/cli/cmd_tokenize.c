/* perplex tokenize: counts a text's tokens, and writes them as a token file. */
#include "check.h"
#include "commands.h"
#include "corpus.h"
#include "model_file.h"
#include "options.h"
#include "output.h"
#include "printable.h"
#include "quantity.h"
#include "run_text.h"
#include "progress.h"
#include "signals.h"
#include "inputs.h"
#include "paths.h"

#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "perplex tokenize --data FILE [--out FILE.tok] [flags]\n"
    "Counts the tokens of a text and its vocabulary; with --out writes them as a token file, which train\n"
    "and eval read as they need it. The text is streamed: it may be larger than memory.\n";

static const char *const SETTINGS[] = {"data",      "level",     "normalise",    "invalid",
                                       "min-count", "max-vocab", "limit-tokens", NULL};

typedef struct tokenize_flags {
    const char *out, *vocabulary;
    px_flag_list vocabulary_from;
    int json;
} tokenize_flags;

static void print_frequent(const px_vocabulary *vocabulary)
{
    char text[PX_TOKEN_TEXT_BYTES], count[32];
    int32_t size = px_vocabulary_size(vocabulary);
    printf("most frequent:");
    for (int32_t id = 1; id < size && id <= 10; id++)
        printf("%s %s %s", id > 1 ? "," : "", px_input_token_text(vocabulary, id, text),
               px_text_count(count, px_vocabulary_frequency(vocabulary, id)));
    printf("\n");
}

static px_status print_result(const px_tokenize_result *result, const px_vocabulary *vocabulary,
                              const px_config *config, const tokenize_flags *flags)
{
    char name[PX_PATHS_NAME_BYTES];
    px_paths_name(config->corpus.data, name);
    if (flags->json) {
        cJSON *object = cJSON_CreateObject();
        px_json_text(object, "data", name, strlen(name));
        px_json_count(object, "tokens", (long long)result->tokens);
        px_json_count(object, "vocabulary", result->vocabulary);
        px_json_count(object, "unknown", (long long)result->unknown);
        px_json_count(object, "text_bytes", (long long)result->text_bytes);
        px_json_count(object, "id_bytes", result->id_bytes);
        if (flags->out) px_json_text(object, "out", flags->out, strlen(flags->out));
        return px_json_print(object);
    }
    char a[32], b[32], c[32], d[32];
    px_print(stdout, "%s: %s tokens of %s, vocabulary %s (with <unk>), %s unknown\n", name,
             px_text_count(a, (long long)result->tokens), px_text_bytes(b, (double)result->text_bytes),
             px_text_count(c, result->vocabulary), px_text_count(d, (long long)result->unknown));
    print_frequent(vocabulary);
    if (flags->out) px_print(stdout, "written: %s (%d bytes a token)\n", flags->out, result->id_bytes);
    return PX_OK;
}

/* The vocabulary that texts of its own give, with the request's level and bounds. */
static px_status count_vocabulary(const px_flag_list *texts, const px_corpus_request *like, px_vocabulary **vocabulary)
{
    px_tokenize_result counts;
    px_corpus_request request = *like;
    char *data;
    PX_TRY(px_paths_join(texts->value, texts->count, &data));
    request.data = data;
    request.limit_tokens = 0;
    px_status status = px_tokenize(&request, NULL, &counts, vocabulary);
    free(data);
    return status;
}

static px_status tokenize(const px_config *config, const tokenize_flags *flags)
{
    px_progress progress;
    px_tokenize_result result;
    px_vocabulary *given = NULL, *vocabulary = NULL;
    if (!config->corpus.data)
        return px_fail(PX_ERR_ARGUMENT, "tokenize: nothing to read; give --data FILE, or --data - for standard input");
    px_progress_start(&progress, stderr);
    px_corpus_request request;
    px_run_text_request(config, &request);
    request.progress = px_progress_hook_what;
    request.progress_context = &progress;
    px_status status = PX_OK;
    if (flags->vocabulary && flags->vocabulary_from.count) {
        status = px_fail(PX_ERR_ARGUMENT, "--vocabulary and --vocabulary-from: give one of them");
        goto done;
    }
    if (flags->vocabulary) PX_TRY_GOTO(status, px_input_vocabulary(flags->vocabulary, &given), done);
    if (flags->vocabulary_from.count)
        PX_TRY_GOTO(status, count_vocabulary(&flags->vocabulary_from, &request, &given), done);
    request.vocabulary = given;
    if (given) request.text = px_vocabulary_options(given);
    if (given) request.text.invalid = (int)config->corpus.text.invalid;
    if (flags->out) PX_TRY_GOTO(status, px_signals_remove_unfinished(flags->out), done);
    status = px_tokenize(&request, flags->out, &result, &vocabulary);
    px_progress_clear(&progress);
    if (status == PX_OK) status = print_result(&result, vocabulary, config, flags);
done:
    px_vocabulary_destroy(vocabulary);
    px_vocabulary_destroy(given);
    return status;
}

int px_cmd_tokenize(int argc, char **argv)
{
    tokenize_flags flags = {0};
    const px_flag own[] = {
        {"out", "FILE.tok", PX_FLAG_OUT_FILE, &flags.out, 0, 0, "write a token file"},
        {"vocabulary", "FILE", PX_FLAG_STRING, &flags.vocabulary, 0, 0,
         "use the vocabulary and level of this token file or model"},
        {"vocabulary-from", "TRAIN ...", PX_FLAG_LIST, &flags.vocabulary_from, 0, 0,
         "make the vocabulary of these texts alone, as of a training's"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "the counts as one JSON object on standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {
        .command = "tokenize", .usage = USAGE, .flags = own, .settings = SETTINGS, .config = &config};
    px_status status = px_command_line_read(&line, argc, argv);
    if (status == PX_OK && line.help)
        px_help_print(&line);
    else if (status == PX_OK)
        status = tokenize(&config, &flags);
    int code = px_output_end(status);
    px_command_line_free(&line);
    px_config_free(&config);
    return code;
}
