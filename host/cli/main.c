/* perplex: the program. Finds the command and hands over; everything else is in its file. */
#include "check.h"
#include "commands.h"
#include "json.h"
#include "nearest.h"
#include "note.h"
#include "output.h"
#include "printable.h"
#include "signals.h"
#include "version.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef px_command command;

static const command COMMANDS[] = {
    {"train", px_cmd_train, "train a recurrent language model, or continue a run"},
    {"eval", px_cmd_eval, "perplexity of a text under a model"},
    {"sample", px_cmd_sample, "let a model write"},
    {"tokenize", px_cmd_tokenize, "count a text's tokens; make a token file"},
    {"export", px_cmd_export, "weights alone and a model card, for other programs"},
    {"import", px_cmd_import, "a torch.nn.RNN language model from its safetensors file"},
    {"average", px_cmd_average, "one model with the mean of several models' weights"},
    {"info", px_cmd_info, "what a model or token file holds; the devices of this machine"},
    {"ngram", px_cmd_ngram, "a Kneser-Ney n-gram baseline, alone and mixed with a network"},
    {"inspect", px_cmd_inspect, "gradient through time, spectral radius, saturated units"},
    {"construct", px_cmd_construct, "a network that is exact, written down from an automaton"},
    {"report", px_cmd_report, "a run's curves, samples and results as a page; several runs compared"},
    {"runs", px_cmd_runs, "the runs in a folder at a glance"},
    {"top", px_cmd_top, "the runs in a folder while they train, drawn in place"},
#ifdef PERPLEX_BENCH
    {"bench", px_cmd_bench, "measure speed beside what the machine can do"},
#endif
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

static const command *find_command(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(COMMANDS[i].name, name) == 0) return &COMMANDS[i];
    return NULL;
}

static void print_help(FILE *out)
{
    fprintf(out, "usage: perplex COMMAND [flags]\nTrains, evaluates and samples recurrent language models.\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++) fprintf(out, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].help);
    fprintf(out, "\nperplex COMMAND --help lists a command's flags; perplex --version says which perplex this is.\n"
                 "A first run:\n"
                 "  perplex train --data book.txt --run runs/book\n"
                 "  perplex eval --split-of runs/book test\n"
                 "  perplex sample --model runs/book --prompt 'It was ' --length 500\n"
                 "Exit status: 0 done; 1 failed while running; 2 wrong input or device; 75 stopped with a\n"
                 "checkpoint, run again.\n");
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT];
    for (int i = 0; i < COMMAND_COUNT; i++) names[i] = COMMANDS[i].name;
    size_t found = px_nearest(name, names, COMMAND_COUNT);
    px_status status = found < COMMAND_COUNT
                           ? px_fail(PX_ERR_ARGUMENT, "%.60s: no such command; did you mean %s?", name, names[found])
                           : px_fail(PX_ERR_ARGUMENT, "%.60s: no such command; perplex --help lists them", name);
    return px_output_fail(status);
}

int main(int argc, char **argv)
{
    px_note_to(px_output_note);
    px_signals_prepare();
    px_json_watch();
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || (strcmp(name, "help") == 0 && argc == 2)) {
        print_help(stdout);
        return px_output_end(PX_OK);
    }
    if (strcmp(name, "--version") == 0) {
        px_version_print(stdout);
        return px_output_end(PX_OK);
    }
    if (strcmp(name, "help") == 0) {
        const command *asked = find_command(argv[2]);
        char *help_argv[] = {argv[2], "--help", NULL};
        return asked ? asked->run(2, help_argv) : unknown_command(argv[2]);
    }
    if (strcmp(name, "completion") == 0) return px_cmd_completion(argc - 1, argv + 1, COMMANDS, COMMAND_COUNT);
    const command *asked = find_command(name);
    return asked ? asked->run(argc - 1, argv + 1) : unknown_command(name);
}
