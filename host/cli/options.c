/* Reading the command line and --config FILE: see options.h. */
#include "options.h"
#include "check.h"
#include "file.h"
#include "hint.h"
#include "nearest.h"
#include "note.h"
#include "outputs.h"
#include "paths.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 64, CONFIG_FILE_LIMIT = 1 << 24 };

int px_command_line_takes(const px_command_line *line, const px_option *option)
{
    if (!line->config) return 0;
    for (const px_flag *flag = line->flags; flag && flag->name; flag++)
        if (strcmp(flag->name, option->name) == 0) return 0; /* the command's own flag of that name */
    if (!line->settings) return 1;
    for (size_t i = 0; line->settings[i]; i++)
        if (strcmp(line->settings[i], option->name) == 0) return 1;
    return 0;
}

const px_setting_limits *px_command_line_limits(const px_command_line *line, const px_option *option)
{
    for (const px_setting_limits *limits = line->limits; limits && limits->setting; limits++)
        if (strcmp(limits->setting, option->name) == 0) return limits;
    return NULL;
}

void px_command_line_choices(const px_command_line *line, const px_option *option, const char *between, char *buffer,
                             size_t buffer_bytes)
{
    const px_setting_limits *limits = px_command_line_limits(line, option);
    size_t used = 0;
    buffer[0] = 0;
    for (int i = 0; option->choices && option->choices[i] && used < buffer_bytes; i++)
        if (!limits || !limits->takes || limits->takes(i))
            used +=
                (size_t)snprintf(buffer + used, buffer_bytes - used, "%s%s", used ? between : "", option->choices[i]);
}

int px_flag_names_file(const char *value_name)
{
    static const char *const others[] = {"TEXT",  "TOKEN", "NAME",      "KEY",    "KEY=a..b ...",
                                         "WORDS", "TIME",  "RATE|auto", "sgd|rms"};
    for (size_t i = 0; value_name && i < sizeof others / sizeof others[0]; i++)
        if (strcmp(value_name, others[i]) == 0) return 0;
    return 1;
}

static const px_flag *find_flag(const px_command_line *line, const char *name)
{
    for (const px_flag *flag = line->flags; flag && flag->name; flag++)
        if (strcmp(flag->name, name) == 0) return flag;
    return NULL;
}

static int takes_name(const px_command_line *line, const char *name)
{
    if (strcmp(name, "dropout") == 0) return px_command_line_takes(line, px_config_find("dropout-output"));
    const px_option *option = px_config_find(name);
    return option && px_command_line_takes(line, option);
}

static int is_known_setting(const char *name) { return strcmp(name, "dropout") == 0 || px_config_find(name) != NULL; }

static px_status unknown_flag(const px_command_line *line, const char *name)
{
    if (is_known_setting(name))
        return px_fail(PX_ERR_ARGUMENT, "--%s: not a flag of %s; perplex %s --help lists its flags", name,
                       line->command, line->command);
    const char *names[160];
    size_t count = 0;
    for (const px_flag *flag = line->flags; flag && flag->name && count < 60; flag++) names[count++] = flag->name;
    for (size_t i = 0; i < px_option_count && count < 156; i++)
        if (px_command_line_takes(line, &px_options[i])) names[count++] = px_options[i].name;
    if (takes_name(line, "dropout")) names[count++] = "dropout";
    if (line->config) names[count++] = "config";
    names[count++] = "help";
    size_t found = px_nearest(name, names, count);
    if (found < count)
        return px_fail(PX_ERR_ARGUMENT, "--%.60s: no such flag of %s; did you mean --%s?", name, line->command,
                       names[found]);
    return px_fail(PX_ERR_ARGUMENT, "--%.60s: no such flag of %s; perplex %s --help lists its flags", name,
                   line->command, line->command);
}

int px_command_line_has(const px_command_line *line, const char *name)
{
    if (find_flag(line, name) || takes_name(line, name) || strcmp(name, "help") == 0) return 1;
    if (strcmp(name, "config") == 0) return line->config != NULL;
    return strncmp(name, "no-", 3) == 0 && px_command_line_has(line, name + 3);
}

/* ---- values --------------------------------------------------------------------------------------------------- */

static px_status record_setting(px_command_line *line, const char *name, const char *value)
{
    if (2 * line->given_count + 3 > line->given_room) {
        size_t room = line->given_room ? 2 * line->given_room : 64;
        const char **given = realloc(line->given, room * sizeof *given);
        if (!given) return px_fail(PX_ERR_MEMORY, "no memory for the command line");
        line->given = given;
        line->given_room = room;
    }
    line->given[2 * line->given_count] = name;
    line->given[2 * line->given_count + 1] = value;
    line->given[2 * ++line->given_count] = NULL;
    return PX_OK;
}

