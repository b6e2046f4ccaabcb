/* State that crosses the seam:  test_state [device]
 *
 * What is written is read back, a run that goes on from what was read is the run that was never stopped (to the bit),
 * averages can be swapped in and out, and an engine refuses what it was not made for. */
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

#define ADAM                                                                                                           \
    {                                                                                                                  \
        .kind = PX_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip = 0.25                                   \
    }

/* Everything that carries state from step to step at once. */
static const px_case everything = {"everything",
                                   .model = {.vocab = 19,
                                             .embed = 7,
                                             .hidden = 33,
                                             .layers = 2,
                                             .tied = 1,
                                             .init_scale = 1,
                                             .dropout_input = 0.1,
                                             .dropout_between = 0.2,
                                             .dropout_output = 0.3,
                                             .dropout_weight = 0.2},
                                   .optimizer = ADAM,
                                   .n = 5,
                                   .T = 6,
                                   .reset_share = 0.05,
                                   .unscored_share = 0.1};
static const px_case one_hot = {"one-hot", .model = {.vocab = 61, .hidden = 40, .layers = 1, .init_scale = 1},
                                .optimizer = ADAM, .n = 3, .T = 6};

static const px_case gru = {"gru",
                            .model = {.vocab = 19,
                                      .embed = 7,
                                      .hidden = 33,
                                      .layers = 2,
                                      .cell = PX_CELL_GRU,
                                      .init_scale = 1,
                                      .dropout_weight = 0.2},
                            .optimizer = ADAM,
                            .n = 5,
                            .T = 6,
                            .reset_share = 0.05};
static const px_case lstm = {
    "lstm",
    .model = {.vocab = 19, .hidden = 33, .layers = 2, .cell = PX_CELL_LSTM, .init_scale = 1, .dropout_between = 0.2},
    .optimizer = ADAM,
    .n = 5,
    .T = 6,
    .reset_share = 0.05};
static const px_case adaptive = {"adaptive",
                                 .model = {.vocab = 61,
                                           .embed = 7,
                                           .hidden = 40,
                                           .layers = 2,
                                           .output = PX_OUTPUT_ADAPTIVE,
                                           .cutoffs = {2, {9, 30}},
                                           .init_scale = 1,
                                           .dropout_output = 0.2},
                                 .optimizer = ADAM,
                                 .n = 5,
                                 .T = 6,
                                 .reset_share = 0.05};
static const px_case *const cases[] = {&everything, &one_hot, &gru, &lstm, &adaptive};
enum { CASES = sizeof cases / sizeof cases[0] };

static const char *const section_name[] = {"parameters", "gradients", "moment 1",        "moment 2",
                                           "average",    "state",     "evaluation state"};

static void step_of(px_engine *engine, const px_case *c, uint64_t step)
{
    px_window window = px_case_window(c, step, 0);
    px_update update = {.step = step, .lr = 0.02, .average_weight = 1.0 / (double)(step + 1)};
    PX_CHECK(px_engine_accumulate(engine, &window.batch));
    PX_CHECK(px_engine_update(engine, &update));
    PX_CHECK(px_engine_evaluate(engine, &window.batch, NULL));
    px_window_free(&window);
}

static int compare_engines(px_engine *got, px_engine *want, const char *what)
{
    int failures = 0;
    for (int s = 0; s <= PX_SECTION_EVAL_STATE; s++) {
        char text[120];
        float *a = px_section_read(got, (px_section)s), *b = px_section_read(want, (px_section)s);
        snprintf(text, sizeof text, "%s: %s", what, section_name[s]);
        if (b) failures += px_compare_values(a, b, px_engine_section_count(want, (px_section)s), 0, 0, text);
        free(a);
        free(b);
    }
    return failures;
}

static void sections_exist_where_the_optimiser_needs_them(void **state)
{
    static const struct {
        px_optimizer kind;
        int first, second;
    } wanted[] = {{PX_SGD, 0, 0}, {PX_MOMENTUM, 1, 0}, {PX_ADAM, 1, 1}, {PX_ADAMW, 1, 1}, {PX_RMSPROP, 0, 1}};
    (void)state;
    for (size_t k = 0; k < 5; k++)
        for (int32_t averaging = 0; averaging < 2; averaging++) {
            px_case c = one_hot;
            px_parameters table;
            c.optimizer.kind = wanted[k].kind;
            PX_CHECK(px_parameters_make(&c.model, &table));
            px_engine *e = px_case_engine(&c, device, 1, averaging);
            assert_int_equal(px_engine_section_count(e, PX_SECTION_PARAMETERS), table.count);
            assert_int_equal(px_engine_section_count(e, PX_SECTION_GRADIENTS), table.count);
            assert_int_equal(px_engine_section_count(e, PX_SECTION_MOMENT1), wanted[k].first ? table.count : 0);
            assert_int_equal(px_engine_section_count(e, PX_SECTION_MOMENT2), wanted[k].second ? table.count : 0);
            assert_int_equal(px_engine_section_count(e, PX_SECTION_AVERAGE), averaging ? table.count : 0);
            assert_int_equal(px_engine_section_count(e, PX_SECTION_STATE), (size_t)c.n * (size_t)c.model.hidden);
            assert_int_equal(px_engine_section_count(e, PX_SECTION_EVAL_STATE), (size_t)c.n * (size_t)c.model.hidden);
            px_engine_destroy(e);
        }
}

