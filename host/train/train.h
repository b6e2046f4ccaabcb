/* Training: the loop, schedules, validation, checkpoints and metrics of one run. */
#ifndef PX_TRAIN_H
#define PX_TRAIN_H

#include "config.h"
#include "comm.h"
#include "engine.h"
#include "observer.h"

#include <stdatomic.h>

/* What a caller is told while a run goes on; every hook may be NULL. Text is for a person, one line without newline. */
typedef struct px_train_progress {
    int64_t step, steps_in_all;        /* steps_in_all 0: not known (early stopping alone bounds the run) */
    int64_t epoch, epochs;             /* epoch from 1; epochs 0: not known */
    double share_of_epoch;             /* [0, 1] */
    double loss, perplexity;           /* of training, since the last report */
    double tokens_per_s, seconds_left; /* seconds_left < 0: not known */
    double learning_rate, grad_norm;
    double valid_loss; /* NaN unless this reports an evaluation */
    int is_best;
} px_train_progress;

/* Why a run is to stop before its end. */
enum { PX_STOP_NO, PX_STOP_ASKED, PX_STOP_TIME /* its time is over */ };

typedef struct px_train_hooks {
    void *context;
    void (*line)(void *context, const char *text);                        /* corpus, model, device, warnings */
    void (*progress)(void *context, const px_train_progress *progress);   /* each logged step */
    void (*evaluation)(void *context, const px_train_progress *progress); /* each evaluation */
    const px_run_observer *observer;                                      /* see observer.h */
    px_comm *comm;                                                        /* the ranks of this job; NULL: one alone */
    const atomic_int *stop; /* a px_stop; not PX_STOP_NO: finish the step, write a checkpoint, return PX_STOPPED */
} px_train_hooks;

typedef struct px_train_result {
    int64_t steps, epochs, tokens;
    double seconds;
    double train_loss;      /* mean over the last epoch (or what of it was run) */
    double best_valid_loss; /* NaN without validation data */
    int64_t best_step;
    double valid_loss_zero, valid_loss_carried; /* best model, one stream: from a zero state, from the training state */
    double test_loss_zero;                      /* NaN without test data */
    int of_last;  /* 1: the best model's file is missing, best_path is "", and these three are the last weights' */
    int finished; /* 1: reached its end; 2: an earlier job had, nothing was done */
    char best_path[4096], last_path[4096];
} px_train_result;

/* Starts a run: config->run is created (an existing run there is an error), the effective configuration, metrics.jsonl
 * and checkpoints are written into it. PX_STOPPED when asked to stop; PX_ERR_NUMERIC after a non-finite loss. */
px_status px_train_start(const px_config *config, const px_train_hooks *hooks, px_train_result *result);

/* Goes on with the run in folder `run`. `changes` are the settings given beside --resume, as name and value in turn,
 * ended by NULL; one that may not change is an error. */
px_status px_train_resume(const char *run, const char *const *changes, const px_train_hooks *hooks,
                          px_train_result *result);

/* Goes on with the run in folder `run`, which has ended, for steps > 0 more, with a cosine of their own: changes may
 * set lr, lr-min and warmup-steps of it. Where it is interrupted px_train_resume goes on with it. PX_ERR_ARGUMENT where
 * the run has not ended. */
px_status px_train_extend(const char *run, int64_t steps, const char *const *changes, const px_train_hooks *hooks,
                          px_train_result *result);

/* Starts the run in config->run, or goes on with it where an earlier job has left a checkpoint there; one that has
 * already ended gives its result at once, as metrics.jsonl has it. changes: the settings that were given, as above;
 * --run among them is passed over. */
px_status px_train_start_or_resume(const px_config *config, const char *const *changes, const px_train_hooks *hooks,
                                   px_train_result *result);

/* Whether a folder holds a checkpoint to go on from. */
px_status px_train_can_resume(const char *run, int *can);

/* What --dry-run prints: sizes, bytes and the predicted time of an epoch (a few real steps are timed; nothing is kept).
 */
typedef struct px_train_rate {
    char tensor[40];
    double factor; /* of the learning rate */
} px_train_rate;

typedef struct px_train_plan {
    int64_t train_tokens, valid_tokens, test_tokens, vocabulary, parameters;
    int64_t steps_per_epoch;
    px_engine_memory memory;
    double seconds_per_epoch, tokens_per_s;
    char device[256];
    int32_t rate_count;
    px_train_rate rates[PX_MAX_TENSORS]; /* of each tensor (rate_scaling.h) */
} px_train_plan;
px_status px_train_dry_run(const px_config *config, const px_train_hooks *hooks, px_train_plan *plan);

#endif
