/* Older checkpoints of a run, and finding the newest that is whole: see run_checkpoints.h.
 *
 * checkpoint-000000500.safetensors is what last.safetensors was at step 500. It is the same file under a second name,
 * given before a new last.safetensors takes the first one away, so that keeping costs no writing and is as atomic as a
 * name; where a file system has no second names it is copied. */
#include "run_checkpoints.h"
#include "run_files.h"

#include "check.h"
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what lies in the folder ------------------------------------------------------------------------------------- */

static const char PREFIX[] = "checkpoint-", SUFFIX[] = ".safetensors", TEMPORARY[] = ".tmp.";

/* The step of checkpoint-STEP.safetensors, or -1. */
static int64_t step_of(const char *name)
{
    size_t prefix = sizeof PREFIX - 1;
    if (strncmp(name, PREFIX, prefix) != 0) return -1;
    size_t digits = strspn(name + prefix, "0123456789");
    if (digits < 1 || digits > 18 || strcmp(name + prefix + digits, SUFFIX) != 0) return -1;
    return strtoll(name + prefix, NULL, 10);
}

static int descending(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x < y) - (x > y);
}

static px_status add_step(int64_t step, int64_t **steps, size_t *count, size_t *room)
{
    if (*count == *room) {
        int64_t *more = realloc(*steps, (*room = *room ? 2 * *room : 16) * sizeof *more);
        if (!more) return px_fail(PX_ERR_MEMORY, "no memory for the steps of %zu checkpoints", *room);
        *steps = more;
    }
    (*steps)[(*count)++] = step;
    return PX_OK;
}

/* The steps of all kept checkpoints, newest first; malloc'ed. */
static px_status list_kept(const char *path, int64_t **steps_out, size_t *count_out)
{
    int64_t *steps = NULL;
    size_t count = 0, room = 0;
    const char *name;
    px_folder folder;
    *steps_out = NULL;
    *count_out = 0;
    PX_TRY(px_folder_open(path, &folder));
    px_status status;
    for (;;) {
        PX_TRY_GOTO(status, px_folder_next(&folder, &name), fail);
        if (!name) break;
        int64_t step = step_of(name);
        if (step >= 0) PX_TRY_GOTO(status, add_step(step, &steps, &count, &room), fail);
    }
    px_folder_close(&folder);
    if (count > 1) qsort(steps, count, sizeof *steps, descending);
    *steps_out = steps;
    *count_out = count;
    return PX_OK;
fail:
    px_folder_close(&folder);
    free(steps);
    return status == PX_ERR_INPUT ? PX_ERR_IO : status; /* it was there a moment ago */
}

static px_status kept_path(const char *folder, int64_t step, char **path)
{
    if (asprintf(path, "%s/%s%09lld%s", folder, PREFIX, (long long)step, SUFFIX) < 0) {
        *path = NULL;
        return px_fail(PX_ERR_MEMORY, "%s: no memory for a checkpoint's name", folder);
    }
    return PX_OK;
}

static px_status last_path(const char *folder, char **path)
{
    if (asprintf(path, "%s/last.safetensors", folder) < 0) {
        *path = NULL;
        return px_fail(PX_ERR_MEMORY, "%s: no memory for its name", folder);
    }
    return PX_OK;
}

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

static px_status copy_to(const px_file *from, px_atomic_file *to)
{
    enum { PART_BYTES = 1 << 20 };
    char *part = malloc(PART_BYTES);
    px_status status = PX_OK;
    if (!part) return px_fail(PX_ERR_MEMORY, "%s: no memory to copy it", from->path);
    for (size_t at = 0, bytes; at < from->bytes; at += bytes) {
        bytes = from->bytes - at < PART_BYTES ? from->bytes - at : PART_BYTES;
        PX_TRY_GOTO(status, px_file_read_at(from, at, part, bytes), done);
        PX_TRY_GOTO(status, px_atomic_write(to, part, bytes), done);
    }
done:
    free(part);
    return status;
}

