/* Philox 4x32-10 against the known answers published with Random123 (kat_vectors), and the mapping from elements to
 * blocks. */
#include "philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static void blocks_are_those_of_random123(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], lane[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    (void)state;
    for (int k = 0; k < 3; k++) {
        uint64_t seed = (uint64_t)known[k].key[1] << 32 | known[k].key[0];
        uint64_t block = (uint64_t)known[k].counter[1] << 32 | known[k].counter[0];
        px_philox_block got = px_philox(seed, known[k].counter[3], known[k].counter[2], block);
        for (int lane = 0; lane < 4; lane++) assert_int_equal(got.lane[lane], known[k].lane[lane]);
    }
}

static void element_e_is_lane_e_mod_4_of_block_e_div_4(void **state)
{
    static const uint64_t elements[] = {0, 1, 2, 3, 4, 7, 1000001, (UINT64_C(1) << 34) + 1, UINT64_MAX};
    (void)state;
    for (int k = 0; k < 9; k++) {
        uint64_t e = elements[k];
        px_philox_block block = px_philox(77, 3, 5, e >> 2);
        assert_int_equal(px_random_u32(77, 3, 5, e), block.lane[e & 3]);
    }
}

static void uniforms_stay_in_their_intervals(void **state)
{
    (void)state;
    assert_true(px_uniform(0) == 0 && px_uniform(UINT32_MAX) < 1);
    assert_true(px_uniform_open(0) > 0 && px_uniform_open(UINT32_MAX) < 1);
    assert_true(isfinite(log(px_uniform_open(0))));
}

static void dropout_keeps_the_share_it_says(void **state)
{
    static const double p[] = {0, 0.1, 0.5, 0.9};
    (void)state;
    assert_int_equal(px_dropout_threshold(0), 0); /* every lane is kept */
    assert_int_equal(px_dropout_threshold(0.5), 0x80000000u);
    for (int k = 0; k < 4; k++) {
        enum { DRAWS = 100000 };
        int dropped = 0;
        for (uint64_t e = 0; e < DRAWS; e++)
            dropped += px_random_u32(1, PX_RANDOM_DROPOUT_OUTPUT, 0, e) < px_dropout_threshold(p[k]);
        /* five standard deviations of a binomial count; none where p = 0 */
        assert_true(fabs(dropped - p[k] * DRAWS) <= 5 * sqrt(p[k] * (1 - p[k]) * DRAWS));
        assert_true(fabs(px_dropout_scale(p[k]) * (1 - p[k]) - 1) < 1e-7);
    }
}

static void mask_elements_are_numbered_as_the_design_says(void **state)
{
    (void)state;
    /* ((step * streams_in_all + stream) * T + t) * width + j */
    assert_int_equal(px_mask_element(3, 11, 5, 35, 7, 20, 4, 0), ((UINT64_C(3) * 11 + 5) * 35 + 7) * 20 + 4);
    /* locked masks leave t out */
    assert_int_equal(px_mask_element(3, 11, 5, 35, 7, 20, 4, 1), (UINT64_C(3) * 11 + 5) * 20 + 4);
    assert_int_equal(px_mask_element(3, 11, 5, 35, 8, 20, 4, 1), (UINT64_C(3) * 11 + 5) * 20 + 4);
    /* a long run needs more than 32 bits */
    assert_true(px_mask_element(1000000, 64, 63, 35, 34, 1024, 1023, 0) ==
                ((UINT64_C(1000000) * 64 + 63) * 35 + 34) * 1024 + 1023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_those_of_random123),
        cmocka_unit_test(element_e_is_lane_e_mod_4_of_block_e_div_4),
        cmocka_unit_test(uniforms_stay_in_their_intervals),
        cmocka_unit_test(dropout_keeps_the_share_it_says),
        cmocka_unit_test(mask_elements_are_numbered_as_the_design_says),
    };
    return cmocka_run_group_tests_name("philox", tests, NULL, NULL);
}
