/* Dynamic evaluation: see dynamic.h. All of it goes through the seam: an engine with gradients and the optimiser SGD
 * takes the steps of sgd itself; those of rms are made here, from the gradients that it hands out. */
#include "dynamic.h"

#include "check.h"
#include "engine.h"
#include "minibatch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As in the authors' program (github.com/benkrause/dynamic-evaluation). */
static const double EPSILON = 1e-3;

struct px_dynamic {
    const px_model_file *model;
    px_dynamic_settings settings;
    px_engine *engine;
    int32_t *targets;          /* [T]: of the window that is learned from */
    float *gradient, *weights; /* [count] each, file layout, and of rms alone, as what follows */
    float *moved;              /* w - w0: kept instead of w, so that a weight of -inf stays one */
    float *share, *inverse;    /* r / mean(r), and 1 / (r + epsilon); while measuring share is the sum of g^2 */
};

/* ---- creation ---------------------------------------------------------------------------------------------------- */

static px_status make_engine(px_dynamic *dynamic, const char *device, int32_t threads)
{
    const px_model_file *model = dynamic->model;
    const px_engine_ops *ops;
    int ordinal;
    px_model_config sizes = model->config.model;
    sizes.dropout_input = sizes.dropout_between = sizes.dropout_output = sizes.dropout_weight = 0;
    sizes.dropout_embedding = sizes.penalty_activation = sizes.penalty_temporal = 0;
    const px_optimizer_config optimizer = {.kind = PX_SGD, .clip = dynamic->settings.clip};
    PX_TRY(px_engine_find(device, &ops, &ordinal));
    const px_engine_shape shape = {.n = 1,
                                   .T = dynamic->settings.steps,
                                   .training = 1,
                                   .threads = threads,
                                   .precision = ops->on_host ? PX_FP32 : model->config.precision,
                                   .seed = model->config.seed};
    return px_engine_create(device, &sizes, &optimizer, &shape, &dynamic->engine);
}

static px_status make_buffers(px_dynamic *dynamic)
{
    const size_t count = dynamic->model->parameters.count;
    dynamic->targets = malloc((size_t)dynamic->settings.steps * sizeof *dynamic->targets);
    int made = dynamic->targets != NULL;
    float **const own[] = {&dynamic->gradient, &dynamic->weights, &dynamic->moved, &dynamic->share, &dynamic->inverse};
    for (int i = 0; dynamic->settings.method == PX_DYNAMIC_RMS && i < 5; i++)
        made = made && (*own[i] = calloc(count, sizeof **own[i])) != NULL;
    return made ? PX_OK : px_fail(PX_ERR_MEMORY, "no memory for the dynamic evaluation of %zu weights", count);
}

px_status px_dynamic_create(const px_model_file *model, const char *device, int32_t threads,
                            const px_dynamic_settings *settings, px_dynamic **dynamic)
{
    px_dynamic *made = calloc(1, sizeof *made);
    if (!made) return px_fail(PX_ERR_MEMORY, "no memory for dynamic evaluation");
    made->model = model;
    made->settings = *settings;
    px_status status;
    PX_TRY_GOTO(status, make_engine(made, device, threads), fail);
    PX_TRY_GOTO(status, make_buffers(made), fail);
    *dynamic = made;
    return PX_OK;
fail:
    px_dynamic_destroy(made);
    return status;
}

void px_dynamic_destroy(px_dynamic *dynamic)
{
    if (!dynamic) return;
    px_engine_destroy(dynamic->engine);
    free(dynamic->targets);
    free(dynamic->gradient);
    free(dynamic->weights);
    free(dynamic->moved);
    free(dynamic->share);
    free(dynamic->inverse);
    free(dynamic);
}

void px_dynamic_set(px_dynamic *dynamic, double rate, double decay)
{
    dynamic->settings.rate = rate;
    dynamic->settings.decay = decay;
}

const px_dynamic_settings *px_dynamic_settings_of(const px_dynamic *dynamic) { return &dynamic->settings; }

/* The trained weights again. */
static px_status start(px_dynamic *dynamic)
{
    const float *trained = dynamic->model->weights;
    if (dynamic->moved) memset(dynamic->moved, 0, dynamic->model->parameters.count * sizeof *dynamic->moved);
    return px_engine_write(dynamic->engine, PX_SECTION_PARAMETERS, trained);
}

/* ---- the steps --------------------------------------------------------------------------------------------------- */

/* gradient = that of the last window, and the engine's is cleared: by a step that changes nothing. */
static px_status take_gradient(px_dynamic *dynamic)
{
    PX_TRY(px_engine_read(dynamic->engine, PX_SECTION_GRADIENTS, dynamic->gradient));
    return px_engine_update(dynamic->engine, &(px_update){.lr = 0});
}

