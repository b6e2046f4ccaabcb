/* gates.cu against the cells' equations in double: a step forward and back of every cell that keeps gates. */
#include "kernel_test.h"

#include "cells/double.h"

namespace
{

/* The list of cells (host/model/cells.c is not among the kernels). */
const px_cell_info *info_of(px_cell cell)
{
    static const px_cell_info list[] = {
#define ROW(NAME, name, label, torch, gates, states, keeps, lone, ones)                                                \
    {#name, label, torch, gates, states, keeps, lone, ones},
        PX_CELLS(ROW)
#undef ROW
    };
    return &list[cell];
}

struct gates_case {
    int n, width;
    bool reset, last;
    double p;
    int locked;
    size_t shift;
};

const gates_case cases[] = {{1, 1, false, false, 0, 0, 0},   {1, 33, true, false, 0.5, 0, 0},
                            {5, 33, true, false, 0.3, 1, 0}, {7, 64, true, false, 0.2, 0, 0},
                            {3, 36, false, true, 0, 0, 0},   {9, 130, true, true, 0.4, 0, 0},
                            {4, 40, true, false, 0.5, 0, 1}};
enum { STEP = 3 }; /* t of the window */

std::vector<uint8_t> marks_of(const gates_case &c, int rest)
{
    std::vector<uint8_t> marks(static_cast<size_t>(c.n));
    for (size_t i = 0; i < marks.size(); i++) marks[i] = c.reset && static_cast<int>(i) % 3 == rest ? 1 : 0;
    return marks;
}

px_window_scalars window_of(const gates_case &c) { return {1ull << 33, 2, static_cast<uint32_t>(c.n) + 3, 0.5}; }

/* Numbers that a step reads. What rows under a reset must not let through is NaN. */
struct step_input {
    std::vector<float> z, recurrent, u, bias, bias_lone, before[PX_CELL_STATES_MAX], now[PX_CELL_STATES_MAX], d_output,
        back, returned[PX_CELL_STATES_MAX];
    std::vector<uint8_t> marks, marks_next;
};

step_input input_of(const gates_case &c, const px_cell_info *cell)
{
    const size_t count = static_cast<size_t>(c.n) * c.width, wide = count * cell->gates,
                 width = static_cast<size_t>(c.width);
    step_input in = {numbers(wide, 2, 1),
                     numbers(wide, 2, 2),
                     numbers(count, 1, 3),
                     numbers(width * cell->gates, 1, 4),
                     numbers(width, 1, 5),
                     {},
                     {},
                     numbers(count, 1, 6),
                     numbers(count, 1, 7),
                     {},
                     marks_of(c, 0),
                     marks_of(c, 1)};
    for (int s = 0; s < cell->states; s++) {
        in.before[s] = numbers(count, 1, 8 + s);
        in.now[s] = numbers(count, 1, 10 + s);
        in.returned[s] = numbers(count, 1, 12 + s);
    }
    for (size_t k = 0; k < wide; k++)
        if (in.marks[k / (width * cell->gates)]) in.recurrent[k] = NAN;
    for (size_t k = 0; k < count; k++) {
        if (in.marks[k / width])
            for (int s = 0; s < cell->states; s++) in.before[s][k] = NAN;
        if (!in.marks_next[k / width] && !c.last) continue;
        in.back[k] = NAN;
        for (int s = 0; s < cell->states; s++) in.returned[s][k] = NAN;
    }
    return in;
}

/* Place of gate g, unit j, stream i in rows [n, G width]. */
size_t wide_place(const gates_case &c, const px_cell_info *cell, int i, int g, int j)
{
    return (static_cast<size_t>(i) * cell->gates + g) * c.width + j;
}

void check_forward(const gates_case &c, px_cell kind)
{
    const px_cell_info *cell = info_of(kind);
    const size_t count = static_cast<size_t>(c.n) * c.width;
    const step_input in = input_of(c, cell);
    const px_window_scalars w = window_of(c);
    const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_BETWEEN, 8, c.locked);
    std::vector<double> z(in.z.size()), u(count), now[PX_CELL_STATES_MAX], up(count);
    for (int s = 0; s < cell->states; s++) now[s].resize(count);
    for (int i = 0; i < c.n; i++)
        for (int j = 0; j < c.width; j++) {
            const size_t at = static_cast<size_t>(i) * c.width + j;
            px_cell_unit unit = {};
            unit.u = in.bias_lone[j];
            for (int g = 0; g < cell->gates; g++) {
                const size_t place = wide_place(c, cell, i, g, j);
                unit.z[g] = static_cast<double>(in.z[place]) + in.bias[static_cast<size_t>(g) * c.width + j];
                if (!in.marks[i]) (g == cell->lone ? unit.u : unit.z[g]) += in.recurrent[place];
            }
            for (int s = 0; s < cell->states; s++) unit.before[s] = in.marks[i] ? 0 : in.before[s][at];
            px_cell_maths[kind].forward(&unit);
            for (int g = 0; g < cell->gates; g++) z[wide_place(c, cell, i, g, j)] = unit.z[g];
            u[at] = unit.u;
            for (int s = 0; s < cell->states; s++) now[s][at] = unit.now[s];
            up[at] = unit.now[0] * mask_factor(d, w, STEP, i, c.width, j);
        }
    const std::vector<double> unit_size(in.z.size(), 4.0);
    on_every_schedule([&] {
        array<float> d_z(in.z, c.shift), d_rec(in.recurrent, c.shift), d_u(count, c.shift), d_bias(in.bias),
            d_lone(in.bias_lone), d_output(count, c.shift);
        array<float> before0(in.before[0], c.shift), before1(cell->states > 1 ? in.before[1] : in.before[0], c.shift),
            now0(count, c.shift), now1(count, c.shift);
        array<px_bf16> h_bf16(count, c.shift), output_bf16(count, c.shift);
        array<uint8_t> d_marks(in.marks);
        scalar<px_window_scalars> d_window(w);
        px_gates_forward_args a = {};
        a.recurrent = d_rec, a.bias = d_bias, a.z = d_z, a.reset = d_marks;
        if (cell->lone != PX_NO_GATE) a.bias_lone = d_lone, a.u = d_u;
        a.before[0] = before0, a.now[0] = now0;
        if (cell->states > 1) a.before[1] = before1, a.now[1] = now1;
        a.output = d_output, a.h_bf16 = h_bf16, a.output_bf16 = output_bf16;
        a.window = d_window, a.dropout = d, a.cell = kind;
        a.n = c.n, a.width = c.width, a.t = STEP;
        LAUNCHED(px_launch_gates_forward(&a, device_stream()));
        std::vector<float> out = d_z.read();
        expect_close("z", out, z, 3e-7, &unit_size);
        if (cell->lone != PX_NO_GATE) expect_close("u", d_u.read(), u, 3e-7, &unit_size);
        expect_close("h", now0.read(), now[0], 3e-7, &unit_size);
        if (cell->states > 1) expect_close("c", now1.read(), now[1], 3e-7, &unit_size);
        expect_close("up", d_output.read(), up, 1e-6, &unit_size);
        expect_same("h, bf16", h_bf16.read(), bf16s_of(now0.read()));
        expect_same("up, bf16", output_bf16.read(), bf16s_of(d_output.read()));
        append(out, now0.read());
        append(out, d_output.read());
        return out;
    });
}

void check_backward(const gates_case &c, px_cell kind)
{
    const px_cell_info *cell = info_of(kind);
    const size_t count = static_cast<size_t>(c.n) * c.width;
    const step_input in = input_of(c, cell);
    const px_window_scalars w = window_of(c);
    const px_dropout d = dropout_of(c.p, PX_RANDOM_DROPOUT_OUTPUT, 8, c.locked);
    std::vector<double> dz(in.z.size()), dz_hh(in.z.size()), du(count), returned[PX_CELL_STATES_MAX];
    for (int s = 0; s < cell->states; s++) returned[s].resize(count);
    for (int i = 0; i < c.n; i++)
        for (int j = 0; j < c.width; j++) {
            const size_t at = static_cast<size_t>(i) * c.width + j;
            const bool back = !c.last && !in.marks_next[i];
            px_cell_unit unit = {};
            for (int g = 0; g < cell->gates; g++) unit.z[g] = in.z[wide_place(c, cell, i, g, j)];
            unit.u = in.u[at];
            for (int s = 0; s < cell->states; s++) {
                unit.before[s] = in.marks[i] ? 0 : in.before[s][at];
                unit.now[s] = in.now[s][at];
                unit.d[s] = back ? in.returned[s][at] : 0;
            }
            unit.d[0] += in.d_output[at] * mask_factor(d, w, STEP, i, c.width, j) + (back ? in.back[at] : 0);
            px_cell_maths[kind].backward(&unit);
            for (int g = 0; g < cell->gates; g++) {
                dz[wide_place(c, cell, i, g, j)] = unit.z[g];
                dz_hh[wide_place(c, cell, i, g, j)] = g == cell->lone ? unit.u : unit.z[g];
            }
            du[at] = unit.u;
            for (int s = 0; s < cell->states; s++) returned[s][at] = unit.d[s];
        }
    const std::vector<double> size(in.z.size(), 16.0); /* products of up to five numbers of magnitude 2 */
    const bool lone = cell->lone != PX_NO_GATE;
    on_every_schedule([&] {
        array<float> d_z(in.z, c.shift), d_u(in.u, c.shift), d_dup(in.d_output, c.shift), d_rec(in.back, c.shift),
            d_hh(in.z.size(), c.shift);
        array<float> before0(in.before[0], c.shift), before1(cell->states > 1 ? in.before[1] : in.before[0], c.shift);
        array<float> now0(in.now[0], c.shift), now1(cell->states > 1 ? in.now[1] : in.now[0], c.shift);
        array<float> returned0(in.returned[0], c.shift),
            returned1(cell->states > 1 ? in.returned[1] : in.returned[0], c.shift);
        array<px_bf16> low(in.z.size(), c.shift), hh_bf16(in.z.size(), c.shift);
        array<uint8_t> d_marks(in.marks), d_next(in.marks_next);
        scalar<px_window_scalars> d_window(w);
        px_gates_backward_args a = {};
        a.d_output = d_dup, a.recurrent = c.last ? nullptr : d_rec.data(), a.reset = d_marks,
        a.reset_next = c.last ? nullptr : d_next.data();
        a.z = d_z, a.dz_bf16 = low;
        if (lone) a.u = d_u, a.dz_hh = d_hh, a.dz_hh_bf16 = hh_bf16;
        a.before[0] = before0, a.now[0] = now0, a.returned[0] = returned0;
        if (cell->states > 1) a.before[1] = before1, a.now[1] = now1, a.returned[1] = returned1;
        a.window = d_window, a.dropout = d, a.cell = kind;
        a.n = c.n, a.width = c.width, a.t = STEP;
        LAUNCHED(px_launch_gates_backward(&a, device_stream()));
        std::vector<float> out = d_z.read();
        expect_close("dz", out, dz, 5e-7, &size);
        expect_same("dz, bf16", low.read(), bf16s_of(out));
        if (lone) {
            expect_close("dz_hh", d_hh.read(), dz_hh, 5e-7, &size);
            expect_same("dz_hh, bf16", hh_bf16.read(), bf16s_of(d_hh.read()));
            expect_close("du", d_u.read(), du, 5e-7, &size);
        }
        expect_close("dh_prev", returned0.read(), returned[0], 5e-7, &size);
        if (cell->states > 1) expect_close("dc_prev", returned1.read(), returned[1], 5e-7, &size);
        append(out, returned0.read());
        return out;
    });
}

void gates_of_every_cell_are_its_equations(void **)
{
    for (int kind = 0; kind < PX_CELL_COUNT; kind++)
        for (const gates_case &c : cases) {
            if (!info_of(static_cast<px_cell>(kind))->keeps) continue;
            check_forward(c, static_cast<px_cell>(kind));
            check_backward(c, static_cast<px_cell>(kind));
        }
}

void gates_are_refused_for_cells_that_keep_none(void **)
{
    px_gates_forward_args forward = {};
    px_gates_backward_args backward = {};
    forward.n = backward.n = forward.width = backward.width = 1;
    forward.cell = backward.cell = PX_CELL_TANH;
    assert_true(px_launch_gates_forward(&forward, device_stream()) == cudaErrorInvalidValue);
    assert_true(px_launch_gates_backward(&backward, device_stream()) == cudaErrorInvalidValue);
}

} // namespace

int run_gates_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gates_of_every_cell_are_its_equations),
        cmocka_unit_test(gates_are_refused_for_cells_that_keep_none),
    };
    return cmocka_run_group_tests_name("gates", tests, nullptr, nullptr);
}
