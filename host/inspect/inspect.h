/* Looking into a trained model: how far back a loss reaches, how large the recurrence is, how many units are saturated.
 *
 * The gradient by lag. Let loss_t = -log p(token t+1 | tokens 0..t). For layer l and lag k the inspection takes the
 * total derivative of loss_t with respect to the state H^l_{t-k}: an injected change of that state reaches loss_t
 * through every later step of its layer and through the layers above. Its Euclidean norm is averaged over many
 * positions t of a text:
 *     norm[k] = mean over t of | d loss_t / d H^l_{t-k} |_2 ,   k = 0 .. K
 * A simple recurrent network multiplies that gradient by W_hh diag(f') once a step, so that it shrinks or grows like
 * rate^k. Sources: Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013; Dive into Deep Learning, 8.7.
 *
 * Everything is computed in double precision from a model's fp32 weights, without dropout, by plain loops of this
 * folder: neither an engine nor a device is needed. Memory does not grow with the text. */
#ifndef PX_INSPECT_H
#define PX_INSPECT_H

#include "corpus.h"
#include "parameters.h"
#include <stdatomic.h>

typedef struct px_inspect_request {
    /* the model, as px_model_file holds it (config.model, parameters, weights, reset_id) */
    const px_model_config *model;
    const px_parameters *parameters;
    const float *weights; /* [parameters->count], file layout */
    int32_t reset_id;     /* document token: the state is zero before it; -1 = none */
    px_range range;       /* the text, from a zero state; tokens of the model's vocabulary */
    int32_t lags;         /* K >= 0 */
    int32_t probes;       /* positions t, spread evenly; fewer where the text has fewer. 0 = PX_INSPECT_PROBES */
    int64_t tokens;       /* read at most so many of the range; 0 = all. The state is carried through what is read */
    void (*progress)(void *context, double share); /* may be NULL */
    void *progress_context;
    const atomic_int *stop; /* non-zero ends it with PX_STOPPED; may be NULL */
} px_inspect_request;

enum { PX_INSPECT_PROBES = 256, PX_INSPECT_MAX_LAGS = 4096 };

typedef struct px_inspect_layer {
    const double *norm;                /* [lags+1] mean over positions */
    const double *low, *median, *high; /* [lags+1] the 10th, 50th and 90th percentile over positions */
    double rate;   /* factor per step: exp of the slope of a straight line through log norm[k], k >= 1 (least squares,
                                   over the lags whose norm is above 0). Below 1 the gradient vanishes, above 1 it
                      explodes.   0 where nothing gets past lag 0; NaN with fewer than 2 lags to fit */
    int32_t reach; /* the first lag whose norm is below 1 % of norm[0]; -1: none up to K */
    double spectral_radius;  /* largest |eigenvalue| of W_hh, NaN for cells of several gates: backward stable, error
                                about 1e-15 h |W_hh| times the eigenvalue's  own condition */
    double saturated;        /* share of values with |H| > 0.99, or H = 0 (ReLU), over all units and tokens read */
    double always_saturated; /* share of units that are so at every token read */
} px_inspect_layer;

typedef struct px_inspection {
    int32_t layers, lags;
    int64_t tokens; /* read; the text's last token is only predicted */
    int64_t probes; /* positions averaged over */
    double loss;    /* mean of loss_t over those positions, nats; +inf where a target had probability 0 */
    double seconds;
    px_inspect_layer layer[PX_MAX_LAYERS];
    double *storage; /* private: what the pointers above point into */
} px_inspection;

/* PX_ERR_INPUT where the text is too short for one position with K steps before it (K + 2 tokens), or where a state
 * stops being finite (PX_ERR_NUMERIC); PX_ERR_ARGUMENT for lags out of range; PX_STOPPED. On failure nothing is left
 * behind. */
px_status px_inspect_run(const px_inspect_request *request, px_inspection *inspection);
void px_inspection_free(px_inspection *inspection); /* zeroed afterwards */
/* Whether eigenvalues are LAPACK's: perplex was built to use it and its library could be loaded, which this does. */
int px_inspect_has_lapack(void);

#endif
