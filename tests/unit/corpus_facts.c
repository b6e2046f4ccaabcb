/* The published facts about the Time Machine, tinyshakespeare and WikiText-2, through tokenising, token files and
 * opening. */
#include "corpus_support.h"
#include "parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static px_tokenize_result tokenise(const char *path, int level, int normalise, int64_t min_count,
                                   px_vocabulary **vocabulary)
{
    px_corpus_request request = request_for(path, level, normalise);
    request.min_count = min_count;
    px_tokenize_result result;
    assert_done(px_tokenize(&request, NULL, &result, vocabulary));
    return result;
}

static void assert_token(const px_vocabulary *vocabulary, int32_t id, const char *token, int64_t frequency)
{
    size_t bytes;
    const char *text = px_vocabulary_token(vocabulary, id, &bytes);
    if (bytes != strlen(token) || memcmp(text, token, bytes) != 0)
        fail_msg("id %d is %.*s, not %s", id, (int)bytes, text, token);
    assert_int_equal(px_vocabulary_frequency(vocabulary, id), frequency);
    assert_int_equal(px_vocabulary_id(vocabulary, token, strlen(token)), id);
}

static void time_machine_as_letters_has_173428_characters_of_28_symbols(void **state)
{
    char *path = corpus_or_skip("timemachine.txt");
    px_tokenize_result r = tokenise(path, 1, 1, 0, NULL);
    assert_int_equal(r.tokens, 173428);
    assert_int_equal(r.vocabulary, 28);
    assert_int_equal(r.unknown, 0);
    assert_int_equal(r.text_bytes, 178979);
    free(path);
}

static void time_machine_line_by_line_has_170580_characters_of_28_symbols(void **state)
{
    char *path = corpus_or_skip("timemachine.txt");
    px_tokenize_result r = tokenise(path, 1, 2, 0, NULL);
    assert_int_equal(r.tokens, 170580);
    assert_int_equal(r.vocabulary, 28);
    r = tokenise(path, 0, 2, 0, NULL); /* the same letters as bytes */
    assert_int_equal(r.tokens, 170580);
    assert_int_equal(r.vocabulary, 28);
    free(path);
}

static void time_machine_line_by_line_splits_at_the_published_places(void **state)
{
    char *path = corpus_or_skip("timemachine.txt");
    px_corpus_request request = request_for(path, 1, 2);
    request.split[0] = 0.9;
    request.split[1] = request.split[2] = 0.05;
    px_corpus corpus;
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(corpus.train.end, 153522);
    assert_int_equal(corpus.valid.begin, 153522);
    assert_int_equal(corpus.valid.end, 162051);
    assert_int_equal(corpus.test.end, 170580);
    px_corpus_close(&corpus);
    free(path);
}

static void time_machine_words_have_the_published_counts(void **state)
{
    static const struct {
        const char *token;
        int64_t frequency;
    } top[] = {{"the", 2261}, {"i", 1267},  {"and", 1245}, {"of", 1155},  {"a", 816},
               {"to", 695},   {"was", 552}, {"in", 541},   {"that", 443}, {"my", 440}};
    char *path = corpus_or_skip("timemachine.txt");
    for (int normalise = 1; normalise <= 2; normalise++) {
        px_vocabulary *vocabulary;
        px_tokenize_result r = tokenise(path, 2, normalise, 0, &vocabulary);
        assert_int_equal(r.tokens, 32775);
        assert_int_equal(r.vocabulary, 4580);
        assert_int_equal(px_vocabulary_size(vocabulary), 4580);
        for (int32_t i = 0; i < 10; i++) assert_token(vocabulary, i + 1, top[i].token, top[i].frequency);
        px_vocabulary_destroy(vocabulary);
    }
    free(path);
}

static void time_machine_words_by_minimum_count(void **state)
{
    static const int32_t sizes[][2] = {{2, 2183}, {3, 1420}, {5, 825}, {10, 400}};
    char *path = corpus_or_skip("timemachine.txt");
    for (int i = 0; i < 4; i++) {
        px_vocabulary *vocabulary;
        px_tokenize_result r = tokenise(path, 2, 2, sizes[i][0], &vocabulary);
        assert_int_equal(r.vocabulary, sizes[i][1]);
        assert_int_equal(r.tokens, 32775);
        int64_t known = 0;
        for (int32_t id = 1; id < r.vocabulary; id++) {
            assert_true(px_vocabulary_frequency(vocabulary, id) >= sizes[i][0]);
            known += px_vocabulary_frequency(vocabulary, id);
        }
        assert_int_equal(r.unknown, r.tokens - (size_t)known);
        assert_int_equal(px_vocabulary_frequency(vocabulary, 0), r.unknown);
        px_vocabulary_destroy(vocabulary);
    }
    free(path);
}

