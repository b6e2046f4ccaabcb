/* Programmatic dependent launches on the fake runtime: a kernel that may begin early finds nothing of device memory
 * there before its wait (the simulator's curtain), so equal bits say that each waits first.
 * PERPLEX_CUDA_DEPENDENT_LAUNCHES changes no number, and reaches kernels that stand behind a kernel alone. */
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

enum { SEED = 21, STEPS = 1, TOKENS = 2 };

/* Nearly every kernel: dropout in all places, penalties, resets, an embedding. */
static const px_case words = {
    .name = "words",
    .model = {.vocab = 140,
              .embed = 6,
              .hidden = 20,
              .layers = 2,
              .dropout_input = 0.2,
              .dropout_between = 0.3,
              .dropout_output = 0.2,
              .dropout_weight = 0.25,
              .dropout_embedding = 0.1,
              .penalty_activation = 0.5,
              .penalty_temporal = 0.5,
              .init_scale = 1,
              .init_gain = 1},
    .n = 3,
    .T = 3,
    .reset_share = 0.2,
};

typedef struct way {
    px_cell cell;
    px_output output;
    px_recurrence recurrence;
    px_precision precision;
    int32_t embed, wavefront;
    int timed;
} way;

/* What a training, an evaluation and a continuation leave, and how many kernels came early for it. */
typedef struct outcome {
    float *weights, nll[9];
    int32_t drawn[3 * TOKENS];
    size_t count, early;
} outcome;

static void settings_reset(int major)
{
    *px_fake_control() = (px_fake_settings){.lazy = 1,
                                            .seed = 1,
                                            .devices = 1,
                                            .driver = 1,
                                            .memory_bytes = (size_t)1 << 30,
                                            .total_bytes = 64 << 10,
                                            .major = major,
                                            .multiprocessors = 16,
                                            .fail_at = -1};
    px_fake_reset();
}

static int each_test_starts_anew(void **state)
{
    settings_reset(9);
    return 0;
}

static px_engine *make(way how)
{
    px_model_config model = words.model;
    model.cell = how.cell, model.output = how.output, model.embed = how.embed;
    if (how.output == PX_OUTPUT_ADAPTIVE) model.cutoffs = (px_cutoffs){2, {20, 60}};
    const px_engine_shape shape = {.n = words.n,
                                   .T = words.T,
                                   .training = 1,
                                   .averaging = 1,
                                   .precision = how.precision,
                                   .recurrence = how.recurrence,
                                   .wavefront = how.wavefront,
                                   .seed = SEED};
    px_engine *engine;
    PX_CHECK(px_cuda_ops.create(&model, &words.optimizer, &shape, 0, &engine));
    engine->ops = &px_cuda_ops;
    engine->model = model;
    engine->shape = shape;
    return engine;
}

static void start(px_engine *engine)
{
    const size_t count = px_engine_section_count(engine, PX_SECTION_PARAMETERS);
    float *weights = calloc(count, sizeof *weights);
    assert_non_null(weights);
    for (size_t i = 0; i < count; i++) weights[i] = px_test_uniform(1, i, 0.5);
    PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, weights));
    free(weights);
}

static outcome outcome_of(way how, const char *dependent)
{
    static const int32_t first[] = {1, 4, 2};
    const px_draw draw = {.temperature = 1, .top_p = 1, .seed = SEED};
    px_phase_times times;
    outcome o = {0};
    char text[256];
    if (dependent) setenv("PERPLEX_CUDA_DEPENDENT_LAUNCHES", dependent, 1);
    px_engine *engine = make(how);
    unsetenv("PERPLEX_CUDA_DEPENDENT_LAUNCHES");
    PX_CHECK(px_engine_describe(engine, text, sizeof text));
    assert_int_equal(strstr(text, ", dependent launches, ") != NULL,
                     dependent && !how.wavefront && px_fake_control()->major >= 9);
    start(engine);
    if (how.timed) PX_CHECK(px_engine_phase_times(engine, 1, &times));
    const size_t before = px_fake_count().overlapping;
    for (uint64_t step = 0; step <= STEPS; step++) {
        const px_update update = {.step = step, .lr = 0.5};
        px_window window = px_case_window(&words, step, 0);
        if (step < STEPS) {
            PX_CHECK(px_engine_accumulate(engine, &window.batch));
            PX_CHECK(px_engine_update(engine, &update));
        } else {
            PX_CHECK(px_engine_evaluate(engine, &window.batch, o.nll));
        }
        px_window_free(&window);
    }
    PX_CHECK(px_engine_decode(engine, first, NULL, words.n, &draw, TOKENS, o.drawn));
    o.weights = px_section_read(engine, PX_SECTION_PARAMETERS);
    o.count = px_engine_section_count(engine, PX_SECTION_PARAMETERS);
    o.early = px_fake_count().overlapping - before;
    px_engine_destroy(engine);
    return o;
}

