/* Where a run stands: every counter and number, beside the engine's tensors, that decides how it goes on.
 *
 * All of it travels through checkpoints as `key = value` text (exact: doubles with 17 digits), so that a resumed run
 * continues as if it had never stopped. Steps, epochs and windows count from 0 here: the values name what comes next.
 */
#ifndef PX_RUN_STATE_H
#define PX_RUN_STATE_H

#include "text_buffer.h"

#include <perplex/status.h>
#include <stdint.h>

typedef struct px_run_state {
    /* position */
    int64_t step;           /* updates done */
    int64_t epoch, window;  /* the next window */
    int64_t tokens;         /* scored in training so far */
    int64_t evaluation_due; /* 1: stopped while the evaluation at this step was being made; it comes first */
    /* running sums of the training loss, nats and tokens: since the last logged step, this epoch, the last whole epoch
     */
    double interval_loss, epoch_loss, last_epoch_loss;
    int64_t interval_tokens, epoch_tokens, last_epoch_tokens;
    double grad_norm; /* last finite one */
    /* validation */
    double best_loss;                    /* NaN before the first evaluation */
    int64_t best_step;                   /* -1 before the first evaluation */
    int64_t evaluations, evaluated_step; /* how many, and the step of the latest (-1: none) */
    int64_t since_best;                  /* evaluations since the best one, or since averaging began */
    /* learning rate */
    int64_t plateau_waited; /* evaluations without a new best since the last division */
    double plateau_scale, rollback_scale;
    int64_t rollbacks;          /* in all */
    int64_t rollbacks_in_a_row; /* without a checkpoint behind the step that failed */
    int64_t failed_step;        /* the furthest step that was not finite, -1 if none */
    /* optimiser */
    int64_t moment_steps; /* updates that its moments had seen before the run's first (--init-moments), else 0 */
    /* averaging */
    int64_t average_count; /* weights in the mean; evaluation uses the mean where this is above 0 */
    int64_t average_begun; /* 1: validation has stalled, so that every further step is averaged (average = stall) */
    /* what the checkpoint was made from */
    int64_t metrics_bytes; /* length of metrics.jsonl */
    uint64_t corpus_hash;  /* of the training, validation and test tokens */
} px_run_state;

void px_run_state_start(px_run_state *state); /* as before the first step */
void px_run_state_write(const px_run_state *state, px_text *text);
/* Every key must be there exactly once and in range. source names the file in errors. */
px_status px_run_state_read(px_run_state *state, const char *text, const char *source);

#endif
