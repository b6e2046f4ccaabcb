/* Parity of an engine with the reference, for every case of the shared table, parameter by parameter and step by step,
 * each step
 * from the same state:  test_parity [device]  ("cpu" if not given; "reference" is a smoke check of this program).
 *
 * Tolerance 1e-5 of a tensor's largest magnitude, unless said otherwise where it is used. It comes from fp32: one
 * rounding is 2^-24 = 6e-8; a gradient element is a sum of up to 2,310 rows here whose terms have gone through products
 * of up to 257 terms in every step of a window; errors of k roundings grow like sqrt(k), so that 6e-8 sqrt(2310) = 3e-6
 * is expected and 1e-5 has a margin of 3. A missing term, a mask that is off by one element or a step too many is
 * larger by orders of magnitude. */
#include "cases.h"
#include "rate_scaling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double TOLERANCE = 1e-5;
/* softmax - onehot is wrong by a rounding or two of 1, whatever is left of it after the products below it have
 * cancelled: a tensor whose gradient is small is judged against a fiftieth of the largest of the model, so that 2e-7 of
 * that (three roundings) is always allowed. */
static const double FLOOR_SHARE = 0.02;
enum { STEPS = 3 };

static const char *device = "cpu";

typedef struct pair {
    const px_case *c;
    px_engine *got, *want;
    px_parameters table;
    int failures;
} pair;

/* One thread and two in turn: both ways of sharing work are seen. */
static pair pair_create(const px_case *c, int32_t averaging)
{
    pair p = {.c = c};
    int32_t threads = 1 + (int32_t)(c - px_cases) % 2;
    PX_CHECK(px_parameters_make(&c->model, &p.table));
    p.got = px_case_engine(c, device, threads, averaging);
    p.want = px_case_engine(c, "reference", 1, averaging);
    return p;
}

static void pair_destroy(pair *p)
{
    px_engine_destroy(p->got);
    px_engine_destroy(p->want);
}

static void compare_section(pair *p, px_section section, double relative, double floor, const char *what)
{
    size_t count = px_engine_section_count(p->want, section);
    assert_int_equal(px_engine_section_count(p->got, section), count);
    float *got = px_section_read(p->got, section), *want = px_section_read(p->want, section);
    char text[200];
    snprintf(text, sizeof text, "%s: %s", p->c->name, what);
    if (!want)
        ;
    else if (count == p->table.count && section != PX_SECTION_STATE && section != PX_SECTION_EVAL_STATE)
        p->failures += px_compare_tensors(&p->table, got, want, relative, floor, text);
    else
        p->failures += px_compare_values(got, want, count, relative, floor, text);
    free(got);
    free(want);
}

static void compare_numbers(pair *p, double got, double want, double tolerance, const char *what)
{
    if (got == want || fabs(got - want) <= tolerance) return;
    print_error("%s: %s: got %.9g, want %.9g, tolerance %.3g\n", p->c->name, what, got, want, tolerance);
    p->failures++;
}

/* Losses of a step: a mean of fp32 losses that are each right to about 1e-6. */
static void compare_metrics(pair *p, const char *what)
{
    px_metrics got, want;
    PX_CHECK(px_engine_metrics(p->got, 1, &got));
    PX_CHECK(px_engine_metrics(p->want, 1, &want));
    compare_numbers(p, got.loss_sum, want.loss_sum, 2e-6 * (want.loss_sum + (double)want.tokens), what);
    compare_numbers(p, (double)got.tokens, (double)want.tokens, 0, "tokens");
    compare_numbers(p, got.grad_norm, want.grad_norm, TOLERANCE * want.grad_norm, "gradient norm");
    compare_numbers(p, (double)got.updates, (double)want.updates, 0, "updates");
    compare_numbers(p, (double)got.bad_step, (double)want.bad_step, 0, "bad step");
}

static void accumulate_both(pair *p, uint64_t step)
{
    int32_t windows = p->c->windows ? p->c->windows : 1;
    for (int32_t i = 0; i < windows; i++) {
        px_window window = px_case_window(p->c, step, i);
        PX_CHECK(px_engine_accumulate(p->got, &window.batch));
        PX_CHECK(px_engine_accumulate(p->want, &window.batch));
        px_window_free(&window);
    }
}

/* Moments and averages come from equal numbers by a handful of fp32 operations: 1e-6. A weight is compared by how far
 * it moved: it may be off by a rounding of its own size and by 1e-5 of the largest move of its tensor. Adam's move is a
 * quotient of moments, which is no worse conditioned, since both engines are given the same gradient. */
static void compare_update(pair *p, const float *before)
{
    float *got = px_section_read(p->got, PX_SECTION_PARAMETERS),
          *want = px_section_read(p->want, PX_SECTION_PARAMETERS);
    for (int32_t k = 0; k < p->table.tensor_count; k++) {
        const px_tensor *tensor = &p->table.tensor[k];
        double move = 0, size = px_largest(want + tensor->offset, tensor->count);
        char text[200];
        for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++)
            if (fabs((double)want[i] - before[i]) > move) move = fabs((double)want[i] - before[i]);
        double tolerance = TOLERANCE * move + 0x1p-23 * size;
        snprintf(text, sizeof text, "%s: updated %s", p->c->name, tensor->name);
        p->failures +=
            px_compare_values(got + tensor->offset, want + tensor->offset, tensor->count, tolerance, 1, text);
    }
    free(got);
    free(want);
    compare_section(p, PX_SECTION_MOMENT1, 1e-6, 0, "first moment");
    compare_section(p, PX_SECTION_MOMENT2, 1e-6, 0, "second moment");
    compare_section(p, PX_SECTION_AVERAGE, 1e-6, 0, "average");
    compare_section(p, PX_SECTION_GRADIENTS, 0, 0, "gradient after the update (zero)");
}

