/* Dynamic evaluation against a small network of its own here: one layer of tanh units with one-hot input, in double,
 * gradients by hand; the windows, the steps of both methods and what they are measured on are written down anew from
 * the formulas in dynamic.h. */
#include "dynamic.h"
#include "ensemble.h"
#include "train_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { V = 5, H = 4, TOKENS = 90, TRAINED = 70, STEPS = 6, COUNT = H * V + H * H + H + V * H + V };

typedef struct network {
    double xh[H][V], hh[H][H], b[H], hq[V][H], q[V];
} network;

typedef union values { /* the same as one flat array */
    network n;
    double flat[COUNT];
} values;

/* Loss of each token of a window from `state`, which is carried on, and the gradient of their mean. */
static void window(const network *w, const int32_t *ids, int T, double state[H], double *nll, network *g)
{
    double h[STEPS + 1][H], p[STEPS][V], next[H] = {0};
    memcpy(h[0], state, sizeof h[0]);
    for (int t = 0; t < T; t++) {
        double sum = 0;
        for (int i = 0; i < H; i++) {
            double z = w->xh[i][ids[t]] + w->b[i];
            for (int j = 0; j < H; j++) z += w->hh[i][j] * h[t][j];
            h[t + 1][i] = tanh(z);
        }
        for (int v = 0; v < V; v++) {
            double o = w->q[v];
            for (int i = 0; i < H; i++) o += w->hq[v][i] * h[t + 1][i];
            sum += p[t][v] = exp(o);
        }
        for (int v = 0; v < V; v++) p[t][v] /= sum;
        nll[t] = -log(p[t][ids[t + 1]]);
    }
    memcpy(state, h[T], sizeof h[0]);
    memset(g, 0, sizeof *g);
    for (int t = T - 1; t >= 0; t--) {
        double dz[H];
        for (int i = 0; i < H; i++) dz[i] = next[i];
        for (int v = 0; v < V; v++) {
            const double d = (p[t][v] - (v == ids[t + 1])) / T;
            g->q[v] += d;
            for (int i = 0; i < H; i++) {
                g->hq[v][i] += d * h[t + 1][i];
                dz[i] += d * w->hq[v][i];
            }
        }
        memset(next, 0, sizeof next);
        for (int i = 0; i < H; i++) {
            dz[i] *= 1 - h[t + 1][i] * h[t + 1][i];
            g->b[i] += dz[i];
            g->xh[i][ids[t]] += dz[i];
            for (int j = 0; j < H; j++) {
                g->hh[i][j] += dz[i] * h[t][j];
                next[j] += dz[i] * w->hh[i][j];
            }
        }
    }
}

static double norm(const values *g)
{
    double sum = 0;
    for (int i = 0; i < COUNT; i++) sum += g->flat[i] * g->flat[i];
    return sqrt(sum);
}

/* r and its mean, over a text whose inputs divide into whole windows. */
static double measure(const values *w, const int32_t *ids, int inputs, values *r)
{
    double state[H] = {0}, nll[STEPS], mean = 0;
    values g;
    memset(r, 0, sizeof *r);
    for (int at = 0; at < inputs; at += STEPS) {
        window(&w->n, ids + at, STEPS, state, nll, &g.n);
        for (int i = 0; i < COUNT; i++) r->flat[i] += g.flat[i] * g.flat[i];
    }
    for (int i = 0; i < COUNT; i++) mean += r->flat[i] = sqrt(r->flat[i] / (inputs / STEPS));
    return mean / COUNT;
}

static void step(const px_dynamic_settings *s, const values *trained, const values *r, double mean, const values *g,
                 values *w)
{
    const double clipped = s->rate * fmin(1, s->clip / norm(g));
    for (int i = 0; i < COUNT; i++)
        if (s->method == PX_DYNAMIC_SGD)
            w->flat[i] -= clipped * g->flat[i];
        else
            w->flat[i] += s->decay * fmin(r->flat[i] / mean, 1 / s->decay) * (trained->flat[i] - w->flat[i]) -
                          s->rate * g->flat[i] / (r->flat[i] + 1e-3);
}

