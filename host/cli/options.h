/* The command line: long flags, `--name value` or `--name=value`, booleans `--name` and `--no-name`, and `--config
 * FILE` whose `key = value` lines are read first, as if they were flags; flags given on the command line win. A flag of
 * one value that is given twice is noted, and the last one counts; flags of several values, and settings that name
 * several files, add up.
 *
 * A command has flags of its own (px_flag) and a choice of the settings of config.h's table. A configuration file may
 * hold settings that the command does not use, so that one file serves several commands. */
#ifndef PX_OPTIONS_H
#define PX_OPTIONS_H

#include "config.h"

#include <stddef.h>

typedef enum px_flag_kind {
    PX_FLAG_SWITCH,   /* int: 1, or 0 by --no-name */
    PX_FLAG_STRING,   /* const char *; lives as long as the px_command_line */
    PX_FLAG_OUT_FILE, /* the same, the name of a file to be written: checked against everything that is read (outputs.h)
                       */
    PX_FLAG_OUT_TEXT, /* ... of a text: - is standard output */
    PX_FLAG_OUT_NAME, /* ... of a folder, or what files' names are made from: the command has each of them checked */
    PX_FLAG_PAIR,     /* const char *[2]: --name A B; not in a file */
    PX_FLAG_INT32,    /* int32_t */
    PX_FLAG_INT64,    /* int64_t */
    PX_FLAG_DOUBLE,   /* double */
    PX_FLAG_LIST /* px_flag_list: every value given to the flag, in order; a value ends where the next flag begins */
} px_flag_kind;

enum { PX_FLAG_LIST_MAX = 64, PX_MAX_POSITIONAL = 16 };

typedef struct px_flag_list {
    const char *value[PX_FLAG_LIST_MAX];
    size_t count;
} px_flag_list;

typedef struct px_flag {
    const char *name, *value_name;
    px_flag_kind kind;
    void *place;
    double min, max; /* numbers: the closed range that is accepted */
    const char *help;
} px_flag;

/* Where a command differs from a setting's row in the table. Refusing the other choices is left to the room that knows
 * why. */
typedef struct px_setting_limits {
    const char *setting;
    int (*takes)(int choice); /* which choices are of use here; NULL: all */
    const char *fallback;     /* what --help shows as the default; NULL: the configuration's */
} px_setting_limits;

typedef struct px_kept_text px_kept_text;

typedef struct px_command_line {
    /* what the command is; filled in before reading */
    const char *command;
    const char *usage;           /* the lines after "usage:", and a few words on what the command does */
    const px_flag *flags;        /* ended by name NULL */
    const char *const *settings; /* names from the table that this command takes, ended by NULL; NULL = all of them */
    const px_setting_limits *limits; /* ended by setting NULL; NULL: none */
    const char *help_end;            /* printed after the flags; may be NULL */
    int max_positional;
    px_config *config; /* where settings go; NULL if the command takes none */
    /* what was found */
    const char *positional[PX_MAX_POSITIONAL];
    int positional_count;
    int help;           /* 1: --help was given, nothing else was judged */
    const char **given; /* [2 * given_count + 1] names and values of settings, file first, ended by NULL */
    size_t given_count;
    size_t file_count;         /* the first of them, which are from a file */
    px_flag_list config_files; /* every --config FILE */
    /* private */
    size_t given_room;
    px_kept_text *kept; /* copies of values, the newest first */
    const char **seen;  /* [2 * seen_count] names and values of flags on the command line so far */
    size_t seen_count;
} px_command_line;

/* PX_ERR_ARGUMENT names the flag, the value and the remedy; an unknown flag gives the nearest one of this command. */
px_status px_command_line_read(px_command_line *line, int argc, char **argv);
void px_command_line_free(px_command_line *line);
/* 1 if that setting was given, by a flag or in the file. "dropout" counts as itself. */
int px_command_line_gave(const px_command_line *line, const char *setting);
/* 1 if a configuration file gave it. */
int px_command_line_in_file(const px_command_line *line, const char *setting);
/* Its last value on the command line, NULL where it came from a file or not at all. */
const char *px_command_line_typed(const px_command_line *line, const char *setting);
/* 0 where what follows such a flag or setting, by the word that --help shows for it, is clearly no file's name. */
int px_flag_names_file(const char *value_name);
/* Whether this command takes that setting of the table. */
int px_command_line_takes(const px_command_line *line, const px_option *option);

/* What this command changes about that setting, or NULL. */
const px_setting_limits *px_command_line_limits(const px_command_line *line, const px_option *option);
/* A setting's choices that are of use to this command, with `between` between them, into buffer, which is always
 * terminated. */
void px_command_line_choices(const px_command_line *line, const px_option *option, const char *between, char *buffer,
                             size_t buffer_bytes);

/* Whether this command has a flag or a setting of that name (without its dashes; "no-" before a switch counts). */
int px_command_line_has(const px_command_line *line, const char *name);

/* Prints what --help shows, to standard output (help.c). line->config holds the command's defaults:
 * px_command_line_read sets nothing where it finds --help. */
void px_help_print(const px_command_line *line);
/* The flags of a command as --help lists them: row(context, "--hidden h", "units of a layer", "512" or "") for each,
 * and row(context, NULL, title, "") for a group's heading. */
void px_help_rows(const px_command_line *line,
                  void (*row)(void *context, const char *left, const char *help, const char *fallback), void *context);
/* From here on px_help_print hands the command line to visit instead of printing, so that `perplex completion` learns
 * every command's flags from their own tables; NULL: prints again. */
void px_help_visit(void (*visit)(void *context, const px_command_line *line), void *context);

#endif
