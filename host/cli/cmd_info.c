/* perplex info: what a checkpoint, a run folder or a token file holds; and the devices of this machine. */
#include "check.h"
#include "commands.h"
#include "devices.h"
#include "inputs.h"
#include "machine.h"
#include "model_json.h"
#include "output.h"
#include "printable.h"
#include "quantity.h"
#include "registry.h"
#include "run_command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "perplex info M [--json]          M: a .safetensors file, a run folder or a token file\n"
    "       perplex info --devices [--json]\n"
    "Shows a model's configuration, parameters by tensor, vocabulary, output dimensions, step and\n"
    "validation loss. The file is checked as a whole first.\n";

/* ---- models --------------------------------------------------------------------------------------------------- */

static px_status print_model_json(const char *path, const px_model_file *model)
{
    const px_model_config *sizes = &model->config.model;
    cJSON *object = cJSON_CreateObject(), *dimensions = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "kind", "model");
    px_json_text(object, "path", path, strlen(path));
    px_json_count(object, "step", model->step);
    px_json_count(object, "epoch", model->epoch);
    px_json_number(object, "valid_loss", model->valid_loss);
    px_json_number(object, "valid_perplexity", exp(model->valid_loss));
    cJSON_AddBoolToObject(object, "averaged", model->averaged);
    px_json_count(object, "parameters", (long long)model->parameters.weights);
    cJSON_AddItemToObject(object, "tensors", px_json_tensors(&model->parameters));
    cJSON_AddItemToObject(object, "vocabulary", px_json_vocabulary(model->vocabulary));
    px_json_count(dimensions, "input", sizes->embed ? sizes->embed : sizes->vocab);
    px_json_count(dimensions, "hidden", sizes->hidden);
    px_json_count(dimensions, "layers", sizes->layers);
    px_json_count(dimensions, "output", sizes->vocab);
    cJSON_AddItemToObject(object, "dimensions", dimensions);
    cJSON_AddItemToObject(object, "configuration", px_json_settings(&model->config));
    return px_json_print(object);
}

static px_status print_model(const char *path, const px_model_file *model)
{
    const px_model_config *sizes = &model->config.model;
    char a[32], b[32];
    px_print(stdout, "%s: a model, step %s, epoch %lld%s\n", path, px_text_count(a, model->step),
             (long long)model->epoch, model->averaged ? ", averaged weights" : "");
    if (!isnan(model->valid_loss))
        printf("validation  loss %.5f, perplexity %s\n", model->valid_loss,
               px_text_perplexity(a, exp(model->valid_loss)));
    px_text_options options = px_vocabulary_options(model->vocabulary);
    printf("vocabulary  %s tokens, level %s, normalised: %s\n", px_text_count(a, px_vocabulary_size(model->vocabulary)),
           px_level_name(options.level), px_normalise_name(options.normalise));
    printf("dimensions  input [T,n,%d], hidden state [%d,n,%d], output [T,n,%d]\n",
           sizes->embed ? sizes->embed : sizes->vocab, sizes->layers, sizes->hidden, sizes->vocab);
    printf("parameters  %s\n", px_text_count(a, (long long)model->parameters.weights));
    for (int32_t i = 0; i < model->parameters.tensor_count; i++) {
        const px_tensor *tensor = &model->parameters.tensor[i];
        char shape[40];
        snprintf(shape, sizeof shape, tensor->dims == 2 ? "[%d,%d]" : "[%d]",
                 px_parameters_file_rows(&model->parameters, tensor), tensor->cols);
        printf("  %-22s %-16s %12s\n", tensor->name, shape, px_text_count(b, (long long)tensor->count));
    }
    char *text = px_config_write(&model->config);
    if (!text) return px_fail(PX_ERR_MEMORY, "no memory to show the configuration");
    printf("configuration\n");
    for (char *row = strtok(text, "\n"); row; row = strtok(NULL, "\n")) px_print(stdout, "  %s\n", row);
    free(text);
    return PX_OK;
}

/* ---- token files ---------------------------------------------------------------------------------------------- */

