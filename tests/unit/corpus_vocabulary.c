/* Vocabularies: order, bounds, text form with awkward tokens, damage, encoding texts in memory. */
#include "corpus_support.h"
#include "vocabulary.h"

#include <stdlib.h>
#include <string.h>

#define BYTE PX_LEVEL_BYTE
#define CHAR PX_LEVEL_CHAR
#define WORD PX_LEVEL_WORD

static px_vocabulary *vocabulary_of(const void *text, size_t bytes, int level, int64_t min_count, int64_t max_vocab,
                                    px_tokenize_result *result)
{
    char *path = scratch_write("text", text, bytes);
    px_corpus_request request = request_for(path, level, 0);
    request.min_count = min_count;
    request.max_vocab = max_vocab;
    px_tokenize_result unused;
    px_vocabulary *vocabulary;
    assert_done(px_tokenize(&request, NULL, result ? result : &unused, &vocabulary));
    free(path);
    return vocabulary;
}

static void assert_same(const px_vocabulary *a, const px_vocabulary *b)
{
    assert_int_equal(px_vocabulary_size(a), px_vocabulary_size(b));
    assert_true(px_vocabulary_hash(a) == px_vocabulary_hash(b));
    for (int32_t id = 0; id < px_vocabulary_size(a); id++) {
        size_t bytes_a, bytes_b;
        const char *text_a = px_vocabulary_token(a, id, &bytes_a), *text_b = px_vocabulary_token(b, id, &bytes_b);
        assert_int_equal(bytes_a, bytes_b);
        assert_memory_equal(text_a, text_b, bytes_a);
        assert_int_equal(px_vocabulary_frequency(a, id), px_vocabulary_frequency(b, id));
        if (id) assert_int_equal(px_vocabulary_id(b, text_a, bytes_a), id);
    }
    px_text_options x = px_vocabulary_options(a), y = px_vocabulary_options(b);
    assert_memory_equal(&x, &y, sizeof x);
}

static void assert_tokens(const px_vocabulary *vocabulary, const char *const *tokens, int32_t count)
{
    assert_int_equal(px_vocabulary_size(vocabulary), count);
    for (int32_t id = 0; id < count; id++) {
        size_t bytes;
        const char *text = px_vocabulary_token(vocabulary, id, &bytes);
        assert_int_equal(bytes, strlen(tokens[id]));
        assert_memory_equal(text, tokens[id], bytes);
    }
}

static void ids_follow_frequency_and_ties_follow_bytes(void **state)
{
    static const char text[] = "b a b abc a z \xc3\xa9 Z ab c c c";
    px_vocabulary *v = vocabulary_of(text, sizeof text - 1, WORD, 0, 0, NULL);
    assert_tokens(v, (const char *[]){"<unk>", "c", "a", "b", "Z", "ab", "abc", "z", "\xc3\xa9"}, 9);
    px_vocabulary_destroy(v);
}

static void minimum_count_and_size_bound_leave_out_the_rare_and_count_them(void **state)
{
    static const char text[] = "d c c b b b a a a a d";
    px_tokenize_result r;
    px_vocabulary *v = vocabulary_of(text, sizeof text - 1, WORD, 3, 0, &r);
    assert_tokens(v, (const char *[]){"<unk>", "a", "b"}, 3);
    assert_int_equal(r.unknown, 4);
    assert_int_equal(px_vocabulary_frequency(v, 0), 4);
    px_vocabulary_destroy(v);
    v = vocabulary_of(text, sizeof text - 1, WORD, 0, 4, &r); /* 4 entries, <unk> among them */
    assert_tokens(v, (const char *[]){"<unk>", "a", "b", "c"}, 4);
    assert_int_equal(r.unknown, 2);
    assert_int_equal(r.vocabulary, 4);
    px_vocabulary_destroy(v);
}

