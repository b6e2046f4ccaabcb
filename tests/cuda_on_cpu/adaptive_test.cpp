/* adaptive.cu: rows into a cluster and back, element by element, and probabilities put together from head and clusters.
 */
#include "kernel_test.h"

namespace
{

struct move_case {
    size_t rows, picked;
    int width;
    size_t shift; /* of the buffers, in elements: rows that are not aligned to quads */
};

const move_case cases[] = {{1, 1, 1, 0},   {5, 3, 1, 0},   {7, 7, 4, 0},    {40, 13, 33, 0},
                           {40, 9, 64, 0}, {40, 9, 64, 1}, {3, 2, 1030, 0}, {200, 120, 12, 0}};

/* `picked` of the rows, each once, in an order of their own. */
std::vector<int32_t> order_of(const move_case &c)
{
    std::vector<int32_t> order;
    for (size_t k = 0; k < c.picked; k++) order.push_back(static_cast<int32_t>((k * 7 + 3) % c.rows));
    if (c.rows % 7 == 0)
        for (size_t k = 0; k < c.picked; k++) order[k] = static_cast<int32_t>(c.rows - 1 - k);
    return order;
}

void adaptive_gather_takes_the_rows_of_its_order(void **)
{
    for (const move_case &c : cases) {
        const size_t width = static_cast<size_t>(c.width);
        const std::vector<int32_t> order = order_of(c);
        const std::vector<float> in = floats_of(bf16s_of(numbers(c.rows * width, 1, 95)));
        std::vector<float> want;
        for (int32_t row : order)
            want.insert(want.end(), &in[static_cast<size_t>(row) * width],
                        &in[static_cast<size_t>(row) * width] + width);
        on_every_schedule([&] {
            array<int32_t> d_order(order);
            array<float> d_in(in, c.shift), out(want.size(), c.shift);
            LAUNCHED(
                px_launch_adaptive_gather(out, d_in, d_order, PX_ELEMENT_FP32, c.picked, c.width, device_stream()));
            expect_same("gathered", out.read(), want);
            array<px_bf16> low(bf16s_of(in), c.shift), out_low(want.size(), c.shift);
            LAUNCHED(
                px_launch_adaptive_gather(out_low, low, d_order, PX_ELEMENT_BF16, c.picked, c.width, device_stream()));
            expect_same("gathered in bf16", floats_of(out_low.read()), want);
            return std::vector<float>();
        });
    }
}

void adaptive_scatter_adds_to_the_rows_of_its_order_alone(void **)
{
    for (const move_case &c : cases) {
        const size_t width = static_cast<size_t>(c.width);
        const std::vector<int32_t> order = order_of(c);
        const std::vector<float> in = numbers(c.picked * width, 1, 96), before = numbers(c.rows * width, 1, 97);
        std::vector<float> want = before;
        for (size_t r = 0; r < c.picked; r++)
            for (size_t j = 0; j < width; j++) want[static_cast<size_t>(order[r]) * width + j] += in[r * width + j];
        on_every_schedule([&] {
            array<int32_t> d_order(order);
            array<float> d_in(in, c.shift), out(before, c.shift);
            LAUNCHED(px_launch_adaptive_scatter(out, d_in, d_order, c.picked, c.width, device_stream()));
            expect_same("scattered", out.read(), want);
            return std::vector<float>();
        });
    }
}

/* A shortlist of 3 and clusters of 1 and 6 of V = 10; rows of the head are 3 + 2 long. */
void adaptive_probabilities_are_shares_times_parts(void **)
{
    const size_t rows = 5;
    const int V = 10, begins[] = {0, 3, 4}, counts[] = {3, 1, 6};
    const std::vector<float> head = numbers(rows * 5, 1, 98);
    std::vector<float> part[3] = {head, numbers(rows * 1, 1, 99), numbers(rows * 6, 1, 100)}, want(rows * 10);
    const int part_ld[] = {5, 1, 6};
    for (size_t r = 0; r < rows; r++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < counts[i]; j++)
                want[r * 10 + static_cast<size_t>(begins[i] + j)] =
                    part[i][r * static_cast<size_t>(part_ld[i]) + static_cast<size_t>(j)] *
                    (i == 0 ? 1.0f : head[r * 5 + 2 + static_cast<size_t>(i)]);
    on_every_schedule([&] {
        array<float> d_head(head), p(rows * 10);
        for (int i = 0; i < 3; i++) {
            array<float> d_part(part[i]);
            px_adaptive_probabilities_args a = {};
            a.p = p, a.part = d_part, a.rows = rows;
            a.share = i == 0 ? nullptr : d_head.data() + 2 + i;
            a.V = V, a.first = begins[i], a.count = counts[i], a.part_ld = part_ld[i], a.share_ld = 5;
            LAUNCHED(px_launch_adaptive_probabilities(&a, device_stream()));
        }
        expect_same("probabilities", p.read(), want);
        return std::vector<float>();
    });
}

void adaptive_launchers_refuse_what_they_cannot_do(void **)
{
    px_adaptive_probabilities_args a = {};
    a.rows = 1, a.V = 10, a.first = 8, a.count = 3, a.part_ld = 3;
    assert_int_equal(px_launch_adaptive_probabilities(&a, device_stream()), cudaErrorInvalidValue);
    assert_int_equal(px_launch_adaptive_scatter(nullptr, nullptr, nullptr, 1, 0, device_stream()),
                     cudaErrorInvalidValue);
    assert_int_equal(px_launch_adaptive_gather(nullptr, nullptr, nullptr, PX_ELEMENT_FP32, 1, 0, device_stream()),
                     cudaErrorInvalidValue);
    LAUNCHED(px_launch_adaptive_scatter(nullptr, nullptr, nullptr, 0, 4, device_stream())); /* an empty cluster */
    LAUNCHED(px_launch_adaptive_gather(nullptr, nullptr, nullptr, PX_ELEMENT_BF16, 0, 4, device_stream()));
}

} // namespace

int run_adaptive_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adaptive_gather_takes_the_rows_of_its_order),
        cmocka_unit_test(adaptive_scatter_adds_to_the_rows_of_its_order_alone),
        cmocka_unit_test(adaptive_probabilities_are_shares_times_parts),
        cmocka_unit_test(adaptive_launchers_refuse_what_they_cannot_do),
    };
    return cmocka_run_group_tests_name("adaptive", tests, nullptr, nullptr);
}
