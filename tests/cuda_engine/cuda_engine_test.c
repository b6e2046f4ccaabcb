/* The CUDA engine's host code on the fake runtime, where a test reaches inside: what happens when memory runs out at
 * any place, when a wait is left out, when graphs come and go, when there is no driver. What the engine computes is
 * judged by the programs of tests/parity, which run with the same simulated engine. */
#include "cases.h"
#include "engine_cuda.h"
#include "fake_control.h"
#include "fake_stream.h"
#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 20, WINDOWS = 6 };

/* Everything that has buffers of its own: embedding, projection, all dropouts, two layers, Adam, averages. */
static const px_case every_buffer = {
    .name = "every buffer",
    .model = {.vocab = 140,
              .embed = 6,
              .hidden = 10,
              .layers = 2,
              .tied = 1,
              .dropout_input = 0.2,
              .dropout_between = 0.3,
              .dropout_output = 0.4,
              .dropout_weight = 0.25,
              .init_scale = 1,
              .init_gain = 1},
    .optimizer = {.kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip = 1},
    .n = 7,
    .T = 20,
};

/* Its head is between two graphs. */
static const px_case adaptive = {
    "an adaptive output layer",
    .model = {.vocab = 90,
              .embed = 6,
              .hidden = 20,
              .layers = 2,
              .output = PX_OUTPUT_ADAPTIVE,
              .cutoffs = {2, {9, 30}},
              .init_scale = 1,
              .dropout_output = 0.2},
    .optimizer = {.kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip = 1}, .n = 4, .T = 6};
static const px_case one_hot = {
    .name = "one-hot",
    .model = {.vocab = 11, .hidden = 12, .layers = 1, .init_scale = 1, .init_gain = 1},
    .n = 3,
    .T = 4,
};

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static void settings_reset(void)
{
    *px_fake_control() = (px_fake_settings){.lazy = 1,
                                            .seed = 1,
                                            .devices = 1,
                                            .driver = 1,
                                            .memory_bytes = (size_t)1 << 30,
                                            .total_bytes = 64 << 10,
                                            .major = 9,
                                            .multiprocessors = 1,
                                            .fail_at = -1};
    px_fake_reset();
}

static int each_test_starts_anew(void **state)
{
    settings_reset();
    return 0;
}

static px_status make(const px_case *c, px_precision precision, px_engine **engine)
{
    px_engine_shape shape = {.n = c->n, .T = c->T, .training = 1, .averaging = 1, .precision = precision, .seed = SEED};
    *engine = NULL;
    PX_TRY(px_cuda_ops.create(&c->model, &c->optimizer, &shape, 0, engine));
    (*engine)->ops = &px_cuda_ops;
    (*engine)->model = c->model;
    (*engine)->shape = shape;
    return PX_OK;
}

static px_status write_initial_weights(const px_case *c, px_engine *engine)
{
    px_parameters table;
    PX_TRY(px_parameters_make(&c->model, &table));
    float *weights = calloc(table.count, sizeof *weights);
    assert_non_null(weights);
    px_status status = px_parameters_init(&table, &c->model, SEED, weights);
    if (status == PX_OK) status = px_engine_write(engine, PX_SECTION_PARAMETERS, weights);
    if (status == PX_OK) status = px_engine_write(engine, PX_SECTION_AVERAGE, weights);
    free(weights);
    return status;
}

/* A few steps of training without anything that waits, then an evaluation; every call may fail. */
static px_status train(const px_case *c, px_engine *engine)
{
    for (uint64_t step = 0; step < WINDOWS; step++) {
        px_update update = {.step = step, .moment_steps = 3, .lr = 0.05, .average_weight = 0.25};
        for (int32_t i = 0; i < (c->windows ? c->windows : 1); i++) {
            px_window window = px_case_window(c, step, i);
            px_status status = px_engine_accumulate(engine, &window.batch);
            px_window_free(&window);
            PX_TRY(status);
        }
        PX_TRY(px_engine_update(engine, &update));
    }
    return PX_OK;
}

static px_status evaluate(const px_case *c, px_engine *engine)
{
    px_window window = px_case_window(c, 99, 0);
    float *nll = calloc((size_t)c->n * (size_t)c->T, sizeof *nll);
    assert_non_null(nll);
    px_status status = px_engine_evaluate(engine, &window.batch, nll);
    free(nll);
    px_window_free(&window);
    return status;
}

/* Weights after a training, malloc'ed; the engine is destroyed. */
static float *weights_of_training(const px_case *c, size_t *count)
{
    px_engine *engine;
    PX_CHECK(make(c, PX_FP32, &engine));
    PX_CHECK(write_initial_weights(c, engine));
    PX_CHECK(train(c, engine));
    *count = px_engine_section_count(engine, PX_SECTION_PARAMETERS);
    float *weights = px_section_read(engine, PX_SECTION_PARAMETERS);
    px_engine_destroy(engine);
    return weights;
}

