/* Facts of evaluation and decoding that hold whatever the numbers are:  test_evaluation [device]
 *
 * A uniform model has perplexity V, a certain one 1, one that gives the target probability 0 has infinity; and a
 * stream's losses depend neither on how windows cut it nor on the streams beside it. The CPU engines promise the last
 * to the bit; other devices up to the order of their sums. */
#include "cases.h"
#include "philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *device = "cpu";

static int same_bits_expected(void) { return strcmp(device, "cpu") == 0 || strcmp(device, "reference") == 0; }

/* An engine for evaluation only, with zero weights. */
static px_engine *evaluator(const px_model_config *model, int32_t n, int32_t T, int32_t threads)
{
    px_engine_shape shape = {.n = n, .T = T, .threads = threads};
    px_optimizer_config optimizer = {0};
    px_engine *engine;
    PX_CHECK(px_engine_create(device, model, &optimizer, &shape, &engine));
    return engine;
}

/* The flat buffer of a model, zeroed, and a tensor in it. */
static float *flat_of(const px_model_config *model, px_parameters *table)
{
    PX_CHECK(px_parameters_make(model, table));
    float *flat = calloc(table->count, sizeof *flat);
    assert_non_null(flat);
    return flat;
}

static float *tensor_of(const px_parameters *table, float *flat, px_tensor_role role)
{
    const px_tensor *tensor = px_parameters_find(table, role, 0);
    assert_non_null(tensor);
    return flat + tensor->offset;
}

static double perplexity_of(px_engine *engine, const px_batch *batch, float *token_nll)
{
    px_metrics metrics;
    PX_CHECK(px_engine_metrics(engine, 1, &metrics));
    PX_CHECK(px_engine_evaluate(engine, batch, token_nll));
    PX_CHECK(px_engine_metrics(engine, 1, &metrics));
    assert_true(metrics.tokens > 0);
    assert_int_equal(metrics.bad_step, -1);
    return exp(metrics.loss_sum / (double)metrics.tokens);
}

static void uniform_model_has_perplexity_V(void **state)
{
    static const int32_t sizes[] = {1, 2, 3, 28, 1000, 10007};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        px_case c = {"uniform", .model = {.vocab = sizes[s], .hidden = 5, .layers = 1}, .n = 3, .T = 7,
                     .unscored_share = 0.2};
        px_engine *engine = evaluator(&c.model, c.n, c.T, 1);
        px_window window = px_case_window(&c, 0, 0);
        float nll[21];
        double perplexity = perplexity_of(engine, &window.batch, nll);
        /* log V in fp32 is right to 6e-8 of up to 9.2 nats */
        if (fabs(perplexity - sizes[s]) > 1e-6 * sizes[s]) {
            print_error("V = %d: perplexity %.9g\n", (int)sizes[s], perplexity);
            fail();
        }
        for (int i = 0; i < 21; i++)
            assert_true(window.targets[i] >= 0 ? fabs(nll[i] - log(sizes[s])) < 2e-6 : nll[i] == 0);
        px_window_free(&window);
        px_engine_destroy(engine);
    }
}

/* A cycle over V tokens, learned by hand: unit j says +1 on token j and -1 else; the token after j is voted for by unit
 * j. */