static void tinyshakespeare_bytes_split_at_the_published_places(void **state)
{
    char *path = corpus_or_skip("tinyshakespeare.txt");
    px_corpus_request request = request_for(path, 0, 0);
    request.split[0] = 0.9;
    request.split[1] = request.split[2] = 0.05;
    px_corpus corpus;
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(px_tokens_count(corpus.data), 1115394);
    assert_int_equal(px_vocabulary_size(corpus.vocabulary), 66);
    assert_int_equal(corpus.train.end, 1003854);
    assert_int_equal(corpus.valid.end, 1059624);
    assert_int_equal(corpus.test.end, 1115394);
    size_t bytes;
    char *text = read_whole(path, &bytes);
    for (size_t i = 0; i < bytes; i += 997) {
        size_t length;
        assert_int_equal(*px_vocabulary_token(corpus.vocabulary, token_at(corpus.data, i), &length), text[i]);
    }
    free(text);
    px_corpus_close(&corpus);
    free(path);
}

static void wikitext2_words_have_the_published_counts(void **state)
{
    static const struct {
        const char *token;
        int64_t frequency;
    } top[] = {{"the", 113161}, {",", 99913},  {".", 73388},     {"of", 56889}, {"and", 50603},
               {"in", 39453},   {"to", 39190}, {"<eos>", 36718}, {"a", 34237}};
    char *train = corpus_or_skip("wikitext2/train.txt"), *valid = corpus_or_skip("wikitext2/valid.txt"),
         *test = corpus_or_skip("wikitext2/test.txt");
    px_corpus_request request = request_for(train, 2, 0);
    request.valid = valid;
    request.test = test;
    px_corpus corpus;
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(px_tokens_count(corpus.data), 2088628);
    assert_int_equal(px_tokens_count(corpus.valid_data), 217646);
    assert_int_equal(px_tokens_count(corpus.test_data), 245569);
    assert_int_equal(px_vocabulary_size(corpus.vocabulary), 33278);
    assert_int_equal(unknown_in(corpus.data, 0, 2088628), 54625);
    assert_int_equal(unknown_in(corpus.valid_data, 0, 217646), 11718);
    assert_int_equal(unknown_in(corpus.test_data, 0, 245569), 15218);
    for (int32_t i = 0; i < 9; i++) assert_token(corpus.vocabulary, i + 1, top[i].token, top[i].frequency);
    assert_token(corpus.vocabulary, 0, "<unk>", 54625);
    px_corpus_close(&corpus);
    free(train);
    free(valid);
    free(test);
}

static void boundaries_are_those_of_the_written_fractions(void **state)
{
    static const struct {
        size_t N, first, second;
    } facts[] = {{1115394, 1003854, 1059624},
                 {4137850, 3724065, 3930957},
                 {170580, 153522, 162051},
                 {100, 90, 95},
                 {20, 18, 19}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        assert_int_equal(px_share_of(facts[i].N, 0.9), facts[i].first);
        assert_int_equal(px_share_of(facts[i].N, 0.9 + 0.05), facts[i].second);
    }
    /* k / 100 of a multiple of 100 is a whole number, whatever 0.29 * 100 gives in floating point. */
    for (size_t k = 0; k <= 100; k++)
        for (size_t N = 100; N <= 100000000000; N *= 10) assert_int_equal(px_share_of(N, (double)k / 100), N / 100 * k);
    assert_int_equal(px_share_of(7, 0.5), 3);
    assert_int_equal(px_share_of(7, 1), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_machine_as_letters_has_173428_characters_of_28_symbols),
        cmocka_unit_test(time_machine_line_by_line_has_170580_characters_of_28_symbols),
        cmocka_unit_test(time_machine_line_by_line_splits_at_the_published_places),
        cmocka_unit_test(time_machine_words_have_the_published_counts),
        cmocka_unit_test(time_machine_words_by_minimum_count),
        cmocka_unit_test(tinyshakespeare_bytes_split_at_the_published_places),
        cmocka_unit_test(wikitext2_words_have_the_published_counts),
        cmocka_unit_test(boundaries_are_those_of_the_written_fractions),
    };
    return finish_tests(cmocka_run_group_tests(tests, NULL, NULL));
}