static void assert_nothing_is_left(void)
{
    px_fake_counts left = px_fake_count();
    if (left.allocations || left.objects)
        print_error("left behind: %zu allocations (%zu bytes), %zu streams, events, graphs or handles\n",
                    left.allocations, left.bytes, left.objects);
    assert_int_equal(left.allocations, 0);
    assert_int_equal(left.objects, 0);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static px_status live(const px_case *c, px_precision precision)
{
    px_engine *engine;
    px_metrics metrics;
    px_phase_times times;
    px_status status = make(c, precision, &engine);
    if (status == PX_OK) status = write_initial_weights(c, engine);
    if (status == PX_OK) status = px_engine_phase_times(engine, 1, &times); /* makes its events */
    if (status == PX_OK) status = train(c, engine);
    if (status == PX_OK) status = evaluate(c, engine);
    if (status == PX_OK) status = px_engine_metrics(engine, 1, &metrics);
    px_engine_destroy(engine);
    return status;
}

static void a_failure_at_each_creation_in_turn_ends_cleanly(void **state)
{
    size_t before = px_fake_count().creations;
    PX_CHECK(live(&every_buffer, PX_FP32));
    int64_t creations = (int64_t)(px_fake_count().creations - before);
    assert_true(creations > 20); /* 7 arenas, 2 streams, 6 + 16 events, cuBLAS, graphs */
    for (int64_t k = 0; k < creations; k++) {
        px_fake_control()->fail_at = k;
        px_status status = live(&every_buffer, PX_FP32);
        if (status != PX_ERR_MEMORY)
            print_error("creation %d of %d: %s: %s\n", (int)k, (int)creations, px_status_name(status),
                        px_error_message());
        assert_int_equal(status, PX_ERR_MEMORY);
        assert_true(px_error_message()[0]);
        assert_nothing_is_left();
        px_fake_control()->fail_at = -1;
        px_fake_reset();
    }
}

static void too_small_a_gpu_names_what_was_asked_what_is_free_and_the_flag(void **state)
{
    static const size_t mib[] = {0, 1, 33, 34};
    px_case large = every_buffer;
    px_engine *engine;
    large.n = 64, large.T = 64, large.model.hidden = 128; /* 16 MiB of activations beside 32 of cuBLAS */
    for (size_t i = 0; i < sizeof mib / sizeof *mib; i++) {
        px_fake_control()->memory_bytes = mib[i] << 20;
        assert_int_equal(make(&large, PX_FP32, &engine), PX_ERR_MEMORY);
        assert_null(engine);
        assert_non_null(strstr(px_error_message(), "MiB asked for"));
        assert_non_null(strstr(px_error_message(), "are free"));
        assert_non_null(strstr(px_error_message(), "lower --"));
        assert_nothing_is_left();
    }
    assert_non_null(strstr(px_error_message(), "--batch")); /* the last one failed at what batch and steps make large */
}

static void the_prediction_is_what_is_allocated(void **state)
{
    static const px_precision precision[] = {PX_FP32, PX_BF16};
    for (size_t i = 0; i < 2; i++) {
        px_engine *engine;
        px_engine_memory memory;
        px_engine_shape shape = {.n = every_buffer.n,
                                 .T = every_buffer.T,
                                 .training = 1,
                                 .averaging = 1,
                                 .precision = precision[i],
                                 .seed = SEED};
        PX_CHECK(px_cuda_ops.memory(&every_buffer.model, &every_buffer.optimizer, &shape, &memory));
        PX_CHECK(make(&every_buffer, precision[i], &engine));
        size_t pinned = px_cuda_self(engine)->plan.bytes[PX_ARENA_PINNED];
        assert_int_equal(px_fake_count().bytes, memory.total + pinned);
        PX_CHECK(train(&every_buffer, engine));
        PX_CHECK(evaluate(&every_buffer, engine));
        assert_int_equal(px_fake_count().bytes, memory.total + pinned); /* and the step loop allocates nothing */
        px_engine_destroy(engine);
        assert_nothing_is_left();
    }
}

/* ---- variants ---------------------------------------------------------------------------------------------------- */

static px_status make_by(px_recurrence recurrence, px_cell cell, px_engine **engine)
{
    px_model_config model = every_buffer.model;
    px_engine_shape shape = {.n = every_buffer.n,
                             .T = every_buffer.T,
                             .training = 1,
                             .averaging = 1,
                             .recurrence = recurrence,
                             .seed = SEED};
    model.cell = cell;
    *engine = NULL;
    PX_TRY(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, engine));
    (*engine)->ops = &px_cuda_ops;
    (*engine)->model = model;
    (*engine)->shape = shape;
    return PX_OK;
}

static void a_variant_is_taken_by_name_and_says_so(void **state)
{
    static const px_recurrence names[] = {PX_RECURRENCE_STEP, PX_RECURRENCE_FUSED, PX_RECURRENCE_PERSISTENT,
                                          PX_RECURRENCE_GRID};
    px_fake_control()->multiprocessors = 8;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[256], want[40];
        px_engine *engine;
        PX_CHECK(make_by(names[i], PX_CELL_TANH, &engine));
        assert_int_equal(px_engine_recurrence(engine), names[i]);
        PX_CHECK(px_engine_describe(engine, text, sizeof text));
        snprintf(want, sizeof want, "recurrence %s,", px_recurrence_name(names[i]));
        assert_non_null(strstr(text, want));
        /* only the step's product and the grid's state need a buffer of their own */
        assert_int_equal(px_cuda_self(engine)->b.recurrent[0] != NULL,
                         names[i] == PX_RECURRENCE_STEP || names[i] == PX_RECURRENCE_GRID);
        PX_CHECK(write_initial_weights(&every_buffer, engine));
        PX_CHECK(train(&every_buffer, engine));
        px_engine_destroy(engine);
        assert_nothing_is_left();
    }
    for (px_cell cell = PX_CELL_GRU; cell <= PX_CELL_LSTM; cell++) {
        px_engine *engine;
        PX_CHECK(make_by(PX_RECURRENCE_PERSISTENT, cell, &engine));
        assert_int_equal(px_engine_recurrence(engine), PX_RECURRENCE_PERSISTENT);
        px_engine_destroy(engine);
    }
}

/* auto is a function of device, shapes and version: neither a second creation nor other free memory changes it. */
static void auto_takes_the_same_variant_whatever_is_free(void **state)
{
    for (int i = 0; i < 2; i++) {
        px_engine *engine;
        px_fake_control()->memory_bytes = (size_t)(i ? 40 : 400) << 20;
        PX_CHECK(make_by(PX_RECURRENCE_AUTO, PX_CELL_TANH, &engine));
        assert_int_equal(px_engine_recurrence(engine), PX_RECURRENCE_STEP); /* what has been measured on GPUs */
        px_engine_destroy(engine);
    }
}

static void a_variant_that_does_not_fit_is_refused_with_those_that_do(void **state)
{
    px_engine *engine;
    assert_int_equal(make_by(PX_RECURRENCE_FUSED, PX_CELL_LSTM, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "--recurrence fused"));
    assert_non_null(strstr(px_error_message(), "cells of one gate"));
    assert_non_null(strstr(px_error_message(), "auto, step"));
    assert_null(strstr(px_error_message(), "step, fused"));
    assert_non_null(strstr(px_error_message(), "step, persistent"));
    assert_nothing_is_left();
    PX_CHECK(make_by(PX_RECURRENCE_AUTO, PX_CELL_LSTM, &engine));
    px_engine_destroy(engine);
}

static void a_window_on_chip_needs_clusters_and_room(void **state)
{
    px_model_config model = every_buffer.model;
    px_engine_shape shape = {
        .n = 1, .T = 2, .training = 1, .recurrence = PX_RECURRENCE_PERSISTENT, .precision = PX_FP32, .seed = SEED};
    px_engine *engine = NULL;
    px_fake_control()->major = 8;
    assert_int_equal(make_by(PX_RECURRENCE_PERSISTENT, PX_CELL_TANH, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "compute capability 9.0"));
    assert_non_null(strstr(px_error_message(), "auto, step, fused"));
    px_fake_control()->major = 12;
    model.hidden = 500; /* 102 KB a block */
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "compute capability 9.0 to 11"));
    px_fake_control()->major = 9;
    model.hidden = 1025;
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "no more than 1024 units"));
    model.hidden = 257;
    model.cell = PX_CELL_GRU;
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "no more than 256 units of a cell with gates"));
    assert_nothing_is_left();
}