/* A copy of a value that lives as long as the command line. */
struct px_kept_text {
    px_kept_text *before;
    char text[];
};

static const char *keep(px_command_line *line, const char *text)
{
    size_t bytes = strlen(text) + 1;
    px_kept_text *kept = malloc(sizeof *kept + bytes);
    if (!kept) return NULL;
    kept->before = line->kept;
    memcpy(kept->text, text, bytes);
    line->kept = kept;
    return kept->text;
}

static px_status set_flag(const px_flag *flag, const char *value)
{
    char *end;
    errno = 0;
    switch (flag->kind) {
    case PX_FLAG_SWITCH:
        if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) {
            *(int *)flag->place = value[0] == 't';
            return PX_OK;
        }
        return px_fail(PX_ERR_ARGUMENT, "--%s %.100s: not accepted; it takes no value, or true or false", flag->name,
                       value);
    case PX_FLAG_STRING:
    case PX_FLAG_OUT_FILE:
    case PX_FLAG_OUT_TEXT:
    case PX_FLAG_OUT_NAME: *(const char **)flag->place = value; return PX_OK;
    case PX_FLAG_PAIR: return px_fail(PX_ERR_ARGUMENT, "--%s: give its two values on the command line", flag->name);
    case PX_FLAG_LIST: {
        px_flag_list *list = flag->place;
        if (list->count == PX_FLAG_LIST_MAX)
            return px_fail(PX_ERR_ARGUMENT, "--%s: at most %d values", flag->name, PX_FLAG_LIST_MAX);
        list->value[list->count++] = value;
        return PX_OK;
    }
    case PX_FLAG_INT32:
    case PX_FLAG_INT64: {
        long long number = strtoll(value, &end, 10);
        if (strspn(value, "+-0123456789") != strlen(value) || end == value || *end || errno ||
            (double)number < flag->min || (double)number > flag->max)
            return px_fail(PX_ERR_ARGUMENT, "--%s %.100s: not accepted; it takes a whole number from %.0f to %.0f",
                           flag->name, *value ? value : "''", flag->min, flag->max);
        if (flag->kind == PX_FLAG_INT32)
            *(int32_t *)flag->place = (int32_t)number;
        else
            *(int64_t *)flag->place = number;
        return PX_OK;
    }
    case PX_FLAG_DOUBLE: {
        double number = strtod(value, &end);
        if (strspn(value, "+-.eE0123456789") != strlen(value) || end == value || *end || !isfinite(number) ||
            number < flag->min || number > flag->max)
            return px_fail(PX_ERR_ARGUMENT, "--%s %.100s: not accepted; it takes a number from %.10g to %.10g",
                           flag->name, *value ? value : "''", flag->min, flag->max);
        *(double *)flag->place = number;
        return PX_OK;
    }
    }
    return px_fail(PX_ERR_INTERNAL, "--%s: unknown kind of flag", flag->name);
}

static px_status set_setting(px_command_line *line, const char *name, const char *value)
{
    PX_TRY(px_config_set(line->config, name, value));
    return record_setting(line, name, value);
}

/* --vocabulary-from is a list of texts for one command and a choice for another: a file that has one of the choices
 * means that one. */
static int is_choice_of_another(const px_flag *flag, const char *name, const char *value)
{
    const px_option *option = px_config_find(name);
    if (flag->kind != PX_FLAG_LIST || !option || !option->choices) return 0;
    for (int i = 0; option->choices[i]; i++)
        if (strcmp(option->choices[i], value) == 0) return 1;
    return 0;
}

/* One line of --config FILE. Settings of other commands are passed over. */
static px_status set_from_file(void *context, const char *name, const char *value)
{
    px_command_line *line = context;
    const px_flag *flag = find_flag(line, name);
    if (!flag && !takes_name(line, name)) {
        if (is_known_setting(name)) return PX_OK;
        return px_config_set(line->config, name, value); /* fails, with the nearest setting */
    }
    if (flag && is_choice_of_another(flag, name, value)) return PX_OK;
    const char *kept_name = keep(line, name), *kept_value = keep(line, value);
    if (!kept_name || !kept_value) return px_fail(PX_ERR_MEMORY, "no memory for the configuration");
    return flag ? set_flag(flag, kept_value) : set_setting(line, kept_name, kept_value);
}

static px_status read_config_file(px_command_line *line, const char *path)
{
    char *text;
    size_t bytes;
    PX_TRY(px_file_read(path, CONFIG_FILE_LIMIT, &text, &bytes));
    if (line->config_files.count < PX_FLAG_LIST_MAX) line->config_files.value[line->config_files.count++] = path;
    px_status status = px_config_each(text, bytes, path, set_from_file, line);
    free(text);
    return status;
}

