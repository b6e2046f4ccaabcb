/* perplex import: a torch.nn.RNN, GRU or LSTM language model becomes a model of perplex. */
#include "check.h"
#include "commands.h"
#include "file.h"
#include "inputs.h"
#include "model_exchange.h"
#include "model_json.h"
#include "output.h"
#include "printable.h"
#include "quantity.h"
#include "run_command.h"
#include "signals.h"

#include <string.h>

static const char USAGE[] =
    "perplex import FILE.safetensors --out M.safetensors [--vocab LIST] [flags]\n"
    "Reads a language model made of torch.nn.Embedding (or one-hot input), torch.nn.RNN (tanh, or relu\n"
    "by --cell), GRU or LSTM, and torch.nn.Linear, and writes it as a model that eval, sample and the\n"
    "library take.\n"
    "LIST names its tokens in the order of its ids: a text with one token a line, a JSON list or object\n"
    "(token: id), a card of perplex export, a model or token file of perplex; or the word bytes.\n";
static const char HELP_END[] =
    "The file's names are encoder.weight (absent: one-hot), rnn.weight_ih_l0, rnn.weight_hh_l0,\n"
    "rnn.bias_ih_l0, rnn.bias_hh_l0, ..., decoder.weight, decoder.bias; a prefix such as model. is\n"
    "passed over. fp32, fp16, bf16 and fp64 are read. A list without <unk> gets one, with probability 0.\n"
    "Without --level, what the list says or its spelling shows, else char where every token is one\n"
    "character, else word.\n";

static int torch_has(int cell) { return px_cell_of((px_cell)cell)->torch != NULL; }

static const char *const SETTINGS[] = {"level", "normalise", "cell", NULL};
static const px_setting_limits LIMITS[] = {
    {"level", NULL, "LIST's"}, {"cell", torch_has, "the file's; nn.RNN: tanh"}, {0}};

typedef struct import_flags {
    const char *out, *vocab;
    px_vocabulary_names names;
    const char *encoder, *rnn, *decoder;
    int json;
} import_flags;

static px_status print_result(const import_flags *flags, const px_import_result *result)
{
    const px_model_config *sizes = &result->sizes;
    char a[32], b[32];
    if (flags->json) {
        cJSON *object = cJSON_CreateObject();
        px_json_text(object, "model", flags->out, strlen(flags->out));
        px_json_count(object, "vocabulary", sizes->vocab);
        px_json_count(object, "embedding", sizes->embed);
        px_json_count(object, "hidden", sizes->hidden);
        px_json_count(object, "layers", sizes->layers);
        cJSON_AddBoolToObject(object, "tied", sizes->tied);
        cJSON_AddStringToObject(object, "output", px_output_names[sizes->output]);
        px_json_count(object, "parameters", (long long)result->weights);
        cJSON_AddBoolToObject(object, "unknown_added", result->unknown_added);
        px_json_count(object, "placeholders", (long long)result->placeholders);
        px_json_text(object, "prefix", result->prefix, strlen(result->prefix));
        px_json_text(object, "dtype", result->dtype, strlen(result->dtype));
        return px_json_print(object);
    }
    char input[40];
    snprintf(input, sizeof input, sizes->embed ? "embedding of %d%s" : "one-hot input", sizes->embed,
             sizes->tied ? ", tied" : "");
    px_print(stdout, "%s: %d layer%s of %d %s units, %s%s, vocabulary of %s; %s parameters, from %s%s%s\n", flags->out,
             sizes->layers, sizes->layers > 1 ? "s" : "", sizes->hidden, px_cell_of(sizes->cell)->label, input,
             sizes->output == PX_OUTPUT_ADAPTIVE ? ", adaptive output" : "", px_text_count(a, sizes->vocab),
             px_text_count(b, (long long)result->weights), result->dtype, result->prefix[0] ? " under " : "",
             result->prefix);
    if (result->unknown_added)
        fprintf(
            stderr,
            "note: its vocabulary has no <unk>; one was added that has probability 0 (--unk names the list's own)\n");
    if (result->placeholders > 0)
        fprintf(stderr, "note: %zu tokens such as <pad> are no characters; they stand as U+F0000 and up\n",
                result->placeholders);
    return PX_OK;
}

static px_status write_model(const import_flags *flags, const px_import_request *request)
{
    px_import_result result;
    PX_TRY(px_signals_remove_unfinished(flags->out));
    PX_TRY(px_model_import(request, flags->out, &result));
    return print_result(flags, &result);
}

static px_status import_model(px_command_line *line, void *context)
{
    import_flags *flags = context;
    const px_config *config = line->config;
    px_vocabulary_list list = {0};
    if (line->positional_count == 0)
        return px_fail(
            PX_ERR_ARGUMENT,
            "import: of what? give a .safetensors file that holds a language model of torch.nn.RNN, GRU or LSTM");
    if (!flags->out) return px_fail(PX_ERR_ARGUMENT, "import: nowhere to write to; give --out M.safetensors");
    flags->names.level = px_command_line_gave(line, "level") ? (int)config->corpus.text.level : -1;
    flags->names.normalise = px_command_line_gave(line, "normalise") ? (int)config->corpus.text.normalise : -1;
    if (flags->vocab) PX_TRY(px_input_vocabulary_list(flags->vocab, &list));
    px_import_request request = {.path = line->positional[0],
                                 .vocabulary = flags->vocab ? &list : NULL,
                                 .names = flags->names,
                                 .cell = config->model.cell,
                                 .cell_given = px_command_line_gave(line, "cell"),
                                 .encoder = flags->encoder,
                                 .rnn = flags->rnn,
                                 .decoder = flags->decoder};
    px_status status = write_model(flags, &request);
    px_vocabulary_list_free(&list);
    return status;
}

int px_cmd_import(int argc, char **argv)
{
    import_flags flags = {0};
    const px_flag own[] = {
        {"out", "M", PX_FLAG_OUT_FILE, &flags.out, 0, 0, "the model to write"},
        {"vocab", "LIST", PX_FLAG_STRING, &flags.vocab, 0, 0,
         "its tokens; without it a model of 256 tokens is one of bytes"},
        {"unk", "TOKEN", PX_FLAG_STRING, &flags.names.unknown, 0, 0, "the list's token for what it lacks [<unk>]"},
        {"eos", "TOKEN", PX_FLAG_STRING, &flags.names.line_end, 0, 0,
         "the list's token for a line end, at the level of words [<eos>]"},
        {"encoder", "NAME", PX_FLAG_STRING, &flags.encoder, 0, 0, "name of the embedding's module [encoder]"},
        {"rnn", "NAME", PX_FLAG_STRING, &flags.rnn, 0, 0, "name of the recurrent layer's module [rnn]"},
        {"decoder", "NAME", PX_FLAG_STRING, &flags.decoder, 0, 0, "name of the output layer's module [decoder]"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "what was read, as one JSON object on standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {.command = "import",
                            .usage = USAGE,
                            .flags = own,
                            .settings = SETTINGS,
                            .limits = LIMITS,
                            .config = &config,
                            .max_positional = 1,
                            .help_end = HELP_END};
    return px_command_run(&line, argc, argv, import_model, &flags);
}
