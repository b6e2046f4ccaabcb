/* Reading a result back (bench.h): what tables and plots need of it. bench/schema.json says what the fields mean. */
#include "bench.h"

#include "check.h"
#include "file.h"
#include "json.h"
#include "printable.h"
#include "registry.h"
#include "sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 64 << 20, VALUES_MAX = 2 << 20 }; /* some 25,000 cases */

/* NaN where it is null or missing. */
static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

/* 0 where it is null or missing. */
static double number_or_0(const cJSON *object, const char *name)
{
    double value = number(object, name);
    return isfinite(value) ? value : 0;
}

static int32_t whole(const cJSON *object, const char *name)
{
    double value = number_or_0(object, name);
    return value >= INT32_MIN && value <= INT32_MAX ? (int32_t)value : 0;
}

/* What gnuplot would run as a command, or end a string at, is left out: these texts become titles in its scripts. */
static void text(const cJSON *object, const char *name, char *buffer, size_t bytes)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    px_printable(buffer, bytes, value ? value : "", value ? strlen(value) : 0, 0);
    for (char *c = buffer; *c; c++)
        if (strchr("'\"`\\", *c)) *c = '_';
}

static int is_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* The place of a name in a list that ends with NULL; -1 if it is not there. */
static int32_t choice(const cJSON *object, const char *name, const char *const *names)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    for (int32_t i = 0; value && names[i]; i++)
        if (strcmp(names[i], value) == 0) return i;
    return -1;
}

static px_status read_case(const char *path, const cJSON *object, px_bench_case *c)
{
    int32_t work = choice(object, "work", px_sweep_works), precision = choice(object, "precision", px_precision_names);
    *c = (px_bench_case){.group = whole(object, "group"),
                         .batch = whole(object, "batch"),
                         .steps = whole(object, "steps"),
                         .hidden = whole(object, "hidden"),
                         .embed = whole(object, "embed"),
                         .layers = whole(object, "layers"),
                         .vocab = whole(object, "vocab"),
                         .tied = is_true(object, "tied"),
                         .threads = whole(object, "threads")};
    text(object, "device", c->device, sizeof c->device);
    if (work < 0 || precision < 0 || c->batch < 1 || c->hidden < 1 || !c->device[0])
        return px_fail(PX_ERR_INPUT, "%s: a case lacks its work, device, sizes or precision", path);
    c->work = (px_bench_work)work;
    c->precision = (px_precision)precision;
    return PX_OK;
}

static void read_phases(const cJSON *object, px_bench_measure *m)
{
    const cJSON *phases = cJSON_GetObjectItemCaseSensitive(object, "phases");
    m->data_s = number_or_0(phases, "data");
    for (int p = 0; p < PX_PHASE_COUNT; p++) m->phase_s[p] = number_or_0(phases, px_phase_name((px_phase)p));
    m->phase_sum = number(object, "phase_sum");
}

static px_status read_measure(const char *path, const cJSON *object, px_bench_measure *m)
{
    PX_TRY(read_case(path, object, &m->c));
    m->measured = 1;
    text(object, "device_text", m->device_text, sizeof m->device_text);
    const int32_t recurrence =
        choice(object, "recurrence", px_recurrence_names); /* not there: no choice, or an earlier version */
    m->recurrence = recurrence < 0 ? PX_RECURRENCE_AUTO : (px_recurrence)recurrence;
    m->wavefront = (int32_t)number_or_0(object, "wavefront");
    const int32_t products = choice(object, "products", px_products_names);
    m->products.library = products < 0 ? PX_PRODUCTS_AUTO : (px_products)products;
    m->rounds = whole(object, "rounds");
    m->disturbed = whole(object, "disturbed");
    m->contended = is_true(object, "contended");
    m->noisy = is_true(object, "noisy");
    m->tokens_per_s = (px_bench_quartiles){.median = number(object, "tokens_per_s"),
                                           .q1 = number(object, "tokens_per_s_q1"),
                                           .q3 = number(object, "tokens_per_s_q3")};
    m->spread = number(object, "spread");
    m->step_s = number(object, "step_s");
    read_phases(object, m);
    m->work.flops = number_or_0(object, "flops_per_step");
    m->work.bytes = number_or_0(object, "bytes_per_step");
    m->gflops = number_or_0(object, "gflops");
    m->gb_s = number_or_0(object, "gb_s");
    m->weight_gb_s = number(object, "weight_gb_s");
    m->read_gb_s = number(object, "read_gb_s");
    m->peak = (px_peak){.threads = m->c.threads,
                        .precision = m->c.precision,
                        .gflops = number_or_0(object, "peak_gflops"),
                        .copy_gb_s = number_or_0(object, "copy_gb_s"),
                        .step_latency_s = number_or_0(object, "step_latency_s")};
    snprintf(m->peak.device, sizeof m->peak.device, "%s",
             px_peak_is_host(m->c.device) ? px_device_of_host() : m->c.device);
    m->share_of_peak = number(object, "share_of_peak");
    m->share_of_roofline = number(object, "share_of_roofline");
    m->share_of_floor = number(object, "share_of_floor");
    m->memory.total = (size_t)number_or_0(cJSON_GetObjectItemCaseSensitive(object, "memory"), "total");
    m->joules_per_token = number(object, "joules_per_token");
    m->loss_difference = number(object, "loss_difference");
    m->published_tokens_per_s = number_or_0(cJSON_GetObjectItemCaseSensitive(object, "published"), "tokens_per_s");
    if (!(m->tokens_per_s.median > 0) || !(m->step_s > 0))
        return px_fail(PX_ERR_INPUT, "%s: a case lacks its tokens_per_s or step_s", path);
    return PX_OK;
}

