/* Every setting of a training, evaluation or sampling, as one plain struct, and the one table that gives
 * each setting its flag, type, range, default and help.
 *
 * The command line, configuration files (`key = value`), the run folder's `config`, checkpoints' metadata
 * and `--help` all read that table, so that a flag says the same thing everywhere. */
#ifndef PX_CONFIG_H
#define PX_CONFIG_H

#include "corpus_settings.h"
#include "model_config.h"
#include "optimizer.h"
#include "precision.h"
#include "rank_settings.h"
#include "product_choice.h"
#include "recurrence_choice.h"

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

typedef enum px_schedule {
    PX_SCHEDULE_CONSTANT,
    PX_SCHEDULE_STEP,
    PX_SCHEDULE_COSINE,
    PX_SCHEDULE_PLATEAU
} px_schedule;
typedef enum px_average { PX_AVERAGE_NONE, PX_AVERAGE_FROM, PX_AVERAGE_STALL } px_average;
typedef enum px_vocabulary_from { PX_VOCABULARY_FROM_MODEL, PX_VOCABULARY_FROM_TEXT } px_vocabulary_from;
typedef enum px_on_nan { PX_ON_NAN_STOP, PX_ON_NAN_ROLLBACK } px_on_nan;

/* How often: so many steps, or so many seconds; at most one of them is above 0. */
typedef struct px_every {
    int64_t steps, seconds;
} px_every;

typedef struct px_config {
    /* each room's; strings in them are owned by the configuration, NULL = not given */
    px_corpus_settings corpus;
    px_minibatch_settings minibatch;
    px_model_config model;
    px_optimizer_config optimizer;
    px_rank_settings ranks;
    /* the model that a new run begins from */
    char *init_from;                    /* a model file or a run folder; NULL: initial weights are drawn */
    char *init_fingerprint;             /* of that file; NULL: any, and fixed at the first start */
    int32_t init_moments;               /* 1: the moments of its optimiser come along */
    px_vocabulary_from vocabulary_from; /* whose the run's vocabulary is; without init_from the text's */
    /* learning rate */
    double lr;
    px_schedule schedule;
    int64_t schedule_steps; /* length of the schedule; 0 = from max_steps or epochs, fixed at the first start */
    int64_t schedule_from;  /* its first step; 0, or where the run was extended */
    int64_t warmup_steps;   /* linear from 0 */
    double lr_min;          /* floor of cosine, as a share of lr */
    int64_t lr_step_every;  /* schedule step: multiply by lr_factor every so many steps */
    double lr_factor;       /* step and plateau: factor below 1 */
    int64_t lr_patience;    /* plateau: evaluations without improvement before lr is multiplied by lr_factor */
    /* length, validation, averaging */
    int64_t epochs, max_steps; /* whichever ends first; 0 = not given */
    int64_t valid_every;       /* evaluate every k steps; 0 = every epoch */
    int64_t early_stop;        /* evaluations without improvement before the run ends; 0 = never */
    px_average average;
    int64_t average_from;     /* first step that is averaged (average = from) */
    int64_t average_patience; /* evaluations without improvement before averaging starts (average = stall) */
    px_on_nan on_nan;
    double rollback_factor; /* learning rate factor after a rollback */
    /* running */
    char *device;
    px_precision precision;
    px_recurrence recurrence; /* AUTO is settled at the first start, where the device has a choice */
    int32_t wavefront;        /* steps of a piece, or PX_WAVEFRONT_OFF, _AUTO: settled likewise */
    px_products products;     /* settled likewise */
    int32_t threads;          /* 0 = the cores this process may use */
    uint64_t seed;
    char *run;
    int32_t tensorboard, report; /* 1: event files while it trains; report.html at its end */
    px_every checkpoint_every;   /* neither: at evaluations and at the end */
    int64_t keep;                /* older checkpoints that stay beside the last one */
    int64_t log_every;           /* steps */
} px_config;