px_status px_run_copy(const char *from, const char *to)
{
    px_file file;
    px_atomic_file copy;
    px_status status;
    PX_TRY(px_file_open(from, &file));
    PX_TRY_GOTO(status, px_atomic_open(to, &copy), done);
    status = px_atomic_end(&copy, copy_to(&file, &copy));
done:
    px_file_close(&file);
    return status;
}

/* A second name for a file, in place of whatever had that name. */
static px_status name_too(const char *path, const char *second)
{
    char *temporary;
    if (px_link(path, second) == 0) return PX_OK;
    if (errno != EEXIST) return px_run_copy(path, second);
    if (asprintf(&temporary, "%s%s%ld", second, TEMPORARY, (long)getpid()) < 0)
        return px_fail(PX_ERR_MEMORY, "%s: no memory for its name", second);
    unlink(temporary);
    px_status status = PX_OK;
    if (px_link(path, temporary) != 0 || px_rename(temporary, second) != 0)
        status = px_fail(PX_ERR_IO, "%s: cannot be kept: %s", second, strerror(errno));
    unlink(temporary); /* where both names were the same file already, rename has left it */
    free(temporary);
    return status;
}

/* *there: a file of that name; a failure where the system cannot say. */
static px_status look(const char *path, int *there)
{
    struct stat info;
    *there = stat(path, &info) == 0;
    if (*there || errno == ENOENT || errno == ENOTDIR) return PX_OK;
    (void)px_fail_system(errno, "%s: cannot be looked at", path);
    return PX_ERR_IO;
}

/* Gives last.safetensors the second name, unless somebody else's file has it: *is_ours = 0. */
static px_status keep_last_as(const char *folder, const char *path, int *is_ours)
{
    int there;
    char *last;
    *is_ours = 1;
    PX_TRY(look(path, &there));
    if (there) PX_TRY(px_run_kept_is_ours(path, is_ours));
    if (!*is_ours) return PX_OK;
    PX_TRY(last_path(folder, &last));
    px_status status = name_too(last, path);
    free(last);
    return status;
}

px_status px_run_keep_last(const char *folder, int64_t step, char **in_the_way)
{
    char *path;
    int is_ours;
    *in_the_way = NULL;
    PX_TRY(kept_path(folder, step, &path));
    px_status status = keep_last_as(folder, path, &is_ours);
    if (status == PX_OK && !is_ours)
        *in_the_way = path;
    else
        free(path);
    return status;
}

static px_status remove_ours(const char *path, int64_t most, int64_t *seen)
{
    int is_ours;
    PX_TRY(px_run_kept_is_ours(path, &is_ours));
    *seen += is_ours;
    if (is_ours && *seen > most && unlink(path) != 0 && errno != ENOENT)
        return px_fail(PX_ERR_IO, "%s: cannot be removed: %s", path, strerror(errno));
    return PX_OK;
}

/* Removes the checkpoint that was kept of a step if more than `most` have been seen with it, newest first; somebody's
 * own file of that name stays, and is not counted. */
static px_status remove_kept(const char *folder, int64_t step, int64_t most, int64_t *seen)
{
    char *path;
    PX_TRY(kept_path(folder, step, &path));
    px_status status = remove_ours(path, most, seen);
    free(path);
    return status;
}

px_status px_run_prune_kept(const char *folder, int64_t most)
{
    int64_t *steps;
    size_t count;
    px_status status = PX_OK;
    int64_t seen = 0;
    PX_TRY(list_kept(folder, &steps, &count));
    for (size_t i = 0; i < count; i++) PX_TRY_GOTO(status, remove_kept(folder, steps[i], most, &seen), done);
done:
    free(steps);
    return status;
}

/* ---- finding the newest one -------------------------------------------------------------------------------------- */

/* What is left behind as not whole and what ends the search: only a file that was read and is wrong is damaged. */
static int is_damage(px_status status) { return status == PX_ERR_INPUT && px_error_system() == 0; }

