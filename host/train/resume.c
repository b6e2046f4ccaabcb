/* Going on with an earlier run: see train.h and run.h. */
#include "run.h"

#include "check.h"
#include "checkpoint.h"
#include "diagnose.h"
#include "extend.h"
#include "file.h"
#include "loop.h"
#include "metrics_log.h"
#include "minibatch.h"
#include "paths.h"
#include "quantity.h"
#include "run_checkpoints.h"
#include "run_files.h"
#include "run_folder.h"
#include "run_lock.h"
#include "run_text.h"
#include "to_end.h"
#include "together.h"
#include "train.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- from the checkpoint ----------------------------------------------------------------------------------------- */

/* A name of a file is remembered as it is found from anywhere, and compared so. */
static px_status set_change(px_config *config, const char *name, const char *value)
{
    if (strcmp(name, "init-from") != 0) return px_config_set(config, name, value);
    char *path = px_path_absolute(value);
    if (!path) return px_fail(PX_ERR_MEMORY, "%s: no memory for its name", value);
    px_status status = px_config_set(config, name, path);
    free(path);
    return status;
}

/* What the first job has settled, a later one may ask for as the first did: its command is the same. */
static void take_settled(const px_config *own, px_config *config)
{
    if (config->model.cutoffs.count == 0) config->model.cutoffs = own->model.cutoffs;
    if (config->ranks.reduce == PX_REDUCE_AUTO) config->ranks.reduce = own->ranks.reduce;
    if (config->schedule_steps == 0) config->schedule_steps = own->schedule_steps;
}

static px_status set_changes(px_config *config, const char *folder, const char *const *changes)
{
    PX_TRY(px_config_set(config, "run", folder)); /* the folder may have been moved */
    for (; changes && changes[0]; changes += 2) {
        if (strcmp(changes[0], "run") == 0)
            return px_fail(PX_ERR_ARGUMENT,
                           "--run %s: a resumed run stays in its folder %s; leave one of --run and --resume out",
                           changes[1], folder);
        PX_TRY(set_change(config, changes[0], changes[1]));
    }
    return PX_OK;
}

/* The run's configuration with the changes asked for, where those are allowed. */
static px_status changed_config(const px_config *own, const char *folder, const char *const *changes, px_config *config)
{
    PX_TRY(px_config_copy(config, own));
    px_status status = set_changes(config, folder, changes);
    if (status == PX_OK) take_settled(own, config);
    if (status == PX_OK) status = px_config_check_resume(own, config);
    if (status != PX_OK) px_config_free(config);
    return status;
}

static px_status same_corpus(const px_run *run, const px_checkpoint *last)
{
    char name[PX_PATHS_NAME_BYTES];
    if (px_vocabulary_hash(run->corpus.vocabulary) != px_vocabulary_hash(last->vocabulary) ||
        run->state.corpus_hash != last->state.corpus_hash)
        return px_fail(PX_ERR_INPUT,
                       "%s: not the text that %s was started with (or its validation or test text has changed); a run "
                       "can only be resumed on the same one",
                       px_paths_name(run->config.corpus.data, name), run->folder);
    return PX_OK;
}

/* Names the first of a setting's files that is not there; PX_OK: all are. */
static px_status find_moved(px_status status, const char *flag, const char *files)
{
    px_paths paths;
    if (!files || px_paths_split(files, &paths) != PX_OK) return PX_OK;
    const char *missing = NULL;
    for (size_t i = 0; i < paths.count && !missing; i++)
        if (strcmp(paths.path[i], "-") != 0 && access(paths.path[i], F_OK) != 0) missing = paths.path[i];
    if (missing)
        status = px_fail(
            status, "%s: no such file, and the run was started with --%s %s; give --%s FILE%s if it lies elsewhere now",
            missing, flag, missing, flag, paths.count > 1 ? " ... (all of them)" : "");
    px_paths_free(&paths);
    return missing ? status : PX_OK;
}

static px_status open_same_texts(px_run *run, const px_checkpoint *last)
{
    px_status status = px_run_open_texts(run);
    if (status == PX_OK) return same_corpus(run, last);
    PX_TRY(find_moved(status, "data", run->config.corpus.data));
    PX_TRY(find_moved(status, "valid", run->config.corpus.valid));
    PX_TRY(find_moved(status, "test", run->config.corpus.test));
    return status;
}

/* The run's texts, which may have been moved since: along with its folder, or elsewhere, and then the message says how
 * to give them. */