static px_status step_rms(px_dynamic *dynamic)
{
    const float rate = (float)dynamic->settings.rate, decay = (float)dynamic->settings.decay;
    const float *restrict trained = dynamic->model->weights, *restrict g = dynamic->gradient,
                          *restrict share = dynamic->share, *restrict inverse = dynamic->inverse;
    float *restrict moved = dynamic->moved, *restrict w = dynamic->weights;
    PX_TRY(take_gradient(dynamic));
    for (size_t i = 0; i < dynamic->model->parameters.count; i++) {
        const float back = decay * share[i];
        moved[i] -= (back < 1 ? back : 1) * moved[i] + rate * inverse[i] * g[i];
        w[i] = trained[i] + moved[i];
    }
    return px_engine_write(dynamic->engine, PX_SECTION_PARAMETERS, w);
}

/* The gradient of the window's mean loss over the *count targets that have one: those of token_nll that are finite;
 * without token_nll, those that no output bias of -infinity rules out. The state goes on even where there is none. */
static px_status accumulate(px_dynamic *dynamic, const px_batch *batch, const float *token_nll, int32_t *count)
{
    const px_tensor *bias = px_parameters_find(&dynamic->model->parameters, PX_TENSOR_B_Q, 0);
    const float *b = bias ? dynamic->model->weights + bias->offset : NULL;
    px_batch window = *batch;
    *count = 0;
    for (int32_t t = 0; t < batch->T; t++) {
        const int32_t id = batch->targets[t];
        const int is = id >= 0 && (token_nll ? isfinite(token_nll[t]) : !b || !isinf(b[id]));
        dynamic->targets[t] = is ? id : -1;
        *count += is;
    }
    window.targets = dynamic->targets;
    window.inv_count = *count ? 1.0 / *count : 0;
    window.last = 1;
    return px_engine_accumulate(dynamic->engine, &window);
}

static px_status learn(void *context, const px_batch *batch, const float *token_nll)
{
    px_dynamic *dynamic = context;
    int32_t count;
    if (dynamic->settings.rate == 0) return PX_OK;
    PX_TRY(accumulate(dynamic, batch, token_nll, &count));
    if (count == 0) return px_engine_update(dynamic->engine, &(px_update){.step = batch->step});
    if (dynamic->settings.method == PX_DYNAMIC_RMS) return step_rms(dynamic);
    return px_engine_update(dynamic->engine, &(px_update){.step = batch->step, .lr = dynamic->settings.rate});
}

/* ---- evaluation -------------------------------------------------------------------------------------------------- */

px_status px_dynamic_evaluate(px_dynamic *dynamic, px_range range, const px_evaluate_options *options,
                              px_evaluation *result)
{
    px_evaluate_options own = *options;
    px_metrics metrics;
    own.n = 1;
    own.T = dynamic->settings.steps;
    own.window = learn;
    own.window_context = dynamic;
    PX_TRY(start(dynamic));
    PX_TRY(px_evaluate(dynamic->engine, range, &own, result));
    PX_TRY(px_engine_metrics(dynamic->engine, 1, &metrics));
    if (metrics.bad_step < 0 && !isnan(result->loss)) return PX_OK;
    return px_fail(PX_ERR_NUMERIC, "--dynamic %g: the weights or the gradient are no longer finite; give a lower rate",
                   dynamic->settings.rate);
}

/* ---- r ----------------------------------------------------------------------------------------------------------- */

enum { STRETCHES = 64, WINDOWS = 64 };

/* Adds the squares of one window's gradient. */
static px_status add_squares(px_dynamic *dynamic, px_minibatches *text, int64_t window, int begins, uint8_t *reset)
{
    px_batch batch;
    int32_t count;
    PX_TRY(px_minibatches_get(text, 0, window, 0, &batch));
    memcpy(reset, batch.reset, (size_t)batch.T);
    reset[0] |= begins;
    batch.reset = reset;
    PX_TRY(accumulate(dynamic, &batch, NULL, &count));
    PX_TRY(take_gradient(dynamic));
    for (size_t i = 0; i < dynamic->model->parameters.count; i++)
        dynamic->share[i] += dynamic->gradient[i] * dynamic->gradient[i];
    return PX_OK;
}

/* From sums of squares to what the steps need. The gaps between tensors are zeros and count for nothing. */
static void finish_rms(px_dynamic *dynamic, int64_t windows)
{
    const px_parameters *table = &dynamic->model->parameters;
    double sum = 0;
    for (size_t i = 0; i < table->count; i++) {
        const double r = sqrt(dynamic->share[i] / (double)windows);
        sum += r;
        dynamic->share[i] = (float)r;
        dynamic->inverse[i] = (float)(1 / (r + EPSILON));
    }
    const double mean = sum / (double)table->weights;
    for (size_t i = 0; mean > 0 && i < table->count; i++) dynamic->share[i] = (float)(dynamic->share[i] / mean);
}

