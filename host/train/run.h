/* One training run while it is open: what the files of this folder share. Internal to host/train.
 *
 *     run.c         opens corpus, engine and buffers; the few lines at the start
 *     run_folder.c  the folder: its files' names, its creation, checkpoints in it; run_lock.c who may write there;
 *     run_keep.c    older checkpoints, and which is the newest that is whole
 *     step.c        one step: its windows, the sum over ranks, the update; share.c which streams are whose
 *     gpus.c        several ranks on GPUs
 *     together.c    what ranks do together beside the steps
 *     loop.c        the steps, and when something is logged, evaluated or saved
 *     validation.c  evaluation during training; final_evaluation.c at its end
 *     observe.c     what an observer is shown (observer.h); snapshot.c the texts and weights among it
 *     rollback.c    what happens after a loss or gradient that is not finite
 *     train.c       starting and ending; resume.c going on with an earlier run; dry_run.c starting without a folder
 *
 * Rule for exact resume: whatever decides how the run goes on is in the engine's sections or in px_run_state, and is changed only
 * at places that do not depend on where a job began or ended. */
#ifndef PX_RUN_H
#define PX_RUN_H

#include "checkpoint.h"
#include "comm.h"
#include "corpus.h"
#include "engine.h"
#include "metrics_log.h"
#include "minibatch.h"
#include "observer.h"
#include "run_lock.h"
#include "run_state.h"
#include "share.h"
#include "train.h"
#include "tree.h"

typedef struct px_run {
    px_config config;             /* owned; schedule_steps and model.vocab are filled in */
    const px_train_hooks *hooks;  /* never NULL */
    px_train_result *result;      /* never NULL */
    px_comm *comm;                /* the hooks', or `alone` */
    px_comm alone;
    px_share share;
    px_tree *tree;                /* reduce = tree */
    struct px_nccl *nccl;         /* reduce = fast on several GPUs */
    char device[32];              /* of this rank: the configuration's, or the GPU of its own */
    int on_cpu;                   /* 1: the engine computes on the processor */
    float *hidden;                /* rank 0 of several: [L,n,h] of all streams, gathered for a checkpoint or the end */
    int stop;                     /* several ranks: what they have agreed on, PX_STOP_NO: go on */
    double step_loss;             /* of all ranks, since the last px_run_sync */
    int64_t step_tokens;
    px_corpus corpus;
    char *vocabulary;             /* its text, for model files */
    int32_t reset_id;
    px_parameters parameters;
    px_minibatches *windows;
    px_engine *engine;
    float *buffer;                /* [px_checkpoint_buffer_count]: sections on their way to and from files */
    px_run_state state;

    char *folder, *config_path, *metrics_path, *best_path, *last_path, *kept_path;
    px_run_lock *lock;
    px_metrics_log *log;
    int reading;                  /* 1: a step is reading its text, and has computed nothing yet */
    int resumed;                  /* 1: an earlier job wrote into this folder */
    int observed, observer_open;  /* 1: hooks->observer is shown what happens; it was opened */

    int64_t epochs, steps_in_all; /* 0: not known */
    int validates;                /* 1: there is validation data */
    int reads_each_step;          /* 1: reading metrics costs nothing on this device */
    px_metrics bad;               /* metrics.bad_step >= 0: what px_run_sync found */

    /* speed: seconds of steps alone, without evaluations and checkpoints */
    double job_started, timer_started;
    int64_t job_first_step, timer_tokens;
    double checkpoint_written;    /* px_clock of the latest checkpoint */
    int64_t checkpoint_step;      /* its step, -1 if none by this job */
    int64_t last_step;            /* step of the last.safetensors that lies in the folder, -1 if none or not known */
} px_run;