static px_status find_texts(px_run *run, const px_checkpoint *last)
{
    char reason[PX_RUN_TEXT_REASON_BYTES], name[PX_PATHS_NAME_BYTES];
    int follows;
    px_status status = open_same_texts(run, last);
    if (status != PX_ERR_INPUT) return status;
    snprintf(reason, sizeof reason, "%s", px_error_message());
    PX_TRY(px_run_text_follow(&run->config, &last->config, last->folder, run->folder, &follows));
    if (!follows) return px_fail(status, "%s", reason);
    PX_TRY(open_same_texts(run, last));
    px_run_line(run, "note: the run's folder was moved; its text is read beside it: %s",
                px_paths_name(run->config.corpus.data, name));
    return PX_OK;
}

/* Cosine ends at rate 0, and its length is the run's: more steps are granted, but said to be idle. */
static void warn_of_idle_steps(const px_run *run)
{
    const px_config *config = &run->config;
    int64_t end = config->schedule_from +
                  (config->schedule_steps > config->warmup_steps ? config->schedule_steps : config->warmup_steps);
    if (config->schedule == PX_SCHEDULE_COSINE && config->lr_min <= 0 && run->steps_in_all > end)
        px_run_line(run,
                    "warning: the schedule of this run ends at step %lld, at a learning rate of 0; steps after it "
                    "learn nothing (when it has ended, --extend-steps gives it more of them)",
                    (long long)end);
}

/* Everything as it was when the checkpoint was made, on every rank. Nothing is changed on disk. */
static px_status take_up(px_run *run, const px_checkpoint *last, const char *damage)
{
    if (*damage) px_run_line(run, "warning: %s; going on from %s instead", damage, last->path);
    run->resumed = 1;
    if (px_config_keeps_vocabulary(&run->config)) run->given_vocabulary = last->vocabulary;
    PX_TRY(find_texts(run, last));
    run->given_vocabulary = NULL;
    PX_TRY(px_run_open_engine(run));
    PX_TRY(px_run_text_remember(&run->config));
    PX_TRY(px_run_restore(run, last));
    if (run->state.window > 0 && run->state.window >= px_minibatches_per_epoch(run->windows, run->state.epoch))
        return px_fail(PX_ERR_INPUT, "%s: damaged: window %lld of an epoch of %lld", last->path,
                       (long long)run->state.window,
                       (long long)px_minibatches_per_epoch(run->windows, run->state.epoch));
    return PX_OK;
}

/* What lies there as the best model would be written over by a better one. */
static px_status check_best(const px_run *run)
{
    px_checkpoint best;
    if (access(run->best_path, F_OK) != 0) return PX_OK;
    px_status status = px_checkpoint_open(run->best_path, &best);
    if (status != PX_OK) {
        char reason[768];
        snprintf(reason, sizeof reason, "%s", px_error_message());
        return px_fail(status, "%s; to go on without the best model so far, move its file away", reason);
    }
    int is_ours = best.state.corpus_hash == run->state.corpus_hash && best.parameters.count == run->parameters.count;
    px_checkpoint_close(&best);
    return is_ours ? PX_OK
                   : px_fail(PX_ERR_INPUT,
                             "%s: not a model of this run, which would put its best one in its place; move it away",
                             run->best_path);
}

/* Without its file the best model is lost, unless it is that of this very step. */
static px_status find_best(px_run *run)
{
    char step[32];
    if (!run->validates || run->state.best_step < 0 || access(run->best_path, F_OK) == 0) return PX_OK;
    if (run->state.best_step == run->state.step) return px_run_write_best(run, &run->state);
    px_run_line(run, "warning: %s is missing: the best model so far, of step %s; only a better one takes its place",
                run->best_path, px_text_count(step, run->state.best_step));
    return PX_OK;
}

/* The folder as it was then: rank 0's, once everything has been checked. */
static px_status take_up_folder(px_run *run, const char *damage)
{
    struct stat info;
    int is_ours;
    PX_TRY(px_run_metrics_is_ours(run->metrics_path, &is_ours));
    if (!is_ours)
        return px_fail(PX_ERR_INPUT, "%s: not this run's log, which would be put in its place; move it away",
                       run->metrics_path);
    PX_TRY(check_best(run));
    if (*damage) PX_TRY(px_run_drop_kept_after(run->folder, run->state.step)); /* found damaged just now */
    if (stat(run->metrics_path, &info) != 0 || info.st_size < run->state.metrics_bytes)
        px_run_line(run, "warning: %s is shorter than it was at the checkpoint; lines are missing from it",
                    run->metrics_path);
    PX_TRY(px_metrics_log_open(run->metrics_path, run->state.metrics_bytes, &run->log));
    PX_TRY(px_run_recall_warnings(run));
    PX_TRY(px_run_restore_best(run));
    PX_TRY(find_best(run));
    PX_TRY(px_run_config_is_ours(run->config_path, &is_ours));
    if (is_ours)
        PX_TRY(px_run_write_config(run));
    else
        px_run_line(run, "warning: %s is not as perplex writes it, so it is left as it is", run->config_path);
    PX_TRY(px_run_introduce(run));
    warn_of_idle_steps(run);
    char step[32];
    px_run_line(run, "resumed at step %s, epoch %lld", px_text_count(step, run->state.step),
                (long long)run->state.epoch + 1);
    return PX_OK;
}

