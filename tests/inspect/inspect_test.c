/* Gradients by lag, saturation and rates against a forward pass of this file's own, in plain loops, and against the
 * reference engine.
 *
 * Here a state is changed by +-e where it was made, everything after it is computed anew, and the difference of one
 * token's loss is divided by 2 e. With e = 1e-5 the difference is wrong by e^2 (1e-10) and by rounding, 1e-16 / e =
 * 1e-11. */
#include "inspect.h"

#include "engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V = 7, COUNT = 24, H_MAX = 9, L_MAX = 3, LAGS = 5 };

static const int32_t TEXT[COUNT] = {3, 1, 4, 1, 5, 2, 6, 5, 3, 5, 1, 2, 3, 4, 6, 2, 6, 4, 3, 3, 1, 2, 5, 6};

static const struct {
    const char *name;
    px_model_config model;
    int32_t reset_id;
} CASES[] = {
    {"one layer of tanh", {.vocab = V, .hidden = 9, .layers = 1, .init_scale = 2}, -1},
    {"one layer of ReLU", {.vocab = V, .hidden = 9, .layers = 1, .cell = PX_CELL_RELU, .init_scale = 2}, -1},
    {"three layers over an embedding", {.vocab = V, .embed = 4, .hidden = 6, .layers = 3, .init_scale = 2}, -1},
    {"tied through a projection", {.vocab = V, .embed = 4, .hidden = 7, .layers = 2, .tied = 1, .init_scale = 2}, -1},
    {"tied ReLU",
     {.vocab = V, .embed = 6, .hidden = 6, .layers = 2, .tied = 1, .cell = PX_CELL_RELU, .init_scale = 2},
     -1},
    {"documents", {.vocab = V, .hidden = 5, .layers = 2, .init_scale = 2}, 6},
};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

typedef struct model {
    px_model_config config;
    px_parameters table;
    float *w;
    int32_t reset_id;
} model;

static model model_of(int i)
{
    model m = {.config = CASES[i].model, .reset_id = CASES[i].reset_id};
    assert_int_equal(px_parameters_make(&m.config, &m.table), PX_OK);
    m.w = calloc(m.table.count, sizeof *m.w);
    assert_non_null(m.w);
    assert_int_equal(px_parameters_init(&m.table, &m.config, 5, m.w), PX_OK);
    return m;
}

/* The same sizes with another cell and other layers. */
static void change_cell(model *m, px_cell cell, int32_t layers)
{
    m->config.cell = cell;
    m->config.layers = layers;
    free(m->w);
    assert_int_equal(px_parameters_make(&m->config, &m->table), PX_OK);
    m->w = calloc(m->table.count, sizeof *m->w);
    assert_non_null(m->w);
    assert_int_equal(px_parameters_init(&m->table, &m->config, 5, m->w), PX_OK);
}

/* The same sizes with an adaptive output layer of one cluster. */
static void change_output(model *m, int32_t cutoff)
{
    m->config.output = PX_OUTPUT_ADAPTIVE;
    m->config.cutoffs = (px_cutoffs){1, {cutoff}};
    change_cell(m, m->config.cell, m->config.layers);
}

static const float *tensor(const model *m, px_tensor_role role, int32_t layer)
{
    const px_tensor *t = px_parameters_find(&m->table, role, layer);
    return t ? m->w + t->offset : NULL;
}

/* Loss of token t + 1; H^layer_at's unit gets `change` where it is made. states [COUNT][L][H_MAX] may be NULL. */
static double loss_at(const model *m, int32_t t, int32_t at, int32_t layer, int32_t unit, double change,
                      double (*states)[L_MAX][H_MAX])
{
    int32_t h = m->config.hidden, L = m->config.layers, d = m->config.embed;
    double state[L_MAX][H_MAX] = {{0}}, x[H_MAX], o[V], sum = 0;
    for (int32_t s = 0; s <= t; s++) {
        int reset = s == 0 || TEXT[s] == m->reset_id;
        for (int32_t l = 0; l < L; l++) {
            int32_t width = l ? h : d ? d : V;
            double next[H_MAX];
            for (int32_t k = 0; k < width && (l || d); k++)
                x[k] = l ? state[l - 1][k] : tensor(m, PX_TENSOR_EMBEDDING, 0)[TEXT[s] * d + k];
            for (int32_t j = 0; j < h; j++) {
                const float *w_xh = tensor(m, PX_TENSOR_W_XH, l) + j * width,
                            *w_hh = tensor(m, PX_TENSOR_W_HH, l) + j * h;
                double z = tensor(m, PX_TENSOR_B_H, l)[j];
                if (l || d)
                    for (int32_t k = 0; k < width; k++) z += x[k] * w_xh[k];
                else
                    z += w_xh[TEXT[s]];
                for (int32_t k = 0; k < h && !reset; k++) z += state[l][k] * w_hh[k];
                next[j] = m->config.cell == PX_CELL_RELU ? fmax(z, 0) : tanh(z);
            }
            memcpy(state[l], next, sizeof next);
            if (s == at && l == layer) state[l][unit] += change;
            if (states) memcpy(states[s][l], state[l], sizeof next);
        }
    }
    const float *table = tensor(m, m->config.tied ? PX_TENSOR_EMBEDDING : PX_TENSOR_W_HQ, 0),
                *projection = tensor(m, PX_TENSOR_PROJECTION, 0);
    int32_t width = m->config.tied ? d : h;
    for (int32_t j = 0; j < width; j++) {
        x[j] = projection ? 0 : state[L - 1][j];
        for (int32_t k = 0; projection && k < h; k++) x[j] += projection[j * h + k] * state[L - 1][k];
    }
    for (int32_t v = 0; v < V; v++) {
        o[v] = tensor(m, PX_TENSOR_B_Q, 0)[v];
        for (int32_t j = 0; j < width; j++) o[v] += x[j] * table[v * width + j];
        sum += exp(o[v]);
    }
    return log(sum) - o[TEXT[t + 1]];
}

