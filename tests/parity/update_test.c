/* Optimisers against numbers from torch.optim, and what happens to a step that has gone wrong:  test_update [device]
 *
 * Gradients are written by hand, so that only update() is judged. */
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

static const char *device = "cpu";

enum { V = 6, STEPS = 3 };

static const float first_weights[V] = {0.5f, -1.25f, 0.03125f, 2.0f, -0.0078125f, 0.0f};
static const float gradients[STEPS][V] = {{0.1f, -0.2f, 0.3f, -0.4f, 0.5f, 0.0f},
                                          {-0.3f, 0.05f, 0.001f, 2.0f, 0.5f, 0.0f},
                                          {0.7f, 0.6f, -1e-5f, -0.1f, 0.25f, 1e-3f}};

/* Weights after each step at rate 0.1, from torch 2.15 in float64 (torch.optim.SGD, Adam, AdamW, RMSprop with the same
 * settings). Where there is a clip, g * clip / max(clip, norm) was given to the optimiser. */
static const struct golden {
    px_optimizer_config optimizer;
    double weights[STEPS][V];
} goldens[] = {
    {{.kind = PX_SGD, .weight_decay = 0.1},
     {{0.485, -1.2175, 0.000937498808, 2.02, -0.057734375, 0},
      {0.510150001, -1.210325, 0.000828123815, 1.7998, -0.107157031, 0},
      {0.435048502, -1.25822175, 0.000820842577, 1.791802, -0.131085461, -0.000100000005}}},
    {{.kind = PX_SGD, .clip = 0.5},
     {{0.493258001, -1.236516, 0.0110240036, 2.02696799, -0.0415224927, 0},
      {0.500456158, -1.2377157, 0.0110000097, 1.97898028, -0.0535194205, 0},
      {0.464015634, -1.26895043, 0.0110005303, 1.98418607, -0.0665338935, -5.20578945e-05}}},
    {{.kind = PX_MOMENTUM, .momentum = 0.9, .weight_decay = 0.01},
     {{0.4895, -1.22875, 0.00121874881, 2.038, -0.0578046875, 0},
      {0.509560501, -1.21339625, -0.025910596, 1.870162, -0.152739852, 0},
      {0.457105393, -1.25836448, -0.0503000958, 1.72723764, -0.263028759, -0.000100000005}}},
    {{.kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip = 0.5},
     {{0.400000015, -1.15000001, -0.0687499951, 2.1, -0.107812497, 0},
      {0.408530727, -1.08985602, -0.135844089, 2.06793525, -0.195897193, 0},
      {0.348586294, -1.13000605, -0.187706371, 2.04927754, -0.281732487, -0.0638792356}}},
    {{.kind = PX_ADAM, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-2, .weight_decay = 0.1},
     {{0.40625, -1.15298507, -0.0655563873, 2.0952381, -0.105848707, 0},
      {0.440938377, -1.07818744, -0.124955232, 2.02400368, -0.203777519, 0},
      {0.387249318, -1.10488431, -0.165112324, 1.96872351, -0.293256993, -0.00386926577}}},
    {{.kind = PX_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.1},
     {{0.39500001, -1.1375, -0.0690624967, 2.08, -0.107734373, 0},
      {0.440468992, -1.07917819, -0.13562549, 1.99936458, -0.206657027, 0},
      {0.393562288, -1.11702521, -0.186254344, 1.93630344, -0.298771779, -0.0638802541}}},
    {{.kind = PX_RMSPROP, .alpha = 0.99, .epsilon = 1e-8},
     {{-0.499999, -0.2500005, -0.968749667, 2.99999975, -1.0078123, 0},
      {0.449158698, -0.493685471, -0.972099773, 2.0192305, -1.7166934, 0},
      {-0.463013505, -1.44038382, -0.972066103, 2.06845626, -2.05226383, -0.99990001}}},
    {{.kind = PX_RMSPROP, .alpha = 0.9, .epsilon = 1e-3, .weight_decay = 0.1},
     {{0.190301257, -0.936819507, -0.281712857, 2.31130559, -0.322049745, 0},
      {0.469605863, -0.892906424, -0.252288402, 1.99665948, -0.543222692, 0},
      {0.177145934, -1.16517767, -0.223615039, 1.98186114, -0.636371114, -0.0759746954}}},
};

/* A model whose only interesting tensor is the output bias [V]. */
typedef struct fixture {
    px_engine *engine;
    px_parameters table;
    float *flat, *bias; /* bias lies in flat */
} fixture;

