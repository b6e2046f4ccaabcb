/* Predicted memory is what an engine takes, within 10 %:  test_memory [device]
 *
 * Linked with --wrap=px_arena_create, so that every arena is counted; and once by the process's resident size, which
 * sees what is allocated past the arenas too. */
#include "arena.h"
#include "cases.h"
#include "machine.h"

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
static size_t arena_bytes; /* asked of px_arena_create since it was last set to 0 */

px_status __real_px_arena_create(px_arena *arena, size_t bytes, const char *what);
px_status __wrap_px_arena_create(px_arena *arena, size_t bytes, const char *what);

px_status __wrap_px_arena_create(px_arena *arena, size_t bytes, const char *what)
{
    arena_bytes += bytes;
    return __real_px_arena_create(arena, bytes, what);
}

static void check_close(const char *name, size_t predicted, size_t taken)
{
    if (fabs((double)predicted - (double)taken) <= 0.1 * (double)taken) return;
    print_error("%s: %zu bytes predicted, %zu taken\n", name, predicted, taken);
    fail();
}

static const struct {
    const char *name;
    px_model_config model;
    px_optimizer kind;
    px_engine_shape shape;
} cases[] = {
    {"characters", {.vocab = 28, .hidden = 512, .layers = 1}, PX_ADAM, {.n = 32, .T = 35, .training = 1}},
    {"words", {.vocab = 10000, .embed = 256, .hidden = 512, .layers = 1}, PX_SGD, {.n = 32, .T = 35, .training = 1}},
    {"words, one-hot", {.vocab = 10000, .hidden = 128, .layers = 1}, PX_MOMENTUM, {.n = 16, .T = 20, .training = 1}},
    {"tied, averaged",
     {.vocab = 5000, .embed = 100, .hidden = 300, .layers = 2, .tied = 1},
     PX_ADAMW,
     {.n = 20, .T = 35, .training = 1, .averaging = 1}},
    {"deep, dropped",
     {.vocab = 90, .hidden = 256, .layers = 4, .dropout_between = 0.3, .dropout_output = 0.3, .dropout_weight = 0.2},
     PX_RMSPROP,
     {.n = 64, .T = 50, .training = 1}},
    {"long window", {.vocab = 30, .hidden = 64, .layers = 1}, PX_SGD, {.n = 64, .T = 700, .training = 1}},
    {"evaluation only", {.vocab = 10000, .embed = 256, .hidden = 512, .layers = 2}, PX_ADAM, {.n = 1, .T = 64}},
    {"gru, dropped weights",
     {.vocab = 90, .embed = 20, .hidden = 256, .layers = 2, .cell = PX_CELL_GRU, .dropout_weight = 0.2},
     PX_SGD,
     {.n = 32, .T = 35, .training = 1}},
    {"lstm",
     {.vocab = 28, .hidden = 256, .layers = 2, .cell = PX_CELL_LSTM},
     PX_ADAM,
     {.n = 32, .T = 35, .training = 1}},
    {"lstm, evaluation only",
     {.vocab = 1000, .embed = 25, .hidden = 300, .layers = 2, .cell = PX_CELL_LSTM},
     PX_ADAM,
     {.n = 1, .T = 64}},
    {"adaptive",
     {.vocab = 10000,
      .embed = 64,
      .hidden = 256,
      .layers = 1,
      .output = PX_OUTPUT_ADAPTIVE,
      .cutoffs = {2, {900, 4000}}},
     PX_ADAM,
     {.n = 32, .T = 35, .training = 1}},
    {"adaptive, evaluation only",
     {.vocab = 5000, .hidden = 60, .layers = 2, .output = PX_OUTPUT_ADAPTIVE, .cutoffs = {1, {300}}},
     PX_ADAM,
     {.n = 4, .T = 64}},
    {"small", {.vocab = 2, .hidden = 1, .layers = 1}, PX_ADAM, {.n = 1, .T = 1, .training = 1}},
};

static void prediction_is_what_the_arenas_take(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int32_t threads = 1; threads <= 2; threads++) {
            px_optimizer_config optimizer = {.kind = cases[k].kind, .beta1 = 0.9, .beta2 = 0.999, .alpha = 0.9};
            px_engine_shape shape = cases[k].shape;
            px_engine_memory m;
            px_engine *engine;
            px_parameters table;
            shape.threads = threads;
            PX_CHECK(px_parameters_make(&cases[k].model, &table));
            PX_CHECK(px_engine_memory_of(device, &cases[k].model, &optimizer, &shape, &m));
            assert_int_equal(m.total,
                             m.parameters + m.gradients + m.moments + m.averages + m.activations + m.workspace);
            assert_true(m.parameters >= table.count * sizeof(float));
            assert_true((m.gradients > 0) == shape.training && (m.averages > 0) == shape.averaging);
            arena_bytes = 0;
            PX_CHECK(px_engine_create(device, &cases[k].model, &optimizer, &shape, &engine));
            check_close(cases[k].name, m.total, arena_bytes);
            /* the step loop allocates nothing: not from an arena, at least */
            arena_bytes = 0;
            if (cases[k].model.hidden <= 64) {
                px_case c = {"step", .model = cases[k].model, .n = shape.n, .T = 2};
                px_window window = px_case_window(&c, 0, 0);
                if (shape.T >= 2 && shape.training) PX_CHECK(px_engine_accumulate(engine, &window.batch));
                if (shape.T >= 2) PX_CHECK(px_engine_evaluate(engine, &window.batch, NULL));
                px_window_free(&window);
            }
            assert_int_equal(arena_bytes, 0);
            px_engine_destroy(engine);
        }
}

/* A model with a large part in each place, and one training step, so that every page has been touched. */
static void prediction_is_what_the_process_grows_by(void **state)
{
    px_case c = {
        "resident",
        .model = {.vocab = 20000, .embed = 256, .hidden = 384, .layers = 2, .init_scale = 1, .dropout_output = 0.2},
        .optimizer = {.kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8}, .n = 32, .T = 4};
    px_engine_shape shape = {.n = c.n, .T = c.T, .training = 1, .averaging = 1, .threads = 2};
    px_engine_memory m;
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    print_message("skipped under the address sanitizer: its shadow counts as resident\n");
    skip();
#endif
    if (strcmp(device, "cpu") != 0) { /* a device's memory is not the process's; the reference would take minutes */
        print_message("skipped: only for the device cpu\n");
        skip();
    }
    if (px_memory_resident() == 0) {
        print_message("skipped: this system does not tell the resident size\n");
        skip();
    }
    PX_CHECK(px_engine_memory_of(device, &c.model, &c.optimizer, &shape, &m));
    px_window window = px_case_window(&c, 0, 0);
    px_update update = {.lr = 0.001, .average_weight = 1};
    size_t before = px_memory_resident();
    px_engine *engine = px_case_engine(&c, device, 2, 1);
    PX_CHECK(px_engine_accumulate(engine, &window.batch));
    PX_CHECK(px_engine_update(engine, &update));
    PX_CHECK(px_engine_evaluate(engine, &window.batch, NULL));
    check_close("resident size after one step", m.total, px_memory_resident() - before);
    px_engine_destroy(engine);
    px_window_free(&window);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prediction_is_what_the_process_grows_by),
        cmocka_unit_test(prediction_is_what_the_arenas_take),
    };
    if (argc > 1) device = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