static void a_vocabulary_that_would_be_empty_is_an_error(void **state)
{
    char *path = scratch_write("text", "a b c", 5);
    px_corpus_request request = request_for(path, WORD, 0);
    px_tokenize_result r;
    request.min_count = 2;
    assert_fails(px_tokenize(&request, NULL, &r, NULL), PX_ERR_ARGUMENT, "lower --min-count", NULL);
    request.min_count = 0;
    request.max_vocab = 1;
    assert_fails(px_tokenize(&request, NULL, &r, NULL), PX_ERR_ARGUMENT, "--max-vocab 1", NULL);
    request.max_vocab = -3;
    assert_fails(px_tokenize(&request, NULL, &r, NULL), PX_ERR_ARGUMENT, "--max-vocab -3", NULL);
    free(path);
}

static void literal_unk_is_id_0_at_word_level_and_counts_as_unknown(void **state)
{
    static const char text[] = "<unk> a <unk> a b";
    px_tokenize_result r;
    px_vocabulary *v = vocabulary_of(text, sizeof text - 1, WORD, 0, 0, &r);
    assert_tokens(v, (const char *[]){"<unk>", "a", "b"}, 3);
    assert_int_equal(r.unknown, 2);
    assert_int_equal(px_vocabulary_frequency(v, 0), 2);
    assert_int_equal(px_vocabulary_id(v, "<unk>", 5), 0);
    int32_t *ids;
    size_t count, unknown;
    char first[64];
    assert_done(px_vocabulary_encode(v, "<unk> q b", 9, "prompt", &ids, &count, &unknown, first));
    assert_int_equal(count, 3);
    assert_memory_equal(ids, ((int32_t[]){0, 0, 2}), 12);
    assert_int_equal(unknown, 2);
    assert_string_equal(first, "q"); /* the vocabulary lacks it, and not <unk> */
    free(ids);
    px_vocabulary_destroy(v);
    v = vocabulary_of(text, sizeof text - 1, BYTE, 0, 0, NULL);
    assert_int_equal(px_vocabulary_id(v, "<unk>", 5), -1); /* five bytes, no token */
    px_vocabulary_destroy(v);
}

/* Text form and back, and the form is UTF-8 without NUL. */
static void round_trip(const px_vocabulary *v)
{
    char *text = px_vocabulary_write(v);
    assert_non_null(text);
    px_vocabulary *back;
    assert_done(px_vocabulary_read(text, strlen(text), "test", &back));
    assert_same(v, back);
    char *again = px_vocabulary_write(back);
    assert_string_equal(text, again);
    px_vocabulary *copy;
    assert_done(px_vocabulary_copy(v, &copy));
    assert_same(v, copy);
    px_vocabulary_destroy(copy);
    px_vocabulary_destroy(back);
    free(text);
    free(again);
}

static void every_byte_survives_the_text_form(void **state)
{
    unsigned char text[256];
    for (int i = 0; i < 256; i++) text[i] = (unsigned char)i;
    px_vocabulary *v = vocabulary_of(text, sizeof text, BYTE, 0, 0, NULL);
    assert_int_equal(px_vocabulary_size(v), 257);
    char *form = px_vocabulary_write(v);
    for (const char *c = form; *c; c++) assert_true((unsigned char)*c < 0x80);
    assert_non_null(strstr(form, "\n\\x00\t1\n"));
    assert_non_null(strstr(form, "\n\\n\t1\n"));
    assert_non_null(strstr(form, "\n\\\\\t1\n"));
    assert_non_null(strstr(form, "\n\\xff\t1\n"));
    free(form);
    round_trip(v);
    px_vocabulary_destroy(v);
}

static void awkward_characters_and_words_survive_the_text_form(void **state)
{
    static const char characters[] = "\0\n\\\t\r\x01\x7f \xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xb6\xef\xbf\xbd\xc2\x85";
    px_vocabulary *v = vocabulary_of(characters, sizeof characters - 1, CHAR, 0, 0, NULL);
    assert_int_equal(px_vocabulary_size(v), 14);
    assert_int_equal(px_vocabulary_id(v, "\0", 1) > 0, 1);
    round_trip(v);
    px_vocabulary_destroy(v);
    static const char words[] = "a\\nb back\\slash nul\0nul \x01 caf\xc3\xa9 \\ \\x41 <eos> <unk> \"quoted\"\n";
    v = vocabulary_of(words, sizeof words - 1, WORD, 0, 0, NULL);
    assert_int_equal(px_vocabulary_size(v), 10);
    assert_true(px_vocabulary_id(v, "nul\0nul", 7) > 0);
    assert_true(px_vocabulary_id(v, "\\x41", 4) > 0);
    round_trip(v);
    px_vocabulary_destroy(v);
}

