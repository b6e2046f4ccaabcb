/* Minibatches: every target exactly once, in order, for any size; resets; statelessness; the shuffled order. */
#include "corpus_support.h"
#include "minibatch.h"
#include "permutation.h"
#include "window_cuts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Tokens 0, 1, 2, ...: a token tells its own position. */
static px_tokens *counting(size_t count)
{
    int32_t *ids = malloc((count ? count : 1) * sizeof *ids);
    for (size_t i = 0; i < count; i++) ids[i] = (int32_t)i;
    px_tokens *tokens;
    assert_done(px_tokens_from_ids(ids, count, &tokens));
    free(ids);
    return tokens;
}

static const int sizes[][3] = {/* tokens, n, T */
                               {2, 1, 1},     {2, 1, 35},  {3, 2, 1},   {10, 3, 4},     {11, 3, 4},
                               {100, 7, 5},   {101, 7, 5}, {102, 7, 5}, {1000, 32, 35}, {1001, 33, 7},
                               {5000, 1, 64}, {36, 35, 1}, {71, 2, 35}, {73, 2, 35}};
enum { SIZES = sizeof sizes / sizeof *sizes };
enum { SEQUENTIAL, RANDOM, JITTER, MODES }; /* how an epoch is cut */

/* One epoch: each target of [begin, end) is scored once, right after its input; inv_count counts. Returns scored
 * tokens. */
static int64_t assert_covers(px_minibatches *m, int64_t epoch, size_t begin, size_t end)
{
    uint8_t *seen = calloc(end + 1, 1);
    int64_t all = 0;
    for (int64_t w = 0; w < px_minibatches_per_epoch(m, epoch); w++) {
        px_batch b;
        assert_done(px_minibatches_get(m, epoch, w, (uint64_t)w, &b));
        int64_t scored = 0;
        for (int32_t i = 0; i < b.T * b.n; i++) {
            if (b.targets[i] < 0) {
                assert_int_equal(b.targets[i], -1);
                assert_int_equal(b.tokens[i], 0);
                continue;
            }
            assert_int_equal(b.targets[i], b.tokens[i] + 1);
            assert_true((size_t)b.targets[i] > begin && (size_t)b.targets[i] < end);
            assert_int_equal(seen[b.targets[i]]++, 0);
            scored++;
        }
        assert_true(scored > 0);
        assert_true(b.inv_count == 1.0 / (double)scored);
        assert_int_equal(b.streams_in_all, b.n);
        assert_int_equal(b.first_stream, 0);
        assert_int_equal(b.step, w);
        all += scored;
    }
    assert_int_equal(all, (int64_t)(end - begin) - 1);
    assert_int_equal(px_minibatches_targets(m, epoch), all);
    free(seen);
    return all;
}

static void every_target_is_used_exactly_once_an_epoch(void **state)
{
    for (int k = 0; k < SIZES; k++)
        for (int mode = 0; mode < MODES; mode++) {
            size_t count = (size_t)sizes[k][0], begin = 5;
            px_tokens *tokens = counting(begin + count + 3);
            px_minibatch_options o = {.range = {tokens, begin, begin + count},
                                      .n = sizes[k][1],
                                      .T = sizes[k][2],
                                      .random = mode == RANDOM,
                                      .jitter = mode == JITTER ? sizes[k][2] / 4.0 : 0,
                                      .reset_probability = 0.5,
                                      .reset_id = -1,
                                      .seed = 7};
            px_minibatches *m;
            assert_done(px_minibatches_create(&o, &m));
            for (int64_t epoch = 0; epoch < 12; epoch++) assert_covers(m, epoch, begin, begin + count);
            px_minibatches_destroy(m);
            px_tokens_destroy(tokens);
        }
}

static void sequential_streams_go_on_where_the_last_window_ended_and_windows_are_nearly_equal(void **state)
{
    for (int k = 0; k < SIZES; k++) {
        int32_t n = sizes[k][1], T = sizes[k][2], shortest = T, longest = 0;
        px_tokens *tokens = counting((size_t)sizes[k][0]);
        px_minibatch_options o = {.range = {tokens, 0, (size_t)sizes[k][0]}, .n = n, .T = T, .reset_id = -1};
        px_minibatches *m;
        assert_done(px_minibatches_create(&o, &m));
        int32_t *next = malloc((size_t)n * sizeof *next);
        int64_t windows = px_minibatches_per_epoch(m, 0), S = (sizes[k][0] - 1 + n - 1) / n;
        assert_int_equal(windows, (S + T - 1) / T);
        for (int64_t w = 0; w < windows; w++) {
            px_batch b;
            assert_done(px_minibatches_get(m, 0, w, 0, &b));
            if (b.T < shortest) shortest = b.T;
            if (b.T > longest) longest = b.T;
            for (int32_t i = 0; i < n; i++)
                for (int32_t t = 0; t < b.T; t++) {
                    int at = t * n + i;
                    if (w || t) {
                        if (b.targets[at] >= 0) assert_int_equal(b.tokens[at], next[i]);
                    } else
                        assert_int_equal(b.tokens[at], (int64_t)i * (sizes[k][0] - 1) / n);
                    next[i] = b.targets[at];
                }
        }
        assert_true(longest <= T && longest - shortest <= 1);
        free(next);
        px_minibatches_destroy(m);
        px_tokens_destroy(tokens);
    }
}