static void certain_and_right_model_has_perplexity_1(void **state)
{
    enum { V = 7, T = 30 };
    px_model_config model = {.vocab = V, .hidden = V, .layers = 1};
    px_parameters table;
    int32_t tokens[T], targets[T];
    uint8_t reset[T] = {0};
    float nll[T];
    (void)state;
    float *flat = flat_of(&model, &table);
    float *w_xh = tensor_of(&table, flat, PX_TENSOR_W_XH), *w_hq = tensor_of(&table, flat, PX_TENSOR_W_HQ);
    for (int j = 0; j < V; j++)
        for (int v = 0; v < V; v++) {
            w_xh[j * V + v] = j == v ? 20 : -20;             /* [h,V] */
            w_hq[v * V + j] = v == (j + 1) % V ? 100 : -100; /* [V,h] */
        }
    for (int t = 0; t < T; t++) {
        tokens[t] = t % V;
        targets[t] = (t + 1) % V;
    }
    px_engine *engine = evaluator(&model, 1, T, 1);
    PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, flat));
    px_batch batch = {.tokens = tokens, .targets = targets, .reset = reset, .T = T, .n = 1, .streams_in_all = 1};
    double perplexity = perplexity_of(engine, &batch, nll);
    assert_true(perplexity == 1);
    for (int t = 0; t < T; t++) assert_true(nll[t] == 0);
    /* and wrong once, by 400 nats: both units that vote tell against it; a large loss, not an infinite one */
    targets[3] = targets[4];
    PX_CHECK(px_engine_evaluate(engine, &batch, nll));
    assert_true(fabs(nll[3] - 400) < 1e-3);
    px_engine_destroy(engine);
    free(flat);
}

/* Token 2 has a logit of -inf: probability 0. Its loss is +inf, never NaN; the other tokens' losses are untouched. With
 * a logit of +inf the other tokens have probability 0. */
static void zero_probability_gives_infinity(void **state)
{
    static const int32_t sizes[] = {4, 700};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        enum { T = 3 };
        px_model_config model = {.vocab = sizes[s], .hidden = 3, .layers = 1};
        px_parameters table;
        int32_t tokens[T] = {0, 1, 2}, targets[T] = {1, 2, 3}, last = 1;
        uint8_t reset[T] = {0};
        float nll[T], *p = calloc((size_t)sizes[s], sizeof *p);
        px_metrics metrics;
        assert_non_null(p);
        float *flat = flat_of(&model, &table);
        px_engine *engine = evaluator(&model, 1, T, 1);
        px_batch batch = {.tokens = tokens, .targets = targets, .reset = reset, .T = T, .n = 1, .streams_in_all = 1};

        tensor_of(&table, flat, PX_TENSOR_B_Q)[2] = -INFINITY;
        PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, flat));
        PX_CHECK(px_engine_evaluate(engine, &batch, nll));
        PX_CHECK(px_engine_metrics(engine, 1, &metrics));
        assert_true(isinf(metrics.loss_sum) && metrics.loss_sum > 0);
        assert_int_equal(metrics.bad_step, -1); /* an evaluation spoils no training */
        assert_true(isinf(nll[1]) && nll[1] > 0);
        assert_true(fabs(nll[0] - log(sizes[s] - 1)) < 2e-6 && fabs(nll[2] - log(sizes[s] - 1)) < 2e-6);
        PX_CHECK(px_engine_next(engine, &last, NULL, 1, p));
        assert_true(p[2] == 0 && fabs(p[1] * (sizes[s] - 1) - 1) < 1e-6);

        tensor_of(&table, flat, PX_TENSOR_B_Q)[2] = INFINITY;
        PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, flat));
        PX_CHECK(px_engine_evaluate(engine, &batch, nll));
        assert_true(nll[1] == 0 && isinf(nll[0]) && isinf(nll[2]));
        px_engine_destroy(engine);
        free(flat);
        free(p);
    }
}

/* What one stream's losses are in a given arrangement: it stands at place `at` among n streams, cut into windows of T
 * steps. */
typedef struct arrangement {
    const char *name;
    int32_t n, at, T;
} arrangement;

enum { LENGTH = 64, STREAMS = 4, STEPS = 16 };

