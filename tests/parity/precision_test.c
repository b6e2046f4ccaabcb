/* Low precision, judged by what the precision itself costs:  test_precision [device]  ("reference" if not given: a check of this program).
 *
 * The reference engine computes every case three times: in full (want), with the operands of its matrix products
 * rounded to tf32 or bf16 and nothing else (same), and the device computes it in that precision (got). For losses,
 * state and each gradient tensor, in the
 * Euclidean norm:  |got - want| <= 2 |same - want| + what fp32 itself is allowed in parity_test.c.
 * Then a small training must reach the perplexity of the same training in full precision within 1 %. */
#include "cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double TIMES = 2;
/* Of parity_test.c: of a tensor's size, which counts as a fiftieth of the largest tensor's at least. */
static const double TOLERANCE = 1e-5, FLOOR_SHARE = 0.02;
static const double LOSS_TOLERANCE = 2e-6;
enum { STEPS = 2, TRAINING_STEPS = 300, EVALUATION_WINDOWS = 20 };

static const char *const precision_name[] = {[PX_FP32] = "fp32", [PX_TF32] = "tf32", [PX_BF16] = "bf16"};
static const char *device = "reference";

/* One case in one precision. */
typedef struct trio {
    const px_case *c;
    const char *precision;
    px_engine *got, *same, *want;
    px_parameters table;
    double worst; /* largest |got - want| / |same - want| where the floor does not decide */
    int failures;
} trio;

static trio trio_create(const px_case *c, px_precision precision)
{
    trio t = {.c = c, .precision = precision_name[precision]};
    PX_CHECK(px_parameters_make(&c->model, &t.table));
    t.got = px_case_engine_in(c, device, 1, 0, precision);
    t.same = px_case_engine_in(c, "reference", 1, 0, precision);
    t.want = px_case_engine(c, "reference", 1, 0);
    return t;
}

static void trio_destroy(trio *t)
{
    px_engine_destroy(t->got);
    px_engine_destroy(t->same);
    px_engine_destroy(t->want);
}

static double norm(const float *values, size_t count)
{
    double square = 0;
    for (size_t i = 0; i < count; i++) square += (double)values[i] * values[i];
    return sqrt(square);
}

static double distance(const float *a, const float *b, size_t count)
{
    double square = 0;
    for (size_t i = 0; i < count; i++) square += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(square);
}

/* The rule. A NaN fails it. */
static void judge(trio *t, double got, double same, double floor, const char *what)
{
    if (same > 10 * floor && got / same > t->worst) t->worst = got / same;
    if (got <= TIMES * same + floor) return;
    print_error("%s, %s: %s: error %.3g; the same-precision reference has %.3g, allowed are %g times that and %.3g\n",
                t->c->name, t->precision, what, got, same, TIMES, floor);
    t->failures++;
}

static void judge_values(trio *t, const float *got, const float *same, const float *want, size_t count, double floor,
                         const char *what)
{
    judge(t, distance(got, want, count), distance(same, want, count), floor, what);
}

static void judge_gradients(trio *t)
{
    float *got = px_section_read(t->got, PX_SECTION_GRADIENTS), *same = px_section_read(t->same, PX_SECTION_GRADIENTS);
    float *want = px_section_read(t->want, PX_SECTION_GRADIENTS);
    double largest = 0;
    for (int32_t k = 0; k < t->table.tensor_count; k++)
        largest = fmax(largest, norm(want + t->table.tensor[k].offset, t->table.tensor[k].count));
    for (int32_t k = 0; k < t->table.tensor_count; k++) {
        const px_tensor *tensor = &t->table.tensor[k];
        size_t at = tensor->offset;
        char text[200];
        snprintf(text, sizeof text, "gradient of %s", tensor->name);
        double floor = TOLERANCE * fmax(norm(want + at, tensor->count), FLOOR_SHARE * largest);
        judge_values(t, got + at, same + at, want + at, tensor->count, floor, text);
    }
    free(got), free(same), free(want);
}

