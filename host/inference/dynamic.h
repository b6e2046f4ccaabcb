/* Dynamic evaluation: a model that learns from the text which it is scored on, each window after it has been scored.
 *
 * A window of T tokens is scored with the weights w that the windows before it have left; then g, the gradient of its
 * mean loss (truncated at the window's start), changes them:
 *     sgd   w -= rate * g * min(1, clip / |g|)
 *     rms   w += decay * s * (w0 - w) - rate * g / (r + epsilon)
 *           w0: the trained weights
 *           r = root of the mean of g^2 over windows of the training text
 *           s = min(r / mean(r), 1 / decay), the mean over all weights
 * sgd: Mikolov et al. 2010, Recurrent neural network based language model, 3.1. rms: Krause, Kahembwe, Murray, Renals
 * 2018, Dynamic Evaluation of Neural Sequence Models, (6) to (9).
 *
 * One stream; the hidden state is carried on as without it. Neither dropout nor the activation penalties take part. A
 * token of probability 0 has no gradient: it is scored, and not learned from. */
#ifndef PX_DYNAMIC_H
#define PX_DYNAMIC_H

#include "evaluate.h"
#include "model_file.h"

typedef enum px_dynamic_method { PX_DYNAMIC_SGD, PX_DYNAMIC_RMS } px_dynamic_method;

typedef struct px_dynamic_settings {
    px_dynamic_method method;
    double rate;
    double decay;  /* rms */
    double clip;   /* sgd: bound of the gradient's norm; 0: none */
    int32_t steps; /* T: tokens that are learned from at once */
} px_dynamic_settings;

typedef struct px_dynamic px_dynamic;

/* An engine that holds the model's weights and can change them; model outlives it. Its settings' rate and decay may be
 * changed at any time (px_dynamic_set). PX_ERR_DEVICE, PX_ERR_MEMORY. The caller destroys it. */
px_status px_dynamic_create(const px_model_file *model, const char *device, int32_t threads,
                            const px_dynamic_settings *settings, px_dynamic **dynamic);
void px_dynamic_destroy(px_dynamic *dynamic); /* NULL does nothing */
void px_dynamic_set(px_dynamic *dynamic, double rate, double decay);
const px_dynamic_settings *px_dynamic_settings_of(const px_dynamic *dynamic);

/* rms needs it before the first evaluation (sgd does not: nothing is done): r, over the text's windows: all where they
 * are no more than 4,096, else 64 stretches of 64 windows from all over it, each from a zero state. progress may be
 * NULL. PX_ERR_INPUT where the text has fewer than two tokens, PX_ERR_NUMERIC where a gradient is not finite. */
px_status px_dynamic_measure(px_dynamic *dynamic, px_range train, void (*progress)(void *context, double share),
                             void *context);

/* px_evaluate from the trained weights on. options' n, T and the hook for windows are filled in here. PX_ERR_NUMERIC
 * where the weights left what is finite: the rate is too high. */
px_status px_dynamic_evaluate(px_dynamic *dynamic, px_range range, const px_evaluate_options *options,
                              px_evaluation *result);

enum { PX_DYNAMIC_CHOICE_TOKENS = 20000 };
/* Chooses the rate, and where choose_decay the decay, with the least loss on the first PX_DYNAMIC_CHOICE_TOKENS of the
 * range: factors of 2, then of the root of 2, as long as the loss falls. *loss: that loss, *static_loss: the loss with
 * rate 0. Where no rate is better than none the rate is 0. A function of model, settings and text alone. */
px_status px_dynamic_choose(px_dynamic *dynamic, px_range range, const px_evaluate_options *options, int choose_decay,
                            double *loss, double *static_loss);

#endif
