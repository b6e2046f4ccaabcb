/* The choice of one token: what is drawn follows the probabilities, and what is cut off is never drawn. Fixed seeds. */
#include "train_support.h"

#include "sample.h"
#include "philox.h"

#define PX_DRAW_FUNCTION static inline
#define PX_DRAW_MUL(a, b) ((a) * (b))
#include "draw_maths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { V = 12 };
static const float P[V] = {0.02f, 0.3f, 0.05f, 0.001f, 0.15f, 0, 0.2f, 0.079f, 0.05f, 0.1f, 0.04f, 0.01f};
static double scratch[2 * 4096];

static px_sample_options plain(void) { return (px_sample_options){.temperature = 1, .top_p = 1, .count = 1}; }

static int32_t choose(const px_sample_options *options, double u)
{
    return px_sample_choose(P, V, options, u, scratch);
}

/* Draws `draws` tokens and compares their counts with `expected` (unnormalised) by chi-square. The bound is the 1 -
 * 1e-6 quantile, by Wilson and Hilferty's approximation; the seed is fixed, so that the outcome is the same in every
 * run. */
static void check_distribution(const px_sample_options *options, const double *expected, uint64_t seed)
{
    enum { DRAWS = 50000 };
    int64_t counts[V] = {0};
    double mass = 0, chi = 0;
    int freedom = -1;
    for (int64_t i = 0; i < DRAWS; i++) {
        int32_t id = choose(options, px_uniform(px_random_u32(seed, PX_RANDOM_SAMPLE, 0, (uint64_t)i)));
        assert_in_range(id, 0, V - 1);
        counts[id]++;
    }
    for (int i = 0; i < V; i++) mass += expected[i];
    for (int i = 0; i < V; i++) {
        double want = DRAWS * expected[i] / mass;
        if (want == 0) {
            if (counts[i]) fail_msg("token %d has no share, but was drawn %lld times", i, (long long)counts[i]);
            continue;
        }
        chi += ((double)counts[i] - want) * ((double)counts[i] - want) / want;
        freedom++;
    }
    if (freedom == 0) return;
    double k = freedom, z = 4.753, c = 2 / (9 * k), bound = k * pow(1 - c + z * sqrt(c), 3);
    if (!(chi < bound)) fail_msg("chi-square %.2f with %d degrees of freedom, at most %.2f", chi, freedom, bound);
}

static void draws_follow_the_probabilities(void **state)
{
    px_sample_options options = plain();
    double expected[V];
    (void)state;
    for (int i = 0; i < V; i++) expected[i] = (double)P[i];
    check_distribution(&options, expected, 1);
}

static void temperature_raises_probabilities_to_its_inverse(void **state)
{
    static const double temperatures[] = {0.3, 0.7, 2.5};
    (void)state;
    for (int t = 0; t < 3; t++) {
        px_sample_options options = plain();
        double expected[V];
        options.temperature = temperatures[t];
        for (int i = 0; i < V; i++) expected[i] = P[i] > 0 ? pow((double)P[i], 1 / options.temperature) : 0;
        check_distribution(&options, expected, 2 + (uint64_t)t);
    }
}

static void extreme_temperatures_neither_overflow_nor_draw_the_impossible(void **state)
{
    px_sample_options options = plain();
    double expected[V] = {0};
    (void)state;
    options.temperature = 1e-6;
    for (double u = 0; u < 1; u += 0.01) assert_int_equal(choose(&options, u), 1);
    options.temperature = 1e6;
    for (int i = 0; i < V; i++) expected[i] = P[i] > 0;
    check_distribution(&options, expected, 5);
}

static void top_k_keeps_the_k_most_probable(void **state)
{
    (void)state;
    for (int32_t k = 1; k <= V + 3; k++) {
        px_sample_options options = plain();
        double expected[V];
        options.top_k = k;
        for (int i = 0; i < V; i++) {
            int before = 0; /* tokens that come first; equals in order of ids */
            for (int j = 0; j < V; j++) before += P[j] > P[i] || (P[j] == P[i] && j < i);
            expected[i] = before < k ? (double)P[i] : 0;
        }
        check_distribution(&options, expected, 10 + (uint64_t)k);
    }
}

static void top_p_keeps_the_smallest_set_that_reaches_it(void **state)
{
    /* in order: 1 0.3, 6 0.5, 4 0.65, 9 0.75, 7 0.829, 2 0.879, 8 0.929, 10 0.969, 0 0.989, 11 0.999, 3 1.0 */
    static const int order[] = {1, 6, 4, 9, 7, 2, 8, 10, 0, 11, 3};
    static const struct {
        double p;
        int kept;
    } cases[] = {{0.0001, 1}, {0.29, 1}, {0.31, 2}, {0.49, 2},    {0.64, 3}, {0.74, 4},
                 {0.8, 5},    {0.92, 7}, {0.95, 8}, {0.9995, 11}, {1, 11}};
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        px_sample_options options = plain();
        double expected[V] = {0};
        options.top_p = cases[c].p;
        for (int i = 0; i < cases[c].kept; i++) expected[order[i]] = (double)P[order[i]];
        check_distribution(&options, expected, 30 + c);
    }
}

static void top_p_is_a_share_of_what_top_k_left(void **state)
{
    px_sample_options options = plain();
    double expected[V] = {0};
    (void)state;
    options.top_k = 4;   /* 0.3 0.2 0.15 0.1, in all 0.75 */
    options.top_p = 0.8; /* 0.6: three of them */
    expected[1] = 0.3, expected[6] = 0.2, expected[4] = 0.15;
    check_distribution(&options, expected, 50);
}

