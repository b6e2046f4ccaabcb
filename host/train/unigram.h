/* The level that a model without memory reaches: what every curve of a run is held against. */
#ifndef PX_UNIGRAM_H
#define PX_UNIGRAM_H

#include "corpus.h"

/* Nats per token of the validation text (or, without one, of the training text) when each token has the probability
 * (count + 1) / (N + V) of its count among the N training tokens. At most 2^26 tokens of each text are looked at. */
px_status px_run_unigram_loss(const px_corpus *corpus, double *loss);

#endif