static void score(px_engine *engine, const px_model_config *model, const int32_t *text, const arrangement *a,
                  float *nll, float *last_state)
{
    size_t V = (size_t)model->vocab, h = (size_t)model->hidden;
    int32_t tokens[STREAMS * LENGTH], targets[STREAMS * LENGTH];
    uint8_t reset[STREAMS * LENGTH];
    float window_nll[STREAMS * LENGTH];
    for (int32_t first = 0; first < LENGTH; first += a->T) {
        int32_t T = LENGTH - first < a->T ? LENGTH - first : a->T;
        for (int32_t t = 0; t < T; t++)
            for (int32_t i = 0; i < a->n; i++) {
                size_t row = (size_t)(t * a->n + i), other = (size_t)(first + t) * 31 + (size_t)i * 7 + (size_t)a->T;
                int ours = i == a->at;
                tokens[row] = ours ? text[first + t] : (int32_t)(other % V);
                targets[row] = ours                                    ? text[first + t + 1]
                               : (int32_t)(other % 3) - 1 < (int32_t)V ? (int32_t)(other % 3) - 1
                                                                       : 0;
                reset[row] = ours ? first + t == 0 || first + t == 40 : other % 5 == 0;
            }
        px_batch batch = {.tokens = tokens,
                          .targets = targets,
                          .reset = reset,
                          .T = T,
                          .n = a->n,
                          .streams_in_all = (uint32_t)a->n,
                          .step = 5};
        PX_CHECK(px_engine_evaluate(engine, &batch, window_nll));
        for (int32_t t = 0; t < T; t++) nll[first + t] = window_nll[t * a->n + a->at];
    }
    float *states = px_section_read(engine, PX_SECTION_EVAL_STATE);
    for (size_t l = 0; l < (size_t)model->layers; l++)
        memcpy(last_state + l * h, states + (l * STREAMS + (size_t)a->at) * h, h * sizeof *last_state);
    free(states);
}

static double largest_difference(const float *a, const float *b, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)a[i] - b[i]));
    return largest;
}

/* How far results of a device may be apart that adds the terms of its products in another order for another shape, as
 * cuBLAS does. Such a sum of h products is the exact one for weights that differ by at most h u relatively, u = 2^-24
 * (Higham 2002, Accuracy and Stability of Numerical Algorithms, 3.1), and by some u where roundings are of either sign
 * and blocks are added, as on a GPU. What such weights change is measured on the device itself, since it depends on the
 * model: these recurrences, with weights of three times the usual size, enlarge a difference from step to step. Four
 * times the largest of three tries. want, want_state: the results with flat, which the engine holds again afterwards.
 */
static double order_tolerance(px_engine *engine, const px_model_config *model, const float *flat, size_t count,
                              const arrangement *way, const int32_t *text, const float *want, const float *want_state)
{
    size_t state_count = (size_t)model->layers * (size_t)model->hidden;
    float *moved = malloc(count * sizeof *moved), *state = malloc(state_count * sizeof *state), nll[LENGTH];
    double largest = 0;
    assert_true(moved && state);
    for (uint32_t try = 0; try < 3; try++) {
        for (size_t i = 0; i < count; i++) {
            const int up = px_random_u32(7, PX_RANDOM_SYNTHETIC, try, i) & 1;
            moved[i] = (float)(flat[i] * (1 + (up ? 0x1p-24 : -0x1p-24)));
        }
        PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, moved));
        score(engine, model, text, way, nll, state);
        largest = fmax(largest, largest_difference(nll, want, LENGTH));
        largest = fmax(largest, largest_difference(state, want_state, state_count));
    }
    PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, flat));
    free(moved), free(state);
    return fmax(4 * largest, 1e-5); /* the floor: exp, log and tanh of two compilers */
}