typedef struct fixture {
    px_model_file model;
    values trained;
    int32_t ids[TOKENS];
    px_tokens *tokens;
} fixture;

/* The place of a tensor's values in the flat array, which has them in the order of the table but without its gaps. */
static void fill(fixture *f)
{
    unsigned random = 7;
    size_t at = 0;
    for (int32_t k = 0; k < f->model.parameters.tensor_count; k++) {
        const px_tensor *tensor = &f->model.parameters.tensor[k];
        for (size_t i = 0; i < tensor->count; i++) {
            random = random * 1103515245u + 12345u;
            const float value = (float)((double)(random >> 8 & 0xFFFF) / 0x8000 - 1);
            f->model.weights[tensor->offset + i] = value;
            f->trained.flat[at++] = value;
        }
    }
    assert_int_equal(at, COUNT);
    for (int i = 0; i < TOKENS; i++) {
        random = random * 1103515245u + 12345u;
        f->ids[i] = i < TRAINED ? (int32_t)((random >> 16) % V) : (int32_t)((f->ids[i - 1] * 2 + 1) % V);
    }
}

static int create(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    px_config_default(&f->model.config);
    f->model.config.model.hidden = H;
    f->model.config.model.vocab = V;
    f->model.config.model.embed = 0;
    f->model.config.model.dropout_output = 0.5; /* this and what follows must take no part */
    f->model.config.model.dropout_embedding = 0.5;
    f->model.config.model.penalty_activation = 2;
    f->model.config.model.penalty_temporal = 1;
    f->model.reset_id = -1;
    assert_px_ok(px_parameters_make(&f->model.config.model, &f->model.parameters));
    f->model.weights = calloc(f->model.parameters.count, sizeof *f->model.weights);
    assert_non_null(f->model.weights);
    fill(f);
    assert_px_ok(px_tokens_from_ids(f->ids, TOKENS, &f->tokens));
    *state = f;
    return 0;
}

static int destroy(void **state)
{
    fixture *f = *state;
    px_tokens_destroy(f->tokens);
    px_config_free(&f->model.config);
    free(f->model.weights);
    free(f);
    return 0;
}

typedef struct losses {
    double nll[TOKENS];
    int count;
} losses;

static px_status keep(void *context, int32_t id, double nll)
{
    losses *l = context;
    (void)id;
    l->nll[l->count++] = nll;
    return PX_OK;
}

/* Inputs [TRAINED - 1, TOKENS - 1) in windows of nearly equal lengths, as minibatch.h has them: 20 in 4 of 5. */
static void scores_of_the_formulas(void **state)
{
    const fixture *f = *state;
    const px_dynamic_settings cases[] = {
        {.method = PX_DYNAMIC_SGD, .rate = 0.5, .clip = 0.4, .steps = STEPS},
        {.method = PX_DYNAMIC_SGD, .rate = 0.2, .clip = 1e9, .steps = STEPS},
        {.method = PX_DYNAMIC_RMS, .rate = 0.01, .decay = 0.3, .steps = STEPS},
        {.method = PX_DYNAMIC_RMS, .rate = 0.02, .decay = 0, .steps = STEPS},
    };
    static const char *const devices[] = {"cpu", "reference"};
    const px_range train = {f->tokens, 0, 67}, text = {f->tokens, TRAINED - 1, TOKENS};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        values w = f->trained, r, g;
        const double mean = measure(&f->trained, f->ids, 66, &r);
        double hidden[H] = {0}, want[TOKENS], still[TOKENS];
        for (int at = 0; at < 20; at += 5) {
            window(&w.n, f->ids + TRAINED - 1 + at, 5, hidden, want + at, &g.n);
            step(&cases[c], &f->trained, &r, mean, &g, &w);
        }
        memset(hidden, 0, sizeof hidden);
        for (int at = 0; at < 20; at += 5)
            window(&f->trained.n, f->ids + TRAINED - 1 + at, 5, hidden, still + at, &g.n);
        assert_true(fabs(want[19] - still[19]) > 1e-3); /* what is compared has moved */
        for (int d = 0; d < 2; d++) {
            px_dynamic *dynamic;
            px_evaluation result;
            assert_px_ok(px_dynamic_create(&f->model, devices[d], 1, &cases[c], &dynamic));
            assert_px_ok(px_dynamic_measure(dynamic, train, NULL, NULL));
            for (int again = 0; again < 2; again++) { /* the second time from the trained weights again */
                losses got = {.count = 0};
                px_evaluate_options options = {.reset_id = -1, .per_token = keep, .context = &got};
                assert_px_ok(px_dynamic_evaluate(dynamic, text, &options, &result));
                assert_int_equal(got.count, 20);
                for (int i = 0; i < 20; i++) /* fp32 weights, changed four times */
                    if (!(fabs(got.nll[i] - want[i]) < 2e-5))
                        fail_msg("case %zu, %s, token %d: %.9g, want %.9g", c, devices[d], i, got.nll[i], want[i]);
            }
            px_dynamic_destroy(dynamic);
        }
    }
}

