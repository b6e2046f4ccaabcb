/* perplex inspect: what a model does with time. The computation is host/inspect. */
#include "check.h"
#include "commands.h"
#include "inputs.h"
#include "inspect.h"
#include "model_file.h"
#include "output.h"
#include "printable.h"
#include "progress.h"
#include "quantity.h"
#include "run_command.h"
#include "scored_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char USAGE[] =
    "perplex inspect --model M --data FILE [--gradient-lags K] [flags]\n"
    "       perplex inspect --model M --split-of RUN valid|test [flags]\n"
    "How far back a loss reaches: the norm of the derivative of one token's loss with respect to the\n"
    "hidden state k tokens before, averaged over a text; the factor by which it shrinks or grows each\n"
    "step; the spectral radius of W_hh; and the share of saturated units.\n";
static const char HELP_END[] =
    "Saturated: |H| > 0.99 for tanh, H = 0 for ReLU. All in double precision, from a zero state at the\n"
    "beginning of what is read. Every lag is given in JSON; people get those around powers of 2.\n";

static const char *const SETTINGS[] = {"data", "valid", "test", "invalid", NULL};
enum { DEFAULT_LAGS = 64, DEFAULT_TOKENS = 20000 };

typedef struct inspect_flags {
    const char *model, *split_of[2];
    int32_t lags, positions;
    int64_t tokens;
    int json;
} inspect_flags;

static void show_inspecting(void *context, double share) { px_progress_hook_what(context, "inspecting", share); }

static cJSON *numbers(const double *values, int32_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (int32_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, isfinite(values[i]) ? cJSON_CreateNumber(values[i])
                                   : isnan(values[i])  ? cJSON_CreateNull()
                                                       : cJSON_CreateString("inf"));
    return list;
}

static px_status print_json(const px_inspection *result, const inspect_flags *flags, const px_scored_text *text)
{
    cJSON *object = cJSON_CreateObject(), *layers = cJSON_CreateArray();
    px_json_text(object, "model", flags->model, strlen(flags->model));
    px_json_text(object, "text", text->name, strlen(text->name));
    px_json_count(object, "tokens", result->tokens);
    px_json_count(object, "positions", result->probes);
    px_json_number(object, "loss", result->loss);
    px_json_count(object, "gradient_lags", result->lags);
    for (int32_t l = 0; l < result->layers; l++) {
        const px_inspect_layer *layer = &result->layer[l];
        cJSON *row = cJSON_CreateObject();
        px_json_count(row, "layer", l);
        px_json_number(row, "spectral_radius", layer->spectral_radius);
        px_json_number(row, "rate", layer->rate);
        if (layer->reach < 0)
            cJSON_AddNullToObject(row, "reach");
        else
            px_json_count(row, "reach", layer->reach);
        px_json_number(row, "saturated", layer->saturated);
        px_json_number(row, "always_saturated", layer->always_saturated);
        cJSON_AddItemToObject(row, "norm", numbers(layer->norm, result->lags + 1));
        cJSON_AddItemToObject(row, "low", numbers(layer->low, result->lags + 1));
        cJSON_AddItemToObject(row, "median", numbers(layer->median, result->lags + 1));
        cJSON_AddItemToObject(row, "high", numbers(layer->high, result->lags + 1));
        cJSON_AddItemToArray(layers, row);
    }
    cJSON_AddItemToObject(object, "layers", layers);
    px_json_number(object, "seconds", result->seconds);
    return px_json_print(object);
}

static void print_layer(const px_inspection *result, int32_t l, int relu)
{
    const px_inspect_layer *layer = &result->layer[l];
    printf("layer %d\n", l);
    if (isfinite(layer->spectral_radius))
        printf("  spectral radius of W_hh  %.4f\n", layer->spectral_radius);
    else
        printf("  spectral radius of W_hh  not for cells of several gates\n");
    printf("  saturated                %.2f %% of values (%s), %.2f %% of units always\n", 100 * layer->saturated,
           relu ? "H = 0" : "|H| > 0.99", 100 * layer->always_saturated);
    if (layer->rate > 0)
        printf("  gradient by lag          times %.4f each step: it %s\n", layer->rate,
               layer->rate < 0.999   ? "vanishes"
               : layer->rate > 1.001 ? "explodes"
                                     : "keeps its size");
    else
        printf("  gradient by lag          %s\n",
               layer->rate == 0 ? "nothing gets past lag 0" : "too few lags for a rate");
    if (layer->reach >= 0) printf("  below 1 %% of lag 0       from lag %d on\n", layer->reach);
    printf("       lag         mean       10 %%       50 %%       90 %%\n");
    for (int32_t k = 0; k <= result->lags; k = k == 0                                     ? 1
                                               : k < result->lags && 2 * k > result->lags ? result->lags
                                                                                          : 2 * k)
        printf("    %6d   %10.3e %10.3e %10.3e %10.3e\n", k, layer->norm[k], layer->low[k], layer->median[k],
               layer->high[k]);
}