static void sections_are_read_as_they_were_written(void **state)
{
    (void)state;
    for (int k = 0; k < CASES; k++) {
        const px_case *c = cases[k];
        px_parameters table;
        float *written[PX_SECTION_EVAL_STATE + 1];
        PX_CHECK(px_parameters_make(&c->model, &table));
        px_engine *engine = px_case_engine(c, device, 2, 1);
        for (int s = 0; s <= PX_SECTION_EVAL_STATE; s++) {
            size_t count = px_engine_section_count(engine, (px_section)s);
            written[s] = calloc(count, sizeof *written[s]);
            assert_non_null(written[s]);
            if (s >= PX_SECTION_STATE)
                for (size_t i = 0; i < count; i++) written[s][i] = px_test_uniform((uint32_t)s, i, 1);
            else /* gaps between tensors stay zero */
                for (int32_t t = 0; t < table.tensor_count; t++)
                    for (size_t i = 0; i < table.tensor[t].count; i++)
                        written[s][table.tensor[t].offset + i] =
                            px_test_uniform((uint32_t)s, table.tensor[t].offset + i, 1);
            PX_CHECK(px_engine_write(engine, (px_section)s, written[s]));
        }
        for (int s = 0; s <= PX_SECTION_EVAL_STATE; s++) {
            float *got = px_section_read(engine, (px_section)s);
            assert_int_equal(px_compare_values(got, written[s], px_engine_section_count(engine, (px_section)s), 0, 0,
                                               section_name[s]),
                             0);
            free(got);
            free(written[s]);
        }
        px_engine_destroy(engine);
    }
}

/* Stopped after step `stop`, or in the middle of it (gradients accumulated, no update yet), and continued in a new
 * engine. */
static void resumed_run_is_the_run_that_was_not_stopped(void **state)
{
    enum { STEPS = 8, STOP = 4 };
    (void)state;
    for (int k = 0; k < 2 * CASES; k++) {
        const px_case *c = cases[k / 2];
        int in_the_middle = k % 2;
        px_engine *whole = px_case_engine(c, device, 2, 1), *first = px_case_engine(c, device, 2, 1);
        for (uint64_t step = 0; step < STEPS; step++) step_of(whole, c, step);
        for (uint64_t step = 0; step < STOP; step++) step_of(first, c, step);
        px_window window = px_case_window(c, STOP, 0);
        if (in_the_middle) PX_CHECK(px_engine_accumulate(first, &window.batch));

        px_engine *second = px_case_engine(c, device, 2, 1);
        px_sections_copy(first, second);
        px_engine_destroy(first);
        uint64_t step = STOP;
        if (in_the_middle) {
            px_update update = {.step = step, .lr = 0.02, .average_weight = 1.0 / (double)(step + 1)};
            PX_CHECK(px_engine_update(second, &update));
            PX_CHECK(px_engine_evaluate(second, &window.batch, NULL));
            step++;
        }
        for (; step < STEPS; step++) step_of(second, c, step);
        assert_int_equal(compare_engines(second, whole, in_the_middle ? "resumed in a step" : "resumed"), 0);
        px_window_free(&window);
        px_engine_destroy(second);
        px_engine_destroy(whole);
    }
}

/* The same run twice gives the same bits: nothing depends on which thread comes first. */
static void runs_repeat_to_the_bit(void **state)
{
    (void)state;
    for (int k = 0; k < CASES; k++) {
        const px_case *c = cases[k];
        px_engine *once = px_case_engine(c, device, 2, 1), *again = px_case_engine(c, device, 2, 1);
        for (uint64_t step = 0; step < 6; step++) step_of(once, c, step);
        for (uint64_t step = 0; step < 6; step++) step_of(again, c, step);
        assert_int_equal(compare_engines(again, once, "repeated"), 0);
        px_engine_destroy(once);
        px_engine_destroy(again);
    }
}

