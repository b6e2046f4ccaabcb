/* The commands of perplex. Each takes its own arguments (argv[0] is the command's name), prints, and returns the exit
 * status: 0 done, 1 failed while running, 2 wrong input or device, 75 stopped with a checkpoint. */
#ifndef PX_COMMANDS_H
#define PX_COMMANDS_H

int px_cmd_train(int argc, char **argv);
int px_cmd_eval(int argc, char **argv);
int px_cmd_sample(int argc, char **argv);
int px_cmd_tokenize(int argc, char **argv);
int px_cmd_info(int argc, char **argv);
int px_cmd_inspect(int argc, char **argv);
int px_cmd_report(int argc, char **argv);
int px_cmd_runs(int argc, char **argv);
int px_cmd_bench(int argc, char **argv);

#endif
