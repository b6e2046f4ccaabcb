/* Event files for TensorBoard, written while a run trains, as the run's observer (observer.h).
 *
 * A job writes one file `events.out.tfevents.SECONDS.HOST.PID` into the run folder: scalars (loss, perplexity,
 * learning_rate, gradient_norm, tokens_per_s), the texts of sample lines, and histograms of weights and activations at
 * evaluations. Each event is written at once, so that a live run shows. A resumed job begins with a session log START
 * at its step, upon which readers drop what an earlier job wrote of later steps, and repeats what is still true of that
 * step; a rollback does the same. */
#ifndef PX_EVENTS_H
#define PX_EVENTS_H

#include "observer.h"

/* 1 where this program was built with protobuf-c and ISA-L. */
int px_events_built_in(void);

/* An observer that writes where config->tensorboard is set; NULL where it is not built in or memory ran out. */
const px_run_observer *px_events_observer_create(void);
void px_events_observer_destroy(const px_run_observer *observer); /* NULL does nothing */

#endif
