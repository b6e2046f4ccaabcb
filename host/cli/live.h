/* perplex train --live: the run as it goes, drawn in place on a terminal's whole screen (live_view.h). A thread of its
 * own draws, so that the training never waits for a terminal and a window that changes its size is redrawn at once.
 * Nothing here reaches the training: it is told what the progress lines are told. */
#ifndef PX_LIVE_H
#define PX_LIVE_H

#include "observer.h"
#include "progress.h"

typedef struct px_live px_live;

/* Takes the terminal of `lines`, which prints nothing until the end. NULL: it cannot be drawn on (no terminal, TERM is
 * dumb, no ncurses, no memory for a thread), and `lines` goes on as it is. title: of the run. */
px_live *px_live_start(px_progress *lines, const char *title);
/* Gives the terminal back, and prints there what was said meanwhile. NULL does nothing. */
void px_live_end(px_live *live);

/* As px_progress_hook_...: context is a px_live. */
void px_live_hook_line(void *context, const char *text);
void px_live_hook_training(void *context, const px_train_progress *step);
void px_live_hook_evaluation(void *context, const px_train_progress *step);
/* What the run writes as a sample; for notes too, of which the present one is told. */
void px_live_sample(px_live *live, int64_t step, const char *text);
void px_live_note(const char *text);

/* An observer that sees the samples, and hands everything on to another one (NULL: none). px_live_observer_destroy
 * leaves that one alone. NULL where memory ran out. */
const px_run_observer *px_live_observer_create(px_live *live, const px_run_observer *other);
void px_live_observer_destroy(const px_run_observer *observer); /* NULL does nothing */

#endif
