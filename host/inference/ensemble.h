/* Several models together: the mean of the probabilities that they give each token of one text. */
#ifndef PX_ENSEMBLE_H
#define PX_ENSEMBLE_H

#include "evaluate.h"

typedef struct px_ensemble px_ensemble;

/* For a text of so many scored tokens. PX_ERR_MEMORY. The caller destroys it. */
px_status px_ensemble_create(size_t tokens, px_ensemble **ensemble);
void px_ensemble_destroy(px_ensemble *ensemble); /* NULL does nothing */
/* The next model's tokens follow, from the first on. */
void px_ensemble_begin(px_ensemble *ensemble);
/* px_evaluate_options.per_token, the ensemble as its context. */
px_status px_ensemble_add(void *ensemble, int32_t id, double nll);
/* -log of the mean over all models: per_token (may be NULL) gets each token's, result what px_evaluate gives, with
 * seconds 0. */
px_status px_ensemble_result(const px_ensemble *ensemble, px_status (*per_token)(void *context, int32_t id, double nll),
                             void *context, px_evaluation *result);

#endif
