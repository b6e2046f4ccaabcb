/* What a step costs, counted from the model's shape alone: floating-point operations of the products, compulsory bytes,
 * and both per phase. The rules are written out in bench/README.md; a change there is a change here. */
#ifndef PX_COUNT_H
#define PX_COUNT_H

#include "config.h"
#include "engine.h"

typedef struct px_work_count {
    double tokens;       /* scored tokens of a step */
    double flops, bytes; /* of a whole step */
    double phase_flops[PX_PHASE_COUNT];
    double phase_bytes[PX_PHASE_COUNT];
    double dependent_steps; /* steps that must follow one another: L T forward, L (T - 1) backward */
    /* Evaluation and decoding, else 0: bytes of weights that a step must read, however few its streams. Every matrix
     * once, from where the model lies between two steps; then W_hh of each layer again for each further step of the
     * window, from where it lies meanwhile. */
    double model_bytes;             /* all matrices: W_hh, W_xh above the lowest layer (of it too with d > 0), head */
    double model_recurrent_bytes;   /* of these, what the recurrence reads: W_hh and W_xh above the lowest layer */
    double loop_bytes, loop_passes; /* W_hh of one layer; L (T - 1) */
} px_work_count;

/* A training step (forward, backward, update) of n streams and T steps. share: of the tokens, in each cluster of an
 * adaptive output layer (px_cutoffs_shares), NULL: all of them in every one; not read with a softmax. */
void px_count_train(const px_model_config *model, const double *share, const px_optimizer_config *optimizer, int32_t n,
                    int32_t T, px_work_count *count);
/* Forward and loss only. */
void px_count_evaluate(const px_model_config *model, const double *share, int32_t n, int32_t T, px_work_count *count);
/* Adds to the head, where it is counted, what logits cost on a GPU, whose chunks of them are longer than its caches:
 * training writes them, turns them into their gradient in place and reads that twice; others write and read them.
 * bytes: of one logit. count: of any of the calls here, for the same model and share. */
void px_count_logits(const px_model_config *model, const double *share, int training, int bytes, px_work_count *count);
/* One phase of a training step alone. */
void px_count_phase(const px_model_config *model, const double *share, const px_optimizer_config *optimizer, int32_t n,
                    int32_t T, px_phase phase, px_work_count *count);
/* Making one window: ids, targets and reset marks are written, ids are read; no operations. */
void px_count_data(int32_t n, int32_t T, px_work_count *count);
/* Bytes of weights that a step must read; 0 but for evaluation and decoding. */
double px_count_weight_bytes(const px_work_count *count);
/* One step of decoding with probabilities for n streams. */
void px_count_decode(const px_model_config *model, int32_t n, px_work_count *count);

#endif
