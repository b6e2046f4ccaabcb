/* embed.cu against plain loops: gather with and without dropout, and the segment sum backwards. */
#include "kernel_test.h"

#include <algorithm>
#include <numeric>

namespace
{

struct embed_case {
    int T, n, width, V;
    bool one_hot;
    double p;
    int locked;
    size_t shift; /* elements off alignment */
};

const embed_case cases[] = {
    {1, 1, 1, 2, false, 0, 0, 0},        {1, 1, 33, 2, true, 0, 0, 0},     {3, 1, 33, 7, false, 0.4, 0, 0},
    {5, 7, 64, 28, true, 0, 0, 0},       {9, 13, 36, 28, true, 0.3, 0, 0}, {16, 8, 32, 5, false, 0.25, 1, 0},
    {4, 32, 8, 10007, false, 0.5, 0, 0}, {33, 1, 130, 3, true, 0.2, 1, 0}, {8, 8, 40, 28, false, 0, 0, 1},
    {40, 8, 12, 1, true, 0.1, 0, 3},     {2, 16, 516, 9, false, 0, 0, 0},  {7, 31, 6, 100, false, 0.6, 0, 0},
};

/* Half of the tokens are one frequent one, so that runs reach over several chunks. */
std::vector<int32_t> skewed_tokens(const embed_case &c)
{
    std::vector<int32_t> tokens = integers(static_cast<size_t>(c.T) * c.n, c.V, 1);
    const std::vector<int32_t> coin = integers(tokens.size(), 2, 2);
    for (size_t i = 0; i < tokens.size(); i++)
        if (coin[i]) tokens[i] = c.V / 2;
    return tokens;
}

px_window_scalars window_of(const embed_case &c) { return {11, 5, static_cast<uint32_t>(c.n) + 9, 0.125}; }

/* Rows of the table are dropped in every case that drops anything, and in one that does not. */
px_dropout row_dropout_of(const embed_case &c)
{
    return dropout_of(c.p > 0 || c.width == 40 ? 0.3 : 0, PX_RANDOM_DROPOUT_EMBEDDING, 1, 0);
}

double row_factor(const embed_case &c, const px_window_scalars &w, int token)
{
    const px_dropout d = row_dropout_of(c);
    if (!d.threshold) return 1;
    const uint64_t e = w.step * static_cast<uint64_t>(c.V) + static_cast<uint64_t>(token);
    return px_random_u32(d.seed, d.purpose, d.layer, e) >= d.threshold ? static_cast<double>(d.scale) : 0.0;
}

double factor(const embed_case &c, const px_dropout &d, const px_window_scalars &w, size_t row, int j, int token)
{
    const int t = static_cast<int>(row) / c.n, i = static_cast<int>(row) % c.n;
    const double m = c.one_hot ? mask_factor(d, w, t, i, c.V, token) : mask_factor(d, w, t, i, c.width, j);
    return m * row_factor(c, w, token);
}

void embed_forward_gathers_rows_and_drops_what_philox_says(void **)
{
    for (const embed_case &c : cases) {
        const size_t rows = static_cast<size_t>(c.T) * c.n, width = static_cast<size_t>(c.width);
        const std::vector<float> table = numbers(static_cast<size_t>(c.V) * width, 1, 3);
        const std::vector<int32_t> tokens = skewed_tokens(c);
        const px_window_scalars w = window_of(c);
        const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_INPUT, c.T + 2, c.locked);
        std::vector<double> want(rows * width);
        for (size_t row = 0; row < rows; row++)
            for (size_t j = 0; j < width; j++)
                want[row * width + j] = table[static_cast<size_t>(tokens[row]) * width + j] *
                                        factor(c, d, w, row, static_cast<int>(j), tokens[row]);
        const std::vector<float> state = numbers(width * 5, 1, 6);
        on_every_schedule([&] {
            array<float> d_table(table, c.shift), out(rows * width, c.shift), from(state, c.shift), to(state.size());
            array<px_bf16> low(rows * width, c.shift), to_low(state.size());
            array<int32_t> d_tokens(tokens);
            scalar<px_window_scalars> d_window(w);
            px_embed_args a = {
                d_table, d_tokens, out, low, d_window, d, row_dropout_of(c), c.T, c.n, c.width, c.one_hot ? c.V : 0,
                c.V,     {}};
            a.states.copy[0] = {to, from, to_low};
            a.states.copies = 1, a.states.count = state.size();
            LAUNCHED(px_launch_embed_forward(&a, device_stream()));
            expect_close("embedded", out.read(), want, 1e-7);
            expect_same("embedded, bf16", low.read(), bf16s_of(out.read()));
            expect_same("states taken along", to.read(), state);
            expect_same("states taken along, bf16", to_low.read(), bf16s_of(state));
            return out.read();
        });
    }
}

