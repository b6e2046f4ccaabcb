/* Settings one at a time: defaults, copies, and by name (config.h). The table is config_options.c; values from and to
 * text are option_value.c; whole files are config_text.c; what depends on several settings is config_check.c. */
#include "config.h"
#include "check.h"
#include "nearest.h"
#include "option_value.h"

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
        .wavefront = PX_WAVEFRONT_AUTO,
        .products = PX_PRODUCTS_AUTO,
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
    if (option) return px_option_read(option, value, (char *)config + option->offset);
    const char *near = px_config_nearest(name);
    if (near) return px_fail(PX_ERR_ARGUMENT, "%.100s: no such setting; the nearest is %s", name, near);
    return px_fail(PX_ERR_ARGUMENT, "%.100s: no such setting; perplex train --help lists them", name);
}

void px_config_get(const px_config *config, const px_option *option, char *buffer, size_t buffer_bytes)
{
    px_option_write(option, (const char *)config + option->offset, buffer, buffer_bytes);
}
