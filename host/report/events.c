/* Event files for TensorBoard: see events.h. Lines of metrics.jsonl become scalars and texts, snapshots become
 * histograms. */
#include "events_internal.h"

#include "check.h"
#include "event_file.h"
#include "events.pb-c.h"
#include "histogram.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct px_events {
    px_run_observer observer; /* first: what the caller holds */
    px_event_file file;
} px_events;

/* ---- one event --------------------------------------------------------------------------------------------------- */

static px_status append(px_events *events, int64_t step, Perplex__Event *event)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event->wall_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    event->step = step;
    size_t bytes = perplex__event__get_packed_size(event);
    unsigned char *packed = malloc(bytes ? bytes : 1);
    if (!packed) return px_fail(PX_ERR_MEMORY, "%s: no memory for an event of %zu bytes", events->file.path, bytes);
    perplex__event__pack(event, packed);
    px_status status = px_event_file_append(&events->file, packed, bytes);
    free(packed);
    return status;
}

static px_status append_value(px_events *events, int64_t step, Perplex__Summary__Value *value)
{
    Perplex__Event event = PERPLEX__EVENT__INIT;
    Perplex__Summary summary = PERPLEX__SUMMARY__INIT;
    summary.n_value = 1;
    summary.value = &value;
    event.what_case = PERPLEX__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    return append(events, step, &event);
}

static px_status append_version(px_events *events)
{
    Perplex__Event event = PERPLEX__EVENT__INIT;
    event.what_case = PERPLEX__EVENT__WHAT_FILE_VERSION;
    event.file_version = (char *)"brain.Event:2";
    return append(events, 0, &event);
}

/* Readers then drop what they have of `step` and later ones. */
static px_status append_start(px_events *events, int64_t step)
{
    Perplex__Event event = PERPLEX__EVENT__INIT;
    Perplex__SessionLog log = PERPLEX__SESSION_LOG__INIT;
    log.status = PERPLEX__SESSION_LOG__STATUS__START;
    event.what_case = PERPLEX__EVENT__WHAT_SESSION_LOG;
    event.session_log = &log;
    return append(events, step, &event);
}

static px_status append_scalar(px_events *events, int64_t step, const char *tag, double number)
{
    Perplex__Summary__Value value = PERPLEX__SUMMARY__VALUE__INIT;
    value.tag = (char *)tag;
    value.value_case = PERPLEX__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
    value.simple_value = (float)number;
    return append_value(events, step, &value);
}

/* A text for the text plugin, which reads Markdown: indented by four spaces it is shown as it is. */
static px_status append_text(px_events *events, int64_t step, const char *tag, const char *text)
{
    size_t lines = 1, out = 0;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    char *code = malloc(strlen(text) + 4 * lines + 1);
    if (!code) return px_fail(PX_ERR_MEMORY, "%s: no memory for a text", events->file.path);
    for (const char *c = text; *c;) {
        size_t bytes = strcspn(c, "\n");
        memcpy(code + out, "    ", 4);
        memcpy(code + out + 4, c, bytes);
        out += 4 + bytes;
        c += bytes;
        if (*c == '\n') code[out++] = *c++;
    }
    Perplex__Summary__Value value = PERPLEX__SUMMARY__VALUE__INIT;
    Perplex__Tensor tensor = PERPLEX__TENSOR__INIT;
    Perplex__TensorShape shape = PERPLEX__TENSOR_SHAPE__INIT;
    Perplex__TensorShape__Dim dim = PERPLEX__TENSOR_SHAPE__DIM__INIT, *dims = &dim;
    Perplex__SummaryMetadata metadata = PERPLEX__SUMMARY_METADATA__INIT;
    Perplex__SummaryMetadata__PluginData plugin = PERPLEX__SUMMARY_METADATA__PLUGIN_DATA__INIT;
    ProtobufCBinaryData data = {out, (uint8_t *)code};
    plugin.plugin_name = (char *)"text";
    metadata.plugin_data = &plugin;
    dim.size = 1;
    shape.n_dim = 1;
    shape.dim = &dims;
    tensor.dtype = PERPLEX__TENSOR__TYPE__DT_STRING;
    tensor.tensor_shape = &shape;
    tensor.n_string_val = 1;
    tensor.string_val = &data;
    value.tag = (char *)tag;
    value.metadata = &metadata;
    value.value_case = PERPLEX__SUMMARY__VALUE__VALUE_TENSOR;
    value.tensor = &tensor;
    px_status status = append_value(events, step, &value);
    free(code);
    return status;
}

static px_status append_histogram(px_events *events, int64_t step, const char *tag, const px_histogram *histogram)
{
    Perplex__Summary__Value value = PERPLEX__SUMMARY__VALUE__INIT;
    Perplex__HistogramProto histo = PERPLEX__HISTOGRAM_PROTO__INIT;
    histo.min = histogram->min;
    histo.max = histogram->max;
    histo.num = histogram->count;
    histo.sum = histogram->sum;
    histo.sum_squares = histogram->sum_squares;
    histo.n_bucket_limit = histo.n_bucket = PX_HISTOGRAM_BUCKETS;
    histo.bucket_limit = (double *)histogram->right;
    histo.bucket = (double *)histogram->bucket;
    value.tag = (char *)tag;
    value.value_case = PERPLEX__SUMMARY__VALUE__VALUE_HISTO;
    value.histo = &histo;
    return append_value(events, step, &value);
}

/* ---- lines of metrics.jsonl -------------------------------------------------------------------------------------- */

typedef struct scalar_field {
    const char *event, *field, *tag;
} scalar_field;

