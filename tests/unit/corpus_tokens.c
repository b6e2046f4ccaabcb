/* Token sequences, token files and opening corpora: round trips, damage, splits, unknown tokens, bad input. */
#include "corpus_support.h"
#include "machine.h"
#include "token_file.h"
#include "tokens.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#define BYTE PX_LEVEL_BYTE
#define CHAR PX_LEVEL_CHAR
#define WORD PX_LEVEL_WORD

static px_tokenize_result tokenise_to(const char *text_path, const char *token_path, int level,
                                      const px_vocabulary *vocabulary)
{
    px_corpus_request request = request_for(text_path, level, 0);
    request.vocabulary = vocabulary;
    px_tokenize_result result;
    assert_done(px_tokenize(&request, token_path, &result, NULL));
    return result;
}

static void assert_same_tokens(const px_tokens *a, const px_tokens *b)
{
    assert_int_equal(px_tokens_count(a), px_tokens_count(b));
    for (size_t i = 0; i < px_tokens_count(a); i++) assert_int_equal(token_at(a, i), token_at(b, i));
}

static void a_token_file_gives_what_its_text_gives(void **state)
{
    static const char text[] = "the cat sat\non the mat\n\nthe <unk> cat\n";
    char *path = scratch_write("cats.txt", text, sizeof text - 1), *file = scratch_path("cats.tok");
    for (int level = BYTE; level <= WORD; level++) {
        px_tokenize_result r = tokenise_to(path, file, level, NULL);
        px_corpus_request from_text = request_for(path, level, 0), from_file = request_for(file, 0, 0);
        px_corpus a, b;
        assert_done(px_corpus_open(&from_text, &a));
        assert_done(px_corpus_open(&from_file, &b));
        assert_same_tokens(a.data, b.data);
        assert_true(px_vocabulary_hash(a.vocabulary) == px_vocabulary_hash(b.vocabulary));
        assert_int_equal(r.tokens, px_tokens_count(a.data));
        assert_int_equal(r.vocabulary, px_vocabulary_size(a.vocabulary));
        assert_int_equal(r.id_bytes, 2);
        assert_int_equal(r.text_bytes, sizeof text - 1);
        assert_int_equal(px_tokens_text_bytes(b.data), sizeof text - 1);
        assert_int_equal(b.train.end, r.tokens);
        px_corpus_close(&a);
        px_corpus_close(&b);
    }
    free(path);
    free(file);
}

/* 70,000 words, each twice: provisional and final ids need 4 bytes; bounded to 100, they go back to 2. */
static void many_words_take_4_bytes_an_id_and_a_bound_brings_them_back_to_2(void **state)
{
    enum { WORDS = 70000 };
    char *text = malloc(2 * WORDS * 8), *at = text;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < WORDS; i++) at += sprintf(at, "w%d ", i);
    char *path = scratch_write("many.txt", text, (size_t)(at - text)), *file = scratch_path("many.tok");
    free(text);
    px_tokenize_result r = tokenise_to(path, file, WORD, NULL);
    assert_int_equal(r.id_bytes, 4);
    assert_int_equal(r.vocabulary, WORDS + 1);
    px_corpus_request request = request_for(file, 0, 0);
    px_corpus corpus;
    assert_done(px_corpus_open(&request, &corpus));
    for (int i = 0; i < 2 * WORDS; i += 61) {
        char word[16];
        size_t bytes, length = (size_t)sprintf(word, "w%d", i % WORDS);
        const char *token = px_vocabulary_token(corpus.vocabulary, token_at(corpus.data, (size_t)i), &bytes);
        assert_int_equal(bytes, length);
        assert_memory_equal(token, word, length);
    }
    px_corpus_close(&corpus);
    request = request_for(path, WORD, 0);
    request.max_vocab = 100;
    px_vocabulary *vocabulary;
    assert_done(px_tokenize(&request, file, &r, &vocabulary));
    assert_int_equal(r.id_bytes, 2);
    assert_int_equal(r.vocabulary, 100);
    assert_int_equal(r.unknown, 2 * WORDS - 2 * 99);
    request = request_for(file, 0, 0);
    assert_done(px_corpus_open(&request, &corpus));
    size_t known = 0, zeros = 0;
    for (size_t i = 0; i < 2 * WORDS; i++) {
        int32_t id = token_at(corpus.data, i);
        assert_in_range(id, 0, 99);
        known += id > 0;
        zeros += id == 0;
    }
    assert_int_equal(known, 2 * 99);
    assert_int_equal(unknown_in(corpus.data, 0, 2 * WORDS), zeros);
    px_corpus_close(&corpus);
    px_vocabulary_destroy(vocabulary);
    free(path);
    free(file);
}

