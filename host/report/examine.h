/* What only the model itself can show: the stretches of the validation text that surprise it least and most, a page of
 * its own writing. Needs the run's best model and its text where they were. */
#ifndef PX_EXAMINE_H
#define PX_EXAMINE_H

#include "run_data.h"
#include "text_buffer.h"

typedef struct px_examine_options {
    const char *device;                                              /* NULL = cpu */
    int32_t threads;                                                 /* 0 = as many as this process may use */
    void (*progress)(void *context, const char *what, double share); /* may be NULL */
    void *progress_context;
} px_examine_options;

/* Appends the HTML of both sections. A file that is missing, damaged or no longer the run's is said in their place.
 * At most some seconds of work: of a long text only the beginning is read, and the page says so. */
px_status px_examine_write(px_text *out, const px_run_data *run, const px_examine_options *options);

#endif
