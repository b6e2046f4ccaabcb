/* Starting and ending a run: see train.h and run.h. */
#include "train.h"

#include "check.h"
#include "final_evaluation.h"
#include "loop.h"
#include "machine.h"
#include "metrics_log.h"
#include "observe.h"
#include "quantity.h"
#include "run.h"
#include "run_folder.h"
#include "run_text.h"
#include "to_end.h"
#include "together.h"
#include "unigram.h"
#include "validation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static double mean(double sum, int64_t count) { return count > 0 ? sum / (double)count : NAN; }

static void fill_result(px_run *run)
{
    const px_run_state *state = &run->state;
    px_train_result *result = run->result;
    result->steps = state->step;
    result->epochs = state->epoch;
    result->tokens = state->tokens;
    result->seconds = px_clock() - run->job_started;
    result->train_loss = state->epoch_tokens > 0 ? mean(state->epoch_loss, state->epoch_tokens)
                                                 : mean(state->last_epoch_loss, state->last_epoch_tokens);
    result->best_valid_loss = state->best_loss;
    result->best_step = state->best_step;
}

static void log_loss(px_run *run, const char *name, const char *perplexity_name, double loss)
{
    if (isnan(loss)) return; /* there is no such text */
    px_metrics_number(run->log, name, loss);
    if (perplexity_name) px_metrics_number(run->log, perplexity_name, exp(loss));
}

static px_status log_end(px_run *run, px_end_reason reason)
{
    static const char *const reasons[] = {"", "max-steps", "epochs", "early-stop"};
    const px_train_result *result = run->result;
    px_metrics_begin(run->log, "end");
    px_metrics_count(run->log, "step", result->steps);
    px_metrics_count(run->log, "epoch", px_run_epoch_number(run));
    px_metrics_count(run->log, "tokens", result->tokens);
    px_metrics_text(run->log, "reason", reasons[reason]);
    log_loss(run, "train_loss", NULL, result->train_loss);
    if (run->validates) px_metrics_count(run->log, "best_step", result->best_step);
    log_loss(run, "best_valid_loss", NULL, result->best_valid_loss);
    log_loss(run, "valid_loss_zero", "valid_perplexity_zero", result->valid_loss_zero);
    log_loss(run, "valid_loss_carried", "valid_perplexity_carried", result->valid_loss_carried);
    log_loss(run, "test_loss_zero", "test_perplexity_zero", result->test_loss_zero);
    if (result->of_last) px_metrics_text(run->log, "scored", "last");
    px_metrics_number(run->log, "seconds", result->seconds);
    return px_metrics_end(run->log);
}

/* The last weights are the best where nothing else is known, or where they are; never where the best model's file is
 * lost. */
static px_status settle_best(px_run *run)
{
    struct stat info;
    char step[32];
    if (run->validates && stat(run->best_path, &info) == 0) return PX_OK;
    if (!run->validates || run->state.best_step < 0 || run->state.best_step == run->state.step) {
        if (run->validates && run->state.best_step < 0)
            px_run_line(run, "warning: no evaluation gave a number; best.safetensors holds the last weights");
        return px_run_write_best(run, &run->state);
    }
    px_run_line(run, "warning: %s, the best model, of step %s, is missing: the last weights are scored instead",
                run->best_path, px_text_count(step, run->state.best_step));
    run->result->of_last = 1;
    run->result->best_path[0] = 0;
    return PX_OK;
}

/* The loop has left a checkpoint: what follows (the rest of an interval, an evaluation at a step where none is due, the
 * end's own line) is of this end only. A run that is resumed with more steps goes on from before it, as if it had never
 * ended. */
static px_status finish(px_run *run, px_end_reason reason)
{
    if (run->state.interval_tokens > 0) PX_TRY(px_run_log_interval(run));
    if (run->validates && run->state.evaluated_step != run->state.step) PX_TRY(px_run_validate(run, 1));
    PX_TRY(settle_best(run));
    PX_TRY(px_run_final_evaluation(run));
    fill_result(run);
    PX_TRY(log_end(run, reason));
    PX_TRY(px_metrics_log_sync(run->log));
    run->result->finished = 1;
    return PX_OK;
}