/* The widest vocabulary of 2-byte ids, and one more: the value after the last id must still fit. */
static void the_width_of_ids_leaves_room_for_the_mark_of_unknown_tokens(void **state)
{
    for (int32_t words = 65533; words <= 65536; words++) {
        char *text = malloc((size_t)words * 8), *at = text;
        for (int i = 0; i < words; i++) at += sprintf(at, "%x ", i);
        char *path = scratch_write("edge.txt", text, (size_t)(at - text)),
             *other = scratch_write("other.txt", "0 zz ffff zz fffc", 17);
        px_corpus_request request = request_for(path, WORD, 0);
        request.valid = other;
        px_corpus corpus;
        assert_done(px_corpus_open(&request, &corpus));
        assert_int_equal(px_vocabulary_size(corpus.vocabulary), words + 1);
        int32_t *ids;
        size_t count, unknown;
        assert_done(
            px_vocabulary_encode(corpus.vocabulary, text, (size_t)(at - text), "text", &ids, &count, &unknown, NULL));
        assert_int_equal(unknown, 0);
        for (size_t i = 0; i < count; i++) assert_int_equal(token_at(corpus.data, i), ids[i]);
        assert_int_equal(unknown_in(corpus.valid_data, 0, 5), words == 65536 ? 2 : 3);
        assert_int_equal(token_at(corpus.valid_data, 1), 0);
        char *file = scratch_path("edge.tok");
        px_tokenize_result r = tokenise_to(path, file, WORD, NULL);
        assert_int_equal(r.id_bytes, words + 1 <= 65535 ? 2 : 4);
        px_tokens *from_file;
        assert_done(px_tokens_open(file, corpus.vocabulary, 0, NULL, NULL, &from_file));
        assert_same_tokens(from_file, corpus.data);
        px_tokens_destroy(from_file);
        request.max_vocab = words; /* one word becomes unknown: the mark is as large as the last id was */
        request.valid = NULL;
        px_corpus bounded;
        assert_done(px_corpus_open(&request, &bounded));
        assert_int_equal(unknown_in(bounded.data, 0, count), 1);
        px_corpus_close(&bounded);
        free(file);
        free(ids);
        free(text);
        px_corpus_close(&corpus);
        free(path);
        free(other);
    }
}

static void unknown_tokens_are_counted_in_any_range_and_literal_unk_is_one(void **state)
{
    /*                          0 1     2 3 4     5     6 7 */
    static const char train[] = "a b a b", valid[] = "a <unk> x b <unk> <unk> y z";
    static const int is_unknown[] = {0, 1, 1, 0, 1, 1, 1, 1};
    char *train_path = scratch_write("train.txt", train, sizeof train - 1),
         *valid_path = scratch_write("valid.txt", valid, sizeof valid - 1), *file = scratch_path("valid.tok");
    px_corpus_request request = request_for(train_path, WORD, 0);
    request.valid = valid_path;
    px_corpus corpus;
    assert_done(px_corpus_open(&request, &corpus));
    px_tokenize_result r = tokenise_to(valid_path, file, WORD, corpus.vocabulary);
    assert_int_equal(r.unknown, 6);
    px_tokens *from_file;
    assert_done(px_tokens_open(file, corpus.vocabulary, 0, NULL, NULL, &from_file));
    for (size_t begin = 0; begin <= 8; begin++)
        for (size_t end = begin, wanted = 0; end <= 8; wanted += end < 8 ? is_unknown[end] : 0, end++) {
            assert_int_equal(unknown_in(corpus.valid_data, begin, end), wanted);
            assert_int_equal(unknown_in(from_file, begin, end), wanted);
        }
    int32_t ids[8];
    assert_done(px_tokens_copy(from_file, 0, 8, ids));
    assert_memory_equal(ids, ((int32_t[]){1, 0, 0, 2, 0, 0, 0, 0}), sizeof ids);
    px_tokens_destroy(from_file);
    px_corpus_close(&corpus);
    free(train_path);
    free(valid_path);
    free(file);
}

