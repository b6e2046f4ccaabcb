/* Central differences on the reference engine: the gradient of every case of the shared table, and the facts about
 * gradients that differences cannot see (truncation, accumulation).
 *
 * The loss of a window is computed in double, so a small step is possible: with e = 1e-5 the difference is wrong by
 * e^2/6 of the third derivative (1e-11 of it) and by rounding of the loss, 1e-15 / e = 1e-10. Weights are fp32, so a
 * step is first rounded to what fp32 can hold, and the true step divides. Gradients are read as fp32: 6e-8 relative.
 * The tolerance of 1e-6 of a tensor's largest gradient covers these with a factor of 10, and a wrong term of any size
 * that matters does not fit in it. */
#include "cases.h"

#include "reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double STEP = 1e-5, TOLERANCE = 1e-6, FLOOR = 1e-3;
enum { SAMPLES_PER_TENSOR = 40 };

/* Loss of a case's windows from its first state, times inv_count, and the penalties beside it; gradients are left in
 * the engine. */
static double loss_of(px_engine *engine, const px_window *window, int32_t windows, const float *state,
                      const float *zeros)
{
    px_metrics metrics;
    double loss = 0;
    PX_CHECK(px_engine_write(engine, PX_SECTION_STATE, state));
    PX_CHECK(px_engine_write(engine, PX_SECTION_GRADIENTS, zeros));
    for (int32_t i = 0; i < windows; i++) {
        PX_CHECK(px_engine_accumulate(engine, &window[i].batch));
        PX_CHECK(px_engine_metrics(engine, 1, &metrics));
        assert_int_equal(metrics.tokens, window[i].scored);
        loss += metrics.loss_sum * window[i].batch.inv_count + px_reference_penalties(engine);
    }
    return loss;
}

/* Elements of one tensor: all of a small one, evenly spread ones of a large one. */
static size_t check_tensor(px_engine *engine, const px_case *c, const px_tensor *tensor, const px_window *window,
                           const float *state, const float *zeros, float *weights, const float *gradient)
{
    size_t stride = tensor->count / SAMPLES_PER_TENSOR + 1, failures = 0;
    double scale = px_largest(gradient + tensor->offset, tensor->count);
    double tolerance = TOLERANCE * (scale > FLOOR ? scale : FLOOR);
    for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i += stride) {
        float kept = weights[i], up = (float)(kept + STEP), down = (float)(kept - STEP);
        double step = (double)up - (double)down, loss_up, loss_down;
        weights[i] = up;
        PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, weights));
        loss_up = loss_of(engine, window, 1, state, zeros);
        weights[i] = down;
        PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, weights));
        loss_down = loss_of(engine, window, 1, state, zeros);
        weights[i] = kept;
        double want = (loss_up - loss_down) / step, got = gradient[i];
        if (fabs(got - want) <= tolerance) continue;
        print_error("%s: %s[%zu]: got %.9g, central difference %.9g, tolerance %.3g\n", c->name, tensor->name,
                    i - tensor->offset, got, want, tolerance);
        failures++;
    }
    return failures;
}

static void gradient_matches_central_differences(void **test_state)
{
    const px_case *c = *test_state;
    px_parameters table;
    size_t failures = 0;
    PX_CHECK(px_parameters_make(&c->model, &table));
    px_engine *engine = px_case_engine(c, "reference", 1, 0);
    px_window window = px_case_window(c, 3, 0);
    float *zeros = calloc(table.count, sizeof *zeros), *state = px_section_read(engine, PX_SECTION_STATE);
    float *weights = px_section_read(engine, PX_SECTION_PARAMETERS);
    assert_non_null(zeros);

    /* another window first: whatever it leaves in the engine's buffers must not be seen in the next */
    px_window other = px_case_window(c, 4, 1);
    loss_of(engine, &other, 1, state, zeros);
    px_window_free(&other);
    double loss = loss_of(engine, &window, 1, state, zeros);
    float *gradient = px_section_read(engine, PX_SECTION_GRADIENTS);
    assert_true(isfinite(loss));
    /* a model with anything to learn has a gradient: the check below cannot pass on zeros alone */
    if (c->model.vocab > 1 && window.scored > 0) assert_true(px_largest(gradient, table.count) > 1e-4);
    for (int32_t k = 0; k < table.tensor_count; k++)
        failures += check_tensor(engine, c, &table.tensor[k], &window, state, zeros, weights, gradient);
    free(gradient);
    free(weights);
    free(state);
    free(zeros);
    px_window_free(&window);
    px_engine_destroy(engine);
    assert_int_equal(failures, 0);
}

