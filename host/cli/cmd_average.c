/* perplex average: a model whose weights are the mean of several models' weights. */
#include "check.h"
#include "commands.h"
#include "inputs.h"
#include "model_file.h"
#include "output.h"
#include "printable.h"
#include "quantity.h"
#include "run_command.h"
#include "signals.h"

#include <stdlib.h>
#include <string.h>

static const char USAGE[] = "perplex average M... --out FILE\n"
                            "Writes the model whose weights are the mean of those of the models M: of the same sizes,\n"
                            "cell and vocabulary, such as checkpoints of one run or fine-tuned copies of one model.\n";
static const char HELP_END[] =
    "M is a .safetensors file, or a run folder (its best model). Settings beside the weights are those of\n"
    "the first. The mean of probabilities instead is perplex eval --model M... (an ensemble).\n";

typedef struct average_flags {
    const char *out;
    int json;
} average_flags;

/* The models so far: the first one, and in sum [count] what the weights of all add up to. */
typedef struct mean {
    const char *first_name;
    px_model_file first;
    double *sum;
} mean;

/* What decides the shapes stands in the group "model". */
static px_status check_like_first(const mean *m, const char *name, const px_model_file *model)
{
    for (size_t i = 0; i < px_option_count; i++) {
        char own[160], its[160];
        if (px_options[i].group != PX_GROUP_MODEL) continue;
        px_config_get(&model->config, &px_options[i], own, sizeof own);
        px_config_get(&m->first.config, &px_options[i], its, sizeof its);
        if (strcmp(own, its) != 0)
            return px_fail(PX_ERR_ARGUMENT,
                           "%s: %s is %s, and that of %s is %s; only models of the same shapes have a mean", name,
                           px_options[i].name, own, m->first_name, its);
    }
    if (px_vocabulary_hash(model->vocabulary) != px_vocabulary_hash(m->first.vocabulary))
        return px_fail(PX_ERR_ARGUMENT,
                       "%s: its vocabulary is not that of %s; only models of the same tokens have a mean", name,
                       m->first_name);
    return PX_OK;
}

static px_status add(mean *m, const char *name)
{
    px_model_file model;
    PX_TRY(px_input_model(name, &model));
    px_status status = check_like_first(m, name, &model);
    for (size_t i = 0; status == PX_OK && i < model.parameters.count; i++) m->sum[i] += model.weights[i];
    px_model_file_close(&model);
    return status;
}

static px_status add_all(mean *m, const px_command_line *line)
{
    const size_t count = m->first.parameters.count;
    m->sum = malloc(count * sizeof *m->sum);
    if (!m->sum) return px_fail(PX_ERR_MEMORY, "average: no memory for %zu weights", count);
    for (size_t i = 0; i < count; i++) m->sum[i] = m->first.weights[i];
    for (int k = 1; k < line->positional_count; k++) PX_TRY(add(m, line->positional[k]));
    for (size_t i = 0; i < count; i++) m->first.weights[i] = (float)(m->sum[i] / line->positional_count);
    return PX_OK;
}

static px_status print_result(const average_flags *flags, const mean *m, int models)
{
    char a[32];
    if (!flags->json) {
        px_print(stdout, "%s: the mean of %d models, %s parameters\n", flags->out, models,
                 px_text_count(a, (long long)m->first.parameters.weights));
        return PX_OK;
    }
    cJSON *object = cJSON_CreateObject();
    px_json_text(object, "model", flags->out, strlen(flags->out));
    px_json_count(object, "models", models);
    px_json_count(object, "parameters", (long long)m->first.parameters.weights);
    return px_json_print(object);
}

static px_status write_mean(const average_flags *flags, mean *m, const px_command_line *line)
{
    PX_TRY(add_all(m, line));
    PX_TRY(px_config_set(&m->first.config, "run", "")); /* it is no run's */
    PX_TRY(px_signals_remove_unfinished(flags->out));
    PX_TRY(
        px_model_file_write(flags->out, &m->first.config, m->first.vocabulary, &m->first.parameters, m->first.weights));
    return print_result(flags, m, line->positional_count);
}

static px_status average(px_command_line *line, void *context)
{
    const average_flags *flags = context;
    mean m = {0};
    if (line->positional_count < 2)
        return px_fail(PX_ERR_ARGUMENT, "average: of what? give two models or more, .safetensors files or run folders");
    if (!flags->out) return px_fail(PX_ERR_ARGUMENT, "average: nowhere to write to; give --out M.safetensors");
    m.first_name = line->positional[0];
    PX_TRY(px_input_model(m.first_name, &m.first));
    px_status status = write_mean(flags, &m, line);
    px_model_file_close(&m.first);
    free(m.sum);
    return status;
}

int px_cmd_average(int argc, char **argv)
{
    average_flags flags = {0};
    const px_flag own[] = {
        {"out", "FILE", PX_FLAG_OUT_FILE, &flags.out, 0, 0, "the model to write"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "what was written, as one JSON object on standard output"},
        {0},
    };
    px_command_line line = {
        .command = "average", .usage = USAGE, .flags = own, .max_positional = PX_MAX_POSITIONAL, .help_end = HELP_END};
    return px_command_run(&line, argc, argv, average, &flags);
}
