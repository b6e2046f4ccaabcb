/* recurrence_persistent*.cu against plain loops: a layer's whole window in one launch, forward and back, in every
 * precision. */
#include "window_test.h"

namespace
{

using namespace window_test;

/* Widths around pairs, quads, a warp's tile and what is built (64 and 256); odd ones; streams around a cluster's eight
 * and sixteen. One multiprocessor gives one cluster all streams that it can take, many give every stream its own. */
const window_case cases[] = {
    {1, 1, 1, 132, PX_CELL_TANH, false, 0}, {3, 2, 5, 1, PX_CELL_RELU, true, 0},
    {1, 7, 33, 132, PX_CELL_TANH, true, 0}, {9, 3, 36, 1, PX_CELL_TANH, true, 0},
    {17, 2, 64, 1, PX_CELL_RELU, false, 0}, {5, 4, 64, 8, PX_CELL_TANH, true, 1},
    {2, 5, 65, 132, PX_CELL_TANH, true, 0}, {3, 2, 130, 8, PX_CELL_RELU, true, 0},
    {6, 3, 256, 1, PX_CELL_TANH, true, 0},
};
/* One for each width that is built. */
const window_case wide[] = {
    {2, 2, 301, 132, PX_CELL_TANH, false, 0},
    {1, 2, 700, 132, PX_CELL_TANH, false, 0},
    {3, 2, 1000, 1, PX_CELL_TANH, false, 0},
};
const window_case widest_bf16 = {1, 2, 1531, 132, PX_CELL_TANH, false, 0};
cudaError_t launch(const px_persistent_args &a, bool backward)
{
    return backward ? px_launch_recurrence_persistent_backward(&a, device_stream())
                    : px_launch_recurrence_persistent_forward(&a, device_stream());
}

window_result run(const window_data &d, bool backward) { return run_window(d, backward, launch); }

/* Does the device have the clusters and the shared memory for it? The simulator has an H100's. */
bool device_takes(const window_case &c, px_precision operand)
{
    const px_persistent_fit fit = px_persistent_fit_of(operand, c.width);
    return static_cast<unsigned>(fit.blocks) <= device_cluster_blocks() &&
           static_cast<size_t>(fit.shared_bytes) <= device_shared_bytes();
}

void check(const window_case &c, px_precision operand)
{
    if (!device_takes(c, operand)) return;
    const window_data d(c, operand);
    for (const bool backward : {false, true})
        on_every_schedule([&] {
            const window_result got = run(d, backward);
            if (backward)
                check_backward(d, got);
            else
                check_forward(d, got);
            if (operand == PX_BF16) {
                std::vector<px_bf16> copies = bf16s_of(got.values);
                expect_same("bf16 copies", got.copies, copies);
            }
            return got.values;
        });
}

void check_all(px_precision operand)
{
    for (const window_case &c : cases) check(c, operand);
}

void fp32_windows_are_their_steps(void **) { check_all(PX_FP32); }
void tf32_windows_are_their_steps(void **) { check_all(PX_TF32); }
void bf16_windows_are_their_steps(void **) { check_all(PX_BF16); }

/* All plans work, each under one schedule: the kernels are the same code. Not under the thread sanitizer, which knows
 * 8,128 threads and not the 8,192 of the largest cluster; it sees that code in the narrower windows. */
void every_width_that_is_built_works(void **)
{
#if defined(__SANITIZE_THREAD__)
    skip();
#endif
    std::vector<window_case> all(std::begin(wide), std::end(wide));
    for (const px_precision p : precisions) {
        if (p == PX_BF16) all.push_back(widest_bf16);
        for (size_t i = 0; i < all.size(); i++) {
            if (!device_takes(all[i], p)) continue;
            const window_data d(all[i], p);
            device_set_schedule(static_cast<int>(i) % device_schedules());
            check_forward(d, run(d, false));
            check_backward(d, run(d, true));
        }
    }
}

/* Neither neighbours nor how many streams a cluster has, nor how rows are aligned, reach a row's bits. */
void a_rows_bits_do_not_depend_on_its_company(void **)
{
    if (device_cluster_blocks() == 0) skip();
    for (const px_precision p : precisions)
        for (const bool backward : {false, true}) {
            const window_data all({7, 3, 62, 1, PX_CELL_TANH, true, 0}, p);
            const window_result together = run(all, backward);
            for (const int multiprocessors : {4, 12, 132}) {
                window_data other = all;
                other.c.multiprocessors = multiprocessors, other.c.shift = 1;
                expect_same(names[p], run(other, backward).values, together.values);
            }
            for (const int i : {0, 4, 6}) {
                window_data one({1, 3, 62, 132, PX_CELL_TANH, true, 0}, p);
                one.h = stream_of(all.h, 7, 62, i), one.dz = stream_of(all.dz, 7, 62, i),
                one.marks = stream_of(all.marks, 7, 1, i);
                expect_same(names[p], run(one, backward).values, stream_of(together.values, 7, 62, i));
            }
        }
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
    const std::vector<float> h = run(d, false).values;
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
