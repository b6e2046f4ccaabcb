/* The n-gram model against the formula of ngram.h, evaluated by counting in the text itself, slowly and in another way:
 * no tree, no sorting, every count a pass over the text. */
#include "ngram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { V = 7, N_MAX = 400, K_MAX = 6 };

/* A text that repeats itself, with runs, so that every order has counts of 1, 2, 3 and more. */
static size_t make_text(int32_t *text, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t draw = seed >> 16;
        text[i] = i > 20 && draw % 3 ? text[i - 5 - draw % 2 * 6] : (int32_t)(draw / 3 % (draw % 5 ? 4 : V));
    }
    return count;
}

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

typedef struct by_hand {
    int32_t text[N_MAX + 1];
    size_t N;
    int32_t K, line_end;
    double D[K_MAX + 1][4];
} by_hand;

/* 1 if g [k] stands at position i. In lines, a line end may stand only first (the beginning of a line) or last in it.
 */
static int stands_at(const by_hand *b, const int32_t *g, size_t k, size_t i)
{
    if (i + k > b->N) return 0;
    for (size_t j = 0; j < k; j++) {
        if (b->text[i + j] != g[j]) return 0;
        if (b->line_end >= 0 && g[j] == b->line_end && j > 0 && j + 1 < k) return 0;
    }
    return 1;
}

static double count_of(const by_hand *b, const int32_t *g, size_t k)
{
    double count = 0;
    int begins_line = b->line_end >= 0 && k > 1 && g[0] == b->line_end;
    if ((int32_t)k == b->K || begins_line) {
        for (size_t i = 0; i < b->N; i++) count += stands_at(b, g, k, i) && !(k == 1 && i == 0 && b->line_end >= 0);
        return count;
    }
    uint8_t before[V + 1] = {0};
    for (size_t i = 0; i < b->N; i++) {
        if (!stands_at(b, g, k, i)) continue;
        if (i > 0)
            before[b->text[i - 1]] = 1;
        else if (b->line_end < 0)
            before[V] = 1; /* the place before the text */
    }
    for (int i = 0; i <= V; i++) count += before[i];
    return count;
}

/* All different k-grams: a position counts where no earlier one has the same. */
static void find_discounts(by_hand *b, size_t k)
{
    double n[5] = {0}, *D = b->D[k];
    for (size_t i = 0; i + k <= b->N; i++) {
        int32_t g[K_MAX];
        memcpy(g, b->text + i, k * sizeof *g);
        int first = stands_at(b, g, k, i);
        for (size_t j = 0; j < i && first; j++) first = !stands_at(b, g, k, j);
        double c = first ? count_of(b, g, k) : 0;
        if (c >= 1 && c <= 4) n[(int)c]++;
    }
    double Y = n[1] / (n[1] + 2 * n[2]);
    int sound = 1;
    D[0] = 0;
    for (int i = 1; i <= 3; i++) {
        D[i] = i - (i + 1) * Y * n[i + 1] / n[i];
        sound = sound && D[i] > 0 && D[i] <= i;
    }
    for (int i = 1; i <= 3 && !sound; i++) D[i] = i / 2.0;
}