static fixture fixture_create(const px_optimizer_config *optimizer, int32_t averaging)
{
    fixture f;
    px_model_config model = {.vocab = V, .hidden = 2, .layers = 1};
    px_engine_shape shape = {.n = 1, .T = V, .training = 1, .averaging = averaging, .threads = 1};
    PX_CHECK(px_parameters_make(&model, &f.table));
    PX_CHECK(px_engine_create(device, &model, optimizer, &shape, &f.engine));
    f.flat = calloc(f.table.count, sizeof *f.flat);
    assert_non_null(f.flat);
    f.bias = f.flat + px_parameters_find(&f.table, PX_TENSOR_B_Q, 0)->offset;
    memcpy(f.bias, first_weights, sizeof first_weights);
    PX_CHECK(px_engine_write(f.engine, PX_SECTION_PARAMETERS, f.flat));
    return f;
}

static void fixture_destroy(fixture *f)
{
    px_engine_destroy(f->engine);
    free(f->flat);
}

static void write_gradient(fixture *f, const float g[V])
{
    memset(f->flat, 0, f->table.count * sizeof *f->flat);
    memcpy(f->bias, g, V * sizeof *g);
    PX_CHECK(px_engine_write(f->engine, PX_SECTION_GRADIENTS, f->flat));
}

static px_metrics metrics_of(fixture *f)
{
    px_metrics metrics;
    PX_CHECK(px_engine_metrics(f->engine, 0, &metrics));
    return metrics;
}

static void optimisers_do_what_torch_does(void **state)
{
    int failures = 0;
    (void)state;
    for (size_t k = 0; k < sizeof goldens / sizeof *goldens; k++) {
        fixture f = fixture_create(&goldens[k].optimizer, 0);
        for (int step = 0; step < STEPS; step++) {
            float want[V], square = 0;
            px_update update = {.step = (uint64_t)step, .lr = 0.1};
            write_gradient(&f, gradients[step]);
            PX_CHECK(px_engine_update(f.engine, &update));
            PX_CHECK(px_engine_read(f.engine, PX_SECTION_PARAMETERS, f.flat));
            for (int i = 0; i < V; i++) {
                want[i] = (float)goldens[k].weights[step][i];
                square += gradients[step][i] * gradients[step][i];
            }
            char what[80];
            snprintf(what, sizeof what, "optimiser %zu, step %d", k, step);
            /* a few fp32 roundings of weights up to 3 */
            failures += px_compare_values(f.bias, want, V, 1e-6, 1, what);
            assert_true(fabs(metrics_of(&f).grad_norm - sqrt((double)square)) < 1e-6);
            assert_int_equal(metrics_of(&f).updates, step + 1);
        }
        fixture_destroy(&f);
    }
    assert_int_equal(failures, 0);
}

/* Nothing that crosses the seam changes while a bad step stands, and everything goes on after parameters are written
 * anew. */
static void check_bad_step(fixture *f, uint64_t bad)
{
    static const px_section kept[] = {PX_SECTION_PARAMETERS, PX_SECTION_MOMENT1, PX_SECTION_MOMENT2,
                                      PX_SECTION_AVERAGE};
    float *before[4];
    px_update update = {.step = bad, .lr = 0.1, .average_weight = 0.5};
    int64_t updates = metrics_of(f).updates;
    for (int s = 0; s < 4; s++) before[s] = px_section_read(f->engine, kept[s]);

    PX_CHECK(px_engine_update(f->engine, &update));
    assert_int_equal(metrics_of(f).bad_step, bad);
    write_gradient(f, gradients[1]); /* a healthy gradient afterwards changes nothing either */
    update.step++;
    PX_CHECK(px_engine_update(f->engine, &update));
    assert_int_equal(metrics_of(f).bad_step, bad);
    assert_int_equal(metrics_of(f).updates, updates);
    for (int s = 0; s < 4; s++) {
        float *after = px_section_read(f->engine, kept[s]);
        assert_memory_equal(before[s], after, f->table.count * sizeof *after);
        free(after);
    }
    float *gradient = px_section_read(f->engine, PX_SECTION_GRADIENTS);
    assert_true(px_largest(gradient, f->table.count) == 0);
    free(gradient);

    memset(f->flat, 0, f->table.count * sizeof *f->flat);
    memcpy(f->bias, first_weights, sizeof first_weights);
    PX_CHECK(px_engine_write(f->engine, PX_SECTION_PARAMETERS, f->flat));
    assert_int_equal(metrics_of(f).bad_step, -1);
    write_gradient(f, gradients[0]);
    update.step++;
    PX_CHECK(px_engine_update(f->engine, &update));
    assert_int_equal(metrics_of(f).bad_step, -1);
    assert_int_equal(metrics_of(f).updates, updates + 1);
    PX_CHECK(px_engine_read(f->engine, PX_SECTION_PARAMETERS, f->flat));
    assert_true(f->bias[0] < first_weights[0] && isfinite(f->bias[0]));
    for (int s = 0; s < 4; s++) free(before[s]);
}

