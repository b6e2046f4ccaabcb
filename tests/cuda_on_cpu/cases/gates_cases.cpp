/* Cases of the cells that keep gates: a step forward and back, after its product, without marks and masks
 * (gates_test.cpp has those). */
#include "kernel_cases.h"

#include "cells/double.h"

namespace cases
{
namespace
{

struct gates_shape {
    px_cell cell;
    int gates, states, lone;
    int n, h;
    bool large;
};

#define NUMBERS(NAME, name, label, torch, gates, states, keeps, lone, ones)                                            \
    {PX_CELL_##NAME, gates, states, lone, keeps},
const struct {
    px_cell cell;
    int gates, states, lone, keeps;
} cells[] = {PX_CELLS(NUMBERS)};
#undef NUMBERS
const struct {
    int n, h;
    bool large;
} sizes[] = {{1, 33, false}, {5, 36, false}, {32, 512, true}, {128, 512, true}};

struct gates_arrays {
    gates_shape s;
    size_t count, wide;
    std::vector<float> z, recurrent, bias, lone, before[PX_CELL_STATES_MAX], now[PX_CELL_STATES_MAX], u, d_output,
        returned[PX_CELL_STATES_MAX];
    array<float> d_z, d_recurrent, d_bias, d_lone, d_u, d_hh, d_d_output;
    std::unique_ptr<array<float>> d_before[PX_CELL_STATES_MAX], d_now[PX_CELL_STATES_MAX],
        d_returned[PX_CELL_STATES_MAX];
    explicit gates_arrays(const gates_shape &shape)
        : s(shape), count(static_cast<size_t>(s.n) * s.h), wide(count * s.gates), z(numbers(wide, 1, 1)),
          recurrent(numbers(wide, 1, 2)), bias(numbers(static_cast<size_t>(s.gates) * s.h, 1, 3)),
          lone(numbers(static_cast<size_t>(s.h), 1, 4)), u(numbers(count, 1, 5)), d_output(numbers(count, 1, 6)),
          d_z(z), d_recurrent(recurrent), d_bias(bias), d_lone(lone), d_u(u), d_hh(wide), d_d_output(d_output)
    {
        for (int k = 0; k < s.states; k++) {
            before[k] = numbers(count, 1, 10 + static_cast<uint32_t>(k));
            now[k] = numbers(count, 1, 20 + static_cast<uint32_t>(k));
            returned[k] = numbers(count, 1, 30 + static_cast<uint32_t>(k));
            d_before[k].reset(new array<float>(before[k]));
            d_now[k].reset(new array<float>(now[k]));
            d_returned[k].reset(new array<float>(returned[k]));
        }
    }
    size_t place(int i, int g, int j) const { return (static_cast<size_t>(i) * s.gates + g) * s.h + j; }
};

cudaError_t launch_forward(const gates_arrays &a)
{
    px_gates_forward_args args = {};
    args.recurrent = a.d_recurrent, args.bias = a.d_bias, args.z = a.d_z;
    if (a.s.lone != PX_NO_GATE) args.bias_lone = a.d_lone, args.u = a.d_u;
    for (int k = 0; k < a.s.states; k++) args.before[k] = *a.d_before[k], args.now[k] = *a.d_now[k];
    args.cell = a.s.cell, args.n = a.s.n, args.width = a.s.h;
    return px_launch_gates_forward(&args, device_stream());
}

verdict check_forward(const gates_arrays &a)
{
    verdict v;
    std::vector<double> z(a.wide), h(a.count);
    for (int i = 0; i < a.s.n; i++)
        for (int j = 0; j < a.s.h; j++) {
            const size_t at = static_cast<size_t>(i) * a.s.h + j;
            px_cell_unit unit = {};
            unit.u = a.lone[j];
            for (int g = 0; g < a.s.gates; g++) {
                unit.z[g] = static_cast<double>(a.z[a.place(i, g, j)]) + a.bias[static_cast<size_t>(g) * a.s.h + j];
                (g == a.s.lone ? unit.u : unit.z[g]) += a.recurrent[a.place(i, g, j)];
            }
            for (int k = 0; k < a.s.states; k++) unit.before[k] = a.before[k][at];
            px_cell_maths[a.s.cell].forward(&unit);
            for (int g = 0; g < a.s.gates; g++) z[a.place(i, g, j)] = unit.z[g];
            h[at] = unit.now[0];
        }
    v.compare("gates", a.d_z.read(), z, 3e-7, std::vector<double>(a.wide, 4.0));
    v.compare("h", a.d_now[0]->read(), h, 3e-7, std::vector<double>(a.count, 4.0));
    return v;
}

cudaError_t launch_backward(const gates_arrays &a)
{
    px_gates_backward_args args = {};
    args.d_output = a.d_d_output, args.z = a.d_z;
    if (a.s.lone != PX_NO_GATE) args.u = a.d_u, args.dz_hh = a.d_hh;
    for (int k = 0; k < a.s.states; k++)
        args.before[k] = *a.d_before[k], args.now[k] = *a.d_now[k], args.returned[k] = *a.d_returned[k];
    args.recurrent = a.d_recurrent; /* [n,h] of it: what the step after sends back */
    args.cell = a.s.cell, args.n = a.s.n, args.width = a.s.h;
    return px_launch_gates_backward(&args, device_stream());
}

verdict check_backward(const gates_arrays &a)
{
    verdict v;
    std::vector<double> dz(a.wide);
    for (int i = 0; i < a.s.n; i++)
        for (int j = 0; j < a.s.h; j++) {
            const size_t at = static_cast<size_t>(i) * a.s.h + j;
            px_cell_unit unit = {};
            unit.u = a.u[at];
            for (int g = 0; g < a.s.gates; g++) unit.z[g] = a.z[a.place(i, g, j)];
            for (int k = 0; k < a.s.states; k++)
                unit.before[k] = a.before[k][at], unit.now[k] = a.now[k][at], unit.d[k] = a.returned[k][at];
            unit.d[0] += static_cast<double>(a.d_output[at]) + a.recurrent[at];
            px_cell_maths[a.s.cell].backward(&unit);
            for (int g = 0; g < a.s.gates; g++) dz[a.place(i, g, j)] = unit.z[g];
        }
    v.compare("dz", a.d_z.read(), dz, 5e-7, std::vector<double>(a.wide, 16.0));
    return v;
}

const struct {
    const char *kernel;
    cudaError_t (*launch)(const gates_arrays &);
    verdict (*check)(const gates_arrays &);
} kernels[] = {{"gates_forward", launch_forward, check_forward}, {"gates_backward", launch_backward, check_backward}};

} // namespace

void add_gates(list &to)
{
    for (const auto &cell : cells)
        for (const auto &size : sizes)
            for (const auto &k : kernels) {
                if (!cell.keeps) continue;
                const gates_shape s = {cell.cell, cell.gates, cell.states, cell.lone, size.n, size.h, size.large};
                to.push_back({k.kernel, s.h % 4 ? "elements" : "quads", text("G=%d n=%d h=%d", s.gates, s.n, s.h),
                              s.large, [s, k] {
                                  auto a = std::make_shared<gates_arrays>(s);
                                  return ready{[a, k] { return k.launch(*a); }, [a, k] { return k.check(*a); },
                                               4.0 * static_cast<double>(3 * a->wide + 4 * a->count), 0};
                              }});
            }
}

} // namespace cases
