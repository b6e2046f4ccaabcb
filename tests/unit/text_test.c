/* Escapes undo themselves for every byte and every choice of short names; characters and columns are counted as people
 * count them. */
#include "escape.h"
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void every_byte_comes_back(void **state)
{
    static const char *const names[] = {"\n\\", "\n\t\"\\", "\n\t\r\\", "'\\"};
    (void)state;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
        for (int high = 0; high < 2; high++)
            for (int byte = 0; byte < 256; byte++) {
                char text[5], back;
                const size_t length = px_escape_byte((unsigned char)byte, names[n], high, text);
                const char *at = text;
                assert_in_range(length, 1, 4);
                for (size_t i = 0; i < length; i++)
                    assert_true((unsigned char)text[i] >= 0x20 && text[i] != 0x7f &&
                                !(high && (unsigned char)text[i] >= 0x80));
                assert_int_equal(px_unescape_byte(&at, text + length, names[n], &back), 1);
                assert_ptr_equal(at, text + length);
                assert_int_equal((unsigned char)back, byte);
            }
}

static void what_nobody_writes_is_no_escape(void **state)
{
    static const char *const wrong[] = {"\\", "\\q", "\\x", "\\x4", "\\x4g", "\\xg4", "\\t", "\\'"};
    char byte;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *at = wrong[i];
        assert_int_equal(px_unescape_byte(&at, wrong[i] + strlen(wrong[i]), "\n\\", &byte), 0);
        assert_ptr_equal(at, wrong[i]);
    }
}

static void characters_and_columns_are_counted(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        int columns;
    } facts[] = {
        {"", 0, 0},     {"abc", 3, 3}, {"na\xc3\xafve", 5, 5}, {"e\xcc\x81", 2, 1}, {"\xe6\x97\xa5\xe6\x9c\xac", 2, 4},
        {"a\xff", 2, 2}};
    (void)state;
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        assert_int_equal(px_utf8_length(facts[i].text, strlen(facts[i].text)), facts[i].length);
        assert_int_equal(px_utf8_columns(facts[i].text), facts[i].columns);
    }
}

static void only_utf_8_is_valid(void **state)
{
    static const char *const good[] = {"", "abc", "\xc3\xaf", "\xe6\x97\xa5", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\xff",     "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xe6\x97", "a\x80"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) assert_true(px_utf8_is_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(px_utf8_is_valid(bad[i], strlen(bad[i])));
}

static void what_fits_ends_with_a_whole_character(void **state)
{
    (void)state;
    assert_int_equal(px_utf8_fit("na\xc3\xafve", 3, SIZE_MAX), 4);
    assert_int_equal(px_utf8_fit("na\xc3\xafve", 9, SIZE_MAX), 6);
    assert_int_equal(px_utf8_fit("na\xc3\xafve", 9, 3), 2);
    assert_int_equal(px_utf8_fit("\xe6\x97\xa5\xe6\x9c\xac", 3, SIZE_MAX), 3);
    assert_int_equal(px_utf8_fit("e\xcc\x81x", 1, SIZE_MAX), 3);
    assert_int_equal(px_utf8_fit("abc", 0, SIZE_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(what_nobody_writes_is_no_escape),
        cmocka_unit_test(characters_and_columns_are_counted),
        cmocka_unit_test(only_utf_8_is_valid),
        cmocka_unit_test(what_fits_ends_with_a_whole_character),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