/* ---- the arguments -------------------------------------------------------------------------------------------- */

/* One argument taken apart: its name without dashes, its value if it came with =. */
typedef struct parsed_argument {
    char name[NAME_BYTES];
    const char *value; /* after =, or NULL */
    int negated;       /* --no-name of a switch or a boolean */
    const px_flag *flag;
    const px_option *option; /* "dropout" stands for both its settings: option is then NULL */
} parsed_argument;

static int is_switch(const parsed_argument *argument)
{
    if (argument->flag) return argument->flag->kind == PX_FLAG_SWITCH;
    return argument->option && argument->option->type == PX_OPTION_BOOL;
}

static void look_up(const px_command_line *line, const char *name, parsed_argument *argument)
{
    argument->flag = find_flag(line, name);
    argument->option = argument->flag || !takes_name(line, name) ? NULL : px_config_find(name);
}

static px_status take_apart(const px_command_line *line, const char *text, parsed_argument *argument)
{
    *argument = (parsed_argument){0};
    const char *name = text + 2, *equals = strchr(name, '=');
    size_t bytes = equals ? (size_t)(equals - name) : strlen(name);
    if (bytes >= NAME_BYTES)
        return px_fail(PX_ERR_ARGUMENT, "%.80s...: no such flag; perplex %s --help lists its flags", text,
                       line->command);
    memcpy(argument->name, name, bytes);
    argument->value = equals ? equals + 1 : NULL;
    if (strcmp(argument->name, "config") == 0 || strcmp(argument->name, "dropout") == 0) {
        look_up(line, argument->name, argument);
        if (argument->flag || (argument->name[0] == 'c' ? line->config != NULL : takes_name(line, "dropout")))
            return PX_OK;
        return unknown_flag(line, argument->name);
    }
    look_up(line, argument->name, argument);
    if (argument->flag || argument->option) return PX_OK;
    if (strncmp(argument->name, "no-", 3) == 0) {
        look_up(line, argument->name + 3, argument);
        if (is_switch(argument)) {
            argument->negated = 1;
            if (argument->value) return px_fail(PX_ERR_ARGUMENT, "%.80s: takes no value", text);
            return PX_OK;
        }
    }
    return unknown_flag(line, argument->name);
}

static int is_flag_text(const char *text) { return strncmp(text, "--", 2) == 0 && text[2] != 0; }

/* Where the value of a flag is kept that was on the command line before, or NULL. */
static const char **find_seen(const px_command_line *line, const char *name)
{
    for (size_t i = 0; i < line->seen_count; i++)
        if (strcmp(line->seen[2 * i], name) == 0) return &line->seen[2 * i + 1];
    return NULL;
}

static void add_seen(px_command_line *line, const char *name, const char *value)
{
    line->seen[2 * line->seen_count] = name;
    line->seen[2 * line->seen_count++ + 1] = value;
}

/* A flag of one value: the last one counts, which is said, unless a switch only says the same again. */
static void see(px_command_line *line, const parsed_argument *argument, const char *value)
{
    const char *name = argument->flag ? argument->flag->name : argument->option ? argument->option->name : "dropout";
    const char **before = find_seen(line, name);
    if (!before) {
        add_seen(line, name, value);
        return;
    }
    if (!is_switch(argument))
        px_note("--%s: given more than once; the last one counts, %.100s", name, value);
    else if (strcmp(*before, value) != 0)
        px_note("--%s and --no-%s: the last one counts", name, name);
    *before = value;
}

/* A setting that names several files: value joins those given before it on the command line. */
static px_status add_file(px_command_line *line, const px_option *option, const char *value)
{
    const char **before = find_seen(line, option->name);
    if (!before) {
        add_seen(line, option->name, value);
        return set_setting(line, option->name, value);
    }
    if (strchr(value, '\n') || (strchr(*before, '\n') && px_paths_hold(*before, *before)))
        return px_fail(PX_ERR_ARGUMENT,
                       "--%s: of several files none has a line end in its name; rename it, or give it alone",
                       option->name);
    size_t room = strlen(*before) + strlen(value) + 2;
    char *joined = malloc(room);
    if (!joined) return px_fail(PX_ERR_MEMORY, "no memory for the command line");
    snprintf(joined, room, "%s\n%s", *before, value);
    *before = keep(line, joined);
    free(joined);
    if (!*before) return px_fail(PX_ERR_MEMORY, "no memory for the command line");
    for (size_t i = line->file_count; i < line->given_count; i++)
        if (strcmp(line->given[2 * i], option->name) == 0) line->given[2 * i + 1] = *before;
    return px_config_set(line->config, option->name, *before);
}

static int takes_several(const parsed_argument *argument)
{
    return argument->flag ? argument->flag->kind == PX_FLAG_LIST
                          : argument->option && argument->option->type == PX_OPTION_STRING && argument->option->max > 1;
}

