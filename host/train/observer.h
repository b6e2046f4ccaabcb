/* The door for whoever looks on while a run trains: event files of other tools, say. host/train knows nothing of them.
 *
 * An observer sees every line of metrics.jsonl once it is written, and, at evaluations, the model itself. It never
 * changes a run: what it is shown is read from the engine between steps, and where one of its calls fails the run says
 * so once and goes on without it. In a run of several ranks only the one that writes the run folder has an observer. */
#ifndef PX_OBSERVER_H
#define PX_OBSERVER_H

#include "config.h"
#include "parameters.h"

#include <stddef.h>

typedef struct px_run_opening {
    const char *folder;      /* of the run; exists */
    const px_config *config; /* the effective one */
    int64_t step;            /* updates done: 0 for a new run */
    int resumed; /* 1: what was shown of steps >= step by an earlier job no longer counts; what does is shown again */
} px_run_opening;

/* The model as it was just evaluated. Everything belongs to the run and is valid during the call. */
typedef struct px_run_snapshot {
    int64_t step;
    const px_parameters *parameters;
    const float *weights; /* [parameters->count], file layout */
    px_cell cell;
    int32_t layers;
    size_t activation_count;  /* of each layer */
    const float *activations; /* [layers, activation_count]: hidden states H while reading the validation text; NULL
                                 without one */
} px_run_snapshot;

typedef struct px_run_observer {
    void *context;
    /* Before the first step of a job. *wanted = 0: nothing more is to be shown. */
    px_status (*open)(void *context, const px_run_opening *opening, int *wanted);
    /* A line of metrics.jsonl (docs/manual/metrics.md) without its newline; not NUL-terminated. */
    px_status (*line)(void *context, const char *json, size_t bytes);
    px_status (*snapshot)(void *context, const px_run_snapshot *snapshot); /* NULL after open: none is made */
    void (*close)(void *context); /* the job has ended; called once where open was */
} px_run_observer;

#endif
