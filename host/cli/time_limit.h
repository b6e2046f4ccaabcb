/* How long a job may run: what was asked for, or what is left of the Slurm allocation. */
#ifndef PX_TIME_LIMIT_H
#define PX_TIME_LIMIT_H

#include <perplex/status.h>

typedef struct px_time_limit {
    double seconds;   /* until the training is to stop with a checkpoint, counted from now; 0: there is no limit */
    char source[160]; /* for a person: whose limit it is, and the margin */
} px_time_limit;

/* "90", "90s", "30m", "2h", "1:30:00", "5:00" (minutes and seconds), "2-12:00:00" (days) as seconds; 0 where it is none
 * of these. */
int px_duration_read(const char *text, double *seconds);

/* limit_text: --time-limit, or NULL: then the end of the Slurm job that this process belongs to, if any; "none": no
 * limit. margin_text:
 * --time-margin, or NULL: a tenth of the time, at most two minutes. ask_slurm 0: this process does not ask squeue (one
 * of several ranks is enough). PX_ERR_ARGUMENT where a text is no duration or no time is left beside the margin. */
px_status px_time_limit_find(const char *limit_text, const char *margin_text, int ask_slurm, px_time_limit *limit);

#endif
