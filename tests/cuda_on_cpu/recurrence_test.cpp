/* recurrence.cu against plain loops: a step forward and back, resets, dropout, weight dropout, bias gradients. */
#include "kernel_test.h"

#include <algorithm>

namespace
{

struct step_case {
    int n, width;
    px_cell cell;
    bool recurrent, reset;
    double p;
    int locked;
    size_t shift;
};

const step_case cases[] = {
    {1, 1, PX_CELL_TANH, true, false, 0, 0, 0},    {1, 33, PX_CELL_TANH, true, true, 0.5, 0, 0},
    {5, 33, PX_CELL_RELU, true, true, 0.3, 1, 0},  {7, 64, PX_CELL_TANH, true, true, 0.2, 0, 0},
    {3, 36, PX_CELL_TANH, false, false, 0, 0, 0},  {32, 132, PX_CELL_TANH, true, false, 0.4, 0, 0},
    {9, 250, PX_CELL_RELU, true, true, 0.1, 0, 0}, {4, 40, PX_CELL_TANH, true, true, 0.5, 0, 1},
    {2, 1030, PX_CELL_TANH, true, false, 0, 0, 0},
};
enum { STEP = 3 }; /* t of the window */

std::vector<uint8_t> marks_of(const step_case &c)
{
    std::vector<uint8_t> marks(static_cast<size_t>(c.n));
    for (size_t i = 0; i < marks.size(); i++) marks[i] = c.reset && i % 3 == 0 ? 1 : 0;
    return marks;
}

px_window_scalars window_of(const step_case &c)
{
    return {1ull << 33, 2, static_cast<uint32_t>(c.n) + 3, 0.5}; /* a step whose elements need 64 bits */
}

void recurrence_forward_step_adds_resets_activates_and_drops(void **)
{
    for (const step_case &c : cases) {
        const size_t count = static_cast<size_t>(c.n) * c.width, width = static_cast<size_t>(c.width);
        const std::vector<float> xz = numbers(count, 2, 1), bias = numbers(width, 1, 3);
        std::vector<float> recurrent = numbers(count, 2, 2);
        const std::vector<uint8_t> marks = marks_of(c);
        const px_window_scalars w = window_of(c);
        const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_BETWEEN, 8, c.locked);
        std::vector<double> h(count), output(count);
        for (int i = 0; i < c.n; i++)
            for (int j = 0; j < c.width; j++) {
                const size_t at = static_cast<size_t>(i) * width + j;
                if (marks[i]) recurrent[at] = NAN; /* whatever is there must not come through */
                double z = static_cast<double>(xz[at]) + bias[j];
                if (c.recurrent && !marks[i]) z += recurrent[at];
                h[at] = c.cell == PX_CELL_TANH ? std::tanh(z) : z > 0 ? z : 0;
                output[at] = h[at] * mask_factor(d, w, STEP, i, c.width, j);
            }
        const std::vector<double> unit(count, 4.0); /* sums of magnitude up to 5, before tanh */
        for (int in_place = 0; in_place < 2; in_place++)
            on_every_schedule([&] {
                array<float> d_xz(xz, c.shift), d_recurrent(recurrent, c.shift), d_bias(bias), d_h(count, c.shift),
                    d_output(count, c.shift);
                array<px_bf16> h_bf16(count, c.shift), output_bf16(count, c.shift);
                array<uint8_t> d_marks(marks);
                scalar<px_window_scalars> d_window(w);
                px_step_forward_args a = {};
                a.xz = d_xz;
                a.recurrent = c.recurrent ? d_recurrent.data() : nullptr;
                a.bias = d_bias;
                a.reset = c.reset ? d_marks.data() : nullptr;
                a.h = in_place ? d_xz.data() : d_h.data();
                a.h_bf16 = h_bf16;
                a.output = d_output;
                a.output_bf16 = output_bf16;
                a.window = d_window;
                a.dropout = d;
                a.cell = c.cell;
                a.n = c.n, a.width = c.width, a.t = STEP;
                LAUNCHED(px_launch_recurrence_forward(&a, device_stream()));
                std::vector<float> out = in_place ? d_xz.read() : d_h.read();
                expect_close("h", out, h, 3e-7, &unit);
                expect_close("output", d_output.read(), output, 1e-6, &unit);
                expect_same("h, bf16", h_bf16.read(), bf16s_of(out));
                expect_same("output, bf16", output_bf16.read(), bf16s_of(d_output.read()));
                append(out, d_output.read());
                return out;
            });
    }
}

