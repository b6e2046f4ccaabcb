/* The tokeniser, fed in one piece and in every way of cutting the text in two: tokens, offsets, errors. */
#include "corpus_support.h"
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTE PX_LEVEL_BYTE
#define CHAR PX_LEVEL_CHAR
#define WORD PX_LEVEL_WORD
#define NONE PX_NORMALISE_NONE
#define LETTERS PX_NORMALISE_LETTERS
#define BY_LINE PX_NORMALISE_LETTERS_BY_LINE
#define ERROR PX_INVALID_ERROR
#define REPLACE PX_INVALID_REPLACE

/* Tokens joined by '|'. */
typedef struct joined {
    char text[4096];
    size_t used, count, limit;
} joined;

static px_sink_answer join(void *context, const char *token, size_t bytes)
{
    joined *j = context;
    if (j->count++) j->text[j->used++] = '|';
    memcpy(j->text + j->used, token, bytes);
    j->used += bytes;
    j->text[j->used] = 0;
    return j->count == j->limit ? PX_SINK_ENOUGH : PX_SINK_MORE;
}

/* Feeds text cut after `cut` bytes, keeping what is left over, as a reader of chunks does. */
static px_status tokenise(px_text_options options, const char *text, size_t bytes, size_t cut, joined *j,
                          uint64_t *offset)
{
    px_sink sink = {.token = join, .context = j};
    px_tokeniser tokeniser;
    size_t used;
    assert_done(px_tokeniser_init(&tokeniser, options, "text", &sink));
    px_status status = px_tokeniser_feed(&tokeniser, text, cut, 0, &used);
    if (status == PX_OK && !tokeniser.enough)
        status = px_tokeniser_feed(&tokeniser, text + used, bytes - used, 1, &used);
    *offset = tokeniser.offset;
    px_tokeniser_free(&tokeniser);
    return status;
}

static void gives(px_text_options options, const char *text, size_t bytes, const char *tokens)
{
    for (size_t cut = 0; cut <= bytes; cut++) {
        joined j = {.limit = 0};
        uint64_t offset;
        assert_done(tokenise(options, text, bytes, cut, &j, &offset));
        if (strlen(tokens) != j.used || memcmp(tokens, j.text, j.used) != 0)
            fail_msg("cut after %zu: <%s>, not <%s>", cut, j.text, tokens);
        assert_int_equal(offset, bytes);
    }
}

#define GIVES(level, normalise, invalid, text, tokens)                                                                 \
    gives((px_text_options){level, normalise, invalid}, text, sizeof text - 1, tokens)

static void bytes_are_tokens_whatever_they_are(void **state)
{
    GIVES(BYTE, NONE, ERROR, "a\xff\n \xc3", "a|\xff|\n| |\xc3");
    GIVES(BYTE, NONE, ERROR, "", "");
}