static void print_result(const px_inspection *result, const inspect_flags *flags, const px_scored_text *text,
                         const px_model_file *model)
{
    char a[32], b[32], c[32];
    px_print(stdout, "%s under %s: %s tokens read, %s positions, loss %.4f, in %s\n", text->name, flags->model,
             px_text_count(a, result->tokens), px_text_count(b, result->probes), result->loss,
             px_text_seconds(c, result->seconds));
    for (int32_t l = 0; l < result->layers; l++) print_layer(result, l, model->config.model.cell == PX_CELL_RELU);
}

static px_status inspect_text(const inspect_flags *flags, const px_config *config, const px_model_file *model)
{
    px_scored_text text = {0};
    px_inspection result = {0};
    px_progress progress;
    px_progress_start(&progress, stderr);
    px_status status;
    PX_TRY_GOTO(
        status,
        flags->split_of[0]
            ? px_scored_text_split(flags->split_of[0], flags->split_of[1], config, model->vocabulary, &progress, &text)
            : px_scored_text_file(config->corpus.data, model->vocabulary, config->corpus.text.invalid, &text),
        done);
    px_inspect_request request = {.model = &model->config.model,
                                  .parameters = &model->parameters,
                                  .weights = model->weights,
                                  .reset_id = model->reset_id,
                                  .range = text.range,
                                  .lags = flags->lags,
                                  .probes = flags->positions,
                                  .tokens = flags->tokens,
                                  .progress = show_inspecting,
                                  .progress_context = &progress};
    status = px_inspect_run(&request, &result);
    px_progress_clear(&progress);
    if (status == PX_ERR_INPUT) status = px_fail_context(status, "%s", text.name);
    if (status != PX_OK) goto done;
    if (flags->json)
        status = print_json(&result, flags, &text);
    else
        print_result(&result, flags, &text, model);
done:
    px_inspection_free(&result);
    px_scored_text_close(&text);
    return status;
}

static px_status inspect(px_command_line *line, void *context)
{
    inspect_flags *flags = context;
    const px_config *config = line->config;
    if (!flags->model && flags->split_of[0]) flags->model = flags->split_of[0];
    if (!flags->model)
        return px_fail(PX_ERR_ARGUMENT, "inspect: no model; give --model M, a .safetensors file or a run folder");
    if ((config->corpus.valid || config->corpus.test) && !flags->split_of[0])
        return px_fail(PX_ERR_ARGUMENT,
                       "--%s: says where a text of --split-of lies now; a text of its own is given by --data",
                       config->corpus.valid ? "valid" : "test");
    if (!config->corpus.data && !flags->split_of[0])
        return px_fail(PX_ERR_ARGUMENT, "inspect: no text to read; give --data FILE, --data - or --split-of RUN valid");
    if (flags->split_of[0] && strcmp(flags->split_of[1], "valid") != 0 && strcmp(flags->split_of[1], "test") != 0)
        return px_fail(PX_ERR_ARGUMENT, "--split-of %s %s: the part is valid or test", flags->split_of[0],
                       flags->split_of[1]);
    px_model_file model;
    PX_TRY(px_input_model(flags->model, &model));
    px_status status = inspect_text(flags, config, &model);
    px_model_file_close(&model);
    return status;
}

int px_cmd_inspect(int argc, char **argv)
{
    inspect_flags flags = {.lags = DEFAULT_LAGS, .positions = PX_INSPECT_PROBES, .tokens = DEFAULT_TOKENS};
    const px_flag own[] = {
        {"model", "M", PX_FLAG_STRING, &flags.model, 0, 0, "the model; if not given, that of --split-of"},
        {"split-of", "RUN valid|test", PX_FLAG_PAIR, &flags.split_of, 0, 0,
         "read that part of the text that RUN was trained on"},
        {"gradient-lags", "K", PX_FLAG_INT32, &flags.lags, 0, PX_INSPECT_MAX_LAGS, "lags 0 to K [64]"},
        {"positions", "P", PX_FLAG_INT32, &flags.positions, 1, 1 << 20,
         "losses to average over, spread evenly over what is read [256]"},
        {"tokens", "N", PX_FLAG_INT64, &flags.tokens, 0, 1e15, "read the first N tokens; 0 = all [20000]"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "the result as one JSON object on standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {.command = "inspect",
                            .usage = USAGE,
                            .flags = own,
                            .settings = SETTINGS,
                            .config = &config,
                            .help_end = HELP_END};
    return px_command_run(&line, argc, argv, inspect, &flags);
}
