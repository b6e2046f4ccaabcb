/* gates_persistent*.cu against the cells' equations in double: a layer's whole window in one launch, forward and back,
 * of every cell that keeps gates, in every precision. As in persistent_test.cpp each product is judged from the state
 * that the kernel itself left before it; what goes past W_hh is followed in double. */
#include "kernel_test.h"

#include "cells/double.h"

namespace
{

struct window_case {
    int n, T, width, multiprocessors;
    bool reset;
    size_t shift; /* off the alignment */
};

/* Widths around pairs, quads, a tile and what is built (64 and 256); streams around a cluster's eight and sixteen. */
const window_case cases[] = {
    {1, 1, 1, 132, false, 0}, {3, 4, 5, 1, true, 0},  {1, 5, 33, 132, true, 0}, {9, 3, 36, 1, true, 0},
    {17, 2, 64, 1, false, 0}, {5, 4, 64, 8, true, 1}, {2, 3, 66, 132, true, 0},
};
/* One for each wider plan. */
const window_case wide[] = {{2, 2, 201, 132, true, 0}, {3, 2, 500, 132, true, 0}};
const px_precision precisions[] = {PX_FP32, PX_TF32, PX_BF16};
const px_cell kinds[] = {PX_CELL_GRU, PX_CELL_LSTM};

/* The list of cells (host/model/cells.c is not among the kernels). */
const px_cell_info cells[] = {
#define ROW(NAME, name, label, torch, gates, states, keeps, lone, ones)                                                \
    {#name, label, torch, gates, states, keeps, lone, ones},
    PX_CELLS(ROW)
#undef ROW
};

float as_operand(float v, px_precision operand)
{
    if (operand == PX_FP32 || !std::isfinite(v)) return v;
    if (operand == PX_BF16) return float_of(bf16_of(v));
    int exponent; /* 10 bits of mantissa, ties away from zero */
    const double m = std::frexp(static_cast<double>(v), &exponent);
    return static_cast<float>(std::ldexp(std::round(std::ldexp(m, 11)), exponent - 11));
}

/* Arrays of a window: wide [T,n,G width], states [T+1,n,width], the others [T,n,width]. */
struct window_values {
    std::vector<float> z, u, state[PX_CELL_STATES_MAX], dz_hh;
    std::vector<px_bf16> low, dz_hh_low; /* of H, or of dz */
};

struct window_data {
    window_case c;
    px_cell kind;
    px_precision operand;
    int G, S, lone;
    std::vector<float> w, bias, bias_lone, d_output;
    window_values in;
    std::vector<uint8_t> marks;
    window_data(const window_case &which, px_cell cell, px_precision p)
        : c(which), kind(cell), operand(p), G(cells[cell].gates), S(cells[cell].states), lone(cells[cell].lone),
          w(numbers(static_cast<size_t>(G) * c.width * c.width, 1 / std::sqrt(c.width), 1)),
          bias(numbers(static_cast<size_t>(G) * c.width, 1, 2)), bias_lone(numbers(static_cast<size_t>(c.width), 1, 3)),
          d_output(numbers(c.T * step(), 1, 4)), marks(static_cast<size_t>(c.T) * c.n)
    {
        in.z = numbers(c.T * step() * G, 1, 5), in.u = numbers(c.T * step(), 1, 6);
        for (int k = 0; k < S; k++) in.state[k] = numbers((c.T + 1) * step(), 1, 7 + static_cast<uint32_t>(k));
        for (size_t i = 0; i < marks.size(); i++) marks[i] = c.reset && i % 3 == 1;
        for (float &v : w) v = as_operand(v, p);
    }
    size_t step() const { return static_cast<size_t>(c.n) * c.width; }
    size_t wide_place(size_t row, int g, int j) const { return (row * G + g) * c.width + j; }
    bool has_lone() const { return lone != PX_NO_GATE; }
};

window_values run(const window_data &d, bool backward)
{
    const window_case &c = d.c;
    const bool low = d.operand == PX_BF16;
    const size_t count = d.c.T * d.step(), all = count * d.G;
    array<float> w(d.w, c.shift), bias(d.bias), lone(d.bias_lone), d_output(d.d_output, c.shift), z(d.in.z, c.shift),
        u(d.in.u, c.shift), h(d.in.state[0], c.shift), s1(d.S > 1 ? d.in.state[1] : d.in.state[0], c.shift),
        dz_hh(all, c.shift);
    array<px_bf16> w_low(bf16s_of(d.w), c.shift), h_low(bf16s_of(d.in.state[0]), c.shift), dz_low(all, c.shift),
        dz_hh_low(all, c.shift);
    array<uint8_t> marks(d.marks);
    px_persistent_gates_args a = {};
    a.w_hh = low ? static_cast<const void *>(w_low.data()) : w.data();
    a.bias = bias, a.d_output = d_output, a.z = z, a.state[0] = h;
    if (d.has_lone()) {
        a.bias_lone = lone, a.u = u;
        a.dz_hh = low ? static_cast<void *>(dz_hh_low.data()) : dz_hh.data();
    }
    if (d.S > 1) a.state[1] = s1;
    if (low) a.h_bf16 = h_low, a.dz_bf16 = dz_low;
    a.reset = c.reset ? marks.data() : nullptr;
    a.operand = d.operand, a.cell = d.kind;
    a.T = c.T, a.n = c.n, a.width = c.width, a.multiprocessors = c.multiprocessors;
    LAUNCHED(backward ? px_launch_gates_persistent_backward(&a, device_stream())
                      : px_launch_gates_persistent_forward(&a, device_stream()));
    if (backward) expect_same("h, which is only read", h.read(), d.in.state[0]);
    window_values out = {z.read(), u.read(), {h.read(), s1.read()}, dz_hh.read(), {}, dz_hh_low.read()};
    out.low = backward ? dz_low.read() : h_low.read();
    return out;
}

/* H_{t-1} of a row times row `out` of W_hh. */
double product_forward(const window_data &d, const float *h, int out)
{
    double sum = 0;
    for (int k = 0; k < d.c.width; k++)
        sum += static_cast<double>(as_operand(h[k], d.operand)) * d.w[static_cast<size_t>(out) * d.c.width + k];
    return sum;
}

/* The gradients of H_{t-1} W_hh of a row times column j of W_hh. */
double product_backward(const window_data &d, const window_values &got, size_t row, int j)
{
    double sum = 0;
    for (int g = 0; g < d.G; g++)
        for (int k = 0; k < d.c.width; k++) {
            const float v = g == d.lone ? got.u[row * d.c.width + k] : got.z[d.wide_place(row, g, k)];
            sum += static_cast<double>(as_operand(v, d.operand)) *
                   d.w[(static_cast<size_t>(g) * d.c.width + k) * d.c.width + j];
        }
    return sum;
}

/* What a window should have left, in double. */
struct window_want {
    std::vector<double> z, u, state[PX_CELL_STATES_MAX];
    explicit window_want(const window_data &d) : z(d.in.z.begin(), d.in.z.end()), u(d.in.u.begin(), d.in.u.end())
    {
        for (int k = 0; k < d.S; k++) state[k].assign(d.in.state[k].begin(), d.in.state[k].end());
    }
};

void expect_values(const char *what, const std::vector<float> &got, const std::vector<double> &want)
{
    std::vector<double> size(want.size());
    for (size_t i = 0; i < size.size(); i++) size[i] = 4 + std::fabs(want[i]);
    expect_close(what, got, want, 2e-6, &size);
}

void check_forward(const window_data &d, const window_values &got)
{
    const int width = d.c.width;
    window_want want(d);
    for (size_t row = 0; row < static_cast<size_t>(d.c.T) * d.c.n; row++)
        for (int j = 0; j < width; j++) {
            const size_t at = row * width + j, now = at + d.step();
            px_cell_unit unit = {};
            unit.u = d.bias_lone[j];
            for (int g = 0; g < d.G; g++) {
                unit.z[g] = static_cast<double>(d.in.z[d.wide_place(row, g, j)]) + d.bias[g * width + j];
                if (!d.marks[row])
                    (g == d.lone ? unit.u : unit.z[g]) += product_forward(d, &got.state[0][row * width], g * width + j);
            }
            for (int k = 0; k < d.S; k++) unit.before[k] = d.marks[row] ? 0 : got.state[k][at];
            px_cell_maths[d.kind].forward(&unit);
            for (int g = 0; g < d.G; g++) want.z[d.wide_place(row, g, j)] = unit.z[g];
            want.u[at] = unit.u;
            for (int k = 0; k < d.S; k++) want.state[k][now] = unit.now[k];
        }
    expect_values("gates", got.z, want.z);
    if (d.has_lone()) expect_values("u", got.u, want.u);
    for (int k = 0; k < d.S; k++) expect_values(k ? "c" : "h", got.state[k], want.state[k]);
    if (d.operand == PX_BF16) expect_same("h, bf16", got.low, bf16s_of(got.state[0]));
}

void check_copies(const window_data &d, const window_values &got)
{
    std::vector<float> hh = got.z;
    for (size_t at = 0; d.has_lone() && at < got.u.size(); at++)
        hh[d.wide_place(at / d.c.width, d.lone, static_cast<int>(at % d.c.width))] = got.u[at];
    if (d.operand == PX_BF16) expect_same("dz, bf16", got.low, bf16s_of(got.z));
    if (!d.has_lone()) return;
    if (d.operand == PX_BF16)
        expect_same("dz_hh, bf16", got.dz_hh_low, bf16s_of(hh));
    else
        expect_same("dz_hh", got.dz_hh, hh);
}

void check_backward(const window_data &d, const window_values &got)
{
    const int width = d.c.width;
    const size_t n = static_cast<size_t>(d.c.n);
    window_want want(d);
    std::vector<double> returned(d.S * d.step());
    for (size_t row = d.c.T * n; row-- > 0;)
        for (int j = 0; j < width; j++) {
            const size_t at = row * width + j, carried = row % n * width + j;
            const bool last = row + n >= d.c.T * n, comes_back = !last && !d.marks[row + n];
            px_cell_unit unit = {};
            unit.u = d.in.u[at];
            for (int g = 0; g < d.G; g++) unit.z[g] = d.in.z[d.wide_place(row, g, j)];
            for (int k = 0; k < d.S; k++) {
                unit.before[k] = d.marks[row] ? 0 : d.in.state[k][at];
                unit.now[k] = d.in.state[k][at + d.step()];
                unit.d[k] = comes_back ? returned[k * d.step() + carried] : 0;
            }
            unit.d[0] += d.d_output[at] + (comes_back ? product_backward(d, got, row + n, j) : 0);
            px_cell_maths[d.kind].backward(&unit);
            for (int g = 0; g < d.G; g++) want.z[d.wide_place(row, g, j)] = unit.z[g];
            want.u[at] = unit.u;
            for (int k = 0; k < d.S; k++) returned[k * d.step() + carried] = unit.d[k];
        }
    expect_values("dz", got.z, want.z);
    if (d.has_lone()) expect_values("du", got.u, want.u);
    check_copies(d, got);
}

/* Does the device have the clusters and the shared memory for it? The simulator has an H100's. */
bool device_takes(const window_case &c, px_cell kind, px_precision operand)
{
    const px_persistent_fit fit = px_persistent_gates_fit_of(operand, kind, c.width);
    return fit.width && static_cast<unsigned>(fit.blocks) <= device_cluster_blocks() &&
           static_cast<size_t>(fit.shared_bytes) <= device_shared_bytes();
}

std::vector<float> run_and_check(const window_data &d, bool backward)
{
    const window_values got = run(d, backward);
    if (backward)
        check_backward(d, got);
    else
        check_forward(d, got);
    std::vector<float> all = got.z;
    append(all, got.state[0]);
    return all;
}

void check_all(px_precision operand)
{
    for (const window_case &c : cases)
        for (const px_cell kind : kinds) {
            if (!device_takes(c, kind, operand)) continue;
            const window_data d(c, kind, operand);
            for (const bool backward : {false, true}) on_every_schedule([&] { return run_and_check(d, backward); });
        }
}

void fp32_windows_are_their_steps(void **) { check_all(PX_FP32); }
void tf32_windows_are_their_steps(void **) { check_all(PX_TF32); }
void bf16_windows_are_their_steps(void **) { check_all(PX_BF16); }

/* Not under the thread sanitizer, which knows fewer threads than the largest cluster has. */
void every_width_that_is_built_works(void **)
{
#if defined(__SANITIZE_THREAD__)
    skip();
#endif
    for (const px_precision p : precisions)
        for (const px_cell kind : kinds)
            for (const window_case &c : wide) {
                if (!device_takes(c, kind, p)) continue;
                const window_data d(c, kind, p);
                device_set_schedule((p + kind) % device_schedules());
                run_and_check(d, false);
                run_and_check(d, true);
            }
}

/* Neither neighbours nor how many streams a cluster has, nor how rows are aligned, reach a row's bits. */
void a_rows_bits_do_not_depend_on_its_company(void **)
{
    if (device_cluster_blocks() == 0) skip();
    for (const px_precision p : precisions)
        for (const px_cell kind : kinds)
            for (const bool backward : {false, true}) {
                const window_data all({7, 3, 62, 1, true, 0}, kind, p);
                const window_values together = run(all, backward);
                for (const int multiprocessors : {4, 12, 132}) {
                    window_data other = all;
                    other.c.multiprocessors = multiprocessors, other.c.shift = 1;
                    const window_values got = run(other, backward);
                    expect_same("z", got.z, together.z);
                    expect_same("h", got.state[0], together.state[0]);
                }
            }
}

void gates_windows_refuse_what_they_have_no_place_for(void **)
{
    array<float> some(std::vector<float>(64, 0.5f));
    px_persistent_gates_args a = {};
    a.n = a.T = 1, a.width = 4, a.cell = PX_CELL_LSTM, a.w_hh = a.z = a.state[0] = some, a.bias = some;
    assert_int_equal(px_launch_gates_persistent_forward(&a, device_stream()), cudaErrorInvalidValue); /* no c */
    a.state[1] = some;
    assert_int_equal(px_launch_gates_persistent_backward(&a, device_stream()), cudaErrorInvalidValue); /* no d_output */
    a.width = 257;
    assert_int_equal(px_launch_gates_persistent_forward(&a, device_stream()), cudaErrorInvalidValue); /* too wide */
    a.width = 4, a.cell = PX_CELL_TANH;
    assert_int_equal(px_launch_gates_persistent_forward(&a, device_stream()),
                     cudaErrorInvalidValue); /* keeps no gates */
    a.cell = PX_CELL_GRU;
    assert_int_equal(px_launch_gates_persistent_forward(&a, device_stream()), cudaErrorInvalidValue); /* no u */
    a.cell = PX_CELL_LSTM, a.n = 0;
    assert_int_equal(px_launch_gates_persistent_forward(&a, device_stream()), cudaSuccess);
    assert_int_equal(px_persistent_gates_fit_of(PX_BF16, PX_CELL_LSTM, 512).blocks, 16);
    assert_int_equal(px_persistent_gates_fit_of(PX_BF16, PX_CELL_GRU, 513).width, 0);
    assert_int_equal(px_persistent_gates_fit_of(PX_FP32, PX_CELL_LSTM, 65).width, 256);
    assert_int_equal(px_persistent_gates_fit_of(PX_TF32, PX_CELL_LSTM, 257).width, 0);
}

} // namespace

int run_gates_persistent_tests()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_width_that_is_built_works),
        cmocka_unit_test(a_rows_bits_do_not_depend_on_its_company),
        cmocka_unit_test(gates_windows_refuse_what_they_have_no_place_for),
    };
    return cmocka_run_group_tests_name("gates, persistent", tests, nullptr, nullptr);
}

int run_gates_persistent_fp32_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(fp32_windows_are_their_steps)};
    return cmocka_run_group_tests_name("gates, persistent, fp32", tests, nullptr, nullptr);
}

int run_gates_persistent_tf32_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(tf32_windows_are_their_steps)};
    return cmocka_run_group_tests_name("gates, persistent, tf32", tests, nullptr, nullptr);
}

int run_gates_persistent_bf16_tests()
{
    const CMUnitTest tests[] = {cmocka_unit_test(bf16_windows_are_their_steps)};
    return cmocka_run_group_tests_name("gates, persistent, bf16", tests, nullptr, nullptr);
}
