/* What all kernel tests share: arrays on the device with guarded ends, test numbers, comparison with double-precision
 * loops, and the loop over schedules. A failure prints the array, index, got, want and tolerance, and the schedule. */
#ifndef PX_KERNEL_TEST_H
#define PX_KERNEL_TEST_H

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
extern "C" {
#include <cmocka.h>
}

#include "device_memory.h"
#include "kernels.h"
#include "philox.h"

#undef fail /* cmocka's macro would catch other functions of that name */

/* An array in device memory, surrounded by guard elements (0xff bytes) that must stay as they are. shift: elements by
 * which it starts off the allocation's alignment. */
template <class T> class array
{
  public:
    explicit array(size_t n, size_t shift = 0) : count(n), guard(device_guard()), before(guard + shift)
    {
        base = static_cast<T *>(device_alloc((before + count + guard) * sizeof(T)));
    }
    explicit array(const std::vector<T> &values, size_t shift = 0) : array(values.size(), shift) { write(values); }
    ~array()
    {
        if (guard) check_guards();
        device_free(base);
    }
    array(const array &) = delete;
    array &operator=(const array &) = delete;
    T *data() const { return base + before; }
    operator T *() const { return data(); }
    void write(const std::vector<T> &values) { device_write(data(), values.data(), values.size() * sizeof(T)); }
    std::vector<T> read() const
    {
        std::vector<T> values(count);
        device_read(values.data(), data(), count * sizeof(T));
        return values;
    }

  private:
    void check_guards() const
    {
        std::vector<unsigned char> bytes((before + count + guard) * sizeof(T));
        device_read(bytes.data(), base, bytes.size());
        for (size_t i = 0; i < bytes.size(); i++) {
            if (i >= before * sizeof(T) && i < (before + count) * sizeof(T)) continue;
            if (bytes[i] != 0xff) {
                print_error("written outside an array: byte %ld of %zu (schedule %s)\n",
                            static_cast<long>(i) - static_cast<long>(before * sizeof(T)), count * sizeof(T),
                            device_schedule());
                _fail(__FILE__, __LINE__);
            }
        }
    }
    T *base;
    size_t count, guard, before;
};

/* One value in device memory. */
template <class T> struct scalar : array<T> {
    explicit scalar(const T &v) : array<T>(std::vector<T>(1, v)) {}
    T get() const { return this->read()[0]; }
};

/* Numbers in [-scale, scale), a pure function of tag and index. */
inline std::vector<float> numbers(size_t count, double scale, uint32_t tag)
{
    std::vector<float> v(count);
    for (size_t i = 0; i < count; i++)
        v[i] = static_cast<float>((2 * px_uniform(px_random_u32(42, PX_RANDOM_SYNTHETIC, tag, i)) - 1) * scale);
    return v;
}

inline std::vector<int32_t> integers(size_t count, int32_t below, uint32_t tag)
{
    std::vector<int32_t> v(count);
    for (size_t i = 0; i < count; i++)
        v[i] = static_cast<int32_t>(px_random_u32(43, PX_RANDOM_SYNTHETIC, tag, i) % static_cast<uint32_t>(below));
    return v;
}

inline float float_of(px_bf16 bits)
{
    const uint32_t u = static_cast<uint32_t>(bits) << 16;
    float f;
    std::memcpy(&f, &u, sizeof f);
    return f;
}

/* Nearest bfloat16, ties to even, found by looking at the two neighbours (not by the bit trick that the kernels use).
 */
inline px_bf16 bf16_of(float f)
{
    uint32_t u;
    std::memcpy(&u, &f, sizeof u);
    const px_bf16 toward_zero = static_cast<px_bf16>(u >> 16), away = static_cast<px_bf16>(toward_zero + 1);
    if (std::isnan(f)) return 0x7fff;
    if (static_cast<uint32_t>(toward_zero) << 16 == u) return toward_zero;
    const double below = std::fabs(static_cast<double>(f) - float_of(toward_zero));
    /* the neighbour of the largest finite number is where 2^128 would be */
    const double next = std::isinf(float_of(away)) ? std::copysign(0x1p128, f) : static_cast<double>(float_of(away));
    const double above = std::fabs(next - static_cast<double>(f));
    return below < above || (below == above && toward_zero % 2 == 0) ? toward_zero : away;
}

inline std::vector<float> floats_of(const std::vector<px_bf16> &v)
{
    std::vector<float> f(v.size());
    for (size_t i = 0; i < v.size(); i++) f[i] = float_of(v[i]);
    return f;
}

