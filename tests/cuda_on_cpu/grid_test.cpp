/* recurrence_grid*.cu against plain loops: a layer's whole window in one cooperative launch, forward and back, in every
 * precision; and against the variant "persistent", whose bits it has where both cut k alike. */
#include "window_test.h"

namespace
{

using namespace window_test;

/* Widths around pairs, quads, a tile and what is built (64 and 256); streams around a group's eight. So few
 * multiprocessors as hold W_hh make one group with several turns, many give every stream a group of its own. */
const std::vector<window_case> cases = {
    {1, 1, 1, 132, PX_CELL_TANH, false, 0}, {3, 2, 5, 4, PX_CELL_RELU, true, 0},
    {1, 7, 33, 132, PX_CELL_TANH, true, 0}, {9, 3, 36, 4, PX_CELL_TANH, true, 0},
    {17, 4, 64, 8, PX_CELL_RELU, true, 0},  {18, 3, 64, 4, PX_CELL_TANH, false, 0},
    {5, 4, 64, 8, PX_CELL_TANH, true, 1},   {2, 5, 65, 132, PX_CELL_TANH, true, 0},
    {6, 3, 256, 4, PX_CELL_TANH, true, 0},
};
/* One for each wider plan, the last for bf16 alone. */
const std::vector<window_case> wide = {{2, 2, 301, 132, PX_CELL_TANH, false, 0},
                                       {3, 3, 1000, 48, PX_CELL_TANH, true, 0},
                                       {1, 2, 2040, 132, PX_CELL_TANH, false, 0}};

/* No more blocks than the device has at once. */
cudaError_t launch(const px_persistent_args &window, bool backward)
{
    px_persistent_args a = window;
    a.multiprocessors = std::min(a.multiprocessors, device_multiprocessors());
    const array<uint32_t> workspace(
        std::vector<uint32_t>(px_grid_workspace_bytes(a.operand, a.width, a.n) / sizeof(uint32_t)));
    const px_grid_args g = {a, workspace.data()};
    const cudaError_t error = backward ? px_launch_recurrence_grid_backward(&g, device_stream())
                                       : px_launch_recurrence_grid_forward(&g, device_stream());
    return error == cudaSuccess ? device_wait() : error;
}

bool device_takes(const window_case &c, px_precision operand)
{
    const px_persistent_fit fit = px_grid_fit_of(operand, c.width);
    return fit.width && fit.blocks <= device_multiprocessors();
}

const variant grid = {launch, device_takes};

void fp32_windows_are_their_steps(void **) { check_windows(grid, cases, PX_FP32); }
void tf32_windows_are_their_steps(void **) { check_windows(grid, cases, PX_TF32); }
void bf16_windows_are_their_steps(void **) { check_windows(grid, cases, PX_BF16); }

void every_width_that_is_built_works(void **) { check_plans(grid, wide, {PX_FP32, PX_TF32, PX_BF16}); }

void a_rows_bits_do_not_depend_on_its_company(void **)
{
    if (device_multiprocessors() < 16) skip();
    check_company(grid, {11, 3, 62, 4, PX_CELL_TANH, true, 0}, {PX_FP32, PX_TF32, PX_BF16}, {9, 12, 16}, {0, 4, 10});
}

void pieces_of_a_window_have_its_bits(void **)
{
    if (device_multiprocessors() < 16) skip();
    check_pieces(launch);
}

/* Where both cut k alike, as they do up to 256 units. */
void its_bits_are_those_of_persistent(void **)
{
    if (device_cluster_blocks() == 0) skip();
    for (const px_precision p : precisions)
        for (const int width : {62, 250})
            for (const bool backward : {false, true}) {
                const window_data d({3, 3, width, 132, PX_CELL_TANH, true, 0}, p);
                const window_result other = run_window(d, backward, [](const px_persistent_args &a, bool back) {
                    return back ? px_launch_recurrence_persistent_backward(&a, device_stream())
                                : px_launch_recurrence_persistent_forward(&a, device_stream());
                });
                expect_same(names[p], run_window(d, backward, launch).values, other.values);
            }
}

void grid_refuses_what_it_has_no_place_for(void **)
{
    const window_data d({1, 1, 4, 132, PX_CELL_TANH, false, 0}, PX_FP32);
    array<float> w(d.w), bias(d.bias), h(d.h), dz(d.dz);
    array<uint32_t> workspace(std::vector<uint32_t>(px_grid_workspace_bytes(PX_FP32, 4, 1) / sizeof(uint32_t)));
    px_grid_args g = {};
    px_persistent_args &a = g.window;
    a.n = a.T = 1, a.width = 4, a.h = h, a.bias = bias, a.w_hh = w, a.dz = dz, a.multiprocessors = 4;
    assert_int_equal(px_launch_recurrence_grid_forward(&g, device_stream()), cudaErrorInvalidValue); /* no workspace */
    g.workspace = workspace;
    a.multiprocessors = 3;
    assert_int_equal(px_launch_recurrence_grid_forward(&g, device_stream()), cudaErrorInvalidValue); /* four blocks */
    a.multiprocessors = 4, a.width = 1025;
    assert_int_equal(px_launch_recurrence_grid_forward(&g, device_stream()), cudaErrorInvalidValue); /* too wide */
    a.width = 4, a.dz = nullptr;
    assert_int_equal(px_launch_recurrence_grid_backward(&g, device_stream()), cudaErrorInvalidValue); /* no dz */
    a.n = 0;
    assert_int_equal(px_launch_recurrence_grid_forward(&g, device_stream()), cudaSuccess);
    assert_int_equal(px_grid_fit_of(PX_BF16, 2048).blocks, 64);
    assert_int_equal(px_grid_fit_of(PX_BF16, 2049).width, 0);
    assert_int_equal(px_grid_fit_of(PX_FP32, 1024).blocks, 32);
    assert_int_equal(px_grid_fit_of(PX_TF32, 1025).width, 0);
}

} // namespace

int run_grid_tests()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_width_that_is_built_works),
        cmocka_unit_test(a_rows_bits_do_not_depend_on_its_company),
        cmocka_unit_test(its_bits_are_those_of_persistent),
        cmocka_unit_test(pieces_of_a_window_have_its_bits),
        cmocka_unit_test(grid_refuses_what_it_has_no_place_for),
    };
    return cmocka_run_group_tests_name("grid", tests, nullptr, nullptr);
}

int run_grid_fp32_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(fp32_windows_are_their_steps)};
    return cmocka_run_group_tests_name("grid, fp32", tests, nullptr, nullptr);
}

int run_grid_tf32_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(tf32_windows_are_their_steps)};
    return cmocka_run_group_tests_name("grid, tf32", tests, nullptr, nullptr);
}

int run_grid_bf16_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(bf16_windows_are_their_steps)};
    return cmocka_run_group_tests_name("grid, bf16", tests, nullptr, nullptr);
}
