/* Checking and opening what is written: see outputs.h. */
#include "outputs.h"

#include "check.h"
#include "paths.h"
#include "run_files.h"
#include "scored_text.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is about to be written. */
typedef struct target {
    const px_command_line *line;
    const char *flag, *path;
    int exists;
    struct stat info; /* where it exists */
} target;

static int is_target(const target *t, const struct stat *info)
{
    return t->exists && info->st_dev == t->info.st_dev && info->st_ino == t->info.st_ino;
}

/* ---- what is read ----------------------------------------------------------------------------------------------- */

static px_status check_input(const target *t, const char *input)
{
    struct stat info;
    if (!input || stat(input, &info) != 0 || !is_target(t, &info)) return PX_OK;
    if (strcmp(input, t->path) == 0)
        return px_fail(PX_ERR_ARGUMENT, "--%s %s: that is what is read here; give another name", t->flag, t->path);
    return px_fail(PX_ERR_ARGUMENT, "--%s %s: that is %s, which is read here; give another name", t->flag, t->path,
                   input);
}

/* Of a run that is read, every file that is the run's; what else lies in its folder is anybody's. */
static px_status check_run(const target *t, const char *folder)
{
    char path[PATH_MAX];
    px_folder listing;
    const char *name;
    px_status status = px_folder_open(folder, &listing);
    if (status != PX_OK) return px_error_system() == EACCES ? PX_OK : status; /* its files may be readable by name */
    while ((status = px_folder_next(&listing, &name)) == PX_OK && name) {
        if (!px_run_file_is_named(name)) continue;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if ((status = check_input(t, path)) != PX_OK) break;
    }
    px_folder_close(&listing);
    return status;
}

static px_status check_texts(const target *t, const char *texts)
{
    px_paths paths;
    if (!texts) return PX_OK;
    PX_TRY(px_paths_split(texts, &paths));
    px_status status = PX_OK;
    for (size_t i = 0; i < paths.count; i++) PX_TRY_GOTO(status, check_input(t, paths.path[i]), done);
done:
    px_paths_free(&paths);
    return status;
}

/* The texts that a run was trained with, which --split-of and report read. */
static px_status check_texts_of(const target *t, const char *folder)
{
    px_config config;
    px_status status = px_run_config(folder, &config);
    if (status != PX_OK)
        return status == PX_ERR_INPUT ? PX_OK : status; /* whoever reads the run says what is wrong with it */
    PX_TRY_GOTO(status, check_texts(t, config.corpus.data), done);
    PX_TRY_GOTO(status, check_texts(t, config.corpus.valid), done);
    status = check_texts(t, config.corpus.test);
done:
    px_config_free(&config);
    return status;
}

static px_status check_name(const target *t, const char *input)
{
    struct stat info;
    if (!input || stat(input, &info) != 0) return PX_OK;
    if (!S_ISDIR(info.st_mode)) return check_input(t, input);
    PX_TRY(check_run(t, input));
    return check_texts_of(t, input);
}

static px_status check_flag(const target *t, const px_flag *flag)
{
    if (!px_flag_names_file(flag->value_name)) return PX_OK;
    if (flag->kind == PX_FLAG_STRING) return check_name(t, *(const char *const *)flag->place);
    if (flag->kind == PX_FLAG_PAIR)
        for (int i = 0; i < 2; i++) PX_TRY(check_name(t, ((const char *const *)flag->place)[i]));
    if (flag->kind == PX_FLAG_LIST)
        for (size_t i = 0; i < ((const px_flag_list *)flag->place)->count; i++)
            PX_TRY(check_name(t, ((const px_flag_list *)flag->place)->value[i]));
    return PX_OK;
}

static px_status check_settings(const target *t)
{
    const px_command_line *line = t->line;
    if (!line->config) return PX_OK;
    const char *const names[] = {"data", "valid", "test"}, *const texts[] = {line->config->corpus.data,
                                                                             line->config->corpus.valid,
                                                                             line->config->corpus.test};
    for (int i = 0; i < 3; i++)
        if (px_command_line_takes(line, px_config_find(names[i]))) PX_TRY(check_texts(t, texts[i]));
    for (size_t i = 0; i < line->config_files.count; i++) PX_TRY(check_input(t, line->config_files.value[i]));
    return PX_OK;
}

static px_status check_inputs(const target *t)
{
    for (const px_flag *flag = t->line->flags; flag && flag->name; flag++) PX_TRY(check_flag(t, flag));
    for (int i = 0; i < t->line->positional_count; i++) PX_TRY(check_name(t, t->line->positional[i]));
    return check_settings(t);
}

/* What the shell has opened: replacing that file would leave the shell's writing in one that has no name any more. */
static px_status check_standard(const target *t)
{
    static const char *const names[] = {"standard input comes from", "standard output goes to",
                                        "standard error goes to"};
    struct stat info;
    for (int fd = 0; fd <= 2; fd++)
        if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && is_target(t, &info))
            return px_fail(PX_ERR_ARGUMENT, "--%s %s: %s that file; give another name", t->flag, t->path, names[fd]);
    return PX_OK;
}

/* ---- files of runs ----------------------------------------------------------------------------------------------- */

static void split_path(const char *path, char folder[PATH_MAX], const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (slash == path) strcpy(folder, "/");
}