/* ---- run.c ------------------------------------------------------------------------------------------------------ */
/* Copies and checks the configuration; run is zeroed by the caller, hooks may be NULL. On failure close it too. */
px_status px_run_prepare(px_run *run, const px_config *config, const px_train_hooks *hooks, px_train_result *result);
/* Opens what a run needs: corpus, windows, engine, buffers. Nothing is written. */
px_status px_run_open(px_run *run);
void px_run_close(px_run *run);
/* Initial weights into the engine; the state before the first step. */
px_status px_run_initialise(px_run *run);
/* Tells the caller one line. */
void px_run_line(const px_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The lines at the start: corpus, model, device. */
px_status px_run_introduce(px_run *run);
/* Epoch, from 1, that the latest step belongs to. */
int64_t px_run_epoch_number(const px_run *run);
/* A fingerprint of all three texts as tokens: their numbers, and up to 1024 blocks of each. */
px_status px_run_corpus_hash(const px_corpus *corpus, uint64_t *hash);

/* ---- step.c ----------------------------------------------------------------------------------------------------- */
typedef struct px_run_position {
    int64_t epoch, window, step;
} px_run_position;
/* Tree or reducer, as run->share says; the engine is open. */
px_status px_run_open_reduction(px_run *run);
/* ---- gpus.c: several ranks on GPUs, one for each */
/* run->device: with several ranks "cuda" is the GPU of the rank's number on this machine, or the one that the launcher has left visible.
 * PX_ERR_DEVICE: there are fewer. */
px_status px_run_choose_device(px_run *run);
/* Joins all ranks by NCCL and makes it the engine's reducer. */
px_status px_run_open_nccl(px_run *run);

/* All windows of this rank, the sum over ranks, the update. With several ranks run->stop is then what all of them know. */
px_status px_run_step(px_run *run, const px_run_position *at, px_update *update);
/* px_engine_metrics of all ranks together; sums are cleared. */
px_status px_run_step_sums(px_run *run, px_metrics *metrics);

/* ---- together.c: where there is one rank these do nothing ---------------------------------------------------------- */
/* 1: this rank prints and writes files. */
int px_run_leads(const px_run *run);
/* Non-zero: end with a checkpoint. With several ranks as of the last step or px_run_share_stop, and the same on all of them. */
int px_run_stop_asked(const px_run *run);
px_status px_run_share_stop(px_run *run);
/* What rank 0 has decided, which the others may not know: clocks, files. */
px_status px_run_decide(px_run *run, int *decision);
/* Fails on every rank where weights or counters differ. */
px_status px_run_compare_ranks(px_run *run);
/* run->hidden on rank 0. */
px_status px_run_gather_hidden(px_run *run);

/* ---- run_folder.c ------------------------------------------------------------------------------------------------ */
px_status px_run_folder_names(px_run *run);
/* PX_ERR_ARGUMENT where the folder already holds a run. */
px_status px_run_folder_refuse(const px_run *run);
/* Creates the folder (and those above it) for a new run, takes its lock and opens metrics.jsonl; *created: 1 if it was not there. */
px_status px_run_folder_create(px_run *run, int *created);
/* Once its lock has been taken: removes what a killed job left half-written. */
void px_run_folder_locked(const px_run *run);
/* Takes back what px_run_folder_create and a failed start left behind. */
void px_run_folder_undo(px_run *run, int created);
px_status px_run_write_config(px_run *run);
px_status px_run_write_best(px_run *run, const px_run_state *state);
/* last.safetensors with everything, after metrics.jsonl was flushed. The caller has called px_run_sync. */
px_status px_run_write_last(px_run *run);
/* Engine and state as the checkpoint (kind LAST) has them. */
px_status px_run_restore(px_run *run, const px_checkpoint *from);
/* Before the evaluation at the end replaces best.safetensors, and back, when the run goes on after all. */
px_status px_run_keep_best(px_run *run);
px_status px_run_restore_best(px_run *run);

/* ---- run_keep.c -------------------------------------------------------------------------------------------------- */
/* Gives last.safetensors, about to be replaced, its second name, where config.keep asks for it. */
px_status px_run_keep_last(px_run *run);
/* Removes all but the newest config.keep of them. */
px_status px_run_prune_kept(px_run *run);
enum { PX_RUN_DAMAGE_BYTES = 768 };
/* Opens last.safetensors, or, where that is damaged or missing, the newest kept checkpoint that is whole: damage then says what was
 * wrong, else it is "". PX_ERR_INPUT where there is none. The caller closes it. */
px_status px_run_open_newest(const char *folder, px_checkpoint *checkpoint, char damage[PX_RUN_DAMAGE_BYTES]);
/* Removes kept checkpoints of later steps: those that were found damaged. */
px_status px_run_drop_kept_after(const char *folder, int64_t step);
/* Whether there is something to go on with. */
px_status px_run_folder_has_checkpoint(const char *folder, int *has);
/* Removes the unfinished files of a job that was killed. The caller holds the lock. */
void px_run_folder_tidy(const char *folder);
/* Copies a file, atomically. */
px_status px_run_copy(const char *from, const char *to);

/* ---- train.c ----------------------------------------------------------------------------------------------------- */
/* The result of nothing yet. */
void px_run_clear_result(px_train_result *result);
/* From where the run stands to its end; the result is filled in, also where the run stops or fails. */
px_status px_run_train(px_run *run);

/* ---- loop.c ------------------------------------------------------------------------------------------------------ */
typedef enum px_end_reason { PX_END_NONE, PX_END_MAX_STEPS, PX_END_EPOCHS, PX_END_EARLY_STOP } px_end_reason;
/* Whether the run ends where its state stands. */
px_end_reason px_run_end_reason(const px_run *run);
/* Trains until the run ends (reason), is asked to stop (PX_STOPPED, checkpoint written) or fails. */
px_status px_run_loop(px_run *run, px_end_reason *reason);
/* Adds the engine's sums to the state's; run->bad.bad_step >= 0 where a step was not finite: nothing may then be saved. */
px_status px_run_sync(px_run *run);
/* The line of the interval since the last one, and the progress hook; the sums are cleared. */
px_status px_run_log_interval(px_run *run);
/* Speeds count from here on: called after anything that is not a step. */
void px_run_restart_timer(px_run *run);
px_status px_run_stop_with_checkpoint(px_run *run);
/* The text cannot be read any more (it was cut short, its disk fails): what the run has reached is kept. Returns failure, whose recorded
 * message then says so as well. The sums were read (px_run_sync). */
px_status px_run_save_before_failing(px_run *run, px_status failure);

/* ---- validation.c ------------------------------------------------------------------------------------------------- */
/* The evaluation that is due at this step: state, best.safetensors, metrics, hooks. PX_STOPPED where asked to stop, after a
 * checkpoint. at_end: the run has ended where no evaluation was due; its last checkpoint is written, so that nothing of this
 * evaluation goes into a resumed run: the best model before it is kept beside. */
px_status px_run_validate(px_run *run, int at_end);

/* ---- observe.c, snapshot.c ----------------------------------------------------------------------------------------- */
/* Opens the observer, where there is one and this process writes the log, and shows it what is kept of this very step. */
px_status px_run_observe(px_run *run);
void px_run_observe_end(px_run *run);
void px_run_show_snapshot(px_run *run, const px_run_snapshot *snapshot);
/* After an evaluation was counted: a sample line where one is due (sample = 1), and the model for the observer. The state of
 * training is as it was; only the engine's sums, read before, are cleared. */
px_status px_run_look(px_run *run, int sample);

/* ---- unigram.c -------------------------------------------------------------------------------------------------------- */
/* Nats per token of the validation text (or, without one, of the training text) when each token has the probability
 * (count + 1) / (N + V) of its count among the N training tokens. At most 2^26 tokens of each text are looked at. */
px_status px_run_unigram_loss(const px_corpus *corpus, double *loss);

/* ---- final_evaluation.c ---------------------------------------------------------------------------------------------- */
/* The best model, each text as one stream: validation from zero and from the state carried out of training; test from zero.
 * The engine then holds the best weights: nothing can be trained on. */
px_status px_run_final_evaluation(px_run *run);

/* ---- rollback.c --------------------------------------------------------------------------------------------------- */
/* After px_run_sync found a bad step: goes back to the last checkpoint (PX_OK) or ends the run (PX_ERR_NUMERIC). */
px_status px_run_not_finite(px_run *run);

#endif
