/* Settings one at a time: defaults, copies, and values from and to text (config.h). The table is config_options.c;
 * whole files are config_text.c; what depends on several settings is config_check.c. */
#include "config.h"
#include "check.h"
#include "nearest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void px_config_default(px_config *config)
{
    *config = (px_config){
        .corpus = {.text = {.level = PX_LEVEL_BYTE}, .min_count = 1, .split = {0.9, 0.05, 0.05}},
        .minibatch = {.batch = 32, .steps = 35, .partition = PX_PARTITION_SEQUENTIAL, .reset_probability = 0.01},
        .model = {.hidden = 512,
                  .layers = 1,
                  .cell = PX_CELL_TANH,
                  .init = PX_INIT_FAN_IN,
                  .init_scale = 1,
                  .init_recurrent = PX_INIT_RECURRENT_ORTHOGONAL,
                  .init_gain = 1},
        .optimizer = {.kind = PX_ADAM,
                      .momentum = 0.9,
                      .beta1 = 0.9,
                      .beta2 = 0.999,
                      .alpha = 0.99,
                      .epsilon = 1e-8,
                      .clip = 1,
                      .lr_scaling = PX_LR_SCALING_MUP},
        .lr = px_optimizer_of(PX_ADAM)->rate,
        .schedule = PX_SCHEDULE_COSINE,
        .warmup_steps = 100,
        .lr_factor = 0.5,
        .lr_patience = 1,
        .epochs = 10,
        .average_patience = 1,
        .rollback_factor = 0.5,
        .precision = PX_FP32,
        .recurrence = PX_RECURRENCE_AUTO,
        .seed = 1,
        .tensorboard = 1,
        .report = 1,
        .log_every = 100,
        .ranks = {.leaves = 8, .accumulate = 1, .check_every = 1000, .timeout = 600, .bootstrap_timeout = 300},
    };
}

static char **string_at(const px_config *config, const px_option *option)
{
    return (char **)((char *)config + option->offset);
}

void px_config_free(px_config *config)
{
    for (size_t i = 0; i < px_option_count; i++)
        if (px_options[i].type == PX_OPTION_STRING) {
            free(*string_at(config, &px_options[i]));
            *string_at(config, &px_options[i]) = NULL;
        }
}

px_status px_config_copy(px_config *to, const px_config *from)
{
    *to = *from;
    for (size_t i = 0; i < px_option_count; i++)
        if (px_options[i].type == PX_OPTION_STRING) *string_at(to, &px_options[i]) = NULL;
    for (size_t i = 0; i < px_option_count; i++) {
        if (px_options[i].type != PX_OPTION_STRING) continue;
        const char *text = *string_at(from, &px_options[i]);
        if (text && !(*string_at(to, &px_options[i]) = strdup(text))) {
            px_config_free(to);
            return px_fail(PX_ERR_MEMORY, "no memory to copy the configuration");
        }
    }
    return PX_OK;
}

#define OLD_CELL "nonlinearity" /* what "cell" was called when there were two */

const px_option *px_config_find(const char *name)
{
    if (strcmp(name, OLD_CELL) == 0) name = "cell";
    for (size_t i = 0; i < px_option_count; i++)
        if (strcmp(px_options[i].name, name) == 0) return &px_options[i];
    return NULL;
}

const char *px_option_help(const px_option *option, char *buffer, size_t buffer_bytes)
{
    if (option->offset != offsetof(px_config, lr)) return option->help;
    px_config fallback;
    px_config_default(&fallback);
    size_t used = (size_t)snprintf(buffer, buffer_bytes, "%s (", option->help);
    for (int kind = 0, some = 0; kind < PX_OPTIMIZER_COUNT && used < buffer_bytes; kind++) {
        const px_optimizer_row *row = px_optimizer_of((px_optimizer)kind);
        if (row->rate == fallback.lr) continue;
        used += (size_t)snprintf(buffer + used, buffer_bytes - used, "%s%s: %.10g", some++ ? ", " : "", row->name,
                                 row->rate);
    }
    if (used < buffer_bytes) snprintf(buffer + used, buffer_bytes - used, ")");
    return buffer;
}

const char *px_config_nearest(const char *name)
{
    const char *names[128]; /* two of them for the names that are no settings of their own */
    size_t count = 0;
    for (; count < px_option_count && count < 126; count++) names[count] = px_options[count].name;
    names[count++] = "dropout";
    names[count++] = OLD_CELL;
    size_t found = px_nearest(name, names, count);
    return found < count ? names[found] : NULL;
}

/* ---- values from text: the whole text must be the value ------------------------------------------------------- */

static int is_number(const char *text, int fraction)
{
    if (*text == '-' || *text == '+') text++;
    if (!(*text >= '0' && *text <= '9') && !(fraction && *text == '.')) return 0;
    return strspn(text, fraction ? "0123456789.eE+-" : "0123456789") == strlen(text);
}