static void the_hash_tells_level_and_tokens_apart_and_not_counts(void **state)
{
    px_vocabulary *a = vocabulary_of("aab", 3, BYTE, 0, 0, NULL), *b = vocabulary_of("aab", 3, CHAR, 0, 0, NULL),
                  *c = vocabulary_of("bba", 3, BYTE, 0, 0, NULL), *d = vocabulary_of("aaaab", 5, BYTE, 0, 0, NULL);
    assert_true(px_vocabulary_hash(a) != px_vocabulary_hash(b));
    assert_true(px_vocabulary_hash(a) != px_vocabulary_hash(c));
    assert_true(px_vocabulary_hash(a) == px_vocabulary_hash(d));
    assert_fails(px_vocabulary_check_same(a, b, "valid.tok"), PX_ERR_INPUT, "valid.tok", "level char", "level byte",
                 NULL);
    assert_fails(px_vocabulary_check_same(a, c, "valid.tok"), PX_ERR_INPUT, "valid.tok", "differ from id 1", NULL);
    assert_done(px_vocabulary_check_same(a, d, "valid.tok"));
    px_vocabulary_destroy(a);
    px_vocabulary_destroy(b);
    px_vocabulary_destroy(c);
    px_vocabulary_destroy(d);
}

static void a_damaged_text_form_is_an_error_that_says_where(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "line 1: the text ends here"},
        {"hello\n", "line 1: not a vocabulary"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=0\n", "line 1: damaged"},
        {"perplex-vocabulary 1 level=bytes normalise=none invalid=error size=1\n<unk>\t0\n", "line 1: damaged"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=2\n<unk>\t0\n",
         "line 3: the text ends here"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=1\na\t0\n", "line 2: id 0 must be <unk>"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=2\n<unk>\t0\nab\t1\n",
         "line 3: not a token of level byte"},
        {"perplex-vocabulary 1 level=char normalise=none invalid=error size=2\n<unk>\t0\n\xff\t1\n",
         "line 3: not a token of level char"},
        {"perplex-vocabulary 1 level=char normalise=none invalid=error size=2\n<unk>\t0\n\t1\n",
         "line 3: not a token of level char"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=2\n<unk>\t0\na 1\n",
         "line 3: a token, a tab"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=2\n<unk>\t0\na\tx\n",
         "line 3: a token's frequency"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=2\n<unk>\t0\na\t-4\n",
         "line 3: a token's frequency"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=2\n<unk>\t0\n\\q\t1\n",
         "line 3: there is no such escape as \\q"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=2\n<unk>\t0\n\\x4\t1\n",
         "line 3: there is no such escape"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=3\n<unk>\t0\na\t1\na\t1\n",
         "line 4: the token of id 1 stands here again"},
        {"perplex-vocabulary 1 level=byte normalise=none invalid=error size=2\n<unk>\t0\na\t1\nb\t1\n",
         "line 4: more lines"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        px_vocabulary *v = NULL;
        assert_fails(px_vocabulary_read(cases[i].text, strlen(cases[i].text), "model", &v), PX_ERR_INPUT,
                     "model: vocabulary", cases[i].message, NULL);
        assert_null(v);
    }
}

/* Any one character of the form cut or changed gives an error or a vocabulary, never a crash. */
static void no_change_of_the_text_form_is_fatal(void **state)
{
    px_vocabulary *v = vocabulary_of("a\xc3\xa9\n\\\0", 6, CHAR, 0, 0, NULL), *read;
    char *form = px_vocabulary_write(v);
    size_t bytes = strlen(form);
    for (size_t i = 0; i < bytes; i++) {
        if (px_vocabulary_read(form, i, "cut", &read) == PX_OK)
            fail_msg("cut after %zu bytes of %zu was taken", i, bytes);
        for (int c = 0; c < 256; c += 7) {
            char kept = form[i];
            form[i] = (char)c;
            if (px_vocabulary_read(form, bytes, "changed", &read) == PX_OK) px_vocabulary_destroy(read);
            form[i] = kept;
        }
    }
    free(form);
    px_vocabulary_destroy(v);
}

