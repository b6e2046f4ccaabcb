/* Choosing an engine by its device name, and what no engine can run. */
#include "engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static void engines_are_found_by_name(void **state)
{
    const px_engine_ops *ops;
    int ordinal;
    (void)state;
    assert_int_equal(px_engine_find("cpu", &ops, &ordinal), PX_OK);
    assert_string_equal(ops->name, "cpu");
    assert_int_equal(px_engine_find("reference", &ops, &ordinal), PX_OK);
    assert_string_equal(ops->name, "reference");
    /* "auto" always finds something to run on */
    assert_int_equal(px_engine_find("auto", &ops, &ordinal), PX_OK);
}

static void unknown_devices_are_named_with_a_remedy(void **state)
{
    static const char *const names[] = {
        "", "CPU", "gpu", "cpu:1", "cuda:", "cuda:x", "cuda:-1", "cuda:4096", "reference2", NULL};
    const px_engine_ops *ops;
    int ordinal;
    (void)state;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        assert_int_equal(px_engine_find(names[k], &ops, &ordinal), PX_ERR_DEVICE);
        assert_int_equal(px_status_exit_code(PX_ERR_DEVICE), 2);
        if (names[k]) assert_non_null(strstr(px_error_message(), names[k]));
        assert_true(strstr(px_error_message(), "cpu") ||
                    strstr(px_error_message(), "cuda:k")); /* what would be accepted */
    }
}

static const px_model_config good_model = {.vocab = 9, .hidden = 4, .layers = 1};
static const px_optimizer_config good_optimizer = {.kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
static const px_engine_shape good_shape = {.n = 2, .T = 3, .training = 1, .threads = 1};

static void refused(px_model_config model, px_optimizer_config optimizer, px_engine_shape shape)
{
    static const char *const devices[] = {"cpu", "reference"};
    for (int k = 0; k < 2; k++) {
        px_engine *engine = (px_engine *)&engine;
        px_engine_memory memory;
        assert_int_equal(px_engine_create(devices[k], &model, &optimizer, &shape, &engine), PX_ERR_ARGUMENT);
        assert_null(engine);
        assert_true(strlen(px_error_message()) > 10);
        assert_int_equal(px_engine_memory_of(devices[k], &model, &optimizer, &shape, &memory), PX_ERR_ARGUMENT);
    }
}

static void impossible_settings_are_refused(void **state)
{
    (void)state;
    static const double not_probabilities[] = {-0.1, 1, 2, NAN, INFINITY};
    for (int k = 0; k < 5; k++) {
        px_model_config model = good_model;
        model.dropout_input = not_probabilities[k];
        refused(model, good_optimizer, good_shape);
        model = good_model;
        model.dropout_weight = not_probabilities[k];
        refused(model, good_optimizer, good_shape);
        px_optimizer_config optimizer = good_optimizer;
        optimizer.beta2 = not_probabilities[k];
        refused(good_model, optimizer, good_shape);
    }
    px_model_config model = good_model;
    model.vocab = 0;
    refused(model, good_optimizer, good_shape);
    px_optimizer_config optimizer = good_optimizer;
    optimizer.clip = -1;
    refused(good_model, optimizer, good_shape);
    px_engine_shape shape = good_shape;
    shape.n = 0;
    refused(good_model, good_optimizer, shape);
    shape = good_shape;
    shape.T = -3;
    refused(good_model, good_optimizer, shape);
    shape = good_shape;
    shape.threads = -1;
    refused(good_model, good_optimizer, shape);
    shape = good_shape;
    shape.n = shape.T = 1 << 20;
    refused(good_model, good_optimizer, shape);
}

static void memory_that_is_not_there_is_refused(void **state)
{
    static const char *const devices[] = {"cpu", "reference"};
    px_model_config model = {.vocab = 1000000, .hidden = 1 << 20, .layers = 2};
    (void)state;
    for (int k = 0; k < 2; k++) {
        px_engine *engine;
        px_engine_memory memory;
        assert_int_equal(px_engine_create(devices[k], &model, &good_optimizer, &good_shape, &engine), PX_ERR_MEMORY);
        assert_null(engine);
        /* predicting costs nothing */
        assert_int_equal(px_engine_memory_of(devices[k], &model, &good_optimizer, &good_shape, &memory), PX_OK);
        assert_true(memory.total > (size_t)1 << 43);
    }
}

static void nothing_is_destroyed_twice(void **state)
{
    (void)state;
    px_engine_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_are_found_by_name),       cmocka_unit_test(unknown_devices_are_named_with_a_remedy),
        cmocka_unit_test(impossible_settings_are_refused), cmocka_unit_test(memory_that_is_not_there_is_refused),
        cmocka_unit_test(nothing_is_destroyed_twice),
    };
    return cmocka_run_group_tests_name("engine_find", tests, NULL, NULL);
}
