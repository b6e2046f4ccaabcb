/* recurrence_persistent*.cu against plain loops: a layer's whole window in one launch, forward and back, in every
 * precision. */
#include "window_test.h"

namespace
{

using namespace window_test;

/* Widths around pairs, quads, a warp's tile and what is built (64 and 256); odd ones; streams around a cluster's eight
 * and sixteen. One multiprocessor gives one cluster all streams that it can take, many give every stream its own. */
const std::vector<window_case> cases = {
    {1, 1, 1, 132, PX_CELL_TANH, false, 0}, {3, 2, 5, 1, PX_CELL_RELU, true, 0},
    {1, 7, 33, 132, PX_CELL_TANH, true, 0}, {9, 3, 36, 1, PX_CELL_TANH, true, 0},
    {17, 2, 64, 1, PX_CELL_RELU, false, 0}, {5, 4, 64, 8, PX_CELL_TANH, true, 1},
    {2, 5, 65, 132, PX_CELL_TANH, true, 0}, {3, 2, 130, 8, PX_CELL_RELU, true, 0},
    {6, 3, 256, 1, PX_CELL_TANH, true, 0},
};
/* One for each width that is built, the last for bf16 alone. */
const std::vector<window_case> wide = {
    {2, 2, 301, 132, PX_CELL_TANH, false, 0},
    {1, 2, 700, 132, PX_CELL_TANH, false, 0},
    {3, 2, 1000, 1, PX_CELL_TANH, false, 0},
    {1, 2, 1531, 132, PX_CELL_TANH, false, 0},
};

cudaError_t launch(const px_persistent_args &a, bool backward)
{
    return backward ? px_launch_recurrence_persistent_backward(&a, device_stream())
                    : px_launch_recurrence_persistent_forward(&a, device_stream());
}

/* Does the device have the clusters and the shared memory for it? */
bool device_takes(const window_case &c, px_precision operand)
{
    const px_persistent_fit fit = px_persistent_fit_of(operand, c.width);
    return fit.width && static_cast<unsigned>(fit.blocks) <= device_cluster_blocks() &&
           static_cast<size_t>(fit.shared_bytes) <= device_shared_bytes();
}

const variant persistent = {launch, device_takes};

void fp32_windows_are_their_steps(void **) { check_windows(persistent, cases, PX_FP32); }
void tf32_windows_are_their_steps(void **) { check_windows(persistent, cases, PX_TF32); }
void bf16_windows_are_their_steps(void **) { check_windows(persistent, cases, PX_BF16); }

void every_width_that_is_built_works(void **) { check_plans(persistent, wide, {PX_FP32, PX_TF32, PX_BF16}); }

void a_rows_bits_do_not_depend_on_its_company(void **)
{
    check_company(persistent, {7, 3, 62, 1, PX_CELL_TANH, true, 0}, {PX_FP32, PX_TF32, PX_BF16}, {4, 12, 132},
                  {0, 4, 6});
}

void pieces_of_a_window_have_its_bits(void **)
{
    if (device_cluster_blocks() == 0) skip();
    check_pieces(launch);
}

/* A state that is not finite stays in its row, and the padding of a narrow layer does not turn an infinity into a NaN.
 */
void check_infinities(px_precision p)
{
    if (device_cluster_blocks() == 0) skip();
    window_data d({3, 4, 5, 1, PX_CELL_RELU, false, 0}, p);
    for (float &w : d.w) w = std::fabs(w) + 0.1f;
    d.h[d.step() + 5] = INFINITY; /* stream 1 at the first step */
    const std::vector<float> h = run_window(d, false, launch).values;
    for (size_t row = 3; row < h.size() / 5; row++)
        for (size_t j = 0; j < 5; j++) {
            const bool infinite = row % 3 == 1 && (row > 4 || j == 0);
            if (infinite ? std::isinf(h[row * 5 + j]) : std::isfinite(h[row * 5 + j])) continue;
            print_error("%s: h[%zu, %zu] is %g\n", names[p], row, j, static_cast<double>(h[row * 5 + j]));
            _fail(__FILE__, __LINE__);
        }
}

void fp32_infinities_stay_where_they_are(void **) { check_infinities(PX_FP32); }
void tf32_infinities_stay_where_they_are(void **) { check_infinities(PX_TF32); }
void bf16_infinities_stay_where_they_are(void **) { check_infinities(PX_BF16); }

void persistent_refuses_what_it_has_no_place_for(void **)
{
    const window_data d({1, 1, 4, 132, PX_CELL_TANH, false, 0}, PX_FP32);
    array<float> w(d.w), bias(d.bias), h(d.h), dz(d.dz);
    px_persistent_args a = {};
    a.n = a.T = 1, a.width = 4, a.h = h, a.bias = bias;
    assert_int_equal(px_launch_recurrence_persistent_forward(&a, device_stream()),
                     cudaErrorInvalidValue); /* no weights */
    a.w_hh = w;
    assert_int_equal(px_launch_recurrence_persistent_backward(&a, device_stream()), cudaErrorInvalidValue); /* no dz */
    a.dz = dz, a.bias = nullptr;
    assert_int_equal(px_launch_recurrence_persistent_forward(&a, device_stream()), cudaErrorInvalidValue); /* no bias */
    a.bias = bias, a.width = 1025;
    assert_int_equal(px_launch_recurrence_persistent_forward(&a, device_stream()),
                     cudaErrorInvalidValue); /* too wide */
    a.width = 4, a.n = 0;
    assert_int_equal(px_launch_recurrence_persistent_forward(&a, device_stream()), cudaSuccess);
    a.n = 1, a.T = 0;
    assert_int_equal(px_launch_recurrence_persistent_backward(&a, device_stream()), cudaSuccess);
    assert_int_equal(px_persistent_fit_of(PX_FP32, 1024).blocks, 16);
    assert_int_equal(px_persistent_fit_of(PX_TF32, 1025).width, 0);
    assert_int_equal(px_persistent_fit_of(PX_BF16, 1025).width, 1536);
    assert_int_equal(px_persistent_fit_of(PX_BF16, 1537).width, 0);
}

} // namespace

int run_persistent_tests()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_width_that_is_built_works),
        cmocka_unit_test(a_rows_bits_do_not_depend_on_its_company),
        cmocka_unit_test(pieces_of_a_window_have_its_bits),
        cmocka_unit_test(persistent_refuses_what_it_has_no_place_for),
    };
    return cmocka_run_group_tests_name("persistent", tests, nullptr, nullptr);
}

int run_persistent_fp32_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(fp32_windows_are_their_steps),
                                cmocka_unit_test(fp32_infinities_stay_where_they_are)};
    return cmocka_run_group_tests_name("persistent, fp32", tests, nullptr, nullptr);
}

int run_persistent_tf32_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(tf32_windows_are_their_steps),
                                cmocka_unit_test(tf32_infinities_stay_where_they_are)};
    return cmocka_run_group_tests_name("persistent, tf32", tests, nullptr, nullptr);
}

int run_persistent_bf16_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(bf16_windows_are_their_steps),
                                cmocka_unit_test(bf16_infinities_stay_where_they_are)};
    return cmocka_run_group_tests_name("persistent, bf16", tests, nullptr, nullptr);
}