static void assert_same_bits(const outcome *a, const outcome *b)
{
    assert_memory_equal(a->weights, b->weights, a->count * sizeof *a->weights);
    assert_memory_equal(a->nll, b->nll, sizeof a->nll);
    assert_memory_equal(a->drawn, b->drawn, sizeof a->drawn);
}

/* Kernels that came early with the switch, beyond those that do so anyway. */
static size_t early_beyond(way how)
{
    outcome want = outcome_of(how, NULL), got = outcome_of(how, "1");
    assert_same_bits(&want, &got);
    if (how.recurrence != PX_RECURRENCE_FUSED) assert_int_equal(want.early, 0);
    const size_t beyond = got.early - want.early;
    free(want.weights);
    free(got.weights);
    assert_int_equal(px_fake_count().allocations, 0);
    assert_int_equal(px_fake_count().objects, 0);
    return beyond;
}

static way plain(px_recurrence recurrence, px_precision precision)
{
    return (way){.recurrence = recurrence, .precision = precision, .embed = words.model.embed};
}

static void kernels_that_come_early_change_no_bit(void **state)
{
    for (px_recurrence recurrence = PX_RECURRENCE_STEP; recurrence < PX_RECURRENCE_COUNT; recurrence++) {
        if (recurrence != PX_RECURRENCE_WIDE) assert_true(early_beyond(plain(recurrence, PX_FP32)) > 0);
        assert_true(early_beyond(plain(recurrence, PX_BF16)) > 0);
    }
}

static void nor_do_they_with_gates_or_other_inputs_and_outputs(void **state)
{
    way how = plain(PX_RECURRENCE_STEP, PX_BF16);
    for (how.cell = PX_CELL_GRU; how.cell <= PX_CELL_LSTM; how.cell++)
        for (how.recurrence = PX_RECURRENCE_STEP; how.recurrence <= PX_RECURRENCE_PERSISTENT;
             how.recurrence += PX_RECURRENCE_PERSISTENT - PX_RECURRENCE_STEP)
            assert_true(early_beyond(how) > 0);
    how = plain(PX_RECURRENCE_STEP, PX_FP32);
    how.embed = 0;
    assert_true(early_beyond(how) > 0);
    how.output = PX_OUTPUT_ADAPTIVE;
    how.embed = words.model.embed;
    assert_true(early_beyond(how) > 0);
    how.precision = PX_BF16;
    assert_true(early_beyond(how) > 0);
}

static void without_graphs_the_same_kernels_come_early(void **state)
{
    const size_t captured = early_beyond(plain(PX_RECURRENCE_PERSISTENT, PX_FP32));
    setenv("PERPLEX_CUDA_GRAPHS", "0", 1);
    assert_int_equal(early_beyond(plain(PX_RECURRENCE_PERSISTENT, PX_FP32)), captured);
    unsetenv("PERPLEX_CUDA_GRAPHS");
}

/* Behind a mark of time a kernel begins when that has been made. */
static void a_mark_between_two_kernels_keeps_them_apart(void **state)
{
    way how = plain(PX_RECURRENCE_PERSISTENT, PX_FP32);
    const size_t unmarked = early_beyond(how);
    how.timed = 1;
    const size_t marked = early_beyond(how);
    assert_true(marked > 0 && marked < unmarked);
}

static void where_streams_meet_or_a_device_is_older_none_comes_early(void **state)
{
    way how = plain(PX_RECURRENCE_STEP, PX_FP32);
    how.wavefront = 2;
    assert_int_equal(early_beyond(how), 0);
    how.wavefront = 0;
    settings_reset(8);
    assert_int_equal(early_beyond(how), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, each_test_starts_anew)
    const struct CMUnitTest tests[] = {
        TEST(kernels_that_come_early_change_no_bit),
        TEST(nor_do_they_with_gates_or_other_inputs_and_outputs),
        TEST(without_graphs_the_same_kernels_come_early),
        TEST(a_mark_between_two_kernels_keeps_them_apart),
        TEST(where_streams_meet_or_a_device_is_older_none_comes_early),
    };
    return cmocka_run_group_tests_name("dependent launches", tests, NULL, NULL);
}