static void wide_products_need_tensor_cores_and_warpgroups(void **state)
{
    px_model_config model = every_buffer.model;
    px_engine_shape shape = {
        .n = 1, .T = 2, .training = 1, .recurrence = PX_RECURRENCE_WIDE, .precision = PX_BF16, .seed = SEED};
    px_engine *engine = NULL;
    PX_CHECK(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine));
    engine->ops = &px_cuda_ops;
    assert_int_equal(px_engine_recurrence(engine), PX_RECURRENCE_WIDE);
    px_engine_destroy(engine);
    engine = NULL;
    model.hidden = 1025;
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "up to 1024 units"));
    model.hidden = 16;
    px_fake_control()->major = 10;
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "compute capability 9.0 alone"));
    px_fake_control()->major = 9;
    shape.precision = PX_FP32;
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "--recurrence wide"));
    assert_non_null(strstr(px_error_message(), "--precision tf32 or bf16"));
    assert_nothing_is_left();
}

static void a_window_on_the_grid_needs_enough_multiprocessors(void **state)
{
    px_model_config model = every_buffer.model;
    px_engine_shape shape = {
        .n = 1, .T = 2, .training = 1, .recurrence = PX_RECURRENCE_GRID, .precision = PX_FP32, .seed = SEED};
    px_engine *engine = NULL;
    px_fake_control()->major = 7;
    px_fake_control()->multiprocessors = 31;
    model.hidden = 600; /* 32 blocks hold it */
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "more multiprocessors than this GPU has"));
    model.hidden = 1025;
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "up to 1024 units"));
    model.hidden = 12;
    model.cell = PX_CELL_GRU;
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "cells of one gate"));
    px_fake_control()->major = 6;
    model.cell = PX_CELL_TANH;
    assert_int_equal(px_cuda_ops.create(&model, &every_buffer.optimizer, &shape, 0, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "compute capability 7.0"));
    assert_nothing_is_left();
}

/* A state that never arrives: the host is told which kernel waited, where and for what, by whatever call fails first,
 * and by all that follow. */
static void a_kernel_that_waits_in_vain_says_where_and_for_what(void **state)
{
    static const char *const words[] = {"recurrence_persistent_kernel (forward)", "block ", "at its step 3 of 20",
                                        "the state from the other blocks of its cluster", "--recurrence step"};
    px_engine *engine;
    px_metrics metrics;
    PX_CHECK(make_by(PX_RECURRENCE_PERSISTENT, PX_CELL_TANH, &engine));
    PX_CHECK(write_initial_weights(&every_buffer, engine));
    px_fake_control()->lost_store = 7 * 4 * 2 * 4 * 2 + 1; /* the first of step 2's: 2 full steps of 7 streams, in 4
                                                              blocks of 16 units, 4 of them at once, to 4 blocks */
    px_status status = train(&every_buffer, engine);
    if (status == PX_OK) status = px_engine_metrics(engine, 0, &metrics);
    assert_int_equal(status, PX_ERR_CUDA);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strstr(px_error_message(), words[i])) fail_msg("\"%s\" does not say \"%s\"", px_error_message(), words[i]);
    assert_int_equal(px_engine_metrics(engine, 0, &metrics), PX_ERR_CUDA);
    assert_non_null(strstr(px_error_message(), "waited in vain"));
    px_engine_destroy(engine);
    px_fake_reset();
    assert_nothing_is_left();
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

static void lazy_streams_in_any_order_give_the_same_bits_as_eager_ones(void **state)
{
    static const px_case *const cases[] = {&every_buffer, &one_hot, &adaptive};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t count;
        px_fake_control()->lazy = 0;
        float *want = weights_of_training(cases[i], &count);
        px_fake_control()->lazy = 1;
        for (uint64_t seed = 1; seed <= 10; seed++) {
            px_fake_control()->seed = seed;
            float *got = weights_of_training(cases[i], &count);
            assert_memory_equal(got, want, count * sizeof *got);
            free(got);
        }
        free(want);
    }
}

static void a_wait_that_is_left_out_is_caught(void **state)
{
    static const struct {
        px_fake_fault fault;
        const char *name;
    } faults[] = {{PX_FAKE_NO_EVENT_SYNCHRONIZE, "a staging buffer reused too early"},
                  {PX_FAKE_NO_FIRST_STREAM_WAIT, "no event before the device slot is overwritten"},
                  {PX_FAKE_NO_SECOND_STREAM_WAIT, "no event between the copy and the window"}};
    /* several windows to an update: the host then waits for nothing but the staging buffers */
    px_case c = one_hot;
    c.windows = 5;
    size_t count;
    float *want = weights_of_training(&c, &count);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        int caught = 0;
        for (uint64_t seed = 1; seed <= 10; seed++) {
            px_fake_control()->seed = seed;
            px_fake_control()->fault = faults[i].fault;
            float *got = weights_of_training(&c, &count);
            caught += memcmp(got, want, count * sizeof *got) != 0;
            free(got);
            settings_reset();
        }
        print_message("%s: caught with %d of 10 seeds\n", faults[i].name, caught);
        assert_true(caught > 0);
    }
    free(want);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static void a_window_is_captured_once_per_shape_and_replayed(void **state)
{
    px_engine *engine;
    px_fake_counts before = px_fake_count();
    PX_CHECK(make(&one_hot, PX_FP32, &engine));
    PX_CHECK(write_initial_weights(&one_hot, engine));
    PX_CHECK(train(&one_hot, engine));
    assert_int_equal(px_fake_count().captures - before.captures, 2); /* accumulate and update */
    assert_int_equal(px_fake_count().graph_launches - before.graph_launches, 2 * WINDOWS);
    PX_CHECK(evaluate(&one_hot, engine));
    PX_CHECK(evaluate(&one_hot, engine));
    assert_int_equal(px_fake_count().captures - before.captures, 3);
    px_engine_destroy(engine);
}

/* A window of characters as bench has it, one-hot, one layer; and of an LSTM of two, which shares what it can. */
static const px_case characters = {
    .name = "characters",
    .model = {.vocab = 28, .hidden = 512, .layers = 1, .init_scale = 1},
    .n = 32,
    .T = 35,
};

/* How many nodes a full training window has, without those of its layers' steps; all of them are said. */
static size_t nodes_beside_the_steps(const px_engine *engine)
{
    enum { CAPACITY = 2048 };
    static const char *names[CAPACITY];
    const px_cuda_graph *graph = &px_cuda_self((px_engine *)engine)->graph[0];
    const size_t count = px_fake_nodes(graph->exec, names, CAPACITY);
    size_t beside = 0;
    assert_true(count <= CAPACITY);
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(strcmp(names[i], "copy"), 0);
        assert_int_not_equal(strcmp(names[i], "fill"), 0);
        if (strstr(names[i], "window_kernel")) continue; /* all steps of a layer */
        print_message("  %2zu %s\n", ++beside, names[i]);
    }
    return beside;
}

