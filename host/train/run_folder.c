/* The run's folder: see run_folder.h. Its files are config, metrics.jsonl, best.safetensors and last.safetensors (older
 * ones: run_checkpoints.c; while somebody trains there, `lock`: run_lock.c); where the evaluation at the end replaced
 * an earlier best model, that one is kept beside as best.before-end.safetensors, so that a run which is resumed with
 * more steps goes on as if it had never ended. */
#include "run_folder.h"

#include "check.h"
#include "checkpoint.h"
#include "file.h"
#include "machine.h"
#include "metrics_log.h"
#include "paths.h"
#include "run.h"
#include "run_checkpoints.h"
#include "run_files.h"
#include "run_lock.h"
#include "together.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static px_status join(const char *folder, const char *name, char **path)
{
    if (asprintf(path, "%s/%s", folder, name) < 0) {
        *path = NULL;
        return px_fail(PX_ERR_MEMORY, "%s: no memory for its name", folder);
    }
    return PX_OK;
}

px_status px_run_folder_names(px_run *run)
{
    if (!run->config.run || !*run->config.run)
        return px_fail(PX_ERR_ARGUMENT, "a training needs a folder; give --run DIR");
    run->folder = strdup(run->config.run);
    if (!run->folder) return px_fail(PX_ERR_MEMORY, "no memory for the run folder's name");
    for (size_t end = strlen(run->folder); end > 1 && run->folder[end - 1] == '/'; end--) run->folder[end - 1] = 0;
    if (!(run->place = px_path_absolute(run->folder)))
        return px_fail(PX_ERR_MEMORY, "no memory for the run folder's name");
    PX_TRY(join(run->folder, "config", &run->config_path));
    PX_TRY(join(run->folder, "metrics.jsonl", &run->metrics_path));
    PX_TRY(join(run->folder, "best.safetensors", &run->best_path));
    PX_TRY(join(run->folder, "last.safetensors", &run->last_path));
    PX_TRY(join(run->folder, "best.before-end.safetensors", &run->kept_path));
    if (strlen(run->best_path) >= sizeof run->result->best_path)
        return px_fail(PX_ERR_ARGUMENT, "--run %.60s...: the name is too long", run->folder);
    strcpy(run->result->best_path, run->best_path);
    strcpy(run->result->last_path, run->last_path);
    return PX_OK;
}

static int exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* Every folder on the way to path and it itself, where they are not there. path is cut while it works, and whole again
 * where nothing fails. *created = 1: the last one is new. */
static px_status make_each(char *path, int *created)
{
    for (char *slash = path + 1;; slash++) {
        int last = !*slash;
        if (*slash != '/' && !last) continue;
        *slash = 0;
        if (px_make_folder(path, 0777) == 0)
            *created = last;
        else if (errno != EEXIST)
            return px_fail(PX_ERR_IO, "%s: the folder cannot be made: %s", path, strerror(errno));
        if (last) return PX_OK;
        *slash = '/';
    }
}

static px_status make_folders(const char *folder, int *created)
{
    struct stat info;
    char *path = strdup(folder);
    if (!path) return px_fail(PX_ERR_MEMORY, "%s: no memory for its name", folder);
    px_status status = make_each(path, created);
    free(path);
    PX_TRY(status);
    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode))
        return px_fail(PX_ERR_ARGUMENT, "--run %s: not a folder; give another name", folder);
    return PX_OK;
}

px_status px_run_folder_refuse(const px_run *run)
{
    int has;
    PX_TRY(px_run_folder_has_checkpoint(run->folder, &has));
    if (has)
        return px_fail(PX_ERR_ARGUMENT,
                       "--run %s: already holds a run; continue it by --resume %s, or give another folder", run->folder,
                       run->folder);
    if (exists(run->best_path) || exists(run->kept_path))
        return px_fail(PX_ERR_ARGUMENT,
                       "--run %s: already holds a model, %s, though no last.safetensors to go on from; move it away to "
                       "start anew here, or give another folder",
                       run->folder, exists(run->best_path) ? "best.safetensors" : "best.before-end.safetensors");
    return px_run_files_check_new(run->folder);
}

px_status px_run_folder_create(px_run *run, int *created)
{
    *created = 0;
    PX_TRY(make_folders(run->folder, created));
    PX_TRY(px_run_lock_take(run->folder, &run->lock));
    px_run_folder_locked(run);
    PX_TRY(px_run_folder_refuse(run)); /* another job may have been faster */
    return px_metrics_log_open(run->metrics_path, 0, &run->log);
}

void px_run_folder_locked(const px_run *run)
{
    if (px_run_lock_holds(run->lock))
        px_run_folder_tidy(run->folder);
    else
        px_run_line(run,
                    "warning: %s: this file system has no locks; the file lock says whose folder it is, and stays "
                    "where a job is killed",
                    run->folder);
}