/* Evaluating in between leaves training as it was, and training leaves the evaluation state. */
static void evaluation_does_not_touch_training(void **state)
{
    const px_case *c = &everything;
    (void)state;
    px_engine *plain = px_case_engine(c, device, 2, 1), *evaluated = px_case_engine(c, device, 2, 1);
    float *p = calloc((size_t)c->n * (size_t)c->model.vocab, sizeof *p);
    assert_non_null(p);
    for (uint64_t step = 0; step < 3; step++) {
        px_window window = px_case_window(c, step, 0), other = px_case_window(c, step, 3);
        px_update update = {.step = step, .lr = 0.02};
        PX_CHECK(px_engine_accumulate(plain, &window.batch));
        PX_CHECK(px_engine_accumulate(evaluated, &window.batch));
        PX_CHECK(px_engine_evaluate(evaluated, &other.batch, NULL));
        PX_CHECK(px_engine_next(evaluated, other.tokens, NULL, c->n, p));
        PX_CHECK(px_engine_update(plain, &update));
        PX_CHECK(px_engine_update(evaluated, &update));
        px_window_free(&window);
        px_window_free(&other);
    }
    float *first = px_section_read(plain, PX_SECTION_PARAMETERS),
          *second = px_section_read(evaluated, PX_SECTION_PARAMETERS);
    assert_int_equal(
        px_compare_values(second, first, px_engine_section_count(plain, PX_SECTION_PARAMETERS), 0, 0, "parameters"), 0);
    float *a = px_section_read(plain, PX_SECTION_STATE), *b = px_section_read(evaluated, PX_SECTION_STATE);
    assert_int_equal(px_compare_values(b, a, px_engine_section_count(plain, PX_SECTION_STATE), 0, 0, "state"), 0);
    free(p), free(first), free(second), free(a), free(b);
    px_engine_destroy(plain);
    px_engine_destroy(evaluated);
}

static void swapped_averages_are_what_is_evaluated(void **state)
{
    const px_case *c = &one_hot;
    px_metrics direct, swapped;
    (void)state;
    px_engine *engine = px_case_engine(c, device, 1, 1), *other = px_case_engine(c, device, 1, 1);
    for (uint64_t step = 0; step < 5; step++) step_of(engine, c, step);
    float *parameters = px_section_read(engine, PX_SECTION_PARAMETERS),
          *average = px_section_read(engine, PX_SECTION_AVERAGE);
    size_t count = px_engine_section_count(engine, PX_SECTION_AVERAGE);
    px_window window = px_case_window(c, 9, 0);
    float *eval_state = px_section_read(engine, PX_SECTION_EVAL_STATE);

    PX_CHECK(px_engine_write(other, PX_SECTION_PARAMETERS, average));
    PX_CHECK(px_engine_write(other, PX_SECTION_EVAL_STATE, eval_state));
    PX_CHECK(px_engine_metrics(other, 1, &direct));
    PX_CHECK(px_engine_evaluate(other, &window.batch, NULL));
    PX_CHECK(px_engine_metrics(other, 1, &direct));

    PX_CHECK(px_engine_metrics(engine, 1, &swapped));
    PX_CHECK(px_engine_swap_average(engine));
    PX_CHECK(px_engine_evaluate(engine, &window.batch, NULL));
    PX_CHECK(px_engine_metrics(engine, 1, &swapped));
    assert_true(swapped.loss_sum == direct.loss_sum);
    float *now = px_section_read(engine, PX_SECTION_PARAMETERS);
    assert_int_equal(px_compare_values(now, average, count, 0, 0, "parameters while swapped"), 0);
    free(now);
    PX_CHECK(px_engine_swap_average(engine));
    now = px_section_read(engine, PX_SECTION_PARAMETERS);
    assert_int_equal(px_compare_values(now, parameters, count, 0, 0, "parameters after swapping back"), 0);
    free(now), free(parameters), free(average), free(eval_state);
    px_window_free(&window);
    px_engine_destroy(engine);
    px_engine_destroy(other);
}

static void token_ids_outside_the_vocabulary_are_refused(void **state)
{
    const px_case *c = &one_hot;
    static const struct {
        int32_t token, target;
    } bad[] = {{61, 0}, {-1, 0}, {0, 61}, {0, -2}, {INT32_MAX, 0}, {0, INT32_MIN}};
    float p[3 * 61];
    (void)state;
    px_engine *engine = px_case_engine(c, device, 1, 0);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        px_window window = px_case_window(c, 0, 0);
        window.tokens[7] = bad[k].token;
        window.targets[7] = bad[k].target;
        assert_int_equal(px_engine_accumulate(engine, &window.batch), PX_ERR_INPUT);
        assert_int_equal(px_engine_evaluate(engine, &window.batch, NULL), PX_ERR_INPUT);
        if (bad[k].target == 0) assert_int_equal(px_engine_next(engine, window.tokens + 6, NULL, 3, p), PX_ERR_INPUT);
        px_window_free(&window);
    }
    px_engine_destroy(engine);
}

