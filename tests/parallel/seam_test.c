/* What ranks ask of an engine:  test_parallel_seam [device]      (cuda: the simulated one of tests/cuda_engine)
 *
 * A step cut into windows of groups of streams carries every group's own state and adds up to the whole step; a reducer
 * is handed every part of the gradient once, last layers first, in the last window alone, and what it makes of the
 * parts is what update() works with. */
#include "cases.h"
#include "../cuda_engine/fake_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *device = "cpu";

enum { STREAMS = 6, GROUPS = 3, EACH = STREAMS / GROUPS, STEPS = 5 };

#define DROPOUT .dropout_input = 0.1, .dropout_embedding = 0.2, .dropout_between = 0.2, .dropout_output = 0.3
static const px_case cases[] = {
    {"one-hot, two layers", .model = {.vocab = 23, .hidden = 33, .layers = 2, .init_scale = 1, DROPOUT}},
    {"embedding",
     .model = {.vocab = 23, .embed = 9, .hidden = 17, .layers = 1, .init_scale = 1, DROPOUT, .dropout_weight = 0.2}},
    {"tied, projected, three layers",
     .model = {.vocab = 23, .embed = 9, .hidden = 20, .layers = 3, .tied = 1, .init_scale = 1, DROPOUT}},
    {"tied", .model = {.vocab = 23, .embed = 20, .hidden = 20, .layers = 2, .tied = 1, .init_scale = 1}},
    {"adaptive, embedding", .model = {.vocab = 23,
                                      .embed = 9,
                                      .hidden = 17,
                                      .layers = 2,
                                      .output = PX_OUTPUT_ADAPTIVE,
                                      .cutoffs = {2, {5, 11}},
                                      .init_scale = 1,
                                      DROPOUT}},
    {"gru, two layers",
     .model = {.vocab = 23, .hidden = 33, .layers = 2, .cell = PX_CELL_GRU, .init_scale = 1, DROPOUT}},
    {"penalties, one-hot", .model = {.vocab = 23,
                                     .hidden = 33,
                                     .layers = 1,
                                     .init_scale = 1,
                                     DROPOUT,
                                     .penalty_activation = 2,
                                     .penalty_temporal = 1}},
    {"lstm, embedding", .model = {.vocab = 23,
                                  .embed = 9,
                                  .hidden = 17,
                                  .layers = 2,
                                  .cell = PX_CELL_LSTM,
                                  .init_scale = 1,
                                  DROPOUT,
                                  .dropout_weight = 0.2}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static px_case sized(const px_case *from, int32_t n)
{
    px_case c = *from;
    c.optimizer = (px_optimizer_config){.kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip = 0.25};
    c.n = n;
    c.T = STEPS;
    c.reset_share = 0.05;
    c.unscored_share = 0.1;
    return c;
}

/* An engine with weights and no state; groups of n streams. */
static px_engine *engine_of(const px_case *from, int32_t n, int32_t groups)
{
    px_case c = sized(from, n);
    px_engine_shape shape = {.n = n, .T = STEPS, .training = 1, .threads = 2, .seed = 7, .groups = groups};
    px_engine *engine;
    px_parameters table;
    PX_CHECK(px_parameters_make(&c.model, &table));
    PX_CHECK(px_engine_create(device, &c.model, &c.optimizer, &shape, &engine));
    float *weights = calloc(table.count, sizeof *weights);
    assert_non_null(weights);
    PX_CHECK(px_parameters_init(&table, &c.model, 7, weights));
    PX_CHECK(px_engine_write(engine, PX_SECTION_PARAMETERS, weights));
    free(weights);
    return engine;
}

/* Streams [first, first + n) of a window, in memory of its own. */
static px_window cut(const px_window *whole, int32_t first, int32_t n)
{
    px_window part = {.batch = whole->batch};
    size_t rows = (size_t)whole->batch.T * (size_t)n;
    part.tokens = malloc(rows * sizeof *part.tokens);
    part.targets = malloc(rows * sizeof *part.targets);
    part.reset = malloc(rows);
    assert_true(part.tokens && part.targets && part.reset);
    for (int32_t t = 0; t < whole->batch.T; t++)
        for (int32_t i = 0; i < n; i++) {
            size_t to = (size_t)t * (size_t)n + (size_t)i,
                   from = (size_t)t * (size_t)whole->batch.n + (size_t)(first + i);
            part.tokens[to] = whole->tokens[from];
            part.targets[to] = whole->targets[from];
            part.reset[to] = whole->reset[from];
        }
    part.batch.tokens = part.tokens;
    part.batch.targets = part.targets;
    part.batch.reset = part.reset;
    part.batch.n = n;
    part.batch.first_stream = (uint32_t)first;
    return part;
}

static void accumulate_in_groups(px_engine *engine, const px_window *whole)
{
    for (int32_t group = 0; group < GROUPS; group++) {
        px_window part = cut(whole, group * EACH, EACH);
        part.batch.group = group;
        part.batch.last = group == GROUPS - 1;
        PX_CHECK(px_engine_accumulate(engine, &part.batch));
        px_window_free(&part);
    }
}

static void groups_of_streams_carry_their_states_and_add_up_to_the_whole_step(void **state)
{
    (void)state;
    for (size_t k = 0; k < CASES; k++) {
        px_case c = sized(&cases[k], STREAMS);
        px_engine *whole = engine_of(&cases[k], STREAMS, 0), *grouped = engine_of(&cases[k], EACH, GROUPS);
        px_parameters table;
        PX_CHECK(px_parameters_make(&c.model, &table));
        assert_int_equal(px_engine_section_count(grouped, PX_SECTION_STATE),
                         px_engine_section_count(whole, PX_SECTION_STATE));
        assert_int_equal(px_engine_section_count(grouped, PX_SECTION_EVAL_STATE),
                         px_state_blocks(&c.model) * EACH * (size_t)c.model.hidden);
        int failures = 0;
        for (uint64_t step = 0; step < 3; step++) {
            px_window window = px_case_window(&c, step, 0);
            px_update update = {.step = step, .lr = 0}; /* weights stay: rounding does not grow */
            PX_CHECK(px_engine_accumulate(whole, &window.batch));
            accumulate_in_groups(grouped, &window);
            float *got = px_section_read(grouped, PX_SECTION_GRADIENTS),
                  *want = px_section_read(whole, PX_SECTION_GRADIENTS);
            failures += px_compare_tensors(&table, got, want, 4e-6, 1e-5, c.name); /* sums of fp32 in another order */
            free(got);
            free(want);
            got = px_section_read(grouped, PX_SECTION_STATE);
            want = px_section_read(whole, PX_SECTION_STATE);
            failures += px_compare_values(got, want, px_engine_section_count(whole, PX_SECTION_STATE), 2e-6, 1, c.name);
            free(got);
            free(want);
            PX_CHECK(px_engine_update(whole, &update));
            PX_CHECK(px_engine_update(grouped, &update));
            px_window_free(&window);
        }
        assert_int_equal(failures, 0);
        px_engine_destroy(whole);
        px_engine_destroy(grouped);
    }
}

/* Doubles every part at the end, as two ranks with the same streams would. */
typedef struct doubler {
    float *part[16];
    size_t count[16];
    int parts, finished;
} doubler;

static px_status double_start(void *context, float *part, size_t count, void *stream)
{
    doubler *d = context;
    assert_int_equal(stream != NULL, strncmp(device, "cuda", 4) == 0);
    assert_true(d->parts < 16);
    d->part[d->parts] = part;
    d->count[d->parts++] = count;
    return PX_OK;
}

static int double_parts(void *context)
{
    doubler *d = context;
    for (int p = 0; p < d->parts; p++)
        for (size_t i = 0; i < d->count[p]; i++) d->part[p][i] *= 2;
    return 0;
}

/* On a simulated device the parts are final once its stream has come this far; a real one's cannot be written from
 * here. */
static px_status double_finish(void *context, void *stream)
{
    doubler *d = context;
    px_fake_stream *fake = stream;
    d->finished++;
    if (fake)
        return fake->magic == PX_FAKE_STREAM_MAGIC && fake->enqueue(stream, double_parts, d) == 0 ? PX_OK
                                                                                                  : PX_ERR_DEVICE;
    double_parts(d);
    return PX_OK;
}

static void a_reducer_is_given_every_part_once_from_the_output_layer_down(void **state)
{
    (void)state;
    for (size_t k = 0; k < CASES; k++) {
        px_case c = sized(&cases[k], STREAMS);
        px_engine *plain = engine_of(&cases[k], EACH, GROUPS), *reduced = engine_of(&cases[k], EACH, GROUPS);
        px_window window = px_case_window(&c, 0, 0);
        doubler d = {0};
        px_metrics once, twice;
        px_update update = {.lr = 1e-3};
        float *flat;
        size_t count, end;
        PX_CHECK(px_engine_gradients(reduced, &flat, &count));
        PX_CHECK(px_engine_set_reducer(reduced, &(px_reducer){&d, double_start, double_finish, NULL}));
        accumulate_in_groups(plain, &window);
        accumulate_in_groups(reduced, &window);
        assert_int_equal(d.finished, 0);
        end = count;
        for (int p = 0; p < d.parts; p++) { /* runs that follow one another towards the front, without gap or overlap */
            assert_true(d.part[p] + d.count[p] == flat + end);
            end -= d.count[p];
        }
        assert_int_equal(end, 0);
        PX_CHECK(px_engine_update(plain, &update));
        PX_CHECK(px_engine_update(reduced, &update));
        assert_int_equal(d.finished, 1);
        PX_CHECK(px_engine_metrics(plain, 1, &once));
        PX_CHECK(px_engine_metrics(reduced, 1, &twice));
        assert_true(fabs(twice.grad_norm - 2 * once.grad_norm) <= 1e-6 * once.grad_norm);
        /* without it nothing is handed out any more */
        PX_CHECK(px_engine_set_reducer(reduced, NULL));
        d.parts = 0;
        accumulate_in_groups(reduced, &window);
        PX_CHECK(px_engine_update(reduced, &update));
        assert_int_equal(d.parts, 0);
        assert_int_equal(d.finished, 1);
        px_window_free(&window);
        px_engine_destroy(plain);
        px_engine_destroy(reduced);
    }
}

static void a_loss_that_is_not_finite_elsewhere_skips_the_update_here(void **state)
{
    (void)state;
    px_case c = sized(&cases[0], STREAMS);
    px_engine *engine = engine_of(&cases[0], STREAMS, 1);
    px_window window = px_case_window(&c, 0, 0);
    px_metrics metrics;
    px_update update = {.step = 4, .lr = 0.1, .loss_not_finite = 1};
    float *before = px_section_read(engine, PX_SECTION_PARAMETERS);
    PX_CHECK(px_engine_accumulate(engine, &window.batch));
    PX_CHECK(px_engine_update(engine, &update));
    PX_CHECK(px_engine_metrics(engine, 1, &metrics));
    assert_int_equal(metrics.bad_step, 4);
    assert_int_equal(metrics.updates, 0);
    float *after = px_section_read(engine, PX_SECTION_PARAMETERS);
    assert_memory_equal(before, after, px_engine_section_count(engine, PX_SECTION_PARAMETERS) * sizeof *before);
    free(before);
    free(after);
    px_window_free(&window);
    px_engine_destroy(engine);
}

static void a_group_that_is_not_there_is_refused(void **state)
{
    (void)state;
    px_case c = sized(&cases[0], EACH);
    px_engine *engine = engine_of(&cases[0], EACH, GROUPS);
    px_window window = px_case_window(&c, 0, 0);
    window.batch.group = GROUPS;
    assert_int_equal(px_engine_accumulate(engine, &window.batch), PX_ERR_ARGUMENT);
    window.batch.group = -1;
    assert_int_equal(px_engine_accumulate(engine, &window.batch), PX_ERR_ARGUMENT);
    px_window_free(&window);
    px_engine_destroy(engine);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_streams_carry_their_states_and_add_up_to_the_whole_step),
        cmocka_unit_test(a_reducer_is_given_every_part_once_from_the_output_layer_down),
        cmocka_unit_test(a_loss_that_is_not_finite_elsewhere_skips_the_update_here),
        cmocka_unit_test(a_group_that_is_not_there_is_refused),
    };
    if (argc > 1) device = argv[1];
    return cmocka_run_group_tests_name("seam", tests, NULL, NULL);
}