static void the_vocabulary_is_made_of_the_training_part_alone(void **state)
{
    char *path = scratch_write("split.txt", "aaaabbbbcccccccccccc", 20);
    px_corpus_request request = request_for(path, BYTE, 0);
    request.split[0] = 0.4;
    request.split[1] = 0.4;
    request.split[2] = 0.2;
    px_corpus corpus;
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(corpus.train.end, 8);
    assert_int_equal(corpus.valid.end, 16);
    assert_int_equal(corpus.test.end, 20);
    assert_int_equal(px_vocabulary_size(corpus.vocabulary), 3); /* c is not in it */
    assert_int_equal(px_vocabulary_frequency(corpus.vocabulary, 1), 4);
    assert_int_equal(px_vocabulary_id(corpus.vocabulary, "c", 1), -1);
    assert_int_equal(unknown_in(corpus.data, 0, 8), 0);
    assert_int_equal(unknown_in(corpus.data, 8, 16), 8);
    px_corpus_close(&corpus);
    request.limit_tokens = 10; /* cut first, split then */
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(px_tokens_count(corpus.data), 10);
    assert_int_equal(corpus.train.end, 4);
    assert_int_equal(corpus.valid.end, 8);
    assert_int_equal(corpus.test.end, 10);
    assert_int_equal(px_vocabulary_size(corpus.vocabulary), 2);
    assert_int_equal(px_tokens_text_bytes(corpus.data), 10);
    px_corpus_close(&corpus);
    request.limit_tokens = 0;
    request.valid = path; /* with a validation file all of data is trained on */
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(corpus.train.end, 20);
    assert_int_equal(corpus.valid.end, 20);
    assert_ptr_equal(corpus.valid.tokens, corpus.valid_data);
    assert_int_equal(corpus.test.begin, corpus.test.end);
    px_corpus_close(&corpus);
    free(path);
}

static void a_given_vocabulary_is_used_and_a_token_file_must_agree_with_it(void **state)
{
    char *first = scratch_write("first.txt", "abcabcab", 8), *second = scratch_write("second.txt", "zzzabzzz", 8),
         *file = scratch_path("first.tok"), *words = scratch_path("words.tok");
    px_vocabulary *vocabulary;
    px_corpus_request request = request_for(first, BYTE, 0);
    px_tokenize_result r;
    assert_done(px_tokenize(&request, file, &r, &vocabulary));
    px_vocabulary *from_file;
    assert_done(px_token_file_vocabulary(file, &from_file));
    assert_true(px_vocabulary_hash(from_file) == px_vocabulary_hash(vocabulary));
    px_vocabulary_destroy(from_file);
    assert_fails(px_token_file_vocabulary(first, &from_file), PX_ERR_INPUT, "holds no vocabulary", NULL);
    px_corpus corpus;
    request = request_for(second, WORD, 0); /* the vocabulary's level counts, not the request's */
    request.vocabulary = vocabulary;
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(px_tokens_count(corpus.data), 8);
    assert_int_equal(unknown_in(corpus.data, 0, 8), 6);
    assert_true(px_vocabulary_hash(corpus.vocabulary) == px_vocabulary_hash(vocabulary));
    px_corpus_close(&corpus);
    request.data = file;
    assert_done(px_corpus_open(&request, &corpus));
    px_corpus_close(&corpus);
    /* another vocabulary, another level, as data and as validation text */
    px_corpus_request other = request_for(second, BYTE, 0);
    other.valid = file;
    assert_fails(px_corpus_open(&other, &corpus), PX_ERR_INPUT, "first.tok", "its vocabulary (4 entries)", "4 entries",
                 NULL);
    tokenise_to(second, words, WORD, NULL);
    other.valid = words;
    assert_fails(px_corpus_open(&other, &corpus), PX_ERR_INPUT, "words.tok", "level word", "level byte", NULL);
    request.data = words;
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_INPUT, "words.tok", "level word", "level byte", NULL);
    assert_null(corpus.data);
    /* min_count and max_vocab cannot change a token file */
    other = request_for(file, BYTE, 0);
    other.min_count = 2;
    assert_fails(px_corpus_open(&other, &corpus), PX_ERR_ARGUMENT, "first.tok", "--min-count", NULL);
    assert_fails(px_tokenize(&other, words, &r, NULL), PX_ERR_INPUT, "a token file already", NULL);
    px_vocabulary_destroy(vocabulary);
    free(first);
    free(second);
    free(file);
    free(words);
}

