/* One training run while it is open: what the files of this folder share. Internal to host/train.
 *
 *     run.c         opens corpus, engine and buffers; introduce.c the few lines at the start
 *     origin.c      the model that a new run begins from
 *     run_folder.c  the folder: its files' names, its creation, checkpoints in it (how they are kept: host/store)
 *     step.c        one step: its windows, the sum over ranks, the update; share.c which streams are whose
 *     gpus.c        several ranks on GPUs
 *     together.c    what ranks do together beside the steps
 *     loop.c        the steps, and when something is logged, evaluated or saved
 *     validation.c  evaluation during training; final_evaluation.c at its end
 *     observe.c     what an observer is shown (observer.h); snapshot.c the texts and weights among it
 *     diagnose.c    signs of a training that does not learn; unigram.c the level that it should pass
 *     rollback.c    what happens after a loss or gradient that is not finite
 *     train.c       starting and ending; dry_run.c starting without a folder
 *     resume.c      going on with an earlier run; extend.c more steps after the end
 *
 * Rule for exact resume: whatever decides how the run goes on is in the engine's sections or in px_run_state, and is
 * changed only at places that do not depend on where a job began or ended. */
#ifndef PX_RUN_H
#define PX_RUN_H

#include "comm.h"
#include "corpus.h"
#include "engine.h"
#include "run_state.h"
#include "share.h"
#include "train.h"

typedef struct px_run {
    px_config config;            /* owned; schedule_steps and model.vocab are filled in */
    const px_train_hooks *hooks; /* never NULL */
    px_train_result *result;     /* never NULL */
    px_comm *comm;               /* the hooks', or `alone` */
    px_comm alone;
    px_share share;
    struct px_tree *tree; /* reduce = tree */
    struct px_nccl *nccl; /* reduce = fast on several GPUs */
    char device[32];      /* of this rank: the configuration's, or the GPU of its own */
    int on_cpu;           /* 1: the engine computes on the processor */
    float *hidden;        /* rank 0 of several: [L,n,h] of all streams, gathered for a checkpoint or the end */
    int stop;             /* several ranks: what they have agreed on, PX_STOP_NO: go on */
    double step_loss;     /* of all ranks, since the last px_run_sync */
    int64_t step_tokens;
    struct px_model_origin *origin; /* --init-from, until its weights have been taken; else NULL */
    const px_vocabulary
        *given_vocabulary; /* the texts are read with it, while they are opened; NULL: the text makes one */
    px_corpus corpus;
    char *vocabulary; /* its text, for model files */
    int32_t reset_id;
    px_parameters parameters;
    struct px_minibatches *windows;
    px_engine *engine;
    float *buffer; /* [px_checkpoint_buffer_count]: sections on their way to and from files */
    px_run_state state;

    char *folder, *config_path, *metrics_path, *best_path, *last_path, *kept_path;
    char *place; /* the folder as it is found from anywhere */
    struct px_run_lock *lock;
    struct px_metrics_log *log;
    int reading;                 /* 1: a step is reading its text, and has computed nothing yet */
    int resumed;                 /* 1: an earlier job wrote into this folder */
    int observed, observer_open; /* 1: hooks->observer is shown what happens; it was opened */

    int64_t epochs, steps_in_all; /* 0: not known */
    int validates;                /* 1: there is validation data */
    int reads_each_step;          /* 1: reading metrics costs nothing on this device */
    double unigram_loss;          /* NaN: not known yet (unigram.h) */
    unsigned warned;              /* what has been said (diagnose.c) */
    px_metrics bad;               /* metrics.bad_step >= 0: what px_run_sync found, or the last save */
    int bad_weights;              /* 1: that save: the loss was finite, and the weights after the update are not */

    /* speed: seconds of steps alone, without evaluations and checkpoints */
    double job_started, timer_started;
    int64_t job_first_step, timer_tokens;
    double checkpoint_written; /* px_clock of the latest checkpoint */
    int64_t checkpoint_step;   /* its step, -1 if none by this job */
    int64_t last_step;         /* step of the last.safetensors that lies in the folder, -1 if none or not known */
} px_run;

/* ---- run.c, and introduce.c for the lines at the start ----------------------------------------------------------- */
/* Copies and checks the configuration; run is zeroed by the caller, hooks may be NULL. On failure close it too. */
px_status px_run_prepare(px_run *run, const px_config *config, const px_train_hooks *hooks, px_train_result *result);
/* Opens what a run needs: corpus, windows, engine, buffers. Nothing is written. */
px_status px_run_open(px_run *run);
/* Its two halves: the texts, again where they were open, and all that is made for them. */
px_status px_run_open_texts(px_run *run);
px_status px_run_open_engine(px_run *run);
void px_run_close(px_run *run);
/* Initial weights into the engine; the state before the first step. */
px_status px_run_initialise(px_run *run);
/* Tells the caller one line. */
void px_run_line(const px_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The lines at the start: corpus, model, device. */
px_status px_run_introduce(px_run *run);
/* Epoch, from 1, that the latest step belongs to. */
int64_t px_run_epoch_number(const px_run *run);

#endif
