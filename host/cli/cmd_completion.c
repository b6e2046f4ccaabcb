/* perplex completion bash|zsh|man: what an installation holds beside the program. Everything is taken from the tables
 * that --help prints, so that it cannot say anything else: each command is asked for its help, and its command line is
 * caught before it is printed (px_help_visit). */
#include "check.h"
#include "commands.h"
#include "options.h"
#include "output.h"
#include "registry.h"

#include <stdio.h>
#include <string.h>

typedef struct writer {
    const px_command *command;
} writer;

/* ---- what may follow a flag ------------------------------------------------------------------------------------- */

typedef enum value_kind {
    VALUE_NONE,
    VALUE_CHOICE,
    VALUE_NUMBER,
    VALUE_FILE
} value_kind; /* NUMBER: or a word that nobody can guess */

typedef void flag_function(const char *name, value_kind value, const char *choices, const char *help, int may_negate);

static void visit_option(const px_command_line *line, const px_option *option, flag_function *each)
{
    char choices[256];
    value_kind value = option->type == PX_OPTION_STRING && px_flag_names_file(option->value_name) ? VALUE_FILE
                       : option->type == PX_OPTION_BOOL                                           ? VALUE_NONE
                                                                                                  : VALUE_NUMBER;
    px_command_line_choices(line, option, " ", choices, sizeof choices);
    if (strcmp(option->name, "device") == 0) px_device_names(" ", " ", 0, choices, sizeof choices);
    if (choices[0]) value = VALUE_CHOICE;
    char help[160];
    each(option->name, value, choices, px_option_help(option, help, sizeof help), option->type == PX_OPTION_BOOL);
}

/* Calls each for every flag of the command, --help included. */
static void visit_flags(const px_command_line *line, flag_function *each)
{
    for (const px_flag *flag = line->flags; flag && flag->name; flag++) {
        int is_text = flag->kind != PX_FLAG_SWITCH && flag->kind != PX_FLAG_INT32 && flag->kind != PX_FLAG_INT64 &&
                      flag->kind != PX_FLAG_DOUBLE;
        int is_device = strcmp(flag->name, "device") == 0;
        char devices[64];
        px_device_names(" ", " ", 0, devices, sizeof devices);
        each(flag->name,
             flag->kind == PX_FLAG_SWITCH                      ? VALUE_NONE
             : is_device                                       ? VALUE_CHOICE
             : is_text && px_flag_names_file(flag->value_name) ? VALUE_FILE
                                                               : VALUE_NUMBER,
             is_device ? devices : "", flag->help, flag->kind == PX_FLAG_SWITCH);
    }
    if (line->config) each("config", VALUE_FILE, "", "read settings from FILE", 0);
    int takes_dropout = 0;
    for (size_t i = 0; i < px_option_count; i++)
        if (px_command_line_takes(line, &px_options[i])) {
            visit_option(line, &px_options[i], each);
            takes_dropout |= strcmp(px_options[i].name, "dropout-output") == 0;
        }
    if (takes_dropout) each("dropout", VALUE_NUMBER, "", "sets --dropout-between and --dropout-output at once", 0);
    each("help", VALUE_NONE, "", "lists the flags", 0);
}

/* ---- bash ------------------------------------------------------------------------------------------------------- */

static void bash_name(const char *name, value_kind value, const char *choices, const char *help, int may_negate)
{
    (void)value, (void)choices, (void)help;
    printf(" --%s", name);
    if (may_negate) printf(" --no-%s", name);
}

static const char *bash_command;

static void bash_value(const char *name, value_kind value, const char *choices, const char *help, int may_negate)
{
    (void)help, (void)may_negate;
    if (value == VALUE_CHOICE) printf("        '%s --%s') words='%s' ;;\n", bash_command, name, choices);
    if (value == VALUE_NUMBER) printf("        '%s --%s') return ;;\n", bash_command, name);
    if (value == VALUE_FILE) printf("        '%s --%s') files=1 ;;\n", bash_command, name);
}

static void visit_bash_values(void *context, const px_command_line *line)
{
    bash_command = ((writer *)context)->command->name;
    visit_flags(line, bash_value);
}