void recurrence_forward_step_needs_only_what_it_reads(void **)
{
    for (const step_case &c : cases) {
        const size_t count = static_cast<size_t>(c.n) * c.width, width = static_cast<size_t>(c.width);
        const std::vector<float> xz = numbers(count, 2, 1), bias = numbers(width, 1, 3);
        std::vector<float> want(count);
        for (size_t k = 0; k < count; k++) want[k] = std::max(xz[k] + bias[k % width], 0.0f);
        on_every_schedule([&] {
            array<float> d_xz(xz), d_bias(bias), d_h(count);
            px_step_forward_args a = {};
            a.xz = d_xz, a.bias = d_bias, a.h = d_h;
            a.cell = PX_CELL_RELU;
            a.n = c.n, a.width = c.width;
            LAUNCHED(px_launch_recurrence_forward(&a, device_stream()));
            expect_same("relu(xz + b)", d_h.read(), want);
            return d_h.read();
        });
    }
}

void recurrence_backward_step_masks_resets_and_multiplies_by_the_slope(void **)
{
    for (const step_case &c : cases) {
        const size_t count = static_cast<size_t>(c.n) * c.width, width = static_cast<size_t>(c.width);
        const std::vector<float> d_output = numbers(count, 1, 4), h = numbers(count, 1, 6);
        std::vector<float> recurrent = numbers(count, 1, 5);
        const std::vector<uint8_t> marks = marks_of(c);
        const px_window_scalars w = window_of(c);
        const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_OUTPUT, 8, c.locked);
        std::vector<double> dz(count), size(count);
        for (int i = 0; i < c.n; i++)
            for (int j = 0; j < c.width; j++) {
                const size_t at = static_cast<size_t>(i) * width + j;
                if (marks[i]) recurrent[at] = INFINITY;
                const double m = mask_factor(d, w, STEP, i, c.width, j), above = d_output[at] * m;
                const double back = c.recurrent && !marks[i] ? static_cast<double>(recurrent[at]) : 0.0, x = h[at];
                const double slope = c.cell == PX_CELL_TANH ? 1 - x * x : x > 0 ? 1 : 0;
                dz[at] = (above + back) * slope;
                size[at] = std::fabs(above) + std::fabs(back) + 1e-3;
            }
        for (int in_place = 0; in_place < 2; in_place++)
            on_every_schedule([&] {
                array<float> device_d_output(d_output, c.shift), d_recurrent(recurrent, c.shift), d_h(h, c.shift),
                    d_dz(count, c.shift);
                array<px_bf16> low(count, c.shift);
                array<uint8_t> d_marks(marks);
                scalar<px_window_scalars> d_window(w);
                px_step_backward_args a = {};
                a.d_output = device_d_output;
                a.recurrent = c.recurrent ? d_recurrent.data() : nullptr;
                a.h = d_h;
                a.reset_next = c.reset ? d_marks.data() : nullptr;
                a.dz = in_place ? device_d_output.data() : d_dz.data();
                a.dz_bf16 = low;
                a.window = d_window;
                a.dropout = d;
                a.cell = c.cell;
                a.n = c.n, a.width = c.width, a.t = STEP;
                LAUNCHED(px_launch_recurrence_backward(&a, device_stream()));
                const std::vector<float> out = in_place ? device_d_output.read() : d_dz.read();
                expect_close("dz", out, dz, 5e-7, &size);
                expect_same("dz, bf16", low.read(), bf16s_of(out));
                return out;
            });
    }
}