static void any_window_can_be_asked_for_again(void **state)
{
    px_tokens *tokens = counting(3000);
    for (int mode = 0; mode < MODES; mode++) {
        px_minibatch_options o = {.range = {tokens, 0, 3000},
                                  .n = 9,
                                  .T = 11,
                                  .random = mode == RANDOM,
                                  .jitter = mode == JITTER ? 11 / 4.0 : 0,
                                  .reset_probability = 0.3,
                                  .reset_id = 40,
                                  .seed = 3};
        px_minibatches *a, *b;
        assert_done(px_minibatches_create(&o, &a));
        assert_done(px_minibatches_create(&o, &b));
        for (int64_t epoch = 3; epoch >= 0; epoch--)
            for (int64_t w = px_minibatches_per_epoch(a, epoch) - 1; w >= 0; w -= 3) {
                px_batch x, y, other;
                uint64_t step = (uint64_t)(100 * epoch + w);
                assert_done(px_minibatches_get(a, epoch, w, step, &x));
                assert_done(
                    px_minibatches_get(b, (epoch + 1) % 4, 0, 0, &other)); /* what came before does not matter */
                assert_done(px_minibatches_get(b, epoch, w, step, &y));
                assert_int_equal(x.T, y.T);
                size_t cells = (size_t)x.T * (size_t)x.n;
                assert_memory_equal(x.tokens, y.tokens, cells * 4);
                assert_memory_equal(x.targets, y.targets, cells * 4);
                assert_memory_equal(x.reset, y.reset, cells);
            }
        px_minibatches_destroy(a);
        px_minibatches_destroy(b);
    }
    px_tokens_destroy(tokens);
}

static void window_0_resets_every_stream_and_later_ones_by_chance(void **state)
{
    px_tokens *tokens = counting(100001);
    static const double probabilities[] = {0, 0.05, 0.5, 1};
    for (int p = 0; p < 4; p++) {
        px_minibatch_options o = {.range = {tokens, 0, 100001},
                                  .n = 10,
                                  .T = 10,
                                  .reset_probability = probabilities[p],
                                  .reset_id = -1,
                                  .seed = 11};
        px_minibatches *m;
        assert_done(px_minibatches_create(&o, &m));
        int64_t windows = px_minibatches_per_epoch(m, 0), drawn = 0;
        assert_int_equal(windows, 1000);
        for (int64_t epoch = 0; epoch < 2; epoch++)
            for (int64_t w = 0; w < windows; w++) {
                px_batch b;
                uint64_t step = (uint64_t)(epoch * windows + w);
                assert_done(px_minibatches_get(m, epoch, w, step, &b));
                for (int32_t i = 0; i < 10; i++) {
                    int expected = w == 0 || px_random_u32(11, PX_RANDOM_RESET, 0, step * 10 + (uint64_t)i) <
                                                 probabilities[p] * 4294967296.0;
                    assert_int_equal(b.reset[i], expected);
                    drawn += w > 0 && b.reset[i];
                }
                for (int32_t i = 10; i < b.T * 10; i++) assert_int_equal(b.reset[i], 0);
            }
        double draws = 2.0 * (double)(windows - 1) * 10, mean = draws * probabilities[p],
               deviation = sqrt(mean * (1 - probabilities[p]));
        assert_true(fabs((double)drawn - mean) <= 5 * deviation); /* exact where the probability is 0 or 1 */
        px_minibatches_destroy(m);
    }
    px_tokens_destroy(tokens);
}

