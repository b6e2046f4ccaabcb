/* The scalar maths that every engine shares: cells against differences, the loss at its extremes. */
#include "cell_relu.h"
#include "cell_tanh.h"
#include "loss.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void cells_have_the_derivatives_of_their_outputs(void **state)
{
    const double step = 1e-6;
    (void)state;
    for (double z = -3.05; z < 3.1; z += 0.1) {
        double tanh_slope = (px_cell_tanh_forward(z + step) - px_cell_tanh_forward(z - step)) / (2 * step);
        double relu_slope = (px_cell_relu_forward(z + step) - px_cell_relu_forward(z - step)) / (2 * step);
        assert_true(fabs(px_cell_tanh_backward(px_cell_tanh_forward(z), 0.7) - 0.7 * tanh_slope) < 1e-9);
        assert_true(fabs(px_cell_relu_backward(px_cell_relu_forward(z), 0.7) - 0.7 * relu_slope) < 1e-9);
        float f = (float)z;
        assert_true(fabs(px_cell_tanh_forwardf(f) - px_cell_tanh_forward(f)) < 2e-7);
        assert_true(fabs(px_cell_tanh_backwardf(px_cell_tanh_forwardf(f), 1) - px_cell_tanh_backward(px_cell_tanh_forward(f), 1)) < 5e-7);
        assert_true(px_cell_relu_forwardf(f) == (float)px_cell_relu_forward(f));
        assert_true(px_cell_relu_backwardf(px_cell_relu_forwardf(f), 3) == (float)px_cell_relu_backward(px_cell_relu_forward(f), 3));
    }
    assert_true(px_cell_relu_forward(0) == 0 && px_cell_relu_backward(0, 1) == 0);
}

static void cells_pass_a_nan_on(void **state)
{
    (void)state;
    assert_true(isnan(px_cell_tanh_forward(NAN)) && isnan(px_cell_tanh_forwardf(NAN)));
    assert_true(isnan(px_cell_relu_forward(NAN)) && isnan(px_cell_relu_forwardf(NAN)));
    assert_true(px_cell_relu_forward(INFINITY) == INFINITY && px_cell_relu_forward(-INFINITY) == 0);
}

static double nll_of(const double *o, int32_t V, int32_t target)
{
    px_loss_row row = px_loss_row_of(o, V);
    return px_loss_nll(o[target], row.max, log(row.sum));
}

static void loss_is_minus_log_softmax(void **state)
{
    const double o[] = {0.5, -1, 2, 0.25};
    double sum = exp(0.5) + exp(-1) + exp(2) + exp(0.25);
    (void)state;
    for (int32_t k = 0; k < 4; k++) assert_true(fabs(nll_of(o, 4, k) + log(exp(o[k]) / sum)) < 1e-14);
    const double large[] = {1e4, -1e4, 9999};
    assert_true(fabs(nll_of(large, 3, 1) - (2e4 + log1p(exp(-1)))) < 1e-9);
    const double equal[] = {7, 7, 7, 7, 7};
    assert_true(fabs(nll_of(equal, 5, 3) - log(5)) < 1e-15);
    const double one = -3;
    assert_true(nll_of(&one, 1, 0) == 0);
}

static void loss_is_exact_at_its_extremes(void **state)
{
    const double inf = INFINITY;
    const double closed[] = {0, -inf, 0}, open[] = {0, inf, 0}, two[] = {inf, 1, inf}, none[] = {-inf, -inf}, spoilt[] = {0, NAN, 1};
    (void)state;
    assert_true(nll_of(closed, 3, 1) == inf && fabs(nll_of(closed, 3, 0) - log(2)) < 1e-15);
    assert_true(nll_of(open, 3, 1) == 0 && nll_of(open, 3, 0) == inf);
    assert_true(fabs(nll_of(two, 3, 2) - log(2)) < 1e-15 && nll_of(two, 3, 1) == inf);
    assert_true(nll_of(none, 2, 0) == inf); /* nothing has any probability */
    for (int32_t k = 0; k < 3; k++) assert_true(isnan(nll_of(spoilt, 3, k)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_have_the_derivatives_of_their_outputs),
        cmocka_unit_test(cells_pass_a_nan_on),
        cmocka_unit_test(loss_is_minus_log_softmax),
        cmocka_unit_test(loss_is_exact_at_its_extremes),
    };
    return cmocka_run_group_tests_name("engine_cells", tests, NULL, NULL);
}