/* Rows of H_{t-1} are cleared in place, and states travel, whatever else the launch does. */
void the_end_of_a_layer_clears_marked_rows_and_takes_states_along(void **)
{
    for (const step_case &c : cases) {
        const size_t rows = static_cast<size_t>(c.n) * 9, width = static_cast<size_t>(c.width);
        const std::vector<float> in = numbers(rows * width, 1, 7), state = numbers(width * 3, 1, 15);
        std::vector<uint8_t> marks(rows);
        for (size_t i = 0; i < rows; i++) marks[i] = static_cast<uint8_t>(i % 2 ? 0 : 2 + i % 5);
        std::vector<float> want = in;
        for (size_t k = 0; k < want.size(); k++)
            if (marks[k / width]) want[k] = 0;
        on_every_schedule([&] {
            array<float> d_in(in, c.shift), from(state, c.shift), to(state.size()), other(state.size());
            array<px_bf16> low(bf16s_of(in), c.shift), state_low(state.size());
            array<uint8_t> d_marks(marks);
            px_layer_end_args a = {};
            a.h_prev = d_in, a.reset = d_marks, a.rows = rows, a.width = c.width;
            a.states.copy[0] = {to, from, nullptr};
            a.states.copy[1] = {other, from, state_low};
            a.states.copies = 2, a.states.count = state.size();
            LAUNCHED(px_launch_recurrence_end(&a, device_stream()));
            expect_same("rows cleared in place", d_in.read(), want);
            expect_same("a state", to.read(), state);
            expect_same("another", other.read(), state);
            expect_same("and in bf16", state_low.read(), bf16s_of(state));
            a.h_prev = low, a.element = PX_ELEMENT_BF16, a.states.copies = 0;
            LAUNCHED(px_launch_recurrence_end(&a, device_stream()));
            expect_same("bf16 rows cleared in place", low.read(), bf16s_of(want));
            array<float> alone(state.size());
            px_state_copies s = {};
            s.copy[0] = {alone, from, nullptr}, s.copies = 1, s.count = state.size();
            LAUNCHED(px_launch_recurrence_states(&s, device_stream()));
            expect_same("a state that travels alone", alone.read(), state);
            return d_in.read();
        });
    }
}

void recurrence_dropout_of_a_window_is_the_mask_of_each_step(void **)
{
    for (const step_case &c : cases) {
        const int T = 3;
        const size_t count = static_cast<size_t>(T) * c.n * c.width;
        const std::vector<float> in = numbers(count, 1, 8);
        const px_window_scalars w = window_of(c);
        const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_OUTPUT, 5, c.locked);
        std::vector<double> want(count);
        for (int t = 0, k = 0; t < T; t++)
            for (int i = 0; i < c.n; i++)
                for (int j = 0; j < c.width; j++, k++) want[k] = in[k] * mask_factor(d, w, t, i, c.width, j);
        on_every_schedule([&] {
            array<float> x(in, c.shift);
            array<px_bf16> low(count, c.shift);
            scalar<px_window_scalars> d_window(w);
            const size_t step = static_cast<size_t>(c.n) * c.width;
            LAUNCHED(px_launch_recurrence_dropout(nullptr, low, x, &d, d_window, 0, T, c.n, c.width, device_stream()));
            /* in two pieces */
            LAUNCHED(px_launch_recurrence_dropout(x, nullptr, x, &d, d_window, 0, 1, c.n, c.width, device_stream()));
            float *rest = x.data() + step;
            LAUNCHED(px_launch_recurrence_dropout(rest, nullptr, rest, &d, d_window, 1, T - 1, c.n, c.width,
                                                  device_stream()));
            expect_close("dropped in place", x.read(), want, 1e-7);
            expect_same("dropped, bf16", low.read(), bf16s_of(x.read()));
            return x.read();
        });
    }
}

void recurrence_weight_dropout_masks_weights_and_accumulates_gradients(void **)
{
    for (int h : {1, 2, 33, 64}) {
        const size_t count = static_cast<size_t>(h) * h;
        const std::vector<float> in = numbers(count, 1, 9), before = numbers(count, 1, 10);
        const px_window_scalars w = {77, 0, 1, 1};
        const px_dropout d = dropout_of(0.4, PX_RANDOM_DROPOUT_WEIGHT, 1, 0);
        std::vector<double> masked(count), added(count);
        for (size_t k = 0; k < count; k++) {
            const uint64_t e = w.step * count + k; /* step * h^2 + out * h + in */
            masked[k] = px_random_u32(d.seed, d.purpose, d.layer, e) >= d.threshold
                            ? static_cast<double>(in[k]) * d.scale
                            : 0.0;
            added[k] = before[k] + masked[k];
        }
        const std::vector<double> size(count, 2.0);
        on_every_schedule([&] {
            array<float> d_in(in), out(count), sum(before);
            array<px_bf16> low(count);
            scalar<px_window_scalars> d_window(w);
            LAUNCHED(px_launch_recurrence_weight_dropout(out, low, d_in, &d, d_window, count, 0, device_stream()));
            LAUNCHED(px_launch_recurrence_weight_dropout(sum, nullptr, d_in, &d, d_window, count, 1, device_stream()));
            expect_close("masked weights", out.read(), masked, 1e-7);
            expect_same("masked weights, bf16", low.read(), bf16s_of(out.read()));
            expect_close("gradient +=", sum.read(), added, 2e-7, &size);
            return sum.read();
        });
    }
}