static void a_document_token_resets_the_step_that_reads_it(void **state)
{
    int32_t ids[50];
    for (int i = 0; i < 50; i++) ids[i] = i % 7 == 3 ? 5 : 1;
    px_tokens *tokens;
    assert_done(px_tokens_from_ids(ids, 50, &tokens));
    for (int kind = 0; kind < 3; kind++) { /* sequential, random, evaluation */
        px_minibatch_options o = {.range = {tokens, 0, 50}, .n = 2, .T = 6, .random = kind == 1, .reset_id = 5};
        px_minibatches *m;
        assert_done(kind == 2 ? px_minibatches_create_eval(o.range, 2, 6, 5, 0, &m) : px_minibatches_create(&o, &m));
        int found = 0;
        for (int64_t w = 0; w < px_minibatches_per_epoch(m, 0); w++) {
            px_batch b;
            assert_done(px_minibatches_get(m, 0, w, 0, &b));
            for (int32_t i = 0; i < b.T * b.n; i++) {
                int first = i < b.n && (w == 0 || kind == 1);
                assert_int_equal(b.reset[i], first || b.tokens[i] == 5);
                found += b.tokens[i] == 5;
            }
        }
        assert_int_equal(found, 7); /* positions 3, 10, ... 45 */
        px_minibatches_destroy(m);
    }
    px_tokens_destroy(tokens);
}

static void evaluation_scores_every_token_after_the_first_once_and_can_keep_the_state(void **state)
{
    for (int k = 0; k < SIZES; k++)
        for (int keep = 0; keep <= 1; keep++) {
            size_t count = (size_t)sizes[k][0];
            px_tokens *tokens = counting(count);
            px_minibatches *m;
            assert_done(
                px_minibatches_create_eval((px_range){tokens, 0, count}, sizes[k][1], sizes[k][2], -1, keep, &m));
            assert_covers(m, 0, 0, count);
            for (int64_t w = 0; w < px_minibatches_per_epoch(m, 0); w++) {
                px_batch b;
                assert_done(px_minibatches_get(m, 0, w, 5, &b));
                for (int32_t i = 0; i < b.T * b.n; i++) assert_int_equal(b.reset[i], w == 0 && i < b.n && !keep);
            }
            px_minibatches_destroy(m);
            px_tokens_destroy(tokens);
        }
}

static void random_windows_differ_between_epochs_and_start_at_one_offset(void **state)
{
    px_tokens *tokens = counting(2001);
    px_minibatch_options o = {.range = {tokens, 0, 2001}, .n = 4, .T = 10, .random = 1, .reset_id = -1, .seed = 5};
    px_minibatches *m;
    assert_done(px_minibatches_create(&o, &m));
    int offsets[10] = {0}, moved = 0;
    int32_t first_start = -1;
    for (int64_t epoch = 0; epoch < 200; epoch++) {
        int offset = -1;
        for (int64_t w = 0; w < px_minibatches_per_epoch(m, epoch); w++) {
            px_batch b;
            assert_done(px_minibatches_get(m, epoch, w, 0, &b));
            for (int32_t i = 0; i < 4; i++) {
                if (b.targets[i] < 0) continue; /* no window for this stream */
                assert_int_equal(b.reset[i], 1);
                if (b.tokens[i] == 0) continue; /* the cut window at the start */
                if (offset < 0) offset = b.tokens[i] % 10;
                assert_int_equal(b.tokens[i] % 10, offset);
                if (w == 0 && i == 0) {
                    moved += b.tokens[0] != first_start;
                    first_start = b.tokens[0];
                }
            }
        }
        assert_true(offset >= 0);
        offsets[offset]++;
    }
    for (int k = 0; k < 10; k++) assert_true(offsets[k] >= 5 && offsets[k] <= 45); /* 20 each, deviation 4.2 */
    assert_true(moved > 150);
    px_minibatches_destroy(m);
    px_tokens_destroy(tokens);
}

static void the_permutation_is_a_bijection_for_every_count(void **state)
{
    uint8_t *seen = malloc(70000);
    static const uint64_t counts[] = {1,   2,   3,   4,   5,    31,   63,   64,    65,
                                      100, 255, 256, 257, 1000, 4096, 4097, 65536, 69999};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        for (uint32_t epoch = 0; epoch < 3; epoch++) {
            px_permutation p = px_permutation_make(counts[k], 42, PX_RANDOM_SHUFFLE, epoch);
            memset(seen, 0, 70000);
            for (uint64_t i = 0; i < counts[k]; i++) {
                uint64_t j = px_permutation_at(&p, i);
                assert_true(j < counts[k]);
                assert_int_equal(seen[j]++, 0);
            }
        }
    free(seen);
    px_permutation huge = px_permutation_make((uint64_t)1 << 40, 42, PX_RANDOM_SHUFFLE, 0);
    assert_true(px_permutation_at(&huge, 123456789012) < (uint64_t)1 << 40);
}

