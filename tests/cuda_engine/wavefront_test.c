/* Layers as a wavefront on the fake runtime: its bits are those of layers one after the other, whatever lane is ahead,
 * and each wait between lanes is needed. Numbers are judged by the programs of tests/parity. */
#include "cases.h"
#include "engine_cuda.h"
#include "fake_control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 20, STEPS = 2, LAYERS = 3, PIECES = 4 };

/* Every way between layers. Pieces of 2 steps cut a window into four, the last of one step. */
static const px_case three_layers = {
    .name = "three layers",
    .model = {.vocab = 12,
              .embed = 5,
              .hidden = 10,
              .layers = LAYERS,
              .dropout_between = 0.3,
              .dropout_output = 0.2,
              .dropout_weight = 0.25,
              .init_scale = 1,
              .init_gain = 1},
    .n = 3,
    .T = 7,
    .reset_share = 0.2,
};

/* How a test's engines compute their recurrences, and what. */
typedef struct way {
    px_recurrence recurrence;
    px_precision precision;
    int32_t wavefront;
    double penalty;  /* of both kinds */
    int32_t windows; /* that a step accumulates beyond its first */
} way;

static way plain(px_recurrence recurrence, px_precision precision, int32_t wavefront)
{
    return (way){.recurrence = recurrence, .precision = precision, .wavefront = wavefront};
}

static void settings_reset(uint64_t seed)
{
    *px_fake_control() = (px_fake_settings){.lazy = 1,
                                            .seed = seed,
                                            .devices = 1,
                                            .driver = 1,
                                            .memory_bytes = (size_t)1 << 30,
                                            .total_bytes = 64 << 10,
                                            .major = 9,
                                            .multiprocessors = 16,
                                            .fail_at = -1};
    px_fake_reset();
}

static int each_test_starts_anew(void **state)
{
    settings_reset(1);
    return 0;
}

static px_status make(const px_model_config *form, way how, px_engine **engine)
{
    px_model_config penalised = *form, *model = &penalised;
    penalised.penalty_activation = penalised.penalty_temporal = how.penalty;
    const px_engine_shape shape = {.n = three_layers.n,
                                   .T = three_layers.T,
                                   .training = 1,
                                   .precision = how.precision,
                                   .recurrence = how.recurrence,
                                   .wavefront = how.wavefront,
                                   .seed = SEED};
    *engine = NULL;
    PX_TRY(px_cuda_ops.create(model, &three_layers.optimizer, &shape, 0, engine));
    (*engine)->ops = &px_cuda_ops;
    (*engine)->model = *model;
    (*engine)->shape = shape;
    return PX_OK;
}

/* Two steps of training from small weights, none of which waits for the device; then losses of tokens into nll. */
static px_status run(px_engine *engine, int32_t further_windows, float *nll)
{
    const size_t count = px_engine_section_count(engine, PX_SECTION_PARAMETERS);
    float *weights = calloc(count, sizeof *weights);
    assert_non_null(weights);
    for (size_t i = 0; i < count; i++) weights[i] = px_test_uniform(1, i, 0.5);
    px_status status = px_engine_write(engine, PX_SECTION_PARAMETERS, weights);
    free(weights);
    for (uint64_t step = 0; step <= STEPS && status == PX_OK; step++) {
        const px_update update = {.step = step, .lr = 0.5};
        px_window window = px_case_window(&three_layers, step, 0);
        status =
            step < STEPS ? px_engine_accumulate(engine, &window.batch) : px_engine_evaluate(engine, &window.batch, nll);
        for (int32_t i = 1; step < STEPS && i <= further_windows && status == PX_OK; i++) {
            px_window_free(&window);
            window = px_case_window(&three_layers, step, i);
            status = px_engine_accumulate(engine, &window.batch);
        }
        if (step < STEPS && status == PX_OK) status = px_engine_update(engine, &update);
        px_window_free(&window);
    }
    return status;
}

/* What a training and an evaluation leave: weights, the carried states, losses of tokens. */
typedef struct outcome {
    float *weights, *state, nll[21];
    size_t count, states;
} outcome;

static void outcome_free(outcome *o)
{
    free(o->weights);
    free(o->state);
    *o = (outcome){0};
}

static px_status outcome_of(way how, outcome *o)
{
    px_engine *engine;
    *o = (outcome){0};
    px_status status = make(&three_layers.model, how, &engine);
    if (status == PX_OK) status = run(engine, how.windows, o->nll);
    if (status == PX_OK) {
        o->weights = px_section_read(engine, PX_SECTION_PARAMETERS);
        o->count = px_engine_section_count(engine, PX_SECTION_PARAMETERS);
        o->state = px_section_read(engine, PX_SECTION_STATE);
        o->states = px_engine_section_count(engine, PX_SECTION_STATE);
    }
    px_engine_destroy(engine);
    return status;
}

