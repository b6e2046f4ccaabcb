/* perplex tokenize: counts a text's tokens, and writes them as a token file. */
#include "check.h"
#include "commands.h"
#include "corpus.h"
#include "inputs.h"
#include "model_file.h"
#include "output.h"
#include "paths.h"
#include "printable.h"
#include "progress.h"
#include "quantity.h"
#include "run_command.h"
#include "run_text.h"
#include "signals.h"
#include "tokenize.h"

#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "perplex tokenize --data FILE [--out FILE.tok] [flags]\n"
    "       perplex tokenize --ids FILE ... --tokens LIST [--out FILE.tok] [flags]\n"
    "Counts the tokens of a text and its vocabulary; with --out writes them as a token file, which train\n"
    "and eval read as they need it. The text is streamed: it may be larger than memory.\n"
    "--ids reads ids that another program wrote: uint16 or uint32, little-endian, with llm.c's header or\n"
    "none (nanoGPT). LIST names their tokens in order: one a line, a JSON list or object (token: id), a\n"
    "SentencePiece .vocab, llm.c's tokenizer, a token file or model of perplex, or the word bytes.\n";

static const char *const SETTINGS[] = {"data",      "level",     "normalise",    "invalid",
                                       "min-count", "max-vocab", "limit-tokens", NULL};

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

static px_status print_result(const px_tokenize_result *result, const px_vocabulary *vocabulary, const char *name,
                              const tokenize_flags *flags)
{
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
    px_print(stdout, "%s: %s tokens", name, px_text_count(a, (long long)result->tokens));
    if (result->text_bytes) printf(" of %s", px_text_bytes(b, (double)result->text_bytes));
    printf(", vocabulary %s (with <unk>), %s unknown\n", px_text_count(c, result->vocabulary),
           px_text_count(d, (long long)result->unknown));
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

/* The vocabulary that --vocabulary or --vocabulary-from gives; NULL: neither does. */
static px_status read_given(const tokenize_flags *flags, const px_corpus_request *request, px_vocabulary **given)
{
    if (flags->vocabulary && flags->vocabulary_from.count)
        return px_fail(PX_ERR_ARGUMENT, "--vocabulary and --vocabulary-from: give one of them");
    if (flags->vocabulary) return px_input_vocabulary(flags->vocabulary, given);
    return flags->vocabulary_from.count ? count_vocabulary(&flags->vocabulary_from, request, given) : PX_OK;
}

/* A vocabulary that is there is used as it is. */
static px_status check_given(const px_command_line *line, const tokenize_flags *flags, const px_vocabulary *given)
{
    static const char *const bounds[] = {"min-count", "max-vocab"};
    if (!flags->vocabulary) return PX_OK;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (px_command_line_typed(line, bounds[i]))
            return px_fail(PX_ERR_ARGUMENT,
                           "--%s: bounds a vocabulary that is made, and --vocabulary %s is one; leave "
                           "one of them out",
                           bounds[i], flags->vocabulary);
    const px_text_options options = px_vocabulary_options(given), typed = line->config->corpus.text;
    const char *flag = px_command_line_typed(line, "level") && typed.level != options.level               ? "level"
                       : px_command_line_typed(line, "normalise") && typed.normalise != options.normalise ? "normalise"
                                                                                                          : NULL;
    if (!flag) return PX_OK;
    return px_fail(PX_ERR_ARGUMENT, "--%s %s: %s has tokens of level %s, normalise %s; leave --%s out", flag,
                   px_command_line_typed(line, flag), flags->vocabulary, px_level_name(options.level),
                   px_normalise_name(options.normalise), flag);
}

static px_status tokenize_text(const px_command_line *line, const tokenize_flags *flags, px_progress *progress,
                               char name[PX_PATHS_NAME_BYTES], px_tokenize_result *result, px_vocabulary **vocabulary)
{
    const px_config *config = line->config;
    px_vocabulary *given = NULL;
    px_corpus_request request;
    px_run_text_request(config, &request);
    px_paths_name(config->corpus.data, name);
    request.progress = px_progress_hook_what;
    request.progress_context = progress;
    px_status status = read_given(flags, &request, &given);
    if (status == PX_OK) status = check_given(line, flags, given);
    request.vocabulary = given;
    if (given) request.text = px_vocabulary_options(given);
    if (given) request.text.invalid = (int)config->corpus.text.invalid;
    if (status == PX_OK) status = px_tokenize(&request, flags->out, result, vocabulary);
    px_vocabulary_destroy(given);
    return status;
}

static px_status tokenize_ids(const px_command_line *line, const tokenize_flags *flags, px_progress *progress,
                              char name[PX_PATHS_NAME_BYTES], px_tokenize_result *result, px_vocabulary **vocabulary)
{
    px_vocabulary *given = NULL;
    if (flags->vocabulary) PX_TRY(px_input_vocabulary(flags->vocabulary, &given));
    px_status status = px_tokenize_id_files(line, flags, given, progress, name, result, vocabulary);
    px_vocabulary_destroy(given);
    return status;
}

static px_status check_source(const px_config *config, const tokenize_flags *flags)
{
    if (!config->corpus.data && !flags->ids.count)
        return px_fail(PX_ERR_ARGUMENT,
                       "tokenize: nothing to read; give --data FILE, --data - for standard input, or --ids FILE");
    const char *flag = flags->tokens           ? "tokens"
                       : flags->id_bytes       ? "id-bytes"
                       : flags->names.unknown  ? "unk"
                       : flags->names.line_end ? "eos"
                                               : NULL;
    if (flag && !flags->ids.count)
        return px_fail(PX_ERR_ARGUMENT, "--%s: says something of ids; give them with --ids FILE", flag);
    return PX_OK;
}

static px_status tokenize(px_command_line *line, void *context)
{
    const tokenize_flags *flags = context;
    px_progress progress;
    px_tokenize_result result;
    px_vocabulary *vocabulary = NULL;
    char name[PX_PATHS_NAME_BYTES];
    PX_TRY(check_source(line->config, flags));
    if (flags->out) PX_TRY(px_signals_remove_unfinished(flags->out));
    px_progress_start(&progress, stderr);
    px_status status = flags->ids.count ? tokenize_ids(line, flags, &progress, name, &result, &vocabulary)
                                        : tokenize_text(line, flags, &progress, name, &result, &vocabulary);
    px_progress_clear(&progress);
    if (status == PX_OK) status = print_result(&result, vocabulary, name, flags);
    px_vocabulary_destroy(vocabulary);
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
         "the vocabulary of these texts alone: those of the training data"},
        {"ids", "FILE ...", PX_FLAG_LIST, &flags.ids, 0, 0, "read ids that another program wrote, in place of a text"},
        {"tokens", "LIST", PX_FLAG_STRING, &flags.tokens, 0, 0, "--ids: the tokens that they number"},
        {"id-bytes", "k", PX_FLAG_INT32, &flags.id_bytes, 2, 4,
         "--ids: bytes of an id [a header's, else 2 up to 65,536 tokens]"},
        {"unk", "TOKEN", PX_FLAG_STRING, &flags.names.unknown, 0, 0,
         "--ids: the list's token for what it lacks [<unk>]"},
        {"eos", "TOKEN", PX_FLAG_STRING, &flags.names.line_end, 0, 0,
         "--ids: the list's token for a line end, of words [<eos>]"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "the counts as one JSON object on standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {
        .command = "tokenize", .usage = USAGE, .flags = own, .settings = SETTINGS, .config = &config};
    return px_command_run(&line, argc, argv, tokenize, &flags);
}
