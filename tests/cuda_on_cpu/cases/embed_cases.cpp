/* Cases of the embedding: rows of a table for tokens, and the gradient of the table, with and without dropout. */
#include "kernel_cases.h"

#include <algorithm>
#include <numeric>

namespace cases
{
namespace
{

struct embed_shape {
    int T, n, width, V;
    double p;
    bool large;
};

const embed_shape shapes[] = {
    {5, 7, 36, 28, 0, false},    {5, 7, 33, 28, 0.3, false},     {9, 13, 64, 5, 0.25, false},
    {4, 8, 8, 1000, 0, false},   {2, 32, 512, 28, 0, true},      {35, 32, 512, 28, 0, true},
    {128, 32, 512, 28, 0, true}, {64, 256, 512, 10000, 0, true}, {64, 64, 512, 10000, 0.3, true},
};

struct embed_arrays {
    embed_shape s;
    size_t rows, width;
    std::vector<int32_t> tokens, order;
    std::vector<float> table, dx;
    px_window_scalars w;
    px_dropout d;
    array<float> d_table, d_rows, partial;
    array<int32_t> d_tokens, d_order;
    scalar<px_window_scalars> window;
    explicit embed_arrays(const embed_shape &shape)
        : s(shape), rows(static_cast<size_t>(s.T) * s.n), width(static_cast<size_t>(s.width)),
          tokens(integers(rows, s.V, 1)), order(sorted(tokens)), table(numbers(static_cast<size_t>(s.V) * width, 1, 2)),
          dx(numbers(rows * width, 1, 3)), w{5, 0, static_cast<uint32_t>(s.n), 1},
          d(dropout_of(s.p, PX_RANDOM_DROPOUT_INPUT, s.T, 0)), d_table(table), d_rows(dx),
          partial(px_embed_partial_floats(rows, width)), d_tokens(tokens), d_order(order), window(w)
    {
    }
    static std::vector<int32_t> sorted(const std::vector<int32_t> &tokens)
    {
        std::vector<int32_t> order(tokens.size());
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return tokens[a] < tokens[b]; });
        return order;
    }
    double factor(size_t row, size_t j) const
    {
        return mask_factor(d, w, static_cast<int>(row) / s.n, static_cast<int>(row) % s.n, s.width,
                           static_cast<int>(j));
    }
    double bytes() const { return 2.0 * sizeof(float) * static_cast<double>(rows * width); }
};

cudaError_t launch_forward(const embed_arrays &a)
{
    px_embed_args args = {};
    args.table = a.d_table, args.tokens = a.d_tokens, args.out = a.d_rows, args.window = a.window, args.dropout = a.d;
    args.T = a.s.T, args.n = a.s.n, args.width = a.s.width;
    return px_launch_embed_forward(&args, device_stream());
}

verdict check_forward(const embed_arrays &a)
{
    verdict v;
    std::vector<double> want(a.rows * a.width);
    for (size_t i = 0; i < want.size(); i++)
        want[i] = a.table[static_cast<size_t>(a.tokens[i / a.width]) * a.width + i % a.width] *
                  a.factor(i / a.width, i % a.width);
    v.compare("rows", a.d_rows.read(), want, 1e-7);
    return v;
}

cudaError_t launch_backward(const embed_arrays &a)
{
    px_embed_backward_args args = {};
    args.dx = a.d_rows, args.tokens = a.d_tokens, args.order = a.d_order, args.dtable = a.d_table,
    args.partial = a.partial, args.window = a.window;
    args.dropout = a.d;
    args.T = a.s.T, args.n = a.s.n, args.width = a.s.width;
    return px_launch_embed_backward(&args, device_stream());
}

verdict check_backward(const embed_arrays &a)
{
    verdict v;
    std::vector<double> want(a.table.begin(), a.table.end()), size(want.size(), 1.0);
    for (size_t i = 0; i < a.rows * a.width; i++) {
        const size_t at = static_cast<size_t>(a.tokens[i / a.width]) * a.width + i % a.width;
        const double x = a.dx[i] * a.factor(i / a.width, i % a.width);
        want[at] += x, size[at] += std::fabs(x);
    }
    v.compare("dtable", a.d_table.read(), want, 1e-6, size);
    return v;
}

const struct {
    const char *kernel;
    cudaError_t (*launch)(const embed_arrays &);
    verdict (*check)(const embed_arrays &);
} kernels[] = {{"embed_forward", launch_forward, check_forward}, {"embed_backward", launch_backward, check_backward}};

} // namespace

void add_embed(list &to)
{
    for (const embed_shape &s : shapes)
        for (const auto &k : kernels)
            to.push_back(
                {k.kernel, s.width % 4 ? "elements" : "quads",
                 text("T=%d n=%d d=%d V=%d dropout=%g", s.T, s.n, s.width, s.V, s.p), s.large, [s, k] {
                     auto a = std::make_shared<embed_arrays>(s);
                     return ready{[a, k] { return k.launch(*a); }, [a, k] { return k.check(*a); }, a->bytes(), 0};
                 }});
}

} // namespace cases
