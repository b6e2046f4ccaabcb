/* perplex export: a model for other programs: its weights alone, and a card that says all the rest. */
#include "check.h"
#include "commands.h"
#include "file.h"
#include "inputs.h"
#include "model_exchange.h"
#include "model_json.h"
#include "output.h"
#include "outputs.h"
#include "printable.h"
#include "quantity.h"
#include "run_command.h"
#include "run_text.h"
#include "text_buffer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char USAGE[] =
    "perplex export --model M --out DIR|FILE.safetensors\n"
    "Writes the weights alone, under the names of PyTorch's modules, and a JSON card with settings,\n"
    "vocabulary, a hash of the texts, and results: DIR/model.safetensors and DIR/model.json, or\n"
    "FILE.safetensors and FILE.json. M is a .safetensors file, or a run folder (its best model).\n";
static const char HELP_END[] =
    "docs/manual/pytorch.md has the few lines of Python that load them into torch.nn.RNN, and the names.\n";

typedef struct export_flags {
    const char *model, *out;
    int json;
} export_flags;

enum { PATH_BYTES = 4300, METRICS_LIMIT = 1 << 30, END_LINE_BYTES = 1 << 16 };
static const char SUFFIX[] = ".safetensors";

/* ---- where it goes ----------------------------------------------------------------------------------------------- */

