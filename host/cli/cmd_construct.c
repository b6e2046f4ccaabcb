/* perplex construct: a network whose weights are written down from an automaton. The construction is host/construct. */
#include "check.h"
#include "commands.h"
#include "construct.h"
#include "model_file.h"
#include "output.h"
#include "printable.h"
#include "quantity.h"
#include "run_command.h"
#include "signals.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "perplex construct --automaton FILE|NAME --out M.safetensors [--cell tanh|relu]\n"
    "       perplex construct --cycle 'WORDS ...' --out M.safetensors\n"
    "Writes a recurrent network that is an exact model of a finite-state source: its weights are\n"
    "constructed, not trained. A FILE has lines STATE SYMBOL PROBABILITY NEXT, # for comments; the first\n"
    "state is where a text begins. NAME: a source of perplex-source --list (golden-mean, even, ...).\n";
static const char HELP_END[] =
    "Without --level: byte where every symbol is one byte, else word; \\n stands for a line end, at the\n"
    "level of words for <eos>. On a text of the source the loss is the text's code length under it:\n"
    "perplexity 1 where the source has no choice. Words that it does not know have probability 0.\n";

static const char *const SETTINGS[] = {"level", "cell", NULL};
static const px_setting_limits LIMITS[] = {
    {"level", px_construct_takes_level, "by the symbols"}, {"cell", px_construct_takes_cell, NULL}, {0}};

typedef struct construct_flags {
    const char *automaton, *cycle, *out;
    int json;
} construct_flags;

static px_status print_result(const construct_flags *flags, const px_machine *machine, const px_vocabulary *vocabulary,
                              const px_config *config, size_t weights)
{
    int level = px_vocabulary_options(vocabulary).level;
    if (flags->json) {
        cJSON *object = cJSON_CreateObject();
        px_json_text(object, "model", flags->out, strlen(flags->out));
        px_json_count(object, "states", machine->states);
        px_json_count(object, "symbols", machine->symbol_count);
        px_json_count(object, "hidden", config->model.hidden);
        px_json_count(object, "vocabulary", config->model.vocab);
        cJSON_AddStringToObject(object, "level", px_level_name(level));
        px_json_count(object, "parameters", (long long)weights);
        px_json_number(object, "bits_per_token", machine->entropy_bits);
        px_json_number(object, "perplexity", exp2(machine->entropy_bits));
        return px_json_print(object);
    }
    char a[32];
    px_print(stdout, "%s: %d states and %d symbols (level %s) as %d %s units, %s parameters\n", flags->out,
             machine->states, machine->symbol_count, px_level_name(level), config->model.hidden,
             px_cell_of(config->model.cell)->label, px_text_count(a, (long long)weights));
    printf("entropy of the source: %.6f bits per token, perplexity %.6f\n", machine->entropy_bits,
           exp2(machine->entropy_bits));
    return PX_OK;
}

static px_status write_network(const construct_flags *flags, const px_machine *machine, int level, px_config *config)
{
    px_vocabulary *vocabulary = NULL;
    px_parameters table;
    float *weights = NULL;
    px_status status;
    PX_TRY_GOTO(status,
                px_construct_vocabulary(machine, level, flags->automaton ? flags->automaton : "--cycle", &vocabulary),
                done);
    config->corpus.text.level = px_vocabulary_options(vocabulary).level;
    PX_TRY_GOTO(status, px_construct_sizes(machine, vocabulary, config->model.cell, &config->model), done);
    PX_TRY_GOTO(status, px_parameters_make(&config->model, &table), done);
    weights = malloc(table.count * sizeof *weights);
    if (!weights) {
        status = px_fail(PX_ERR_MEMORY, "no memory for %zu weights", table.count);
        goto done;
    }
    PX_TRY_GOTO(status, px_construct_weights(machine, vocabulary, &config->model, &table, weights), done);
    PX_TRY_GOTO(status, px_signals_remove_unfinished(flags->out), done);
    PX_TRY_GOTO(status, px_model_file_write(flags->out, config, vocabulary, &table, weights), done);
    status = print_result(flags, machine, vocabulary, config, table.weights);
done:
    free(weights);
    px_vocabulary_destroy(vocabulary);
    return status;
}

static px_status construct(px_command_line *line, void *context)
{
    const construct_flags *flags = context;
    px_config *config = line->config;
    px_machine *machine;
    if (!flags->automaton == !flags->cycle)
        return px_fail(PX_ERR_ARGUMENT, "construct: of what? give one of --automaton FILE and --cycle 'WORDS ...'");
    if (!flags->out) return px_fail(PX_ERR_ARGUMENT, "construct: nowhere to write to; give --out M.safetensors");
    PX_TRY(flags->cycle ? px_machine_cycle(flags->cycle, &machine) : px_machine_open(flags->automaton, &machine));
    int level = px_command_line_gave(line, "level") ? (int)config->corpus.text.level
                : flags->cycle                      ? PX_LEVEL_WORD
                                                    : -1;
    px_status status = write_network(flags, machine, level, config);
    px_machine_destroy(machine);
    return status;
}

int px_cmd_construct(int argc, char **argv)
{
    construct_flags flags = {0};
    const px_flag own[] = {
        {"automaton", "FILE", PX_FLAG_STRING, &flags.automaton, 0, 0,
         "the source: a file, or the name of one that is built in"},
        {"cycle", "WORDS", PX_FLAG_STRING, &flags.cycle, 0, 0, "words that follow each other in a circle"},
        {"out", "M", PX_FLAG_OUT_FILE, &flags.out, 0, 0, "the model to write"},
        {"json", NULL, PX_FLAG_SWITCH, &flags.json, 0, 0, "what was made, as one JSON object on standard output"},
        {0},
    };
    px_config config;
    px_config_default(&config);
    px_command_line line = {.command = "construct",
                            .usage = USAGE,
                            .flags = own,
                            .settings = SETTINGS,
                            .limits = LIMITS,
                            .config = &config,
                            .help_end = HELP_END};
    return px_command_run(&line, argc, argv, construct, &flags);
}