static void every_place_of_the_permutation_is_equally_likely(void **state)
{
    enum { COUNT = 5, KEYS = 20000 };
    int times[COUNT][COUNT] = {{0}}, ascending = 0;
    for (uint64_t seed = 0; seed < KEYS; seed++) {
        px_permutation p = px_permutation_make(COUNT, seed, PX_RANDOM_SHUFFLE, 0);
        uint64_t previous = 0;
        int rising = 1;
        for (uint64_t i = 0; i < COUNT; i++) {
            uint64_t j = px_permutation_at(&p, i);
            times[i][j]++;
            if (i && j < previous) rising = 0;
            previous = j;
        }
        ascending += rising;
    }
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++)
            assert_true(abs(times[i][j] - KEYS / COUNT) < 5 * 57); /* deviation sqrt(20000 0.2 0.8) = 57 */
    assert_true(abs(ascending - KEYS / 120) < 5 * 13);             /* one order of 120 */
}

static void sizes_that_do_not_work_are_errors_that_say_what_does(void **state)
{
    px_tokens *tokens = counting(10);
    px_minibatches *m = NULL;
    px_minibatch_options o = {.range = {tokens, 0, 10}, .n = 10, .T = 5, .reset_id = -1};
    assert_fails(px_minibatches_create(&o, &m), PX_ERR_ARGUMENT, "10 tokens", "10 streams", "at most 9", NULL);
    o.n = 0;
    assert_fails(px_minibatches_create(&o, &m), PX_ERR_ARGUMENT, "n = 0", NULL);
    o.n = 1;
    o.T = 0;
    assert_fails(px_minibatches_create(&o, &m), PX_ERR_ARGUMENT, "T = 0", NULL);
    o.T = 5;
    o.reset_probability = 1.5;
    assert_fails(px_minibatches_create(&o, &m), PX_ERR_ARGUMENT, "1.5", NULL);
    o.reset_probability = NAN;
    assert_fails(px_minibatches_create(&o, &m), PX_ERR_ARGUMENT, "probability", NULL);
    o.reset_probability = 0;
    o.range.end = 1;
    assert_fails(px_minibatches_create(&o, &m), PX_ERR_ARGUMENT, "1 token;", NULL);
    o.range.end = 11;
    assert_fails(px_minibatches_create(&o, &m), PX_ERR_ARGUMENT, "does not lie inside", NULL);
    assert_null(m);
    o.range.end = 10;
    assert_done(px_minibatches_create(&o, &m));
    px_batch b;
    assert_fails(px_minibatches_get(m, 0, 2, 0, &b), PX_ERR_ARGUMENT, "no window 2", "has 2", NULL);
    assert_fails(px_minibatches_get(m, -1, 0, 0, &b), PX_ERR_ARGUMENT, "epoch -1", NULL);
    px_minibatches_destroy(m);
    px_minibatches_destroy(NULL);
    px_tokens_destroy(tokens);
}

/* Lengths are those of Merity's scheme: their mean and deviation within 4 standard errors, and no two epochs alike. */
static void drawn_lengths_have_their_mean_and_deviation(void **state)
{
    enum { T = 70, WINDOWS = 20000 };
    const double jitter = 5, mean = 0.95 * T + 0.05 * (T / 2),
                 variance = jitter * jitter + 1.0 / 12 + 0.95 * 0.05 * (T - T / 2) * (T - T / 2); /* 1/12 of rounding */
    double sum = 0, squares = 0;
    int same = 0;
    (void)state;
    for (int64_t w = 0; w < WINDOWS; w++) {
        const int32_t length = px_window_length(T, jitter, 11, 3, w);
        assert_in_range(length, 5, px_window_longest(T, jitter));
        sum += length;
        squares += (length - mean) * (length - mean);
        same += length == px_window_length(T, jitter, 11, 4, w);
    }
    assert_true(px_window_mean(T, jitter) == mean);
    assert_true(fabs(sum / WINDOWS - mean) < 4 * sqrt(variance / WINDOWS));
    /* the fourth moment of a mixture whose lesser part lies 35 away: below 0.05 (35 + 3 * 5)^4 */
    assert_true(fabs(squares / WINDOWS - variance) < 4 * sqrt(0.05 * 6.25e6 / WINDOWS));
    assert_in_range(same, 1, WINDOWS / 8);
    assert_int_equal(px_window_longest(35, 0), 35);
    assert_true(px_window_mean(35, 0) == 35);
}