static int is_same(const outcome *a, const outcome *b)
{
    return memcmp(a->weights, b->weights, a->count * sizeof *a->weights) == 0 &&
           memcmp(a->state, b->state, a->states * sizeof *a->state) == 0 && memcmp(a->nll, b->nll, sizeof a->nll) == 0;
}

static void assert_nothing_is_left(void)
{
    assert_int_equal(px_fake_count().allocations, 0);
    assert_int_equal(px_fake_count().objects, 0);
}

/* The fake cuBLAS makes a row of a product the same whatever rows are beside it, so cut products have the same bits. */
static void check_bits(way how)
{
    outcome want, got;
    const int32_t wavefront = how.wavefront;
    how.wavefront = PX_WAVEFRONT_OFF;
    PX_CHECK(outcome_of(how, &want));
    how.wavefront = wavefront;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        settings_reset(seed);
        px_fake_control()->others_first = seed == 3;
        if (seed == 2) setenv("PERPLEX_CUDA_GRAPHS", "0", 1);
        PX_CHECK(outcome_of(how, &got));
        unsetenv("PERPLEX_CUDA_GRAPHS");
        assert_true(is_same(&got, &want));
        outcome_free(&got);
    }
    outcome_free(&want);
    assert_nothing_is_left();
}

static void a_wavefront_has_the_bits_of_layers_one_after_the_other(void **state)
{
    for (px_recurrence recurrence = PX_RECURRENCE_STEP; recurrence < PX_RECURRENCE_COUNT; recurrence++) {
        if (recurrence != PX_RECURRENCE_WIDE) check_bits(plain(recurrence, PX_FP32, 2));
        check_bits(plain(recurrence, PX_BF16, 2));
    }
}

static void so_have_penalties_and_windows_that_are_accumulated(void **state)
{
    outcome unpenalised, all;
    way how = plain(PX_RECURRENCE_PERSISTENT, PX_FP32, 2);
    how.windows = 1;
    PX_CHECK(outcome_of(how, &unpenalised));
    how.penalty = 0.5;
    PX_CHECK(outcome_of(how, &all));
    assert_false(is_same(&unpenalised, &all)); /* they count for something */
    outcome_free(&unpenalised);
    outcome_free(&all);
    check_bits(how);
    how.recurrence = PX_RECURRENCE_STEP, how.precision = PX_BF16;
    check_bits(how);
}

/* Is the training wrong, or refused, in some order of the lanes where that wait is missing? */
static int is_caught(way how, uint64_t wait, const outcome *want)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        outcome got;
        settings_reset(seed);
        px_fake_control()->others_first = seed == 1; /* lanes that need not wait run ahead */
        px_fake_control()->lost_wait = wait;
        const px_status status = outcome_of(how, &got);
        assert_int_equal(px_fake_control()->lost_wait, 0); /* there was such a wait */
        const int caught = status != PX_OK || !is_same(&got, want);
        outcome_free(&got);
        if (caught) return 1;
    }
    return 0;
}

static void check_waits(way how, uint64_t first, uint64_t last)
{
    outcome want;
    PX_CHECK(outcome_of(how, &want));
    for (uint64_t wait = first; wait <= last; wait++)
        if (!is_caught(how, wait, &want)) fail_msg("wait %d of %d was missing unnoticed", (int)wait, (int)last);
    outcome_free(&want);
    settings_reset(1);
    assert_nothing_is_left();
}

/* Of a training window: to the lanes, where weights are dropped; between them; to the first; on the way back to the
 * top, and between. Of an evaluation: between, and to the first. */
enum {
    BETWEEN = PIECES * (LAYERS - 1),
    OF_TRAINING = (LAYERS - 1) + BETWEEN + 1 + 1 + BETWEEN,
    OF_EVALUATION = BETWEEN + 1
};

static void a_missing_wait_between_lanes_is_caught_whichever_it_is(void **state)
{
    check_waits(plain(PX_RECURRENCE_STEP, PX_FP32, 2), 1, OF_TRAINING + OF_EVALUATION);
}

static void so_it_is_with_penalties_and_in_a_window_that_is_accumulated(void **state)
{
    way how = plain(PX_RECURRENCE_STEP, PX_FP32, 2);
    how.penalty = 0.5, how.windows = 1;
    /* a step's further windows drop the same weights: those waits guard values that are there already */
    check_waits(how, OF_TRAINING + 1 + (LAYERS - 1), 2 * OF_TRAINING);
}