static void engine_refuses_what_it_was_not_made_for(void **state)
{
    const px_case *c = &one_hot;
    px_engine_shape shape = {.n = c->n, .T = c->T, .threads = 1};
    px_engine *evaluator, *trainer = px_case_engine(c, device, 1, 0);
    px_window window = px_case_window(c, 0, 0);
    px_update update = {.lr = 0.1, .average_weight = 0.5}, wrong_rate = {.lr = NAN};
    float *flat, p[61];
    size_t count;
    (void)state;
    PX_CHECK(px_engine_create(device, &c->model, &c->optimizer, &shape, &evaluator));
    assert_int_equal(px_engine_accumulate(evaluator, &window.batch), PX_ERR_ARGUMENT);
    assert_int_equal(px_engine_gradients(evaluator, &flat, &count), PX_ERR_ARGUMENT);
    assert_int_equal(px_engine_update(evaluator, &update), PX_ERR_ARGUMENT);
    assert_int_equal(px_engine_update(trainer, &update), PX_ERR_ARGUMENT); /* made without averages */
    assert_int_equal(px_engine_update(trainer, &wrong_rate), PX_ERR_ARGUMENT);
    assert_int_equal(px_engine_swap_average(trainer), PX_ERR_ARGUMENT);
    assert_int_equal(px_engine_next(evaluator, window.tokens, NULL, c->n + 1, p), PX_ERR_ARGUMENT);
    assert_int_equal(px_engine_read(trainer, (px_section)99, p), PX_ERR_ARGUMENT);
    window.batch.T = c->T + 1;
    assert_int_equal(px_engine_accumulate(trainer, &window.batch), PX_ERR_ARGUMENT);
    window.batch.T = c->T;
    window.batch.n = c->n + 1;
    assert_int_equal(px_engine_accumulate(trainer, &window.batch), PX_ERR_ARGUMENT);
    assert_int_equal(px_engine_evaluate(trainer, &window.batch, NULL), PX_ERR_ARGUMENT);
    px_window_free(&window);
    px_engine_destroy(evaluator);
    px_engine_destroy(trainer);
}

/* In the place of px_clock (--wrap): a second passes from one reading to the next, so that what engines on the host
 * measure are whole numbers, the same on every machine. A GPU's engine has a clock of its own. */
static double readings;
double __wrap_px_clock(void);
double __wrap_px_clock(void) { return ++readings; }

/* Some readings' worth of that made-up clock: none would be 0, a real clock no whole number. */
static int is_some_ticks(double ticks) { return ticks >= 1 && ticks == floor(ticks); }

static void engine_says_what_it_is_and_where_its_time_goes(void **state)
{
    char text[200] = "";
    px_phase_times times;
    (void)state;
    px_engine *engine = px_case_engine(&everything, device, 1, 1);
    PX_CHECK(px_engine_describe(engine, text, sizeof text));
    assert_true(strlen(text) > 10 && !strchr(text, '\n'));
    PX_CHECK(px_engine_phase_times(engine, 1, &times));
    for (uint64_t step = 0; step < 3; step++) step_of(engine, &everything, step);
    PX_CHECK(px_engine_phase_times(engine, 1, &times));
    for (int phase = 0; phase < PX_PHASE_COUNT; phase++) {
        assert_true(strlen(px_phase_name((px_phase)phase)) > 3);
        if (engine->ops->on_host) assert_true(is_some_ticks(times.seconds[phase]));
    }
    PX_CHECK(px_engine_phase_times(engine, 0, &times));
    for (int phase = 0; phase < PX_PHASE_COUNT; phase++) assert_true(times.seconds[phase] == 0);
    px_engine_destroy(engine);
}