static px_status refuse(const px_option *option, const char *value)
{
    char accepted[256] = "";
    switch (option->type) {
    case PX_OPTION_ENUM: {
        size_t used = 0;
        for (int i = 0; option->choices[i] && used < sizeof accepted; i++)
            used += (size_t)snprintf(accepted + used, sizeof accepted - used, "%s%s",
                                     i == 0                   ? ""
                                     : option->choices[i + 1] ? ", "
                                                              : " or ",
                                     option->choices[i]);
        break;
    }
    case PX_OPTION_BOOL: snprintf(accepted, sizeof accepted, "true or false"); break;
    case PX_OPTION_EVERY:
        snprintf(accepted, sizeof accepted, "a whole number of steps such as 500, or a time such as 90s, 10m or 2h");
        break;
    case PX_OPTION_FRACTIONS:
        snprintf(accepted, sizeof accepted,
                 "up to three numbers from 0 to 1 with commas between, such as 0.9,0.05,0.05");
        break;
    case PX_OPTION_CUTOFFS:
        snprintf(accepted, sizeof accepted, "auto, or up to %d ascending whole numbers above 0, such as 4000,10000",
                 (int)PX_CUTOFFS_MAX);
        break;
    case PX_OPTION_DOUBLE:
        snprintf(accepted, sizeof accepted, "a number from %.10g to %.10g", option->min, option->max);
        break;
    case PX_OPTION_UINT64: snprintf(accepted, sizeof accepted, "a whole number from 0 to 18446744073709551615"); break;
    default: snprintf(accepted, sizeof accepted, "a whole number from %.0f to %.0f", option->min, option->max); break;
    }
    return px_fail(PX_ERR_ARGUMENT, "--%s %.200s: not accepted; it takes %s", option->name, *value ? value : "''",
                   accepted);
}

static int read_double(const char *text, double min, double max, double *value)
{
    if (!is_number(text, 1)) return 0;
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (*end || !isfinite(number) || number < min || number > max) return 0;
    *value = number == 0 ? 0 : number; /* no -0 */
    return 1;
}

static int read_fractions(const char *text, double value[3])
{
    double fraction[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++) {
        char part[64];
        size_t bytes = strcspn(text, ",");
        if (bytes >= sizeof part) return 0;
        memcpy(part, text, bytes);
        part[bytes] = 0;
        if (!read_double(part, 0, 1, &fraction[i])) return 0;
        text += bytes;
        if (!*text) {
            memcpy(value, fraction, sizeof fraction);
            return 1;
        }
        text++;
    }
    return 0;
}

/* "auto", or whole numbers of at least `min` that ascend, with commas between. */
static int read_cutoffs(const char *text, double min, double max, px_cutoffs *value)
{
    px_cutoffs cutoffs = {0};
    const int given = strcmp(text, "auto") != 0;
    for (double below = min - 1; given;) {
        size_t digits = strspn(text, "0123456789");
        double number = digits <= 10 ? (double)strtoll(text, NULL, 10) : 0;
        if (cutoffs.count == PX_CUTOFFS_MAX || number <= below || number > max) return 0;
        cutoffs.at[cutoffs.count++] = (int32_t)number;
        below = number;
        text += digits;
        if (!*text) break;
        if (*text++ != ',') return 0;
    }
    *value = cutoffs;
    return 1;
}

static int read_bool(const char *text, int *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (int i = 0; i < 8; i++)
        if (strcmp(text, words[i]) == 0) {
            *value = i & 1;
            return 1;
        }
    return 0;
}

/* "500" is steps; "90s", "10m", "2h" is time. */
static int read_every(const char *text, double max, px_every *every)
{
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits;
    if (digits == 0 || digits > 15 || (*unit && unit[1])) return 0;
    int64_t number = strtoll(text, NULL, 10), scale;
    switch (*unit) {
    case 0: scale = 0; break;
    case 's': scale = 1; break;
    case 'm': scale = 60; break;
    case 'h': scale = 3600; break;
    default: return 0;
    }
    if ((double)number * (double)(scale ? scale : 1) > max) return 0;
    *every = (px_every){0};
    if (scale)
        every->seconds = number * scale;
    else
        every->steps = number;
    return 1;
}

