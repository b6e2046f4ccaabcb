/* What a person sees while something runs: one live line on a terminal, now and then a plain line elsewhere. */
#ifndef PX_PROGRESS_H
#define PX_PROGRESS_H

#include "train.h"

#include <stdio.h>

typedef struct px_progress {
    FILE *out;
    int live;      /* out is a terminal that can overwrite a line */
    int colour;    /* live, and NO_COLOR is not set */
    int shown;     /* a live line stands there */
    double last_s; /* when the last line was printed */
    double started_s;
} px_progress;

void px_progress_start(px_progress *progress, FILE *out);
/* A lasting line; the live one is removed first. */
void px_progress_line(px_progress *progress, const char *text);
/* A passing line: overwrites the live one; elsewhere at most one every few seconds is printed. */
void px_progress_show(px_progress *progress, const char *text);
/* 1 where a command that only reads and counts may show how far it is: on a terminal, and once it has taken a second.
 * Such commands are quiet in pipes. */
int px_progress_is_due(const px_progress *progress);
/* Removes the live line. */
void px_progress_clear(px_progress *progress);

/* The line of an evaluation into text [bytes]. */
void px_progress_describe_evaluation(const px_train_progress *step, int colour, char *text, size_t bytes);
/* The same as hooks: context is a px_progress. */
void px_progress_hook_line(void *context, const char *text);
void px_progress_hook_training(void *context, const px_train_progress *step);
void px_progress_hook_evaluation(void *context, const px_train_progress *step);
void px_progress_hook_share(void *context, double share);                  /* of an evaluation */
void px_progress_hook_what(void *context, const char *what, double share); /* of reading a corpus */

#endif