px_status px_run_train(px_run *run)
{
    px_end_reason reason;
    px_status status;
    PX_TRY_GOTO(status, px_run_observe(run), fail);
    PX_TRY_GOTO(status, px_run_loop(run, &reason), fail);
    status = finish(run, reason);
    if (status == PX_OK) return PX_OK;
    if (status == PX_STOPPED)
        status = px_fail(PX_STOPPED, "%s: stopped while the finished model was being scored; go on by --resume %s",
                         run->folder, run->folder);
fail:
    fill_result(run);
    return status;
}

void px_run_clear_result(px_train_result *result)
{
    *result = (px_train_result){.train_loss = NAN,
                                .best_valid_loss = NAN,
                                .best_step = -1,
                                .valid_loss_zero = NAN,
                                .valid_loss_carried = NAN,
                                .test_loss_zero = NAN};
}

/* ---- a new run --------------------------------------------------------------------------------------------------- */

static px_status log_start(px_run *run)
{
    const px_corpus *corpus = &run->corpus;
    PX_TRY(px_run_unigram_loss(corpus, &run->unigram_loss));
    px_metrics_begin(run->log, "start");
    px_metrics_count(run->log, "step", 0);
    px_metrics_text(run->log, "device", run->engine->ops->name);
    px_metrics_count(run->log, "parameters", (int64_t)run->parameters.weights);
    px_metrics_count(run->log, "vocabulary", run->config.model.vocab);
    px_metrics_count(run->log, "train_tokens", (int64_t)(corpus->train.end - corpus->train.begin));
    px_metrics_count(run->log, "valid_tokens", (int64_t)(corpus->valid.end - corpus->valid.begin));
    px_metrics_count(run->log, "test_tokens", (int64_t)(corpus->test.end - corpus->test.begin));
    px_metrics_number(run->log, "unigram_loss", run->unigram_loss);
    return px_metrics_end(run->log);
}

static px_status create_folder(px_run *run, int *created)
{
    PX_TRY(px_run_folder_create(run, created));
    PX_TRY(px_run_write_config(run));
    return log_start(run);
}

static px_status name_and_create(px_run *run, int *created)
{
    PX_TRY(px_run_text_remember(&run->config));
    return px_run_leads(run) ? create_folder(run, created) : PX_OK;
}

/* The folder with the configuration and a checkpoint of the very beginning: from here on the run can be resumed, a loss
 * that is not finite has something to go back to, and a disk that cannot be written has shown itself before anything
 * was computed. */
static px_status begin_folder(px_run *run)
{
    int created = 0;
    px_status status;
    PX_TRY_GOTO(status, px_comm_agree(run->comm, name_and_create(run, &created)), fail);
    PX_TRY_GOTO(status, px_run_write_last(run), fail);
    return PX_OK;
fail:
    if (px_run_leads(run)) px_run_folder_undo(run, created);
    return status;
}

/* Every rank by itself: the same on all where nothing is wrong. */
static px_status open_new(px_run *run, const px_config *config, const px_train_hooks *hooks, px_train_result *result)
{
    PX_TRY(px_run_prepare(run, config, hooks, result));
    PX_TRY(px_run_folder_names(run));
    if (px_run_leads(run)) PX_TRY(px_run_folder_refuse(run));
    PX_TRY(px_run_open(run));
    PX_TRY(px_run_introduce(run));
    return px_run_initialise(run);
}

px_status px_train_start(const px_config *config, const px_train_hooks *hooks, px_train_result *result)
{
    px_run run = {0};
    px_run_clear_result(result);
    px_status status = open_new(&run, config, hooks, result);
    PX_TRY_GOTO(status, px_comm_agree(run.comm, status), done);
    PX_TRY_GOTO(status, begin_folder(&run), done);
    status = px_run_train(&run);
done:
    px_run_close(&run);
    return status;
}