void embed_backward_adds_each_tokens_rows_once_and_in_order(void **)
{
    for (const embed_case &c : cases) {
        const size_t rows = static_cast<size_t>(c.T) * c.n, width = static_cast<size_t>(c.width);
        const std::vector<float> dx = numbers(rows * width, 1, 4),
                                 before = numbers(static_cast<size_t>(c.V) * width, 1, 5);
        const std::vector<int32_t> tokens = skewed_tokens(c);
        std::vector<int32_t> order(rows);
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return tokens[a] < tokens[b]; });
        const px_window_scalars w = window_of(c);
        const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_INPUT, c.T + 2, c.locked);
        std::vector<double> want(before.begin(), before.end()), size(want.size());
        for (size_t k = 0; k < want.size(); k++) size[k] = std::fabs(want[k]);
        for (size_t row = 0; row < rows; row++)
            for (size_t j = 0; j < width; j++) {
                const double x = dx[row * width + j] * factor(c, d, w, row, static_cast<int>(j), tokens[row]);
                want[static_cast<size_t>(tokens[row]) * width + j] += x;
                size[static_cast<size_t>(tokens[row]) * width + j] += std::fabs(x);
            }
        on_every_schedule([&] {
            array<float> d_dx(dx, c.shift), d_table(before, c.shift),
                partial(px_embed_partial_floats(rows, width), c.shift);
            array<int32_t> d_tokens(tokens), d_order(order);
            scalar<px_window_scalars> d_window(w);
            const px_embed_backward_args a = {d_dx, d_tokens,          d_order, d_table, partial, d_window,
                                              d,    row_dropout_of(c), c.T,     c.n,     c.width, c.one_hot ? c.V : 0,
                                              c.V};
            LAUNCHED(px_launch_embed_backward(&a, device_stream()));
            expect_close("dtable", d_table.read(), want, 1e-6, &size); /* sums of at most 320 floats, in chunks of 32 */
            return d_table.read();
        });
    }
}

void embed_refuses_impossible_sizes_and_takes_an_empty_window(void **)
{
    px_embed_args a = {};
    a.T = 1, a.n = 1, a.width = 0;
    assert_int_equal(px_launch_embed_forward(&a, device_stream()), cudaErrorInvalidValue);
    a.T = 0, a.width = 4;
    assert_int_equal(px_launch_embed_forward(&a, device_stream()), cudaSuccess);
    px_embed_backward_args b = {};
    b.T = -1, b.n = 1, b.width = 4;
    assert_int_equal(px_launch_embed_backward(&b, device_stream()), cudaErrorInvalidValue);
    b.T = 0;
    assert_int_equal(px_launch_embed_backward(&b, device_stream()), cudaSuccess);
}

} // namespace

int run_embed_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_forward_gathers_rows_and_drops_what_philox_says),
        cmocka_unit_test(embed_backward_adds_each_tokens_rows_once_and_in_order),
        cmocka_unit_test(embed_refuses_impossible_sizes_and_takes_an_empty_window),
    };
    return cmocka_run_group_tests_name("embed", tests, nullptr, nullptr);
}