static px_inspect_request request_of(const model *m, const px_tokens *tokens, int32_t lags, int32_t probes)
{
    return (px_inspect_request){.model = &m->config,
                                .parameters = &m->table,
                                .weights = m->w,
                                .reset_id = m->reset_id,
                                .range = {tokens, 0, px_tokens_count(tokens)},
                                .lags = lags,
                                .probes = probes};
}

static px_tokens *text(void)
{
    px_tokens *tokens;
    assert_int_equal(px_tokens_from_ids(TEXT, COUNT, &tokens), PX_OK);
    return tokens;
}

/* Positions are the middles of equal stretches of what has K steps before it. */
static int32_t position(int p, int probes) { return LAGS + (int32_t)((p + 0.5) * (COUNT - 1 - LAGS) / probes); }

static void norms_match_central_differences(void **state)
{
    enum { PROBES = 3 };
    static const double e = 1e-5;
    px_tokens *tokens = text();
    (void)state;
    for (int c = 0; c < CASE_COUNT; c++) {
        model m = model_of(c);
        px_inspection got;
        px_inspect_request request = request_of(&m, tokens, LAGS, PROBES);
        if (px_inspect_run(&request, &got) != PX_OK) fail_msg("%s: %s", CASES[c].name, px_error_message());
        assert_int_equal(got.probes, PROBES);
        double loss = 0, largest = 0;
        for (int p = 0; p < PROBES; p++) loss += loss_at(&m, position(p, PROBES), -1, 0, 0, 0, NULL) / PROBES;
        assert_true(fabs(loss - got.loss) < 1e-12);
        for (int32_t l = 0; l < m.config.layers; l++)
            for (int32_t k = 0; k <= LAGS; k++) {
                double want = 0;
                for (int p = 0; p < PROBES; p++) {
                    double sum = 0;
                    int32_t t = position(p, PROBES);
                    for (int32_t j = 0; j < m.config.hidden; j++) {
                        double d =
                            (loss_at(&m, t, t - k, l, j, e, NULL) - loss_at(&m, t, t - k, l, j, -e, NULL)) / (2 * e);
                        sum += d * d;
                    }
                    want += sqrt(sum) / PROBES;
                }
                largest = fmax(largest, want);
                if (!(fabs(got.layer[l].norm[k] - want) < 1e-8))
                    fail_msg("%s: layer %d, lag %d: norm %.12g, central differences %.12g", CASES[c].name, l, k,
                             got.layer[l].norm[k], want);
            }
        assert_true(largest > 0.01); /* zeros would match, too */
        px_inspection_free(&got);
        free(m.w);
    }
    px_tokens_destroy(tokens);
}

/* The engine's own carried state is changed (fp32, so by 1e-3) and a window of k steps computed in double: exact for
 * the top layer. */
