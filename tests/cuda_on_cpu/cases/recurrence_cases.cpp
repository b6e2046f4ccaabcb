/* Cases of the recurrence: a step with its product, by every variant; steps of gates; what stands around the steps. */
#include "device_time.h"
#include "kernel_cases.h"

namespace cases
{
namespace
{

/* ---- a step of a one-gate cell, product included
 * ---------------------------------------------------------------------- */

struct step_shape {
    int n, h;
    px_element type;
    bool large;
};

const step_shape steps[] = {
    {1, 33, PX_ELEMENT_FP32, false},   {3, 64, PX_ELEMENT_FP32, false},   {9, 36, PX_ELEMENT_BF16, false},
    {5, 31, PX_ELEMENT_BF16, false},   {1, 256, PX_ELEMENT_FP32, true},   {32, 64, PX_ELEMENT_FP32, true},
    {32, 128, PX_ELEMENT_FP32, true},  {32, 256, PX_ELEMENT_FP32, true},  {128, 256, PX_ELEMENT_FP32, true},
    {32, 512, PX_ELEMENT_FP32, true},  {128, 512, PX_ELEMENT_FP32, true}, {32, 128, PX_ELEMENT_BF16, true},
    {32, 256, PX_ELEMENT_BF16, true},  {32, 512, PX_ELEMENT_BF16, true},  {128, 512, PX_ELEMENT_BF16, true},
    {16, 1024, PX_ELEMENT_BF16, true},
};

/* Arrays of a step either way: x is H_{t-1} or dZ_{t+1}; values are those of d_output or of the input's term. */
struct step_arrays {
    step_shape s;
    std::vector<float> x, w, values, h, bias;
    operand d_x, d_w;
    array<float> d_values, d_h, d_bias, product, result;
    explicit step_arrays(const step_shape &shape)
        : s(shape), x(rounded(numbers(count(), 1, 1), s.type)),
          w(rounded(numbers(static_cast<size_t>(s.h) * s.h, 1 / std::sqrt(s.h), 2), s.type)),
          values(numbers(count(), 1, 3)), h(numbers(count(), 1, 4)), bias(numbers(static_cast<size_t>(s.h), 1, 5)),
          d_x(x, s.type), d_w(w, s.type), d_values(values), d_h(h), d_bias(bias), product(count()), result(count())
    {
    }
    size_t count() const { return static_cast<size_t>(s.n) * s.h; }
    /* Row i of x times W^T (forward) or W, column j. */
    double dot(int i, int j, bool transposed) const
    {
        double sum = 0;
        for (int k = 0; k < s.h; k++)
            sum += static_cast<double>(x[static_cast<size_t>(i) * s.h + k]) *
                   w[transposed ? static_cast<size_t>(j) * s.h + k : static_cast<size_t>(k) * s.h + j];
        return sum;
    }
    double bytes() const
    {
        return static_cast<double>(bytes_of(s.type) * (x.size() + w.size()) + sizeof(float) * 2 * x.size());
    }
    double flops() const { return 2.0 * s.n * s.h * s.h; }
};

px_step_forward_args forward_args(const step_arrays &a)
{
    px_step_forward_args args = {};
    args.xz = a.d_values, args.bias = a.d_bias, args.h = a.result;
    args.cell = PX_CELL_TANH;
    args.n = a.s.n, args.width = a.s.h;
    return args;
}

px_step_backward_args backward_args(const step_arrays &a)
{
    px_step_backward_args args = {};
    args.d_output = a.d_values, args.h = a.d_h, args.dz = a.result;
    args.cell = PX_CELL_TANH;
    args.n = a.s.n, args.width = a.s.h;
    return args;
}

verdict check_forward(const step_arrays &a)
{
    verdict v;
    std::vector<double> want(a.count());
    for (int i = 0; i < a.s.n; i++)
        for (int j = 0; j < a.s.h; j++) {
            const size_t at = static_cast<size_t>(i) * a.s.h + j;
            want[at] = std::tanh(static_cast<double>(a.values[at]) + a.bias[j] + a.dot(i, j, true));
        }
    v.compare("h", a.result.read(), want, 1e-6, std::vector<double>(a.count(), 4.0));
    return v;
}

verdict check_backward(const step_arrays &a)
{
    verdict v;
    std::vector<double> want(a.count());
    for (int i = 0; i < a.s.n; i++)
        for (int j = 0; j < a.s.h; j++) {
            const size_t at = static_cast<size_t>(i) * a.s.h + j;
            const double h = a.h[at];
            want[at] = (a.values[at] + a.dot(i, j, false)) * (1 - h * h);
        }
    v.compare("dz", a.result.read(), want, 1e-6, std::vector<double>(a.count(), 4.0));
    return v;
}

cudaError_t step_forward(const step_arrays &a)
{
    px_step_forward_args args = forward_args(a);
    args.recurrent = a.product;
    const cudaError_t error =
        device_product(a.s.n, a.s.h, a.s.h, a.d_x.data(), a.d_w.data(), true, a.s.type, a.product);
    return error != cudaSuccess ? error : px_launch_recurrence_forward(&args, device_stream());
}

cudaError_t fused_forward(const step_arrays &a)
{
    const px_fused_forward_args args = {forward_args(a), a.d_x.data(), a.d_w.data(), a.s.type};
    return px_launch_recurrence_fused_forward(&args, device_stream());
}

cudaError_t step_backward(const step_arrays &a)
{
    px_step_backward_args args = backward_args(a);
    args.recurrent = a.product;
    const cudaError_t error =
        device_product(a.s.n, a.s.h, a.s.h, a.d_x.data(), a.d_w.data(), false, a.s.type, a.product);
    return error != cudaSuccess ? error : px_launch_recurrence_backward(&args, device_stream());
}

cudaError_t fused_backward(const step_arrays &a)
{
    const px_fused_backward_args args = {backward_args(a), a.d_x.data(), a.d_w.data(), a.s.type};
    return px_launch_recurrence_fused_backward(&args, device_stream());
}

/* The variants: a further one is a further row. */
const struct {
    const char *kernel, *variant;
    cudaError_t (*launch)(const step_arrays &);
    verdict (*check)(const step_arrays &);
} step_variants[] = {
    {"recurrence_forward", "step", step_forward, check_forward},
    {"recurrence_forward", "fused", fused_forward, check_forward},
    {"recurrence_backward", "step", step_backward, check_backward},
    {"recurrence_backward", "fused", fused_backward, check_backward},
};

void add_steps(list &to)
{
    for (const step_shape &s : steps)
        for (const auto &v : step_variants)
            to.push_back({v.kernel, v.variant, text("n=%d h=%d %s", s.n, s.h, name_of(s.type)), s.large, [s, v] {
                              auto a = std::make_shared<step_arrays>(s);
                              return ready{[a, v] { return v.launch(*a); }, [a, v] { return v.check(*a); }, a->bytes(),
                                           a->flops()};
                          }});
}

/* ---- around the steps
 * ------------------------------------------------------------------------------------------------------ */

struct matrix_shape {
    int rows, cols;
    px_element type;
    size_t shift; /* off the alignment: elements one by one */
    bool large;
};

const matrix_shape matrices[] = {
    {3, 33, PX_ELEMENT_FP32, 0, false},     {300, 36, PX_ELEMENT_FP32, 0, false},
    {140, 40, PX_ELEMENT_BF16, 0, false},   {130, 40, PX_ELEMENT_BF16, 1, false},
    {2048, 512, PX_ELEMENT_FP32, 0, true},  {2048, 512, PX_ELEMENT_BF16, 0, true},
    {640, 10000, PX_ELEMENT_FP32, 0, true}, {16384, 512, PX_ELEMENT_FP32, 0, true},
};

/* Bias gradients of dZ [rows,cols], and H_{t-1} [rows,cols] of `type` with every third row cleared. */
ready layer_end(const matrix_shape &s)
{
    const size_t rows = static_cast<size_t>(s.rows), cols = static_cast<size_t>(s.cols), count = rows * cols;
    const std::vector<float> in = numbers(count, 1, 11), before = numbers(cols, 1, 12),
                             h = rounded(numbers(count, 1, 13), s.type);
    std::vector<uint8_t> marks(rows);
    for (size_t i = 0; i < rows; i++) marks[i] = i % 3 == 1;
    auto d_in = std::make_shared<array<float>>(in, s.shift), out = std::make_shared<array<float>>(before),
         partial = std::make_shared<array<float>>(px_column_sum_partial_floats(rows, cols));
    auto d_h = std::make_shared<operand>(h, s.type, s.shift);
    auto d_marks = std::make_shared<array<uint8_t>>(marks);
    const auto launch = [=] {
        px_layer_end_args a = {};
        a.sum[0] = {*out, *d_in, *partial, s.cols};
        a.sums = a.accumulate = 1;
        a.h_prev = d_h->data(), a.reset = *d_marks, a.element = s.type, a.rows = rows, a.width = s.cols;
        return px_launch_recurrence_end(&a, device_stream());
    };
    const auto check = [=] {
        verdict v;
        std::vector<double> want(before.begin(), before.end()), size(cols, 1.0), kept(h.begin(), h.end());
        for (size_t i = 0; i < count; i++) want[i % cols] += in[i], size[i % cols] += std::fabs(in[i]);
        for (size_t i = 0; i < count; i++)
            if (marks[i / cols]) kept[i] = 0;
        v.compare("column sums", out->read(), want, 1e-6, size);
        v.compare("rows that are reset", d_h->read(), kept, 1e-7);
        return v;
    };
    return {launch, check, static_cast<double>(count * (sizeof(float) + bytes_of(s.type) / 3.0)),
            static_cast<double>(count)};
}

/* Dropout over a window of one stream: rows are steps. */
ready dropout(const matrix_shape &s)
{
    const size_t count = static_cast<size_t>(s.rows) * s.cols;
    const std::vector<float> in = numbers(count, 1, 14);
    const px_window_scalars w = {7, 0, 1, 1};
    const px_dropout d = dropout_of(0.3, PX_RANDOM_DROPOUT_BETWEEN, s.rows, 0);
    auto from = std::make_shared<array<float>>(in, s.shift), to = std::make_shared<array<float>>(count, s.shift);
    auto window = std::make_shared<scalar<px_window_scalars>>(w);
    const auto launch = [=] {
        return px_launch_recurrence_dropout(*to, nullptr, *from, &d, *window, 0, s.rows, 1, s.cols, device_stream());
    };
    const auto check = [=] {
        verdict v;
        std::vector<double> want(count);
        for (size_t i = 0; i < count; i++)
            want[i] = in[i] * mask_factor(d, w, static_cast<int>(i / static_cast<size_t>(s.cols)), 0, s.cols,
                                          static_cast<int>(i % static_cast<size_t>(s.cols)));
        v.compare("dropped", to->read(), want, 1e-6);
        return v;
    };
    return {launch, check, 2.0 * static_cast<double>(count * sizeof(float)), 0};
}

const struct {
    const char *kernel;
    ready (*make)(const matrix_shape &);
} matrix_kernels[] = {{"recurrence_end", layer_end}, {"recurrence_dropout", dropout}};

void add_matrices(list &to)
{
    for (const auto &k : matrix_kernels)
        for (const matrix_shape &s : matrices)
            to.push_back({k.kernel, s.shift || s.cols % 4 ? "elements" : "quads",
                          text("%d x %d %s", s.rows, s.cols, name_of(s.type)), s.large, [k, s] { return k.make(s); }});
}

} // namespace

void add_recurrence(list &to)
{
    add_steps(to);
    add_matrices(to);
}

} // namespace cases