static void judge_state(trio *t)
{
    size_t count = px_engine_section_count(t->want, PX_SECTION_STATE);
    float *got = px_section_read(t->got, PX_SECTION_STATE), *same = px_section_read(t->same, PX_SECTION_STATE);
    float *want = px_section_read(t->want, PX_SECTION_STATE);
    judge_values(t, got, same, want, count, TOLERANCE * norm(want, count), "state");
    free(got), free(same), free(want);
}

static void judge_loss(trio *t)
{
    px_metrics got, same, want;
    PX_CHECK(px_engine_metrics(t->got, 1, &got));
    PX_CHECK(px_engine_metrics(t->same, 1, &same));
    PX_CHECK(px_engine_metrics(t->want, 1, &want));
    assert_int_equal(got.tokens, want.tokens);
    judge(t, fabs(got.loss_sum - want.loss_sum), fabs(same.loss_sum - want.loss_sum),
          LOSS_TOLERANCE * (want.loss_sum + (double)want.tokens), "loss");
}

static void judge_evaluation(trio *t, const px_window *window)
{
    size_t tokens = (size_t)window->batch.n * (size_t)window->batch.T;
    float *nll = calloc(3 * tokens, sizeof *nll);
    assert_non_null(nll);
    PX_CHECK(px_engine_evaluate(t->got, &window->batch, nll));
    PX_CHECK(px_engine_evaluate(t->same, &window->batch, nll + tokens));
    PX_CHECK(px_engine_evaluate(t->want, &window->batch, nll + 2 * tokens));
    double floor = LOSS_TOLERANCE * (norm(nll + 2 * tokens, tokens) + sqrt((double)tokens));
    judge_values(t, nll, nll + tokens, nll + 2 * tokens, tokens, floor, "losses of tokens");
    judge_loss(t);
    free(nll);
}

/* Two steps, each from the state of the full reference: the second from weights that have moved. */
static void error_is_at_most_twice_the_precisions_own(void **state)
{
    const px_case *c = *state;
    int failures = 0;
    for (px_precision precision = PX_TF32; precision <= PX_BF16; precision++) {
        trio t = trio_create(c, precision);
        for (uint64_t step = 0; step < STEPS; step++) {
            px_update update = {.step = step, .lr = 0.05};
            px_sections_copy(t.want, t.got);
            px_sections_copy(t.want, t.same);
            for (int32_t i = 0; i < (c->windows ? c->windows : 1); i++) {
                px_window window = px_case_window(c, step, i);
                if (i == 0) judge_evaluation(&t, &window);
                PX_CHECK(px_engine_accumulate(t.got, &window.batch));
                PX_CHECK(px_engine_accumulate(t.same, &window.batch));
                PX_CHECK(px_engine_accumulate(t.want, &window.batch));
                px_window_free(&window);
            }
            judge_loss(&t);
            judge_gradients(&t);
            judge_state(&t);
            PX_CHECK(px_engine_update(t.want, &update));
        }
        print_message("%s, %s: at most %.2f times the precision's own error\n", c->name, t.precision, t.worst);
        failures += t.failures;
        trio_destroy(&t);
    }
    assert_int_equal(failures, 0);
}

/* ---- the yardstick ----------------------------------------------------------------------------------------------- */

static double relative_error_of_reference(const px_case *c, px_precision precision)
{
    px_engine *full = px_case_engine(c, "reference", 1, 0), *low = px_case_engine_in(c, "reference", 1, 0, precision);
    px_window window = px_case_window(c, 0, 0);
    PX_CHECK(px_engine_accumulate(full, &window.batch));
    PX_CHECK(px_engine_accumulate(low, &window.batch));
    size_t count = px_engine_section_count(full, PX_SECTION_GRADIENTS);
    float *want = px_section_read(full, PX_SECTION_GRADIENTS), *got = px_section_read(low, PX_SECTION_GRADIENTS);
    double error = distance(got, want, count) / norm(want, count);
    free(want), free(got);
    px_window_free(&window);
    px_engine_destroy(full);
    px_engine_destroy(low);
    return error;
}