/* ---- a run that has ended ---------------------------------------------------------------------------------------- */

static double number_of(const cJSON *line, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(line, name);
    return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}

/* Above 2^53 a count is not exact here; no run has that many steps or tokens. */
static int64_t count_of(const cJSON *line, const char *name, int64_t otherwise)
{
    double value = number_of(line, name);
    return value >= -1 && value < 0x1p53 ? (int64_t)value : otherwise;
}

/* The last line of metrics.jsonl, parsed; NULL where that cannot be done. The caller deletes it. */
static cJSON *last_line(const char *path)
{
    enum { LINE_BYTES = 1 << 16 }; /* the one that is looked for is short */
    px_file file;
    cJSON *line = NULL;
    if (px_file_open(path, &file) != PX_OK) return NULL;
    size_t bytes = file.bytes < LINE_BYTES ? file.bytes : LINE_BYTES;
    char *text = malloc(bytes + 1);
    if (text && bytes > 1 && px_file_read_at(&file, file.bytes - bytes, text, bytes) == PX_OK &&
        text[bytes - 1] == '\n') {
        const char *before = memrchr(text, '\n', bytes - 1), *begin = before ? before + 1 : text;
        line = cJSON_ParseWithLength(begin, (size_t)(text + bytes - 1 - begin));
    }
    free(text);
    px_file_close(&file);
    return line;
}

/* 1 where the run ends at this checkpoint and an earlier job has written all that comes at the end: the result is then
 * in its last line. */
static int has_ended(const px_run *run)
{
    struct stat info;
    px_train_result *result = run->result;
    if (px_run_end_reason(run) == PX_END_NONE) return 0;
    cJSON *line = last_line(run->metrics_path);
    const cJSON *event = cJSON_GetObjectItemCaseSensitive(line, "event");
    int of_last = cJSON_HasObjectItem(line, "scored"); /* then it ended without a best model */
    int ended = (of_last || stat(run->best_path, &info) == 0) && cJSON_IsString(event) &&
                strcmp(event->valuestring, "end") == 0 && count_of(line, "step", -1) == run->state.step;
    if (ended) {
        result->steps = run->state.step;
        result->epochs = run->state.epoch;
        result->tokens = run->state.tokens;
        result->seconds = number_of(line, "seconds");
        result->train_loss = number_of(line, "train_loss");
        result->best_valid_loss = number_of(line, "best_valid_loss");
        result->best_step = count_of(line, "best_step", -1);
        result->valid_loss_zero = number_of(line, "valid_loss_zero");
        result->valid_loss_carried = number_of(line, "valid_loss_carried");
        result->test_loss_zero = number_of(line, "test_loss_zero");
        result->finished = 2;
        result->of_last = of_last;
        if (of_last) result->best_path[0] = 0;
    }
    cJSON_Delete(line);
    return ended;
}

/* ---- the calls --------------------------------------------------------------------------------------------------- */

static px_status check_folder(const char *folder)
{
    struct stat info;
    int has;
    if (strlen(folder) >= 4096) return px_fail(PX_ERR_ARGUMENT, "--resume %.60s...: the name is too long", folder);
    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode))
        return px_fail(PX_ERR_INPUT, "--resume %s: there is no such run folder", folder);
    /* before its lock makes a file there */
    PX_TRY(px_run_folder_has_checkpoint(folder, &has));
    if (!has)
        return px_fail(PX_ERR_INPUT,
                       "--resume %s: holds no last.safetensors, so there is nothing to go on with; start a run by "
                       "--run in another folder, or here when what is left has been moved away",
                       folder);
    return PX_OK;
}

static px_status lock(px_run *run, const char *folder)
{
    PX_TRY(check_folder(folder));
    return px_run_lock_take(folder, &run->lock); /* what is read from here on stays as it is */
}

/* What a caller asks for. */
typedef struct request {
    const char *folder;
    const char *const *changes;
    int64_t extend_steps; /* 0: the run is not extended */
    int may_be_over; /* 1: the result of a run that has ended is read back (nine digits) instead of being computed again
                      */
} request;