static void one_phase_alone_is_the_only_one_timed(void **state)
{
    (void)state;
    px_engine *engine = px_case_engine(&everything, device, 1, 1);
    px_window window = px_case_window(&everything, 0, 0);
    const px_update update = {.lr = 1e-3};
    px_phase_times times;
    const size_t count = px_engine_section_count(engine, PX_SECTION_PARAMETERS);
    float *before = malloc(count * sizeof *before), *after = malloc(count * sizeof *after);
    assert_true(before && after);
    if (!engine->ops->run_phase) print_message("%s runs no phase alone\n", device);
    for (int which = 0; engine->ops->run_phase && which < PX_PHASE_COUNT; which++) {
        PX_CHECK(px_engine_accumulate(engine, &window.batch));
        PX_CHECK(px_engine_phase_times(engine, 1, &times));
        PX_CHECK(px_engine_read(engine, PX_SECTION_PARAMETERS, before));
        for (int k = 0; k < 3; k++) PX_CHECK(px_engine_run_phase(engine, (px_phase)which, &window.batch, &update));
        PX_CHECK(px_engine_phase_times(engine, 1, &times));
        PX_CHECK(px_engine_read(engine, PX_SECTION_PARAMETERS, after));
        assert_int_equal(memcmp(before, after, count * sizeof *before) != 0, which == PX_PHASE_UPDATE);
        for (int phase = 0; phase < PX_PHASE_COUNT; phase++) {
            if (phase != which) assert_true(times.seconds[phase] == 0);
            if (phase == which && engine->ops->on_host) assert_true(is_some_ticks(times.seconds[phase]));
        }
    }
    free(before);
    free(after);
    px_window_free(&window);
    px_engine_destroy(engine);
}

/* Reading weights alone: all of them, as often as asked for, and nothing is computed. */
static void check_weights_are_read(const px_case *c)
{
    px_engine *engine = px_case_engine(c, device, 2, 1);
    px_weight_reading step, recurrent, thrice;
    const double h = c->model.hidden, gates = px_cell_of(c->model.cell)->gates, padded = (h + 64) * h;
    float *before = px_section_read(engine, PX_SECTION_EVAL_STATE);
    PX_CHECK(px_engine_read_weights(engine, PX_WEIGHTS_STEP, 1, &step));
    PX_CHECK(px_engine_read_weights(engine, PX_WEIGHTS_STEP, 3, &thrice));
    PX_CHECK(px_engine_read_weights(engine, PX_WEIGHTS_RECURRENT, 1, &recurrent));
    assert_true(step.seconds == 1 && thrice.seconds == 1 && recurrent.seconds == 1); /* of the made-up clock */
    assert_true(thrice.bytes == 3 * step.bytes);
    assert_true(recurrent.bytes >= 4 * gates * h * h && recurrent.bytes <= 4 * gates * padded);
    const double rest = 4 * h * ((c->model.layers - 1) * gates * h + c->model.embed); /* at least: W_xh of layer 1 */
    assert_true(step.bytes >= c->model.layers * recurrent.bytes + rest);
    float *after = px_section_read(engine, PX_SECTION_EVAL_STATE);
    assert_memory_equal(before, after, sizeof *before * px_engine_section_count(engine, PX_SECTION_EVAL_STATE));
    assert_int_equal(px_engine_read_weights(engine, PX_WEIGHTS_STEP, 0, &step), PX_ERR_ARGUMENT);
    assert_int_equal(px_engine_read_weights(engine, PX_WEIGHTS_COUNT, 1, &step), PX_ERR_ARGUMENT);
    free(before), free(after);
    px_engine_destroy(engine);
}

static void weights_are_read_alone_or_refused(void **state)
{
    px_weight_reading reading;
    (void)state;
    px_engine *engine = px_case_engine(&one_hot, device, 1, 0);
    const int reads = engine->ops->read_weights != NULL;
    if (!reads) assert_int_equal(px_engine_read_weights(engine, PX_WEIGHTS_STEP, 1, &reading), PX_ERR_DEVICE);
    px_engine_destroy(engine);
    for (size_t i = 0; reads && i < sizeof cases / sizeof cases[0]; i++) check_weights_are_read(cases[i]);
}

int main(int argc, char **argv)
{
    px_test_skip_missing_isa();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_exist_where_the_optimiser_needs_them),
        cmocka_unit_test(sections_are_read_as_they_were_written),
        cmocka_unit_test(resumed_run_is_the_run_that_was_not_stopped),
        cmocka_unit_test(runs_repeat_to_the_bit),
        cmocka_unit_test(evaluation_does_not_touch_training),
        cmocka_unit_test(swapped_averages_are_what_is_evaluated),
        cmocka_unit_test(token_ids_outside_the_vocabulary_are_refused),
        cmocka_unit_test(engine_refuses_what_it_was_not_made_for),
        cmocka_unit_test(one_phase_alone_is_the_only_one_timed),
        cmocka_unit_test(weights_are_read_alone_or_refused),
        cmocka_unit_test(engine_says_what_it_is_and_where_its_time_goes),
    };
    if (argc > 1) device = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