static void limit_cuts_a_token_file_and_counts_its_unknown_tokens_anew(void **state)
{
    char *a = scratch_write("a.txt", "abab", 4), *b = scratch_write("b.txt", "xaxbxx", 6),
         *file = scratch_path("b.tok");
    px_vocabulary *vocabulary;
    px_corpus_request request = request_for(a, BYTE, 0);
    px_tokenize_result r;
    assert_done(px_tokenize(&request, NULL, &r, &vocabulary));
    tokenise_to(b, file, BYTE, vocabulary);
    request = request_for(file, BYTE, 0);
    request.limit_tokens = 4;
    px_corpus corpus;
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(px_tokens_count(corpus.data), 4);
    assert_int_equal(unknown_in(corpus.data, 0, 4), 2);
    px_corpus_close(&corpus);
    px_vocabulary_destroy(vocabulary);
    free(a);
    free(b);
    free(file);
}

/* Characters of 2, 3 and 4 bytes at every place of the edge between two pieces that are read. */
static void characters_that_the_edge_of_a_piece_cuts_are_whole(void **state)
{
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8e\xb6"};
    enum { PIECE = 1 << 20 };
    char *text = malloc(PIECE + 64);
    for (int k = 0; k < 3; k++)
        for (int before = 0; before <= 4; before++) {
            size_t length = strlen(characters[k]), bytes = PIECE - (size_t)before;
            memset(text, 'a', bytes);
            for (int i = 0; i < 3; i++, bytes += length) memcpy(text + bytes, characters[k], length);
            text[bytes++] = 'b';
            char *path = scratch_write("edge.txt", text, bytes);
            px_corpus_request request = request_for(path, CHAR, 0);
            px_corpus corpus;
            assert_done(px_corpus_open(&request, &corpus));
            assert_int_equal(px_tokens_count(corpus.data), PIECE - before + 4);
            assert_int_equal(px_vocabulary_size(corpus.vocabulary), 4);
            assert_int_equal(
                px_vocabulary_frequency(corpus.vocabulary, px_vocabulary_id(corpus.vocabulary, characters[k], length)),
                3);
            assert_int_equal(px_tokens_text_bytes(corpus.data), bytes);
            px_corpus_close(&corpus);
            free(path);
        }
    free(text);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static px_status open_bytes(const void *data, size_t bytes)
{
    char *path = scratch_write("damaged.tok", data, bytes);
    px_corpus_request request = request_for(path, 0, 0);
    px_corpus corpus;
    px_status status = px_corpus_open(&request, &corpus);
    px_corpus_close(&corpus);
    free(path);
    return status;
}

static void every_changed_byte_and_every_cut_of_a_token_file_is_found(void **state)
{
    char *text = scratch_write("t.txt", "hello world, hello token file", 29), *file = scratch_path("t.tok");
    tokenise_to(text, file, BYTE, NULL);
    size_t bytes;
    unsigned char *data = read_whole(file, &bytes);
    assert_done(open_bytes(data, bytes));
    for (size_t i = 0; i < bytes; i++) {
        data[i] ^= 0x10;
        assert_fails(open_bytes(data, bytes), PX_ERR_INPUT, "damaged.tok", NULL);
        data[i] ^= 0x10;
        assert_fails(open_bytes(data, i), PX_ERR_INPUT, "damaged.tok", NULL);
    }
    unsigned char *longer = calloc(bytes + 1, 1);
    memcpy(longer, data, bytes);
    assert_fails(open_bytes(longer, bytes + 1), PX_ERR_INPUT, "where its header says", NULL);
    free(longer);
    free(data);
    free(text);
    free(file);
}

static void reseal(unsigned char *data, px_token_header *h)
{
    h->ids_checksum = XXH3_64bits(data + 128, h->count * h->id_bytes);
    h->header_checksum = XXH3_64bits(h, 120);
    memcpy(data, h, sizeof *h);
}

static void a_forged_token_file_with_right_checksums_is_found_too(void **state)
{
    char *text = scratch_write("t.txt", "abcabc", 6), *file = scratch_path("t.tok");
    tokenise_to(text, file, BYTE, NULL);
    size_t bytes;
    unsigned char *data = read_whole(file, &bytes);
    px_token_header h, original;
    memcpy(&original, data, sizeof original);
    h = original;
    data[128 + 4] = 77; /* token 2 */
    reseal(data, &h);
    assert_fails(open_bytes(data, bytes), PX_ERR_INPUT, "token 2 has id 77, outside the vocabulary of 4", NULL);
    data[128 + 4] = 4; /* the mark, but the header says that there is none */
    reseal(data, &h);
    assert_fails(open_bytes(data, bytes), PX_ERR_INPUT, "1 unknown tokens where its header says 0", NULL);
    data[128 + 4] = 3;
    reseal(data, &h);
    assert_done(open_bytes(data, bytes));
    h.count = UINT64_MAX / 2;
    h.header_checksum = XXH3_64bits(&h, 120);
    memcpy(data, &h, sizeof h);
    assert_fails(open_bytes(data, bytes), PX_ERR_INPUT, "truncated", NULL);
    h = original;
    h.vocabulary_bytes = UINT64_MAX;
    reseal(data, &h);
    assert_fails(open_bytes(data, bytes), PX_ERR_INPUT, "truncated", NULL);
    h = original;
    h.id_bytes = 3;
    h.header_checksum = XXH3_64bits(&h, 120);
    memcpy(data, &h, sizeof h);
    assert_fails(open_bytes(data, bytes), PX_ERR_INPUT, "makes no sense", NULL);
    h = original;
    h.version = 2;
    reseal(data, &h);
    assert_fails(open_bytes(data, bytes), PX_ERR_INPUT, "version 2", NULL);
    h = original;
    h.level = WORD;
    reseal(data, &h);
    assert_fails(open_bytes(data, bytes), PX_ERR_INPUT, "not the one that its header tells of", NULL);
    assert_fails(open_bytes("just text", 9), PX_ERR_INPUT, "not a token file of perplex", NULL);
    assert_fails(open_bytes(data, 60), PX_ERR_INPUT, "truncated: a token file of only 60 bytes", NULL);
    free(data);
    free(text);
    free(file);
}

static void a_token_file_is_written_whole_or_not_at_all(void **state)
{
    char *text = scratch_write("t.txt", "abc\xff", 4), *file = scratch_write("kept.tok", "old", 3),
         *nowhere = scratch_path("no/such/folder/x.tok");
    px_corpus_request request = request_for(text, CHAR, 0);
    px_tokenize_result r;
    assert_fails(px_tokenize(&request, file, &r, NULL), PX_ERR_INPUT, "byte 3", NULL);
    size_t bytes;
    char *data = read_whole(file, &bytes);
    assert_int_equal(bytes, 3);
    assert_memory_equal(data, "old", 3);
    request.text.level = BYTE;
    assert_fails(px_tokenize(&request, nowhere, &r, NULL), PX_ERR_IO, "no/such/folder/x.tok", NULL);
    request.scratch_dir = nowhere;
    assert_fails(px_tokenize(&request, file, &r, NULL), PX_ERR_IO, "TMPDIR", NULL);
    free(data);
    free(text);
    free(file);
    free(nowhere);
}

/* ---- bad input --------------------------------------------------------------------------------------------------- */

static void fails_to_open(const char *path, int level, const char *message)
{
    px_corpus corpus;
    px_corpus_request request = request_for(path, level, 0);
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_INPUT, message, NULL);
    assert_null(corpus.data);
    assert_null(corpus.vocabulary);
    char *good = scratch_write("good.txt", "ab ab", 5);
    request = request_for(good, level, 0);
    request.valid = path;
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_INPUT, message, NULL);
    request.valid = NULL;
    request.test = path;
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_INPUT, message, NULL);
    free(good);
}

