/* report.html: what a training was like, in one file that opens offline. */
#ifndef PX_REPORT_H
#define PX_REPORT_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { PX_REPORT_RUNS_MAX = 16 };

typedef struct px_report_request {
    const char *const *folders; /* [count] run folders; several are overlaid and ranked */
    size_t count;               /* 1..PX_REPORT_RUNS_MAX */
    FILE *stream;               /* where the page is written instead, e.g. standard output; NULL: to out */
    const char *out;            /* NULL: report.html in the folder, of one run only */
    const char *device;         /* what the best model is asked on; NULL = cpu */
    int32_t threads;            /* 0 = as many as this process may use */
    void (*progress)(void *context, const char *what, double share); /* may be NULL */
    void *progress_context;
} px_report_request;

/* Writes the page atomically; path gets its name. PX_ERR_INPUT names a folder that holds no run, or what is wrong in
 * it: then nothing is written. What only the model or the text could show is left out with the reason where they are
 * missing. A report.html of somebody's own in a run's folder is left alone: PX_ERR_ARGUMENT. */
px_status px_report_write(const px_report_request *request, char path[4200]);

/* At the end of a training: RUN/report.html, unless the run's settings say no (*written = 0). */
px_status px_report_at_end(const char *folder, int *written);

#endif
