/* What --help prints: usage, the command's own flags, and its settings in the groups of the table, with their defaults. */
#include "options.h"

#include <stdio.h>
#include <string.h>

enum { LEFT_COLUMN = 30 };

static const char *const GROUP_TITLES[PX_GROUP_COUNT] = {
    "Corpus", "Minibatches", "Model", "Dropout", "Optimizer", "Learning rate", "Length, validation, averaging", "Running",
};

static void print_row(const char *left, const char *help, const char *fallback)
{
    printf("  %-*s %s", LEFT_COLUMN, left, help);
    if (fallback[0]) printf(" [%s]", fallback);
    printf("\n");
}

static void print_flag(const px_flag *flag)
{
    char left[80];
    snprintf(left, sizeof left, "--%s %s", flag->name, flag->value_name ? flag->value_name : "");
    print_row(left, flag->help, "");
}

static void print_setting(const px_option *option, const px_config *defaults)
{
    char left[80], fallback[160];
    size_t used = (size_t)snprintf(left, sizeof left, "--%s ", option->name);
    px_config_get(defaults, option, fallback, sizeof fallback);
    if (option->type == PX_OPTION_BOOL) {
        snprintf(left, sizeof left, "--[no-]%s", option->name);
        fallback[0] = 0;
    } else if (option->choices)
        for (int i = 0; option->choices[i] && used < sizeof left; i++)
            used += (size_t)snprintf(left + used, sizeof left - used, "%s%s", i ? "|" : "", option->choices[i]);
    else
        snprintf(left + used, sizeof left - used, "%s", option->value_name);
    if (strcmp(option->name, "device") == 0) snprintf(fallback, sizeof fallback, "cpu");
    print_row(left, option->help, strcmp(fallback, "0") == 0 ? "" : fallback);
}

void px_help_print(const px_command_line *line)
{
    printf("usage: %s", line->usage);
    for (const px_flag *flag = line->flags; flag && flag->name; flag++) print_flag(flag);
    if (!line->config) {
        if (line->help_end) printf("%s", line->help_end);
        return;
    }
    print_row("--config FILE", "read settings from FILE (key = value); flags given beside it win", "");
    px_config defaults;
    px_config_default(&defaults);
    for (int group = 0; group < PX_GROUP_COUNT; group++) {
        int titled = line->settings != NULL; /* a short list needs no headings */
        for (size_t i = 0; i < px_option_count; i++) {
            if ((int)px_options[i].group != group || !px_command_line_takes(line, &px_options[i])) continue;
            if (!titled) printf("%s\n", GROUP_TITLES[group]);
            if (!titled && group == PX_GROUP_DROPOUT) print_row("--dropout p", "sets --dropout-between and --dropout-output at once", "");
            titled = 1;
            print_setting(&px_options[i], &defaults);
        }
    }
    if (line->help_end) printf("%s", line->help_end);
    px_config_free(&defaults);
}
