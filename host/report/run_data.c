/* Reading a run folder: see run_data.h. */
#include "run_data.h"

#include "check.h"
#include "file.h"
#include "json.h"
#include "run_busy.h"
#include "series.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_LIMIT = 1 << 24, LINE_LIMIT = 1 << 25 /* a sample of 60 words, each of the longest, and escaped */ };
static const size_t METRICS_LIMIT = (size_t)1 << 30;
static const double COUNT_MAX = 1e15; /* steps and tokens: whole numbers that a double holds exactly */

typedef struct reader {
    px_run_data *data;
    const char *path;
    size_t line;
    int ended, stopped, failed;
} reader;

/* ---- fields ------------------------------------------------------------------------------------------------------ */

static px_status bad_field(const reader *r, const char *field, const char *what)
{
    return px_fail(PX_ERR_INPUT, "%s:%zu: \"%s\" %s; not a line of perplex's metrics.jsonl", r->path, r->line, field,
                   what);
}

/* A count from 0 to 1e15. */
static px_status count_of(const reader *r, const cJSON *line, const char *field, int64_t *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, field);
    if (!cJSON_IsNumber(item)) return bad_field(r, field, item ? "is not a number" : "is missing");
    if (!(item->valuedouble >= 0 && item->valuedouble <= COUNT_MAX)) return bad_field(r, field, "is out of range");
    *value = (int64_t)item->valuedouble;
    return PX_OK;
}

/* A number, or one of the texts that stand for what JSON lacks. needed 0: NaN where it is missing. */
static px_status number_of(const reader *r, const cJSON *line, const char *field, int needed, double *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, field);
    *value = NAN;
    if (!item) return needed ? bad_field(r, field, "is missing") : PX_OK;
    if (cJSON_IsNumber(item))
        *value = item->valuedouble;
    else if (cJSON_IsString(item) && strcmp(item->valuestring, "inf") == 0)
        *value = INFINITY;
    else if (cJSON_IsString(item) && strcmp(item->valuestring, "-inf") == 0)
        *value = -INFINITY;
    else if (!cJSON_IsString(item) || strcmp(item->valuestring, "nan") != 0)
        return bad_field(r, field, "is not a number");
    return PX_OK;
}

static void text_of(const cJSON *line, const char *field, char *buffer, size_t buffer_bytes)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, field);
    snprintf(buffer, buffer_bytes, "%s", cJSON_IsString(item) ? item->valuestring : "");
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static px_status read_start(reader *r, const cJSON *line)
{
    px_run_data *data = r->data;
    text_of(line, "device", data->device, sizeof data->device);
    PX_TRY(count_of(r, line, "parameters", &data->parameters));
    PX_TRY(count_of(r, line, "vocabulary", &data->vocabulary));
    PX_TRY(count_of(r, line, "train_tokens", &data->train_tokens));
    PX_TRY(count_of(r, line, "valid_tokens", &data->valid_tokens));
    PX_TRY(count_of(r, line, "test_tokens", &data->test_tokens));
    return number_of(r, line, "unigram_loss", 0, &data->unigram_loss);
}

static px_status read_train(reader *r, const cJSON *line, double step)
{
    static const char *const fields[] = {"loss", "learning_rate", "grad_norm", "tokens_per_s"};
    px_run_data *data = r->data;
    px_series *const series[] = {&data->train_loss, &data->learning_rate, &data->grad_norm, &data->speed};
    PX_TRY(count_of(r, line, "epoch", &data->epoch));
    PX_TRY(count_of(r, line, "tokens", &data->tokens));
    for (int i = 0; i < 4; i++) {
        double value;
        PX_TRY(number_of(r, line, fields[i], 1, &value));
        PX_TRY(px_series_add(series[i], step, (double)data->tokens, value));
    }
    return PX_OK;
}

static px_status read_valid(reader *r, const cJSON *line, double step)
{
    px_run_data *data = r->data;
    double loss;
    PX_TRY(count_of(r, line, "epoch", &data->epoch));
    PX_TRY(count_of(r, line, "tokens", &data->tokens));
    PX_TRY(number_of(r, line, "valid_loss", 1, &loss));
    return px_series_add(&data->valid_loss, step, (double)data->tokens, loss);
}

