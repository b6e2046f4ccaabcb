/* draw.cu against the host's choice, whose arithmetic it shares: the same token from the same probabilities. */
#include "kernel_test.h"

#define PX_DRAW_FUNCTION static inline
#define PX_DRAW_MUL(a, b) ((a) * (b))
#include "draw_maths.h"

namespace
{

enum { ROWS = 9, STREAM = 3, STEP = 5 };

/* Rows of probabilities [ROWS,V]: smooth, with equals, with zeros, of one token alone; two that nothing is drawn from,
 * and one in which only id 0 can be. */
std::vector<float> rows_of(int V)
{
    std::vector<float> p = numbers(static_cast<size_t>(ROWS) * V, 0.5, 31);
    for (int row = 0; row < ROWS; row++) {
        float *q = &p[static_cast<size_t>(row) * V];
        for (int i = 0; i < V; i++) {
            q[i] = (q[i] + 0.5f) / static_cast<float>(V);
            if (row == 1) q[i] = static_cast<float>(1 + i % 3) / static_cast<float>(2 * V);
            if (row == 2) q[i] = i % 4 == 1 ? q[i] : 0;
            if (row == 3) q[i] = i == V / 2 ? 1.0f : 0;
            if (row == 4) q[i] = i == V - 1 ? NAN : q[i];
            if (row == 5) q[i] = 0;
            if (row == 6) q[i] = i == 0 ? 1.0f : 0;
            if (row == 7) q[i] = std::ldexp(q[i], -140 + i % 140); /* down to the smallest floats */
        }
    }
    return p;
}

/* Forms of drawing: temperature, top-p, top-k, greedy, without id 0. */
const px_draw forms[] = {
    {1, 1, 7, 40, 0, 0, 0},   {1, 1, 8, 41, 0, 0, 1},     {0.3, 1, 9, 1ull << 40, 0, 0, 1}, {4, 1, 9, 43, 0, 0, 0},
    {0, 1, 9, 0, 0, 0, 0},    {-1, 1, 9, 0, 3, 1, 1},     {1, 0.5, 1, 3, 0, 0, 0},          {0.7, 0.9, 2, 3, 0, 0, 1},
    {1, 1, 3, 6, 1, 0, 0},    {1.5, 1, 4, 6, 5, 0, 1},    {0.9, 0.8, 5, 6, 40, 0, 0},       {1, 1e-9, 6, 6, 7, 0, 0},
    {1, 1, 3, 6, 5000, 0, 1}, {1e-300, 1, 1, 1, 0, 0, 0},
};

std::vector<int32_t> host_draws(const std::vector<float> &p, int V, const px_draw &draw)
{
    std::vector<int32_t> want(ROWS);
    std::vector<px_candidate> list(static_cast<size_t>(V));
    for (uint32_t row = 0; row < ROWS; row++) {
        const double u = px_uniform(px_random_u32(draw.seed, PX_RANDOM_SAMPLE, STREAM + row, draw.position + STEP));
        want[row] = px_draw_choose(&p[static_cast<size_t>(row) * static_cast<size_t>(V)], V, &draw, u, list.data());
    }
    return want;
}

/* What the kernel draws; the next input and the marks are looked at here. */
std::vector<int32_t> kernel_draws(const std::vector<float> &p, int V, const px_draw &draw)
{
    array<float> probabilities(p);
    array<int32_t> tokens(std::vector<int32_t>(ROWS, -7)), drawn(std::vector<int32_t>(ROWS, -7));
    array<uint8_t> reset(std::vector<uint8_t>(ROWS, 1));
    const std::vector<float> state = numbers(300, 1, 32);
    array<float> from(state), to(state.size());
    scalar<px_draw> d_draw(draw);
    px_draw_args a = {probabilities, d_draw, tokens, drawn, reset, ROWS, V, STREAM, STEP, {}};
    a.states.copy[0] = {to, from, nullptr};
    a.states.copies = 1, a.states.count = state.size();
    LAUNCHED(px_launch_draw(&a, device_stream()));
    std::vector<int32_t> got = drawn.read(), next = got;
    for (int32_t &id : next) id = id < 0 ? 0 : id;
    expect_same("the next input", tokens.read(), next);
    expect_same("marks", reset.read(), std::vector<uint8_t>(ROWS, 0));
    expect_same("states taken along", to.read(), state);
    return got;
}

void the_kernel_draws_what_the_host_draws(void **)
{
    size_t differ = 0;
    for (int V : {1, 2, 28, 64, 300, 1024, 1025, 2048, 2500}) {
        const std::vector<float> p = rows_of(V);
        for (const px_draw &draw : forms) {
            if (px_draw_orders(&draw) && V > PX_DRAW_ORDERED_MAX) continue;
            const std::vector<int32_t> want = host_draws(p, V, draw);
            differ += want[0] != want[1];
            on_every_schedule([&] {
                const std::vector<int32_t> got = kernel_draws(p, V, draw);
                expect_same("tokens", got, want);
                return std::vector<float>(got.begin(), got.end());
            });
        }
    }
    assert_true(differ > 20);
}

} // namespace

int run_draw_tests()
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_kernel_draws_what_the_host_draws)};
    return cmocka_run_group_tests_name("draw", tests, nullptr, nullptr);
}