static void encoding_counts_unknown_tokens_and_shows_the_first(void **state)
{
    px_vocabulary *v = vocabulary_of("ab\xc3\xa9", 4, CHAR, 0, 0, NULL);
    int32_t *ids;
    size_t count, unknown;
    char first[64];
    assert_done(px_vocabulary_encode(v, "ba\nb\xc3\xa9\xe2\x82\xac", 9, "--prompt", &ids, &count, &unknown, first));
    assert_int_equal(count, 6);
    assert_memory_equal(ids, ((int32_t[]){2, 1, 0, 2, 3, 0}), 24);
    assert_int_equal(unknown, 2);
    assert_string_equal(first, "\\n");
    free(ids);
    assert_done(px_vocabulary_encode(v, "ab", 2, "--prompt", &ids, &count, &unknown, first));
    assert_int_equal(unknown, 0);
    assert_string_equal(first, "");
    free(ids);
    assert_done(px_vocabulary_encode(v, NULL, 0, "--prompt", &ids, &count, NULL, NULL));
    assert_int_equal(count, 0);
    free(ids);
    assert_fails(px_vocabulary_encode(v, "a\xff", 2, "--prompt", &ids, &count, NULL, NULL), PX_ERR_INPUT,
                 "--prompt: byte 1", NULL);
    px_vocabulary_destroy(v);
}

static void a_long_unknown_word_is_shortened_by_whole_characters(void **state)
{
    px_vocabulary *v = vocabulary_of("a b", 3, WORD, 0, 0, NULL);
    char word[200], first[64];
    int32_t *ids;
    size_t count;
    for (int length = 1; length <= 60; length++) {
        for (int i = 0; i < length; i++) memcpy(word + 3 * i, "\xe2\x82\xac", 3);
        assert_done(px_vocabulary_encode(v, word, (size_t)(3 * length), "line", &ids, &count, NULL, first));
        free(ids);
        assert_true(strlen(first) < 64);
        int whole = length <= 21; /* 63 bytes */
        assert_int_equal(strlen(first), whole ? 3 * length : 63);
        if (!whole) assert_string_equal(first + 60, "...");
    }
    px_vocabulary_destroy(v);
}

static void lines_in_memory_give_eos_only_where_they_end(void **state)
{
    px_vocabulary *v = vocabulary_of("a b\nc\n", 6, WORD, 0, 0, NULL);
    int32_t *ids, eos = px_vocabulary_id(v, "<eos>", 5);
    size_t count;
    assert_int_equal(eos, 1);
    assert_done(px_vocabulary_encode(v, "a\nb", 3, "line", &ids, &count, NULL, NULL));
    assert_int_equal(count, 3);
    assert_int_equal(ids[1], eos);
    free(ids);
    px_vocabulary_destroy(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_follow_frequency_and_ties_follow_bytes),
        cmocka_unit_test(minimum_count_and_size_bound_leave_out_the_rare_and_count_them),
        cmocka_unit_test(a_vocabulary_that_would_be_empty_is_an_error),
        cmocka_unit_test(literal_unk_is_id_0_at_word_level_and_counts_as_unknown),
        cmocka_unit_test(every_byte_survives_the_text_form),
        cmocka_unit_test(awkward_characters_and_words_survive_the_text_form),
        cmocka_unit_test(the_hash_tells_level_and_tokens_apart_and_not_counts),
        cmocka_unit_test(a_damaged_text_form_is_an_error_that_says_where),
        cmocka_unit_test(no_change_of_the_text_form_is_fatal),
        cmocka_unit_test(encoding_counts_unknown_tokens_and_shows_the_first),
        cmocka_unit_test(a_long_unknown_word_is_shortened_by_whole_characters),
        cmocka_unit_test(lines_in_memory_give_eos_only_where_they_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
