/* perplex sample: lets a model write. How tokens become text again is text_sink.c. */
#include "check.h"
#include "commands.h"
#include "inputs.h"
#include "model_engine.h"
#include "output.h"
#include "registry.h"
#include "run_command.h"
#include "sample.h"
#include "text_form.h"
#include "text_sink.h"

#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "perplex sample --model M [--prompt TEXT | --prompt-file FILE] [flags]\n"
    "Writes a prompt and what the model makes of it. The same seed gives the same text. Without a prompt\n"
    "the text begins as after a line end. M is a .safetensors file, or a run folder (its best model).\n";
static const char HELP_END[] =
    "Bytes are written as they are, words with spaces between them and a new line for <eos>. With\n"
    "--count the texts follow each other under headings; --json gives them with their token ids.\n";

static const char *const SETTINGS[] = {"device", "threads", "seed", NULL};

enum { PROMPT_LIMIT = 64 << 20, PROMPT_WINDOW = 256, MAX_COUNT = 4096 };

typedef struct sample_flags {
    const char *model, *prompt, *prompt_file, *stop;
    int64_t length;
    double temperature, top_p;
    int32_t top_k, count;
    int greedy, unk_ok, json, echo;
} sample_flags;

/* ---- the prompt ----------------------------------------------------------------------------------------------- */

typedef struct sample_prompt {
    int32_t *ids;
    size_t count;
    int given; /* 0: made up by px_sample_start, not shown */
} sample_prompt;

static px_status encode_prompt(const sample_flags *flags, const px_vocabulary *vocabulary, const char *text,
                               size_t bytes, sample_prompt *prompt)
{
    size_t unknown;
    char token[64];
    const char *source = flags->prompt                          ? "--prompt"
                         : strcmp(flags->prompt_file, "-") == 0 ? "standard input"
                                                                : flags->prompt_file;
    PX_TRY(px_vocabulary_encode(vocabulary, text, bytes, source, &prompt->ids, &prompt->count, &unknown, token));
    if (token[0] && !flags->unk_ok) {
        const px_level level = px_vocabulary_options(vocabulary).level;
        const char *kind = level == PX_LEVEL_WORD ? "word" : px_level_is_pieces(level) ? "piece" : "character";
        return px_fail(
            PX_ERR_ARGUMENT,
            "%s: the model's vocabulary lacks the %s '%s'; change the prompt, or give --unk-ok to read it as <unk>",
            source, kind, token);
    }
    return PX_OK;
}

static px_status read_prompt_file(const sample_flags *flags, const px_vocabulary *vocabulary, sample_prompt *prompt)
{
    char *text;
    size_t bytes, mark = 0;
    px_status status;
    PX_TRY(px_input_read_all(flags->prompt_file, PROMPT_LIMIT, &text, &bytes));
    if (px_vocabulary_options(vocabulary).level != PX_LEVEL_BYTE)
        PX_TRY_GOTO(status, px_text_form_check(flags->prompt_file, text, bytes, &mark), done);
    status = encode_prompt(flags, vocabulary, text + mark, bytes - mark, prompt);
done:
    free(text);
    return status;
}

