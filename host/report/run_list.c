/* Finding and ordering runs: see run_list.h. */
#include "run_list.h"

#include "check.h"
#include "file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 4 };

const char *const px_run_order_names[PX_RUN_ORDERS] = {"name",  "state",      "steps", "perplexity",
                                                       "speed", "parameters", "time"};

static px_status folder_bytes(const char *path, double *bytes)
{
    char file[4400];
    const char *name;
    px_folder folder;
    px_status status;
    *bytes = 0;
    PX_TRY(px_folder_open(path, &folder));
    while ((status = px_folder_next(&folder, &name)) == PX_OK && name) {
        struct stat info;
        snprintf(file, sizeof file, "%s/%s", path, name);
        if (lstat(file, &info) == 0 && S_ISREG(info.st_mode)) *bytes += (double)info.st_size;
    }
    px_folder_close(&folder);
    return status;
}

/* One more entry, of which nothing is known but the folder. */
static px_status append(px_run_list *list, const char *folder, px_run_entry **entry)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 32;
        px_run_entry *larger = realloc(list->entry, room * sizeof *larger);
        if (!larger) return px_fail(PX_ERR_MEMORY, "no memory for %zu runs", room);
        list->entry = larger;
        list->room = room;
    }
    px_run_entry *e = &list->entry[list->count];
    *e = (px_run_entry){.folder = strdup(folder),
                        .best_step = -1,
                        .best_perplexity = NAN,
                        .test_perplexity = NAN,
                        .tokens_per_s = NAN,
                        .loss = NAN,
                        .share = NAN,
                        .seconds_left = NAN};
    if (!e->folder) return px_fail(PX_ERR_MEMORY, "no memory for a folder's name");
    list->count++;
    *entry = e;
    return PX_OK;
}

/* A folder that is wrong, or not for us to read, is an entry that says so. Where the system is short of something the
 * list would not be whole, and there is none. */
static px_status keep_failure(px_run_entry *e, px_status status)
{
    e->status = status;
    if (status != PX_ERR_INPUT && status != PX_ERR_ARGUMENT) return status;
    e->error = strdup(px_error_message());
    return e->error ? PX_OK : px_fail(PX_ERR_MEMORY, "%s: no memory to say what is wrong with it", e->folder);
}

static px_status add_unreadable(px_run_list *list, const char *folder, px_status status)
{
    char message[1024];
    px_run_entry *e = NULL;
    snprintf(message, sizeof message, "%s", px_error_message());
    PX_TRY(append(list, folder, &e));
    return keep_failure(e, px_fail(status, "%s", message));
}

static px_status add(px_run_list *list, const char *folder)
{
    px_run_entry *e = NULL;
    px_run_data data;
    PX_TRY(append(list, folder, &e));
    px_status status = folder_bytes(folder, &e->bytes);
    if (status == PX_OK) status = px_run_data_read(folder, &data);
    if (status != PX_OK) return keep_failure(e, status);
    e->condition = data.condition;
    memcpy(e->reason, data.reason, sizeof e->reason);
    memcpy(e->device, data.device, sizeof e->device);
    px_run_data_model(&data, e->model);
    e->steps = data.steps;
    e->tokens = data.tokens;
    e->parameters = data.parameters;
    e->best_step = data.best_step;
    e->best_perplexity = exp(data.best_valid_loss);
    e->test_perplexity = exp(data.end_test_loss);
    e->tokens_per_s = px_run_data_speed(&data);
    e->loss = data.train_loss.count ? data.train_loss.value[data.train_loss.count - 1] : NAN;
    e->share = px_run_data_share(&data);
    e->seconds_left = px_run_data_seconds_left(&data);
    e->modified = data.modified;
    px_run_data_free(&data);
    return PX_OK;
}

static px_status search(const char *folder, int depth, px_run_list *list)
{
    char path[4400];
    struct stat info;
    px_status status = PX_OK;
    if (snprintf(path, sizeof path, "%s/metrics.jsonl", folder) >= 4096) return PX_OK;
    if (lstat(path, &info) == 0) return add(list, folder); /* there are no runs within runs */
    if (depth >= DEPTH_MAX) return PX_OK;
    const char *name;
    px_folder listing;
    status = px_folder_open(folder, &listing);
    if (status != PX_OK) return depth > 0 ? add_unreadable(list, folder, status) : status;
    for (;;) {
        PX_TRY_GOTO(status, px_folder_next(&listing, &name), done);
        if (!name) break;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        snprintf(path, sizeof path, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
        if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) PX_TRY_GOTO(status, search(path, depth + 1, list), done);
    }
done:
    px_folder_close(&listing);
    return status;
}

px_status px_run_list_read(const char *folder, px_run_list *list)
{
    struct stat info;
    *list = (px_run_list){0};
    if (!*folder) return px_fail(PX_ERR_INPUT, "'': no folder");
    if (stat(folder, &info) != 0) return px_fail_system(errno, "%s", folder);
    if (!S_ISDIR(info.st_mode)) return px_fail(PX_ERR_INPUT, "%s: not a folder", folder);
    px_status status = search(folder, 0, list);
    if (status == PX_OK)
        px_run_list_sort(list, PX_RUNS_BY_NAME);
    else
        px_run_list_free(list);
    return status;
}

void px_run_list_free(px_run_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->entry[i].folder);
        free(list->entry[i].error);
    }
    free(list->entry);
    *list = (px_run_list){0};
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

/* The key that rises; what is not known comes last. */
static double key(const px_run_entry *e, px_run_order order)
{
    if (e->status != PX_OK) return INFINITY;
    double value = 0;
    switch (order) {
    case PX_RUNS_BY_STATE: value = e->condition; break;
    case PX_RUNS_BY_STEPS: value = -(double)e->steps; break;
    case PX_RUNS_BY_PERPLEXITY: value = e->best_perplexity; break;
    case PX_RUNS_BY_SPEED: value = -e->tokens_per_s; break;
    case PX_RUNS_BY_PARAMETERS: value = -(double)e->parameters; break;
    case PX_RUNS_BY_TIME: value = -e->modified; break;
    default: break;
    }
    return isnan(value) ? INFINITY : value;
}

/* "run9" before "run10": runs of digits compare as numbers. */
static int by_name(const px_run_entry *a, const px_run_entry *b)
{
    int order = strverscmp(a->folder, b->folder);
    return order ? order : strcmp(a->folder, b->folder);
}

static int compare(const void *a, const void *b, void *order)
{
    px_run_order by = *(px_run_order *)order;
    double x = key(a, by), y = key(b, by);
    if (by != PX_RUNS_BY_NAME && x != y) return x < y ? -1 : 1;
    return by_name(a, b);
}

void px_run_list_sort(px_run_list *list, px_run_order order)
{
    if (list->count > 1) qsort_r(list->entry, list->count, sizeof *list->entry, compare, &order);
}