/* A file that is there, but that the system did not give to us, is no wrong input. */
static px_status open_state(const char *path, px_checkpoint *checkpoint)
{
    px_status status = px_checkpoint_open(path, checkpoint);
    if (status != PX_OK) return status == PX_ERR_INPUT && px_error_system() != 0 ? PX_ERR_IO : status;
    if (checkpoint->kind == PX_CHECKPOINT_LAST) return PX_OK;
    px_checkpoint_close(checkpoint);
    return px_fail(PX_ERR_INPUT, "%s: holds weights only, not the state of a training", path);
}

static px_status open_last(const char *folder, px_checkpoint *checkpoint)
{
    char *last;
    int there;
    px_status status;
    PX_TRY(last_path(folder, &last));
    PX_TRY_GOTO(status, look(last, &there), done);
    status = there ? open_state(last, checkpoint)
                   : px_fail(PX_ERR_INPUT,
                             "%s: holds no last.safetensors, so there is nothing to go on with; start a run by "
                             "--run in another folder, or here when what is left has been moved away",
                             folder);
done:
    free(last);
    return status;
}

px_status px_run_open_newest(const char *folder, px_checkpoint *checkpoint, char damage[PX_RUN_DAMAGE_BYTES])
{
    char *path;
    int64_t *steps = NULL;
    size_t count = 0;
    damage[0] = 0;
    px_status status = open_last(folder, checkpoint);
    if (status == PX_OK || !is_damage(status)) return status;
    snprintf(damage, PX_RUN_DAMAGE_BYTES, "%s", px_error_message());
    PX_TRY(list_kept(folder, &steps, &count));
    if (count == 0)
        status = px_fail(status,
                         "%s; there is no older checkpoint to go on from: get the file back, or begin a new run in "
                         "another folder (with --init-from %s from the best model so far)",
                         damage, folder);
    for (size_t i = 0; i < count && is_damage(status); i++) {
        PX_TRY_GOTO(status, kept_path(folder, steps[i], &path), done);
        status = open_state(path, checkpoint);
        free(path);
    }
    if (count > 0 && is_damage(status))
        status = px_fail(PX_ERR_INPUT, "%s; none of the %zu older checkpoints is whole", damage, count);
done:
    free(steps);
    return status;
}

px_status px_run_drop_kept_after(const char *folder, int64_t step)
{
    int64_t *steps;
    size_t count;
    PX_TRY(list_kept(folder, &steps, &count));
    px_status status = PX_OK;
    int64_t seen = 0;
    for (size_t i = 0; i < count && steps[i] > step; i++)
        PX_TRY_GOTO(status, remove_kept(folder, steps[i], 0, &seen), done);
done:
    free(steps);
    return status;
}

px_status px_run_folder_has_checkpoint(const char *folder, int *has)
{
    int64_t *steps = NULL;
    size_t count = 0;
    char *last;
    struct stat info;
    *has = 0;
    PX_TRY(last_path(folder, &last));
    px_status status = look(last, has);
    free(last);
    if (status != PX_OK || *has || stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)) return status;
    PX_TRY(list_kept(folder, &steps, &count));
    *has = count > 0;
    free(steps);
    return PX_OK;
}

/* ---- leftovers of a job that was killed -------------------------------------------------------------------------- */

/* NAME.tmp.PID with a NAME that we write. */
static int is_leftover(const char *name)
{
    static const char *const ours[] = {"config", "best.safetensors", "last.safetensors", "best.before-end.safetensors"};
    const char *at = strstr(name, TEMPORARY);
    if (!at || strspn(at + sizeof TEMPORARY - 1, "0123456789") != strlen(at + sizeof TEMPORARY - 1)) return 0;
    size_t bytes = (size_t)(at - name);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strlen(ours[i]) == bytes && memcmp(ours[i], name, bytes) == 0) return 1;
    return strncmp(name, PREFIX, sizeof PREFIX - 1) == 0;
}

void px_run_folder_tidy(const char *path)
{
    px_folder folder;
    const char *name;
    if (px_folder_open(path, &folder) != PX_OK) return;
    while (px_folder_next(&folder, &name) == PX_OK && name) {
        char *leftover;
        if (!is_leftover(name) || asprintf(&leftover, "%s/%s", path, name) < 0) continue;
        unlink(leftover);
        free(leftover);
    }
    px_folder_close(&folder);
}
