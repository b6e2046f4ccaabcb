/* What --help prints: usage, the command's own flags, and its settings in the groups of the table, with the defaults
 * that this command starts from (its px_config as it was before anything was read). */
#include "options.h"
#include "registry.h"

#include <stdio.h>
#include <string.h>

enum { LEFT_COLUMN = 30 };

static const char *const GROUP_TITLES[PX_GROUP_COUNT] = {
    "Corpus",  "Minibatches", "Model",         "Initial weights",
    "Dropout", "Optimizer",   "Learning rate", "Length, validation, averaging",
    "Running",
};

typedef void row_function(void *context, const char *left, const char *help, const char *fallback);

static void (*visitor)(void *context, const px_command_line *line);
static void *visitor_context;

void px_help_visit(void (*visit)(void *context, const px_command_line *line), void *context)
{
    visitor = visit;
    visitor_context = context;
}

static void flag_row(const px_flag *flag, row_function *row, void *context)
{
    char left[80];
    snprintf(left, sizeof left, flag->value_name ? "--%s %s" : "--%s", flag->name, flag->value_name);
    row(context, left, flag->help, "");
}

static void setting_row(const px_command_line *line, const px_option *option, row_function *row, void *context)
{
    const px_setting_limits *limits = px_command_line_limits(line, option);
    char left[80], fallback[160];
    size_t used = (size_t)snprintf(left, sizeof left, "--%s ", option->name);
    px_config_get(line->config, option, fallback, sizeof fallback);
    if (limits && limits->fallback) snprintf(fallback, sizeof fallback, "%s", limits->fallback);
    if (option->type == PX_OPTION_BOOL) {
        snprintf(left, sizeof left, "--[no-]%s", option->name);
        fallback[0] = 0;
    } else if (option->choices)
        px_command_line_choices(line, option, "|", left + used, sizeof left - used);
    else
        snprintf(left + used, sizeof left - used, "%s", option->value_name);
    if (strcmp(option->name, "device") == 0) snprintf(fallback, sizeof fallback, "%s", px_device_or_default(NULL));
    char help[160];
    row(context, left, px_option_help(option, help, sizeof help), strcmp(fallback, "0") == 0 ? "" : fallback);
}

void px_help_rows(const px_command_line *line, row_function *row, void *context)
{
    for (const px_flag *flag = line->flags; flag && flag->name; flag++) flag_row(flag, row, context);
    if (!line->config) return;
    row(context, "--config FILE", "read settings from FILE (key = value); flags given beside it win", "");
    for (int group = 0; group < PX_GROUP_COUNT; group++) {
        int titled = line->settings != NULL; /* a short list needs no headings */
        for (size_t i = 0; i < px_option_count; i++) {
            if ((int)px_options[i].group != group || !px_command_line_takes(line, &px_options[i])) continue;
            if (!titled) row(context, NULL, GROUP_TITLES[group], "");
            if (!titled && group == PX_GROUP_DROPOUT)
                row(context, "--dropout p", "sets --dropout-between and --dropout-output at once", "");
            titled = 1;
            setting_row(line, &px_options[i], row, context);
        }
    }
}

static void print_row(void *context, const char *left, const char *help, const char *fallback)
{
    (void)context;
    if (!left) {
        printf("%s\n", help);
        return;
    }
    printf("  %-*s %s", LEFT_COLUMN, left, help);
    if (fallback[0]) printf(" [%s]", fallback);
    printf("\n");
}

void px_help_print(const px_command_line *line)
{
    if (visitor) {
        visitor(visitor_context, line);
        return;
    }
    printf("usage: %s", line->usage);
    px_help_rows(line, print_row, NULL);
    if (line->help_end) printf("%s", line->help_end);
}