static void the_last_window_of_drawn_lengths_is_what_is_left(void **state)
{
    (void)state;
    px_tokens *tokens = counting(20001);
    px_minibatch_options options = {
        .range = {tokens, 0, 20001}, .n = 2, .T = 12, .jitter = 3, .reset_id = -1, .seed = 5};
    px_minibatches *m;
    assert_done(px_minibatches_create(&options, &m));
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        const int64_t windows = px_minibatches_per_epoch(m, epoch);
        int64_t steps = 0;
        for (int64_t w = 0; w < windows; w++) {
            const int32_t T = px_minibatches_steps(m, epoch, w), drawn = px_window_length(12, 3, 5, epoch, w);
            assert_true(w + 1 < windows ? T == drawn : T >= 1 && T <= drawn);
            steps += T;
        }
        assert_int_equal(steps, 10000);
    }
    px_minibatches_destroy(m);
    options.random = 1;
    assert_fails(px_minibatches_create(&options, &m), PX_ERR_ARGUMENT, "random windows", NULL);
    options.random = 0, options.jitter = 4.1;
    assert_fails(px_minibatches_create(&options, &m), PX_ERR_ARGUMENT, "4.1", NULL);
    px_tokens_destroy(tokens);
}

/* px_minibatches_get_streams: any part holds the same columns, with the whole window's count. */
static void parts_of_a_window_are_the_window(void **state)
{
    (void)state;
    for (int mode = 0; mode < MODES; mode++) {
        px_tokens *tokens = counting(301);
        px_minibatch_options options = {.range = {tokens, 0, 301},
                                        .n = 7,
                                        .T = 5,
                                        .random = mode == RANDOM,
                                        .jitter = mode == JITTER ? 5 / 4.0 : 0,
                                        .reset_probability = 0.3,
                                        .reset_id = 33,
                                        .seed = 9};
        px_minibatches *whole, *parts;
        assert_done(px_minibatches_create(&options, &whole));
        assert_done(px_minibatches_create(&options, &parts));
        for (int64_t w = 0; w < px_minibatches_per_epoch(whole, 1); w++) {
            px_batch all, part;
            assert_done(px_minibatches_get(whole, 1, w, (uint64_t)w, &all));
            for (int32_t first = 0; first < 7; first++)
                for (int32_t count = 1; first + count <= 7; count++) {
                    assert_done(px_minibatches_get_streams(parts, 1, w, (uint64_t)w, first, count, &part));
                    assert_int_equal(part.T, all.T);
                    assert_int_equal(part.n, count);
                    assert_int_equal(part.first_stream, first);
                    assert_int_equal(part.streams_in_all, 7);
                    assert_true(part.inv_count == all.inv_count);
                    for (int32_t t = 0; t < all.T; t++)
                        for (int32_t i = 0; i < count; i++) {
                            const int32_t at = t * count + i, there = t * 7 + first + i;
                            assert_int_equal(part.tokens[at], all.tokens[there]);
                            assert_int_equal(part.targets[at], all.targets[there]);
                            assert_int_equal(part.reset[at] != 0, all.reset[there] != 0);
                        }
                }
            assert_int_equal(px_minibatches_get_streams(parts, 1, w, (uint64_t)w, 5, 3, &part), PX_ERR_ARGUMENT);
            assert_int_equal(px_minibatches_get_streams(parts, 1, w, (uint64_t)w, 0, 0, &part), PX_ERR_ARGUMENT);
        }
        px_minibatches_destroy(whole);
        px_minibatches_destroy(parts);
        px_tokens_destroy(tokens);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_target_is_used_exactly_once_an_epoch),
        cmocka_unit_test(sequential_streams_go_on_where_the_last_window_ended_and_windows_are_nearly_equal),
        cmocka_unit_test(any_window_can_be_asked_for_again),
        cmocka_unit_test(window_0_resets_every_stream_and_later_ones_by_chance),
        cmocka_unit_test(a_document_token_resets_the_step_that_reads_it),
        cmocka_unit_test(evaluation_scores_every_token_after_the_first_once_and_can_keep_the_state),
        cmocka_unit_test(random_windows_differ_between_epochs_and_start_at_one_offset),
        cmocka_unit_test(the_permutation_is_a_bijection_for_every_count),
        cmocka_unit_test(every_place_of_the_permutation_is_equally_likely),
        cmocka_unit_test(drawn_lengths_have_their_mean_and_deviation),
        cmocka_unit_test(the_last_window_of_drawn_lengths_is_what_is_left),
        cmocka_unit_test(parts_of_a_window_are_the_window),
        cmocka_unit_test(sizes_that_do_not_work_are_errors_that_say_what_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