static void losses_depend_neither_on_the_cut_nor_on_other_streams(void **state)
{
    static const px_model_config models[] = {
        {.vocab = 28, .hidden = 64, .layers = 1, .init_scale = 3},
        {.vocab = 5, .hidden = 33, .layers = 3, .init_scale = 3},
        {.vocab = 1000, .embed = 16, .hidden = 130, .layers = 2, .tied = 1, .init_scale = 3, .dropout_output = 0.5},
        {.vocab = 5003, .embed = 24, .hidden = 24, .layers = 1, .init_scale = 3, .dropout_weight = 0.5},
        {.vocab = 1000,
         .embed = 16,
         .hidden = 130,
         .layers = 2,
         .output = PX_OUTPUT_ADAPTIVE,
         .cutoffs = {2, {90, 400}},
         .init_scale = 3},
        {.vocab = 61, .embed = 9, .hidden = 100, .layers = 1, .cell = PX_CELL_RELU, .init_scale = 1},
        {.vocab = 2, .hidden = 1, .layers = 1, .init_scale = 1},
        {.vocab = 28, .hidden = 65, .layers = 2, .cell = PX_CELL_GRU, .init_scale = 2, .dropout_weight = 0.2},
        {.vocab = 28, .embed = 7, .hidden = 65, .layers = 2, .cell = PX_CELL_LSTM, .init_scale = 2},
    };
    static const arrangement ways[] = {
        {"one window", 1, 0, 64},  {"two windows", 1, 0, 32},
        {"windows of 1", 1, 0, 1}, {"windows of 7", 1, 0, 7},
        {"first of 4", 4, 0, 16},  {"last of 4, windows of 5", 4, 3, 5},
        {"second of 3", 3, 1, 16}, {"second of 2, windows of 1", 2, 1, 1},
    };
    (void)state;
    int failures = 0;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        const px_model_config *model = &models[m];
        size_t state_count = (size_t)model->layers * (size_t)model->hidden;
        px_parameters table;
        int32_t text[LENGTH + 1];
        float want[LENGTH], got[LENGTH], *want_state = calloc(state_count, 4), *got_state = calloc(state_count, 4);
        assert_true(want_state && got_state);
        float *flat = flat_of(model, &table);
        PX_CHECK(px_parameters_init(&table, model, 5, flat));
        for (int t = 0; t <= LENGTH; t++) text[t] = (t * t + 3 * t) / 2 % model->vocab;
        px_engine *engine = evaluator(model, STREAMS, STEPS, 2);
        PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, flat));
        score(engine, model, text, &ways[0], want, want_state);
        assert_true(px_largest(want, LENGTH) > 0.1);
        const double tolerance =
            same_bits_expected() ? 0
                                 : order_tolerance(engine, model, flat, table.count, &ways[0], text, want, want_state);
        if (tolerance > 0) print_message("V = %d, h = %d: up to %.1e\n", model->vocab, model->hidden, tolerance);
        for (size_t w = 1; w < sizeof ways / sizeof *ways; w++) {
            char what[120];
            snprintf(what, sizeof what, "V = %d, h = %d: %s instead of one window", (int)model->vocab,
                     (int)model->hidden, ways[w].name);
            score(engine, model, text, &ways[w], got, got_state);
            failures += px_compare_values(got, want, LENGTH, tolerance, 1, what);
            failures += px_compare_values(got_state, want_state, state_count, tolerance, 1, what);
        }
        px_engine_destroy(engine);
        free(flat), free(want_state), free(got_state);
    }
    assert_int_equal(failures, 0);
}

/* Decoding is evaluation one step at a time: -log p of the next token is its loss, and the state that is carried is the
 * same. */
static void next_agrees_with_evaluate(void **state)
{
    px_case c = {"next", .model = {.vocab = 40, .embed = 9, .hidden = 33, .layers = 2, .init_scale = 3}, .n = 3,
                 .T = 10, .reset_share = 0.2};
    px_parameters table;
    float nll[30], p[3 * 40];
    (void)state;
    float *flat = flat_of(&c.model, &table);
    PX_CHECK(px_parameters_init(&table, &c.model, 5, flat));
    px_engine *engine = evaluator(&c.model, c.n, c.T, 1);
    PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, flat));
    px_window window = px_case_window(&c, 0, 0);
    float *zeros = calloc(px_engine_section_count(engine, PX_SECTION_EVAL_STATE), sizeof *zeros);
    assert_non_null(zeros);

    PX_CHECK(px_engine_evaluate(engine, &window.batch, nll));
    float *want = px_section_read(engine, PX_SECTION_EVAL_STATE);
    PX_CHECK(px_engine_write(engine, PX_SECTION_EVAL_STATE, zeros));
    for (int t = 0; t < c.T; t++) {
        PX_CHECK(px_engine_next(engine, window.tokens + t * 3, window.reset + t * 3, 3, p));
        for (int i = 0; i < 3; i++) {
            double got = -log((double)p[i * 40 + window.targets[t * 3 + i]]);
            if (fabs(got - nll[t * 3 + i]) <= 5e-6 * (1 + nll[t * 3 + i])) continue;
            print_error("step %d, stream %d: -log p %.9g, loss %.9g\n", t, i, got, (double)nll[t * 3 + i]);
            fail();
        }
    }
    float *got = px_section_read(engine, PX_SECTION_EVAL_STATE);
    assert_int_equal(px_compare_values(got, want, px_engine_section_count(engine, PX_SECTION_EVAL_STATE),
                                       same_bits_expected() ? 0 : 1e-5, 1, "state after decoding"),
                     0);
    free(flat), free(zeros), free(want), free(got);
    px_window_free(&window);
    px_engine_destroy(engine);
}

