/* Pieces as their tools spell them, and the text that they join to: see pieces.h. */
#include "corpus_support.h"
#include "pieces.h"

#include <string.h>

#define SPACE "\xE2\x96\x81" /* U+2581 */

static void every_byte_survives_the_spelling_of_gpt_2(void **state)
{
    (void)state;
    char spelled[512], joined[512 + PX_JOIN_MORE];
    size_t bytes = 0;
    for (int byte = 0; byte < 256; byte++) bytes += px_spell_byte((unsigned char)byte, spelled + bytes);
    px_joiner joiner = px_joiner_start(PX_LEVEL_BYTE_BPE);
    assert_int_equal(px_join_piece(&joiner, 1, spelled, bytes, joined), 256);
    for (int byte = 0; byte < 256; byte++) assert_int_equal((unsigned char)joined[byte], byte);
}

static void known_bytes_have_the_characters_of_gpt_2s_own_vocabulary(void **state)
{
    static const struct {
        unsigned char byte;
        const char *character;
    } known[] = {{' ', "\xC4\xA0"}, {'\n', "\xC4\x8A"}, {'\t', "\xC4\x89"}, {'a', "a"},         {'~', "~"},
                 {0, "\xC4\x80"},   {0x7F, "\xC4\xA1"}, {0xA0, "\xC5\x82"}, {0xAD, "\xC5\x83"}, {0xFF, "\xC3\xBF"}};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char spelled[3] = "";
        px_spell_byte(known[i].byte, spelled);
        assert_string_equal(spelled, known[i].character);
    }
}

static void marks_are_names_in_brackets(void **state)
{
    static const char *const marks[] = {"<s>", "</s>", "<|endoftext|>", "[PAD]", "<unk>"};
    static const char *const others[] = {"<0x0A>", "<>", "<<>", "[1]", "<s", "s>", "<", "[s>", "", "a"};
    (void)state;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) assert_true(px_piece_is_mark(marks[i], strlen(marks[i])));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(px_piece_is_mark(others[i], strlen(others[i])));
}

/* The pieces, ended by NULL, joined; "?" is an unknown one. */
static const char *joined(px_level level, const char *const *piece)
{
    static char text[256];
    size_t used = 0;
    px_joiner joiner = px_joiner_start(level);
    for (; *piece; piece++) used += px_join_piece(&joiner, **piece == '?' ? 0 : 1, *piece, strlen(*piece), text + used);
    text[used] = 0;
    return text;
}

#define JOINED(level, ...) joined(level, (const char *const[]){__VA_ARGS__, NULL})

static void sentencepieces_join_to_their_text(void **state)
{
    const px_level level = PX_LEVEL_SENTENCEPIECE;
    (void)state;
    assert_string_equal(JOINED(level, SPACE "the", SPACE "k", "ing", "."), "the king.");
    assert_string_equal(JOINED(level, "<s>", SPACE "a", "</s>", "<s>", SPACE "b", "</s>"), "a\nb\n");
    assert_string_equal(JOINED(level, SPACE, SPACE "a"), " a");
    assert_string_equal(JOINED(level, SPACE "a", "<0x0A>", SPACE "b", "</s>"), "a\n b\n");
    assert_string_equal(JOINED(level, SPACE "caf", "<0xC3>", "<0xA9>", "?"), "caf\xC3\xA9\xEF\xBF\xBD");
}

static void byte_pieces_join_to_their_text(void **state)
{
    const px_level level = PX_LEVEL_BYTE_BPE;
    (void)state;
    assert_string_equal(JOINED(level, "The", "\xC4\xA0king", "\xC4\x8A", "\xC4\x8A", "<|endoftext|>", "\xC4\xA0x"),
                        "The king\n\n x");
    assert_string_equal(JOINED(level, "a", "<|endoftext|>", "<|endoftext|>", "b"), "a\nb");
    assert_string_equal(JOINED(level, "\xC3\x83", "\xC2\xA9"), "\xC3\xA9"); /* a character in two pieces */
    assert_string_equal(JOINED(level, SPACE "x"), SPACE "x");               /* not GPT-2's spelling: as it stands */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_survives_the_spelling_of_gpt_2),
        cmocka_unit_test(known_bytes_have_the_characters_of_gpt_2s_own_vocabulary),
        cmocka_unit_test(marks_are_names_in_brackets),
        cmocka_unit_test(sentencepieces_join_to_their_text),
        cmocka_unit_test(byte_pieces_join_to_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
