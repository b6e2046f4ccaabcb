/* Learning rates, averaging and the text of a run's state. */
#include "train_support.h"

#include "averaging.h"
#include "config.h"
#include "run_state.h"
#include "schedule.h"
#include "text_buffer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static px_config config;
static px_run_state state;

static int fresh(void **unused)
{
    (void)unused;
    px_config_default(&config);
    config.lr = 0.5;
    config.warmup_steps = 0;
    px_run_state_start(&state);
    return 0;
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fabs(want) + 1e-300)) fail_msg("got %.17g, want %.17g", got, want);
}

static void a_constant_rate_is_the_given_one_after_its_warm_up(void **unused)
{
    (void)unused;
    config.schedule = PX_SCHEDULE_CONSTANT;
    config.warmup_steps = 4;
    near(px_schedule_rate(&config, &state, 0), 0.125); /* above 0: the first step is not lost */
    near(px_schedule_rate(&config, &state, 2), 0.375);
    near(px_schedule_rate(&config, &state, 3), 0.5);
    near(px_schedule_rate(&config, &state, 1000000), 0.5);
}

static void the_step_schedule_multiplies_every_k_steps(void **unused)
{
    (void)unused;
    config.schedule = PX_SCHEDULE_STEP;
    config.lr_step_every = 10;
    config.lr_factor = 0.1;
    near(px_schedule_rate(&config, &state, 9), 0.5);
    near(px_schedule_rate(&config, &state, 10), 0.05);
    near(px_schedule_rate(&config, &state, 35), 0.0005);
}

static void the_cosine_falls_from_the_rate_to_its_floor(void **unused)
{
    (void)unused;
    config.schedule = PX_SCHEDULE_COSINE;
    config.schedule_steps = 110;
    config.warmup_steps = 10;
    config.lr_min = 0.1;
    near(px_schedule_rate(&config, &state, 4), 0.25);
    near(px_schedule_rate(&config, &state, 10), 0.5);
    near(px_schedule_rate(&config, &state, 60), 0.5 * 0.55);
    near(px_schedule_rate(&config, &state, 35), 0.5 * (0.1 + 0.45 * (1 + sqrt(0.5))));
    near(px_schedule_rate(&config, &state, 110), 0.05);
    near(px_schedule_rate(&config, &state, 100000), 0.05); /* a run that was given more steps stays at the floor */
    for (int64_t s = 10; s < 110; s++)
        assert_true(px_schedule_rate(&config, &state, s + 1) < px_schedule_rate(&config, &state, s));
    config.schedule_steps = 5; /* shorter than its warm-up, in which the run still learns */
    near(px_schedule_rate(&config, &state, 4), 0.25);
    near(px_schedule_rate(&config, &state, 10), 0.05);
}