inline std::vector<px_bf16> bf16s_of(const std::vector<float> &v)
{
    std::vector<px_bf16> b(v.size());
    for (size_t i = 0; i < v.size(); i++) b[i] = bf16_of(v[i]);
    return b;
}

/* The factor of a mask's element as host/base/philox.h says it. */
inline double mask_factor(const px_dropout &d, const px_window_scalars &w, int t, int i, int width, int j)
{
    if (!d.threshold) return 1;
    const uint64_t e =
        px_mask_element(w.step, w.streams_in_all, static_cast<uint64_t>(w.first_stream) + static_cast<uint64_t>(i),
                        static_cast<uint64_t>(d.T_max), static_cast<uint64_t>(t), static_cast<uint64_t>(width),
                        static_cast<uint64_t>(j), d.locked);
    return px_random_u32(d.seed, d.purpose, d.layer, e) >= d.threshold ? static_cast<double>(d.scale) : 0.0;
}

inline px_dropout dropout_of(double p, uint32_t purpose, int T_max, int locked)
{
    px_dropout d = {};
    if (p > 0) d = {0x123456789abcdefull, purpose, 3, px_dropout_threshold(p), px_dropout_scale(p), T_max, locked};
    return d;
}

/* Every element within tolerance * scale[i] (scale NULL: |want| + 1e-30); NaN equals NaN, infinities must match. */
inline void expect_close(const std::string &what, const std::vector<float> &got, const std::vector<double> &want,
                         double tolerance, const std::vector<double> *scale = nullptr)
{
    for (size_t i = 0; i < want.size(); i++) {
        const double g = static_cast<double>(got[i]), w = want[i];
        const double allowed = tolerance * (scale ? (*scale)[i] : std::fabs(w)) + 1e-37;
        if (g == w || (std::isnan(g) && std::isnan(w)) || std::fabs(g - w) <= allowed) continue;
        print_error("%s[%zu] of %zu: got %.9g, want %.9g, tolerance %.3g (schedule %s)\n", what.c_str(), i, want.size(),
                    g, w, allowed, device_schedule());
        _fail(__FILE__, __LINE__);
    }
}

template <class T> void expect_same(const std::string &what, const std::vector<T> &got, const std::vector<T> &want)
{
    for (size_t i = 0; i < want.size(); i++) {
        if (std::memcmp(&got[i], &want[i], sizeof(T)) == 0) continue;
        print_error("%s[%zu] of %zu: got %.9g, want the same bits as %.9g (schedule %s)\n", what.c_str(), i,
                    want.size(), static_cast<double>(got[i]), static_cast<double>(want[i]), device_schedule());
        _fail(__FILE__, __LINE__);
    }
}

inline void expect_launched(cudaError_t error, const char *call)
{
    if (error == cudaSuccess) error = device_wait();
    if (error == cudaSuccess) return;
    print_error("%s: error %d: %s (schedule %s)\n", call, static_cast<int>(error), device_fault(), device_schedule());
    _fail(__FILE__, __LINE__);
}
#define LAUNCHED(call) expect_launched(call, #call)

/* Runs one case under every schedule. run() returns the outputs, whose bits must not depend on the schedule: sums have
 * one order. */
inline void on_every_schedule(const std::function<std::vector<float>()> &run)
{
    std::vector<float> first;
    for (int k = 0; k < device_schedules(); k++) {
        device_set_schedule(k);
        std::vector<float> out = run();
        if (k == 0)
            first = out;
        else
            expect_same("bits of the first schedule's output", out, first);
    }
}

template <class T> void append(std::vector<float> &to, const std::vector<T> &from)
{
    for (T x : from) to.push_back(static_cast<float>(x));
}

/* The groups of tests: one per kernel file. */
int run_embed_tests();
int run_recurrence_tests();
int run_fused_tests();
int run_persistent_tests();
int run_persistent_fp32_tests();
int run_persistent_tf32_tests();
int run_persistent_bf16_tests();
int run_grid_tests();
int run_grid_fp32_tests();
int run_grid_tf32_tests();
int run_grid_bf16_tests();
int run_wide_tests();
int run_wide_tf32_tests();
int run_wide_bf16_tests();
int run_gates_tests();
int run_gates_persistent_tests();
int run_gates_persistent_fp32_tests();
int run_gates_persistent_tf32_tests();
int run_gates_persistent_bf16_tests();
int run_penalties_tests();
int run_head_tests();
int run_draw_tests();
int run_update_tests();
int run_adaptive_tests();
int run_layout_tests();

#endif
