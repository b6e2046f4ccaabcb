/* Cases of a layer's whole window, by the variant that keeps W_hh on chip and, for comparison, step by step. Each step
 * is judged from the state that was left before it, as in persistent_test.cpp; only some streams are, in large cases.
 */
#include "device_time.h"
#include "kernel_cases.h"

namespace cases
{
namespace
{

struct window_shape {
    int n, h, T;
    px_precision precision;
    bool large;
};

/* Of the large ones each width that is built, and streams up to more than what runs at once. */
const window_shape windows[] = {
    {3, 33, 3, PX_FP32, false},    {2, 64, 4, PX_TF32, false},    {9, 60, 2, PX_BF16, false},
    {1, 256, 64, PX_FP32, true},   {32, 256, 64, PX_FP32, true},  {16, 512, 64, PX_FP32, true},
    {64, 512, 64, PX_FP32, true},  {128, 512, 64, PX_FP32, true}, {16, 768, 64, PX_FP32, true},
    {16, 1024, 64, PX_FP32, true}, {64, 1024, 64, PX_FP32, true}, {1, 256, 64, PX_TF32, true},
    {32, 512, 64, PX_TF32, true},  {128, 512, 64, PX_TF32, true}, {64, 768, 64, PX_TF32, true},
    {16, 1024, 64, PX_TF32, true}, {256, 512, 64, PX_TF32, true}, {1, 256, 64, PX_BF16, true},
    {32, 256, 64, PX_BF16, true},  {32, 512, 35, PX_BF16, true},  {32, 512, 64, PX_BF16, true},
    {128, 512, 64, PX_BF16, true}, {256, 512, 64, PX_BF16, true}, {64, 768, 64, PX_BF16, true},
    {16, 1024, 64, PX_BF16, true}, {64, 1024, 64, PX_BF16, true}, {128, 1024, 64, PX_BF16, true},
    {16, 1536, 64, PX_BF16, true}, {1, 2048, 64, PX_BF16, true},  {16, 2048, 64, PX_BF16, true},
    {17, 500, 7, PX_BF16, true},   {33, 999, 5, PX_FP32, true},   {5, 63, 130, PX_TF32, true},
};
const char *const precisions[] = {"fp32", "tf32", "bf16"};
enum { MULTIPROCESSORS = 132 }; /* no result depends on it */

px_element element_of(px_precision p) { return p == PX_BF16 ? PX_ELEMENT_BF16 : PX_ELEMENT_FP32; }

/* Arrays of a window, either way. A launch after the first goes on from what that left, which no time depends on. */
struct window_arrays {
    window_shape s;
    std::vector<float> w, bias, h, dz; /* h [T+1,n,h], dz [T,n,h] */
    operand d_w;
    array<float> d_bias, d_h, d_dz, product;
    array<px_bf16> h_low, dz_low;
    array<uint32_t> workspace;
    explicit window_arrays(const window_shape &shape)
        : s(shape),
          w(rounded(numbers(static_cast<size_t>(s.h) * s.h, 1 / std::sqrt(s.h), 21), element_of(s.precision))),
          bias(numbers(static_cast<size_t>(s.h), 1, 22)), h(numbers((s.T + 1) * step(), 0.9, 23)),
          dz(numbers(s.T * step(), 1, 24)), d_w(w, element_of(s.precision)), d_bias(bias), d_h(h), d_dz(dz),
          product(step()), h_low(bf16s_of(h)), dz_low(bf16s_of(dz)),
          workspace(px_grid_workspace_bytes(s.precision, s.h, s.n) / sizeof(uint32_t))
    {
    }
    size_t step() const { return static_cast<size_t>(s.n) * s.h; }
    double bytes() const
    {
        return static_cast<double>(bytes_of(element_of(s.precision)) * w.size() + sizeof(float) * 2 * dz.size());
    }
    double flops() const { return 2.0 * s.T * s.n * s.h * s.h; }
};

px_persistent_args args_of(const window_arrays &a)
{
    px_persistent_args args = {};
    args.w_hh = a.d_w.data(), args.bias = a.d_bias, args.h = a.d_h, args.dz = a.d_dz;
    if (a.s.precision == PX_BF16) args.h_bf16 = a.h_low, args.dz_bf16 = a.dz_low;
    args.operand = a.s.precision, args.cell = PX_CELL_TANH;
    args.T = a.s.T, args.n = a.s.n, args.width = a.s.h, args.multiprocessors = MULTIPROCESSORS;
    return args;
}

cudaError_t persistent(const window_arrays &a, bool backward)
{
    const px_persistent_args args = args_of(a);
    return backward ? px_launch_recurrence_persistent_backward(&args, device_stream())
                    : px_launch_recurrence_persistent_forward(&args, device_stream());
}

cudaError_t wide(const window_arrays &a, bool backward)
{
    const px_persistent_args args = args_of(a);
    return backward ? px_launch_recurrence_wide_backward(&args, device_stream())
                    : px_launch_recurrence_wide_forward(&args, device_stream());
}

cudaError_t grid(const window_arrays &a, bool backward)
{
    px_grid_args g = {args_of(a), a.workspace.data()};
    const size_t counters = px_grid_counter_words(a.s.n) * sizeof(uint32_t);
    g.window.multiprocessors = device_multiprocessors();
    device_clear(g.workspace, counters);
    return backward ? px_launch_recurrence_grid_backward(&g, device_stream())
                    : px_launch_recurrence_grid_forward(&g, device_stream());
}

/* One product and one kernel a step, where the products' type is one of the two that are stored. */
cudaError_t by_steps(const window_arrays &a, bool backward)
{
    const px_element type = element_of(a.s.precision);
    const bool low = type == PX_ELEMENT_BF16;
    for (int i = 0; i < a.s.T; i++) {
        const size_t t = static_cast<size_t>(backward ? a.s.T - 1 - i : i), at = t * a.step();
        px_step_forward_args f = {};
        f.xz = f.h = a.d_h + at + a.step(), f.bias = a.d_bias, f.recurrent = a.product;
        f.h_bf16 = low ? a.h_low + at + a.step() : nullptr;
        px_step_backward_args b = {};
        b.d_output = b.dz = a.d_dz + at, b.h = a.d_h + at + a.step(), b.recurrent = i ? a.product.data() : nullptr;
        b.dz_bf16 = low ? a.dz_low + at : nullptr;
        f.n = b.n = a.s.n, f.width = b.width = a.s.h, f.cell = b.cell = PX_CELL_TANH;
        const size_t from = backward ? at + a.step() : at;
        const void *x = backward ? (low ? static_cast<const void *>(a.dz_low + from) : a.d_dz + from)
                                 : (low ? static_cast<const void *>(a.h_low + from) : a.d_h + from);
        cudaError_t error = cudaSuccess;
        if (i || !backward) error = device_product(a.s.n, a.s.h, a.s.h, x, a.d_w.data(), !backward, type, a.product);
        if (error == cudaSuccess)
            error = backward ? px_launch_recurrence_backward(&b, device_stream())
                             : px_launch_recurrence_forward(&f, device_stream());
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

float as_operand(float v, px_precision p)
{
    if (p == PX_BF16) return float_of(bf16_of(v));
    if (p == PX_FP32) return v;
    int exponent;
    const double m = std::frexp(static_cast<double>(v), &exponent); /* 10 bits, ties away from zero */
    return static_cast<float>(std::ldexp(std::round(std::ldexp(m, 11)), exponent - 11));
}

/* Row `state` times W^T (forward) or W, column j. */
double dot(const window_arrays &a, const float *state, int j, bool backward)
{
    double sum = 0;
    const size_t h = static_cast<size_t>(a.s.h);
    for (size_t k = 0; k < h; k++)
        sum += static_cast<double>(as_operand(state[k], a.s.precision)) *
               as_operand(backward ? a.w[k * h + j] : a.w[j * h + k], a.s.precision);
    return sum;
}

/* Steps and streams that are judged: all of a small case, of a large one the first, the last and some between. */
bool is_judged(const window_shape &s, int t, int i, int j)
{
    return !s.large || ((t < 2 || t >= s.T - 2) && (i % 37 == 0 || i == s.n - 1) && j % 31 < 2);
}

verdict check(const window_arrays &a, bool backward)
{
    verdict v;
    const std::vector<float> all = backward ? a.d_dz.read() : a.d_h.read();
    std::vector<float> got;
    std::vector<double> want;
    for (int t = 0; t < a.s.T; t++)
        for (int i = 0; i < a.s.n; i++)
            for (int j = 0; j < a.s.h; j++) {
                if (!is_judged(a.s, t, i, j)) continue;
                const size_t row = (static_cast<size_t>(t) * a.s.n + i) * a.s.h, at = row + j;
                got.push_back(all[backward ? at : at + a.step()]);
                if (!backward) {
                    want.push_back(
                        std::tanh(static_cast<double>(a.h[at + a.step()]) + a.bias[j] + dot(a, &all[row], j, false)));
                    continue;
                }
                const double x = a.h[at + a.step()], back = t + 1 < a.s.T ? dot(a, &all[row + a.step()], j, true) : 0;
                want.push_back((a.dz[at] + back) * (1 - x * x));
            }
    /* fp32 sums of up to 1,536 products in another order; tensor cores round each to zero */
    v.compare(backward ? "dz" : "h", got, want, a.s.precision == PX_FP32 ? 1e-6 : 4e-6,
              std::vector<double>(got.size(), 4.0));
    return v;
}

const struct {
    const char *kernel, *variant;
    cudaError_t (*launch)(const window_arrays &, bool backward);
    bool backward;
} window_variants[] = {
    {"window_forward", "persistent", persistent, false},
    {"window_backward", "persistent", persistent, true},
    {"window_forward", "wide", wide, false},
    {"window_backward", "wide", wide, true},
    {"window_forward", "grid", grid, false},
    {"window_backward", "grid", grid, true},
    {"window_forward", "step", by_steps, false},
    {"window_backward", "step", by_steps, true},
};

/* Does the device have what that way needs: clusters and shared memory, multiprocessors, an operand's type? */
bool fits(const window_shape &s, cudaError_t (*way)(const window_arrays &, bool))
{
    if (way == by_steps) return s.precision != PX_TF32;
    if (way == grid) {
        const px_persistent_fit blocks = px_grid_fit_of(s.precision, s.h);
        return blocks.width && blocks.blocks <= device_multiprocessors();
    }
    if (way == wide && !(px_wide_is_built() && device_has_warpgroups())) return false;
    const px_persistent_fit fit =
        way == wide ? px_wide_fit_of(s.precision, s.h) : px_persistent_fit_of(s.precision, s.h);
    return fit.width && static_cast<unsigned>(fit.blocks) <= device_cluster_blocks() &&
           static_cast<size_t>(fit.shared_bytes) <= device_shared_bytes();
}

} // namespace

void add_windows(list &to)
{
    for (const window_shape &s : windows)
        for (const auto &v : window_variants) {
            if (!fits(s, v.launch)) continue;
            to.push_back({v.kernel, v.variant, text("n=%d h=%d T=%d %s", s.n, s.h, s.T, precisions[s.precision]),
                          s.large, [s, v] {
                              auto a = std::make_shared<window_arrays>(s);
                              return ready{[a, v] { return v.launch(*a, v.backward); },
                                           [a, v] { return check(*a, v.backward); }, a->bytes(), a->flops()};
                          }});
        }
}

} // namespace cases