static px_status read_prompt(const sample_flags *flags, const px_vocabulary *vocabulary, sample_prompt *prompt)
{
    *prompt = (sample_prompt){.given = 1};
    if (flags->prompt) PX_TRY(encode_prompt(flags, vocabulary, flags->prompt, strlen(flags->prompt), prompt));
    if (flags->prompt_file) PX_TRY(read_prompt_file(flags, vocabulary, prompt));
    if (prompt->count > 0) return PX_OK;
    free(prompt->ids);
    *prompt = (sample_prompt){.ids = malloc(sizeof *prompt->ids), .count = 1};
    if (!prompt->ids) return px_fail(PX_ERR_MEMORY, "no memory for the prompt");
    prompt->ids[0] = px_sample_start(vocabulary);
    return PX_OK;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

typedef struct sample_writer {
    const sample_flags *flags;
    px_text_sink *sinks; /* [count]; the first writes as it goes, the others are kept until it is done */
} sample_writer;

static px_status print_texts(sample_writer *writer)
{
    const sample_flags *flags = writer->flags;
    for (int32_t i = 0; i < flags->count; i++) {
        px_text_sink *sink = &writer->sinks[i];
        if (i > 0) printf("\n--- %d of %d ---\n", i + 1, flags->count);
        PX_TRY(px_text_sink_finish(sink, i > 0 ? stdout : NULL));
    }
    if (px_output_is_terminal()) printf("\n");
    return px_output_flush();
}

static px_status print_json(const sample_writer *writer, uint64_t seed)
{
    const sample_flags *flags = writer->flags;
    cJSON *object = cJSON_CreateObject(), *texts = cJSON_CreateArray();
    char number[32];
    px_json_text(object, "model", flags->model, strlen(flags->model));
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    cJSON_AddRawToObject(object, "seed", number);
    size_t prompt_bytes;
    const char *prompt = px_text_sink_prompt(&writer->sinks[0], &prompt_bytes);
    px_json_text(object, "prompt", prompt, prompt_bytes);
    for (int32_t i = 0; i < flags->count; i++) {
        const px_text_sink *sink = &writer->sinks[i];
        size_t bytes;
        const char *made = px_text_sink_made(sink, &bytes);
        cJSON *row = cJSON_CreateObject(), *ids = cJSON_CreateArray();
        px_json_text(row, "text", made, bytes);
        px_json_count(row, "tokens", (long long)sink->id_count);
        cJSON_AddBoolToObject(row, "stopped", sink->stopped);
        for (size_t k = 0; k < sink->id_count; k++) cJSON_AddItemToArray(ids, cJSON_CreateNumber(sink->ids[k]));
        cJSON_AddItemToObject(row, "ids", ids);
        cJSON_AddItemToArray(texts, row);
    }
    cJSON_AddItemToObject(object, "texts", texts);
    return px_json_print(object);
}

static px_status write_texts(const sample_flags *flags, const px_config *config, const px_model_file *model,
                             const sample_prompt *prompt, px_engine *engine)
{
    sample_writer writer = {.flags = flags, .sinks = calloc((size_t)flags->count, sizeof *writer.sinks)};
    px_status status = PX_OK;
    if (!writer.sinks) return px_fail(PX_ERR_MEMORY, "no memory for %d texts", flags->count);
    for (int32_t i = 0; i < flags->count; i++) {
        FILE *live = i == 0 && !flags->json ? stdout : NULL;
        px_text_sink_start(&writer.sinks[i], model->vocabulary, live, flags->stop);
    }
    if (!flags->json && flags->count > 1) printf("--- 1 of %d ---\n", flags->count);
    for (int32_t i = 0; i < flags->count; i++)
        PX_TRY_GOTO(status,
                    px_text_sink_add_prompt(&writer.sinks[i], prompt->ids, prompt->count, prompt->given && flags->echo),
                    done);
    px_sample_options options = {.length = flags->length,
                                 .temperature = flags->temperature,
                                 .top_k = flags->top_k,
                                 .top_p = flags->top_p,
                                 .greedy = flags->greedy,
                                 .seed = config->seed,
                                 .count = flags->count,
                                 .prompt = prompt->ids,
                                 .prompt_count = prompt->count,
                                 .exclude_unknown = !flags->unk_ok,
                                 .token = px_text_sink_take,
                                 .context = writer.sinks};
    PX_TRY_GOTO(status, px_sample(engine, model->config.model.vocab, &options), done);
    for (int32_t i = 0; i < flags->count; i++) PX_TRY_GOTO(status, writer.sinks[i].status, done);
    status = flags->json ? print_json(&writer, config->seed) : print_texts(&writer);
done:
    for (int32_t i = 0; i < flags->count; i++) px_text_sink_free(&writer.sinks[i]);
    free(writer.sinks);
    return status;
}

/* Flags that have no effect beside the others. */
static void note_idle(const sample_flags *flags)
{
    int greedy = flags->greedy || flags->temperature == 0;
    const char *why = flags->greedy ? "--greedy" : "--temperature 0";
    if (flags->greedy && flags->temperature != 1 && flags->temperature != 0)
        fprintf(stderr, "note: --temperature has no effect beside --greedy\n");
    if (greedy && flags->top_k > 0) fprintf(stderr, "note: --top-k has no effect beside %s\n", why);
    if (greedy && flags->top_p < 1) fprintf(stderr, "note: --top-p has no effect beside %s\n", why);
    if (greedy && flags->count > 1) fprintf(stderr, "note: with %s all %d texts are the same\n", why, flags->count);
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

static px_status sample(px_command_line *line, void *context)
{
    const sample_flags *flags = context;
    const px_config *config = line->config;
    px_model_file model;
    sample_prompt prompt = {0};
    px_engine *engine = NULL;
    if (!flags->model)
        return px_fail(PX_ERR_ARGUMENT, "sample: no model; give --model M, a .safetensors file or a run folder");
    if (flags->prompt && flags->prompt_file)
        return px_fail(PX_ERR_ARGUMENT, "--prompt and --prompt-file: give one of them");
    if (flags->stop && !*flags->stop) return px_fail(PX_ERR_ARGUMENT, "--stop '': the text to stop at is empty");
    note_idle(flags);
    PX_TRY(px_input_model(flags->model, &model));
    px_status status;
    PX_TRY_GOTO(status, read_prompt(flags, model.vocabulary, &prompt), done);
    PX_TRY_GOTO(status,
                px_model_file_engine(&model, px_device_or_default(config->device), flags->count, PROMPT_WINDOW,
                                     px_model_file_threads(&model, config->threads, flags->count), &engine),
                done);
    status = write_texts(flags, config, &model, &prompt, engine);
done:
    px_engine_destroy(engine);
    free(prompt.ids);
    px_model_file_close(&model);
    return status;
}

int px_cmd_sample(int argc, char **argv)
{
    sample_flags flags = {.length = 500, .temperature = 1, .top_p = 1, .count = 1, .echo = 1};
    const px_flag own[] = {
        {"model", "M", PX_FLAG_STRING, &flags.model, 0, 0, "the model"},
        {"prompt", "TEXT", PX_FLAG_STRING, &flags.prompt, 0, 0, "how the text begins"},
        {"prompt-file", "FILE", PX_FLAG_STRING, &flags.prompt_file, 0, 0, "the same from a file; - is standard input"},
        {"echo", NULL, PX_FLAG_SWITCH, &flags.echo, 0, 0,
         "begin with the prompt; --no-echo writes only what is new [yes]"},
        {"length", "k", PX_FLAG_INT64, &flags.length, 0, 1e15, "tokens to make [500]"},
        {"temperature", "x", PX_FLAG_DOUBLE, &flags.temperature, 0, 1e6,
         "below 1: safer, above 1: bolder, 0: as --greedy [1]"},
        {"top-k", "k", PX_FLAG_INT32, &flags.top_k, 0, 2147483647,
         "draw from the k most probable tokens; 0: from all [0]"},
        {"top-p", "p", PX_FLAG_DOUBLE, &flags.top_p, 1e-9, 1,
         "draw from the fewest tokens that have that probability together [1]"},
        {"greedy", NULL, PX_FLAG_SWITCH, &flags.greedy, 0, 0, "always take the most probable token"},
        {"stop", "TEXT", PX_FLAG_STRING, &flags.stop, 0, 0, "end before the first TEXT that is made"},
        {"count", "k", PX_FLAG_INT32, &flags.count, 1, MAX_COUNT, "texts to make, side by side [1]"},
        {"unk-ok", NULL, PX_FLAG_SWITCH, &flags.unk_ok, 0, 0, "allow <unk> in the prompt and in the text"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "the texts as one JSON object on standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {.command = "sample",
                            .usage = USAGE,
                            .flags = own,
                            .settings = SETTINGS,
                            .config = &config,
                            .help_end = HELP_END};
    return px_command_run(&line, argc, argv, sample, &flags);
}
