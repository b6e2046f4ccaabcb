/* The commands of perplex. Each takes its own arguments (argv[0] is the command's name), prints, and returns the exit
 * status: 0 done, 1 failed while running, 2 wrong input or device, 75 stopped with a checkpoint. */
#ifndef PX_COMMANDS_H
#define PX_COMMANDS_H

#include <stddef.h>

typedef struct px_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} px_command;

int px_cmd_train(int argc, char **argv);
int px_cmd_eval(int argc, char **argv);
int px_cmd_sample(int argc, char **argv);
int px_cmd_tokenize(int argc, char **argv);
int px_cmd_info(int argc, char **argv);
int px_cmd_inspect(int argc, char **argv);
int px_cmd_construct(int argc, char **argv);
int px_cmd_report(int argc, char **argv);
int px_cmd_runs(int argc, char **argv);
int px_cmd_top(int argc, char **argv);
int px_cmd_ngram(int argc, char **argv);
int px_cmd_bench(int argc, char **argv);
int px_cmd_export(int argc, char **argv);
int px_cmd_import(int argc, char **argv);
int px_cmd_average(int argc, char **argv);
/* Not among the commands that --help lists: writes completions for a shell, or the manual page, from the commands'
 * tables. */
int px_cmd_completion(int argc, char **argv, const px_command *commands, size_t count);

#endif