/* One stream, one layer: embedding with the states, product, cell, product, softmax, and the draw with
 * the states. */
static void a_drawn_token_takes_six_nodes(void **state)
{
    const px_engine_shape shape = {.n = 1, .T = 8, .seed = SEED};
    const px_draw draw = {.temperature = 1, .top_p = 1};
    px_case c = characters;
    px_engine *engine;
    int32_t token = 1, drawn[PX_DECODE_TOKENS_MAX];
    c.model.hidden = 16;
    PX_CHECK(px_cuda_ops.create(&c.model, &c.optimizer, &shape, 0, &engine));
    PX_CHECK(px_cuda_ops.decode(engine, &token, NULL, 1, &draw, PX_DECODE_TOKENS_MAX, drawn));
    const void *graph = px_cuda_self(engine)->graph[0].exec;
    assert_int_equal(px_fake_nodes(graph, NULL, 0), 6 * PX_DECODE_TOKENS_MAX);
    px_engine_destroy(engine);
}

/* In a graph of its own: a copy or a fill is a node that a kernel could have been. The window's own bytes come in one
 * copy before it. */
static void a_small_vocabularys_window_has_few_nodes_beside_its_steps(void **state)
{
    static const px_precision precision[] = {PX_FP32, PX_BF16};
    px_fake_control()->total_bytes = (size_t)1 << 30; /* the head in one chunk, as on a GPU */
    for (size_t i = 0; i < 2; i++) {
        px_case c = characters;
        px_engine_shape shape = {.n = c.n,
                                 .T = c.T,
                                 .training = 1,
                                 .recurrence = PX_RECURRENCE_PERSISTENT,
                                 .precision = precision[i],
                                 .seed = SEED};
        px_engine *engine;
        PX_CHECK(px_cuda_ops.create(&c.model, &c.optimizer, &shape, 0, &engine));
        print_message("%s, V=28, one layer:\n", px_precision_name(precision[i]));
        assert_int_equal(nodes_beside_the_steps(engine), 11);
        assert_int_equal(px_fake_nodes(px_cuda_self(engine)->update_graph, NULL, 0), 2); /* norm, step */
        px_engine_destroy(engine);
        c.model.cell = PX_CELL_LSTM, c.model.layers = 2, c.model.hidden = 64;
        PX_CHECK(px_cuda_ops.create(&c.model, &c.optimizer, &shape, 0, &engine));
        print_message("%s, V=28, LSTM of two layers:\n", px_precision_name(precision[i]));
        /* of the second: the input's product, the end in two parts, three products of gradients */
        assert_int_equal(nodes_beside_the_steps(engine), 11 + 6);
        px_engine_destroy(engine);
    }
    assert_nothing_is_left();
}

/* More shapes than the cache holds, twice over: each window must still be the one that was asked for. */
static void the_cache_of_graphs_forgets_the_oldest_and_stays_right(void **state)
{
    px_case c = one_hot;
    c.T = PX_CUDA_GRAPHS + 4;
    px_engine *engine;
    PX_CHECK(make(&c, PX_FP32, &engine));
    PX_CHECK(write_initial_weights(&c, engine));
    px_engine *reference = px_case_engine(&c, "reference", 1, 1);
    px_sections_copy(reference, engine);
    for (int round = 0; round < 2; round++)
        for (int32_t T = 1; T <= c.T; T++) {
            c.batch_T = T;
            px_window window = px_case_window(&c, (uint64_t)T, round);
            float got[3 * (PX_CUDA_GRAPHS + 4)], want[3 * (PX_CUDA_GRAPHS + 4)];
            PX_CHECK(px_engine_evaluate(engine, &window.batch, got));
            PX_CHECK(px_engine_evaluate(reference, &window.batch, want));
            assert_int_equal(px_compare_values(got, want, (size_t)(T * c.n), 1e-5, 1, "loss of a token"), 0);
            px_window_free(&window);
        }
    px_engine_destroy(engine);
    px_engine_destroy(reference);
    assert_nothing_is_left();
}

/* Where lengths are drawn each length is captured once, though there are more than the cache holds otherwise. */
static void windows_of_random_lengths_are_captured_once_each(void **state)
{
    px_case c = one_hot;
    c.T = PX_CUDA_GRAPHS + 4;
    const px_engine_shape shape = {.n = c.n, .T = c.T, .lengths = c.T, .training = 1, .averaging = 1, .seed = SEED};
    px_engine *engine;
    PX_CHECK(px_cuda_ops.create(&c.model, &c.optimizer, &shape, 0, &engine));
    engine->ops = &px_cuda_ops;
    engine->model = c.model;
    engine->shape = shape;
    PX_CHECK(write_initial_weights(&c, engine));
    px_fake_counts before = px_fake_count();
    for (int round = 0; round < 3; round++)
        for (int32_t T = 1; T <= c.T; T++) {
            c.batch_T = T;
            px_window window = px_case_window(&c, (uint64_t)T, round);
            const px_update update = {.step = (uint64_t)T, .lr = 0.01};
            PX_CHECK(px_engine_accumulate(engine, &window.batch));
            PX_CHECK(px_engine_update(engine, &update));
            px_window_free(&window);
        }
    assert_int_equal(px_fake_count().captures - before.captures, c.T - 1); /* the longest was there already */
    px_engine_destroy(engine);
    assert_nothing_is_left();
}

/* The update leaves gradients that the next step's first window writes: what they were must not matter. */
static void a_broken_step_leaves_nothing_in_the_gradients_of_the_next(void **state)
{
    static const px_case *const cases[] = {&every_buffer, &one_hot, &adaptive};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const px_case *c = cases[i];
        const px_update update = {.step = 1, .lr = 0.01};
        px_engine *engine;
        PX_CHECK(make(c, PX_FP32, &engine));
        PX_CHECK(write_initial_weights(c, engine));
        px_window window = px_case_window(c, 0, 0);
        PX_CHECK(px_engine_accumulate(engine, &window.batch));
        float *values = px_section_read(engine, PX_SECTION_GRADIENTS);
        const size_t count = px_engine_section_count(engine, PX_SECTION_GRADIENTS);
        px_parameters table;
        PX_CHECK(px_parameters_make(&c->model, &table));
        for (int32_t k = 0; k < table.tensor_count; k++) /* the gaps between tensors are always zeros */
            for (size_t e = 0; e < table.tensor[k].count; e++) values[table.tensor[k].offset + e] = NAN;
        PX_CHECK(px_engine_write(engine, PX_SECTION_GRADIENTS, values));
        PX_CHECK(px_engine_update(engine, &update)); /* skipped */
        PX_CHECK(write_initial_weights(c, engine));
        PX_CHECK(px_engine_accumulate(engine, &window.batch));
        free(values);
        values = px_section_read(engine, PX_SECTION_GRADIENTS);
        for (size_t k = 0; k < count; k++) assert_true(isfinite(values[k]));
        assert_true(px_largest(values, count) > 0);
        free(values);
        px_window_free(&window);
        px_engine_destroy(engine);
    }
}