static void characters_are_code_points(void **state)
{
    GIVES(CHAR, NONE, ERROR, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xb6\n", "a|\xc3\xa9|\xe2\x82\xac|\xf0\x9f\x8e\xb6|\n");
    GIVES(CHAR, NONE, ERROR, "e\xcc\x81", "e|\xcc\x81"); /* a combining accent is a code point of its own */
}

static void words_stand_between_white_space_and_lines_end_in_eos(void **state)
{
    GIVES(WORD, NONE, ERROR, " the  cat\nsat ", "the|cat|<eos>|sat");
    GIVES(WORD, NONE, ERROR, "\n\nx\r\n", "<eos>|<eos>|x|<eos>");
    GIVES(WORD, NONE, ERROR, "a\tb\vc\fd", "a|b|c|d");
    GIVES(WORD, NONE, ERROR,
          "a\xc2\xa0"
          "b\xe3\x80\x80"
          "c\xe2\x80\xa8"
          "d\xc2\x85"
          "e",
          "a|b|c|d|e"); /* NBSP, ideographic, line separator, NEL */
    GIVES(WORD, NONE, ERROR,
          "z\xc3\xa9ro\xe2\x80\x8b"
          "x",
          "z\xc3\xa9ro\xe2\x80\x8bx"); /* zero width space is none */
    GIVES(WORD, NONE, ERROR, "<unk> <eos>\n", "<unk>|<eos>|<eos>");
}

static void letters_make_one_space_of_every_run(void **state)
{
    GIVES(CHAR, LETTERS, ERROR, "..The Cat's\n\n9 LIVES!", " |t|h|e| |c|a|t| |s| |l|i|v|e|s| ");
    GIVES(BYTE, LETTERS, ERROR,
          "A\xff\xfe"
          "b",
          "a| |b");
    GIVES(CHAR, LETTERS, ERROR, "caf\xc3\xa9!x", "c|a|f| |x");
    GIVES(CHAR, LETTERS, ERROR, "[`@{", " "); /* the neighbours of A-Z and a-z */
}

static void letters_by_line_strip_lines_and_join_them(void **state)
{
    GIVES(CHAR, BY_LINE, ERROR, "  The Cat's \n\n9 LIVES!\nx", "t|h|e| |c|a|t| |s|l|i|v|e|s|x");
    GIVES(CHAR, BY_LINE, ERROR, "a -- b --\r\n-- c", "a| |b|c");
}

static void words_of_letters_are_the_same_both_ways_and_have_no_eos(void **state)
{
    GIVES(WORD, LETTERS, ERROR, "The Cat's\nout\n", "the|cat|s|out");
    GIVES(WORD, BY_LINE, ERROR, "The Cat's\nout\n", "the|cat|s|out");
}

static void invalid_utf8_is_an_error_with_its_offset(void **state)
{
    static const struct {
        const char *text;
        const char *at;
    } cases[] = {{"ab\xff"
                  "c",
                  "byte 2: not UTF-8 (0xff)"},
                 {"a\xc3", "byte 1: not UTF-8 (0xc3)"},
                 {"\xe2\x82", "byte 0"},
                 {"xyz\x80", "byte 3: not UTF-8 (0x80)"},
                 {"\xc0\xaf", "byte 0"},
                 {"a\xed\xa0\x80", "byte 1"},
                 {"a\xf4\x90\x80\x80", "byte 1"},
                 {"\xc3\xa9\xf0\x9f\x8e", "byte 2"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int level = CHAR; level <= WORD; level++)
            for (int normalise = NONE; normalise <= BY_LINE; normalise++)
                for (size_t cut = 0; cut <= strlen(cases[i].text); cut++) {
                    joined j = {.limit = 0};
                    uint64_t offset;
                    assert_fails(tokenise((px_text_options){level, normalise, ERROR}, cases[i].text,
                                          strlen(cases[i].text), cut, &j, &offset),
                                 PX_ERR_INPUT, "text: ", cases[i].at, "--invalid replace", NULL);
                }
}

#define FFFD "\xef\xbf\xbd"

static void invalid_utf8_is_replaced_by_maximal_subparts(void **state)
{
    /* The example of the Unicode Standard, table 3-8: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64. */
    GIVES(CHAR, NONE, REPLACE,
          "a\xf1\x80\x80\xe1\x80\xc2"
          "b\x80"
          "c\x80\xbf"
          "d",
          "a|" FFFD "|" FFFD "|" FFFD "|b|" FFFD "|c|" FFFD "|" FFFD "|d");
    GIVES(CHAR, NONE, REPLACE, "\xed\xa0\x80", FFFD "|" FFFD "|" FFFD); /* a surrogate: no byte of it begins anything */
    GIVES(CHAR, NONE, REPLACE, "x\xf0\x9f\x8e", "x|" FFFD);
    GIVES(WORD, NONE, REPLACE,
          "a\xff"
          "b c",
          "a" FFFD "b|c");
    GIVES(CHAR, LETTERS, REPLACE,
          "a\xff\xff"
          "b",
          "a| |b");
}

static void a_sink_that_has_enough_ends_the_reading_where_its_last_token_ends(void **state)
{
    static const struct {
        px_text_options options;
        const char *text, *tokens;
        size_t limit;
        uint64_t offset;
    } cases[] = {{{BYTE, NONE, 0}, "abcdef", "a|b|c", 3, 3},
                 {{CHAR, NONE, 0}, "\xc3\xa9\xc3\xa8x", "\xc3\xa9|\xc3\xa8", 2, 4},
                 {{WORD, NONE, 0}, "the cat sat\n", "the|cat", 2, 7},
                 {{WORD, NONE, 0}, "the\ncat", "the|<eos>", 2, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t cut = 0; cut <= strlen(cases[i].text); cut++) {
            joined j = {.limit = cases[i].limit};
            uint64_t offset;
            assert_done(tokenise(cases[i].options, cases[i].text, strlen(cases[i].text), cut, &j, &offset));
            assert_string_equal(j.text, cases[i].tokens);
            assert_int_equal(offset, cases[i].offset);
        }
}

static void a_word_without_end_is_an_error_that_says_where(void **state)
{
    size_t bytes = PX_WORD_LIMIT + 10;
    char *text = malloc(bytes);
    memset(text, 'x', bytes);
    memcpy(text, "ab ", 3);
    joined j = {.limit = 1};
    uint64_t offset;
    assert_done(tokenise((px_text_options){WORD, NONE, 0}, text, bytes, 5, &j, &offset));
    j = (joined){.limit = 0};
    assert_fails(tokenise((px_text_options){WORD, NONE, 0}, text, bytes, 5, &j, &offset), PX_ERR_INPUT,
                 "byte 3: a word of more than 65536 bytes", NULL);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_tokens_whatever_they_are),
        cmocka_unit_test(characters_are_code_points),
        cmocka_unit_test(words_stand_between_white_space_and_lines_end_in_eos),
        cmocka_unit_test(letters_make_one_space_of_every_run),
        cmocka_unit_test(letters_by_line_strip_lines_and_join_them),
        cmocka_unit_test(words_of_letters_are_the_same_both_ways_and_have_no_eos),
        cmocka_unit_test(invalid_utf8_is_an_error_with_its_offset),
        cmocka_unit_test(invalid_utf8_is_replaced_by_maximal_subparts),
        cmocka_unit_test(a_sink_that_has_enough_ends_the_reading_where_its_last_token_ends),
        cmocka_unit_test(a_word_without_end_is_an_error_that_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