static void bad_inputs_are_clear_errors(void **state)
{
    char *empty = scratch_write("empty.txt", "", 0), *one = scratch_write("one.txt", "x", 1),
         *missing = scratch_path("missing.txt"), *blank = scratch_write("blank.txt", "  \t ", 4),
         *latin = scratch_write("latin.txt", "caf\xe9 au lait", 12), *folder = scratch_path("");
    fails_to_open(missing, BYTE, "missing.txt: No such file");
    fails_to_open(folder, BYTE, "a folder");
    fails_to_open("/dev/null", BYTE, "not a regular file");
    fails_to_open(empty, BYTE, "empty.txt: empty");
    fails_to_open(empty, WORD, "empty.txt: empty");
    fails_to_open(one, BYTE, "one.txt: one token");
    fails_to_open(blank, WORD, "blank.txt: its 4 bytes hold no words");
    fails_to_open(latin, CHAR, "latin.txt: byte 3: not UTF-8 (0xe9)");
    px_corpus corpus;
    px_corpus_request request = request_for(latin, CHAR, 0);
    request.text.invalid = 1;
    assert_done(px_corpus_open(&request, &corpus));
    assert_true(px_vocabulary_id(corpus.vocabulary, "\xef\xbf\xbd", 3) > 0);
    px_corpus_close(&corpus);
    request = request_for(blank, CHAR, 1);
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_INPUT, "hold no letters",
                 NULL); /* one run of other characters: one space, which is nothing */
    request = request_for(blank, CHAR, 2);
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_INPUT, "hold no letters", NULL);
    if (geteuid() != 0) {
        chmod(latin, 0);
        fails_to_open(latin, BYTE, "latin.txt: Permission denied");
    }
    request = request_for(NULL, BYTE, 0);
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_ARGUMENT, "--data", NULL);
    request = request_for("-", BYTE, 0);
    request.valid = "-";
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_ARGUMENT, "standard input", NULL);
    request = request_for(one, 7, 0);
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_ARGUMENT, "level 7", NULL);
    free(empty);
    free(one);
    free(missing);
    free(blank);
    free(latin);
    free(folder);
}