static void visit_bash_names(void *context, const px_command_line *line)
{
    printf("        %s) words='", ((writer *)context)->command->name);
    visit_flags(line, bash_name);
    printf("' ;;\n");
}

/* ---- zsh -------------------------------------------------------------------------------------------------------- */

/* Inside single quotes and an explanation's brackets. */
static void zsh_text(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c == '\'')
            printf("'\\''");
        else if (*c == '[' || *c == ']' || *c == '\\' || *c == ':')
            printf("\\%c", *c);
        else
            putchar(*c);
}

static void zsh_flag(const char *name, value_kind value, const char *choices, const char *help, int may_negate)
{
    printf(" \\\n            '--%s[", name);
    zsh_text(help);
    printf("]%s%s%s'",
           value == VALUE_NONE     ? ""
           : value == VALUE_FILE   ? ":file:_files"
           : value == VALUE_CHOICE ? ":value:("
                                   : ":value: ",
           choices, value == VALUE_CHOICE ? ")" : "");
    if (may_negate) printf(" \\\n            '--no-%s[not so]'", name);
}

static void visit_zsh(void *context, const px_command_line *line)
{
    printf("        %s) _arguments", ((writer *)context)->command->name);
    visit_flags(line, zsh_flag);
    printf(" \\\n            '*:file:_files' ;;\n");
}

/* ---- the manual page --------------------------------------------------------------------------------------------- */

/* Text for troff: hyphens that can be copied, no escapes, no requests. */
static void man_text(const char *text, size_t bytes)
{
    int line_start = 1;
    for (size_t i = 0; i < bytes; i++) {
        if (line_start && (text[i] == '.' || text[i] == '\'')) printf("\\&");
        line_start = text[i] == '\n';
        if (text[i] == '\\')
            printf("\\e");
        else if (text[i] == '-')
            printf("\\-");
        else
            putchar(text[i]);
    }
}

static void man_row(void *context, const char *left, const char *help, const char *fallback)
{
    (void)context;
    if (!left) {
        printf(".PP\n%s\n", help);
        return;
    }
    size_t name = strcspn(left, " ");
    printf(".TP\n\\fB");
    man_text(left, name);
    printf("\\fR");
    man_text(left + name, strlen(left + name));
    printf("\n");
    man_text(help, strlen(help));
    if (fallback[0]) {
        printf(" [");
        man_text(fallback, strlen(fallback));
        printf("]");
    }
    printf("\n");
}

/* Lines as they are, but for the indentation that "usage: " is answered with. */
static void man_block(const char *text)
{
    printf(".nf\n");
    while (*text) {
        size_t bytes = strcspn(text, "\n") + 1, indent = strncmp(text, "       ", 7) == 0 ? 7 : 0;
        man_text(text + indent, bytes - indent);
        text += bytes;
    }
    printf(".fi\n");
}