static px_status config_of(const px_checkpoint *last, const request *asked, px_config *config)
{
    px_config own = {0};
    if (asked->extend_steps == 0) return changed_config(&last->config, asked->folder, asked->changes, config);
    PX_TRY(px_run_extend_config(last, asked->folder, asked->extend_steps, asked->changes, &own));
    px_status status = changed_config(&own, asked->folder, asked->changes, config);
    px_config_free(&own);
    return status;
}

/* The checkpoint, read by every rank by itself, and a run with its configuration; the caller closes both. */
static px_status open_old(px_run *run, px_checkpoint *last, const request *asked, const px_train_hooks *hooks,
                          px_train_result *result, char damage[PX_RUN_DAMAGE_BYTES])
{
    px_config config = {0};
    PX_TRY(px_run_open_newest(asked->folder, last, damage));
    PX_TRY(config_of(last, asked, &config));
    px_status status = px_run_prepare(run, &config, hooks, result);
    px_config_free(&config);
    PX_TRY(status);
    run->state = last->state; /* says whether the run has ended */
    return px_run_folder_names(run);
}

static px_status resume(const request *asked, const px_train_hooks *hooks, px_train_result *result)
{
    px_run run = {0};
    px_comm alone = {.size = 1}, *comm = hooks && hooks->comm ? hooks->comm : &alone;
    px_checkpoint last = {0};
    char damage[PX_RUN_DAMAGE_BYTES];
    int over = 0;
    px_status status;
    px_run_clear_result(result);
    PX_TRY_GOTO(status, px_comm_agree(comm, comm->rank == 0 ? lock(&run, asked->folder) : PX_OK), done);
    PX_TRY_GOTO(status, px_comm_agree(comm, open_old(&run, &last, asked, hooks, result, damage)), done);
    if (px_run_leads(&run)) over = asked->may_be_over && has_ended(&run);
    PX_TRY_GOTO(status, px_run_decide(&run, &over), done);
    if (over) goto done;
    if (px_run_leads(&run)) px_run_folder_locked(&run);
    PX_TRY_GOTO(status, px_comm_agree(comm, take_up(&run, &last, damage)), done);
    PX_TRY_GOTO(status, px_run_compare_ranks(&run), done); /* all have found the same checkpoint */
    if (!*damage) run.last_step = run.state.step;
    PX_TRY_GOTO(status, px_comm_agree(comm, px_run_leads(&run) ? take_up_folder(&run, damage) : PX_OK), done);
    px_checkpoint_close(&last); /* its memory is not needed while training */
    if (asked->extend_steps > 0) PX_TRY_GOTO(status, px_run_extend(&run), done);
    status = px_run_train(&run);
done:
    px_checkpoint_close(&last);
    px_run_close(&run);
    return status;
}

px_status px_train_resume(const char *folder, const char *const *changes, const px_train_hooks *hooks,
                          px_train_result *result)
{
    return resume(&(request){.folder = folder, .changes = changes}, hooks, result);
}

px_status px_train_extend(const char *folder, int64_t steps, const char *const *changes, const px_train_hooks *hooks,
                          px_train_result *result)
{
    return resume(&(request){.folder = folder, .changes = changes, .extend_steps = steps}, hooks, result);
}

px_status px_train_can_resume(const char *run, int *can) { return px_run_folder_has_checkpoint(run, can); }

px_status px_train_start_or_resume(const px_config *config, const char *const *changes, const px_train_hooks *hooks,
                                   px_train_result *result)
{
    px_comm alone = {.size = 1}, *comm = hooks && hooks->comm ? hooks->comm : &alone;
    int there = 0;
    px_run_clear_result(result);
    PX_TRY(px_comm_agree(comm,
                         config->run && comm->rank == 0 ? px_run_folder_has_checkpoint(config->run, &there) : PX_OK));
    PX_TRY(px_comm_broadcast(comm, &there, sizeof there)); /* as rank 0 sees it */
    if (!there) return px_train_start(config, hooks, result);
    const char **kept;
    size_t count = 0, out = 0;
    while (changes && changes[count]) count += 2;
    kept = calloc(count + 1, sizeof *kept);
    if (!kept) return px_fail(PX_ERR_MEMORY, "%s: no memory for its settings", config->run);
    for (size_t i = 0; i < count; i += 2) {
        if (strcmp(changes[i], "run") == 0) continue;
        kept[out++] = changes[i];
        kept[out++] = changes[i + 1];
    }
    px_status status = resume(&(request){.folder = config->run, .changes = kept, .may_be_over = 1}, hooks, result);
    free(kept);
    return status;
}