static px_status read_sample(reader *r, const cJSON *line, int64_t step)
{
    px_run_data *data = r->data;
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(line, "text");
    if (!cJSON_IsString(text)) return bad_field(r, "text", "is missing");
    while (data->sample_count > 0 && data->samples[data->sample_count - 1].step >= step)
        free(data->samples[--data->sample_count].text);
    if (data->sample_count == data->sample_room) {
        size_t room = data->sample_room ? 2 * data->sample_room : 16;
        px_run_sample *larger = realloc(data->samples, room * sizeof *larger);
        if (!larger) return px_fail(PX_ERR_MEMORY, "%s: no memory for its samples", r->path);
        data->samples = larger;
        data->sample_room = room;
    }
    char *copy = strdup(text->valuestring);
    if (!copy) return px_fail(PX_ERR_MEMORY, "%s: no memory for its samples", r->path);
    data->samples[data->sample_count++] = (px_run_sample){step, copy};
    return PX_OK;
}

/* Steps count on from there: what was written of later ones no longer holds. */
static px_status read_rollback(reader *r, const cJSON *line)
{
    px_run_data *data = r->data;
    int64_t back = 0;
    PX_TRY(count_of(r, line, "back_to_step", &back));
    px_series *const series[] = {&data->train_loss, &data->learning_rate, &data->grad_norm, &data->speed,
                                 &data->valid_loss};
    for (int i = 0; i < 5; i++) px_series_cut(series[i], (double)back);
    while (data->sample_count > 0 && data->samples[data->sample_count - 1].step > back)
        free(data->samples[--data->sample_count].text);
    data->rollbacks++;
    return PX_OK;
}

static px_status read_extension(reader *r, const cJSON *line, int64_t step)
{
    px_run_extension extension = {.step = step};
    PX_TRY(count_of(r, line, "steps", &extension.steps));
    PX_TRY(number_of(r, line, "learning_rate", 1, &extension.rate));
    if (r->data->extensions < PX_RUN_EXTENSIONS_MAX) r->data->extension[r->data->extensions++] = extension;
    return PX_OK;
}

static void read_warning(px_run_data *data, const cJSON *line, int64_t step)
{
    if (data->warnings == PX_RUN_WARNINGS_MAX) return;
    px_run_warning *warning = &data->warning[data->warnings++];
    warning->step = step;
    text_of(line, "text", warning->text, sizeof warning->text);
}

static px_status read_end(reader *r, const cJSON *line)
{
    px_run_data *data = r->data;
    text_of(line, "reason", data->reason, sizeof data->reason);
    data->end_of_last = cJSON_HasObjectItem(line, "scored");
    PX_TRY(number_of(r, line, "train_loss", 0, &data->end_train_loss));
    PX_TRY(number_of(r, line, "valid_loss_zero", 0, &data->end_valid_loss_zero));
    PX_TRY(number_of(r, line, "valid_loss_carried", 0, &data->end_valid_loss_carried));
    PX_TRY(number_of(r, line, "test_loss_zero", 0, &data->end_test_loss));
    return number_of(r, line, "seconds", 0, &data->end_seconds);
}

/* Events that this program does not know are left out: a later one may write more. */
static px_status read_line(reader *r, const cJSON *line)
{
    px_run_data *data = r->data;
    const cJSON *event = cJSON_GetObjectItemCaseSensitive(line, "event");
    int64_t step = 0;
    if (!cJSON_IsObject(line) || !cJSON_IsString(event)) return bad_field(r, "event", "is missing");
    const char *name = event->valuestring;
    PX_TRY(count_of(r, line, "step", &step));
    data->steps = step;
    r->ended = strcmp(name, "end") == 0;
    r->stopped = strcmp(name, "stop") == 0;
    if (strcmp(name, "start") == 0) return read_start(r, line);
    if (strcmp(name, "train") == 0) return read_train(r, line, (double)step);
    if (strcmp(name, "valid") == 0) return read_valid(r, line, (double)step);
    if (strcmp(name, "sample") == 0) return read_sample(r, line, step);
    if (strcmp(name, "rollback") == 0) return read_rollback(r, line);
    if (strcmp(name, "extend") == 0) return read_extension(r, line, step);
    if (strcmp(name, "warning") == 0) read_warning(data, line, step);
    if (r->ended) return read_end(r, line);
    if (r->stopped) {
        text_of(line, "reason", data->reason, sizeof data->reason);
        r->failed = strcmp(data->reason, "not finite") == 0;
    }
    return PX_OK;
}