static void a_failure_at_each_creation_in_turn_ends_cleanly(void **state)
{
    const way how = plain(PX_RECURRENCE_STEP, PX_FP32, 2);
    outcome o;
    const size_t before = px_fake_count().creations;
    PX_CHECK(outcome_of(how, &o));
    outcome_free(&o);
    const int64_t creations = (int64_t)(px_fake_count().creations - before);
    for (int64_t k = 0; k < creations; k++) {
        px_fake_control()->fail_at = k;
        assert_int_equal(outcome_of(how, &o), PX_ERR_MEMORY);
        assert_nothing_is_left();
        settings_reset(1);
    }
}

static void a_wavefront_says_its_steps_and_allocates_what_it_predicts(void **state)
{
    px_engine *engine;
    px_engine_memory memory;
    char text[256];
    PX_CHECK(make(&three_layers.model, plain(PX_RECURRENCE_AUTO, PX_BF16, PX_WAVEFRONT_AUTO), &engine));
    assert_int_equal(px_engine_wavefront(engine), PX_WAVEFRONT_OFF); /* no GPU has been measured */
    PX_CHECK(px_engine_describe(engine, text, sizeof text));
    assert_null(strstr(text, "wavefront"));
    px_engine_destroy(engine);
    PX_CHECK(make(&three_layers.model, plain(PX_RECURRENCE_AUTO, PX_BF16, 3), &engine));
    assert_int_equal(px_engine_wavefront(engine), 3);
    PX_CHECK(px_engine_describe(engine, text, sizeof text));
    assert_non_null(strstr(text, "recurrence step, wavefront of 3 steps,"));
    PX_CHECK(px_cuda_ops.memory(&three_layers.model, &three_layers.optimizer, &engine->shape, &memory));
    assert_int_equal(px_fake_count().bytes, memory.total + px_cuda_self(engine)->plan.bytes[PX_ARENA_PINNED]);
    px_engine_destroy(engine);
}

static void a_wavefront_is_refused_where_a_model_has_no_use_for_it(void **state)
{
    const way how = plain(PX_RECURRENCE_AUTO, PX_FP32, 3);
    px_model_config model = three_layers.model;
    px_engine *engine;
    model.layers = 1;
    assert_int_equal(make(&model, how, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "--wavefront 3: not for this model: it takes two layers or more"));
    model.layers = 2, model.cell = PX_CELL_LSTM;
    assert_int_equal(make(&model, how, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "it is for cells of one gate; use --wavefront off"));
    assert_nothing_is_left();
}

static void a_wavefront_on_the_grid_needs_multiprocessors_for_all_layers(void **state)
{
    way how = plain(PX_RECURRENCE_GRID, PX_FP32, 3);
    px_engine *engine;
    const int least = LAYERS * px_grid_fit_of(PX_FP32, three_layers.model.hidden).blocks;
    px_fake_control()->multiprocessors = least;
    PX_CHECK(make(&three_layers.model, how, &engine));
    px_engine_destroy(engine);
    px_fake_control()->multiprocessors = least - 1;
    assert_int_equal(make(&three_layers.model, how, &engine), PX_ERR_DEVICE);
    assert_non_null(strstr(px_error_message(), "--wavefront 3: not on this GPU: 3 layers on the grid side by side"));
    how.wavefront = PX_WAVEFRONT_AUTO;
    PX_CHECK(make(&three_layers.model, how, &engine));
    assert_int_equal(px_engine_wavefront(engine), PX_WAVEFRONT_OFF);
    px_engine_destroy(engine);
    how.wavefront = three_layers.T; /* evaluation's windows may be longer */
    assert_int_equal(make(&three_layers.model, how, &engine), PX_ERR_DEVICE);
    assert_nothing_is_left();
}

/* test_cuda_wavefront [PATTERN] */
int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup(name, each_test_starts_anew)
    const struct CMUnitTest tests[] = {
        TEST(a_wavefront_has_the_bits_of_layers_one_after_the_other),
        TEST(so_have_penalties_and_windows_that_are_accumulated),
        TEST(a_missing_wait_between_lanes_is_caught_whichever_it_is),
        TEST(so_it_is_with_penalties_and_in_a_window_that_is_accumulated),
        TEST(a_failure_at_each_creation_in_turn_ends_cleanly),
        TEST(a_wavefront_says_its_steps_and_allocates_what_it_predicts),
        TEST(a_wavefront_is_refused_where_a_model_has_no_use_for_it),
        TEST(a_wavefront_on_the_grid_needs_multiprocessors_for_all_layers),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("wavefront", tests, NULL, NULL);
}
