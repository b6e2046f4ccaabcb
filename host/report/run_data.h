/* What a run folder says of its run: config and metrics.jsonl, read without trusting them. */
#ifndef PX_RUN_DATA_H
#define PX_RUN_DATA_H

#include "config.h"

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

/* Values over steps, steps rising. */
typedef struct px_series {
    double *step, *tokens, *value; /* tokens trained on so far */
    size_t count, room;
} px_series;

typedef struct px_run_sample {
    int64_t step;
    char *text; /* UTF-8; owned */
} px_run_sample;

/* Where a run that had ended was given more steps. */
typedef struct px_run_extension {
    int64_t step, steps;
    double rate; /* of its cosine's beginning */
} px_run_extension;
enum { PX_RUN_EXTENSIONS_MAX = 8 }; /* the first of them are shown */

/* What a run said of its own learning. */
typedef struct px_run_warning {
    int64_t step;
    char text[400]; /* UTF-8 */
} px_run_warning;
enum { PX_RUN_WARNINGS_MAX = 4 }; /* the first of them are shown */

/* running: a process holds the run's lock. stopped: can be resumed. failed: ended by a value that was not finite. */
typedef enum px_run_condition { PX_RUN_RUNNING, PX_RUN_STOPPED, PX_RUN_FINISHED, PX_RUN_FAILED } px_run_condition;

typedef struct px_run_data {
    char *folder, *name; /* as given without slashes at its end; its last part */
    px_config config;
    px_run_condition condition;
    char reason[48]; /* of the last stop or end line; "killed" where neither stands there; "" while it runs */
    double modified; /* seconds since 1970 of the last line */
    /* start line */
    char device[32];
    int64_t parameters, vocabulary, train_tokens, valid_tokens, test_tokens;
    double unigram_loss; /* NaN where the run did not say */
    /* lines in between; losses in nats */
    px_series train_loss, learning_rate, grad_norm, speed, valid_loss;
    px_run_sample *samples;
    size_t sample_count, sample_room;
    int64_t steps, epoch, tokens; /* of the latest line */
    int64_t best_step;            /* -1 where nothing was evaluated */
    double best_valid_loss;
    int64_t rollbacks;
    px_run_extension extension[PX_RUN_EXTENSIONS_MAX];
    int extensions;
    px_run_warning warning[PX_RUN_WARNINGS_MAX];
    int warnings;
    double median_speed; /* tokens/s of the train lines; NaN without any */
    /* end line; NaN where it has none */
    int end_of_last; /* 1: the end's losses on whole texts are of the last weights, the best model's file was missing */
    double end_train_loss, end_valid_loss_zero, end_valid_loss_carried, end_test_loss, end_seconds;
} px_run_data;

/* PX_ERR_INPUT names the file, the line and what is wrong: no run folder, a line that is no JSON object or has no step.
 * A last line without its end is left out: it is being written. */
px_status px_run_data_read(const char *folder, px_run_data *data);
void px_run_data_free(px_run_data *data);                      /* zeroed afterwards */
const char *px_run_condition_name(px_run_condition condition); /* "running" */
/* The share of the whole run that is done, [0, 1]: by steps, or by tokens where only epochs bound it; NaN where nothing
 * does or nothing was trained. */
double px_run_data_share(const px_run_data *data);
/* What is left of a run that trains, at its latest speed, without evaluations; NaN where that is not known. */
double px_run_data_seconds_left(const px_run_data *data);
/* Median tokens/s of the train lines; NaN without any. */
double px_run_data_speed(const px_run_data *data);
/* "1 x 512 tanh, d = 128": what a person calls the model's size. */
const char *px_run_data_model(const px_run_data *data, char buffer[96]);

#endif
