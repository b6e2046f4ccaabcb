/* Which files are a run's: see run_files.h.
 *
 * A folder may hold more than a run: notes, figures, even a `config` or `report.html` of somebody's own. What is
 * written anew is therefore recognised by its content first. config is recognised by its form: reading it and writing
 * it again must give its lines (an earlier version had fewer, and another name for one). metrics.jsonl begins with the
 * event of a start. */
#include "run_files.h"

#include "check.h"
#include "config.h"
#include "file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_LIMIT = 1 << 20, START_LIMIT = 4096 };
static const char START[] = "{\"event\":\"start\"";

static int is_there(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat info;
    return snprintf(path, sizeof path, "%s/%s", folder, name) < PATH_MAX && lstat(path, &info) == 0;
}

int px_run_folder_is_one(const char *folder)
{
    return is_there(folder, "metrics.jsonl") || (is_there(folder, "config") && (is_there(folder, "last.safetensors") ||
                                                                                is_there(folder, "best.safetensors")));
}

int px_run_file_is_named(const char *name)
{
    static const char *const names[] = {
        "config", "metrics.jsonl", "best.safetensors", "last.safetensors", "best.before-end.safetensors",
        "lock",   "report.html"};
    static const char *const beginnings[] = {"checkpoint-", "events.out.tfevents."};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return 1;
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0) return 1;
    return 0;
}

/* ---- config ------------------------------------------------------------------------------------------------------ */

/* The option that a line begins with, by an earlier name too, and where its value follows; NULL for other lines. */
static const px_option *option_of(const char *line, const char **value)
{
    char name[64];
    const size_t bytes = strcspn(line, " \n");
    if (bytes >= sizeof name) return NULL;
    memcpy(name, line, bytes);
    name[bytes] = 0;
    *value = line + bytes;
    return px_config_find(name);
}

/* 1 where two lines, each up to its end, are the same or give one option the same value. */
static int is_same_line(const char *a, const char *b)
{
    const char *value_a, *value_b;
    const px_option *option = option_of(a, &value_a);
    if (option && option_of(b, &value_b) == option) {
        a = value_a;
        b = value_b;
    }
    const size_t bytes = strcspn(a, "\n");
    return bytes == strcspn(b, "\n") && memcmp(a, b, bytes) == 0;
}

/* 1 where every line of text is one of whole, in the same order. */
static int has_lines_of(const char *text, const char *whole)
{
    while (*text) {
        for (; !is_same_line(text, whole); whole++) {
            whole += strcspn(whole, "\n");
            if (!*whole) return 0;
        }
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return 1;
}

static int is_as_written(const char *text, size_t bytes, const char *path)
{
    px_config config;
    px_config_default(&config);
    char *again = px_config_read(&config, text, bytes, path) == PX_OK ? px_config_write(&config) : NULL;
    int is = bytes > 0 && again && has_lines_of(text, again);
    free(again);
    px_config_free(&config);
    return is;
}

px_status px_run_config_is_ours(const char *path, int *is)
{
    struct stat info;
    char *text;
    size_t bytes;
    *is = lstat(path, &info) != 0;
    if (*is) return PX_OK;
    px_status status = px_file_read(path, CONFIG_LIMIT, &text, &bytes);
    if (status != PX_OK) return status == PX_ERR_INPUT ? PX_OK : status;
    *is = is_as_written(text, bytes, path);
    free(text);
    return PX_OK;
}

/* ---- kept checkpoints -------------------------------------------------------------------------------------------- */

px_status px_run_kept_is_ours(const char *path, int *is)
{
    static const char kind[] = "\"perplex.kind\":\"last\"";
    char start[256];
    size_t got;
    *is = 0;
    px_status status = px_file_read_start(path, start, sizeof start, &got);
    if (status != PX_OK) return status == PX_ERR_INPUT ? PX_OK : status;
    *is = memmem(start, got, kind, sizeof kind - 1) != NULL;
    return PX_OK;
}

/* ---- metrics.jsonl ----------------------------------------------------------------------------------------------- */

typedef enum metrics_kind { METRICS_NONE, METRICS_BEGUN, METRICS_RECORD, METRICS_OTHER } metrics_kind;

/* BEGUN: at most the line of a start, perhaps cut off. */
static px_status find_kind(const char *path, metrics_kind *kind)
{
    struct stat info;
    char start[START_LIMIT];
    size_t got;
    *kind = METRICS_NONE;
    if (lstat(path, &info) != 0) return PX_OK;
    *kind = METRICS_OTHER;
    px_status status = px_file_read_start(path, start, sizeof start, &got);
    if (status != PX_OK)
        return status == PX_ERR_INPUT && px_error_system() != EACCES ? PX_OK : status; /* unread it may be anybody's */
    if (memcmp(start, START, got < sizeof START - 1 ? got : sizeof START - 1) != 0) return PX_OK;
    const char *end = memchr(start, '\n', got);
    *kind = got == sizeof start || (end && end + 1 < start + got) ? METRICS_RECORD : METRICS_BEGUN;
    return PX_OK;
}

px_status px_run_metrics_is_ours(const char *path, int *is)
{
    metrics_kind kind;
    PX_TRY(find_kind(path, &kind));
    *is = kind != METRICS_OTHER;
    return PX_OK;
}

/* ---- a new run --------------------------------------------------------------------------------------------------- */

px_status px_run_files_check_new(const char *folder)
{
    char path[PATH_MAX];
    const char *remedy = "give it another name, or another --run";
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    metrics_kind metrics;
    int is_ours;
    PX_TRY(find_kind(path, &metrics));
    if (metrics == METRICS_OTHER)
        return px_fail(PX_ERR_ARGUMENT, "%s: not a log of perplex, and the run would put its own in its place; %s",
                       path, remedy);
    if (metrics == METRICS_RECORD)
        return px_fail(
            PX_ERR_ARGUMENT,
            "%s: the log of a run whose checkpoints are gone; move it away to start anew here, or give another --run",
            path);
    snprintf(path, sizeof path, "%s/config", folder);
    PX_TRY(px_run_config_is_ours(path, &is_ours));
    if (!is_there(folder, "config") || (metrics == METRICS_BEGUN && is_ours)) return PX_OK;
    return px_fail(PX_ERR_ARGUMENT,
                   "%s: not of a run that was begun here, and the run would put its settings in its place; %s", path,
                   remedy);
}
