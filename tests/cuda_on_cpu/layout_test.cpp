/* layout.cu: rounding to bfloat16, bit for bit, and the transpose. */
#include "kernel_test.h"

#include <cfloat>

namespace
{

void layout_bf16_rounds_to_nearest_even(void **)
{
    std::vector<float> values = numbers(203, 1e3, 91);
    for (float x :
         {0.0f, -0.0f, 1.0f, 1.00390625f /* tie, down */, 1.01171875f /* tie, up */, FLT_MAX, -FLT_MAX, FLT_MIN,
          static_cast<float>(INFINITY), static_cast<float>(-INFINITY), static_cast<float>(NAN), 1e-45f, 3.3895314e38f})
        values.push_back(x);
    const std::vector<px_bf16> want = bf16s_of(values);
    for (size_t shift : {size_t(0), size_t(1)})
        on_every_schedule([&] {
            array<float> in(values, shift);
            array<px_bf16> out(values.size(), shift);
            LAUNCHED(px_launch_layout_bf16(out, in, values.size(), device_stream()));
            expect_same("bf16", out.read(), want);
            return std::vector<float>();
        });
}

void layout_transpose_moves_every_element_to_its_place(void **)
{
    const int sizes[][2] = {{1, 1}, {1, 33}, {33, 1}, {32, 32}, {28, 70}, {65, 31}, {3, 250}};
    for (const auto &s : sizes) {
        const size_t rows = static_cast<size_t>(s[0]), cols = static_cast<size_t>(s[1]);
        const std::vector<float> in = numbers(rows * cols, 1, 92);
        std::vector<float> want(in.size());
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++) want[j * rows + i] = in[i * cols + j];
        on_every_schedule([&] {
            array<float> d_in(in), out(in.size());
            LAUNCHED(px_launch_layout_transpose(out, d_in, s[0], s[1], device_stream()));
            expect_same("transpose", out.read(), want);
            return std::vector<float>();
        });
    }
}

} // namespace

int run_layout_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_bf16_rounds_to_nearest_even),
        cmocka_unit_test(layout_transpose_moves_every_element_to_its_place),
    };
    return cmocka_run_group_tests_name("layout", tests, nullptr, nullptr);
}