void px_run_folder_undo(px_run *run, int created)
{
    int began = exists(run->last_path); /* then it can be resumed */
    if (run->log && !began) {
        unlink(run->metrics_path);
        unlink(run->config_path); /* ours: px_run_folder_refuse has looked */
    }
    px_run_lock_release(run->lock);
    run->lock = NULL;
    if (created && !began) rmdir(run->folder);
}

px_status px_run_write_config(px_run *run)
{
    char *text = px_config_write(&run->config);
    if (!text) return px_fail(PX_ERR_MEMORY, "%s: no memory to write it", run->config_path);
    px_status status = px_file_put(run->config_path, text, strlen(text));
    free(text);
    return status;
}

static px_checkpoint_source source_of(px_run *run, px_checkpoint_kind kind, const px_run_state *state)
{
    return (px_checkpoint_source){.kind = kind,
                                  .config = &run->config,
                                  .hidden = run->hidden,
                                  .vocabulary = run->vocabulary,
                                  .folder = run->place,
                                  .parameters = &run->parameters,
                                  .state = state,
                                  .sections = px_engine_sections(run->engine),
                                  .buffer = run->buffer};
}

px_status px_run_restore(px_run *run, const px_checkpoint *from)
{
    const px_sections sections = px_engine_sections(run->engine);
    PX_TRY(px_checkpoint_restore(from, &sections, run->share.first, run->buffer));
    run->state = from->state;
    return PX_OK;
}

px_status px_run_write_best(px_run *run, const px_run_state *state)
{
    if (!px_run_leads(run)) return PX_OK;
    px_checkpoint_source source = source_of(run, PX_CHECKPOINT_BEST, state);
    return px_checkpoint_write(run->best_path, &source);
}

static px_status keep_last(const px_run *run)
{
    char *in_the_way;
    if (run->config.keep <= 0 || run->last_step < 0 || run->last_step == run->state.step) return PX_OK;
    PX_TRY(px_run_keep_last(run->folder, run->last_step, &in_the_way));
    if (in_the_way)
        px_run_line(run, "warning: %s is no checkpoint of a run, so it is left as it is, and this step is not kept",
                    in_the_way);
    free(in_the_way);
    return PX_OK;
}

/* Rank 0's part. */
static px_status write_last(px_run *run)
{
    PX_TRY(px_metrics_log_sync(run->log));
    run->state.metrics_bytes = px_metrics_log_bytes(run->log);
    px_checkpoint_source source = source_of(run, PX_CHECKPOINT_LAST, &run->state);
    PX_TRY(keep_last(run));
    return px_checkpoint_write(run->last_path, &source);
}

/* An update can overflow weights though its loss and gradient were finite. */
static px_status check_weights(px_run *run)
{
    PX_TRY(px_engine_read(run->engine, PX_SECTION_PARAMETERS, run->buffer));
    px_status status = px_parameters_check(&run->parameters, run->buffer, "the model");
    return status == PX_OK ? PX_OK : px_fail_context(PX_ERR_NUMERIC, "after step %lld", (long long)run->state.step);
}

/* Ranks that disagree save nothing, nor do weights that are not finite, which then are so on all ranks; the others go
 * on when the file is there. */
px_status px_run_write_last(px_run *run)
{
    PX_TRY(px_run_compare_ranks(run));
    PX_TRY(check_weights(run));
    /* progress: the step that failed is behind us */
    if (run->state.step > run->state.failed_step) run->state.rollbacks_in_a_row = 0;
    PX_TRY(px_run_gather_hidden(run));
    if (px_run_leads(run)) PX_TRY(write_last(run));
    PX_TRY(px_comm_wait_for_root(run->comm));
    run->checkpoint_written = px_clock();
    run->checkpoint_step = run->state.step;
    run->last_step = run->state.step;
    return px_run_leads(run) && run->config.keep > 0 ? px_run_prune_kept(run->folder, run->config.keep) : PX_OK;
}

/* A copy, not a rename: at every moment best.safetensors is there. */
px_status px_run_keep_best(px_run *run)
{
    return px_run_leads(run) && exists(run->best_path) ? px_run_copy(run->best_path, run->kept_path) : PX_OK;
}

px_status px_run_restore_best(px_run *run)
{
    if (!px_run_leads(run)) return PX_OK;
    if (px_rename(run->kept_path, run->best_path) != 0 && errno != ENOENT)
        return px_fail(PX_ERR_IO, "%s: cannot be renamed to best.safetensors: %s", run->kept_path, strerror(errno));
    return PX_OK;
}