/* Every value up to the next flag; of --name=value that one alone. */
static px_status read_several(px_command_line *line, int argc, char **argv, int *at, const parsed_argument *argument,
                              const char *value, int files_pass)
{
    for (;;) {
        if (!files_pass)
            PX_TRY(argument->flag ? set_flag(argument->flag, value) : add_file(line, argument->option, value));
        if (argument->value || *at + 1 >= argc || is_flag_text(argv[*at + 1])) return PX_OK;
        value = argv[++*at];
    }
}

static px_status take_value(int argc, char **argv, int *at, const parsed_argument *argument, const char **value)
{
    *value = argument->negated ? "false" : argument->value ? argument->value : is_switch(argument) ? "true" : NULL;
    if (*value) return PX_OK;
    if (*at + 1 >= argc || is_flag_text(argv[*at + 1]))
        return px_fail(PX_ERR_ARGUMENT, "--%s: needs a value%s", argument->name,
                       *at + 1 < argc ? "; one that begins with -- is given as --name=value" : "");
    *value = argv[++*at];
    return PX_OK;
}

/* Handles argv[*at]; only files on the first pass, everything else on the second. */
static px_status read_argument(px_command_line *line, int argc, char **argv, int *at, int files_pass)
{
    parsed_argument argument;
    const char *value;
    PX_TRY(take_apart(line, argv[*at], &argument));
    PX_TRY(take_value(argc, argv, at, &argument, &value));
    if (takes_several(&argument)) return read_several(line, argc, argv, at, &argument, value, files_pass);
    if (!argument.flag && strcmp(argument.name, "config") == 0)
        return files_pass ? read_config_file(line, value) : PX_OK;
    const char **pair = argument.flag && argument.flag->kind == PX_FLAG_PAIR ? argument.flag->place : NULL;
    if (pair) {
        if (*at + 1 >= argc || is_flag_text(argv[*at + 1]))
            return px_fail(PX_ERR_ARGUMENT, "--%s: needs two values: %s", argument.name, argument.flag->value_name);
        ++*at;
    }
    if (files_pass) return PX_OK;
    see(line, &argument, value);
    if (pair) {
        pair[0] = value;
        pair[1] = argv[*at];
        return PX_OK;
    }
    if (argument.flag) return set_flag(argument.flag, value);
    PX_TRY(px_config_check_name(argument.name, value));
    return set_setting(line, argument.option ? argument.option->name : "dropout", value);
}

px_status px_command_line_read(px_command_line *line, int argc, char **argv)
{
    px_hint_command(line);
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            line->help = 1;
            return PX_OK;
        }
    line->seen = malloc(2 * (size_t)argc * sizeof *line->seen);
    if (!line->seen) return px_fail(PX_ERR_MEMORY, "no memory for the command line");
    for (int pass = 0; pass < 2; pass++) {
        line->file_count = line->given_count;
        for (int i = 1; i < argc; i++) {
            if (is_flag_text(argv[i])) {
                PX_TRY(read_argument(line, argc, argv, &i, pass == 0));
                continue;
            }
            if (pass == 0) continue;
            if (argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-')
                return px_fail(PX_ERR_ARGUMENT, "%.80s: flags are long, such as --help; perplex %s --help lists them",
                               argv[i], line->command);
            if (line->positional_count == line->max_positional)
                return px_fail(PX_ERR_ARGUMENT, "'%.80s': %s; perplex %s --help shows how it is used", argv[i],
                               line->max_positional ? "one argument too many" : "every value needs its flag before it",
                               line->command);
            line->positional[line->positional_count++] = argv[i];
        }
    }
    return px_outputs_check(line);
}

void px_command_line_free(px_command_line *line)
{
    px_hint_command(NULL);
    while (line->kept) {
        px_kept_text *before = line->kept->before;
        free(line->kept);
        line->kept = before;
    }
    free(line->given);
    free(line->seen);
    line->seen = NULL;
    line->seen_count = 0;
    line->given = NULL;
    line->given_count = line->given_room = 0;
}

static int is_among(const px_command_line *line, size_t count, const char *setting)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(line->given[2 * i], setting) == 0) return 1;
    return 0;
}

int px_command_line_gave(const px_command_line *line, const char *setting)
{
    return is_among(line, line->given_count, setting);
}

int px_command_line_in_file(const px_command_line *line, const char *setting)
{
    return is_among(line, line->file_count, setting);
}

const char *px_command_line_typed(const px_command_line *line, const char *setting)
{
    for (size_t i = line->given_count; i > line->file_count; i--)
        if (strcmp(line->given[2 * i - 2], setting) == 0) return line->given[2 * i - 1];
    return NULL;
}
