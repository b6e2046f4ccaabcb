/* A run as it is drawn while it trains: curves, losses, speed, time left, the last sample. For perplex train --live,
 * and for perplex top, which reads the same from metrics.jsonl. */
#ifndef PX_LIVE_VIEW_H
#define PX_LIVE_VIEW_H

#include "screen.h"

#include <stddef.h>
#include <stdint.h>

enum { PX_LIVE_POINTS = 1024, PX_LIVE_SAMPLE_BYTES = 2048, PX_LIVE_MESSAGES = 2 };

/* Losses over steps. Once it is full every second point is dropped, so that it covers the whole run. */
typedef struct px_live_curve {
    double step[PX_LIVE_POINTS], loss[PX_LIVE_POINTS];
    size_t count;
} px_live_curve;

typedef struct px_live_state {
    char title[256];
    int64_t step, steps_in_all;   /* steps_in_all 0: not known */
    int64_t epoch, epochs;        /* epoch 0: nothing was trained yet; epochs 0: not known */
    double share;                 /* of the whole run, [0, 1]; NaN: not known */
    double seconds, seconds_left; /* since this job began; below 0: not known */
    /* nats per token; all NaN until known */
    double loss, valid_loss, best_loss, tokens_per_s, learning_rate, grad_norm;
    int64_t valid_step, best_step;
    px_live_curve train, valid;
    int64_t sample_step; /* -1: none yet */
    char sample[PX_LIVE_SAMPLE_BYTES];
    char message[PX_LIVE_MESSAGES][256]; /* the last lines that were said, the latest last */
} px_live_state;

void px_live_state_start(px_live_state *state, const char *title);
void px_live_curve_add(px_live_curve *curve, double step, double loss);
void px_live_set_sample(px_live_state *state, int64_t step, const char *text);
void px_live_set_message(px_live_state *state, const char *text);

/* Into rows first .. first + rows - 1 of the picture that was begun. What does not fit is left out, the curves before
 * the numbers. */
void px_live_draw(const px_live_state *state, px_screen *screen, int first, int rows);

#endif
