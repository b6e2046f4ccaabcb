/* Several models together: see ensemble.h. */
#include "ensemble.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>

struct px_ensemble {
    size_t count, at; /* tokens; the next one of the present model */
    int models;
    double *log_sum; /* [count]: log of the sum of the models' probabilities, -inf for 0 */
    int32_t *ids;    /* [count] */
};

px_status px_ensemble_create(size_t tokens, px_ensemble **ensemble)
{
    px_ensemble *made = calloc(1, sizeof *made);
    if (made) {
        made->count = tokens;
        made->log_sum = malloc(tokens * sizeof *made->log_sum);
        made->ids = malloc(tokens * sizeof *made->ids);
    }
    if (!made || !made->log_sum || !made->ids) {
        px_ensemble_destroy(made);
        return px_fail(PX_ERR_MEMORY, "no memory for the probabilities of %zu tokens", tokens);
    }
    for (size_t i = 0; i < tokens; i++) made->log_sum[i] = -INFINITY;
    *ensemble = made;
    return PX_OK;
}

void px_ensemble_destroy(px_ensemble *ensemble)
{
    if (!ensemble) return;
    free(ensemble->log_sum);
    free(ensemble->ids);
    free(ensemble);
}

void px_ensemble_begin(px_ensemble *ensemble)
{
    ensemble->models++;
    ensemble->at = 0;
}

/* log(exp(a) + exp(b)); the larger is taken out, so that nothing underflows. */
static double log_add(double a, double b)
{
    const double most = fmax(a, b), least = fmin(a, b);
    return isinf(least) ? most : most + log1p(exp(least - most));
}

px_status px_ensemble_add(void *ensemble, int32_t id, double nll)
{
    px_ensemble *e = ensemble;
    if (e->at == e->count) return px_fail(PX_ERR_INTERNAL, "ensemble: more than %zu tokens", e->count);
    e->ids[e->at] = id;
    e->log_sum[e->at] = log_add(e->log_sum[e->at], -nll);
    e->at++;
    return PX_OK;
}

px_status px_ensemble_result(const px_ensemble *ensemble, px_status (*per_token)(void *context, int32_t id, double nll),
                             void *context, px_evaluation *result)
{
    const double log_models = log(ensemble->models);
    double sum = 0, known = 0;
    *result = (px_evaluation){.tokens = (int64_t)ensemble->count};
    for (size_t i = 0; i < ensemble->count; i++) {
        const double nll = log_models - ensemble->log_sum[i];
        sum += nll;
        known += ensemble->ids[i] == 0 ? 0 : nll;
        result->unknown += ensemble->ids[i] == 0;
        if (per_token) PX_TRY(per_token(context, ensemble->ids[i], nll));
    }
    result->loss = sum / (double)result->tokens;
    result->perplexity = exp(result->loss);
    result->bits_per_token = result->loss / M_LN2;
    result->known_loss = result->tokens > result->unknown ? known / (double)(result->tokens - result->unknown) : NAN;
    return PX_OK;
}
