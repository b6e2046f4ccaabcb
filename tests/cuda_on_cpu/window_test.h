/* A layer's whole window in one launch, in plain loops, and what every variant that does it so has to show
 * (persistent_test.cpp, grid_test.cpp, wide_test.cpp). Each step is judged from the state that the kernel itself left
 * before it: a rounded state is a step function of the exact one, so two right answers may part. */
#ifndef PX_WINDOW_TEST_H
#define PX_WINDOW_TEST_H

#include "kernel_test.h"

#include <algorithm>
#include <vector>

namespace window_test
{

struct window_case {
    int n, T, width, multiprocessors;
    px_cell cell;
    bool reset;
    size_t shift; /* off the alignment */
};

const px_precision precisions[] = {PX_FP32, PX_TF32, PX_BF16};
const char *const names[] = {"fp32", "tf32", "bf16"};

inline float as_operand(float v, px_precision operand)
{
    if (operand == PX_FP32 || !std::isfinite(v)) return v;
    if (operand == PX_BF16) return float_of(bf16_of(v));
    /* 10 bits of mantissa, ties away from zero */
    int exponent;
    const double m = std::frexp(static_cast<double>(v), &exponent);
    return static_cast<float>(std::ldexp(std::round(std::ldexp(m, 11)), exponent - 11));
}

inline std::vector<float> as_operands(std::vector<float> v, px_precision operand)
{
    for (float &x : v) x = as_operand(x, operand);
    return v;
}

/* What a window reads, on the host. */
struct window_data {
    window_case c;
    px_precision operand;
    std::vector<float> w, bias, h, dz; /* h [T+1,n,width], dz [T,n,width] */
    std::vector<uint8_t> marks;
    window_data(const window_case &which, px_precision p)
        : c(which), operand(p), w(numbers(square(), 1 / std::sqrt(c.width), 1)),
          bias(numbers(static_cast<size_t>(c.width), 1, 2)), h(numbers((c.T + 1) * step(), 1, 3)),
          dz(numbers(c.T * step(), 1, 4)), marks(static_cast<size_t>(c.T) * c.n)
    {
        for (size_t i = 0; i < marks.size(); i++) marks[i] = c.reset && i % 3 == 1;
    }
    size_t step() const { return static_cast<size_t>(c.n) * c.width; }
    size_t square() const { return static_cast<size_t>(c.width) * c.width; }
};

/* And what it leaves. */
struct window_result {
    std::vector<float> values;
    std::vector<px_bf16> copies;
};

/* launch: of all steps of a window, forward or back. */
typedef std::function<cudaError_t(const px_persistent_args &, bool backward)> window_launch;

inline window_result run_window(const window_data &d, bool backward, const window_launch &launch)
{
    const window_case &c = d.c;
    array<float> w(d.w, c.shift), bias(d.bias), h(d.h, c.shift), dz(d.dz, c.shift);
    array<px_bf16> w_bf16(bf16s_of(d.w), c.shift), h_bf16(bf16s_of(d.h), c.shift), dz_bf16(bf16s_of(d.dz), c.shift);
    array<uint8_t> marks(d.marks);
    px_persistent_args a = {};
    a.w_hh = d.operand == PX_BF16 ? static_cast<const void *>(w_bf16.data()) : w.data();
    a.bias = bias, a.h = h, a.dz = dz;
    a.reset = c.reset ? marks.data() : nullptr;
    a.h_bf16 = d.operand == PX_BF16 ? h_bf16.data() : nullptr;
    a.dz_bf16 = d.operand == PX_BF16 ? dz_bf16.data() : nullptr;
    a.operand = d.operand, a.cell = c.cell;
    a.T = c.T, a.n = c.n, a.width = c.width, a.multiprocessors = c.multiprocessors;
    LAUNCHED(launch(a, backward));
    if (backward) expect_same("h, which is only read", h.read(), d.h);
    return {backward ? dz.read() : h.read(), backward ? dz_bf16.read() : h_bf16.read()};
}

/* A window launched in pieces of that many steps, one after the other, the last one first on the way back. */
inline window_launch in_pieces(const window_launch &launch, int steps)
{
    return [=](const px_persistent_args &whole, bool backward) {
        const int pieces = (whole.T + steps - 1) / steps;
        const auto place = [&](auto *p, int t, int width) {
            return p ? p + static_cast<size_t>(t) * whole.n * width : p;
        };
        for (int k = 0; k < pieces; k++) {
            const int begin = (backward ? pieces - 1 - k : k) * steps, end = std::min(begin + steps, whole.T);
            px_persistent_args a = whole;
            a.T = end - begin;
            a.reset = place(whole.reset, begin, 1);
            a.h = place(whole.h, begin, whole.width), a.h_bf16 = place(whole.h_bf16, begin, whole.width);
            a.dz = place(whole.dz, begin, whole.width), a.dz_bf16 = place(whole.dz_bf16, begin, whole.width);
            a.dz_after = backward && end < whole.T ? place(whole.dz, end, whole.width) : nullptr;
            const cudaError_t error = launch(a, backward);
            if (error != cudaSuccess) return error;
        }
        return cudaSuccess;
    };
}

/* Pieces hand over all that a window knows: the bits are those of the whole. */
inline void check_pieces(const window_launch &launch)
{
    for (const px_precision p : precisions)
        for (const bool backward : {false, true}) {
            const window_data d({5, 7, 62, 16, PX_CELL_TANH, true, 0}, p);
            const window_result whole = run_window(d, backward, launch);
            for (const int steps : {1, 3}) {
                const window_result cut = run_window(d, backward, in_pieces(launch, steps));
                expect_same(names[p], cut.values, whole.values);
                if (p == PX_BF16) expect_same("bf16 copies", cut.copies, whole.copies);
            }
        }
}

/* Row i of the state at `state` times W^T (forward) or W, column j, with operands as products read them. */
inline double product(const window_data &d, const std::vector<float> &w, const float *state, int j, bool backward)
{
    double sum = 0;
    const size_t h = static_cast<size_t>(d.c.width);
    for (size_t k = 0; k < h; k++)
        sum += static_cast<double>(as_operand(state[k], d.operand)) * (backward ? w[k * h + j] : w[j * h + k]);
    return sum;
}

inline void check_forward(const window_data &d, const window_result &got)
{
    const window_case &c = d.c;
    const std::vector<float> w = as_operands(d.w, d.operand);
    std::vector<double> want(d.h.begin(), d.h.end());
    for (size_t row = 0; row < static_cast<size_t>(c.T) * c.n; row++)
        for (int j = 0; j < c.width; j++) {
            const size_t at = (row + c.n) * c.width + j;
            const double z = static_cast<double>(d.h[at]) + d.bias[j] +
                             (d.marks[row] ? 0 : product(d, w, &got.values[row * c.width], j, false));
            want[at] = c.cell == PX_CELL_TANH ? std::tanh(z) : z > 0 ? z : 0;
        }
    std::vector<double> size(want.size());
    for (size_t i = 0; i < size.size(); i++) size[i] = 4 + std::fabs(want[i]);
    expect_close("h", got.values, want, 1e-6, &size);
}

inline void check_backward(const window_data &d, const window_result &got)
{
    const window_case &c = d.c;
    const std::vector<float> w = as_operands(d.w, d.operand);
    std::vector<double> want(d.dz.size()), size(d.dz.size(), 4.0);
    for (size_t row = 0; row < static_cast<size_t>(c.T) * c.n; row++)
        for (int j = 0; j < c.width; j++) {
            const size_t at = row * c.width + j, after = row + c.n;
            const bool returns = after < d.marks.size() && !d.marks[after];
            const double x = d.h[at + d.step()];
            want[at] = (d.dz[at] + (returns ? product(d, w, &got.values[after * c.width], j, true) : 0)) *
                       (c.cell == PX_CELL_TANH ? 1 - x * x
                        : x > 0                ? 1
                                               : 0);
            size[at] += std::fabs(want[at]);
        }
    expect_close("dz", got.values, want, 1e-6, &size);
}

/* A variant, and whether this device has room for a window of it. The simulator has an H100's. */
struct variant {
    cudaError_t (*launch)(const px_persistent_args &, bool backward);
    bool (*device_takes)(const window_case &, px_precision operand);
};

inline window_result run_and_check(const window_data &d, bool backward, const variant &v)
{
    const window_result got = run_window(d, backward, v.launch);
    if (backward)
        check_backward(d, got);
    else
        check_forward(d, got);
    if (d.operand == PX_BF16) expect_same("bf16 copies", got.copies, bf16s_of(got.values));
    return got;
}

/* Every window of `cases` is its steps, in both directions, whatever the order in which threads come. */
inline void check_windows(const variant &v, const std::vector<window_case> &cases, px_precision operand)
{
    for (const window_case &c : cases) {
        if (!v.device_takes(c, operand)) continue;
        const window_data d(c, operand);
        for (const bool backward : {false, true})
            on_every_schedule([&] { return run_and_check(d, backward, v).values; });
    }
}

/* All plans work, each under one schedule: the kernels are the same code. Not under the thread sanitizer, which knows
 * 8,128 threads and not the 8,192 of the largest cluster; it sees that code in the narrower windows. */
inline void check_plans(const variant &v, const std::vector<window_case> &cases,
                        const std::vector<px_precision> &operands)
{
#if defined(__SANITIZE_THREAD__)
    skip();
#endif
    int schedule = 0;
    for (const px_precision p : operands)
        for (const window_case &c : cases) {
            if (!v.device_takes(c, p)) continue;
            const window_data d(c, p);
            device_set_schedule(schedule++ % device_schedules());
            for (const bool backward : {false, true}) run_and_check(d, backward, v);
        }
}

/* Row i of an [rows,n,width] array, as an array of one stream. */
template <class T> std::vector<T> stream_of(const std::vector<T> &all, int n, int width, int i)
{
    std::vector<T> one;
    for (size_t row = static_cast<size_t>(i); row < all.size() / static_cast<size_t>(width);
         row += static_cast<size_t>(n))
        one.insert(one.end(), all.begin() + static_cast<std::ptrdiff_t>(row) * width,
                   all.begin() + static_cast<std::ptrdiff_t>(row + 1) * width);
    return one;
}

/* Neither how streams are shared out over so many multiprocessors, nor how rows are aligned, nor (for the streams that
 * are named) neighbours at all reach a row's bits. */
inline void check_company(const variant &v, const window_case &c, const std::vector<px_precision> &operands,
                          const std::vector<int> &multiprocessors, const std::vector<int> &streams)
{
    if (!v.device_takes(c, PX_BF16)) skip();
    for (const px_precision p : operands)
        for (const bool backward : {false, true}) {
            const window_data all(c, p);
            const window_result together = run_window(all, backward, v.launch);
            for (const int m : multiprocessors) {
                window_data other = all;
                other.c.multiprocessors = m, other.c.shift = 1;
                expect_same(names[p], run_window(other, backward, v.launch).values, together.values);
            }
            window_case alone = c;
            alone.n = 1, alone.multiprocessors = device_multiprocessors();
            for (const int i : streams) {
                window_data one(alone, p);
                one.h = stream_of(all.h, c.n, c.width, i), one.dz = stream_of(all.dz, c.n, c.width, i);
                one.marks = stream_of(all.marks, c.n, 1, i);
                expect_same(names[p], run_window(one, backward, v.launch).values,
                            stream_of(together.values, c.n, c.width, i));
            }
        }
}

} // namespace window_test

#endif