static const scalar_field SCALARS[] = {
    {"train", "loss", "loss/train"},
    {"train", "perplexity", "perplexity/train"},
    {"train", "learning_rate", "learning_rate"},
    {"train", "grad_norm", "gradient_norm"},
    {"train", "tokens_per_s", "tokens_per_s"},
    {"valid", "valid_loss", "loss/validation"},
    {"valid", "valid_perplexity", "perplexity/validation"},
    {"end", "valid_loss_zero", "loss/validation_one_stream"},
    {"end", "valid_perplexity_zero", "perplexity/validation_one_stream"},
    {"end", "test_loss_zero", "loss/test"},
    {"end", "test_perplexity_zero", "perplexity/test"},
};

/* A field's number; JSON has no infinities, so metrics.jsonl has them as texts. */
static int number_of(const cJSON *object, const char *field, double *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, field);
    if (cJSON_IsNumber(item)) {
        *value = item->valuedouble;
        return 1;
    }
    if (!cJSON_IsString(item)) return 0;
    *value = strcmp(item->valuestring, "inf") == 0    ? INFINITY
             : strcmp(item->valuestring, "-inf") == 0 ? -INFINITY
                                                      : NAN;
    return 1;
}

static px_status show_line(px_events *events, const cJSON *line)
{
    const cJSON *event = cJSON_GetObjectItemCaseSensitive(line, "event"),
                *text = cJSON_GetObjectItemCaseSensitive(line, "text");
    double value = 0;
    if (!cJSON_IsString(event) || !number_of(line, "step", &value)) return PX_OK;
    int64_t step = (int64_t)value;
    for (size_t i = 0; i < sizeof SCALARS / sizeof SCALARS[0]; i++)
        if (strcmp(event->valuestring, SCALARS[i].event) == 0 && number_of(line, SCALARS[i].field, &value))
            PX_TRY(append_scalar(events, step, SCALARS[i].tag, value));
    if (strcmp(event->valuestring, "sample") == 0 && cJSON_IsString(text))
        PX_TRY(append_text(events, step, "sample", text->valuestring));
    if (strcmp(event->valuestring, "rollback") == 0 && number_of(line, "back_to_step", &value))
        PX_TRY(append_start(events, (int64_t)value + 1));
    return PX_OK;
}

static px_status on_line(void *context, const char *json, size_t bytes)
{
    cJSON *line = cJSON_ParseWithLength(json, bytes);
    if (!line) return px_fail(PX_ERR_MEMORY, "event file: no memory to read a line of metrics.jsonl");
    px_status status = show_line(context, line);
    cJSON_Delete(line);
    return status;
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

/* The share of values where a tanh unit no longer learns (its derivative 1 - h^2 is below 0.02), or a ReLU is off. */
static double saturated(const float *values, size_t count, px_cell cell)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) found += cell == PX_CELL_RELU ? values[i] <= 0 : fabsf(values[i]) > 0.99f;
    return count ? (double)found / (double)count : 0;
}

static px_status on_snapshot(void *context, const px_run_snapshot *snapshot)
{
    px_events *events = context;
    px_histogram histogram;
    char tag[80];
    for (int32_t i = 0; i < snapshot->parameters->tensor_count; i++) {
        const px_tensor *tensor = &snapshot->parameters->tensor[i];
        px_histogram_make(snapshot->weights + tensor->offset, tensor->count, 0, 0, &histogram);
        snprintf(tag, sizeof tag, "weights/%s", tensor->name);
        PX_TRY(append_histogram(events, snapshot->step, tag, &histogram));
    }
    for (int32_t l = 0; snapshot->activations && l < snapshot->layers; l++) {
        const float *values = snapshot->activations + (size_t)l * snapshot->activation_count;
        int tanh_units = snapshot->cell != PX_CELL_RELU;
        px_histogram_make(values, snapshot->activation_count, tanh_units ? -1 : 0, tanh_units ? 1 : 0, &histogram);
        snprintf(tag, sizeof tag, "activations/layer_%d", (int)l);
        PX_TRY(append_histogram(events, snapshot->step, tag, &histogram));
        snprintf(tag, sizeof tag, "saturated/layer_%d", (int)l);
        PX_TRY(
            append_scalar(events, snapshot->step, tag, saturated(values, snapshot->activation_count, snapshot->cell)));
    }
    return PX_OK;
}

/* ---- a job ------------------------------------------------------------------------------------------------------- */

static px_status on_open(void *context, const px_run_opening *opening, int *wanted)
{
    px_events *events = context;
    *wanted = opening->config->tensorboard != 0;
    if (!*wanted) return PX_OK;
    PX_TRY(px_event_file_create(opening->folder, &events->file));
    PX_TRY(append_version(events));
    if (opening->resumed) PX_TRY(append_start(events, opening->step));
    char *settings = px_config_write(opening->config);
    if (!settings) return px_fail(PX_ERR_MEMORY, "event file: no memory for the settings");
    px_status status = append_text(events, opening->step, "settings", settings);
    free(settings);
    return status;
}

static void on_close(void *context) { px_event_file_close(&((px_events *)context)->file); }

const px_run_observer *px_events_new(void)
{
    px_events *events = calloc(1, sizeof *events);
    if (!events) return NULL;
    events->file.fd = -1;
    events->observer = (px_run_observer){events, on_open, on_line, on_snapshot, on_close};
    return &events->observer;
}

void px_events_delete(const px_run_observer *observer)
{
    if (!observer) return;
    px_events *events = observer->context;
    px_event_file_close(&events->file);
    free(events);
}