/* The state of every layer of an engine [S,L,n,h], to be freed; decoding fewer streams than it has. */
static float *state_after_next(px_engine *engine, const px_window *window, int32_t n, float *p)
{
    PX_CHECK(px_engine_next(engine, window->tokens, NULL, n, p));
    return px_section_read(engine, PX_SECTION_EVAL_STATE);
}

/* Decoding leaves its states where the next call finds them and `read` sees them, whatever the calls before: one more
 * step gives the bits that another engine gives from the state that was read. And streams that are not decoded keep
 * theirs. */
static void states_after_decoding_are_those_that_are_read(void **state)
{
    enum { V = 40, N = 3, H = 33, ROWS = 2 * 2 * N };
    px_case c = {"decode", .model = {.cell = PX_CELL_LSTM, .vocab = V, .hidden = H, .layers = 2, .init_scale = 3},
                 .n = N, .T = 4};
    px_parameters table;
    float p[N * V], want_p[N * V];
    (void)state;
    float *flat = flat_of(&c.model, &table);
    PX_CHECK(px_parameters_init(&table, &c.model, 5, flat));
    px_window window = px_case_window(&c, 0, 0);
    px_engine *engine = evaluator(&c.model, N, c.T, 2), *other = evaluator(&c.model, N, c.T, 1);
    PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, flat));
    PX_CHECK(px_engine_write(other, PX_SECTION_PARAMETERS, flat));
    PX_CHECK(px_engine_evaluate(engine, &window.batch, NULL));
    for (int call = 0; call < 6; call++) {
        const int32_t n = call % 3 == 2 ? 1 : N;
        float *before = px_section_read(engine, PX_SECTION_EVAL_STATE);
        PX_CHECK(px_engine_write(other, PX_SECTION_EVAL_STATE, before));
        float *got = state_after_next(engine, &window, n, p), *want = state_after_next(other, &window, n, want_p);
        assert_int_equal(px_compare_values(got, want, ROWS * H, same_bits_expected() ? 0 : 1e-5, 1, "state"), 0);
        assert_int_equal(
            px_compare_values(p, want_p, (size_t)n * V, same_bits_expected() ? 0 : 1e-5, 1, "probabilities"), 0);
        for (int row = 0; row < ROWS; row++)
            assert_int_equal(memcmp(got + row * H, before + row * H, sizeof *got * H) == 0, row % N >= n);
        free(before), free(got), free(want);
    }
    free(flat);
    px_window_free(&window);
    px_engine_destroy(engine);
    px_engine_destroy(other);
}

int main(int argc, char **argv)
{
    px_test_skip_missing_isa();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_model_has_perplexity_V),
        cmocka_unit_test(certain_and_right_model_has_perplexity_1),
        cmocka_unit_test(zero_probability_gives_infinity),
        cmocka_unit_test(losses_depend_neither_on_the_cut_nor_on_other_streams),
        cmocka_unit_test(next_agrees_with_evaluate),
        cmocka_unit_test(states_after_decoding_are_those_that_are_read),
    };
    if (argc > 1) device = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests_name("evaluation", tests, NULL, NULL);
}