static void without_graphs_the_same_bits_come_out(void **state)
{
    size_t count;
    float *want = weights_of_training(&every_buffer, &count);
    setenv("PERPLEX_CUDA_GRAPHS", "0", 1);
    size_t launches = px_fake_count().graph_launches;
    float *got = weights_of_training(&every_buffer, &count);
    unsetenv("PERPLEX_CUDA_GRAPHS");
    assert_int_equal(px_fake_count().graph_launches, launches);
    assert_memory_equal(got, want, count * sizeof *got);
    free(got);
    free(want);
}

static void the_head_in_one_chunk_and_in_many_agrees(void **state)
{
    size_t count;
    px_fake_control()->total_bytes = (size_t)1 << 30;
    float *want = weights_of_training(&every_buffer, &count); /* 140 rows at once */
    px_fake_control()->total_bytes = 1;                       /* chunks of 47: no more than 64 */
    float *got = weights_of_training(&every_buffer, &count);
    /* sums of 140 rows, cut at 64 and 128: fp32 rounding apart they agree; Adam's first steps magnify it where a
     * gradient cancels */
    assert_int_equal(px_compare_values(got, want, count, 1e-4, 0, "weight"), 0);
    free(got);
    free(want);
}

/* Rows that products run over and files do not have (layout.h): how many, and all zeros. */
static size_t check_extra_rows(px_cuda *engine)
{
    const px_cuda_plan *plan = &engine->plan;
    size_t tables = 0;
    for (int32_t k = 0; k < plan->table.tensor_count; k++) {
        const px_tensor *device = &plan->table.tensor[k], *file = &plan->file_table.tensor[k];
        if (device->rows == file->rows) continue;
        tables++;
        assert_int_equal(device->rows % 64, 0);
        for (size_t i = file->count; i < device->count; i++) {
            assert_true(engine->b.weights[device->offset + i] == 0);
            assert_true(engine->b.moment1[device->offset + i] == 0);
        }
    }
    return tables;
}

static void rows_beyond_the_vocabulary_stay_zeros(void **state)
{
    static const px_case *const cases[] = {&every_buffer, &adaptive};
    static const size_t tables[] = {2, 3}; /* table and bias; head and two clusters */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        px_engine *engine;
        PX_CHECK(make(cases[i], PX_BF16, &engine));
        PX_CHECK(write_initial_weights(cases[i], engine));
        PX_CHECK(train(cases[i], engine));
        free(px_section_read(engine, PX_SECTION_PARAMETERS)); /* waits */
        assert_int_equal(check_extra_rows(px_cuda_self(engine)), tables[i]);
        px_engine_destroy(engine);
    }
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

enum { TEXTS = 70, TEXT_TOKENS = PX_DECODE_TOKENS_MAX + 7 };
typedef struct drawn_texts {
    int32_t id[TEXTS][TEXT_TOKENS];
    int count[TEXTS];
    int32_t end; /* a text ends with this token */
} drawn_texts;

static int keep_token(void *context, int32_t stream, int32_t id)
{
    drawn_texts *texts = context;
    texts->id[stream][texts->count[stream]++] = id;
    return id == texts->end;
}

static px_status draw_texts(px_engine *engine, const px_sample_options *form, drawn_texts *texts)
{
    static const int32_t prompt[] = {1, 4, 2};
    px_sample_options options = *form;
    options.length = TEXT_TOKENS;
    options.count = engine->shape.n;
    options.prompt = prompt;
    options.token = keep_token;
    options.context = texts;
    return px_sample(engine, engine->model.vocab, &options);
}

/* The host draws from what next() gives; the engine by itself: the same texts, whatever model, form and end. */
static void texts_drawn_on_the_device_are_those_drawn_on_the_host(void **state)
{
    static const px_case *const cases[] = {&every_buffer, &one_hot, &adaptive};
    static const px_sample_options forms[] = {
        {.temperature = 1, .top_p = 1, .seed = 3, .prompt_count = 3, .exclude_unknown = 1},
        {.temperature = 0.7, .top_p = 0.9, .seed = 4, .prompt_count = 1},
        {.temperature = 1.2, .top_p = 1, .top_k = 5, .seed = 5, .prompt_count = 1},
        {.top_p = 1, .greedy = 1, .prompt_count = 3},
    };
    px_engine_ops on_host = px_cuda_ops;
    on_host.decode = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
            static drawn_texts got, want;
            if (i != 1 && (i + form) % 2) continue; /* every form with one model, every model with two */
            px_case c = *cases[i];
            if (i == 1 && form == 0) c.n = TEXTS; /* probabilities in two parts */
            px_engine *engine;
            PX_CHECK(make(&c, i == 0 ? PX_BF16 : PX_FP32, &engine));
            PX_CHECK(write_initial_weights(&c, engine));
            memset(&got, 0, sizeof got), memset(&want, 0, sizeof want);
            got.end = want.end = 5;
            engine->ops = &on_host;
            PX_CHECK(draw_texts(engine, &forms[form], &want));
            engine->ops = &px_cuda_ops;
            const size_t launches = px_fake_count().graph_launches;
            PX_CHECK(draw_texts(engine, &forms[form], &got));
            /* blocks of tokens, and a window of the prompt */
            assert_true(px_fake_count().graph_launches - launches <= 2 + (forms[form].prompt_count > 1));
            assert_memory_equal(&got, &want, sizeof got);
            px_engine_destroy(engine);
        }
    assert_nothing_is_left();
}