static void norms_match_the_reference_engine(void **state)
{
    static const float e = 1e-3f;
    px_tokens *tokens = text();
    (void)state;
    /* one layer of every cell, the upper of two of those that keep gates, and adaptive output layers: the target, 2, in
     * the shortlist and in a cluster */
    for (int c = 0; c < 8; c++) {
        model m = model_of(c < 2 ? c : 0);
        if (c >= 6) change_output(&m, c - 4);
        if (c >= 2 && c < 6) change_cell(&m, c % 2 ? PX_CELL_LSTM : PX_CELL_GRU, c >= 4 ? 2 : 1);
        px_inspection got;
        px_inspect_request request = request_of(&m, tokens, LAGS, 1);
        assert_int_equal(px_inspect_run(&request, &got), PX_OK);
        int32_t t = position(0, 1), h = m.config.hidden, targets[COUNT];
        uint8_t reset[COUNT] = {0};
        px_engine *engine;
        px_optimizer_config optimizer = {.kind = PX_SGD};
        px_engine_shape shape = {.n = 1, .T = COUNT, .training = 1, .threads = 1, .seed = 1};
        assert_int_equal(px_engine_create("reference", &m.config, &optimizer, &shape, &engine), PX_OK);
        assert_int_equal(px_engine_write(engine, PX_SECTION_PARAMETERS, m.w), PX_OK);
        for (int32_t k = 1; k <= LAGS; k++) {
            float start[4 * H_MAX] = {0}, changed[4 * H_MAX]; /* [S,L,1,h] */
            double sum[2] = {0};
            for (int i = 0; i < COUNT; i++) targets[i] = -1;
            px_batch before = {.tokens = TEXT,
                               .targets = targets,
                               .reset = reset,
                               .T = t - k + 1,
                               .n = 1,
                               .streams_in_all = 1,
                               .inv_count = 1};
            assert_int_equal(px_engine_write(engine, PX_SECTION_STATE, start), PX_OK);
            assert_int_equal(px_engine_accumulate(engine, &before), PX_OK);
            assert_int_equal(px_engine_read(engine, PX_SECTION_STATE, start), PX_OK);
            targets[k - 1] = TEXT[t + 1];
            px_batch after = {.tokens = TEXT + t - k + 1,
                              .targets = targets,
                              .reset = reset,
                              .T = k,
                              .n = 1,
                              .streams_in_all = 1,
                              .inv_count = 1};
            for (int32_t j = 0; j < (int32_t)px_state_blocks(&m.config) * h; j++) {
                px_metrics metrics;
                double loss[2], value[2];
                for (int side = 0; side < 2; side++) {
                    memcpy(changed, start, sizeof changed);
                    changed[j] += side ? e : -e;
                    value[side] = changed[j];
                    assert_int_equal(px_engine_write(engine, PX_SECTION_STATE, changed), PX_OK);
                    assert_int_equal(px_engine_metrics(engine, 1, &metrics), PX_OK);
                    assert_int_equal(px_engine_accumulate(engine, &after), PX_OK);
                    assert_int_equal(px_engine_metrics(engine, 1, &metrics), PX_OK);
                    loss[side] = metrics.loss_sum;
                }
                double d = (loss[1] - loss[0]) / (value[1] - value[0]);
                sum[j / h % m.config.layers] += d * d;
            }
            /* a lower layer's state also goes up at its own step, which a state between windows does not */
            for (int32_t l = m.config.layers - 1; l < m.config.layers; l++)
                if (!(fabs(got.layer[l].norm[k] - sqrt(sum[l])) < 1e-5 * (0.1 + sqrt(sum[l]))))
                    fail_msg("%d layers of %s: layer %d, lag %d: norm %.9g, by the reference engine %.9g",
                             m.config.layers, px_cell_names[m.config.cell], l, k, got.layer[l].norm[k], sqrt(sum[l]));
        }
        px_engine_destroy(engine);
        px_inspection_free(&got);
        free(m.w);
    }
    px_tokens_destroy(tokens);
}

/* Nothing passes a document's beginning, and the lags behind it count as 0. */
static void a_reset_cuts_the_gradient(void **state)
{
    px_tokens *tokens;
    static const int32_t cut[] = {1, 2, 3, 6, 1, 2};
    px_inspection got;
    model m = model_of(CASE_COUNT - 1);
    (void)state;
    assert_int_equal(px_tokens_from_ids(cut, 6, &tokens), PX_OK);
    px_inspect_request request = request_of(&m, tokens, 4, 1);
    assert_int_equal(px_inspect_run(&request, &got), PX_OK);
    for (int32_t l = 0; l < 2; l++) {
        assert_true(got.layer[l].norm[0] > 0 &&
                    got.layer[l].norm[1] > 0); /* the step of the 1, and that of the 6 itself */
        assert_true(got.layer[l].norm[2] == 0 && got.layer[l].norm[4] == 0);
        assert_int_equal(got.layer[l].reach, 2);
    }
    px_inspection_free(&got);
    px_tokens_destroy(tokens);
    free(m.w);
}

