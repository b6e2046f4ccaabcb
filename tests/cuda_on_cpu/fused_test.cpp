/* recurrence_fused.cu against plain loops: a step and its product in one kernel, forward and back, in both operand
 * types. */
#include "kernel_test.h"

namespace
{

struct fused_case {
    int n, width;
    px_cell cell;
    bool reset;
    double p;
    size_t shift; /* off the alignment */
};

/* Widths around quads (4), a block's columns (16) and slices of k (32); streams around a block's rows (8). */
const fused_case cases[] = {
    {1, 1, PX_CELL_TANH, false, 0, 0},   {1, 33, PX_CELL_TANH, true, 0.5, 0},  {9, 36, PX_CELL_RELU, true, 0.3, 0},
    {8, 64, PX_CELL_TANH, false, 0, 0},  {5, 31, PX_CELL_RELU, true, 0, 0},    {7, 16, PX_CELL_TANH, true, 0, 1},
    {17, 130, PX_CELL_TANH, true, 0, 0}, {2, 260, PX_CELL_TANH, true, 0.2, 0},
};
enum { STEP = 3 };

std::vector<uint8_t> marks_of(const fused_case &c)
{
    std::vector<uint8_t> marks(static_cast<size_t>(c.n));
    for (size_t i = 0; i < marks.size(); i++) marks[i] = c.reset && i % 3 == 0 ? 1 : 0;
    return marks;
}

/* x [n,width], w [width,width] as the operands of a product, whatever their type. */
struct operands {
    std::vector<float> x, w;
    array<float> d_x, d_w;
    array<px_bf16> d_x_bf16, d_w_bf16;
    px_element type;
    operands(const fused_case &c, px_element t, double scale)
        : x(rounded(numbers(static_cast<size_t>(c.n) * c.width, scale, 1), t)),
          w(rounded(numbers(static_cast<size_t>(c.width) * c.width, 1 / std::sqrt(c.width), 2), t)), d_x(x, c.shift),
          d_w(w, c.shift), d_x_bf16(bf16s_of(x), c.shift), d_w_bf16(bf16s_of(w), c.shift), type(t)
    {
    }
    static std::vector<float> rounded(std::vector<float> v, px_element t)
    {
        return t == PX_ELEMENT_BF16 ? floats_of(bf16s_of(v)) : v;
    }
    const void *x_place() const
    {
        return type == PX_ELEMENT_BF16 ? static_cast<const void *>(d_x_bf16.data()) : d_x.data();
    }
    const void *w_place() const
    {
        return type == PX_ELEMENT_BF16 ? static_cast<const void *>(d_w_bf16.data()) : d_w.data();
    }
};

/* Row i of x times W^T (forward) or W (backward), column j. */
double product(const operands &o, int width, int i, int j, bool transposed)
{
    double sum = 0;
    for (int k = 0; k < width; k++)
        sum += static_cast<double>(o.x[static_cast<size_t>(i) * width + k]) *
               o.w[transposed ? static_cast<size_t>(j) * width + k : static_cast<size_t>(k) * width + j];
    return sum;
}

void check_forward(const fused_case &c, px_element type)
{
    const size_t count = static_cast<size_t>(c.n) * c.width;
    const operands o(c, type, 1);
    const std::vector<float> xz = numbers(count, 1, 3), bias = numbers(static_cast<size_t>(c.width), 1, 4);
    const std::vector<uint8_t> marks = marks_of(c);
    const px_window_scalars w = {5, 2, static_cast<uint32_t>(c.n) + 3, 0.5};
    const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_BETWEEN, 8, 0);
    std::vector<double> h(count), output(count);
    for (int i = 0; i < c.n; i++)
        for (int j = 0; j < c.width; j++) {
            const size_t at = static_cast<size_t>(i) * c.width + j;
            const double z = static_cast<double>(xz[at]) + bias[j] + (marks[i] ? 0 : product(o, c.width, i, j, true));
            h[at] = c.cell == PX_CELL_TANH ? std::tanh(z) : z > 0 ? z : 0;
            output[at] = h[at] * mask_factor(d, w, STEP, i, c.width, j);
        }
    const std::vector<double> size(count, 4.0);
    on_every_schedule([&] {
        array<float> d_h(xz, c.shift), d_bias(bias), d_output(count, c.shift);
        array<px_bf16> h_bf16(count, c.shift);
        array<uint8_t> d_marks(marks);
        scalar<px_window_scalars> d_window(w);
        px_fused_forward_args a = {};
        a.step.xz = a.step.h = d_h; /* in place, as the engine has it */
        a.step.bias = d_bias;
        a.step.reset = c.reset ? d_marks.data() : nullptr;
        a.step.output = d_output;
        a.step.h_bf16 = h_bf16;
        a.step.window = d_window;
        a.step.dropout = d;
        a.step.cell = c.cell;
        a.step.n = c.n, a.step.width = c.width, a.step.t = STEP;
        a.h_before = o.x_place(), a.w_hh = o.w_place();
        a.operand = type;
        LAUNCHED(px_launch_recurrence_fused_forward(&a, device_stream()));
        std::vector<float> out = d_h.read();
        expect_close("h", out, h, 1e-6, &size);
        expect_close("output", d_output.read(), output, 2e-6, &size);
        expect_same("h, bf16", h_bf16.read(), bf16s_of(out));
        return out;
    });
}