static void what_cannot_be_drawn_is_said_as_by_the_host(void **state)
{
    px_engine *engine;
    static drawn_texts texts;
    const px_sample_options form = {.temperature = 1, .top_p = 1, .prompt_count = 1};
    const px_draw ordered = {.temperature = 1, .top_p = 0.5};
    PX_CHECK(make(&one_hot, PX_FP32, &engine));
    float *weights = px_section_read(engine, PX_SECTION_PARAMETERS);
    for (size_t k = 0; k < px_engine_section_count(engine, PX_SECTION_PARAMETERS); k++) weights[k] = NAN;
    PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, weights));
    assert_int_equal(draw_texts(engine, &form, &texts), PX_ERR_NUMERIC);
    assert_non_null(strstr(px_error_message(), "text 1, token 1: the model gives no token"));
    assert_true(px_engine_decodes(engine, &ordered));
    engine->model.vocab = PX_DRAW_ORDERED_MAX + 1;
    assert_false(px_engine_decodes(engine, &ordered));
    int32_t tokens[3] = {0}, drawn[3];
    assert_int_equal(px_engine_decode(engine, tokens, NULL, 3, &ordered, 1, drawn), PX_ERR_DEVICE);
    engine->model.vocab = one_hot.model.vocab;
    assert_int_equal(px_engine_decode(engine, tokens, NULL, 4, &ordered, 1, drawn), PX_ERR_ARGUMENT);
    assert_int_equal(px_engine_decode(engine, tokens, NULL, 3, &ordered, PX_DECODE_TOKENS_MAX + 1, drawn),
                     PX_ERR_ARGUMENT);
    tokens[1] = one_hot.model.vocab;
    assert_int_equal(px_engine_decode(engine, tokens, NULL, 3, &ordered, 1, drawn), PX_ERR_INPUT);
    free(weights);
    px_engine_destroy(engine);
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

static void phase_times_are_measured_once_asked_for(void **state)
{
    px_engine *engine;
    px_phase_times times;
    PX_CHECK(make(&one_hot, PX_FP32, &engine));
    PX_CHECK(write_initial_weights(&one_hot, engine));
    PX_CHECK(train(&one_hot, engine));
    PX_CHECK(px_engine_phase_times(engine, 1, &times));
    for (int phase = 0; phase < PX_PHASE_COUNT; phase++) assert_true(times.seconds[phase] == 0);
    PX_CHECK(train(&one_hot, engine));
    PX_CHECK(px_engine_phase_times(engine, 1, &times));
    /* the fake clock ticks once per stamp: 1 ms for each phase of each window */
    for (int phase = 0; phase < PX_PHASE_COUNT; phase++)
        assert_true(fabs(times.seconds[phase] - WINDOWS * 1e-3) < 1e-9);
    PX_CHECK(px_engine_phase_times(engine, 0, &times));
    for (int phase = 0; phase < PX_PHASE_COUNT; phase++) assert_true(times.seconds[phase] == 0);
    px_engine_destroy(engine);
    assert_nothing_is_left();
}

static void peaks_come_from_measuring(void **state)
{
    px_device_peak peak;
    PX_CHECK(px_cuda_peak(0, PX_FP32, &peak));
    assert_string_equal(peak.what, "cublas fp32");
    assert_true(peak.gflops > 0 && peak.copy_gb_s > 0 && peak.step_latency_s > 0);
    assert_nothing_is_left();
}

/* ---- precision --------------------------------------------------------------------------------------------------- */

static float *gradient_in(const px_case *c, px_precision precision, size_t *count)
{
    px_engine *engine;
    PX_CHECK(make(c, precision, &engine));
    PX_CHECK(write_initial_weights(c, engine));
    px_window window = px_case_window(c, 3, 0);
    PX_CHECK(px_engine_accumulate(engine, &window.batch));
    float *gradient = px_section_read(engine, PX_SECTION_GRADIENTS);
    *count = px_engine_section_count(engine, PX_SECTION_GRADIENTS);
    px_window_free(&window);
    px_engine_destroy(engine);
    return gradient;
}

/* That low precision is good enough is precision_test.c's to say; here, that what is asked for is what is computed in,
 * and fp32 otherwise. */
static void each_precision_is_its_own(void **state)
{
    static const px_case *const cases[] = {&every_buffer, &one_hot, &adaptive};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *g[3];
        double error[3] = {0}, size = 0;
        size_t count;
        for (px_precision precision = PX_FP32; precision <= PX_BF16; precision++)
            g[precision] = gradient_in(cases[i], precision, &count);
        for (size_t k = 0; k < count; k++) {
            size += (double)g[PX_FP32][k] * g[PX_FP32][k];
            for (int p = PX_TF32; p <= PX_BF16; p++)
                error[p] += ((double)g[p][k] - g[PX_FP32][k]) * ((double)g[p][k] - g[PX_FP32][k]);
        }
        /* a rounding is 2^-11 at most in tf32, 2^-8 in bf16 */
        for (int p = PX_TF32; p <= PX_BF16; p++) {
            double one = p == PX_TF32 ? 0x1p-11 : 0x1p-8, relative = sqrt(error[p] / size);
            assert_true(relative > 0.1 * one && relative < 2 * one);
        }
        for (int p = PX_FP32; p <= PX_BF16; p++) free(g[p]);
    }
}

static void low_precision_on_an_old_gpu_is_refused(void **state)
{
    px_engine *engine;
    px_fake_control()->major = 7;
    px_fake_control()->minor = 5;
    assert_int_equal(make(&one_hot, PX_BF16, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "--precision fp32"));
    assert_int_equal(make(&one_hot, PX_TF32, &engine), PX_ERR_DEVICE);
    PX_CHECK(make(&one_hot, PX_FP32, &engine));
    px_engine_destroy(engine);
    assert_nothing_is_left();
}

/* ---- devices ----------------------------------------------------------------------------------------------------- */

static void a_missing_driver_or_gpu_is_named_with_its_remedy(void **state)
{
    px_device_info info;
    int count = 77;
    px_fake_control()->driver = 0;
    assert_int_equal(px_cuda_devices(&info, 1, &count), PX_ERR_DEVICE);
    assert_int_equal(count, 0); /* the runtime leaves it unwritten */
    assert_non_null(strstr(px_error_message(), "cudaErrorInsufficientDriver"));
    assert_non_null(strstr(px_error_message(), "--device cpu"));
    px_fake_control()->driver = 1;
    px_fake_control()->devices = 0;
    assert_int_equal(px_cuda_devices(&info, 1, &count), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "cudaErrorNoDevice"));
    px_fake_control()->devices = 1;
    assert_int_equal(px_cuda_probe(1, &info), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "only 1 GPU"));
    px_fake_control()->major = 6;
    assert_int_equal(px_cuda_probe(0, &info), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "compute capability 6.0"));
    px_fake_control()->major = 9;
    PX_CHECK(px_cuda_probe(0, &info));
    assert_string_equal(info.name, "Simulated GPU");
    assert_true(info.free_bytes > 0);
}

/* ---- sums over ranks --------------------------------------------------------------------------------------------- */

/* A reducer that makes every part of one rank the sum of three equal ones, in the stream's order as NCCL would; or one
 * that never ends. */
typedef struct tripler tripler;
typedef struct tripler_work {
    tripler *owner;
    float *part;
    size_t count;
    int number; /* of the part in its step */
} tripler_work;