static void read_peak(const cJSON *object, px_peak *peak)
{
    int32_t precision = choice(object, "precision", px_precision_names);
    *peak = (px_peak){.threads = whole(object, "threads"),
                      .precision = precision < 0 ? PX_FP32 : (px_precision)precision,
                      .gflops = number_or_0(object, "gflops"),
                      .gflops_best = number_or_0(object, "gflops_best"),
                      .copy_gb_s = number_or_0(object, "copy_gb_s"),
                      .step_latency_s = number_or_0(object, "step_latency_s")};
    text(object, "device", peak->device, sizeof peak->device);
    text(object, "instruction_set", peak->instruction_set, sizeof peak->instruction_set);
}

/* Adds a file's cases and peaks to what the result has already. */
static px_status append(const char *path, const cJSON *root, px_bench_result *result)
{
    const cJSON *cases = cJSON_GetObjectItemCaseSensitive(root, "cases"),
                *peaks = cJSON_GetObjectItemCaseSensitive(root, "peaks"), *item;
    size_t more_cases = (size_t)cJSON_GetArraySize(cases), more_peaks = (size_t)cJSON_GetArraySize(peaks);
    px_bench_measure *measures = realloc(result->measures, (result->count + more_cases + 1) * sizeof *measures);
    if (measures) result->measures = measures;
    px_peak *grown = realloc(result->peaks, (result->peak_count + more_peaks + 1) * sizeof *grown);
    if (grown) result->peaks = grown;
    if (!measures || !grown) return px_fail(PX_ERR_MEMORY, "%s: no memory for its cases", path);
    cJSON_ArrayForEach(item, cases)
    {
        memset(&result->measures[result->count], 0, sizeof *result->measures);
        PX_TRY(read_measure(path, item, &result->measures[result->count]));
        result->count++;
    }
    cJSON_ArrayForEach(item, peaks) read_peak(item, &result->peaks[result->peak_count++]);
    text(root, "preset", result->preset, sizeof result->preset);
    text(root, "date", result->date, sizeof result->date);
    result->seconds += number_or_0(root, "seconds");
    result->complete = is_true(root, "complete");
    return PX_OK;
}

px_status px_bench_json_read(const char *path, cJSON **root)
{
    char *content;
    size_t bytes;
    PX_TRY(px_file_read(path, FILE_LIMIT, &content, &bytes));
    px_status status = px_json_bound(content, bytes, VALUES_MAX, path);
    if (status == PX_OK)
        status = px_json_parse(content, bytes, path, "not JSON; give a result of perplex bench --json", NULL, root);
    free(content);
    PX_TRY(status);
    const char *format = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(*root, "format"));
    double version = number(*root, "version");
    if (format && strcmp(format, "perplex-bench") == 0 && version == 1 &&
        cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(*root, "cases")))
        return PX_OK;
    cJSON_Delete(*root);
    *root = NULL;
    return px_fail(PX_ERR_INPUT, "%s: not a result of perplex bench, version 1", path);
}

px_status px_bench_result_read(const char *const *paths, size_t count, px_bench_result *result)
{
    memset(result, 0, sizeof *result);
    for (size_t i = 0; i < count; i++) {
        cJSON *root;
        px_status status = px_bench_json_read(paths[i], &root);
        if (status == PX_OK) {
            status = append(paths[i], root, result);
            cJSON_Delete(root);
        }
        if (status != PX_OK) {
            px_bench_result_free(result);
            return status;
        }
    }
    return PX_OK;
}