static void splits_that_leave_a_part_without_two_tokens_are_errors(void **state)
{
    char *path = scratch_write("short.txt", "abcdefghij", 10);
    px_corpus corpus;
    px_corpus_request request = request_for(path, BYTE, 0);
    request.split[0] = 0.9;
    request.split[1] = 0.1;
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_INPUT, "short.txt", "validation part has 1", NULL);
    request.split[0] = 0.1;
    request.split[1] = 0;
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_INPUT, "training part has 1", NULL);
    request.split[0] = 0.8;
    request.split[1] = 0.3;
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_ARGUMENT, "--split 0.8,0.3,0", NULL);
    request.split[1] = -0.1;
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_ARGUMENT, "--split", NULL);
    request.split[0] = 0.5;
    request.split[1] = 0.2; /* shares may leave some out */
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(corpus.train.end, 5);
    assert_int_equal(corpus.valid.end, 7);
    assert_int_equal(corpus.test.begin, corpus.test.end);
    px_corpus_close(&corpus);
    free(path);
}

/* ---- standard input and pipes ------------------------------------------------------------------------------------ */

/* Runs open with `text` coming through a pipe as descriptor 0. */
static void with_piped_input(const void *text, size_t bytes, void (*open)(void))
{
    int ends[2], saved = dup(0);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        _exit(write(ends[1], text, bytes) == (ssize_t)bytes ? 0 : 1);
    }
    close(ends[1]);
    dup2(ends[0], 0);
    close(ends[0]);
    open();
    dup2(saved, 0);
    close(saved);
    waitpid(child, NULL, 0);
}

static void open_piped_text(void)
{
    px_corpus corpus;
    px_corpus_request request = request_for("-", BYTE, 0);
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(px_tokens_count(corpus.data), 6);
    px_corpus_close(&corpus);
    assert_fails(px_corpus_open(&request, &corpus), PX_ERR_INPUT, "standard input: empty", NULL); /* it has been read */
}

