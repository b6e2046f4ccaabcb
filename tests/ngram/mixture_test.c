/* Two models together: the weight that is found is the best one, also at the ends and beside probabilities of 0. */
#include "mixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

enum { COUNT = 500 };

static void make_losses(double *a, double *b, double better)
{
    uint32_t seed = 4711;
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 1664525u + 1013904223u;
        a[i] = 0.01 + (seed >> 8) % 1000 * 0.004;
        seed = seed * 1664525u + 1013904223u;
        b[i] = better + 0.01 + (seed >> 8) % 1000 * 0.004;
    }
}

static void the_weight_is_the_best_of_a_grid(void **state)
{
    double a[COUNT], b[COUNT];
    (void)state;
    for (double better = 0; better < 1.2; better += 0.3) {
        make_losses(a, b, better);
        double weight = px_mixture_best(a, b, COUNT), least = px_mixture_loss(a, b, COUNT, weight);
        assert_true(weight > 0 && weight < 1);
        for (int i = 0; i <= 1000; i++) assert_true(px_mixture_loss(a, b, COUNT, i * 0.001) >= least - 1e-14);
        assert_true(px_mixture_loss(a, b, COUNT, weight + 1e-3) > least);
        assert_true(px_mixture_loss(a, b, COUNT, weight - 1e-3) > least);
        /* the other way round it is the other one's share */
        assert_true(fabs(px_mixture_best(b, a, COUNT) - (1 - weight)) < 1e-8);
    }
}

static void the_loss_is_that_of_the_mixed_probabilities(void **state)
{
    static const double a[] = {0.5, 2, 1}, b[] = {1.5, 0.25, 1};
    double want = 0;
    (void)state;
    for (int i = 0; i < 3; i++) want -= log(0.3 * exp(-a[i]) + 0.7 * exp(-b[i])) / 3;
    assert_true(fabs(px_mixture_loss(a, b, 3, 0.3) - want) < 1e-14);
    assert_true(fabs(px_mixture_loss(a, b, 3, 1) - 3.5 / 3) < 1e-14);
    assert_true(fabs(px_mixture_loss(a, b, 3, 0) - 2.75 / 3) < 1e-14);
}

static void a_model_that_is_always_better_stands_alone(void **state)
{
    static const double a[] = {1, 2, 3}, b[] = {1.5, 2.5, 3};
    (void)state;
    assert_true(px_mixture_best(a, b, 3) == 1);
    assert_true(px_mixture_best(b, a, 3) == 0);
}

static void probabilities_of_0_leave_the_other_model_its_share(void **state)
{
    static const double a[] = {0.1, INFINITY, 0.1}, b[] = {2, 2, 2}, impossible[] = {INFINITY, 0, 0},
                        tiny[] = {800, 900, 1000}, small[] = {801, 899, 1000};
    (void)state;
    double weight = px_mixture_best(a, b, 3);
    assert_true(weight > 0 && weight < 1);
    assert_true(isfinite(px_mixture_loss(a, b, 3, weight)));
    assert_true(isinf(px_mixture_loss(a, b, 3, 1)));
    assert_true(isfinite(px_mixture_loss(a, b, 3, 0)));
    assert_true(isinf(px_mixture_loss(impossible, impossible, 3, 0.5)));
    assert_true(isfinite(px_mixture_loss(tiny, small, 3, 0.5))); /* e^-800 is no double */
    assert_true(px_mixture_best(tiny, small, 3) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_weight_is_the_best_of_a_grid),
        cmocka_unit_test(the_loss_is_that_of_the_mixed_probabilities),
        cmocka_unit_test(a_model_that_is_always_better_stands_alone),
        cmocka_unit_test(probabilities_of_0_leave_the_other_model_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