struct tripler {
    int parts, hangs, released;
    size_t kernels[PX_MAX_LAYERS + 1]; /* that had run when part i of a step was summed */
    tripler_work work[256];
    int works;
};

static int triple_part(void *argument)
{
    tripler_work *work = argument;
    tripler *t = work->owner;
    if (t->hangs && !t->released) return 1;
    t->kernels[work->number] = px_fake_count().kernels;
    for (size_t k = 0; k < work->count; k++) work->part[k] *= 3;
    return 0;
}

static px_status triple_start(void *context, float *part, size_t count, void *stream)
{
    tripler *t = context;
    px_fake_stream *fake = stream;
    assert_int_equal(fake->magic, PX_FAKE_STREAM_MAGIC);
    assert_true(t->works < 256);
    t->work[t->works] = (tripler_work){t, part, count, t->parts++};
    assert_int_equal(fake->enqueue(stream, triple_part, &t->work[t->works++]), 0);
    return PX_OK;
}

static px_status triple_finish(void *context, void *stream)
{
    ((tripler *)context)->parts = 0;
    return PX_OK;
}

static px_status triple_watch(void *context, double waited_s)
{
    tripler *t = context;
    if (!t->hangs || waited_s < 0.05) return PX_OK;
    t->released = 1; /* as an aborted communicator's kernels end */
    return px_fail(PX_ERR_IO, "rank 1 hangs");
}

/* Weights after a training with that reducer, malloc'ed; one window to each step. */
static float *weights_with_reducer(const px_case *c, tripler *t, size_t *count)
{
    px_engine *engine;
    memset(t, 0, sizeof *t);
    PX_CHECK(make(c, PX_FP32, &engine));
    PX_CHECK(write_initial_weights(c, engine));
    PX_CHECK(px_engine_set_reducer(engine, &(px_reducer){t, triple_start, triple_finish, triple_watch}));
    for (uint64_t step = 0; step < WINDOWS; step++) {
        px_update update = {.step = step, .lr = 0.05};
        px_window window = px_case_window(c, step, 0);
        window.batch.last = 1;
        PX_CHECK(px_engine_accumulate(engine, &window.batch));
        PX_CHECK(px_engine_update(engine, &update));
        px_window_free(&window);
    }
    *count = px_engine_section_count(engine, PX_SECTION_PARAMETERS);
    float *weights = px_section_read(engine, PX_SECTION_PARAMETERS);
    px_engine_destroy(engine);
    return weights;
}

static void sums_over_ranks_are_in_order_whatever_runs_ahead(void **state)
{
    static const px_case *const cases[] = {&every_buffer, &one_hot, &adaptive};
    tripler t;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t count;
        px_fake_control()->seed = 3; /* one that lets nothing run ahead */
        float *want = weights_with_reducer(cases[i], &t, &count);
        assert_int_equal(t.works, WINDOWS * (cases[i]->model.layers + 1));
        for (uint64_t seed = 1; seed <= 8; seed++) {
            px_fake_control()->seed = seed;
            float *got = weights_with_reducer(cases[i], &t, &count);
            assert_memory_equal(got, want, count * sizeof *got);
            free(got);
        }
        free(want);
        assert_nothing_is_left();
    }
}

static void the_output_layer_is_summed_while_the_recurrence_runs_back(void **state)
{
    tripler t = {0};
    px_engine *engine;
    px_fake_control()->seed = 3;
    PX_CHECK(make(&every_buffer, PX_FP32, &engine));
    PX_CHECK(write_initial_weights(&every_buffer, engine));
    PX_CHECK(px_engine_set_reducer(engine, &(px_reducer){&t, triple_start, triple_finish, triple_watch}));
    px_window window = px_case_window(&every_buffer, 0, 0);
    window.batch.last = 1;
    PX_CHECK(px_engine_accumulate(engine, &window.batch));
    PX_CHECK(px_cuda_wait_stream(px_cuda_self(engine), px_cuda_self(engine)->reduction.stream));
    /* one kernel per step of a layer's backward pass, and more behind them */
    assert_true(t.kernels[1] >= t.kernels[0] + (size_t)every_buffer.T);
    assert_true(t.kernels[2] >= t.kernels[1] + (size_t)every_buffer.T);
    px_window_free(&window);
    px_engine_destroy(engine);
    assert_nothing_is_left();
}

/* Waits of a step with one layer: 2 for staging, 1 for each part, 1 of the update for the sums. */
static void a_missing_wait_between_gradients_and_sums_is_caught(void **state)
{
    static const char *const missing[] = {"the output layer's sum does not wait for its gradient", "layer 0's does not",
                                          "the update does not wait for the sums"};
    tripler t;
    size_t count;
    px_fake_control()->seed = 3;
    float *want = weights_with_reducer(&one_hot, &t, &count);
    for (uint64_t k = 0; k < 3; k++) {
        int caught = 0;
        for (uint64_t seed = 1; seed <= 10; seed++) {
            settings_reset();
            px_fake_control()->seed = seed;
            px_fake_control()->wait_period = 5;
            px_fake_control()->wait_missing = 2 + k;
            float *got = weights_with_reducer(&one_hot, &t, &count);
            caught += memcmp(got, want, count * sizeof *got) != 0;
            free(got);
        }
        print_message("%s: caught with %d of 10 seeds\n", missing[k], caught);
        assert_true(caught > 0);
    }
    free(want);
}

static void a_rank_that_hangs_ends_every_wait_with_the_reducers_message(void **state)
{
    for (int call = 0; call < 3; call++) {
        tripler t = {.hangs = 1};
        px_engine *engine;
        px_metrics metrics;
        px_status status = PX_OK;
        float *weights = calloc(4096, sizeof *weights);
        PX_CHECK(make(&one_hot, PX_FP32, &engine));
        PX_CHECK(write_initial_weights(&one_hot, engine));
        PX_CHECK(px_engine_set_reducer(engine, &(px_reducer){&t, triple_start, triple_finish, triple_watch}));
        for (uint64_t step = 0; step < 6 && status == PX_OK; step++) {
            px_update update = {.step = step, .lr = 0.05};
            px_window window = px_case_window(&one_hot, step, 0);
            window.batch.last = 1;
            status = px_engine_accumulate(engine, &window.batch); /* waits for the staging buffer of two steps ago */
            if (status == PX_OK) status = px_engine_update(engine, &update);
            px_window_free(&window);
            if (call == 0 && status == PX_OK) status = px_engine_metrics(engine, 1, &metrics);
            if (call == 1 && status == PX_OK) status = px_engine_read(engine, PX_SECTION_PARAMETERS, weights);
        }
        assert_int_equal(status, PX_ERR_IO);
        assert_string_equal(px_error_message(), "rank 1 hangs");
        px_engine_destroy(engine);
        assert_nothing_is_left();
        free(weights);
        px_fake_reset();
    }
}