static void greedy_takes_the_most_probable_and_the_first_of_equals(void **state)
{
    px_sample_options options = plain();
    static const float equal[] = {0.1f, 0.4f, 0.4f, 0.1f};
    (void)state;
    options.greedy = 1;
    options.temperature = -1;
    assert_int_equal(choose(&options, 0.99), 1);
    assert_int_equal(px_sample_choose(equal, 4, &options, 0.99, scratch), 1);
}

static void unknown_is_never_drawn_where_it_is_excluded(void **state)
{
    px_sample_options options = plain();
    static const float certain[] = {1, 0, 0, 0}, likely[] = {0.9f, 0.05f, 0.05f, 0};
    double expected[V];
    (void)state;
    options.exclude_unknown = 1;
    for (int i = 0; i < V; i++) expected[i] = i ? (double)P[i] : 0;
    check_distribution(&options, expected, 60);
    assert_int_equal(px_sample_choose(certain, 4, &options, 0.5, scratch), -1);
    options.greedy = 1;
    assert_int_equal(px_sample_choose(likely, 4, &options, 0.5, scratch), 1);
}

static void no_uniform_falls_through_the_last_token(void **state)
{
    px_sample_options options = plain();
    static const double edges[] = {0, 0x1p-32, 0.5, 1 - 0x1p-32, 0x1.fffffffffffffp-1};
    (void)state;
    for (int32_t k = 0; k < V; k++)
        for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++) {
            options.top_k = k;
            int32_t id = choose(&options, edges[e]);
            assert_in_range(id, 0, V - 1);
            assert_true(P[id] > 0);
        }
}

static void probabilities_that_are_none_are_refused(void **state)
{
    px_sample_options options = plain();
    static const float none[3], broken[] = {0.5f, NAN, 0.5f}, endless[] = {0.5f, INFINITY, 0.5f};
    (void)state;
    assert_int_equal(px_sample_choose(none, 3, &options, 0.5, scratch), -1);
    assert_int_equal(px_sample_choose(broken, 3, &options, 0.5, scratch), -1);
    assert_int_equal(px_sample_choose(endless, 3, &options, 0.5, scratch), -1);
    options.greedy = 1;
    assert_int_equal(px_sample_choose(broken, 3, &options, 0.5, scratch), -1);
}

/* Against sorting: many vocabularies with equals among them. */
static void cuts_agree_with_a_full_sort_over_large_vocabularies(void **state)
{
    enum { LARGE = 4096 };
    float *p = malloc(LARGE * sizeof *p);
    int *rank = malloc(LARGE * sizeof *rank);
    (void)state;
    for (uint64_t trial = 0; trial < 3; trial++) {
        double sum = 0;
        for (int i = 0; i < LARGE; i++)
            sum += p[i] = (float)(px_random_u32(trial, PX_RANDOM_SYNTHETIC, 0, (uint64_t)i) % 97);
        for (int i = 0; i < LARGE; i++) p[i] = (float)(p[i] / sum);
        for (int i = 0; i < LARGE; i++) {
            rank[i] = 0;
            for (int j = 0; j < LARGE; j++) rank[i] += p[j] > p[i] || (p[j] == p[i] && j < i);
        }
        for (int32_t k = 1; k < LARGE; k = 2 * k + 1) {
            px_sample_options options = plain();
            options.top_k = k;
            for (int draw = 0; draw < 20; draw++) {
                double u = px_uniform(px_random_u32(trial, PX_RANDOM_SAMPLE, (uint32_t)k, (uint64_t)draw));
                int32_t id = px_sample_choose(p, LARGE, &options, u, scratch);
                if (rank[id] >= k) fail_msg("top-k %d drew the token of rank %d", (int)k, rank[id]);
            }
        }
    }
    free(p);
    free(rank);
}

/* Units in the last place between two numbers of the same sign; those of the smallest ones are 2^-1074. */
static double apart(double a, double b) { return fabs(a - b) / (nextafter(fabs(b), INFINITY) - fabs(b)); }

static void logarithms_and_exponentials_are_within_two_units(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200000; i++) {
        const double u = px_uniform_open(px_random_u32(5, PX_RANDOM_SYNTHETIC, 1, i)), x = i % 2 ? -745 * u : -40 * u;
        const double p = (double)(float)exp(-103 * u); /* down to the smallest floats */
        if (p < 1 && apart(px_draw_log(p), log(p)) > 2) fail_msg("log %a: %a, not %a", p, px_draw_log(p), log(p));
        if (apart(px_draw_exp(x), exp(x)) > 2) fail_msg("exp %a: %a, not %a", x, px_draw_exp(x), exp(x));
    }
    assert_true(px_draw_log(1) == 0 && px_draw_exp(0) == 1 && px_draw_exp(-0.0) == 1);
    assert_true(px_draw_exp(-745) > 0 && px_draw_exp(-746.5) == 0 && px_draw_exp(-INFINITY) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(temperature_raises_probabilities_to_its_inverse),
        cmocka_unit_test(extreme_temperatures_neither_overflow_nor_draw_the_impossible),
        cmocka_unit_test(top_k_keeps_the_k_most_probable),
        cmocka_unit_test(top_p_keeps_the_smallest_set_that_reaches_it),
        cmocka_unit_test(top_p_is_a_share_of_what_top_k_left),
        cmocka_unit_test(greedy_takes_the_most_probable_and_the_first_of_equals),
        cmocka_unit_test(unknown_is_never_drawn_where_it_is_excluded),
        cmocka_unit_test(no_uniform_falls_through_the_last_token),
        cmocka_unit_test(probabilities_that_are_none_are_refused),
        cmocka_unit_test(logarithms_and_exponentials_are_within_two_units),
        cmocka_unit_test(cuts_agree_with_a_full_sort_over_large_vocabularies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