/* p_k(w | the last k-1 tokens of history). */
static double probability(const by_hand *b, const int32_t *history, size_t known, size_t k, int32_t w)
{
    if (k == 0) return 1.0 / V;
    double lower = probability(b, history, known, k - 1, w);
    if (known < k - 1) return lower;
    int32_t g[K_MAX];
    memcpy(g, history + known - (k - 1), (k - 1) * sizeof *g);
    double total = 0, spread = 0, kept = 0;
    for (int32_t v = 0; v < V; v++) {
        g[k - 1] = v;
        double c = count_of(b, g, k), d = b->D[k][c < 3 ? (int)c : 3];
        total += c;
        spread += d;
        if (v == w) kept = c - d;
    }
    return total == 0 ? lower : (kept + spread * lower) / total;
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static px_ngram *model_of(const int32_t *text, size_t count, int32_t order, int32_t line_end)
{
    px_tokens *tokens;
    px_ngram *ngram;
    px_ngram_options options = {.order = order, .vocab = V, .line_end = line_end};
    assert_int_equal(px_tokens_from_ids(text, count, &tokens), PX_OK);
    px_status status = px_ngram_create((px_range){tokens, 0, count}, &options, &ngram);
    if (status != PX_OK) fail_msg("%s", px_error_message());
    px_tokens_destroy(tokens);
    return ngram;
}

static void compare(const int32_t *text, size_t count, int32_t order, int32_t line_end, const int32_t *probe,
                    size_t probes)
{
    by_hand b = {.K = order, .line_end = line_end};
    px_ngram_state state;
    if (line_end >= 0) b.text[b.N++] = line_end;
    memcpy(b.text + b.N, text, count * sizeof *text);
    b.N += count;
    for (size_t k = 1; k <= (size_t)order; k++) find_discounts(&b, k);

    px_ngram *ngram = model_of(text, count, order, line_end);
    for (int32_t k = 1; k <= order; k++) {
        double got[3];
        px_ngram_discounts(ngram, k, got);
        for (int i = 0; i < 3; i++)
            if (!(fabs(got[i] - b.D[k][i + 1]) < 1e-12))
                fail_msg("order %d of %d, line end %d: D_%d(%d) is %.15g, by hand %.15g", k, order, line_end, k, i + 1,
                         got[i], b.D[k][i + 1]);
    }
    px_ngram_start(ngram, &state);
    int32_t history[N_MAX + 1];
    size_t known = 0;
    if (line_end >= 0) history[known++] = line_end;
    for (size_t t = 0; t < probes; t++) {
        double want = probability(&b, history, known, (size_t)order, probe[t]),
               got = px_ngram_next(ngram, &state, probe[t]);
        if (!(fabs(got - want) < 1e-13))
            fail_msg("order %d, line end %d, token %zu: p is %.15g, by hand %.15g", order, line_end, t, got, want);
        if (line_end >= 0 && probe[t] == line_end) known = 0; /* a new line: nothing before it counts */
        history[known++] = probe[t];
    }
    px_ngram_destroy(ngram);
}

static void probabilities_are_those_of_the_formula_counted_by_hand(void **test_state)
{
    int32_t text[N_MAX], probe[60];
    (void)test_state;
    for (int32_t order = 1; order <= 5; order++)
        for (int32_t line_end = -1; line_end <= 2; line_end += 3) {
            make_text(text, 200, 17u + (uint32_t)order);
            make_text(probe, 60, 99);
            compare(text, 200, order, line_end, probe, 60);
            compare(text, 200, order, line_end, text, 60); /* what was seen */
        }
}

static void tiny_texts_are_counted_by_the_same_formula(void **test_state)
{
    static const int32_t texts[][6] = {
        {3}, {2, 2}, {2, 2, 2, 2, 2, 2}, {1, 2, 1, 2, 1, 2}, {0, 1, 2, 3, 4, 5}, {2, 5, 2, 2, 5, 2}};
    static const size_t counts[] = {1, 2, 6, 6, 6, 6};
    static const int32_t probe[] = {1, 2, 2, 5, 2, 6, 3, 0, 1, 2, 3, 4};
    (void)test_state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (int32_t order = 1; order <= K_MAX; order++)
            for (int32_t line_end = -1; line_end <= 2; line_end += 3)
                compare(texts[i], counts[i], order, line_end, probe, sizeof probe / sizeof probe[0]);
}

static void probabilities_of_every_context_add_up_to_1(void **test_state)
{
    int32_t text[N_MAX];
    (void)test_state;
    make_text(text, N_MAX, 5);
    for (int32_t order = 1; order <= PX_NGRAM_MAX_ORDER; order += order < 6 ? 1 : 13)
        for (int32_t line_end = -1; line_end <= 2; line_end += 3) {
            px_ngram *ngram = model_of(text, N_MAX, order, line_end);
            px_ngram_state state;
            px_ngram_start(ngram, &state);
            for (size_t t = 0; t < N_MAX; t++) {
                double sum = 0;
                for (int32_t v = 0; v < V; v++) {
                    px_ngram_state copy = state;
                    double p = px_ngram_next(ngram, &copy, v);
                    assert_true(p > 0);
                    sum += p;
                }
                if (!(fabs(sum - 1) < 1e-12))
                    fail_msg("order %d, token %zu: probabilities add up to %.15g", order, t, sum);
                px_ngram_next(ngram, &state, t % 9 ? text[t] : (int32_t)(t % V)); /* now and then something unseen */
            }
            px_ngram_destroy(ngram);
        }
}

/* As px_evaluate: the first token is only read, every other one is scored once. */
static void scoring_adds_up_single_tokens(void **test_state)
{
    int32_t text[N_MAX];
    px_tokens *tokens;
    px_ngram_result result;
    px_ngram_state state;
    double nll[N_MAX], sum = 0;
    (void)test_state;
    make_text(text, N_MAX, 8);
    px_ngram *ngram = model_of(text, 300, 4, -1);
    assert_int_equal(px_tokens_from_ids(text, N_MAX, &tokens), PX_OK);
    assert_int_equal(px_ngram_score(ngram, (px_range){tokens, 250, N_MAX}, NULL, nll, &result), PX_OK);
    px_ngram_start(ngram, &state);
    px_ngram_next(ngram, &state, text[250]);
    for (size_t t = 251; t < N_MAX; t++) {
        double loss = -log(px_ngram_next(ngram, &state, text[t]));
        assert_true(fabs(loss - nll[t - 251]) < 1e-13);
        sum += loss;
    }
    assert_int_equal(result.tokens, N_MAX - 251);
    assert_true(fabs(result.loss - sum / (N_MAX - 251)) < 1e-12);
    assert_true(fabs(result.perplexity - exp(result.loss)) < 1e-12 * result.perplexity);
    assert_true(fabs(result.bits_per_token * log(2) - result.loss) < 1e-12);
    assert_int_equal(px_ngram_score(ngram, (px_range){tokens, 0, 1}, NULL, NULL, &result), PX_ERR_INPUT);
    px_tokens_destroy(tokens);
    px_ngram_destroy(ngram);
}

static void counts_and_memory_are_those_of_the_text(void **test_state)
{
    static const int32_t text[] = {1, 2, 3, 1, 2, 3, 1, 2};
    (void)test_state;
    px_ngram *ngram = model_of(text, 8, 3, -1);
    assert_int_equal(px_ngram_count(ngram, 1), 3);
    assert_int_equal(px_ngram_count(ngram, 2), 3);
    assert_int_equal(px_ngram_count(ngram, 3), 3);
    assert_in_range(px_ngram_bytes(ngram), 3 * 24 + 3 * 24 + 3 * 8, 16384);
    px_ngram_destroy(ngram);
    px_ngram_destroy(NULL);
}

static void wrong_arguments_are_refused_by_name(void **test_state)
{
    static const int32_t text[] = {1, 2, 9, 1};
    static const atomic_int stop = 1;
    px_tokens *tokens;
    px_ngram *ngram;
    px_ngram_options options = {.order = 0, .vocab = 10, .line_end = -1};
    (void)test_state;
    assert_int_equal(px_tokens_from_ids(text, 4, &tokens), PX_OK);
    px_range range = {tokens, 0, 4};
    assert_int_equal(px_ngram_create(range, &options, &ngram), PX_ERR_ARGUMENT);
    options.order = PX_NGRAM_MAX_ORDER + 1;
    assert_int_equal(px_ngram_create(range, &options, &ngram), PX_ERR_ARGUMENT);
    assert_non_null(strstr(px_error_message(), "--order 33"));
    options = (px_ngram_options){.order = 2, .vocab = 9, .line_end = -1};
    assert_int_equal(px_ngram_create(range, &options, &ngram), PX_ERR_INPUT);
    assert_non_null(strstr(px_error_message(), "token 2 is 9"));
    options = (px_ngram_options){.order = 2, .vocab = 10, .line_end = 10};
    assert_int_equal(px_ngram_create(range, &options, &ngram), PX_ERR_ARGUMENT);
    options.line_end = -1;
    assert_int_equal(px_ngram_create((px_range){tokens, 2, 2}, &options, &ngram), PX_ERR_INPUT);
    options.stop = &stop;
    assert_int_equal(px_ngram_create(range, &options, &ngram), PX_STOPPED);
    assert_null(ngram);
    px_tokens_destroy(tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_the_formula_counted_by_hand),
        cmocka_unit_test(tiny_texts_are_counted_by_the_same_formula),
        cmocka_unit_test(probabilities_of_every_context_add_up_to_1),
        cmocka_unit_test(scoring_adds_up_single_tokens),
        cmocka_unit_test(counts_and_memory_are_those_of_the_text),
        cmocka_unit_test(wrong_arguments_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