static void an_infinite_loss_shows_in_the_gradient_that_is_summed(void **state)
{
    for (int with = 0; with < 2; with++) {
        tripler t = {0};
        px_engine *engine;
        px_parameters table;
        px_metrics metrics;
        px_update update = {.step = 7, .lr = 0.05};
        PX_CHECK(px_parameters_make(&one_hot.model, &table));
        PX_CHECK(make(&one_hot, PX_FP32, &engine));
        float *weights = calloc(table.count, sizeof *weights);
        float *bias = weights + px_parameters_find(&table, PX_TENSOR_B_Q, 0)->offset;
        bias[0] = -3e38f,
        bias[1] = 3e38f; /* token 0 has probability 0, its loss is infinite, and dO is finite all the same */
        PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, weights));
        if (with) PX_CHECK(px_engine_set_reducer(engine, &(px_reducer){&t, triple_start, triple_finish, triple_watch}));
        px_window window = px_case_window(&one_hot, 0, 0);
        for (int32_t i = 0; i < one_hot.n * one_hot.T; i++) window.targets[i] = 0;
        window.batch.last = 1;
        PX_CHECK(px_engine_accumulate(engine, &window.batch));
        PX_CHECK(px_engine_update(engine, &update));
        PX_CHECK(px_engine_metrics(engine, 1, &metrics));
        assert_int_equal(metrics.bad_step, 7);
        assert_int_equal(!isfinite(metrics.bad_norm), with);
        px_window_free(&window);
        px_engine_destroy(engine);
        free(weights);
    }
}

/* ---- the rest of the seam that parity does not reach ------------------------------------------------------------- */

static void ids_out_of_range_are_refused_before_anything_runs(void **state)
{
    px_engine *engine;
    px_metrics metrics;
    PX_CHECK(make(&one_hot, PX_FP32, &engine));
    PX_CHECK(write_initial_weights(&one_hot, engine));
    px_window window = px_case_window(&one_hot, 0, 0);
    window.tokens[5] = one_hot.model.vocab;
    assert_int_equal(px_engine_accumulate(engine, &window.batch), PX_ERR_INPUT);
    assert_non_null(strstr(px_error_message(), "step 1, stream 2: token 11"));
    window.tokens[5] = 0;
    window.targets[0] = -2;
    assert_int_equal(px_engine_accumulate(engine, &window.batch), PX_ERR_INPUT);
    PX_CHECK(px_engine_metrics(engine, 1, &metrics));
    assert_int_equal(metrics.tokens, 0);
    px_window_free(&window);
    px_engine_destroy(engine);
}

static double squares_of(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * values[i];
    return sum;
}

static void gradients_lie_on_the_device_and_are_complete(void **state)
{
    px_engine *engine;
    float *flat;
    size_t count;
    PX_CHECK(make(&every_buffer, PX_FP32, &engine));
    PX_CHECK(write_initial_weights(&every_buffer, engine));
    px_window window = px_case_window(&every_buffer, 0, 0);
    PX_CHECK(px_engine_accumulate(engine, &window.batch));
    PX_CHECK(px_engine_gradients(engine, &flat, &count)); /* waits: "device" memory can be read here */
    float *want = px_section_read(engine, PX_SECTION_GRADIENTS);
    const size_t in_files = px_engine_section_count(engine, PX_SECTION_GRADIENTS);
    /* the output table has more rows here, whose gradients are zeros */
    assert_true(count > in_files && px_largest(flat, count) > 0);
    assert_true(fabs(squares_of(flat, count) / squares_of(want, in_files) - 1) < 1e-12);
    free(want);
    px_window_free(&window);
    px_engine_destroy(engine);
}

/* test_cuda_engine [PATTERN]: without one all but those that leave out one wait after the other (the test
 * cuda_engine_caught). */
int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup(name, each_test_starts_anew)
    const struct CMUnitTest tests[] = {
        TEST(a_failure_at_each_creation_in_turn_ends_cleanly),
        TEST(too_small_a_gpu_names_what_was_asked_what_is_free_and_the_flag),
        TEST(the_prediction_is_what_is_allocated),
        TEST(a_variant_is_taken_by_name_and_says_so),
        TEST(auto_takes_the_same_variant_whatever_is_free),
        TEST(a_variant_that_does_not_fit_is_refused_with_those_that_do),
        TEST(a_window_on_chip_needs_clusters_and_room),
        TEST(wide_products_need_tensor_cores_and_warpgroups),
        TEST(a_window_on_the_grid_needs_enough_multiprocessors),
        TEST(a_kernel_that_waits_in_vain_says_where_and_for_what),
        TEST(lazy_streams_in_any_order_give_the_same_bits_as_eager_ones),
        TEST(a_wait_that_is_left_out_is_caught),
        TEST(a_window_is_captured_once_per_shape_and_replayed),
        TEST(a_drawn_token_takes_six_nodes),
        TEST(a_small_vocabularys_window_has_few_nodes_beside_its_steps),
        TEST(the_cache_of_graphs_forgets_the_oldest_and_stays_right),
        TEST(windows_of_random_lengths_are_captured_once_each),
        TEST(a_broken_step_leaves_nothing_in_the_gradients_of_the_next),
        TEST(without_graphs_the_same_bits_come_out),
        TEST(the_head_in_one_chunk_and_in_many_agrees),
        TEST(rows_beyond_the_vocabulary_stay_zeros),
        TEST(texts_drawn_on_the_device_are_those_drawn_on_the_host),
        TEST(what_cannot_be_drawn_is_said_as_by_the_host),
        TEST(phase_times_are_measured_once_asked_for),
        TEST(peaks_come_from_measuring),
        TEST(each_precision_is_its_own),
        TEST(low_precision_on_an_old_gpu_is_refused),
        TEST(a_missing_driver_or_gpu_is_named_with_its_remedy),
        TEST(sums_over_ranks_are_in_order_whatever_runs_ahead),
        TEST(the_output_layer_is_summed_while_the_recurrence_runs_back),
        TEST(a_missing_wait_between_gradients_and_sums_is_caught),
        TEST(a_rank_that_hangs_ends_every_wait_with_the_reducers_message),
        TEST(an_infinite_loss_shows_in_the_gradient_that_is_summed),
        TEST(ids_out_of_range_are_refused_before_anything_runs),
        TEST(gradients_lie_on_the_device_and_are_complete),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    else
        cmocka_set_skip_filter("*_is_caught");
    return cmocka_run_group_tests_name("cuda_engine", tests, NULL, NULL);
}
