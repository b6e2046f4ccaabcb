/* head_loss.cu and head.cu against plain loops in double: loss, gradient and the bias's gradient over every path (a
 * warp or a block for a row, two reads), element type and alignment; the extremes of probability; sums, probabilities
 * and uniforms. */
#include "kernel_test.h"

#include <algorithm>

namespace
{

struct head_case {
    int rows, V, ld;
    size_t shared_bytes; /* 0: what the device has; less keeps the sums of wide rows in global memory */
    double scale;        /* of the logits */
    size_t shift;
};

const head_case cases[] = {
    {1, 1, 1, 0, 3, 0},          {1, 2, 2, 0, 3, 0},         {9, 2, 64, 0, 30, 0},       {7, 28, 28, 0, 3, 0},
    {1030, 5, 8, 0, 3, 0},       {5, 33, 33, 0, 3, 0},       {3, 100, 128, 0, 3, 0},     {2, 250, 250, 0, 9, 0},
    {3, 500, 500, 0, 3, 1},      {2, 512, 512, 0, 3, 0},     {2, 513, 576, 0, 3, 0},     {514, 514, 516, 0, 3, 0},
    {2, 1601, 1601, 0, 3, 0},    {3, 2050, 2112, 0, 60, 0},  {2, 2051, 2052, 0, 3, 1},   {1, 10007, 10048, 0, 3, 0},
    {1, 13000, 13000, 0, 3, 0},  {2, 13001, 13004, 0, 3, 1}, {2, 20482, 20544, 0, 3, 0}, {3, 20483, 20484, 1, 9, 0},
    {2, 20485, 20485, 1, 80, 1},
};

/* The thread sanitizer makes a fiber of every thread and takes its time: it gets every path, but of the widest one row.
 */
#if defined(__SANITIZE_THREAD__)
enum { MOST_LOGITS = 2700, ONE_WIDE_ROW = 1 };
#else
enum { MOST_LOGITS = 1 << 20, ONE_WIDE_ROW = 0 };
#endif

struct row_result {
    double nll;
    std::vector<double> gradient;
};

/* -log softmax and its gradient, in double, from logits as the device holds them. */
row_result reference_row(const float *logits, const std::vector<float> &bias, int V, int target, double inv_count)
{
    row_result r = {0, std::vector<double>(static_cast<size_t>(V), 0.0)};
    if (target < 0) return r;
    double max = -INFINITY, others = 0;
    std::vector<double> o(static_cast<size_t>(V));
    for (int j = 0; j < V; j++) {
        o[j] = static_cast<double>(logits[j] +
                                   bias[j]); /* the sum is rounded to float, as everything before the loss is */
        if (o[j] > max) max = o[j];
    }
    auto weight = [&](double x) { return x == max ? 1.0 : std::exp(x - max); };
    for (int j = 0; j < V; j++)
        if (j != target) others += weight(o[j]);
    const double sum = others + weight(o[target]);
    r.nll = o[target] == max ? std::log1p(others) : (max - o[target]) + std::log(sum);
    for (int j = 0; j < V; j++) r.gradient[j] = (j == target ? -others : weight(o[j])) / sum * inv_count;
    return r;
}

struct head_want {
    std::vector<double> nll, nll_size, gradient, gradient_size, d_bias, d_bias_size;
};

/* Gradients over all of ld, zeros from V on, and their sums over rows. */
head_want reference_head(const head_case &c, const std::vector<float> &logits, const std::vector<float> &bias,
                         const std::vector<int32_t> &targets, double inv_count)
{
    const size_t ld = static_cast<size_t>(c.ld), V = static_cast<size_t>(c.V);
    head_want w;
    w.d_bias.assign(ld, 0), w.d_bias_size.assign(ld, 1e-9);
    for (size_t i = 0; i < targets.size(); i++) {
        const row_result r = reference_row(&logits[i * ld], bias, c.V, targets[i], inv_count);
        w.nll.push_back(r.nll);
        w.nll_size.push_back(std::fabs(r.nll) + 1e-12);
        for (size_t j = 0; j < ld; j++) {
            const double x = j < V ? r.gradient[j] : 0;
            w.gradient.push_back(x);
            w.gradient_size.push_back(std::fabs(x) + 1e-9);
            w.d_bias[j] += x;
            w.d_bias_size[j] += std::fabs(x);
        }
    }
    return w;
}

/* The bias's gradient, of sums over segments and of what it was. */
std::vector<float> check_bias(const head_case &c, const array<float> &partial, const array<float> &nll,
                              const array<int32_t> &targets, const head_want &want)
{
    const size_t ld = static_cast<size_t>(c.ld), rows = static_cast<size_t>(c.rows);
    array<float> d_bias(std::vector<float>(ld, 0.25f));
    scalar<px_device_metrics> metrics(px_device_metrics{});
    px_head_sum_args a = {};
    a.metrics = metrics, a.nll = nll, a.targets = targets, a.d_bias = d_bias, a.partial = partial;
    a.rows = rows, a.segments = px_head_segments(rows), a.ld = ld;
    LAUNCHED(px_launch_head_sum(&a, device_stream()));
    const std::vector<float> got = d_bias.read();
    expect_close("d_bias", got, want.d_bias, 1e-5, &want.d_bias_size);
    a.accumulate = 1;
    LAUNCHED(px_launch_head_sum(&a, device_stream()));
    std::vector<float> twice = d_bias.read();
    for (size_t j = 0; j < ld; j++) assert_true(twice[j] == 2 * got[j]);
    return got;
}

void check_head(const head_case &c, px_element type, bool gradient)
{
    const size_t rows = static_cast<size_t>(c.rows), ld = static_cast<size_t>(c.ld), V = static_cast<size_t>(c.V);
    const std::vector<float> bias = numbers(V, 1, 22);
    std::vector<float> logits = numbers(rows * ld, c.scale, 21);
    if (type == PX_ELEMENT_BF16) logits = floats_of(bf16s_of(logits));
    std::vector<int32_t> targets = integers(rows, c.V, 23);
    for (size_t i = 1; i + 1 < rows; i += 5) targets[i] = -1;
    if (rows > 1) targets[rows - 1] = c.V - 1;
    const px_window_scalars w = {0, 0, 1, 1.0 / 37};
    const head_want want = reference_head(c, logits, bias, targets, w.inv_count);
    const bool sums = gradient && c.ld % 4 == 0 && c.shift == 0;
    on_every_schedule([&] {
        array<float> x(logits, c.shift), d_bias(bias), d_nll(rows), partial(px_head_segments(rows) * ld);
        array<px_bf16> x_low(bf16s_of(logits), c.shift);
        array<int32_t> d_targets(targets);
        scalar<px_window_scalars> d_window(w);
        px_head_args a = {};
        a.logits = type == PX_ELEMENT_BF16 ? static_cast<void *>(x_low.data()) : x.data();
        a.type = type, a.gradient = gradient;
        a.bias = d_bias, a.targets = d_targets, a.nll = d_nll, a.window = d_window;
        a.partial = gradient ? partial.data() : nullptr;
        a.rows = rows, a.ld = ld, a.V = c.V;
        a.shared_bytes = c.shared_bytes ? c.shared_bytes : device_shared_bytes();
        LAUNCHED(px_launch_head_loss(&a, device_stream()));
        expect_close("nll", d_nll.read(), want.nll, 2e-6, &want.nll_size);
        std::vector<float> result = d_nll.read();
        const std::vector<float> after = type == PX_ELEMENT_BF16 ? floats_of(x_low.read()) : x.read();
        if (!gradient) {
            expect_same("logits, untouched", after, logits);
            return result;
        }
        expect_close("gradient", after, want.gradient, type == PX_ELEMENT_BF16 ? 0.0040 : 3e-6, &want.gradient_size);
        append(result, after);
        if (sums) append(result, check_bias(c, partial, d_nll, d_targets, want));
        return result;
    });
}

void head_loss_and_gradient_match_double_over_all_widths(void **)
{
    for (const head_case &c : cases) {
        if (c.rows * c.V > MOST_LOGITS) continue;
        check_head(c, PX_ELEMENT_FP32, true);
        check_head(c, PX_ELEMENT_FP32, false);
    }
    if (ONE_WIDE_ROW) check_head({1, 20485, 20485, 1, 3, 0}, PX_ELEMENT_FP32, true);
}

void head_in_bf16_matches_double_to_its_rounding(void **)
{
    for (const head_case &c : cases) {
        if (c.rows * c.V > std::min<int>(42000, MOST_LOGITS)) continue;
        check_head(c, PX_ELEMENT_BF16, true);
    }
}

/* Certain, impossible, infinite and broken rows, at widths of all paths. */
void head_keeps_the_extremes_exact(void **)
{
    for (int V : {4, 1500, 9000, 13000, 21000}) {
        if (7 * V > MOST_LOGITS) continue;
        on_every_schedule([&] {
            const size_t v = static_cast<size_t>(V), rows = 7;
            std::vector<float> logits(rows * v, 0.0f), bias(v, 0.0f);
            std::vector<int32_t> targets = {2, 2, 2, 2, 2, 2, 2};
            logits[0 * v + 2] = 300;       /* certain: loss 0 */
            logits[1 * v + 2] = -INFINITY; /* impossible: loss inf */
            logits[2 * v + 1] = INFINITY;  /* all mass elsewhere: inf */
            logits[3 * v + 2] = INFINITY;  /* all mass here: 0 */
            logits[4 * v + 1] = NAN;       /* broken: NaN */
            logits[5 * v + 2] = NAN;
            logits[6 * v + 2] =
                static_cast<float>(std::log(1e6 * (V - 1))); /* p = 1 - 1e-6: a loss of 1e-6, not rounding */
            array<float> x(logits), d_bias(bias), nll(rows);
            array<int32_t> d_targets(targets);
            scalar<px_window_scalars> d_window({0, 0, 1, 1.0});
            px_head_args a = {};
            a.logits = x;
            a.gradient = 1;
            a.bias = d_bias;
            a.targets = d_targets;
            a.nll = nll;
            a.window = d_window;
            a.rows = rows, a.ld = v, a.V = V, a.shared_bytes = device_shared_bytes();
            LAUNCHED(px_launch_head_loss(&a, device_stream()));
            const std::vector<float> got = nll.read(), d = x.read();
            const std::vector<double> want = {0, INFINITY, INFINITY, 0, NAN, NAN, 1e-6};
            expect_close("nll", got, want, 1e-5);
            assert_true(d[2] == 0 && d[1] == 0);
            assert_true(std::fabs(d[v + 2] + 1.0f) < 1.2e-7f); /* S * (1 / S) */
            assert_true(std::fabs(d[6 * v + 2] + 1e-6f) <
                        1e-11f); /* the gradient of a nearly certain target keeps its digits */
            return std::vector<float>();
        });
    }
}

void head_uniform_logits_cost_the_logarithm_of_V(void **)
{
    for (int V : {2, 28, 10007}) {
        const size_t v = static_cast<size_t>(V);
        device_set_schedule(0);
        array<float> x(std::vector<float>(v, 0.5f)), bias(std::vector<float>(v, -2.0f)), nll(1);
        array<int32_t> target(std::vector<int32_t>{V / 2});
        px_head_args a = {};
        a.logits = x;
        a.bias = bias;
        a.targets = target;
        a.nll = nll;
        a.rows = 1, a.ld = v, a.V = V;
        LAUNCHED(px_launch_head_loss(&a, device_stream())); /* no gradient: the window is not read */
        expect_close("nll", nll.read(), {std::log(static_cast<double>(V))}, 3e-7);
    }
}

void sum_losses(px_device_metrics *metrics, const float *nll, const int32_t *targets, size_t rows, int training,
                float *poison)
{
    px_head_sum_args a = {};
    a.metrics = metrics, a.nll = nll, a.targets = targets, a.rows = rows, a.training = training, a.poison = poison;
    LAUNCHED(px_launch_head_sum(&a, device_stream()));
}

void head_loss_sum_adds_in_double_and_counts_scored_rows(void **)
{
    for (size_t rows : {size_t(1), size_t(35), size_t(1025), size_t(2600)})
        on_every_schedule([&] {
            std::vector<float> nll = numbers(rows, 5, 31);
            std::vector<int32_t> targets = integers(rows, 3, 32);
            double sum = 0;
            int64_t scored = 0;
            for (size_t i = 0; i < rows; i++) {
                targets[i] -= 1;
                if (targets[i] < 0) nll[i] = 0;
                sum += nll[i];
                scored += targets[i] >= 0;
            }
            px_device_metrics start = {};
            start.loss_sum = 2, start.tokens = 10, start.step_loss = 3, start.bad_step = -1;
            array<float> d_nll(nll);
            array<int32_t> d_targets(targets);
            scalar<px_device_metrics> metrics(start);
            sum_losses(metrics, d_nll, d_targets, rows, 0, nullptr);
            px_device_metrics m = metrics.get();
            assert_true(std::fabs(m.loss_sum - 2 - sum) < 1e-10 && m.tokens == 10 + scored && m.step_loss == 3);
            sum_losses(metrics, d_nll, d_targets, rows, 1, nullptr);
            m = metrics.get();
            assert_true(std::fabs(m.loss_sum - 2 - 2 * sum) < 1e-10 && m.tokens == 10 + 2 * scored);
            assert_true(std::fabs(m.step_loss - 3 - sum) < 1e-10 && m.bad_step == -1);
            array<float> gradient(
                std::vector<float>(1, 0.5f)); /* poisoned only by a loss that is not finite, and only in training */
            sum_losses(metrics, d_nll, d_targets, rows, 1, gradient);
            assert_true(gradient.read()[0] == 0.5f);
            nll[rows - 1] = INFINITY;
            array<float> d_infinite(nll);
            sum_losses(metrics, d_infinite, d_targets, rows, 0, gradient);
            assert_true(gradient.read()[0] == 0.5f);
            sum_losses(metrics, d_infinite, d_targets, rows, 1, gradient);
            assert_true(std::isnan(gradient.read()[0]));
            return std::vector<float>();
        });
}

void head_softmax_gives_probabilities_that_sum_to_one(void **)
{
    const struct {
        int rows, V, ld;
        size_t shift;
    } sizes[] = {{1, 1, 1, 0},       {3, 2, 2, 0},         {2, 28, 32, 0},
                 {1, 1001, 1001, 0}, {1, 10007, 10008, 0}, {2, 600, 600, 1}};
    for (const auto &s : sizes) {
        const size_t rows = static_cast<size_t>(s.rows), V = static_cast<size_t>(s.V), ld = static_cast<size_t>(s.ld);
        const std::vector<float> logits = numbers(rows * ld, 6, 41), bias = numbers(V, 1, 42);
        std::vector<double> want, size;
        for (size_t i = 0; i < rows; i++) {
            double sum = 0;
            for (size_t j = 0; j < V; j++) sum += std::exp(static_cast<double>(logits[i * ld + j] + bias[j]));
            for (size_t j = 0; j < V; j++)
                want.push_back(std::exp(static_cast<double>(logits[i * ld + j] + bias[j])) / sum);
        }
        on_every_schedule([&] {
            array<float> x(logits, s.shift), b(bias), p(rows * V, s.shift);
            LAUNCHED(px_launch_head_softmax(p, x, b, rows, s.V, ld, device_stream()));
            expect_close("probabilities", p.read(), want, 2e-6);
            std::vector<float> bits = p.read();
            if (ld == V) { /* in place */
                LAUNCHED(px_launch_head_softmax(x, x, b, rows, s.V, ld, device_stream()));
                expect_same("probabilities in place", x.read(), bits);
            }
            return bits;
        });
    }
}

void head_refuses_what_it_cannot_do(void **)
{
    float dummy;
    px_head_args a = {};
    a.logits = &dummy;
    a.V = 4, a.ld = 3, a.rows = 1;
    assert_int_equal(px_launch_head_loss(&a, device_stream()), cudaErrorInvalidValue);
    a.ld = 4, a.partial = &dummy; /* sums of gradients that nobody asks for */
    assert_int_equal(px_launch_head_loss(&a, device_stream()), cudaErrorInvalidValue);
    a.partial = nullptr, a.rows = 0;
    assert_int_equal(px_launch_head_loss(&a, device_stream()), cudaSuccess);
    a.rows = 1, a.V = 0;
    assert_int_equal(px_launch_head_loss(&a, device_stream()), cudaErrorInvalidValue);
    px_head_sum_args b = {};
    b.rows = 1, b.ld = 5, b.d_bias = &dummy, b.partial = &dummy;
    assert_int_equal(px_launch_head_sum(&b, device_stream()), cudaErrorInvalidValue);
}

} // namespace

int run_head_tests()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_loss_and_gradient_match_double_over_all_widths),
        cmocka_unit_test(head_in_bf16_matches_double_to_its_rounding),
        cmocka_unit_test(head_keeps_the_extremes_exact),
        cmocka_unit_test(head_uniform_logits_cost_the_logarithm_of_V),
        cmocka_unit_test(head_loss_sum_adds_in_double_and_counts_scored_rows),
        cmocka_unit_test(head_softmax_gives_probabilities_that_sum_to_one),
        cmocka_unit_test(head_refuses_what_it_cannot_do),
    };
    return cmocka_run_group_tests_name("head", tests, nullptr, nullptr);
}