/* The two paths; makes the folder where one is given. */
static px_status settle_paths(const char *out, char weights[PATH_BYTES], char card[PATH_BYTES])
{
    struct stat info;
    size_t bytes = strlen(out), suffix = sizeof SUFFIX - 1;
    int exists = stat(out, &info) == 0;
    if (bytes > 4096) return px_fail(PX_ERR_ARGUMENT, "--out %.60s...: the path is too long", out);
    if (!(exists && S_ISDIR(info.st_mode)) && bytes > suffix && strcmp(out + bytes - suffix, SUFFIX) == 0) {
        snprintf(weights, PATH_BYTES, "%s", out);
        snprintf(card, PATH_BYTES, "%.*s.json", (int)(bytes - suffix), out);
        return PX_OK;
    }
    if (exists && !S_ISDIR(info.st_mode))
        return px_fail(PX_ERR_ARGUMENT, "--out %s: a file is there; give a folder, or a name that ends with %s", out,
                       SUFFIX);
    if (!exists && px_make_folder(out, 0777) != 0)
        return px_fail(PX_ERR_IO, "--out %s: the folder cannot be made: %s", out, strerror(errno));
    snprintf(weights, PATH_BYTES, "%s/model.safetensors", out);
    snprintf(card, PATH_BYTES, "%s/model.json", out);
    return PX_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- the card ---------------------------------------------------------------------------------------------------- */

/* Every token in the order of ids; a byte b is the character U+00b. cJSON has no text with NUL in it: the list is
 * written raw. */
static px_status add_tokens(cJSON *object, const px_vocabulary *vocabulary)
{
    px_text text = {0};
    int is_byte = px_vocabulary_options(vocabulary).level == PX_LEVEL_BYTE;
    px_text_append(&text, "[", 1);
    for (int32_t id = 0; id < px_vocabulary_size(vocabulary); id++) {
        size_t bytes;
        const char *token = px_vocabulary_token(vocabulary, id, &bytes);
        unsigned char first = (unsigned char)token[0];
        const char wide[2] = {(char)(0xC0 | first >> 6), (char)(0x80 | (first & 0x3F))};
        if (id > 0) px_text_append(&text, ",", 1);
        if (is_byte && bytes == 1 && first >= 0x80)
            px_text_json_string(&text, wide, 2);
        else
            px_text_json_string(&text, token, bytes);
    }
    px_text_append(&text, "]", 1);
    px_status status = px_text_check(&text, "model card");
    if (status == PX_OK) cJSON_AddRawToObject(object, "tokens", text.data);
    px_text_free(&text);
    return status;
}

/* The last "end" line of a run folder's metrics.jsonl: what its training came to. *end NULL where there is none. */
static px_status read_end(const char *model, cJSON **end)
{
    char path[PATH_BYTES], *text, *line;
    size_t bytes;
    struct stat info;
    *end = NULL;
    snprintf(path, sizeof path, "%.4096s/metrics.jsonl", model);
    if (stat(model, &info) != 0 || !S_ISDIR(info.st_mode) || stat(path, &info) != 0) return PX_OK;
    PX_TRY(px_file_read(path, METRICS_LIMIT, &text, &bytes));
    while (bytes > 0 && text[bytes - 1] == '\n') text[--bytes] = 0;
    line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    px_status status = strlen(line) > END_LINE_BYTES
                           ? PX_ERR_INPUT
                           : px_json_parse(line, strlen(line), path, "its last line is no JSON", NULL, end);
    free(text);
    const cJSON *event = cJSON_GetObjectItemCaseSensitive(*end, "event");
    if (cJSON_IsString(event) && strcmp(event->valuestring, "end") == 0) return PX_OK;
    cJSON_Delete(*end);
    *end = NULL;
    return status == PX_ERR_INPUT ? PX_OK : status; /* a line that a job is just writing */
}

static cJSON *model_part(const px_model_file *model)
{
    const px_model_config *sizes = &model->config.model;
    cJSON *object = cJSON_CreateObject();
    const px_cell_info *cell = px_cell_of(sizes->cell);
    char class[40];
    snprintf(class, sizeof class, "torch.nn.%s", cell->torch);
    cJSON_AddStringToObject(object, "class", class);
    cJSON_AddStringToObject(object, "cell", cell->name);
    if (strcmp(cell->torch, "RNN") == 0) cJSON_AddStringToObject(object, "nonlinearity", cell->name);
    px_json_count(object, "vocabulary", sizes->vocab);
    px_json_count(object, "embedding", sizes->embed);
    px_json_count(object, "hidden", sizes->hidden);
    px_json_count(object, "layers", sizes->layers);
    cJSON_AddBoolToObject(object, "tied", sizes->tied);
    cJSON_AddStringToObject(object, "output", px_output_names[sizes->output]);
    if (sizes->output == PX_OUTPUT_ADAPTIVE)
        cJSON_AddItemToObject(object, "cutoffs", cJSON_CreateIntArray(sizes->cutoffs.at, sizes->cutoffs.count));
    px_json_count(object, "parameters", (long long)model->parameters.weights);
    return object;
}

static cJSON *results_part(const px_model_file *model, cJSON *end)
{
    cJSON *object = cJSON_CreateObject();
    px_json_count(object, "step", model->step);
    px_json_count(object, "epoch", model->epoch);
    px_json_count(object, "tokens", model->tokens);
    px_json_number(object, "valid_loss", model->valid_loss);
    px_json_number(object, "valid_perplexity", exp(model->valid_loss));
    cJSON_AddBoolToObject(object, "averaged", model->averaged);
    if (end) cJSON_AddItemToObject(object, "training", end);
    return object;
}

static px_status make_card(const export_flags *flags, const px_model_file *model, const char *weights, char **text)
{
    cJSON *end;
    PX_TRY(read_end(flags->model, &end));
    cJSON *card = cJSON_CreateObject(), *vocabulary = px_json_vocabulary(model->vocabulary),
          *corpus = cJSON_CreateObject();
    char hash[24];
    const char *name = base_name(weights);
    cJSON_AddStringToObject(card, "format", "perplex-model-card 1");
    cJSON_AddStringToObject(card, "perplex", PERPLEX_VERSION);
    px_json_text(card, "weights", name, strlen(name));
    cJSON_AddItemToObject(card, "model", model_part(model));
    cJSON_AddItemToObject(card, "results", results_part(model, end));
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)model->corpus_hash);
    if (model->corpus_hash)
        cJSON_AddStringToObject(corpus, "hash", hash);
    else
        cJSON_AddNullToObject(corpus, "hash");
    cJSON_AddItemToObject(card, "corpus", corpus);
    cJSON_AddItemToObject(card, "settings", px_json_settings(&model->config));
    cJSON_AddItemToObject(card, "tensors", px_json_tensors(&model->parameters));
    px_status status = add_tokens(vocabulary, model->vocabulary);
    cJSON_AddItemToObject(card, "vocabulary", vocabulary);
    if (status == PX_OK) return px_json_write(card, 1, "model card", text);
    cJSON_Delete(card);
    return status;
}