static void the_plateau_divides_after_its_patience_and_waits_anew(void **unused)
{
    static const int best[] = {1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    static const double scale[] = {1, 1, 1, 1, 1, 1, 0.25, 0.25, 0.25, 0.0625};
    (void)unused;
    config.schedule = PX_SCHEDULE_PLATEAU;
    config.lr_patience = 3;
    config.lr_factor = 0.25;
    for (size_t i = 0; i < sizeof best / sizeof best[0]; i++) {
        px_schedule_evaluated(&config, &state, best[i]);
        near(px_schedule_rate(&config, &state, 7), 0.5 * scale[i]);
    }
    state.rollback_scale = 0.5;
    near(px_schedule_rate(&config, &state, 7), 0.5 * 0.0625 * 0.5);
}

static void other_schedules_do_not_heed_evaluations(void **unused)
{
    (void)unused;
    config.schedule = PX_SCHEDULE_CONSTANT;
    for (int i = 0; i < 10; i++) px_schedule_evaluated(&config, &state, 0);
    near(px_schedule_rate(&config, &state, 7), 0.5);
}

static void averaging_from_a_step_weighs_all_weights_alike(void **unused)
{
    double mean = 0;
    (void)unused;
    config.average = PX_AVERAGE_FROM;
    config.average_from = 5;
    for (state.step = 0; state.step < 12; state.step++) { /* the weights after step s + 1 are s + 1 */
        double weight = px_averaging_weight(&config, &state);
        if (state.step + 1 < 5) near(weight, 0);
        if (weight > 0) state.average_count++;
        mean += weight * ((double)(state.step + 1) - mean);
    }
    assert_int_equal(state.average_count, 8);
    near(mean, (5 + 12) / 2.0);
}

static void averaging_begins_when_validation_stalls(void **unused)
{
    (void)unused;
    config.average = PX_AVERAGE_STALL;
    config.average_patience = 2;
    state.since_best = 1;
    px_averaging_evaluated(&config, &state);
    near(px_averaging_weight(&config, &state), 0);
    state.since_best = 2;
    px_averaging_evaluated(&config, &state);
    near(px_averaging_weight(&config, &state), 1);
    assert_int_equal(state.since_best, 0); /* early stopping waits for the mean */
    state.average_count = 3;
    state.since_best = 5;
    px_averaging_evaluated(&config, &state);
    assert_int_equal(state.since_best, 5);
    near(px_averaging_weight(&config, &state), 0.25);
    config.average = PX_AVERAGE_NONE;
    near(px_averaging_weight(&config, &state), 0);
}

static void a_state_comes_back_from_its_text_exactly(void **unused)
{
    px_text text = {0}, again = {0};
    px_run_state back;
    (void)unused;
    state.step = 123456789012;
    state.interval_loss = 1.0 / 3;
    state.epoch_loss = INFINITY;
    state.best_loss = 0x1.fffffffffffffp-1022;
    state.grad_norm = -NAN;
    state.corpus_hash = 0xFEDCBA9876543210;
    px_run_state_write(&state, &text);
    assert_px_ok(px_run_state_read(&back, text.data, "test"));
    px_run_state_write(&back, &again);
    assert_string_equal(text.data, again.data);
    assert_true(back.best_loss == state.best_loss && back.interval_loss == state.interval_loss &&
                isinf(back.epoch_loss) && isnan(back.grad_norm));
    assert_int_equal(back.corpus_hash, state.corpus_hash);

    /* every line is needed, once, with a value that is one */
    for (char *line = text.data; *line;) {
        char *end = strchr(line, '\n') + 1, *copy = strdup(text.data);
        memmove(copy + (line - text.data), end, strlen(end) + 1);
        if (strncmp(line, "moment_steps", 12) == 0) /* 0.1.0 did not write it */
            assert_px_ok(px_run_state_read(&back, copy, "test"));
        else
            assert_px_fails(px_run_state_read(&back, copy, "test"), PX_ERR_INPUT, "lacks");
        px_text_clear(&again);
        px_text_append(&again, text.data, text.bytes);
        px_text_append(&again, line, (size_t)(end - line));
        assert_px_fails(px_run_state_read(&back, again.data, "test"), PX_ERR_INPUT, "damaged");
        free(copy);
        line = end;
    }
    assert_px_fails(px_run_state_read(&back, "step = 1x\n", "test"), PX_ERR_INPUT, "step = 1x");
    assert_px_fails(px_run_state_read(&back, "step = -7\n", "test"), PX_ERR_INPUT, "step = -7");
    assert_px_fails(px_run_state_read(&back, "stride = 1\n", "test"), PX_ERR_INPUT, "stride");
    px_text_free(&text);
    px_text_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_constant_rate_is_the_given_one_after_its_warm_up, fresh),
        cmocka_unit_test_setup(the_step_schedule_multiplies_every_k_steps, fresh),
        cmocka_unit_test_setup(the_cosine_falls_from_the_rate_to_its_floor, fresh),
        cmocka_unit_test_setup(the_plateau_divides_after_its_patience_and_waits_anew, fresh),
        cmocka_unit_test_setup(other_schedules_do_not_heed_evaluations, fresh),
        cmocka_unit_test_setup(averaging_from_a_step_weighs_all_weights_alike, fresh),
        cmocka_unit_test_setup(averaging_begins_when_validation_stalls, fresh),
        cmocka_unit_test_setup(a_state_comes_back_from_its_text_exactly, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