static px_status read_lines(reader *r, const char *text, size_t bytes)
{
    const char *line = text, *end;
    while ((end = memchr(line, '\n', (size_t)(text + bytes - line)))) {
        r->line++;
        if (end - line > LINE_LIMIT)
            return px_fail(PX_ERR_INPUT, "%s:%zu: a line of %zu bytes; not perplex's metrics.jsonl", r->path, r->line,
                           (size_t)(end - line));
        cJSON *object;
        char place[4300];
        snprintf(place, sizeof place, "%s:%zu", r->path, r->line);
        PX_TRY(px_json_parse(line, (size_t)(end - line), place,
                             "not a JSON object; the file is damaged or not perplex's", NULL, &object));
        px_status status = read_line(r, object);
        cJSON_Delete(object);
        PX_TRY(status);
        line = end + 1;
    }
    if (r->line == 0) return px_fail(PX_ERR_INPUT, "%s: holds no line; the run has not begun", r->path);
    return PX_OK;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

/* Opening something else than a regular file could wait for ever. */
static px_status read_regular(const char *path, size_t limit, char **text, size_t *bytes, struct stat *info)
{
    if (stat(path, info) != 0)
        return errno == ENOENT ? px_fail(PX_ERR_INPUT, "%s: there is no such file", path)
                               : px_fail_system(errno, "%s", path);
    if (!S_ISREG(info->st_mode)) return px_fail(PX_ERR_INPUT, "%s: not a regular file", path);
    return px_file_read(path, limit, text, bytes);
}

static px_status name_folder(const char *folder, px_run_data *data)
{
    data->folder = strdup(folder);
    if (!data->folder) return px_fail(PX_ERR_MEMORY, "no memory for a folder's name");
    size_t end = strlen(data->folder);
    while (end > 1 && data->folder[end - 1] == '/') data->folder[--end] = 0;
    const char *slash = strrchr(data->folder, '/');
    data->name = strdup(slash && slash[1] ? slash + 1 : data->folder);
    return data->name ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory for a folder's name");
}

static px_status read_config(px_run_data *data, char *path, size_t path_bytes)
{
    struct stat info;
    char *text = NULL;
    size_t bytes;
    snprintf(path, path_bytes, "%s/config", data->folder);
    PX_TRY(read_regular(path, CONFIG_LIMIT, &text, &bytes, &info));
    px_status status = px_config_read(&data->config, text, bytes, path);
    free(text);
    return status == PX_ERR_ARGUMENT ? PX_ERR_INPUT : status;
}

static void settle(px_run_data *data, const reader *r)
{
    data->best_step = -1;
    data->best_valid_loss = NAN;
    for (size_t i = 0; i < data->valid_loss.count; i++)
        if (isnan(data->best_valid_loss) || data->valid_loss.value[i] < data->best_valid_loss) {
            data->best_valid_loss = data->valid_loss.value[i];
            data->best_step = (int64_t)data->valid_loss.step[i];
        }
    data->condition = r->ended ? PX_RUN_FINISHED : r->stopped && r->failed ? PX_RUN_FAILED : PX_RUN_STOPPED;
    if (px_run_is_busy(data->folder)) {
        data->condition = PX_RUN_RUNNING;
        data->reason[0] = 0;
    } else if (!r->ended && !r->stopped)
        snprintf(data->reason, sizeof data->reason, "killed");
}

px_status px_run_data_read(const char *folder, px_run_data *data)
{
    struct stat info;
    char path[4200], *text = NULL;
    size_t bytes;
    *data = (px_run_data){.unigram_loss = NAN,
                          .end_train_loss = NAN,
                          .end_valid_loss_zero = NAN,
                          .end_valid_loss_carried = NAN,
                          .end_test_loss = NAN,
                          .end_seconds = NAN};
    px_config_default(&data->config);
    reader r = {.data = data, .path = path};
    px_status status;
    if (strlen(folder) > 4096 || !*folder) return px_fail(PX_ERR_ARGUMENT, "'%.60s': not the name of a folder", folder);
    PX_TRY_GOTO(status, name_folder(folder, data), fail);
    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)) {
        status = px_fail(PX_ERR_INPUT, "%s: there is no such run folder", folder);
        goto fail;
    }
    snprintf(path, sizeof path, "%s/metrics.jsonl", data->folder);
    if (stat(path, &info) != 0) {
        status = errno == ENOENT
                     ? px_fail(PX_ERR_INPUT, "%s: not a run folder: it holds no metrics.jsonl", data->folder)
                     : px_fail_system(errno, "%s", path);
        goto fail;
    }
    PX_TRY_GOTO(status, read_config(data, path, sizeof path), fail);
    snprintf(path, sizeof path, "%s/metrics.jsonl", data->folder);
    PX_TRY_GOTO(status, read_regular(path, METRICS_LIMIT, &text, &bytes, &info), fail);
    data->modified = (double)info.st_mtim.tv_sec + 1e-9 * (double)info.st_mtim.tv_nsec;
    status = read_lines(&r, text, bytes);
    free(text);
    if (status != PX_OK) goto fail;
    settle(data, &r);
    PX_TRY_GOTO(status, px_series_quantile(&data->speed, 0, 0.5, &data->median_speed), fail);
    return PX_OK;