/* perplex report RUN --out RUN/report.html is what it does anyway. */
static int is_own_report(const target *t, const char *folder, const char *name)
{
    return strcmp(t->line->command, "report") == 0 && t->line->positional_count == 1 &&
           strcmp(name, "report.html") == 0 && px_file_is_same(t->line->positional[0], folder);
}

static px_status check_folder(const target *t, const char *path)
{
    char folder[PATH_MAX];
    const char *name;
    split_path(path, folder, &name);
    if (!px_run_file_is_named(name) || !px_run_folder_is_one(folder)) return PX_OK;
    return px_fail(PX_ERR_ARGUMENT, "--%s %s: %s is a run, and %s one of its own files; give another name", t->flag,
                   t->path, folder, name);
}

/* ---- the check --------------------------------------------------------------------------------------------------- */

static px_status check_kind(const target *t, px_flag_kind kind)
{
    if (!t->exists || S_ISREG(t->info.st_mode)) return PX_OK;
    if (S_ISDIR(t->info.st_mode))
        return px_fail(PX_ERR_ARGUMENT, "--%s %s: a folder; give the name of a file", t->flag, t->path);
    return kind == PX_FLAG_OUT_TEXT
               ? PX_OK
               : px_fail(PX_ERR_ARGUMENT, "--%s %s: not a regular file; give the name of a file", t->flag, t->path);
}

px_status px_output_check(const px_command_line *line, const char *flag, const char *path, px_flag_kind kind)
{
    target t = {.line = line, .flag = flag, .path = path};
    char folder[PATH_MAX], *real;
    const char *name;
    if (strcmp(path, "-") == 0)
        return kind == PX_FLAG_OUT_TEXT
                   ? PX_OK
                   : px_fail(
                         PX_ERR_ARGUMENT,
                         "--%s -: standard output takes texts, and this is none; give a name (./- for a file called -)",
                         flag);
    if (strlen(path) >= PATH_MAX) return px_fail(PX_ERR_ARGUMENT, "--%s %.60s...: the name is too long", flag, path);
    t.exists = stat(path, &t.info) == 0;
    PX_TRY(check_kind(&t, kind));
    split_path(path, folder, &name);
    if (is_own_report(&t, folder, name)) return check_standard(&t);
    PX_TRY(check_inputs(&t));
    PX_TRY(check_standard(&t));
    PX_TRY(check_folder(&t, path));
    real = realpath(path, NULL); /* a link elsewhere to a run's file */
    px_status status = real ? check_folder(&t, real) : PX_OK;
    free(real);
    return status;
}

px_status px_output_check_folder(const char *flag, const char *folder)
{
    if (!px_run_folder_is_one(folder)) return PX_OK;
    return px_fail(PX_ERR_ARGUMENT, "--%s %s: a run, whose folder holds its own files; give another folder", flag,
                   folder);
}

px_status px_output_check_inputs(const px_command_line *line, const char *flag, const char *path)
{
    target t = {.line = line, .flag = flag, .path = path};
    t.exists = stat(path, &t.info) == 0;
    PX_TRY(check_inputs(&t));
    return check_standard(&t);
}

px_status px_outputs_check(const px_command_line *line)
{
    for (const px_flag *flag = line->flags; flag && flag->name; flag++) {
        if (flag->kind != PX_FLAG_OUT_FILE && flag->kind != PX_FLAG_OUT_TEXT && flag->kind != PX_FLAG_OUT_NAME)
            continue;
        const char *path = *(const char *const *)flag->place;
        if (!path) continue;
        if (!*path) return px_fail(PX_ERR_ARGUMENT, "--%s '': not a name", flag->name);
        if (flag->kind != PX_FLAG_OUT_NAME || strcmp(path, "-") == 0)
            PX_TRY(px_output_check(line, flag->name, path, flag->kind));
    }
    return PX_OK;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

px_status px_text_output_open(const char *flag, const char *path, px_text_output *output)
{
    struct stat info;
    *output = (px_text_output){.flag = flag, .path = path, .standard = strcmp(path, "-") == 0};
    if (output->standard) {
        output->stream = stdout;
        return PX_OK;
    }
    output->atomic = stat(path, &info) != 0 || S_ISREG(info.st_mode);
    if (output->atomic) {
        PX_TRY(px_signals_remove_unfinished(path));
        PX_TRY(px_atomic_open(path, &output->file));
        output->stream = output->file.stream;
        return PX_OK;
    }
    int fd = px_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return px_fail(PX_ERR_IO, "--%s %s: cannot be written: %s", flag, path, strerror(errno));
    if ((output->stream = px_stream(fd, "w"))) return PX_OK;
    close(fd);
    return px_fail(PX_ERR_MEMORY, "--%s %s: no memory to write it", flag, path);
}

px_status px_text_output_failed(const px_text_output *output)
{
    return output->standard ? px_fail(PX_ERR_IO, "standard output: %s", strerror(errno))
                            : px_fail(PX_ERR_IO, "--%s %s: %s", output->flag, output->path, strerror(errno));
}

px_status px_text_output_close(px_text_output *output, px_status status)
{
    FILE *stream = output->stream;
    output->stream = NULL;
    if (!stream || output->standard) return status; /* standard output is flushed and judged at the command's end */
    if (output->atomic) return px_atomic_end(&output->file, status);
    if (fclose(stream) != 0 && status == PX_OK) status = px_text_output_failed(output);
    return status;
}