void check_backward(const fused_case &c, px_element type, bool last)
{
    const size_t count = static_cast<size_t>(c.n) * c.width;
    const operands o(c, type, 1);
    const std::vector<float> d_output = numbers(count, 1, 5), h = numbers(count, 1, 6);
    const std::vector<uint8_t> marks = marks_of(c);
    const px_window_scalars w = {5, 2, static_cast<uint32_t>(c.n) + 3, 0.5};
    const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_OUTPUT, 8, 0);
    std::vector<double> dz(count);
    for (int i = 0; i < c.n; i++)
        for (int j = 0; j < c.width; j++) {
            const size_t at = static_cast<size_t>(i) * c.width + j;
            const double back = last || marks[i] ? 0 : product(o, c.width, i, j, false), x = h[at];
            dz[at] =
                (d_output[at] * mask_factor(d, w, STEP, i, c.width, j) + back) * (c.cell == PX_CELL_TANH ? 1 - x * x
                                                                                  : x > 0                ? 1
                                                                                                         : 0);
        }
    const std::vector<double> size(count, 4.0);
    on_every_schedule([&] {
        array<float> d_dz(d_output, c.shift), d_h(h, c.shift);
        array<px_bf16> dz_bf16(count, c.shift);
        array<uint8_t> d_marks(marks);
        scalar<px_window_scalars> d_window(w);
        px_fused_backward_args a = {};
        a.step.d_output = a.step.dz = d_dz;
        a.step.h = d_h;
        a.step.reset_next = c.reset && !last ? d_marks.data() : nullptr;
        a.step.dz_bf16 = dz_bf16;
        a.step.window = d_window;
        a.step.dropout = d;
        a.step.cell = c.cell;
        a.step.n = c.n, a.step.width = c.width, a.step.t = STEP;
        a.dz_after = last ? nullptr : o.x_place(), a.w_hh = o.w_place();
        a.operand = type;
        LAUNCHED(px_launch_recurrence_fused_backward(&a, device_stream()));
        std::vector<float> out = d_dz.read();
        expect_close("dz", out, dz, 1e-6, &size);
        expect_same("dz, bf16", dz_bf16.read(), bf16s_of(out));
        return out;
    });
}

void fused_forward_is_the_product_and_the_step(void **)
{
    for (const fused_case &c : cases) {
        check_forward(c, PX_ELEMENT_FP32);
        check_forward(c, PX_ELEMENT_BF16);
    }
}

void fused_backward_is_the_product_and_the_step(void **)
{
    for (const fused_case &c : cases)
        for (const bool last : {false, true}) {
            check_backward(c, PX_ELEMENT_FP32, last);
            check_backward(c, PX_ELEMENT_BF16, last);
        }
}

void fused_refuses_what_it_has_no_place_for(void **)
{
    px_fused_forward_args f = {};
    px_fused_backward_args b = {};
    f.step.n = b.step.n = 1;
    assert_int_equal(px_launch_recurrence_fused_forward(&f, device_stream()), cudaErrorInvalidValue); /* no width */
    assert_int_equal(px_launch_recurrence_fused_backward(&b, device_stream()), cudaErrorInvalidValue);
    f.step.width = b.step.width = 4;
    assert_int_equal(px_launch_recurrence_fused_forward(&f, device_stream()),
                     cudaErrorInvalidValue); /* no state before */
    scalar<float> product(0.0f);
    b.step.recurrent = product; /* it makes its own */
    assert_int_equal(px_launch_recurrence_fused_backward(&b, device_stream()), cudaErrorInvalidValue);
    b.step.recurrent = nullptr;
    b.step.n = 0;
    assert_int_equal(px_launch_recurrence_fused_backward(&b, device_stream()), cudaSuccess);
}

} // namespace

int run_fused_tests()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(fused_forward_is_the_product_and_the_step),
        cmocka_unit_test(fused_backward_is_the_product_and_the_step),
        cmocka_unit_test(fused_refuses_what_it_has_no_place_for),
    };
    return cmocka_run_group_tests_name("fused", tests, nullptr, nullptr);
}
