/* penalties.cu against plain loops: the gradients of both penalties beside that of the loss. */
#include "kernel_test.h"

namespace
{

struct penalty_case {
    int T, n, width;
    double activation, temporal, p;
    int locked;
    size_t shift;
};

const penalty_case cases[] = {
    {1, 1, 1, 2, 1, 0, 0, 0},     {3, 1, 33, 2, 0, 0.4, 0, 0},  {5, 4, 36, 0, 1, 0.3, 0, 0},
    {7, 3, 64, 2, 1, 0.5, 1, 0},  {4, 9, 250, 1.5, 3, 0, 0, 0}, {6, 2, 40, 2, 1, 0.25, 0, 1},
    {2, 33, 12, 2, 1, 0.1, 0, 0},
};

px_window_scalars window_of(const penalty_case &c) { return {1ull << 33, 2, static_cast<uint32_t>(c.n) + 3, 0.25}; }

/* Some places are not scored, and some are begun anew. */
std::vector<int32_t> targets_of(const penalty_case &c)
{
    std::vector<int32_t> targets = integers(static_cast<size_t>(c.T) * c.n, 5, 1);
    for (int32_t &target : targets) target = target == 0 ? -1 : target;
    return targets;
}

std::vector<uint8_t> marks_of(const penalty_case &c)
{
    std::vector<uint8_t> marks(static_cast<size_t>(c.T) * c.n);
    for (size_t i = 0; i < marks.size(); i++) marks[i] = i % 5 == 4;
    return marks;
}

void penalties_add_their_gradients_below_the_mask(void **)
{
    for (const penalty_case &c : cases) {
        const size_t count = static_cast<size_t>(c.T) * c.n * c.width, step = static_cast<size_t>(c.n) * c.width;
        const std::vector<float> d_output = numbers(count, 1, 2), h = numbers(count, 1, 3);
        const std::vector<int32_t> targets = targets_of(c);
        const std::vector<uint8_t> marks = marks_of(c);
        const px_window_scalars w = window_of(c);
        const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_OUTPUT, c.T + 1, c.locked);
        const double unit = 2 * w.inv_count / c.width;
        auto follows = [&](int t, int i) {
            const size_t row = static_cast<size_t>(t) * c.n + i;
            return t > 0 && t < c.T && targets[row] >= 0 && targets[row - c.n] >= 0 && !marks[row];
        };
        std::vector<double> want(count), size(count);
        for (int t = 0, k = 0; t < c.T; t++)
            for (int i = 0; i < c.n; i++)
                for (int j = 0; j < c.width; j++, k++) {
                    const double m = mask_factor(d, w, t, i, c.width, j), x = h[k];
                    double g = d_output[k] * m;
                    if (targets[static_cast<size_t>(t) * c.n + i] >= 0) g += c.activation * unit * m * m * x;
                    if (follows(t, i)) g += c.temporal * unit * (x - h[k - step]);
                    if (follows(t + 1, i)) g -= c.temporal * unit * (h[k + step] - x);
                    want[k] = g;
                    size[k] = 4;
                }
        on_every_schedule([&] {
            array<float> x(d_output, c.shift), d_h(h, c.shift);
            array<int32_t> d_targets(targets);
            array<uint8_t> d_marks(marks);
            scalar<px_window_scalars> d_window(w);
            const px_penalties_args a = {x,          d_h, d_targets, d_marks, d_window, d, c.activation,
                                         c.temporal, c.T, c.n,       c.width};
            LAUNCHED(px_launch_penalties(&a, device_stream()));
            expect_close("gradient", x.read(), want, 5e-7, &size);
            expect_same("H", d_h.read(), h);
            return x.read();
        });
    }
}

void penalties_refuse_impossible_sizes_and_take_an_empty_window(void **)
{
    px_penalties_args a = {};
    a.T = 1, a.n = 1;
    assert_int_equal(px_launch_penalties(&a, device_stream()), cudaErrorInvalidValue);
    a.n = 0, a.width = 4;
    assert_int_equal(px_launch_penalties(&a, device_stream()), cudaSuccess);
}

} // namespace

int run_penalties_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(penalties_add_their_gradients_below_the_mask),
        cmocka_unit_test(penalties_refuse_impossible_sizes_and_take_an_empty_window),
    };
    return cmocka_run_group_tests_name("penalties", tests, nullptr, nullptr);
}