fail:
    px_run_data_free(data);
    return status;
}

void px_run_data_free(px_run_data *data)
{
    px_series *const series[] = {&data->train_loss, &data->learning_rate, &data->grad_norm, &data->speed,
                                 &data->valid_loss};
    for (int i = 0; i < 5; i++) px_series_free(series[i]);
    for (size_t i = 0; i < data->sample_count; i++) free(data->samples[i].text);
    free(data->samples);
    free(data->folder);
    free(data->name);
    px_config_free(&data->config);
    *data = (px_run_data){0};
}

const char *px_run_condition_name(px_run_condition condition)
{
    static const char *const names[] = {"running", "stopped", "finished", "failed"};
    return names[condition];
}

double px_run_data_speed(const px_run_data *data) { return data->median_speed; }

static double larger(double a, double b) { return !(a >= b) ? b : a; }

double px_run_data_share(const px_run_data *data)
{
    const double all_tokens = (double)data->config.epochs * (double)data->train_tokens;
    double share = NAN;
    if (data->tokens > 0 && all_tokens > 0) share = (double)data->tokens / all_tokens;
    if (data->steps > 0 && data->config.max_steps > 0)
        share = larger(share, (double)data->steps / (double)data->config.max_steps);
    return share > 1 ? 1 : share;
}

double px_run_data_seconds_left(const px_run_data *data)
{
    const double share = px_run_data_share(data);
    if (data->condition != PX_RUN_RUNNING || !(share > 0) || data->speed.count == 0) return NAN;
    return (double)data->tokens * (1 - share) / share / data->speed.value[data->speed.count - 1];
}

const char *px_run_data_model(const px_run_data *data, char buffer[96])
{
    const px_model_config *model = &data->config.model;
    int used =
        snprintf(buffer, 96, "%d × %d %s", (int)model->layers, (int)model->hidden, px_cell_of(model->cell)->label);
    if (model->embed)
        used += snprintf(buffer + used, 96 - (size_t)used, ", d = %d%s", (int)model->embed, model->tied ? " tied" : "");
    if (model->output == PX_OUTPUT_ADAPTIVE) snprintf(buffer + used, 96 - (size_t)used, ", adaptive");
    return buffer;
}