static const px_optimizer_config adam = {.kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip = 1};

static void update_with_a_gradient_that_is_not_finite_is_skipped(void **state)
{
    static const float bad_value[] = {NAN, INFINITY, -INFINITY};
    (void)state;
    for (int k = 0; k < 3; k++) {
        fixture f = fixture_create(&adam, 1);
        px_update update = {.step = 0, .lr = 0.1};
        write_gradient(&f, gradients[0]);
        PX_CHECK(px_engine_update(f.engine, &update));
        assert_int_equal(metrics_of(&f).bad_step, -1);
        float g[V] = {0.1f, 0.2f, bad_value[k], 0.1f, 0, 0};
        write_gradient(&f, g);
        check_bad_step(&f, 41);
        fixture_destroy(&f);
    }
}

/* A finite gradient whose square overflows fp32 has a norm in double: it is clipped, not refused. */
static void norm_of_a_large_gradient_does_not_overflow(void **state)
{
    px_optimizer_config sgd = {.kind = PX_SGD, .clip = 1};
    fixture f = fixture_create(&sgd, 0);
    px_update update = {.step = 0, .lr = 0.5};
    float g[V] = {3e30f, 4e30f, 0, 0, 0, 0};
    (void)state;
    write_gradient(&f, g);
    PX_CHECK(px_engine_update(f.engine, &update));
    assert_int_equal(metrics_of(&f).bad_step, -1);
    assert_true(fabs(metrics_of(&f).grad_norm / 5e30 - 1) < 1e-6);
    PX_CHECK(px_engine_read(f.engine, PX_SECTION_PARAMETERS, f.flat));
    assert_true(fabs(f.bias[0] - 0.2) < 1e-6 && fabs(f.bias[1] - -1.65) < 1e-6);
    fixture_destroy(&f);
}

/* A target of probability 0 makes the loss +inf while the gradient stays finite: the step is bad all the same. */
static void update_after_an_infinite_loss_is_skipped(void **state)
{
    static const float logit[] = {-INFINITY, NAN};
    (void)state;
    for (int k = 0; k < 2; k++) {
        fixture f = fixture_create(&adam, 1);
        int32_t tokens[V] = {0, 1, 2, 3, 4, 5}, targets[V] = {1, 2, 3, 4, 5, 0};
        uint8_t reset[V] = {0};
        px_batch batch = {.tokens = tokens,
                          .targets = targets,
                          .reset = reset,
                          .T = V,
                          .n = 1,
                          .streams_in_all = 1,
                          .inv_count = 1.0 / V,
                          .step = 7};
        px_metrics metrics;
        f.bias[3] = logit[k];
        PX_CHECK(px_engine_write(f.engine, PX_SECTION_PARAMETERS, f.flat));
        PX_CHECK(px_engine_accumulate(f.engine, &batch));
        PX_CHECK(px_engine_metrics(f.engine, 1, &metrics));
        assert_false(isfinite(metrics.loss_sum));
        if (k == 0) assert_true(metrics.loss_sum > 0); /* +inf, not NaN */
        check_bad_step(&f, 7);
        fixture_destroy(&f);
    }
}

/* With weights 1, 1/2, 1/3, ... the average is the mean of the parameters after each step. */
static void average_is_the_mean_of_the_parameters(void **state)
{
    px_optimizer_config sgd = {.kind = PX_SGD};
    fixture f = fixture_create(&sgd, 1);
    double sum[V] = {0};
    float want[V];
    (void)state;
    for (int step = 0; step < STEPS; step++) {
        px_update update = {.step = (uint64_t)step, .lr = 0.1, .average_weight = 1.0 / (step + 1)};
        write_gradient(&f, gradients[step]);
        PX_CHECK(px_engine_update(f.engine, &update));
        PX_CHECK(px_engine_read(f.engine, PX_SECTION_PARAMETERS, f.flat));
        for (int i = 0; i < V; i++) {
            sum[i] += f.bias[i];
            want[i] = (float)(sum[i] / (step + 1));
        }
        PX_CHECK(px_engine_read(f.engine, PX_SECTION_AVERAGE, f.flat));
        assert_int_equal(px_compare_values(f.bias, want, V, 3e-7, 1, "average"), 0);
    }
    fixture_destroy(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimisers_do_what_torch_does),
        cmocka_unit_test(update_with_a_gradient_that_is_not_finite_is_skipped),
        cmocka_unit_test(norm_of_a_large_gradient_does_not_overflow),
        cmocka_unit_test(update_after_an_infinite_loss_is_skipped),
        cmocka_unit_test(average_is_the_mean_of_the_parameters),
    };
    if (argc > 1) device = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests_name("update", tests, NULL, NULL);
}