static void saturation_is_counted_over_units_and_tokens(void **state)
{
    static double states[COUNT][L_MAX][H_MAX];
    px_tokens *tokens = text();
    (void)state;
    for (int c = 0; c < 2; c++) {
        model m = model_of(c);
        px_inspection got;
        int32_t h = m.config.hidden, often = 0, always = 0;
        const px_tensor *b_h = px_parameters_find(&m.table, PX_TENSOR_B_H, 0);
        m.w[b_h->offset] = c ? -40 : 40;      /* always saturated, or always 0 */
        m.w[b_h->offset + 1] += c ? 0 : 2.5f; /* now and then */
        px_inspect_request request = request_of(&m, tokens, LAGS, 0);
        assert_int_equal(px_inspect_run(&request, &got), PX_OK);
        assert_int_equal(got.probes, COUNT - 1 - LAGS); /* all there are */
        loss_at(&m, COUNT - 2, -1, 0, 0, 0, states);
        for (int32_t j = 0; j < h; j++) {
            int32_t count = 0;
            for (int t = 0; t + 1 < COUNT; t++) count += c ? states[t][0][j] == 0 : fabs(states[t][0][j]) > 0.99;
            often += count;
            always += count == COUNT - 1;
        }
        assert_true(always >= 1 && often > always * (COUNT - 1) && always < h);
        assert_true(fabs(got.layer[0].saturated - (double)often / (COUNT - 1) / h) < 1e-12);
        assert_true(fabs(got.layer[0].always_saturated - (double)always / h) < 1e-12);
        px_inspection_free(&got);
        free(m.w);
    }
    px_tokens_destroy(tokens);
}

/* W_hh = r I, small states: tanh' is 1 and each step multiplies by r; ReLU with positive states does exactly so. */
static void the_rate_is_that_of_a_scaled_identity(void **state)
{
    static const double rates[] = {0.5, 0.9, 1.1};
    px_tokens *tokens = text();
    (void)state;
    for (int i = 0; i < 6; i++) {
        model m = model_of(i % 2);
        double rate = rates[i / 2];
        px_inspection got;
        int32_t h = m.config.hidden;
        for (int role = PX_TENSOR_W_XH; role <= PX_TENSOR_B_H; role++) {
            const px_tensor *t = px_parameters_find(&m.table, (px_tensor_role)role, 0);
            for (size_t j = 0; j < t->count; j++)
                m.w[t->offset + j] = role == PX_TENSOR_W_HH ? (j % ((size_t)h + 1) == 0 ? (float)rate : 0)
                                                            : (float)(1e-5 * (1 + (double)(j % 5)));
        }
        px_inspect_request request = request_of(&m, tokens, LAGS, 0);
        assert_int_equal(px_inspect_run(&request, &got), PX_OK);
        if (!(fabs(got.layer[0].rate - rate) < 1e-5)) fail_msg("rate %.9g, want %g", got.layer[0].rate, rate);
        assert_true(fabs(got.layer[0].spectral_radius - (float)rate) < 1e-12);
        for (int32_t k = 0; k <= LAGS; k++) {
            const px_inspect_layer *layer = &got.layer[0];
            assert_true(layer->low[k] <= layer->median[k] && layer->median[k] <= layer->high[k]);
        }
        px_inspection_free(&got);
        free(m.w);
    }
    px_tokens_destroy(tokens);
}

static void wrong_requests_are_refused(void **state)
{
    static const atomic_int stop = 1;
    px_inspection got;
    px_tokens *tokens = text();
    model m = model_of(1);
    (void)state;
    px_inspect_request request = request_of(&m, tokens, COUNT - 1, 1);
    assert_int_equal(px_inspect_run(&request, &got), PX_ERR_INPUT);
    assert_non_null(strstr(px_error_message(), "24 tokens are too few for 23 lags"));
    request.lags = COUNT - 2;
    assert_int_equal(px_inspect_run(&request, &got), PX_OK);
    px_inspection_free(&got);
    request.lags = PX_INSPECT_MAX_LAGS + 1;
    assert_int_equal(px_inspect_run(&request, &got), PX_ERR_ARGUMENT);
    request.lags = -1;
    assert_int_equal(px_inspect_run(&request, &got), PX_ERR_ARGUMENT);
    request.lags = 2;
    request.stop = &stop;
    assert_int_equal(px_inspect_run(&request, &got), PX_STOPPED);
    request.stop = NULL;
    const px_tensor *w_hh = px_parameters_find(&m.table, PX_TENSOR_W_HH, 0);
    for (size_t i = 0; i < w_hh->count; i++) m.w[w_hh->offset + i] = 1e30f; /* 1e30 ^ 23 is no double */
    assert_int_equal(px_inspect_run(&request, &got), PX_ERR_NUMERIC);
    assert_null(got.storage);
    px_tokens_destroy(tokens);
    free(m.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_match_central_differences),
        cmocka_unit_test(norms_match_the_reference_engine),
        cmocka_unit_test(a_reset_cuts_the_gradient),
        cmocka_unit_test(saturation_is_counted_over_units_and_tokens),
        cmocka_unit_test(the_rate_is_that_of_a_scaled_identity),
        cmocka_unit_test(wrong_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