static void open_piped_tokens(void)
{
    px_corpus corpus;
    px_corpus_request request = request_for("-", WORD, 0);
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(px_vocabulary_options(corpus.vocabulary).level, BYTE);
    assert_int_equal(px_tokens_count(corpus.data), 6);
    px_corpus_close(&corpus);
}

static void standard_input_holds_a_text_or_a_token_file(void **state)
{
    with_piped_input("abcabc", 6, open_piped_text);
    char *text = scratch_write("t.txt", "abcabc", 6), *file = scratch_path("t.tok");
    tokenise_to(text, file, BYTE, NULL);
    size_t bytes;
    char *data = read_whole(file, &bytes);
    with_piped_input(data, bytes, open_piped_tokens);
    int saved = dup(0), fd = open(text, O_RDONLY);
    dup2(fd, 0); /* a regular file as standard input */
    close(fd);
    px_corpus corpus;
    px_corpus_request request = request_for("-", BYTE, 0);
    assert_done(px_corpus_open(&request, &corpus));
    assert_int_equal(px_tokens_count(corpus.data), 6);
    px_corpus_close(&corpus);
    dup2(saved, 0);
    close(saved);
    free(data);
    free(text);
    free(file);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static long anonymous_kib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1) break;
    if (file) fclose(file);
    return kib;
}

/* Under AddressSanitizer what was freed is kept for a while. */
#if defined(__SANITIZE_ADDRESS__)
enum { PX_SANITIZED = 1 };
#else
enum { PX_SANITIZED = 0 };
#endif

static long most_anonymous;

static void watch_memory(void *context, const char *what, double share)
{
    long now = anonymous_kib();
    if (now > most_anonymous) most_anonymous = now;
}

static void a_corpus_costs_no_memory_beyond_its_pages(void **state)
{
    enum { MIB = 24, MOST_KIB = PX_SANITIZED ? 24 * 1024 : 6 * 1024 };
    size_t bytes = (size_t)MIB << 20;
    char *text = malloc(bytes);
    for (size_t i = 0; i < bytes; i++) text[i] = (char)("the quick brown fox\n"[i % 20]);
    char *path = scratch_write("large.txt", text, bytes);
    free(text);
    long before = anonymous_kib();
    if (before < 0) skip();
    for (int level = BYTE; level <= WORD; level++) {
        most_anonymous = 0;
        px_corpus_request request = request_for(path, level, 0);
        request.progress = watch_memory;
        px_corpus corpus;
        assert_done(px_corpus_open(&request, &corpus));
        watch_memory(NULL, NULL, 1);
        assert_true(most_anonymous > 0);
        if (most_anonymous - before > MOST_KIB)
            fail_msg("level %d: %ld KiB of memory for a text of %d MiB", level, most_anonymous - before, MIB);
        px_corpus_close(&corpus);
    }
    remove(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_file_gives_what_its_text_gives),
        cmocka_unit_test(many_words_take_4_bytes_an_id_and_a_bound_brings_them_back_to_2),
        cmocka_unit_test(the_width_of_ids_leaves_room_for_the_mark_of_unknown_tokens),
        cmocka_unit_test(unknown_tokens_are_counted_in_any_range_and_literal_unk_is_one),
        cmocka_unit_test(the_vocabulary_is_made_of_the_training_part_alone),
        cmocka_unit_test(a_given_vocabulary_is_used_and_a_token_file_must_agree_with_it),
        cmocka_unit_test(limit_cuts_a_token_file_and_counts_its_unknown_tokens_anew),
        cmocka_unit_test(characters_that_the_edge_of_a_piece_cuts_are_whole),
        cmocka_unit_test(every_changed_byte_and_every_cut_of_a_token_file_is_found),
        cmocka_unit_test(a_forged_token_file_with_right_checksums_is_found_too),
        cmocka_unit_test(a_token_file_is_written_whole_or_not_at_all),
        cmocka_unit_test(bad_inputs_are_clear_errors),
        cmocka_unit_test(splits_that_leave_a_part_without_two_tokens_are_errors),
        cmocka_unit_test(standard_input_holds_a_text_or_a_token_file),
        cmocka_unit_test(a_corpus_costs_no_memory_beyond_its_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