static px_status sum_squares(px_dynamic *dynamic, px_minibatches *text, uint8_t *reset,
                             void (*progress)(void *context, double share), void *context)
{
    const int64_t all = px_minibatches_per_epoch(text, 0);
    const int64_t stretches = all <= STRETCHES * WINDOWS ? 1 : STRETCHES, each = stretches == 1 ? all : WINDOWS;
    for (int64_t s = 0; s < stretches; s++) {
        const int64_t first = stretches == 1 ? 0 : s * (all - each) / (stretches - 1);
        for (int64_t i = 0; i < each; i++) {
            PX_TRY(add_squares(dynamic, text, first + i, i == 0, reset));
            if (progress) progress(context, (double)(s * each + i + 1) / (double)(stretches * each));
        }
    }
    finish_rms(dynamic, stretches * each);
    return PX_OK;
}

px_status px_dynamic_measure(px_dynamic *dynamic, px_range train, void (*progress)(void *context, double share),
                             void *context)
{
    px_minibatches *text = NULL;
    px_metrics metrics;
    if (dynamic->settings.method != PX_DYNAMIC_RMS) return PX_OK;
    memset(dynamic->share, 0, dynamic->model->parameters.count * sizeof *dynamic->share);
    uint8_t *reset = malloc((size_t)dynamic->settings.steps);
    px_status status;
    if (!reset) return px_fail(PX_ERR_MEMORY, "no memory for a window");
    PX_TRY_GOTO(status, start(dynamic), done);
    PX_TRY_GOTO(status,
                px_minibatches_create_eval(train, 1, dynamic->settings.steps, dynamic->model->reset_id, 0, &text),
                done);
    PX_TRY_GOTO(status, sum_squares(dynamic, text, reset, progress, context), done);
    PX_TRY_GOTO(status, px_engine_metrics(dynamic->engine, 1, &metrics), done);
    if (metrics.bad_step >= 0)
        status = px_fail(PX_ERR_NUMERIC, "--dynamic-method rms: the gradient over the training text is not finite; use "
                                         "--dynamic-method sgd");
done:
    px_minibatches_destroy(text);
    free(reset);
    return status;
}

/* ---- the choice -------------------------------------------------------------------------------------------------- */

typedef struct choice {
    px_dynamic *dynamic;
    px_range range;
    const px_evaluate_options *options;
    double loss; /* the least so far, with the settings that the dynamic evaluation has now */
} choice;

/* The loss with these settings; one that leaves what is finite is worse than any. */
static px_status loss_with(choice *c, double rate, double decay, double *loss)
{
    px_evaluation result;
    px_dynamic_set(c->dynamic, rate, decay);
    px_status status = px_dynamic_evaluate(c->dynamic, c->range, c->options, &result);
    *loss = status == PX_OK ? result.loss : INFINITY;
    return status == PX_ERR_NUMERIC ? PX_OK : status;
}

/* Multiplies one of the two by factor as long as the loss falls, and leaves them where it was least. *moved counts. */
static px_status climb(choice *c, int is_decay, double factor, int *moved)
{
    enum { MOST = 16 };
    for (int i = 0; i < MOST; i++) {
        const px_dynamic_settings before = c->dynamic->settings;
        double loss;
        PX_TRY(loss_with(c, before.rate * (is_decay ? 1 : factor), before.decay * (is_decay ? factor : 1), &loss));
        if (!(loss < c->loss)) {
            px_dynamic_set(c->dynamic, before.rate, before.decay);
            return PX_OK;
        }
        c->loss = loss;
        ++*moved;
    }
    return PX_OK;
}

static px_status search(choice *c, int is_decay)
{
    const double factors[] = {2, M_SQRT2};
    for (int i = 0; i < 2; i++) {
        int moved = 0;
        PX_TRY(climb(c, is_decay, factors[i], &moved));
        if (!moved) PX_TRY(climb(c, is_decay, 1 / factors[i], &moved));
    }
    return PX_OK;
}

px_status px_dynamic_choose(px_dynamic *dynamic, px_range range, const px_evaluate_options *options, int choose_decay,
                            double *loss, double *static_loss)
{
    const px_dynamic_settings first = dynamic->settings;
    if (range.end - range.begin > PX_DYNAMIC_CHOICE_TOKENS) range.end = range.begin + PX_DYNAMIC_CHOICE_TOKENS;
    choice c = {.dynamic = dynamic, .range = range, .options = options};
    PX_TRY(loss_with(&c, 0, first.decay, static_loss));
    PX_TRY(loss_with(&c, first.rate, first.decay, &c.loss));
    PX_TRY(search(&c, 0));
    if (choose_decay) PX_TRY(search(&c, 1));
    *loss = c.loss;
    if (c.loss < *static_loss) return PX_OK;
    px_dynamic_set(dynamic, 0, first.decay);
    *loss = *static_loss;
    return PX_OK;
}
