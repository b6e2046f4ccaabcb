/* kernel_cases [--kernel NAME] [--variant NAME] [--time] [--json] [--list]: the list of kernel_cases.h, one line for
 * each case. --list: the kernels and their variants alone, a pair a line, so that each can be run in a process of its
 * own (bench/kernels.sh).
 *
 * On a GPU every case is run, and with --time timed: the median of some rounds of launches that follow one another. In
 * the simulator the small ones are, under each schedule, and nothing is timed. Exit status 1 where a case is wrong. */
#include "kernel_cases.h"

#include "device_time.h"

#include <algorithm>
#include <cstdarg>

namespace cases
{

std::string text(const char *format, ...)
{
    char buffer[200];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    return buffer;
}

void verdict::compare(const std::string &what, const std::vector<float> &got, const std::vector<double> &want,
                      double tolerance, const std::vector<double> &size)
{
    if (got.size() != want.size()) words = what + ": another number of values than the reference has";
    for (size_t i = 0; i < want.size() && i < got.size(); i++) {
        const double g = static_cast<double>(got[i]),
                     allowed = tolerance * (size.empty() ? std::fabs(want[i]) : size[i]) + 1e-37;
        const double share = g == want[i] ? 0 : std::fabs(g - want[i]) / allowed;
        if (share <= worst) continue;
        worst = share <= 1e300 ? share : INFINITY; /* NaN too: no comparison holds for it */
        if (!(share <= 1) && words.empty())
            words = text("%s[%zu]: got %.9g, want %.9g, tolerance %.3g (schedule %s)", what.c_str(), i, g, want[i],
                         allowed, device_schedule());
    }
}

namespace
{

struct options {
    const char *kernel = nullptr, *variant = nullptr;
    bool time = false, json = false, list = false;
};

/* Median seconds of a launch, over rounds of about a millisecond. */
double median_seconds(const ready &r)
{
    enum { ROUNDS = 21 };
    const double once = std::max(device_seconds(r.launch, 10) / 10, 1e-7);
    const int launches = static_cast<int>(std::min(1000.0, std::max(1.0, 1e-3 / once)));
    std::vector<double> seconds(ROUNDS);
    for (double &s : seconds) s = device_seconds(r.launch, launches) / launches;
    std::sort(seconds.begin(), seconds.end());
    return seconds[ROUNDS / 2];
}

void print(const options &o, const kernel_case &c, const ready &r, const verdict &v, double seconds, bool first)
{
    if (o.json) {
        std::printf("%s{\"kernel\": \"%s\", \"variant\": \"%s\", \"shape\": \"%s\", \"error\": %.4g",
                    first ? "" : ",\n", c.kernel, c.variant, c.shape.c_str(), std::min(v.worst, 1e30));
        if (seconds > 0)
            std::printf(", \"us\": %.4g, \"gb_s\": %.4g, \"gflops\": %.4g", seconds * 1e6, r.bytes / seconds * 1e-9,
                        r.flops / seconds * 1e-9);
        std::printf("}");
        return;
    }
    std::printf("%-20s %-12s %-34s %9.2g", c.kernel, c.variant, c.shape.c_str(), v.worst);
    if (seconds > 0)
        std::printf(" %10.2f us %8.0f GB/s %8.0f GFLOP/s", seconds * 1e6, r.bytes / seconds * 1e-9,
                    r.flops / seconds * 1e-9);
    std::printf("\n");
}

/* Under every schedule; false: wrong. */
bool run_case(const options &o, const kernel_case &c, bool first)
{
    verdict all;
    double seconds = 0;
    for (int k = 0; k < device_schedules(); k++) {
        device_set_schedule(k);
        const ready r = c.make();
        cudaError_t error = r.launch();
        if (error == cudaSuccess) error = device_wait();
        verdict v;
        if (error != cudaSuccess)
            v.worst = INFINITY, v.words = text("error %d: %s", static_cast<int>(error), device_fault());
        else
            v = r.check();
        if (v.worst > all.worst) all = v;
        if (o.time && device_measures() && all.words.empty()) seconds = median_seconds(r);
        if (k == device_schedules() - 1) print(o, c, r, all, seconds, first);
    }
    if (all.words.empty()) return true;
    std::fprintf(stderr, "WRONG: %s, %s, %s: %s\n", c.kernel, c.variant, c.shape.c_str(), all.words.c_str());
    return false;
}

options read(int argc, char **argv)
{
    options o;
    for (int i = 1; i < argc; i++) {
        const std::string word = argv[i];
        if (word == "--time")
            o.time = true;
        else if (word == "--json")
            o.json = true;
        else if (word == "--list")
            o.list = true;
        else if (word == "--kernel" && i + 1 < argc)
            o.kernel = argv[++i];
        else if (word == "--variant" && i + 1 < argc)
            o.variant = argv[++i];
        else {
            std::fprintf(
                stderr,
                "%s: not known; usage: kernel_cases [--kernel NAME] [--variant NAME] [--time] [--json] [--list]\n",
                argv[i]);
            std::exit(2);
        }
    }
    return o;
}

bool is_asked_for(const options &o, const kernel_case &c)
{
    if (c.large && !device_measures()) return false;
    return (!o.kernel || std::strcmp(o.kernel, c.kernel) == 0) &&
           (!o.variant || std::strcmp(o.variant, c.variant) == 0);
}

int print_pairs(const list &all)
{
    std::vector<std::string> pairs;
    for (const kernel_case &c : all) pairs.push_back(text("%s %s", c.kernel, c.variant));
    std::sort(pairs.begin(), pairs.end());
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    for (const std::string &pair : pairs) std::printf("%s\n", pair.c_str());
    return 0;
}

} // namespace

int run(int argc, char **argv)
{
    const options o = read(argc, argv);
    const char *why = "";
    if (!device_works(&why)) {
        std::printf("SKIP: kernels on a GPU: %s\n", why);
        return 77;
    }
    list all;
    add_embed(all);
    add_recurrence(all);
    add_windows(all);
    add_gates(all);
    add_gates_windows(all);
    add_head(all);
    add_update(all);
    if (o.list) return print_pairs(all);
    int wrong = 0, count = 0;
    if (o.json) std::printf("[\n");
    for (const kernel_case &c : all) {
        if (!is_asked_for(o, c)) continue;
        wrong += !run_case(o, c, count++ == 0);
    }
    if (o.json)
        std::printf("\n]\n");
    else
        std::printf("%d cases, %d wrong\n", count, wrong);
    if (count == 0)
        std::fprintf(stderr, "--kernel %s --variant %s: no case of that name\n", o.kernel ? o.kernel : "(any)",
                     o.variant ? o.variant : "(any)");
    return count == 0 ? 2 : wrong > 0;
}

} // namespace cases

int main(int argc, char **argv) { return cases::run(argc, argv); }
