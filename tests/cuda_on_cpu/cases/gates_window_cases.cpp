/* Cases of a layer's whole window of cells that keep gates, by the variant that keeps W_hh on chip and, for comparison,
 * step by step. Judged without marks (gates_window_test.cpp has those): the forward pass step by step from the state
 * that was left before, in large cases in some places; the backward pass in its last two steps in time, beyond which
 * gradients that went past W_hh would have to be followed through all units. */
#include "device_time.h"
#include "kernel_cases.h"

#include "cells/double.h"

namespace cases
{
namespace
{

struct gates_window_shape {
    px_cell cell;
    int n, h, T;
    px_precision precision;
    bool large;
};

const struct {
    int n, h, T;
    px_precision precision;
    bool large;
} sizes[] = {
    {3, 33, 3, PX_FP32, false},   {2, 64, 3, PX_TF32, false},   {9, 60, 2, PX_BF16, false},
    {1, 256, 64, PX_FP32, true},  {32, 256, 64, PX_FP32, true}, {32, 256, 64, PX_TF32, true},
    {1, 256, 64, PX_BF16, true},  {32, 256, 64, PX_BF16, true}, {1, 512, 64, PX_BF16, true},
    {32, 512, 64, PX_BF16, true}, {64, 512, 64, PX_BF16, true}, {128, 512, 64, PX_BF16, true},
};
const char *const precisions[] = {"fp32", "tf32", "bf16"};
#define NUMBERS(NAME, name, label, torch, gates, states, keeps, lone, ones) {#name, gates, states, lone},
const struct {
    const char *name;
    int gates, states, lone;
} cells[] = {PX_CELLS(NUMBERS)};
#undef NUMBERS
enum { MULTIPROCESSORS = 132 }; /* no result depends on it */

px_element element_of(px_precision p) { return p == PX_BF16 ? PX_ELEMENT_BF16 : PX_ELEMENT_FP32; }

float as_operand(float v, px_precision p)
{
    if (p == PX_BF16) return float_of(bf16_of(v));
    if (p == PX_FP32) return v;
    int exponent;
    const double m = std::frexp(static_cast<double>(v), &exponent); /* 10 bits, ties away from zero */
    return static_cast<float>(std::ldexp(std::round(std::ldexp(m, 11)), exponent - 11));
}

/* Arrays of a window, either way; wide: [T,n,G h]. */
struct gates_window {
    gates_window_shape s;
    int G, S, lone;
    size_t step, wide;
    std::vector<float> w, bias, bias_lone, z, u, d_output, state[PX_CELL_STATES_MAX];
    operand d_w;
    array<float> d_bias, d_lone, d_z, d_u, d_d_output, d_h, d_c, d_hh, product, returned0, returned1;
    array<px_bf16> h_low, dz_low, hh_low;
    explicit gates_window(const gates_window_shape &shape)
        : s(shape), G(cells[s.cell].gates), S(cells[s.cell].states), lone(cells[s.cell].lone),
          step(static_cast<size_t>(s.n) * s.h), wide(step * G),
          w(rounded(numbers(static_cast<size_t>(G) * s.h * s.h, 1 / std::sqrt(s.h), 31), element_of(s.precision))),
          bias(numbers(static_cast<size_t>(G) * s.h, 1, 32)), bias_lone(numbers(static_cast<size_t>(s.h), 1, 33)),
          z(numbers(s.T * wide, 1, 34)), u(numbers(s.T * step, 1, 35)),
          d_output(numbers(s.T * step, 1, 36)), state{numbers((s.T + 1) * step, 0.9, 37),
                                                      numbers((s.T + 1) * step, 0.9, 38)},
          d_w(w, element_of(s.precision)), d_bias(bias), d_lone(bias_lone), d_z(z), d_u(u), d_d_output(d_output),
          d_h(state[0]), d_c(state[1]), d_hh(s.T * wide), product(wide), returned0(step), returned1(step),
          h_low(bf16s_of(state[0])), dz_low(s.T * wide), hh_low(s.T * wide)
    {
    }
    bool low() const { return s.precision == PX_BF16; }
    bool has_lone() const { return lone != PX_NO_GATE; }
    size_t wide_place(size_t row, int g, int j) const { return (row * G + g) * s.h + j; }
    double bytes() const
    {
        return static_cast<double>(bytes_of(element_of(s.precision)) * w.size() +
                                   sizeof(float) * 2 * (z.size() + d_output.size()));
    }
    double flops() const { return 2.0 * s.T * s.n * G * s.h * s.h; }
};

cudaError_t persistent(const gates_window &a, bool backward)
{
    px_persistent_gates_args args = {};
    args.w_hh = a.d_w.data(), args.bias = a.d_bias, args.d_output = a.d_d_output, args.z = a.d_z;
    args.state[0] = a.d_h, args.state[1] = a.d_c;
    if (a.has_lone()) {
        args.bias_lone = a.d_lone, args.u = a.d_u;
        args.dz_hh = a.low() ? static_cast<void *>(a.hh_low.data()) : a.d_hh.data();
    }
    if (a.low()) args.h_bf16 = a.h_low, args.dz_bf16 = a.dz_low;
    args.operand = a.s.precision, args.cell = a.s.cell;
    args.T = a.s.T, args.n = a.s.n, args.width = a.s.h, args.multiprocessors = MULTIPROCESSORS;
    return backward ? px_launch_gates_persistent_backward(&args, device_stream())
                    : px_launch_gates_persistent_forward(&args, device_stream());
}

cudaError_t step_forward(const gates_window &a, int t)
{
    px_gates_forward_args f = {};
    const size_t at = t * a.step, now = at + a.step;
    const void *x = a.low() ? static_cast<const void *>(a.h_low + at) : a.d_h + at;
    const cudaError_t error =
        device_product(a.s.n, a.G * a.s.h, a.s.h, x, a.d_w.data(), true, element_of(a.s.precision), a.product);
    f.recurrent = a.product, f.bias = a.d_bias, f.z = a.d_z + t * a.wide;
    if (a.has_lone()) f.bias_lone = a.d_lone, f.u = a.d_u + at;
    f.before[0] = a.d_h + at, f.now[0] = a.d_h + now;
    if (a.S > 1) f.before[1] = a.d_c + at, f.now[1] = a.d_c + now;
    f.h_bf16 = a.low() ? a.h_low + now : nullptr;
    f.cell = a.s.cell, f.n = a.s.n, f.width = a.s.h;
    return error == cudaSuccess ? px_launch_gates_forward(&f, device_stream()) : error;
}

cudaError_t step_backward(const gates_window &a, int t)
{
    px_gates_backward_args b = {};
    const size_t at = t * a.step, wide_at = t * a.wide;
    cudaError_t error = cudaSuccess;
    if (t + 1 < a.s.T) {
        const px_bf16 *low = a.has_lone() ? a.hh_low.data() : a.dz_low.data();
        const float *fp32 = a.has_lone() ? a.d_hh.data() : a.d_z.data();
        const void *x = a.low() ? static_cast<const void *>(low + wide_at + a.wide) : fp32 + wide_at + a.wide;
        error = device_product(a.s.n, a.s.h, a.G * a.s.h, x, a.d_w.data(), false, element_of(a.s.precision), a.product);
        b.recurrent = a.product;
    }
    b.d_output = a.d_d_output + at, b.z = a.d_z + wide_at;
    if (a.has_lone()) b.u = a.d_u + at, b.dz_hh = a.low() ? nullptr : a.d_hh + wide_at;
    if (a.low()) b.dz_bf16 = a.dz_low + wide_at, b.dz_hh_bf16 = a.has_lone() ? a.hh_low + wide_at : nullptr;
    b.before[0] = a.d_h + at, b.now[0] = a.d_h + at + a.step, b.returned[0] = a.returned0;
    if (a.S > 1) b.before[1] = a.d_c + at, b.now[1] = a.d_c + at + a.step, b.returned[1] = a.returned1;
    b.cell = a.s.cell, b.n = a.s.n, b.width = a.s.h;
    return error == cudaSuccess ? px_launch_gates_backward(&b, device_stream()) : error;
}

/* One product and one kernel a step, where the products' type is one of the two that are stored. */
cudaError_t by_steps(const gates_window &a, bool backward)
{
    for (int i = 0; i < a.s.T; i++) {
        const cudaError_t error = backward ? step_backward(a, a.s.T - 1 - i) : step_forward(a, i);
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

/* Steps and units that are judged: all of a small case. */
bool is_judged(const gates_window_shape &s, int t, int i, int j)
{
    return !s.large || ((t < 2 || t >= s.T - 2) && (i % 37 == 0 || i == s.n - 1) && j % 31 < 2);
}

px_cell_unit forward_unit(const gates_window &a, const std::vector<float> &h, const std::vector<float> &c, size_t row,
                          int j)
{
    px_cell_unit unit = {};
    unit.u = a.bias_lone[j];
    for (int g = 0; g < a.G; g++) {
        double sum = 0;
        for (int k = 0; k < a.s.h; k++)
            sum += static_cast<double>(as_operand(h[row * a.s.h + k], a.s.precision)) *
                   as_operand(a.w[(static_cast<size_t>(g) * a.s.h + j) * a.s.h + k], a.s.precision);
        unit.z[g] = static_cast<double>(a.z[a.wide_place(row, g, j)]) + a.bias[g * a.s.h + j];
        (g == a.lone ? unit.u : unit.z[g]) += sum;
    }
    unit.before[0] = h[row * a.s.h + j];
    unit.before[1] = c[row * a.s.h + j];
    px_cell_maths[a.s.cell].forward(&unit);
    return unit;
}

verdict check_forward(const gates_window &a)
{
    verdict v;
    const std::vector<float> h = a.d_h.read(), c = a.d_c.read(), z = a.d_z.read();
    std::vector<float> got;
    std::vector<double> want;
    for (int t = 0; t < a.s.T; t++)
        for (int i = 0; i < a.s.n; i++)
            for (int j = 0; j < a.s.h; j++) {
                if (!is_judged(a.s, t, i, j)) continue;
                const size_t row = static_cast<size_t>(t) * a.s.n + i;
                const px_cell_unit unit = forward_unit(a, h, c, row, j);
                got.push_back(h[(row + a.s.n) * a.s.h + j]);
                want.push_back(unit.now[0]);
                for (int g = 0; g < a.G; g++) {
                    got.push_back(z[a.wide_place(row, g, j)]);
                    want.push_back(unit.z[g]);
                }
            }
    /* fp32 sums of up to 512 products in another order; tensor cores round each to zero */
    v.compare("gates and h", got, want, a.s.precision == PX_FP32 ? 1e-6 : 4e-6, std::vector<double>(got.size(), 4.0));
    return v;
}

/* Step t of unit j, whose states have sent `returned` back (turned into what the step returns), with that product. */
px_cell_unit backward_unit(const gates_window &a, size_t row, int j, double product, double (&returned)[2])
{
    px_cell_unit unit = {};
    const size_t at = row * a.s.h + j;
    unit.u = a.u[at];
    for (int g = 0; g < a.G; g++) unit.z[g] = a.z[a.wide_place(row, g, j)];
    for (int k = 0; k < a.S; k++) {
        unit.before[k] = a.state[k][at], unit.now[k] = a.state[k][at + a.step];
        unit.d[k] = returned[k];
    }
    unit.d[0] += a.d_output[at] + product;
    px_cell_maths[a.s.cell].backward(&unit);
    returned[0] = unit.d[0], returned[1] = unit.d[1];
    return unit;
}

/* What the gradients that step row has left, as operands, give to unit j of the step before. */
double product_backward(const gates_window &a, const std::vector<float> &z, const std::vector<float> &u, size_t row,
                        int j)
{
    double sum = 0;
    for (int g = 0; g < a.G; g++)
        for (int k = 0; k < a.s.h; k++)
            sum += static_cast<double>(
                       as_operand(g == a.lone ? u[row * a.s.h + k] : z[a.wide_place(row, g, k)], a.s.precision)) *
                   as_operand(a.w[(static_cast<size_t>(g) * a.s.h + k) * a.s.h + j], a.s.precision);
    return sum;
}

verdict check_backward(const gates_window &a)
{
    verdict v;
    const std::vector<float> z = a.d_z.read(), u = a.d_u.read();
    std::vector<float> got;
    std::vector<double> want;
    for (int i = 0; i < a.s.n; i++)
        for (int j = 0; j < a.s.h; j++) {
            double returned[2] = {};
            for (int t = a.s.T - 1; t >= a.s.T - 2 && t >= 0; t--) {
                if (!is_judged(a.s, t, i, j)) continue;
                const size_t row = static_cast<size_t>(t) * a.s.n + i;
                const double product = t + 1 < a.s.T ? product_backward(a, z, u, row + a.s.n, j) : 0;
                const px_cell_unit unit = backward_unit(a, row, j, product, returned);
                for (int g = 0; g < a.G; g++) {
                    got.push_back(z[a.wide_place(row, g, j)]);
                    want.push_back(unit.z[g]);
                }
            }
        }
    v.compare("dz", got, want, a.s.precision == PX_FP32 ? 1e-6 : 4e-6, std::vector<double>(got.size(), 16.0));
    return v;
}

const struct {
    const char *kernel, *variant;
    cudaError_t (*launch)(const gates_window &, bool backward);
    bool backward;
} ways[] = {
    {"gates_window_forward", "persistent", persistent, false},
    {"gates_window_backward", "persistent", persistent, true},
    {"gates_window_forward", "step", by_steps, false},
    {"gates_window_backward", "step", by_steps, true},
};

/* Does the device have the clusters and the shared memory for it? */
bool fits(const gates_window_shape &s)
{
    const px_persistent_fit fit = px_persistent_gates_fit_of(s.precision, s.cell, s.h);
    return fit.width && static_cast<unsigned>(fit.blocks) <= device_cluster_blocks() &&
           static_cast<size_t>(fit.shared_bytes) <= device_shared_bytes();
}

} // namespace

void add_gates_windows(list &to)
{
    for (const px_cell cell : {PX_CELL_GRU, PX_CELL_LSTM})
        for (const auto &size : sizes)
            for (const auto &way : ways) {
                const gates_window_shape s = {cell, size.n, size.h, size.T, size.precision, size.large};
                if (way.launch == persistent ? !fits(s) : s.precision == PX_TF32) continue;
                to.push_back({way.kernel, way.variant,
                              text("%s n=%d h=%d T=%d %s", cells[cell].name, s.n, s.h, s.T, precisions[s.precision]),
                              s.large, [s, way] {
                                  auto a = std::make_shared<gates_window>(s);
                                  return ready{
                                      [a, way] { return way.launch(*a, way.backward); },
                                      [a, way] { return way.backward ? check_backward(*a) : check_forward(*a); },
                                      a->bytes(), a->flops()};
                              }});
            }
}

} // namespace cases
