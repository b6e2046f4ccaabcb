/* Configuration files, the checks between settings, and what a resumed run may change. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static px_status read_text(px_config *config, const char *text)
{
    return px_config_read(config, text, strlen(text), "my.conf");
}

static void expect_read_error(const char *text, const char *part)
{
    px_config config;
    px_config_default(&config);
    px_status status = read_text(&config, text);
    if (status != PX_ERR_INPUT || !strstr(px_error_message(), part))
        fail_msg("'%s': got %s with '%s', want PX_ERR_INPUT with '%s'", text, px_status_name(status),
                 px_error_message(), part);
    px_config_free(&config);
}

/* settings: name and value in turn, ended by NULL. */
static px_status check_with(const char *const *settings)
{
    px_config config;
    px_config_default(&config);
    for (size_t i = 0; settings[i]; i += 2)
        if (px_config_set(&config, settings[i], settings[i + 1]) != PX_OK)
            fail_msg("%s = %s: %s", settings[i], settings[i + 1], px_error_message());
    px_status status = px_config_check(&config);
    px_config_free(&config);
    return status;
}

#define EXPECT_CHECK_ERROR(part, ...)                                                                                  \
    do {                                                                                                               \
        static const char *const settings_[] = {__VA_ARGS__, NULL};                                                    \
        px_status status_ = check_with(settings_);                                                                     \
        if (status_ != PX_ERR_ARGUMENT || !strstr(px_error_message(), part))                                           \
            fail_msg("got %s with '%s', want PX_ERR_ARGUMENT with '%s'", px_status_name(status_), px_error_message(),  \
                     part);                                                                                            \
    } while (0)

#define EXPECT_CHECK_OK(...)                                                                                           \
    do {                                                                                                               \
        static const char *const settings_[] = {__VA_ARGS__, NULL};                                                    \
        if (check_with(settings_) != PX_OK) fail_msg("refused: %s", px_error_message());                               \
    } while (0)

static void what_was_written_reads_back_as_the_same_configuration(void **state)
{
    static const char *const strings[] = {"plain",       " leading",   "trailing ",   "with # inside",
                                          "#first",      "\"quoted\"", "back\\slash", "two\nlines\ttab",
                                          "caf\xc3\xa9", "\x01\x7f",   "a=b",         "\xff raw"};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        px_config config, again;
        px_config_default(&config);
        px_config_default(&again);
        assert_int_equal(px_config_set(&config, "data", strings[i]), PX_OK);
        assert_int_equal(px_config_set(&config, "reset-at", "\n"), PX_OK);
        assert_int_equal(px_config_set(&config, "optimizer", "rmsprop"), PX_OK);
        assert_int_equal(px_config_set(&config, "tied", "true"), PX_OK);
        config.lr = 1.0 / 3;
        config.corpus.split[0] = 0.7;
        config.seed = UINT64_MAX;
        char *text = px_config_write(&config);
        assert_non_null(text);
        if (read_text(&again, text) != PX_OK) fail_msg("%s", px_error_message());
        assert_string_equal(again.corpus.data, strings[i]);
        char *second = px_config_write(&again);
        assert_string_equal(text, second);
        assert_true(again.lr == config.lr && again.seed == UINT64_MAX && again.corpus.split[0] == 0.7);
        free(text);
        free(second);
        px_config_free(&config);
        px_config_free(&again);
    }
}

static void blanks_comments_and_carriage_returns_do_not_matter(void **state)
{
    px_config config;
    px_config_default(&config);
    assert_int_equal(
        read_text(&config,
                  "# a comment\r\n\r\n  hidden=64   # units\r\n\tlayers\t=\t2\r\ndata = \"a # b\" # c\nlr = 1"),
        PX_OK);
    assert_int_equal(config.model.hidden, 64);
    assert_int_equal(config.model.layers, 2);
    assert_string_equal(config.corpus.data, "a # b");
    assert_true(config.lr == 1);
    px_config_free(&config);
}

static void an_error_in_a_file_names_file_and_line(void **state)
{
    expect_read_error("hidden = 3\nlayers = x\n", "my.conf:2: --layers x");
    expect_read_error("\n\nhiden = 3\n", "my.conf:3: hiden: no such setting; the nearest is hidden");
    expect_read_error("hidden 3\n", "my.conf:1: 'hidden 3' is not of the form key = value");
    expect_read_error("data = \"abc\n", "my.conf:1: data: the quotation mark");
    expect_read_error("data = \"a\\q\"\n", "my.conf:1");
    expect_read_error("data = \"a\" b\n", "after the closing quotation mark");
    expect_read_error("hidden = 3\n\nhidden = 4\n", "my.conf:3: hidden was already set in line 1");
}

static void a_zero_byte_is_refused(void **state)
{
    px_config config;
    px_config_default(&config);
    assert_int_equal(px_config_read(&config, "hidden = 3\0\n", 12, "my.conf"), PX_ERR_INPUT);
    assert_non_null(strstr(px_error_message(), "my.conf"));
}

