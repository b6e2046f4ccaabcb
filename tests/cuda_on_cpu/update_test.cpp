/* update.cu against plain loops in double: norm, decision, every optimiser over several steps, averaging, bf16 copies,
 * skipping. */
#include "kernel_test.h"

namespace
{

px_device_metrics clean_metrics()
{
    px_device_metrics m = {};
    m.bad_step = -1;
    return m;
}

void update_norm_is_that_of_all_elements(void **)
{
    const struct {
        size_t count, shift;
    } sizes[] = {{1, 0}, {3, 0}, {16, 0}, {1000, 1}, {8192, 0}, {8193, 0}, {20011, 0}};
    for (const auto &s : sizes)
        on_every_schedule([&] {
            const std::vector<float> g = numbers(s.count, 3, 51);
            double sum = 0;
            for (float x : g) sum += static_cast<double>(x) * x;
            array<float> d_g(g, s.shift);
            array<double> partial(px_norm_partials(s.count));
            scalar<px_device_metrics> metrics(clean_metrics());
            scalar<px_update_scalars> scalars({4, 0.1, 0, 1, 1});
            const px_norm_args a = {d_g, partial, metrics, scalars, s.count, 0.5};
            LAUNCHED(px_launch_update_norm(&a, device_stream()));
            const px_device_metrics m = metrics.get();
            const double norm = std::sqrt(sum);
            assert_true(std::fabs(m.grad_norm - norm) <= 1e-13 * norm);
            assert_true(m.clip_factor == static_cast<float>(norm > 0.5 ? 0.5 / m.grad_norm : 1.0));
            assert_true(m.skip == 0 && m.updates == 1 && m.bad_step == -1 && m.step_loss == 0 && m.ended == 0);
            return std::vector<float>(1, static_cast<float>(m.grad_norm));
        });
}

void update_decides_to_clip_to_skip_and_to_remember(void **)
{
    const struct {
        float gradient;
        double loss, clip;
        float factor;
        int skip;
    } rows[] = {{3, 1, 0, 1, 0},   {3, 1, 3, 1, 0},        {4, 1, 2, 0.5f, 0}, {0, 1, 1, 1, 0},
                {NAN, 1, 1, 1, 1}, {INFINITY, 1, 1, 0, 1}, {2, NAN, 0, 1, 1},  {2, INFINITY, 0, 1, 1}};
    for (const auto &r : rows)
        on_every_schedule([&] {
            px_device_metrics start = clean_metrics();
            start.updates = 5, start.step_loss = r.loss, start.loss_sum = 7;
            scalar<px_device_metrics> metrics(start);
            scalar<px_update_scalars> scalars({12, 0.1, 0, 1, 1});
            array<float> gradient(std::vector<float>{r.gradient});
            array<double> partial(1);
            const px_norm_args a = {gradient, partial, metrics, scalars, 1, r.clip};
            LAUNCHED(px_launch_update_norm(&a, device_stream()));
            px_device_metrics m = metrics.get();
            assert_int_equal(m.skip, r.skip);
            assert_int_equal(m.updates, r.skip ? 5 : 6);
            assert_int_equal(m.bad_step, r.skip ? 12 : -1);
            if (!r.skip) assert_true(m.clip_factor == r.factor && m.grad_norm == r.gradient);
            assert_true(m.step_loss == 0 && m.loss_sum == 7);
            if (!r.skip) return std::vector<float>();
            /* a later, healthy step is skipped too and does not change what is remembered */
            const double norm = m.bad_norm;
            gradient.write({2.0f});
            scalars.write({{13, 0.1, 0, 1, 1}});
            LAUNCHED(px_launch_update_norm(&a, device_stream()));
            m = metrics.get();
            assert_true(m.skip == 1 && m.updates == 5 && m.bad_step == 12 && m.grad_norm == 2);
            assert_true(std::memcmp(&m.bad_norm, &norm, sizeof norm) == 0);
            return std::vector<float>();
        });
}

/* Rates of a model of a few tensors: the spans of one factor, three short ones and a long one. */
px_rate_spans spans_of(size_t count)
{
    return {4, {{16, 1.0f}, {32, 2.5f}, {48, 0.125f}, {count > 48 ? count : 64, 1.5f}}};
}

double factor_at(size_t i) { return i < 16 ? 1 : i < 32 ? 2.5 : i < 48 ? 0.125 : 1.5; }

/* One element of one step at `factor` times the rate, as docs/DESIGN.md and PyTorch's optimisers have it. */
void reference_step(const px_optimizer_config &o, const px_update_scalars &s, double factor, double g, double &w,
                    double &m, double &v)
{
    const double lr = factor * s.lr;
    if (o.kind == PX_ADAMW)
        w -= s.lr * o.weight_decay * w;
    else
        g += o.weight_decay * w;
    switch (o.kind) {
    case PX_SGD: w -= lr * g; break;
    case PX_MOMENTUM:
        m = o.momentum * m + g;
        w -= lr * m;
        break;
    case PX_RMSPROP:
        v = o.alpha * v + (1 - o.alpha) * g * g;
        w -= lr * g / (std::sqrt(v) + o.epsilon);
        break;
    case PX_ADAM:
    case PX_ADAMW:
        m = o.beta1 * m + (1 - o.beta1) * g;
        v = o.beta2 * v + (1 - o.beta2) * g * g;
        w -= lr * (m / s.bias1) / (std::sqrt(v / s.bias2) + o.epsilon);
        break;
    case PX_OPTIMIZER_COUNT: break;
    }
}

/* Four steps of `count` weights, clipped and of another rate each time, against reference_step. */
void check_steps(px_optimizer kind, size_t count, size_t shift)
{
    const px_optimizer_config o = {kind, 0.9, 0.9, 0.999, 0.99, 1e-8, count % 2 ? 0.01 : 0.0, 1.0, PX_LR_SCALING_NONE};
    const bool first = kind == PX_MOMENTUM || kind == PX_ADAM || kind == PX_ADAMW;
    const bool second = kind == PX_RMSPROP || kind == PX_ADAM || kind == PX_ADAMW;
    on_every_schedule([&] {
        const std::vector<float> start = numbers(count, 0.5, 61);
        std::vector<double> w(start.begin(), start.end()), m(count), v(count), average = w;
        array<float> d_w(start, shift), d_g(count, shift), d_average(start, shift);
        array<float> d_m(std::vector<float>(count), shift), d_v(std::vector<float>(count), shift);
        array<px_bf16> low(count, shift);
        scalar<px_device_metrics> metrics(clean_metrics());
        for (uint64_t step = 0; step < 4; step++) {
            const std::vector<float> g = numbers(count, 1, 70 + static_cast<uint32_t>(step));
            const double taken = static_cast<double>(step) + 1;
            const px_update_scalars s = {step, 0.01 / taken, step == 0 ? 0 : 1 / taken, 1 - std::pow(o.beta1, taken),
                                         1 - std::pow(o.beta2, taken)};
            px_device_metrics decided = clean_metrics();
            decided.clip_factor = step % 2 ? 0.25f : 1.0f;
            metrics.write({decided});
            d_g.write(g);
            scalar<px_update_scalars> scalars(s);
            const px_update_args a = {d_w,
                                      d_g,
                                      first ? d_m.data() : nullptr,
                                      second ? d_v.data() : nullptr,
                                      d_average,
                                      low,
                                      count,
                                      &o,
                                      scalars,
                                      metrics,
                                      spans_of(count),
                                      count / 8 * 4,
                                      count / 4 * 4};
            LAUNCHED(px_launch_update_apply(&a, device_stream()));
            for (size_t i = 0; i < count; i++) {
                reference_step(o, s, factor_at(i), g[i] * static_cast<double>(decided.clip_factor), w[i], m[i], v[i]);
                average[i] += s.average_weight * (w[i] - average[i]);
            }
            std::vector<float> left(g); /* the part that is kept */
            for (size_t i = 0; i < count; i++)
                if (i < a.kept_begin || i >= a.kept_end) left[i] = 0;
            expect_same("gradients, cleared", d_g.read(), left);
        }
        const std::vector<double> unit(count, 0.5);
        expect_close("weights", d_w.read(), w, 2e-6, &unit);
        expect_close("average", d_average.read(), average, 2e-6, &unit);
        expect_same("weights, bf16", low.read(), bf16s_of(d_w.read()));
        const std::vector<double> g_unit(count, 1.0);
        if (first) expect_close("moment 1", d_m.read(), m, 2e-6, &g_unit);
        if (second) expect_close("moment 2", d_v.read(), v, 2e-6, &g_unit);
        return d_w.read();
    });
}

void update_steps_follow_each_optimiser(void **)
{
    for (px_optimizer kind : {PX_SGD, PX_MOMENTUM, PX_ADAM, PX_ADAMW, PX_RMSPROP}) {
        for (const size_t count : {1, 33, 64, 1100}) check_steps(kind, count, 0);
        check_steps(kind, 1030, 1);
    }
}

void update_that_is_skipped_changes_nothing_but_clears_gradients(void **)
{
    for (px_optimizer kind : {PX_SGD, PX_MOMENTUM, PX_ADAM, PX_ADAMW, PX_RMSPROP})
        on_every_schedule([&] {
            const size_t count = 70;
            const px_optimizer_config o = {kind, 0.9, 0.9, 0.999, 0.99, 1e-8, 0.1, 1.0, PX_LR_SCALING_NONE};
            const std::vector<float> start = numbers(count, 1, 81), m = numbers(count, 1, 82),
                                     v = numbers(count, 1, 83);
            px_device_metrics decided = clean_metrics();
            decided.skip = 1, decided.clip_factor = 1, decided.bad_step = 0;
            array<float> d_w(start), d_g(std::vector<float>(count, NAN)), d_m(m), d_v(v), d_average(v);
            scalar<px_device_metrics> metrics(decided);
            scalar<px_update_scalars> scalars({1, 0.1, 0.5, 0.1, 0.1});
            const px_update_args a = {
                d_w, d_g, d_m, d_v, d_average, nullptr, count, &o, scalars, metrics, spans_of(count), 0, 0};
            LAUNCHED(px_launch_update_apply(&a, device_stream()));
            expect_same("weights", d_w.read(), start);
            expect_same("moment 1", d_m.read(), m);
            expect_same("moment 2", d_v.read(), v);
            expect_same("average", d_average.read(), v);
            expect_same("gradients", d_g.read(), std::vector<float>(count));
            return std::vector<float>();
        });
}

} // namespace

int run_update_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(update_norm_is_that_of_all_elements),
        cmocka_unit_test(update_decides_to_clip_to_skip_and_to_remember),
        cmocka_unit_test(update_steps_follow_each_optimiser),
        cmocka_unit_test(update_that_is_skipped_changes_nothing_but_clears_gradients),
    };
    return cmocka_run_group_tests_name("update", tests, nullptr, nullptr);
}