static px_status set_option(px_config *config, const px_option *option, const char *value)
{
    void *place = (char *)config + option->offset;
    char *end;
    errno = 0;
    switch (option->type) {
    case PX_OPTION_STRING: {
        char *copy = *value ? strdup(value) : NULL;
        if (*value && !copy) return px_fail(PX_ERR_MEMORY, "--%s: no memory for its value", option->name);
        free(*string_at(config, option));
        *string_at(config, option) = copy;
        return PX_OK;
    }
    case PX_OPTION_INT32:
    case PX_OPTION_INT64: {
        if (!is_number(value, 0)) return refuse(option, value);
        long long number = strtoll(value, &end, 10);
        if (*end || errno || (double)number < option->min || (double)number > option->max) return refuse(option, value);
        if (option->type == PX_OPTION_INT32)
            *(int32_t *)place = (int32_t)number;
        else
            *(int64_t *)place = number;
        return PX_OK;
    }
    case PX_OPTION_UINT64: {
        if (!is_number(value, 0) || *value == '-') return refuse(option, value);
        unsigned long long number = strtoull(value, &end, 10);
        if (*end || errno) return refuse(option, value);
        *(uint64_t *)place = number;
        return PX_OK;
    }
    case PX_OPTION_DOUBLE: return read_double(value, option->min, option->max, place) ? PX_OK : refuse(option, value);
    case PX_OPTION_EVERY: return read_every(value, option->max, place) ? PX_OK : refuse(option, value);
    case PX_OPTION_FRACTIONS: return read_fractions(value, place) ? PX_OK : refuse(option, value);
    case PX_OPTION_CUTOFFS: return read_cutoffs(value, option->min, option->max, place) ? PX_OK : refuse(option, value);
    case PX_OPTION_BOOL: {
        int truth;
        if (!read_bool(value, &truth)) return refuse(option, value);
        *(int32_t *)place = truth;
        return PX_OK;
    }
    case PX_OPTION_ENUM:
        for (int i = 0; option->choices[i]; i++)
            if (strcmp(option->choices[i], value) == 0) {
                *(int *)place = i;
                return PX_OK;
            }
        return refuse(option, value);
    }
    return px_fail(PX_ERR_INTERNAL, "--%s: unknown type of setting", option->name);
}

px_status px_config_check_name(const char *name, const char *value)
{
    if (strcmp(name, OLD_CELL) != 0 || strcmp(value, "tanh") == 0 || strcmp(value, "relu") == 0) return PX_OK;
    return px_fail(PX_ERR_ARGUMENT,
                   "--" OLD_CELL " %.100s: not accepted; it takes tanh or relu; --cell takes every cell", value);
}

px_status px_config_set(px_config *config, const char *name, const char *value)
{
    if (strcmp(name, "dropout") == 0) {
        PX_TRY(px_config_set(config, "dropout-between", value));
        return px_config_set(config, "dropout-output", value);
    }
    PX_TRY(px_config_check_name(name, value));
    const px_option *option = px_config_find(name);
    if (option) return set_option(config, option, value);
    const char *near = px_config_nearest(name);
    if (near) return px_fail(PX_ERR_ARGUMENT, "%.100s: no such setting; the nearest is %s", name, near);
    return px_fail(PX_ERR_ARGUMENT, "%.100s: no such setting; perplex train --help lists them", name);
}

/* The shortest decimal number that reads back as exactly this value. */
static void write_double(double value, char *buffer, size_t buffer_bytes)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    snprintf(buffer, buffer_bytes, "%s", text);
}

static void write_cutoffs(const px_cutoffs *cutoffs, char *buffer, size_t buffer_bytes)
{
    size_t used = (size_t)snprintf(buffer, buffer_bytes, "%s", cutoffs->count ? "" : "auto");
    for (int32_t i = 0; i < cutoffs->count && used < buffer_bytes; i++)
        used += (size_t)snprintf(buffer + used, buffer_bytes - used, "%s%d", i ? "," : "", (int)cutoffs->at[i]);
}

void px_config_get(const px_config *config, const px_option *option, char *buffer, size_t buffer_bytes)
{
    const void *place = (const char *)config + option->offset;
    switch (option->type) {
    case PX_OPTION_STRING: {
        const char *text = *string_at(config, option);
        snprintf(buffer, buffer_bytes, "%s", text ? text : "");
        break;
    }
    case PX_OPTION_INT32: snprintf(buffer, buffer_bytes, "%d", *(const int32_t *)place); break;
    case PX_OPTION_INT64: snprintf(buffer, buffer_bytes, "%lld", (long long)*(const int64_t *)place); break;
    case PX_OPTION_UINT64: snprintf(buffer, buffer_bytes, "%llu", (unsigned long long)*(const uint64_t *)place); break;
    case PX_OPTION_DOUBLE: write_double(*(const double *)place, buffer, buffer_bytes); break;
    case PX_OPTION_BOOL: snprintf(buffer, buffer_bytes, "%s", *(const int32_t *)place ? "true" : "false"); break;
    case PX_OPTION_EVERY: {
        const px_every *every = place;
        int64_t s = every->seconds;
        if (s == 0)
            snprintf(buffer, buffer_bytes, "%lld", (long long)every->steps);
        else if (s % 3600 == 0)
            snprintf(buffer, buffer_bytes, "%lldh", (long long)s / 3600);
        else
            snprintf(buffer, buffer_bytes, "%lld%c", (long long)(s % 60 ? s : s / 60), s % 60 ? 's' : 'm');
        break;
    }
    case PX_OPTION_ENUM: snprintf(buffer, buffer_bytes, "%s", option->choices[*(const int *)place]); break;
    case PX_OPTION_CUTOFFS: write_cutoffs(place, buffer, buffer_bytes); break;
    case PX_OPTION_FRACTIONS: {
        char part[3][40];
        for (int i = 0; i < 3; i++) write_double(((const double *)place)[i], part[i], sizeof part[i]);
        snprintf(buffer, buffer_bytes, "%s,%s,%s", part[0], part[1], part[2]);
        break;
    }
    }
}