/* One rounding moves a number by at most 2^-11 of itself in tf32 (10 explicit bits) and 2^-8 in bf16 (7), by 0.4 of
 * that in the mean square. Gradients are products of a few such numbers, whose errors partly cancel in sums: between a
 * tenth of that bound and twice it. */
static void yardstick_has_the_size_that_its_bits_make(void **state)
{
    static const char *const names[] = {"embedding, d < h", "tied, d < h: projection", "n = 33, h = 130, two layers",
                                        "2310 rows"};
    (void)state;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const px_case *c = NULL;
        for (size_t i = 0; i < px_case_count; i++)
            if (!strcmp(px_cases[i].name, names[k])) c = &px_cases[i];
        assert_non_null(c);
        double tf32 = relative_error_of_reference(c, PX_TF32), bf16 = relative_error_of_reference(c, PX_BF16);
        print_message("%s: gradient off by %.2g in tf32, %.2g in bf16\n", c->name, tf32, bf16);
        assert_true(tf32 > 0.1 * 0x1p-11 && tf32 < 2 * 0x1p-11);
        assert_true(bf16 > 0.1 * 0x1p-8 && bf16 < 2 * 0x1p-8);
    }
}

/* The logit of a one-unit ReLU model is what is left of its hidden unit times what is left of its output weight. */
static void rounding_is_to_nearest_even(void **state)
{
    static const struct {
        double x, tf32, bf16;
    } row[] = {
        {1 + 0x1p-7, 1 + 0x1p-7, 1 + 0x1p-7},
        {1 + 0x1p-10, 1 + 0x1p-10, 1},
        {1 + 0x1p-11, 1, 1},
        {1 + 0x3p-11, 1 + 0x1p-9, 1},
        {1 + 0x1p-8, 1 + 0x1p-8, 1},
        {1 + 0x3p-8, 1 + 0x3p-8, 1 + 0x1p-6},
        {1 + 0x1p-8 + 0x1p-12, 1 + 0x1p-8, 1 + 0x1p-7},
        {2 - 0x1p-12, 2, 2},
        {0.75 + 0x1p-12, 0.75, 0.75},
        {0.1f, 0x1.998p-4, 0x1.9ap-4},
    };
    static const px_case c = {.name = "one unit",
                              .model = {.vocab = 2, .hidden = 1, .layers = 1, .cell = PX_CELL_RELU, .init_scale = 1},
                              .n = 1,
                              .T = 1,
                              .zero_state = 1};
    int32_t token = 0;
    px_parameters table;
    (void)state;
    PX_CHECK(px_parameters_make(&c.model, &table));
    for (px_precision precision = PX_TF32; precision <= PX_BF16; precision++) {
        px_engine *engine = px_case_engine_in(&c, "reference", 1, 0, precision);
        for (size_t k = 0; k < 2 * sizeof row / sizeof *row; k++) {
            double left = precision == PX_TF32 ? row[k / 2].tf32 : row[k / 2].bf16;
            float *weights = calloc(table.count, sizeof *weights), p[2];
            assert_non_null(weights);
            /* one factor is the number, the other 1 */
            weights[px_parameters_find(&table, PX_TENSOR_W_XH, 0)->offset] = k % 2 ? (float)row[k / 2].x : 1;
            weights[px_parameters_find(&table, PX_TENSOR_W_HQ, 0)->offset] = k % 2 ? 1 : (float)row[k / 2].x;
            PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, weights));
            uint8_t reset = 1;
            PX_CHECK(px_engine_next(engine, &token, &reset, 1, p));
            assert_true(fabs(log((double)p[0] / p[1]) - left) < 1e-6);
            free(weights);
        }
        px_engine_destroy(engine);
    }
}

/* ---- a training -------------------------------------------------------------------------------------------------- */

