/* --dynamic and its companions, for the commands that score texts with a network. */
#ifndef PX_DYNAMIC_FLAGS_H
#define PX_DYNAMIC_FLAGS_H

#include "dynamic.h"
#include "json.h"
#include "options.h"
#include "progress.h"

typedef struct px_dynamic_flags {
    const char *rate, *method; /* NULL where not given */
    double decay;              /* -1: not given */
    int32_t steps;             /* 0: not given */
} px_dynamic_flags;
#define PX_DYNAMIC_FLAGS_START                                                                                         \
    {                                                                                                                  \
        .decay = -1                                                                                                    \
    }
/* Rows of a table of px_flag. */
/* clang-format off */
#define PX_DYNAMIC_FLAG_ROWS(flags)                                                          \
    {"dynamic", "RATE|auto", PX_FLAG_STRING, &(flags).rate, 0, 0,                            \
     "dynamic evaluation: learn from each window once it is scored"},                        \
    {"dynamic-method", "sgd|rms", PX_FLAG_STRING, &(flags).method, 0, 0,                     \
     "plain steps, or scaled by the gradients' rms in training [sgd]"},                      \
    {"dynamic-steps", "T", PX_FLAG_INT32, &(flags).steps, 1, 1 << 20,                        \
     "tokens that are learned from at once [20]"},                                           \
    {"dynamic-decay", "x", PX_FLAG_DOUBLE, &(flags).decay, 0, 1,                             \
     "rms: back towards the trained weights, per window [0.001]"}
/* clang-format on */

/* What a text was scored with. */
typedef struct px_dynamic_used {
    int is; /* 0: the weights stayed as they were */
    px_dynamic_settings settings;
    int chosen; /* 1: the rate is the best on the validation text, with these losses there */
    double loss, static_loss;
} px_dynamic_used;

/* The texts that a choice and a measurement need; empty where there are none. */
typedef struct px_dynamic_texts {
    px_range train, valid;
    const char *no_train, *no_valid; /* what to do where there are none: "give --train-text FILE" */
} px_dynamic_texts;

/* PX_ERR_ARGUMENT names the flag that is wrong, or idle. */
px_status px_dynamic_flags_check(const px_dynamic_flags *flags);
int px_dynamic_is_auto(const px_dynamic_flags *flags);
int px_dynamic_is_rms(const px_dynamic_flags *flags);
/* Makes dynamic evaluation of a model ready: measured, and with auto chosen. The caller destroys *dynamic. */
px_status px_dynamic_open(const px_dynamic_flags *flags, const px_model_file *model, const char *device,
                          int32_t threads, const px_dynamic_texts *texts, px_progress *progress, px_dynamic **dynamic,
                          px_dynamic_used *used);
/* "dynamic       sgd, rate 0.1, ...", a line for a person; nothing where it was not used. */
void px_dynamic_print(FILE *out, const px_dynamic_used *used);
/* The same as member "dynamic" of an object. */
void px_dynamic_json(cJSON *object, const px_dynamic_used *used);

#endif