typedef enum px_option_type {
    PX_OPTION_STRING,
    PX_OPTION_INT32,
    PX_OPTION_INT64,
    PX_OPTION_UINT64,
    PX_OPTION_DOUBLE,
    PX_OPTION_BOOL,
    PX_OPTION_ENUM,
    PX_OPTION_FRACTIONS,
    PX_OPTION_CUTOFFS,
    PX_OPTION_EVERY,
    PX_OPTION_WAVEFRONT
} px_option_type;

typedef enum px_option_group {
    PX_GROUP_CORPUS,
    PX_GROUP_BATCH,
    PX_GROUP_MODEL,
    PX_GROUP_INIT,
    PX_GROUP_DROPOUT,
    PX_GROUP_OPTIMIZER,
    PX_GROUP_RATE,
    PX_GROUP_LENGTH,
    PX_GROUP_RUN,
    PX_GROUP_COUNT
} px_option_group;

enum { PX_FILES_MAX = 1 << 20 }; /* files that a setting names */

/* What a resumed run may change without becoming another run. */
typedef enum px_option_resume { PX_RESUME_FIXED, PX_RESUME_FREE } px_option_resume;

typedef struct px_option {
    const char *name;       /* "hidden": --hidden on the command line, "hidden = 512" in a file */
    const char *value_name; /* "h", "p", "FILE" for --help */
    px_option_type type;
    size_t offset;              /* into px_config */
    const char *const *choices; /* ENUM: names in the order of the enum, ended by NULL */
    double min,
        max; /* numbers: the closed range that is accepted; STRING: max PX_FILES_MAX where it names files (paths.h) */
    px_option_group group;
    px_option_resume resume;
    const char *help;
} px_option;

extern const px_option px_options[];
extern const size_t px_option_count;

/* All defaults. Strings are NULL; free with px_config_free. */
void px_config_default(px_config *config);
void px_config_free(px_config *config);
px_status px_config_copy(px_config *to, const px_config *from); /* `to` need not be initialised */

/* Sets one setting from text. PX_ERR_ARGUMENT names the setting, the value and what is accepted; an unknown
 * name gives the nearest known one. "dropout" sets dropout-between and dropout-output at once; "nonlinearity", the name
 * that cell had when there were two, takes tanh and relu. */
px_status px_config_set(px_config *config, const char *name, const char *value);
const px_option *px_config_find(const char *name); /* NULL if unknown; "nonlinearity" finds cell */
/* PX_ERR_ARGUMENT where a setting has that value, but not under that older name. */
px_status px_config_check_name(const char *name, const char *value);
/* The help of a setting: its row's, or for --lr one that names what each optimiser has by default, into buffer. */
const char *px_option_help(const px_option *option, char *buffer, size_t buffer_bytes);
const char *px_config_nearest(const char *name); /* nearest known name, or NULL */
/* Value as px_config_set would read it back, exactly; into buffer, always terminated. */
void px_config_get(const px_config *config, const px_option *option, char *buffer, size_t buffer_bytes);

/* The whole configuration as `key = value` lines, in groups with comments; malloc'ed, caller frees. NULL if out of
 * memory. */
char *px_config_write(const px_config *config);
/* Reads such lines, of a run's file, over what is in config; where they name no init or lr-scaling these are 0.1.0's,
 * not the present defaults. source names the file in errors ("FILE:LINE: ..."). */
px_status px_config_read(px_config *config, const char *text, size_t bytes, const char *source);
/* Calls setting(context, name, value) for each line, in order; names are not judged here. Its failure gets "FILE:LINE"
 * before it. */
px_status px_config_each(const char *text, size_t bytes, const char *source,
                         px_status (*setting)(void *context, const char *name, const char *value), void *context);
/* Checks what depends on several settings (tied needs embed, split sums to at most 1, ...). */
px_status px_config_check(const px_config *config);
/* 1: a run whose vocabulary is that of the model which it began from, so that its text alone does not give it. */
int px_config_keeps_vocabulary(const px_config *config);
/* PX_ERR_ARGUMENT naming the first setting that differs although a resumed run may not change it. */
px_status px_config_check_resume(const px_config *saved, const px_config *asked);

#endif
