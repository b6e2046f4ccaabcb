/* Cases of the output layer: losses by each of their ways (a warp or a block for a row, two reads), probabilities, the
 * sums over rows. */
#include "kernel_cases.h"

namespace cases
{
namespace
{

struct head_shape {
    const char *variant; /* "loss only", or how a row's gradient is computed */
    int rows, V;
    px_element type;
    bool large;
};

const head_shape shapes[] = {
    {"warp", 5, 28, PX_ELEMENT_FP32, false},        {"warp", 3, 250, PX_ELEMENT_BF16, false},
    {"warp", 2, 512, PX_ELEMENT_FP32, false},       {"block", 2, 1100, PX_ELEMENT_FP32, false},
    {"block", 2, 1101, PX_ELEMENT_BF16, false},     {"block", 2, 6000, PX_ELEMENT_FP32, false},
    {"block", 1, 13000, PX_ELEMENT_FP32, false},    {"wide", 1, 20500, PX_ELEMENT_FP32, false},
    {"loss only", 2, 1100, PX_ELEMENT_FP32, false}, {"warp", 2048, 28, PX_ELEMENT_FP32, true},
    {"warp", 16384, 28, PX_ELEMENT_FP32, true},     {"warp", 4096, 256, PX_ELEMENT_FP32, true},
    {"block", 2048, 4000, PX_ELEMENT_BF16, true},   {"block", 16384, 10000, PX_ELEMENT_FP32, true},
    {"block", 16384, 10000, PX_ELEMENT_BF16, true}, {"block", 2048, 20000, PX_ELEMENT_BF16, true},
    {"wide", 2048, 33278, PX_ELEMENT_FP32, true},   {"wide", 2048, 33278, PX_ELEMENT_BF16, true},
    {"wide", 2048, 50257, PX_ELEMENT_BF16, true},   {"loss only", 2048, 33278, PX_ELEMENT_FP32, true},
};

struct head_arrays {
    head_shape s;
    size_t ld; /* V rounded up to 64 */
    std::vector<float> start, bias;
    std::vector<int32_t> targets;
    operand logits;
    array<float> d_bias, nll, partial, bias_gradient;
    array<int32_t> d_targets;
    scalar<px_window_scalars> window;
    scalar<px_device_metrics> metrics;
    explicit head_arrays(const head_shape &shape)
        : s(shape), ld((static_cast<size_t>(s.V) + 63) / 64 * 64),
          start(numbers(static_cast<size_t>(s.rows) * ld, 3, 1)), bias(numbers(ld, 1, 2)),
          targets(integers(static_cast<size_t>(s.rows), s.V, 3)), logits(start, s.type), d_bias(bias),
          nll(targets.size()), partial(px_head_segments(targets.size()) * ld), bias_gradient(ld), d_targets(targets),
          window(px_window_scalars{0, 0, 1, 1.0 / 37}), metrics(px_device_metrics{})
    {
        if (s.type == PX_ELEMENT_BF16) start = floats_of(bf16s_of(start));
    }
    bool gradient() const { return std::strcmp(s.variant, "loss only") != 0; }
};

/* -log softmax of a row and its softmax. Logits are rounded sums, as the kernels have them. */
double reference_row(const head_arrays &a, size_t row, std::vector<double> &softmax)
{
    const size_t V = static_cast<size_t>(a.s.V);
    double max = -INFINITY, sum = 0;
    for (size_t j = 0; j < V; j++)
        max = std::max(max, softmax[j] = static_cast<double>(a.start[row * a.ld + j] + a.bias[j]));
    for (size_t j = 0; j < V; j++) sum += softmax[j] = std::exp(softmax[j] - max);
    for (size_t j = 0; j < V; j++) softmax[j] /= sum;
    return -std::log(softmax[static_cast<size_t>(a.targets[row])]);
}

/* Timed again and again it works on its own gradients, whose every row is as good as another. */
cudaError_t launch_loss(const head_arrays &a)
{
    px_head_args args = {};
    args.logits = a.logits.data(), args.type = a.s.type, args.gradient = a.gradient();
    args.bias = a.d_bias, args.targets = a.d_targets, args.nll = a.nll, args.window = a.window;
    args.partial = a.gradient() ? static_cast<float *>(a.partial) : nullptr;
    args.rows = a.targets.size(), args.ld = a.ld, args.V = a.s.V;
    args.shared_bytes = device_shared_bytes();
    return px_launch_head_loss(&args, device_stream());
}

cudaError_t launch_sum(const head_arrays &a)
{
    px_head_sum_args args = {};
    args.metrics = a.metrics, args.nll = a.nll, args.targets = a.d_targets;
    args.d_bias = a.bias_gradient, args.partial = a.partial;
    args.rows = a.targets.size(), args.segments = px_head_segments(args.rows), args.ld = a.ld, args.training = 1;
    return px_launch_head_sum(&args, device_stream());
}

struct head_want {
    std::vector<double> nll, gradient, size, d_bias, d_bias_size;
};

head_want reference_head(const head_arrays &a)
{
    const size_t rows = a.targets.size(), V = static_cast<size_t>(a.s.V);
    head_want w = {std::vector<double>(rows), std::vector<double>(rows * a.ld), std::vector<double>(rows * a.ld, 1e-9),
                   std::vector<double>(a.ld), std::vector<double>(a.ld, 1e-9)};
    std::vector<double> softmax(V);
    for (size_t i = 0; i < rows; i++) {
        w.nll[i] = reference_row(a, i, softmax);
        for (size_t j = 0; j < V; j++) {
            const double d = (softmax[j] - (static_cast<int>(j) == a.targets[i] ? 1 : 0)) / 37;
            w.gradient[i * a.ld + j] = d;
            w.size[i * a.ld + j] += std::fabs(d);
            w.d_bias[j] += d;
            w.d_bias_size[j] += std::fabs(d);
        }
    }
    return w;
}

verdict check_loss(const head_arrays &a)
{
    verdict v;
    const head_want want = reference_head(a);
    v.compare("nll", a.nll.read(), want.nll, 2e-6);
    if (!a.gradient()) return v;
    v.compare("gradient", a.logits.read(), want.gradient, a.s.type == PX_ELEMENT_BF16 ? 0.0040 : 3e-6, want.size);
    return v;
}

verdict check_sum(const head_arrays &a)
{
    verdict v;
    const head_want want = reference_head(a);
    v.compare("d_bias", a.bias_gradient.read(), want.d_bias, 1e-5, want.d_bias_size);
    return v;
}

void add_loss(list &to)
{
    for (const head_shape &s : shapes)
        to.push_back({"head_loss", s.variant, text("rows=%d V=%d %s", s.rows, s.V, name_of(s.type)), s.large, [s] {
                          auto a = std::make_shared<head_arrays>(s);
                          const double logits = static_cast<double>(a->start.size()) * (a->gradient() ? 2 : 1);
                          return ready{[a] { return launch_loss(*a); }, [a] { return check_loss(*a); },
                                       logits * static_cast<double>(bytes_of(s.type)), 0};
                      }});
}

/* What the losses' kernel has left, added up. */
void add_sum(list &to)
{
    for (const head_shape &s : shapes) {
        if (std::strcmp(s.variant, "loss only") == 0) continue;
        to.push_back({"head_sum", s.variant, text("rows=%d V=%d %s", s.rows, s.V, name_of(s.type)), s.large, [s] {
                          auto a = std::make_shared<head_arrays>(s);
                          const cudaError_t error = launch_loss(*a);
                          return ready{[a, error] { return error == cudaSuccess ? launch_sum(*a) : error; },
                                       [a] { return check_sum(*a); },
                                       static_cast<double>(sizeof(float) * px_head_segments(a->targets.size()) * a->ld),
                                       0};
                      }});
    }
}

void add_softmax(list &to)
{
    for (const head_shape &s : shapes) {
        if (s.type != PX_ELEMENT_FP32) continue;
        to.push_back({"head_softmax", s.V % 4 ? "elements" : "quads", text("rows=%d V=%d", s.rows, s.V), s.large, [s] {
                          auto a = std::make_shared<head_arrays>(s);
                          const size_t rows = a->targets.size(), V = static_cast<size_t>(s.V);
                          auto p = std::make_shared<array<float>>(rows * V);
                          const auto launch = [a, p, rows] {
                              return px_launch_head_softmax(*p, static_cast<float *>(a->logits.data()), a->d_bias, rows,
                                                            a->s.V, a->ld, device_stream());
                          };
                          const auto check = [a, p, rows, V] {
                              verdict v;
                              std::vector<double> want(rows * V), softmax(V);
                              for (size_t i = 0; i < rows; i++) {
                                  reference_row(*a, i, softmax);
                                  std::copy(softmax.begin(), softmax.end(),
                                            want.begin() + static_cast<std::ptrdiff_t>(i * V));
                              }
                              v.compare("probabilities", p->read(), want, 3e-6);
                              return v;
                          };
                          return ready{launch, check, 2.0 * sizeof(float) * static_cast<double>(rows * V), 0};
                      }});
    }
}

} // namespace

void add_head(list &to)
{
    add_loss(to);
    add_sum(to);
    add_softmax(to);
}

} // namespace cases