static px_status show_tokens(const char *path, int json)
{
    px_corpus corpus;
    px_corpus_request request = {.data = path, .min_count = 1, .split = {1, 0, 0}};
    PX_TRY(px_input_check_token_file(path));
    PX_TRY(px_corpus_open(&request, &corpus));
    size_t count = px_tokens_count(corpus.data), unknown;
    px_status status = px_tokens_unknown(corpus.data, 0, count, &unknown);
    if (status != PX_OK)
        ;
    else if (json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "kind", "tokens");
        px_json_text(object, "path", path, strlen(path));
        px_json_count(object, "tokens", (long long)count);
        px_json_count(object, "unknown", (long long)unknown);
        px_json_count(object, "text_bytes", (long long)px_tokens_text_bytes(corpus.data));
        cJSON_AddItemToObject(object, "vocabulary", px_json_vocabulary(corpus.vocabulary));
        status = px_json_print(object);
    } else {
        char a[32], b[32], c[32], d[32];
        px_text_options options = px_vocabulary_options(corpus.vocabulary);
        px_print(stdout, "%s: a token file, %s tokens of %s, %s unknown\n", path, px_text_count(a, (long long)count),
                 px_text_bytes(b, (double)px_tokens_text_bytes(corpus.data)), px_text_count(c, (long long)unknown));
        printf("vocabulary  %s tokens, level %s, normalised: %s\n",
               px_text_count(d, px_vocabulary_size(corpus.vocabulary)), px_level_name(options.level),
               px_normalise_name(options.normalise));
    }
    px_corpus_close(&corpus);
    return status;
}

/* ---- devices -------------------------------------------------------------------------------------------------- */

static cJSON *device_json(const char *name, const char *text, double memory)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "name", name);
    px_json_text(row, "description", text, strlen(text));
    px_json_number(row, "memory_bytes", memory);
    return row;
}

static px_status show_devices(int json)
{
    char text[256], bytes[32];
    cJSON *list = cJSON_CreateArray();
    snprintf(text, sizeof text, "%s, %d thread%s", px_machine_processor(), px_machine_cores(),
             px_machine_cores() == 1 ? "" : "s");
    double memory = (double)px_memory_available();
    for (size_t i = 0; i < px_engine_entry_count; i++) {
        const px_engine_entry *entry = &px_engine_entries[i];
        if (!entry->on_host) continue;
        cJSON_AddItemToArray(list, device_json(entry->name, entry->about ? entry->about : text, memory));
        if (json) continue;
        if (entry->about)
            px_print(stdout, "%-10s %s\n", entry->name, entry->about);
        else
            px_print(stdout, "%-10s %s, %s of memory free\n", entry->name, text, px_text_bytes(bytes, memory));
    }
    px_device_info gpus[64];
    int count = 0;
    px_status status = px_engine_devices(gpus, 64, &count);
    for (int i = 0; i < count && i < 64; i++) {
        char name[32], free_bytes[32];
        px_device_numbered("auto", gpus[i].ordinal, name, sizeof name);
        snprintf(text, sizeof text, "%s, capability %d.%d, driver for CUDA %d.%d", gpus[i].name, gpus[i].major,
                 gpus[i].minor, gpus[i].driver_version / 1000, gpus[i].driver_version % 1000 / 10);
        cJSON_AddItemToArray(list, device_json(name, text, (double)gpus[i].memory_bytes));
        if (!json)
            px_print(stdout, "%-10s %s, %s of memory, %s free\n", name, text,
                     px_text_bytes(bytes, (double)gpus[i].memory_bytes),
                     px_text_bytes(free_bytes, (double)gpus[i].free_bytes));
    }
    if (status != PX_OK) fprintf(json ? stderr : stdout, "no GPU: %s\n", px_error_message());
    if (!json) {
        cJSON_Delete(list);
        return PX_OK;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToObject(object, "devices", list);
    return px_json_print(object);
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

typedef struct info_flags {
    int json, devices;
} info_flags;

static px_status show_model(const char *path, int json)
{
    px_model_file model;
    PX_TRY(px_input_model(path, &model));
    px_status status = json ? print_model_json(path, &model) : print_model(path, &model);
    px_model_file_close(&model);
    return status;
}

static px_status show(px_command_line *line, void *context)
{
    const info_flags *flags = context;
    const char *path = line->positional_count ? line->positional[0] : NULL;
    int is_model;
    if (flags->devices && path) return px_fail(PX_ERR_ARGUMENT, "info: --devices and %s: give one of them", path);
    if (flags->devices) return show_devices(flags->json);
    if (!path)
        return px_fail(PX_ERR_ARGUMENT,
                       "info: of what? give a .safetensors file, a run folder or a token file; or --devices");
    PX_TRY(px_input_is_model(path, &is_model));
    return is_model ? show_model(path, flags->json) : show_tokens(path, flags->json);
}

int px_cmd_info(int argc, char **argv)
{
    info_flags flags = {0};
    const px_flag own[] = {
        {"devices", NULL, PX_FLAG_SWITCH, &flags.devices, 0, 0, "list what --device may name on this machine"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "one JSON object on standard output"},
        {0},
    };
    px_command_line line = {.command = "info", .usage = USAGE, .flags = own, .max_positional = 1};
    return px_command_run(&line, argc, argv, show, &flags);
}
