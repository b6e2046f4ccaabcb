/* Cases of the update: the norm, the step of every optimiser, the bf16 copy and the transpose. */
#include "kernel_cases.h"

namespace cases
{
namespace
{

const struct {
    size_t count, shift;
    bool large;
} sizes[] = {{1030, 0, false}, {1030, 1, false}, {9000, 0, false}, {5400000, 0, true}, {11300000, 0, true}};

const char *alignment(size_t shift) { return shift ? "elements" : "quads"; }

ready norm(size_t count, size_t shift)
{
    const std::vector<float> g = numbers(count, 1, 1);
    auto d_g = std::make_shared<array<float>>(g, shift);
    auto partial = std::make_shared<array<double>>(px_norm_partials(count));
    auto metrics = std::make_shared<scalar<px_device_metrics>>(px_device_metrics{});
    auto scalars = std::make_shared<scalar<px_update_scalars>>(px_update_scalars{});
    const auto launch = [=] {
        const px_norm_args a = {*d_g, *partial, *metrics, *scalars, count, 0};
        return px_launch_update_norm(&a, device_stream());
    };
    const auto check = [=] {
        verdict v;
        double want = 0, got = 0;
        for (float x : g) want += static_cast<double>(x) * x;
        for (double x : partial->read()) got += x;
        v.compare("sum of squares", {static_cast<float>(got)}, {want}, 1e-6);
        return v;
    };
    return {launch, check, static_cast<double>(count * sizeof(float)), 2.0 * static_cast<double>(count)};
}

/* An optimiser's arrays; moments that it does not have are not given to it. */
struct optimizer_arrays {
    px_optimizer_config o;
    bool first, second;
    size_t count;
    std::vector<float> start, g;
    array<float> w, d_g, m, v;
    scalar<px_update_scalars> scalars;
    scalar<px_device_metrics> metrics;
    optimizer_arrays(px_optimizer kind, size_t n, size_t shift)
        : o{kind, 0.9, 0.9, 0.999, 0.99, 1e-8, 0, 0, PX_LR_SCALING_NONE},
          first(kind == PX_MOMENTUM || kind == PX_ADAM || kind == PX_ADAMW),
          second(kind == PX_RMSPROP || kind == PX_ADAM || kind == PX_ADAMW), count(n), start(numbers(n, 0.5, 1)),
          g(numbers(n, 1, 2)), w(start, shift), d_g(g, shift), m(std::vector<float>(n), shift),
          v(std::vector<float>(n), shift), scalars(px_update_scalars{0, 0.01, 0, 0.1, 0.001}), metrics(healthy())
    {
    }
    static px_device_metrics healthy()
    {
        px_device_metrics metrics = {};
        metrics.bad_step = -1;
        metrics.clip_factor = 1;
        return metrics;
    }
};

const size_t SPAN = 16; /* floats whose rate has the factor 1; what follows has another */
const float SPAN_FACTOR = 2.5f;

/* The first step of weight i by an optimiser from zero moments, without decay (update_test.cpp has the rest). */
double first_step(px_optimizer kind, size_t i, double w, double g)
{
    const double rate = 0.01 * (i < SPAN ? 1 : SPAN_FACTOR);
    switch (kind) {
    case PX_RMSPROP: return w - rate * g / (std::sqrt(0.01 * g * g) + 1e-8);
    case PX_ADAM:
    case PX_ADAMW: return w - rate * g / (std::fabs(g) + 1e-8);
    default: return w - rate * g;
    }
}

ready apply(px_optimizer kind, size_t count, size_t shift)
{
    auto a = std::make_shared<optimizer_arrays>(kind, count, shift);
    const auto launch = [a] {
        const px_update_args args = {a->w,
                                     a->d_g,
                                     a->first ? a->m.data() : nullptr,
                                     a->second ? a->v.data() : nullptr,
                                     nullptr,
                                     nullptr,
                                     a->count,
                                     &a->o,
                                     a->scalars,
                                     a->metrics,
                                     {2, {{SPAN, 1.0f}, {std::max(a->count, 2 * SPAN), SPAN_FACTOR}}},
                                     0,
                                     0};
        return px_launch_update_apply(&args, device_stream());
    };
    const auto check = [a, kind] {
        verdict v;
        std::vector<double> want(a->count);
        for (size_t i = 0; i < a->count; i++) want[i] = first_step(kind, i, a->start[i], a->g[i]);
        v.compare("weights", a->w.read(), want, 2e-6, std::vector<double>(a->count, 0.5));
        v.compare("gradients, cleared", a->d_g.read(), std::vector<double>(a->count), 1e-7);
        return v;
    };
    return {launch, check, static_cast<double>(count * sizeof(float)) * (4 + 2 * (a->first + a->second)), 0};
}

ready bf16_copy(size_t count, size_t shift)
{
    const std::vector<float> in = numbers(count, 1, 3);
    auto from = std::make_shared<array<float>>(in, shift);
    auto to = std::make_shared<array<px_bf16>>(count, shift);
    const auto launch = [=] { return px_launch_layout_bf16(*to, *from, count, device_stream()); };
    const auto check = [=] {
        verdict v;
        const std::vector<float> rounded_in = floats_of(bf16s_of(in));
        v.compare("bf16", floats_of(to->read()), std::vector<double>(rounded_in.begin(), rounded_in.end()), 1e-9);
        return v;
    };
    return {launch, check, static_cast<double>(count * 6), 0};
}

ready transpose(int rows, int cols)
{
    const size_t count = static_cast<size_t>(rows) * cols;
    const std::vector<float> in = numbers(count, 1, 4);
    auto from = std::make_shared<array<float>>(in), to = std::make_shared<array<float>>(count);
    const auto launch = [=] { return px_launch_layout_transpose(*to, *from, rows, cols, device_stream()); };
    const auto check = [=] {
        verdict v;
        std::vector<double> want(count);
        for (size_t i = 0; i < count; i++)
            want[i % static_cast<size_t>(cols) * rows + i / static_cast<size_t>(cols)] = in[i];
        v.compare("transpose", to->read(), want, 1e-9);
        return v;
    };
    return {launch, check, 8.0 * static_cast<double>(count), 0};
}

} // namespace

void add_update(list &to)
{
    static const char *const names[] = {"sgd", "momentum", "adam", "adamw", "rmsprop"};
    static const px_optimizer kinds[] = {PX_SGD, PX_MOMENTUM, PX_ADAM, PX_ADAMW, PX_RMSPROP};
    for (const auto &s : sizes) {
        const std::string shape = text("%zu", s.count);
        to.push_back({"update_norm", alignment(s.shift), shape, s.large, [s] { return norm(s.count, s.shift); }});
        for (int k = 0; k < 5; k++)
            to.push_back({"update_apply", alignment(s.shift), text("%s %zu", names[k], s.count), s.large,
                          [s, k] { return apply(kinds[k], s.count, s.shift); }});
        to.push_back({"layout_bf16", alignment(s.shift), shape, s.large, [s] { return bf16_copy(s.count, s.shift); }});
    }
    to.push_back({"layout_transpose", "tiles", "33 x 70", false, [] { return transpose(33, 70); }});
    to.push_back({"layout_transpose", "tiles", "10000 x 512", true, [] { return transpose(10000, 512); }});
}

} // namespace cases