/* The gradient of two windows is the sum of each window's own, from the state the other left: nothing returns through
 * the carried state. A gradient through it would be seen here, since both windows are scored. */
static void gradient_is_truncated_at_the_start_of_a_window(void **test_state)
{
    const px_case *c =
        &(px_case){"truncation", .model = {.vocab = 9, .hidden = 10, .layers = 2, .init_scale = 1}, .n = 3, .T = 4};
    px_parameters table;
    (void)test_state;
    PX_CHECK(px_parameters_make(&c->model, &table));
    px_engine *engine = px_case_engine(c, "reference", 1, 0);
    px_window window[2] = {px_case_window(c, 0, 0), px_case_window(c, 0, 1)};
    float *zeros = calloc(table.count, sizeof *zeros), *state = px_section_read(engine, PX_SECTION_STATE);
    assert_non_null(zeros);

    loss_of(engine, window, 2, state, zeros);
    float *both = px_section_read(engine, PX_SECTION_GRADIENTS);
    loss_of(engine, window, 1, state, zeros);
    float *first = px_section_read(engine, PX_SECTION_GRADIENTS), *between = px_section_read(engine, PX_SECTION_STATE);
    loss_of(engine, window + 1, 1, between, zeros);
    float *second = px_section_read(engine, PX_SECTION_GRADIENTS);
    for (size_t i = 0; i < table.count; i++) first[i] += second[i];
    assert_int_equal(px_compare_tensors(&table, both, first, 1e-6, 1e-6, "sum over windows"), 0);
    assert_true(px_largest(second, table.count) > 1e-4);

    free(both), free(first), free(between), free(second), free(zeros), free(state);
    px_window_free(&window[0]);
    px_window_free(&window[1]);
    px_engine_destroy(engine);
}

/* A reset mark at step t is a new window from a zero state at t, in loss and in gradient. */
static void reset_equals_a_new_window_from_zero(void **test_state)
{
    const px_case *c = &(px_case){
        "reset", .model = {.vocab = 9, .embed = 4, .hidden = 10, .layers = 2, .init_scale = 1}, .n = 2, .T = 6};
    enum { CUT = 2 };
    px_parameters table;
    (void)test_state;
    PX_CHECK(px_parameters_make(&c->model, &table));
    px_engine *engine = px_case_engine(c, "reference", 1, 0);
    px_window window = px_case_window(c, 0, 0);
    float *zeros = calloc(table.count, sizeof *zeros), *state = px_section_read(engine, PX_SECTION_STATE);
    assert_non_null(zeros);
    window.reset[CUT * 2] = window.reset[CUT * 2 + 1] = 1;
    double whole = loss_of(engine, &window, 1, state, zeros);
    float *gradient = px_section_read(engine, PX_SECTION_GRADIENTS);

    px_window part[2] = {window, window};
    part[0].batch.T = CUT;
    part[0].scored = CUT * 2;
    part[1].batch.T = c->T - CUT;
    part[1].scored = (c->T - CUT) * 2;
    part[1].batch.tokens += CUT * 2;
    part[1].batch.targets += CUT * 2;
    part[1].batch.reset = calloc((size_t)c->T * 2, 1);
    assert_non_null(part[1].batch.reset);
    double cut = loss_of(engine, part, 1, state, zeros);
    float *first = px_section_read(engine, PX_SECTION_GRADIENTS);
    cut += loss_of(engine, part + 1, 1, zeros, zeros); /* zeros is longer than a state */
    float *second = px_section_read(engine, PX_SECTION_GRADIENTS);
    assert_true(table.count >= px_engine_section_count(engine, PX_SECTION_STATE));
    for (size_t i = 0; i < table.count; i++) first[i] += second[i];
    assert_true(fabs(whole - cut) < 1e-12 * whole);
    assert_int_equal(px_compare_tensors(&table, gradient, first, 1e-6, 1e-6, "gradient across a reset"), 0);

    free((void *)part[1].batch.reset);
    free(gradient), free(first), free(second), free(zeros), free(state);
    px_window_free(&window);
    px_engine_destroy(engine);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[160];
    size_t count = 0;
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    for (size_t i = 0; i < px_case_count; i++)
        if (!px_cases[i].large)
            tests[count++] = (struct CMUnitTest){px_cases[i].name, gradient_matches_central_differences, NULL, NULL,
                                                 (void *)&px_cases[i]};
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(gradient_is_truncated_at_the_start_of_a_window);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(reset_equals_a_new_window_from_zero);
    /* cmocka takes an array whose size it sees, or this form of the same call */
    return _cmocka_run_group_tests("gradient", tests, count, NULL, NULL);
}