static void a_choice_is_no_worse_than_none_and_a_rate_too_high_is_refused(void **state)
{
    const fixture *f = *state;
    const px_dynamic_settings settings = {.method = PX_DYNAMIC_SGD, .rate = 0.1, .clip = 1, .steps = STEPS};
    const px_range learnable = {f->tokens, TRAINED, TOKENS};
    px_evaluate_options options = {.reset_id = -1};
    px_evaluation result;
    px_dynamic *dynamic;
    double loss, without;
    assert_px_ok(px_dynamic_create(&f->model, "cpu", 1, &settings, &dynamic));
    assert_px_ok(px_dynamic_choose(dynamic, learnable, &options, 0, &loss, &without));
    assert_true(loss < without - 0.1);
    assert_px_ok(px_dynamic_evaluate(dynamic, learnable, &options, &result));
    assert_true(result.loss == loss);
    px_dynamic_set(dynamic, 0, 0);
    assert_px_ok(px_dynamic_evaluate(dynamic, learnable, &options, &result));
    assert_true(result.loss == without);
    px_dynamic_destroy(dynamic);
    const px_dynamic_settings wild = {.method = PX_DYNAMIC_RMS, .rate = 1e200, .steps = STEPS};
    assert_px_ok(px_dynamic_create(&f->model, "cpu", 1, &wild, &dynamic));
    assert_px_ok(px_dynamic_measure(dynamic, learnable, NULL, NULL));
    assert_px_fails(px_dynamic_evaluate(dynamic, learnable, &options, &result), PX_ERR_NUMERIC, "lower rate");
    px_dynamic_destroy(dynamic);
}

static void an_ensemble_is_the_mean_of_probabilities(void **state)
{
    const double p[3][4] = {{0.5, 0, 0.25, 0}, {0.1, 0.3, 0.25, 0}, {0.3, 0.6, 0.25, 0}};
    const int32_t ids[4] = {1, 0, 2, 3};
    px_ensemble *ensemble;
    px_evaluation result;
    losses got = {.count = 0};
    (void)state;
    assert_px_ok(px_ensemble_create(4, &ensemble));
    for (int m = 0; m < 3; m++) {
        px_ensemble_begin(ensemble);
        for (int i = 0; i < 4; i++) assert_px_ok(px_ensemble_add(ensemble, ids[i], -log(p[m][i])));
    }
    assert_px_ok(px_ensemble_result(ensemble, keep, &got, &result));
    for (int i = 0; i < 3; i++) assert_true(fabs(got.nll[i] + log((p[0][i] + p[1][i] + p[2][i]) / 3)) < 1e-14);
    assert_true(isinf(got.nll[3]) && isinf(result.loss) && isinf(result.perplexity)); /* none gives it any */
    assert_int_equal(result.unknown, 1);
    assert_px_fails(px_ensemble_add(ensemble, 1, 0), PX_ERR_INTERNAL, "more than 4");
    px_ensemble_destroy(ensemble);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scores_of_the_formulas, create, destroy),
        cmocka_unit_test_setup_teardown(a_choice_is_no_worse_than_none_and_a_rate_too_high_is_refused, create, destroy),
        cmocka_unit_test(an_ensemble_is_the_mean_of_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