static const px_case training = {
    .name = "training",
    .model = {.vocab = 12, .embed = 8, .hidden = 24, .layers = 1, .init_scale = 1, .init_gain = 1},
    .optimizer = {.kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip = 1},
    .n = 8,
    .T = 10,
    .zero_state = 1};

/* Token `at` of a stream. Of eight tokens seven follow from the two before them; the eighth is any. */
static int32_t next_token(uint64_t stream, uint64_t at, int32_t before, int32_t last)
{
    uint64_t place = stream << 32 | at;
    if (px_test_uniform(1, place, 1) > 0.75f) return (int32_t)((px_test_uniform(2, place, 1) + 1) / 2 * 12) % 12;
    return last % 2 ? (last + 3) % 12 : (before + 1) % 12;
}

/* The window after the one that w holds (any at step 0), of streams first .. first + n - 1. */
static void window_advance(px_window *w, uint64_t first, uint64_t step)
{
    int32_t n = w->batch.n, T = w->batch.T;
    for (int32_t i = 0; i < n; i++) {
        int32_t before = step ? w->tokens[(T - 1) * n + i] : 0, last = step ? w->targets[(T - 1) * n + i] : i % 12;
        for (int32_t t = 0; t < T; t++) {
            int32_t next = next_token(first + (uint64_t)i, step * (uint64_t)T + (uint64_t)t, before, last);
            w->tokens[t * n + i] = last;
            w->targets[t * n + i] = next;
            before = last;
            last = next;
        }
    }
    w->batch.step = step;
}

/* Perplexity of text that the training has not seen. */
static double perplexity_of_training(const char *on, px_precision precision)
{
    px_engine *engine = px_case_engine_in(&training, on, 1, 0, precision);
    px_window window = px_case_window(&training, 0, 0);
    px_metrics metrics;
    for (uint64_t step = 0; step < TRAINING_STEPS; step++) {
        px_update update = {.step = step, .lr = 0.01 * (1 - (double)step / TRAINING_STEPS)};
        window_advance(&window, 0, step);
        PX_CHECK(px_engine_accumulate(engine, &window.batch));
        PX_CHECK(px_engine_update(engine, &update));
    }
    PX_CHECK(px_engine_metrics(engine, 1, &metrics));
    assert_int_equal(metrics.bad_step, -1);
    for (uint64_t step = 0; step < EVALUATION_WINDOWS; step++) {
        window_advance(&window, 1000, step);
        PX_CHECK(px_engine_evaluate(engine, &window.batch, NULL));
    }
    PX_CHECK(px_engine_metrics(engine, 1, &metrics));
    px_window_free(&window);
    px_engine_destroy(engine);
    return exp(metrics.loss_sum / (double)metrics.tokens);
}

static void training_reaches_the_full_perplexity(void **state)
{
    double want = perplexity_of_training("reference", PX_FP32);
    (void)state;
    print_message("training in double precision: perplexity %.4f of 12\n", want);
    assert_true(want < 4); /* it did learn */
    for (px_precision precision = PX_TF32; precision <= PX_BF16; precision++) {
        double got = perplexity_of_training(device, precision);
        print_message("training in %s: perplexity %.4f, %+.2f %%\n", precision_name[precision], got,
                      100 * (got / want - 1));
        assert_true(fabs(got / want - 1) < 0.01);
    }
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[256];
    size_t count = 0;
    if (argc > 1) device = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    assert_true(px_case_count + 3 <= sizeof tests / sizeof *tests);
    for (size_t i = 0; i < px_case_count; i++)
        tests[count++] = (struct CMUnitTest){px_cases[i].name, error_is_at_most_twice_the_precisions_own, NULL, NULL,
                                             (void *)&px_cases[i]};
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(rounding_is_to_nearest_even);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(yardstick_has_the_size_that_its_bits_make);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(training_reaches_the_full_perplexity);
    return _cmocka_run_group_tests("precision", tests, count, NULL, NULL);
}