static void visit_man(void *context, const px_command_line *line)
{
    const px_command *command = ((writer *)context)->command;
    printf(".SS perplex %s\n", command->name);
    man_text(command->help, strlen(command->help));
    printf(".\n.PP\n");
    man_block(line->usage);
    px_help_rows(line, man_row, NULL);
    if (!line->help_end) return;
    printf(".PP\n");
    man_block(line->help_end);
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

static void visit_all(const px_command *commands, size_t count,
                      void (*visit)(void *context, const px_command_line *line))
{
    for (size_t i = 0; i < count; i++) {
        writer w = {.command = &commands[i]};
        char help[] = "--help", name[64];
        char *argv[] = {name, help, NULL};
        snprintf(name, sizeof name, "%s", commands[i].name);
        px_help_visit(visit, &w);
        commands[i].run(2, argv);
        px_help_visit(NULL, NULL);
    }
}

static void write_bash(const px_command *commands, size_t count)
{
    printf("# bash completion for perplex; written by: perplex completion bash\n"
           "_perplex() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} words='' files=''\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -gt 1 ]; then\n"
           "        case \"${COMP_WORDS[1]} ${COMP_WORDS[COMP_CWORD - 1]}\" in\n");
    visit_all(commands, count, visit_bash_values);
    printf("        esac\n"
           "        if [ -z \"$words$files\" ]; then\n"
           "            case \"${COMP_WORDS[1]} $current\" in *' -'* | 'help '*) ;; *) files=1 ;; esac\n"
           "        fi\n"
           "    fi\n"
           "    if [ -z \"$words$files\" ]; then\n"
           "        [ \"$COMP_CWORD\" -gt 1 ] || words='");
    for (size_t i = 0; i < count; i++) printf("%s ", commands[i].name);
    printf("help --help --version'\n"
           "        [ \"$COMP_CWORD\" -le 1 ] || case \"${COMP_WORDS[1]}\" in\n"
           "        help) words='");
    for (size_t i = 0; i < count; i++) printf("%s%s", i ? " " : "", commands[i].name);
    printf("' ;;\n");
    visit_all(commands, count, visit_bash_names);
    printf("        esac\n"
           "    fi\n"
           "    if [ -n \"$files\" ]; then\n"
           "        compopt -o filenames 2>/dev/null\n"
           "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
           "    else\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
           "    fi\n"
           "}\n"
           "complete -F _perplex perplex\n");
}

static void write_zsh(const px_command *commands, size_t count)
{
    printf("#compdef perplex\n"
           "# zsh completion for perplex; written by: perplex completion zsh\n"
           "_perplex() {\n"
           "    local -a commands\n"
           "    if (( CURRENT == 2 )); then\n"
           "        commands=(");
    for (size_t i = 0; i < count; i++) {
        printf("\n            '%s:", commands[i].name);
        zsh_text(commands[i].help);
        printf("'");
    }
    printf(")\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    shift words\n"
           "    (( CURRENT-- ))\n"
           "    case ${words[1]} in\n");
    visit_all(commands, count, visit_zsh);
    printf("    esac\n"
           "}\n"
           "_perplex \"$@\"\n");
}

static void write_man(const px_command *commands, size_t count)
{
    printf(".TH PERPLEX 1 \"\" \"perplex %s\" \"User Commands\"\n"
           ".SH NAME\nperplex \\- trains, evaluates and samples recurrent language models\n"
           ".SH SYNOPSIS\n.B perplex\n.I COMMAND\n[flags]\n.br\n.B perplex\n.I COMMAND\n.B \\-\\-help\n.br\n.B perplex "
           "\\-\\-version\n"
           ".SH DESCRIPTION\n"
           "Recurrent language models over bytes, characters or words, trained by truncated back\\-propagation through "
           "time.\n"
           "A value in brackets is the default. Every flag that is a setting may stand in a file too, as a line\n"
           ".IR \"name = value\" :\n"
           "see\n.BR \\-\\-config .\n"
           ".SH COMMANDS\n",
           PERPLEX_VERSION);
    visit_all(commands, count, visit_man);
    printf(".SH ENVIRONMENT\n"
           ".TP\n.B NO_COLOR\nset and not empty: nothing is coloured.\n"
           ".TP\n.B OMP_NUM_THREADS, SLURM_CPUS_PER_TASK\nhow many cores there are, where \\-\\-threads is not given.\n"
           ".TP\n.B PERPLEX_CUDA_MODULE\nthe file of the CUDA engine, where it lies neither beside the program nor in "
           "its installation.\n"
           ".TP\n.B PERPLEX_DATASETS\na folder where corpora lie.\n"
           ".TP\n.B TMPDIR\nwhere texts are spooled.\n"
           ".SH \"EXIT STATUS\"\n"
           ".TP\n0\ndone\n.TP\n1\nfailed while running\n.TP\n2\nwrong input or device\n"
           ".TP\n75\nstopped with a checkpoint: run it again\n");
}

int px_cmd_completion(int argc, char **argv, const px_command *commands, size_t count)
{
    const char *what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "bash") == 0)
        write_bash(commands, count);
    else if (strcmp(what, "zsh") == 0)
        write_zsh(commands, count);
    else if (strcmp(what, "man") == 0)
        write_man(commands, count);
    else if (strcmp(what, "--help") == 0)
        puts("usage: perplex completion bash|zsh|man\nWrites that shell's completion, or the manual page.");
    else
        return px_output_fail(px_fail(
            PX_ERR_ARGUMENT,
            "completion%s%.40s: give bash, zsh or man: what is written is that shell's completion, or the manual page",
            *what ? " " : "", what));
    return px_output_end(PX_OK);
}
