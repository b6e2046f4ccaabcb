/* Clusters of an adaptive output layer: which id is where, which cutoffs are refused, and where a text is cut. */
#include "output_layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void every_id_is_in_one_place(void **state)
{
    const px_cutoffs cutoffs = {3, {2, 3, 11}};
    enum { V = 17, H = 70 };
    static const int32_t begins[] = {2, 3, 11, 17}, widths[] = {17, 4, 1};
    (void)state;
    assert_int_equal(px_cutoffs_check(&cutoffs, V, H), PX_OK);
    assert_int_equal(px_cutoffs_head_rows(&cutoffs), 5);
    assert_int_equal(px_cutoffs_find(&cutoffs, -1), -1); /* a target that is not scored */
    for (int32_t id = 0; id < V; id++) {
        const int32_t i = px_cutoffs_find(&cutoffs, id);
        if (id < 2) {
            assert_int_equal(i, -1);
            continue;
        }
        const px_cluster cluster = px_cutoffs_cluster(&cutoffs, V, H, i);
        assert_true(id >= cluster.begin && id < cluster.end);
        assert_int_equal(cluster.begin, begins[i]);
        assert_int_equal(cluster.end, begins[i + 1]);
        assert_int_equal(cluster.width, widths[i]); /* PyTorch's h // 4^(i+1) */
    }
}

static void refused(px_cutoffs cutoffs, int32_t V, int32_t h, const char *part)
{
    assert_int_equal(px_cutoffs_check(&cutoffs, V, h), PX_ERR_ARGUMENT);
    if (!strstr(px_error_message(), part)) fail_msg("'%s' without '%s'", px_error_message(), part);
}

static void cutoffs_that_cut_nothing_are_refused(void **state)
{
    (void)state;
    refused((px_cutoffs){0}, 9, 64, "between 1 and 8");
    refused((px_cutoffs){PX_CUTOFFS_MAX + 1, {1, 2, 3, 4, 5, 6, 7, 8}}, 90, 64, "between 1 and 8");
    refused((px_cutoffs){1, {0}}, 9, 64, "ascend");
    refused((px_cutoffs){1, {9}}, 9, 64, "9 tokens");
    refused((px_cutoffs){2, {4, 4}}, 9, 64, "ascend");
    refused((px_cutoffs){2, {4, 2}}, 9, 64, "ascend");
    refused((px_cutoffs){2, {2, 4}}, 9, 15, "larger --hidden");
}

/* 100 tokens: id 0 makes up 80, ids 1 to 10 one each, ids 11 to 30 half of one. */
static void a_text_is_cut_where_most_of_it_is_reached(void **state)
{
    int64_t frequency[31] = {160};
    px_cutoffs cutoffs;
    (void)state;
    for (int id = 1; id < 31; id++) frequency[id] = id <= 10 ? 2 : 1;
    assert_int_equal(px_cutoffs_choose(frequency, 31, 512, &cutoffs), PX_OK);
    assert_int_equal(cutoffs.count, 2);
    assert_int_equal(cutoffs.at[0], 6);  /* 85 */
    assert_int_equal(cutoffs.at[1], 23); /* 90 + 6 */
    double share[PX_CUTOFFS_MAX];
    px_cutoffs_shares(frequency, 31, &cutoffs, share);
    assert_true(share[0] > 0.1099 && share[0] < 0.1101); /* 22 of 200 */
    assert_true(share[1] > 0.0399 && share[1] < 0.0401);
    /* few units: one cluster, whose width of h / 4 is wide enough */
    assert_int_equal(px_cutoffs_choose(frequency, 31, 100, &cutoffs), PX_OK);
    assert_int_equal(cutoffs.count, 1);
    assert_int_equal(cutoffs.at[0], 6);
}

static void any_text_that_can_be_cut_is_cut_soundly(void **state)
{
    static const int32_t sizes[] = {2, 3, 5, 28, 256, 10000, 33278};
    static int64_t frequency[33278], zeros[33278];
    (void)state;
    for (int32_t id = 0; id < 33278; id++) frequency[id] = 1000000 / (id + 1);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int32_t h = 4; h <= 2048; h *= 2) {
            px_cutoffs known, zipf, unknown;
            assert_int_equal(px_cutoffs_choose(frequency, sizes[s], h, &known), PX_OK);
            assert_int_equal(px_cutoffs_check(&known, sizes[s], h), PX_OK);
            assert_int_equal(px_cutoffs_choose(NULL, sizes[s], h, &zipf), PX_OK);
            assert_int_equal(px_cutoffs_check(&zipf, sizes[s], h), PX_OK);
            assert_int_equal(px_cutoffs_choose(zeros, sizes[s], h, &unknown), PX_OK); /* an imported vocabulary */
            assert_memory_equal(&zipf, &unknown, sizeof zipf);
        }
    px_cutoffs none;
    assert_int_equal(px_cutoffs_choose(NULL, 1, 64, &none), PX_ERR_ARGUMENT);
    assert_int_equal(px_cutoffs_choose(NULL, 9, 3, &none), PX_ERR_ARGUMENT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_id_is_in_one_place),
        cmocka_unit_test(cutoffs_that_cut_nothing_are_refused),
        cmocka_unit_test(a_text_is_cut_where_most_of_it_is_reached),
        cmocka_unit_test(any_text_that_can_be_cut_is_cut_soundly),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("output_layer", tests, NULL, NULL);
}