static px_status write_card(const char *path, const char *text)
{
    px_atomic_file file;
    px_status status;
    PX_TRY(px_atomic_open(path, &file));
    PX_TRY_GOTO(status, px_atomic_write(&file, text, strlen(text)), done);
    status = px_atomic_write(&file, "\n", 1);
done:
    return px_atomic_end(&file, status);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static px_status print_result(const export_flags *flags, const px_model_file *model, const char *weights,
                              const char *card)
{
    char count[32];
    if (flags->json) {
        cJSON *object = cJSON_CreateObject();
        px_json_text(object, "model", flags->model, strlen(flags->model));
        px_json_text(object, "weights", weights, strlen(weights));
        px_json_text(object, "card", card, strlen(card));
        px_json_count(object, "parameters", (long long)model->parameters.weights);
        return px_json_print(object);
    }
    px_print(stdout, "written: %s (%s parameters), %s\n", weights,
             px_text_count(count, (long long)model->parameters.weights), card);
    return PX_OK;
}

static px_status write_model(const px_command_line *line, const export_flags *flags, px_model_file *model)
{
    char weights[PATH_BYTES], card[PATH_BYTES], *text = NULL;
    const px_cell_info *cell = px_cell_of(model->config.model.cell);
    if (!cell->torch)
        return px_fail(PX_ERR_ARGUMENT, "export: a model of --cell %s; torch.nn has no module of that kind",
                       cell->name);
    PX_TRY(px_output_check_folder("out", flags->out));
    PX_TRY(settle_paths(flags->out, weights, card));
    PX_TRY(px_output_check(line, "out", weights, PX_FLAG_OUT_FILE));
    PX_TRY(px_output_check(line, "out", card, PX_FLAG_OUT_FILE));
    PX_TRY(px_run_text_forget(&model->config));
    PX_TRY(make_card(flags, model, weights, &text));
    px_status status;
    PX_TRY_GOTO(status, px_model_export(model, weights), done);
    PX_TRY_GOTO(status, write_card(card, text), done);
    status = print_result(flags, model, weights, card);
done:
    free(text);
    return status;
}

static px_status export_model(px_command_line *line, void *context)
{
    const export_flags *flags = context;
    px_model_file model;
    if (!flags->model)
        return px_fail(PX_ERR_ARGUMENT, "export: no model; give --model M, a .safetensors file or a run folder");
    if (!flags->out)
        return px_fail(PX_ERR_ARGUMENT, "export: nowhere to write to; give --out DIR or --out FILE.safetensors");
    PX_TRY(px_input_model(flags->model, &model));
    px_status status = write_model(line, flags, &model);
    px_model_file_close(&model);
    return status;
}

int px_cmd_export(int argc, char **argv)
{
    export_flags flags = {0};
    const px_flag own[] = {
        {"model", "M", PX_FLAG_STRING, &flags.model, 0, 0, "the model"},
        {"out", "DIR|FILE", PX_FLAG_OUT_NAME, &flags.out, 0, 0,
         "a folder, made where it is missing, or FILE.safetensors"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "what was written, as one JSON object on standard output"},
        {0},
    };
    px_command_line line = {.command = "export", .usage = USAGE, .flags = own, .help_end = HELP_END};
    return px_command_run(&line, argc, argv, export_model, &flags);
}