static void settings_that_contradict_each_other_are_refused_with_a_remedy(void **state)
{
    EXPECT_CHECK_ERROR("--embed", "tied", "true");
    EXPECT_CHECK_ERROR("none of which is the embedding table", "tied", "true", "embed", "8", "output", "adaptive");
    EXPECT_CHECK_ERROR("--output adaptive", "cutoffs", "100");
    EXPECT_CHECK_ERROR("--split", "split", "0.9,0.2,0");
    EXPECT_CHECK_ERROR("--split", "split", "0,0.5,0.5");
    EXPECT_CHECK_ERROR("lower one of them", "batch", "1048576", "steps", "1048576");
    EXPECT_CHECK_ERROR("TB of memory", "hidden", "65536", "layers", "16", "batch", "65536", "steps", "1024");
    EXPECT_CHECK_ERROR("--epochs", "epochs", "0");
    EXPECT_CHECK_ERROR("--lr-step-every", "schedule", "step");
    EXPECT_CHECK_ERROR("needs validation", "schedule", "plateau", "split", "1,0,0");
    EXPECT_CHECK_ERROR("needs validation", "early-stop", "3", "split", "1,0,0");
    EXPECT_CHECK_ERROR("needs validation", "average", "stall", "split", "1,0,0");
    EXPECT_CHECK_ERROR("nothing to validate", "valid-every", "3", "split", "1,0,0");
    EXPECT_CHECK_ERROR("length is not known", "epochs", "0", "early-stop", "2");
    EXPECT_CHECK_ERROR("processors", "threads", "4096");
    EXPECT_CHECK_ERROR("--max-vocab 1", "max-vocab", "1");
    EXPECT_CHECK_ERROR("--limit-tokens 1", "limit-tokens", "1");
    EXPECT_CHECK_ERROR("--partition random", "partition", "random", "reset-at", "x");
}

static void settings_that_agree_are_accepted(void **state)
{
    EXPECT_CHECK_OK("tied", "true", "embed", "64");
    EXPECT_CHECK_OK("output", "adaptive", "cutoffs", "100,1000");
    EXPECT_CHECK_OK("schedule", "plateau", "split", "1,0,0", "valid", "v.txt");
    EXPECT_CHECK_OK("epochs", "0", "early-stop", "2", "schedule", "constant");
    EXPECT_CHECK_OK("split", "0.34,0.33,0.33");
    EXPECT_CHECK_OK("schedule", "step", "lr-step-every", "10");
    EXPECT_CHECK_OK("batch", "1", "steps", "1", "hidden", "1");
}

static void a_range_is_checked_where_a_program_filled_the_struct(void **state)
{
    px_config config;
    px_config_default(&config);
    config.model.hidden = -3;
    assert_int_equal(px_config_check(&config), PX_ERR_ARGUMENT);
    assert_non_null(strstr(px_error_message(), "--hidden"));
    px_config_default(&config);
    config.lr = 0.0 / 0.0;
    assert_int_equal(px_config_check(&config), PX_ERR_ARGUMENT);
    px_config_default(&config);
    config.optimizer.kind = (px_optimizer)77;
    assert_int_equal(px_config_check(&config), PX_ERR_ARGUMENT);
}

static void a_resumed_run_may_change_its_length_threads_device_and_intervals_only(void **state)
{
    static const char *const free_settings[] = {
        "epochs", "max-steps", "threads", "device", "recurrence", "checkpoint-every", "keep", "log-every", "run",
        "accumulate", "check-every", "rank-timeout", "bootstrap", "bootstrap-timeout", "recurrence", "products",
        "wavefront", /* another device may lack the run's way */
        /* they may lie elsewhere: what they hold is compared when they are opened */
        "tensorboard", "report", "data", "valid", "test"};
    for (size_t i = 0; i < px_option_count; i++) {
        const px_option *option = &px_options[i];
        px_config saved, asked;
        px_config_default(&saved);
        px_config_default(&asked);
        int may_change = 0;
        for (size_t k = 0; k < sizeof free_settings / sizeof *free_settings; k++)
            may_change |= strcmp(option->name, free_settings[k]) == 0;
        static const char *const candidates[] = {
            "7",    "0.5",      "0.25",  "true", "false",    "word", "letters",     "replace", "random",
            "relu", "normal",   "same",  "sgd",  "constant", "from", "rollback",    "tree",    "tcp",
            "bf16", "cublaslt", "fused", "text", "mup",      "none", "0.4,0.3,0.3", "adaptive"};
        char before[256], after[256];
        px_config_get(&saved, option, before, sizeof before);
        for (size_t k = 0; k < sizeof candidates / sizeof *candidates; k++) {
            if (px_config_set(&asked, option->name, candidates[k]) != PX_OK) continue;
            px_config_get(&asked, option, after, sizeof after);
            if (strcmp(before, after) != 0) break;
        }
        px_config_get(&asked, option, after, sizeof after);
        if (strcmp(before, after) == 0) fail_msg("%s: none of the candidates changes it", option->name);
        px_status status = px_config_check_resume(&saved, &asked);
        if (may_change ? status != PX_OK : status != PX_ERR_ARGUMENT)
            fail_msg("%s: %s", option->name, px_status_name(status));
        if (!may_change && !strstr(px_error_message(), option->name))
            fail_msg("%s: not named in '%s'", option->name, px_error_message());
        px_config_free(&asked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_reads_back_as_the_same_configuration),
        cmocka_unit_test(blanks_comments_and_carriage_returns_do_not_matter),
        cmocka_unit_test(an_error_in_a_file_names_file_and_line),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(settings_that_contradict_each_other_are_refused_with_a_remedy),
        cmocka_unit_test(settings_that_agree_are_accepted),
        cmocka_unit_test(a_range_is_checked_where_a_program_filled_the_struct),
        cmocka_unit_test(a_resumed_run_may_change_its_length_threads_device_and_intervals_only),
    };
    return cmocka_run_group_tests_name("config_files", tests, NULL, NULL);
}
