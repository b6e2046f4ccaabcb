/* Small trainings for the tests of host/train: a text, a configuration, a run in a scratch folder, comparisons of run
 * folders. */
#ifndef TRAIN_RUNS_H
#define TRAIN_RUNS_H

#include "train_support.h"

#include "config.h"
#include "train.h"

/* A text of `bytes` letters with some order in it (each letter depends on the one before), the same for the same seed.
 */
void write_text(const char *path, size_t bytes, unsigned seed);
/* Small sizes, reference engine, log every 3 steps, no validation by epochs; strings are set and owned by config. */
void small_config(px_config *config, const char *text, const char *run);
/* Sets "name=value" pairs, ended by NULL; fails the test where one is refused. */
void set_all(px_config *config, const char *const *settings);

/* Fails unless both runs' folders say the same: every tensor of best and last.safetensors bit for bit, the state in
 * them but for the length of metrics.jsonl, and metrics.jsonl but for speeds and times. */
void assert_same_run(const char *folder_a, const char *folder_b, const char *what);
/* Tensors alone, of two files. */
void assert_same_tensors(const char *path_a, const char *path_b, const char *what);
/* metrics.jsonl without speeds and times; caller frees. */
char *metrics_text(const char *folder);
/* How many lines of metrics.jsonl have that event. */
int count_events(const char *folder, const char *event);

#endif
