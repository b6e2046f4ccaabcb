/* Cases of the output layer: the loss by each of its ways (a warp, shared memory, or two reads for a row),
 * probabilities, the sum. */
#include "kernel_cases.h"

namespace cases
{
namespace
{

struct head_shape {
    const char *variant;
    int rows, V;
    px_element type; /* of the gradient; logits are fp32 */
    bool large;
};

const head_shape shapes[] = {
    {"warp", 5, 28, PX_ELEMENT_FP32, false},       {"warp", 3, 250, PX_ELEMENT_BF16, false},
    {"warp", 2, 1024, PX_ELEMENT_FP32, false},     {"shared", 2, 1100, PX_ELEMENT_FP32, false},
    {"shared", 2, 1101, PX_ELEMENT_BF16, false},   {"wide", 1, 13000, PX_ELEMENT_FP32, false},
    {"warp", 2048, 28, PX_ELEMENT_FP32, true},     {"warp", 16384, 28, PX_ELEMENT_FP32, true},
    {"warp", 4096, 256, PX_ELEMENT_FP32, true},    {"shared", 640, 10000, PX_ELEMENT_FP32, true},
    {"shared", 640, 10000, PX_ELEMENT_BF16, true}, {"wide", 256, 33278, PX_ELEMENT_FP32, true},
    {"shared", 256, 33278, PX_ELEMENT_FP32, true}, {"wide", 256, 50257, PX_ELEMENT_BF16, true},
};

struct head_arrays {
    head_shape s;
    std::vector<float> logits, bias;
    std::vector<int32_t> targets;
    array<float> d_logits, d_bias, nll;
    operand gradient;
    array<int32_t> d_targets;
    scalar<px_window_scalars> window;
    explicit head_arrays(const head_shape &shape)
        : s(shape), logits(numbers(static_cast<size_t>(s.rows) * s.V, 3, 1)),
          bias(numbers(static_cast<size_t>(s.V), 1, 2)), targets(integers(static_cast<size_t>(s.rows), s.V, 3)),
          d_logits(logits), d_bias(bias), nll(targets.size()), gradient(std::vector<float>(logits.size()), s.type),
          d_targets(targets), window(px_window_scalars{0, 0, 1, 1.0 / 37})
    {
    }
};

/* -log softmax of a row and, where asked for, its softmax. Logits are rounded sums, as the kernels have them. */
double reference_row(const head_arrays &a, size_t row, std::vector<double> &softmax)
{
    const size_t V = static_cast<size_t>(a.s.V);
    double max = -INFINITY, sum = 0;
    for (size_t j = 0; j < V; j++)
        max = std::max(max, softmax[j] = static_cast<double>(a.logits[row * V + j] + a.bias[j]));
    for (size_t j = 0; j < V; j++) sum += softmax[j] = std::exp(softmax[j] - max);
    for (size_t j = 0; j < V; j++) softmax[j] /= sum;
    return -std::log(softmax[static_cast<size_t>(a.targets[row])]);
}

cudaError_t launch_loss(const head_arrays &a)
{
    px_head_args args = {};
    args.logits = a.d_logits.data(), args.dlogits = a.gradient.data();
    args.logits_type = PX_ELEMENT_FP32, args.dlogits_type = a.s.type;
    args.bias = a.d_bias, args.targets = a.d_targets, args.nll = a.nll, args.window = a.window;
    args.rows = a.targets.size(), args.ld = args.ld_d = static_cast<size_t>(a.s.V), args.V = a.s.V;
    /* a row is read twice where it does not fit into what a block may have */
    args.shared_bytes = std::strcmp(a.s.variant, "wide") == 0 ? 0 : device_shared_bytes();
    return px_launch_head_loss(&args, nullptr);
}

verdict check_loss(const head_arrays &a)
{
    verdict v;
    const size_t rows = a.targets.size(), V = static_cast<size_t>(a.s.V);
    std::vector<double> nll(rows), gradient(rows * V), size(rows * V), softmax(V);
    for (size_t i = 0; i < rows; i++) {
        nll[i] = reference_row(a, i, softmax);
        for (size_t j = 0; j < V; j++) {
            gradient[i * V + j] = (softmax[j] - (static_cast<int>(j) == a.targets[i] ? 1 : 0)) / 37;
            size[i * V + j] = std::fabs(gradient[i * V + j]) + 1e-9;
        }
    }
    v.compare("nll", a.nll.read(), nll, 2e-6);
    v.compare("dlogits", a.gradient.read(), gradient, a.s.type == PX_ELEMENT_BF16 ? 0.0040 : 3e-6, size);
    return v;
}

void add_loss(list &to)
{
    for (const head_shape &s : shapes)
        to.push_back({"head_loss", s.variant, text("rows=%d V=%d %s", s.rows, s.V, name_of(s.type)), s.large, [s] {
                          auto a = std::make_shared<head_arrays>(s);
                          const double logits = static_cast<double>(a->logits.size());
                          return ready{[a] { return launch_loss(*a); }, [a] { return check_loss(*a); },
                                       logits * static_cast<double>(sizeof(float) + bytes_of(s.type)), 0};
                      }});
}

void add_softmax(list &to)
{
    for (const head_shape &s : shapes) {
        if (s.type != PX_ELEMENT_FP32) continue;
        to.push_back({"head_softmax", s.V % 4 ? "elements" : "quads", text("rows=%d V=%d", s.rows, s.V), s.large, [s] {
                          auto a = std::make_shared<head_arrays>(s);
                          const size_t rows = a->targets.size(), V = static_cast<size_t>(s.V);
                          const auto launch = [a, rows, V] {
                              return px_launch_head_softmax(static_cast<float *>(a->gradient.data()), a->d_logits,
                                                            a->d_bias, rows, a->s.V, V, nullptr);
                          };
                          const auto check = [a, rows, V] {
                              verdict v;
                              std::vector<double> want(rows * V), softmax(V);
                              for (size_t i = 0; i < rows; i++) {
                                  reference_row(*a, i, softmax);
                                  std::copy(softmax.begin(), softmax.end(),
                                            want.begin() + static_cast<std::ptrdiff_t>(i * V));
                              }
                              v.compare("probabilities", a->gradient.read(), want, 3e-6);
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
    add_softmax(to);
}

} // namespace cases