/* Two sets of columns over the same rows, the second the first's one half as wide. */
void column_sums_add_every_row_once_in_one_order(void **)
{
    const struct {
        int rows, cols;
        size_t shift;
    } sizes[] = {{1, 1, 0},    {1, 33, 0},   {128, 5, 0},   {129, 5, 0}, {300, 28, 0},
                 {257, 64, 0}, {40, 250, 0}, {70, 1030, 0}, {500, 2, 1}, {130, 12, 1}};
    for (const auto &s : sizes) {
        const size_t rows = static_cast<size_t>(s.rows), cols = static_cast<size_t>(s.cols), half = (cols + 1) / 2;
        const std::vector<float> in = numbers(rows * cols, 1, 11), before = numbers(cols, 1, 12);
        std::vector<float> left(rows * half);
        for (size_t k = 0; k < left.size(); k++) left[k] = in[k / half * cols + k % half];
        std::vector<double> want(before.begin(), before.end()), size(cols, 1.0);
        for (size_t k = 0; k < in.size(); k++)
            want[k % cols] += in[k], size[k % cols] += std::fabs(static_cast<double>(in[k]));
        const std::vector<double> left_want(want.begin(), want.begin() + static_cast<std::ptrdiff_t>(half));
        on_every_schedule([&] {
            array<float> x(in, s.shift), x_left(left, s.shift), out(before), out_left(before),
                partial(px_column_sum_partial_floats(rows, cols + half));
            px_layer_end_args a = {};
            a.sum[0] = {out, x, partial, s.cols};
            a.sum[1] = {out_left, x_left, partial + px_column_sum_partial_floats(rows, cols),
                        static_cast<int32_t>(half)};
            a.sums = 2, a.rows = rows, a.accumulate = 1;
            LAUNCHED(px_launch_recurrence_end(&a, device_stream()));
            expect_close("column sums", out.read(), want, 3e-7, &size);
            std::vector<float> got = out_left.read();
            expect_same("column sums of others",
                        std::vector<float>(got.begin() + static_cast<std::ptrdiff_t>(half), got.end()),
                        std::vector<float>(before.begin() + static_cast<std::ptrdiff_t>(half), before.end()));
            got.resize(half);
            expect_close("column sums of the left half", got, left_want, 3e-7, &size);
            array<float> written(std::vector<float>(cols, NAN)); /* without accumulate not read */
            a.sum[0].out = written, a.sums = 1, a.accumulate = 0;
            LAUNCHED(px_launch_recurrence_end(&a, device_stream()));
            std::vector<double> alone(want);
            for (size_t j = 0; j < alone.size(); j++) alone[j] -= before[j];
            expect_close("column sums, written", written.read(), alone, 3e-7, &size);
            return out.read();
        });
    }
}

void recurrence_refuses_impossible_sizes(void **)
{
    px_step_forward_args f = {};
    px_step_backward_args b = {};
    assert_int_equal(px_launch_recurrence_forward(&f, device_stream()), cudaErrorInvalidValue);
    assert_int_equal(px_launch_recurrence_backward(&b, device_stream()), cudaErrorInvalidValue);
    f.width = b.width = 1;
    assert_int_equal(px_launch_recurrence_forward(&f, device_stream()), cudaSuccess); /* n = 0 */
    assert_int_equal(px_launch_recurrence_backward(&b, device_stream()), cudaSuccess);
    px_layer_end_args e = {};
    e.sums = 1;
    assert_int_equal(px_launch_recurrence_end(&e, device_stream()), cudaSuccess); /* no rows */
    e.rows = 1;
    assert_int_equal(px_launch_recurrence_end(&e, device_stream()), cudaErrorInvalidValue);
    e.sums = PX_COLUMN_SUMS_MAX + 1;
    assert_int_equal(px_launch_recurrence_end(&e, device_stream()), cudaErrorInvalidValue);
}

} // namespace

int run_recurrence_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recurrence_forward_step_adds_resets_activates_and_drops),
        cmocka_unit_test(recurrence_forward_step_needs_only_what_it_reads),
        cmocka_unit_test(recurrence_backward_step_masks_resets_and_multiplies_by_the_slope),
        cmocka_unit_test(the_end_of_a_layer_clears_marked_rows_and_takes_states_along),
        cmocka_unit_test(recurrence_dropout_of_a_window_is_the_mask_of_each_step),
        cmocka_unit_test(recurrence_weight_dropout_masks_weights_and_accumulates_gradients),
        cmocka_unit_test(column_sums_add_every_row_once_in_one_order),
        cmocka_unit_test(recurrence_refuses_impossible_sizes),
    };
    return cmocka_run_group_tests_name("recurrence", tests, nullptr, nullptr);
}
