/* The scalar maths that every engine shares: cells against differences, the loss at its extremes. */
#include "cells/double.h"
#include "loss.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The numbers that a unit's output depends on, by place: pre-activations, the lone gate's part, the states before. */
enum { INPUTS = PX_CELL_GATES_MAX + 1 + PX_CELL_STATES_MAX };

static double *input_of(px_cell_unit *unit, int k)
{
    if (k < PX_CELL_GATES_MAX) return &unit->z[k];
    return k == PX_CELL_GATES_MAX ? &unit->u : &unit->before[k - PX_CELL_GATES_MAX - 1];
}

/* A sum over the states after a step whose gradient is `weights`. */
static double output_of(px_cell cell, px_cell_unit unit, const double *weights)
{
    double sum = 0;
    px_cell_maths[cell].forward(&unit);
    for (int s = 0; s < px_cell_of(cell)->states; s++) sum += weights[s] * unit.now[s];
    return sum;
}

static double slope_of(px_cell cell, px_cell_unit unit, int k, const double *weights)
{
    const double step = 1e-6, x = *input_of(&unit, k);
    *input_of(&unit, k) = x + step;
    const double above = output_of(cell, unit, weights);
    *input_of(&unit, k) = x - step;
    return (above - output_of(cell, unit, weights)) / (2 * step);
}

/* The gradient that backward() says, by the same places. What a cell does not have is 0. */
static void gradient_of(px_cell cell, px_cell_unit unit, const double *weights, double gradient[INPUTS])
{
    const px_cell_info *info = px_cell_of(cell);
    const px_cell_unit before = unit;
    px_cell_maths[cell].forward(&unit);
    if (!info->keeps) memset(unit.z, 0, sizeof unit.z); /* only the states stay */
    for (int s = 0; s < info->states; s++) {
        unit.before[s] = before.before[s];
        unit.d[s] = weights[s];
    }
    px_cell_maths[cell].backward(&unit);
    for (int k = 0; k < INPUTS; k++) gradient[k] = 0;
    for (int g = 0; g < info->gates; g++) gradient[g] = unit.z[g];
    if (info->lone != PX_NO_GATE) gradient[PX_CELL_GATES_MAX] = unit.u;
    for (int s = 0; s < info->states; s++) gradient[PX_CELL_GATES_MAX + 1 + s] = unit.d[s];
}

static void cells_have_the_derivatives_of_their_outputs(void **state)
{
    (void)state;
    for (int cell = 0; cell < PX_CELL_COUNT; cell++)
        for (uint32_t draw = 0; draw < 60; draw++) {
            px_cell_unit unit = {0};
            double weights[PX_CELL_STATES_MAX], gradient[INPUTS];
            for (int k = 0; k < INPUTS; k++) *input_of(&unit, k) = 3 * sin(1 + 7.3 * draw + 2.1 * k);
            for (int s = 0; s < PX_CELL_STATES_MAX; s++) weights[s] = cos(draw + 0.7 * s);
            gradient_of((px_cell)cell, unit, weights, gradient);
            for (int k = 0; k < INPUTS; k++) {
                const double want = slope_of((px_cell)cell, unit, k, weights);
                if (!(fabs(gradient[k] - want) < 1e-8))
                    fail_msg("%s, input %d, draw %u: %.10g, want %.10g", px_cell_names[cell], k, draw, gradient[k],
                             want);
            }
        }
}

static void cells_pass_a_nan_on(void **state)
{
    (void)state;
    for (int cell = 0; cell < PX_CELL_COUNT; cell++) {
        const px_cell_info *info = px_cell_of((px_cell)cell);
        for (int k = 0; k < info->gates; k++) {
            const double weights[PX_CELL_STATES_MAX] = {1, 1};
            px_cell_unit unit = {.u = 1, .before = {1, 1}};
            unit.z[k] = NAN;
            if (!isnan(output_of((px_cell)cell, unit, weights))) fail_msg("%s, gate %d: a NaN is lost", info->name, k);
        }
    }
}

static void relu_is_the_positive_part(void **state)
{
    px_cell_unit unit = {.z = {0}, .d = {1}};
    (void)state;
    px_cell_relu_forward(&unit);
    assert_true(unit.now[0] == 0);
    px_cell_relu_backward(&unit);
    assert_true(unit.z[0] == 0);
    unit.z[0] = INFINITY;
    px_cell_relu_forward(&unit);
    assert_true(unit.now[0] == INFINITY);
    unit.z[0] = -INFINITY;
    px_cell_relu_forward(&unit);
    assert_true(unit.now[0] == 0);
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
    const double closed[] = {0, -inf, 0}, open[] = {0, inf, 0}, two[] = {inf, 1, inf}, none[] = {-inf, -inf},
                 spoilt[] = {0, NAN, 1};
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
        cmocka_unit_test(relu_is_the_positive_part),
        cmocka_unit_test(loss_is_minus_log_softmax),
        cmocka_unit_test(loss_is_exact_at_its_extremes),
    };
    return cmocka_run_group_tests_name("engine_cells", tests, NULL, NULL);
}