/* A learning rate at which no tensor steps at more than 0.05. */
static double rate_of(const pair *p)
{
    const px_rate_spans rates = px_rate_spans_make(&p->table, &p->c->model, &p->c->optimizer);
    double largest = 1;
    for (int32_t s = 0; s < rates.count; s++) largest = fmax(largest, rates.span[s].factor);
    return 0.05 / largest;
}

static void training_steps_match_the_reference(void **test_state)
{
    pair p = pair_create(*test_state, 1);
    for (uint64_t step = 0; step < STEPS && !p.failures; step++) {
        px_update update = {
            .step = step, .moment_steps = 3, .lr = rate_of(&p), .average_weight = 1.0 / (double)(step + 2)};
        px_sections_copy(p.want, p.got);
        accumulate_both(&p, step);
        float *gradient = px_section_read(p.want, PX_SECTION_GRADIENTS);
        float *before = px_section_read(p.want, PX_SECTION_PARAMETERS);
        double largest = px_largest(gradient, p.table.count);
        compare_metrics(&p, "loss");
        compare_section(&p, PX_SECTION_GRADIENTS, TOLERANCE, FLOOR_SHARE * largest, "gradient");
        compare_section(&p, PX_SECTION_STATE, TOLERANCE, 0, "state");
        /* the same gradient for both: what follows judges the update alone */
        PX_CHECK(px_engine_write(p.got, PX_SECTION_GRADIENTS, gradient));
        PX_CHECK(px_engine_update(p.got, &update));
        PX_CHECK(px_engine_update(p.want, &update));
        compare_metrics(&p, "loss after the update");
        compare_update(&p, before);
        free(gradient);
        free(before);
    }
    int failures = p.failures;
    pair_destroy(&p);
    assert_int_equal(failures, 0);
}

/* Per-token losses, the loss they add up to, the state they leave, and the probabilities of the next token. */
static void evaluation_matches_the_reference(void **test_state)
{
    const px_case *c = *test_state;
    pair p = pair_create(c, 0);
    size_t rows = (size_t)c->n * (size_t)c->T, V = (size_t)c->model.vocab;
    float *got = calloc(rows, sizeof *got), *want = calloc(rows, sizeof *want);
    float *got_p = calloc((size_t)c->n * V, sizeof *got_p), *want_p = calloc((size_t)c->n * V, sizeof *want_p);
    assert_true(got && want && got_p && want_p);
    for (uint64_t step = 0; step < 2; step++) {
        px_window window = px_case_window(c, step, 7);
        size_t n = (size_t)window.batch.n, tokens = n * (size_t)window.batch.T;
        PX_CHECK(px_engine_evaluate(p.got, &window.batch, got));
        PX_CHECK(px_engine_evaluate(p.want, &window.batch, want));
        p.failures += px_compare_values(got, want, tokens, 2e-6, 1, "loss of a token");
        PX_CHECK(px_engine_evaluate(p.got, &window.batch, NULL));
        PX_CHECK(px_engine_evaluate(p.want, &window.batch, NULL));
        compare_metrics(&p, "loss of an evaluation");
        compare_section(&p, PX_SECTION_EVAL_STATE, TOLERANCE, 0, "evaluation state");

        PX_CHECK(px_engine_next(p.got, window.tokens, step ? window.reset : NULL, (int32_t)n, got_p));
        PX_CHECK(px_engine_next(p.want, window.tokens, step ? window.reset : NULL, (int32_t)n, want_p));
        p.failures += px_compare_values(got_p, want_p, n * V, TOLERANCE, 0, "probability of the next token");
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t v = 0; v < V; v++) sum += got_p[i * V + v];
            compare_numbers(&p, sum, 1, 1e-5, "sum of probabilities");
        }
        px_window_free(&window);
    }
    int failures = p.failures;
    free(got), free(want), free(got_p), free(want_p);
    pair_destroy(&p);
    assert_int_equal(failures, 0);
}

int main(int argc, char **argv)
{
    px_test_skip_missing_isa();
    struct CMUnitTest tests[512];
    char names[512][160];
    size_t count = 0;
    if (argc > 1) device = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    assert_true(2 * px_case_count <= sizeof tests / sizeof *tests);
    for (size_t i = 0; i < px_case_count; i++) {
        snprintf(names[count], sizeof names[count], "step: %s", px_cases[i].name);
        tests[count] =
            (struct CMUnitTest){names[count], training_steps_match_the_reference, NULL, NULL, (void *)&px_cases[i]};
        count++;
        snprintf(names[count], sizeof names[count], "evaluation: %s", px_cases[i].name);
        tests[count] =
            (struct CMUnitTest){names[count], evaluation_matches_the_reference, NULL, NULL, (void *)&px_cases[i]};
        count++;
    }
    return _cmocka_run_group_tests("parity", tests, count, NULL, NULL);
}
