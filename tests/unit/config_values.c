/* Settings one at a time: what text is accepted, what is refused, and that values survive being written and read. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_refused(const char *name, const char *value, const char *part)
{
    px_config config;
    px_config_default(&config);
    px_status status = px_config_set(&config, name, value);
    if (status != PX_ERR_ARGUMENT || !strstr(px_error_message(), part))
        fail_msg("%s = %s: got %s with '%s', want PX_ERR_ARGUMENT with '%s'", name, value, px_status_name(status),
                 px_error_message(), part);
    px_config_free(&config);
}

static void defaults_pass_their_own_check(void **state)
{
    px_config config;
    px_config_default(&config);
    assert_int_equal(px_config_check(&config), PX_OK);
}

static void every_option_has_a_distinct_name_a_short_help_and_a_default_inside_its_range(void **state)
{
    px_config config;
    px_config_default(&config);
    for (size_t i = 0; i < px_option_count; i++) {
        char value[256];
        const px_option *option = &px_options[i];
        assert_ptr_equal(px_config_find(option->name), option);
        if (strlen(option->help) > 68) fail_msg("%s: help of %zu characters", option->name, strlen(option->help));
        px_config_get(&config, option, value, sizeof value);
        if (px_config_set(&config, option->name, value) != PX_OK)
            fail_msg("%s: default %s: %s", option->name, value, px_error_message());
    }
    px_config_free(&config);
}

static void numbers_must_be_whole_texts_in_range_and_finite(void **state)
{
    static const char *const bad_numbers[] = {"",    " 1",    "1 ",  "1x",    "0x10", "nan",
                                              "inf", "1e999", "--1", "1.5.2", "one"};
    for (size_t i = 0; i < sizeof bad_numbers / sizeof *bad_numbers; i++) {
        expect_refused("lr", bad_numbers[i], "--lr");
        expect_refused("hidden", bad_numbers[i], "--hidden");
        expect_refused("seed", bad_numbers[i], "--seed");
        expect_refused("max-steps", bad_numbers[i], "--max-steps");
    }
    expect_refused("hidden", "0", "from 1 to 65536");
    expect_refused("hidden", "-5", "from 1 to 65536");
    expect_refused("hidden", "99999999999999999999", "from 1 to 65536");
    expect_refused("hidden", "1.5", "a whole number");
    expect_refused("dropout-output", "1", "from 0 to 0.99");
    expect_refused("dropout", "1.0", "from 0 to 0.99");
    expect_refused("seed", "-1", "whole number");
    expect_refused("seed", "18446744073709551616", "18446744073709551615");
    expect_refused("split", "0.5,0.5,0.5,0.5", "three numbers");
    expect_refused("split", "0.5,,0.5", "three numbers");
    expect_refused("split", "1.5", "three numbers");
    expect_refused("tied", "maybe", "true or false");
    static const char *const bad_cutoffs[] = {
        "",    "0",  "5,5", "9,3",    "5,",     ",5",         "5 ,9",
        "1.5", "-3", "few", "auto,3", "3,auto", "2147483648", "1,2,3,4,5,6,7,8,9"};
    for (size_t i = 0; i < sizeof bad_cutoffs / sizeof *bad_cutoffs; i++)
        expect_refused("cutoffs", bad_cutoffs[i], "auto, or up to 8 ascending");
}

static void choices_are_listed_where_one_is_wrong(void **state)
{
    expect_refused("level", "chars", "byte, char, word, sentencepiece or byte-bpe");
    expect_refused("output", "full", "softmax or adaptive");
    expect_refused("optimizer", "Adam", "sgd, momentum, adam, adamw or rmsprop");
}

static void unknown_settings_name_the_nearest_one(void **state)
{
    expect_refused("hiden", "3", "hidden");
    expect_refused("drop-out", "3", "dropout");
    expect_refused("learningrate", "3", "no such setting");
    assert_string_equal(px_config_nearest("optimiser"), "optimizer");
    assert_string_equal(px_config_nearest("bacth"), "batch");
    assert_string_equal(px_config_nearest("checkpoint"), "checkpoint-every");
    assert_null(px_config_nearest("zzzzzzzz"));
}

static void nonlinearity_is_what_the_cell_was_called(void **state)
{
    px_config config;
    (void)state;
    px_config_default(&config);
    assert_int_equal(config.model.cell, PX_CELL_TANH);
    assert_int_equal(px_config_set(&config, "nonlinearity", "relu"), PX_OK);
    assert_int_equal(config.model.cell, PX_CELL_RELU);
    assert_int_equal(px_config_set(&config, "cell", "lstm"), PX_OK);
    assert_int_equal(config.model.cell, PX_CELL_LSTM);
    expect_refused("nonlinearity", "gru", "tanh or relu");
    expect_refused("cell", "rnn", "tanh, relu, gru or lstm");
    px_config_free(&config);
}

static void dropout_sets_between_and_output(void **state)
{
    px_config config;
    px_config_default(&config);
    assert_int_equal(px_config_set(&config, "dropout", "0.25"), PX_OK);
    assert_true(config.model.dropout_between == 0.25 && config.model.dropout_output == 0.25);
    assert_true(config.model.dropout_input == 0 && config.model.dropout_weight == 0);
}

static void doubles_are_written_as_the_shortest_text_that_reads_back_exactly(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1.0 / 3, "0.3333333333333333"},
                 {2e-3, "0.002"},
                 {1e-8, "1e-08"},
                 {0.30000000000000004, "0.30000000000000004"}};
    px_config config, again;
    px_config_default(&config);
    px_config_default(&again);
    const px_option *lr = px_config_find("lr");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        config.lr = cases[i].value;
        px_config_get(&config, lr, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(px_config_set(&again, "lr", text), PX_OK);
        assert_true(again.lr == config.lr);
    }
}

static void the_largest_seed_survives(void **state)
{
    px_config config;
    char text[64];
    px_config_default(&config);
    assert_int_equal(px_config_set(&config, "seed", "18446744073709551615"), PX_OK);
    px_config_get(&config, px_config_find("seed"), text, sizeof text);
    assert_string_equal(text, "18446744073709551615");
}

static void an_empty_text_takes_a_string_away_again(void **state)
{
    px_config config;
    px_config_default(&config);
    assert_int_equal(px_config_set(&config, "valid", "v.txt"), PX_OK);
    assert_string_equal(config.corpus.valid, "v.txt");
    assert_int_equal(px_config_set(&config, "valid", ""), PX_OK);
    assert_null(config.corpus.valid);
}

static void a_copy_is_independent(void **state)
{
    px_config config, copy;
    px_config_default(&config);
    assert_int_equal(px_config_set(&config, "data", "a.txt"), PX_OK);
    assert_int_equal(px_config_copy(&copy, &config), PX_OK);
    assert_ptr_not_equal(copy.corpus.data, config.corpus.data);
    px_config_free(&config);
    assert_string_equal(copy.corpus.data, "a.txt");
    px_config_free(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_pass_their_own_check),
        cmocka_unit_test(every_option_has_a_distinct_name_a_short_help_and_a_default_inside_its_range),
        cmocka_unit_test(numbers_must_be_whole_texts_in_range_and_finite),
        cmocka_unit_test(choices_are_listed_where_one_is_wrong),
        cmocka_unit_test(unknown_settings_name_the_nearest_one),
        cmocka_unit_test(nonlinearity_is_what_the_cell_was_called),
        cmocka_unit_test(dropout_sets_between_and_output),
        cmocka_unit_test(doubles_are_written_as_the_shortest_text_that_reads_back_exactly),
        cmocka_unit_test(the_largest_seed_survives),
        cmocka_unit_test(an_empty_text_takes_a_string_away_again),
        cmocka_unit_test(a_copy_is_independent),
    };
    return cmocka_run_group_tests_name("config_values", tests, NULL, NULL);
}
