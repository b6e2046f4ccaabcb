/* recurrence_wide*.cu against plain loops: a layer's whole window in one launch, forward and back, with products of
 * warpgroups. */
#include "window_test.h"

namespace
{

using namespace window_test;

/* Streams around every width of a product (8, 16, 24, 32) and more than a cluster takes; widths around what is built.
 * One multiprocessor gives one cluster all streams that it can take. */
const std::vector<window_case> cases = {
    {1, 2, 1, 132, PX_CELL_TANH, false, 0},  {9, 3, 33, 1, PX_CELL_TANH, true, 0},
    {17, 2, 128, 1, PX_CELL_RELU, false, 0}, {25, 2, 62, 1, PX_CELL_TANH, true, 1},
    {33, 3, 40, 1, PX_CELL_TANH, true, 0},
};
/* One for each further width that is built, the last for bf16 alone. */
const std::vector<window_case> widths = {
    {18, 2, 130, 1, PX_CELL_TANH, true, 0},
    {10, 2, 301, 1, PX_CELL_RELU, false, 0},
    {3, 2, 1000, 1, PX_CELL_TANH, false, 0},
};

cudaError_t launch(const px_persistent_args &a, bool backward)
{
    return backward ? px_launch_recurrence_wide_backward(&a, device_stream())
                    : px_launch_recurrence_wide_forward(&a, device_stream());
}

/* Does the device have warpgroups, and clusters that large? */
bool device_takes(const window_case &c, px_precision operand)
{
    const px_persistent_fit fit = px_wide_fit_of(operand, c.width);
    return fit.width && px_wide_is_built() && device_has_warpgroups() &&
           static_cast<unsigned>(fit.blocks) <= device_cluster_blocks() &&
           static_cast<size_t>(fit.shared_bytes) <= device_shared_bytes();
}

const variant wide = {launch, device_takes};

void wide_tf32_windows_are_their_steps(void **) { check_windows(wide, cases, PX_TF32); }
void wide_bf16_windows_are_their_steps(void **) { check_windows(wide, cases, PX_BF16); }

void every_wide_width_that_is_built_works(void **) { check_plans(wide, widths, {PX_TF32, PX_BF16}); }

/* How many streams a cluster has says how wide its products are: here clusters of 26, then of 9, 9 and 8. */
void a_wide_rows_bits_do_not_depend_on_its_company(void **)
{
    check_company(wide, {26, 3, 62, 1, PX_CELL_TANH, true, 0}, {PX_TF32, PX_BF16}, {6}, {19});
}

void wide_pieces_of_a_window_have_its_bits(void **)
{
    if (!device_takes(cases[0], PX_BF16)) skip();
    for (const bool backward : {false, true}) {
        const window_data d({5, 4, 62, 16, PX_CELL_TANH, true, 0}, PX_BF16);
        const window_result whole = run_window(d, backward, launch),
                            cut = run_window(d, backward, in_pieces(launch, 3));
        expect_same("pieces", cut.values, whole.values);
        expect_same("bf16 copies", cut.copies, whole.copies);
    }
}

void wide_refuses_what_it_has_no_place_for(void **)
{
    const window_data d({1, 1, 4, 132, PX_CELL_TANH, false, 0}, PX_TF32);
    array<float> w(d.w), bias(d.bias), h(d.h);
    px_persistent_args a = {};
    a.n = a.T = 1, a.width = 4, a.h = h, a.bias = bias, a.operand = PX_TF32;
    assert_int_equal(px_launch_recurrence_wide_forward(&a, device_stream()), cudaErrorInvalidValue); /* no weights */
    a.w_hh = w;
    assert_int_equal(px_launch_recurrence_wide_backward(&a, device_stream()), cudaErrorInvalidValue); /* no dz */
    a.operand = PX_FP32;
    assert_int_equal(px_launch_recurrence_wide_forward(&a, device_stream()),
                     cudaErrorInvalidValue); /* no such product */
    a.operand = PX_TF32, a.n = 0;
    assert_int_equal(px_launch_recurrence_wide_forward(&a, device_stream()), cudaSuccess);
    assert_int_equal(px_wide_fit_of(PX_BF16, 1024).blocks, 16);
    assert_int_equal(px_wide_fit_of(PX_BF16, 1025).width, 0);
    assert_int_equal(px_wide_fit_of(PX_TF32, 513).width, 0);
    assert_int_equal(px_wide_fit_of(PX_FP32, 64).width, 0);
}

} // namespace

int run_wide_tests()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_wide_width_that_is_built_works),
        cmocka_unit_test(a_wide_rows_bits_do_not_depend_on_its_company),
        cmocka_unit_test(wide_pieces_of_a_window_have_its_bits),
        cmocka_unit_test(wide_refuses_what_it_has_no_place_for),
    };
    return cmocka_run_group_tests_name("wide", tests, nullptr, nullptr);
}

int run_wide_tf32_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(wide_tf32_windows_are_their_steps)};
    return cmocka_run_group_tests_name("wide, tf32", tests, nullptr, nullptr);
}

int run_wide_bf16_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(wide_bf16_windows_are_their_steps)};
    return cmocka_run_group_tests_name("wide, bf16", tests, nullptr, nullptr);
}
