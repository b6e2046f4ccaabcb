/* Pointwise loops of the CPU engine: activations, softmax with its gradient, norms. Compiled once per
 * instruction set (isa.h); the compiler vectorises them, with glibc's vector tanhf and expf where it has them.
 *
 * Sums run in a fixed order that depends on neither threads nor addresses. */
#include "isa_local.h"

#include <math.h>
#include <stdint.h>

/* glibc's libmvec has a vector form of it on x86-64; declaring it so lets loops call the vector form without -ffast-math. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 35)
extern float expf(float) __attribute__((simd("notinbranch"), const));
#endif

/* tanh as a quotient of polynomials of degree 13 and 6, with the coefficients of Eigen's ptanh_float (Eigen 3.4,
 * MathFunctionsImpl.h): within 2.3 units in the last place over [-10, 10], checked in steps of 1e-5. Half the time of libmvec's
 * tanhf (0.45 against 0.90 ns on Zen 3), and the same on processors that have no libmvec. Beyond 7.905 it stays at 1 - 2.4e-7. */
static inline __attribute__((always_inline)) float tanh_rational(float x)
{
    const float bound = 7.90531110763549805f;
    const float y = x > bound ? bound : x < -bound ? -bound : x; /* NaN stays NaN */
    const float z = y * y;
    float above = -2.76076847742355e-16f;
    above = above * z + 2.00018790482477e-13f;
    above = above * z - 8.60467152213735e-11f;
    above = above * z + 5.12229709037114e-08f;
    above = above * z + 1.48572235717979e-05f;
    above = above * z + 6.37261928875436e-04f;
    above = above * z + 4.89352455891786e-03f;
    float below = 1.19825839466702e-06f;
    below = below * z + 1.18534705686654e-04f;
    below = below * z + 2.26843463243900e-03f;
    below = below * z + 4.89352518554385e-03f;
    return y * above / below;
}

void PX_ISA_NAME(tanh_row)(float *x, long count)
{
#pragma omp simd
    for (long i = 0; i < count; i++) x[i] = tanh_rational(x[i]);
}

void PX_ISA_NAME(relu_row)(float *x, long count)
{
    for (long i = 0; i < count; i++) x[i] = x[i] > 0.0f || x[i] != x[i] ? x[i] : 0.0f; /* NaN stays visible */
}

void PX_ISA_NAME(tanh_backward)(float *restrict dz, const float *restrict h, float *restrict db, long count)
{
    if (!db) {
        for (long i = 0; i < count; i++) dz[i] *= 1.0f - h[i] * h[i];
        return;
    }
    for (long i = 0; i < count; i++) {
        dz[i] *= 1.0f - h[i] * h[i];
        db[i] += dz[i];
    }
}

void PX_ISA_NAME(relu_backward)(float *restrict dz, const float *restrict h, float *restrict db, long count)
{
    for (long i = 0; i < count; i++) {
        dz[i] = h[i] > 0.0f ? dz[i] : 0.0f;
        if (db) db[i] += dz[i];
    }
}

static inline __attribute__((always_inline)) float row_maximum(const float *x, long count)
{
    float largest[PX_LANES];
    long i = 0;
    for (int l = 0; l < PX_LANES; l++) largest[l] = -INFINITY;
    for (; i + PX_LANES <= count; i += PX_LANES)
        for (int l = 0; l < PX_LANES; l++) largest[l] = x[i + l] > largest[l] ? x[i + l] : largest[l];
    for (int l = 0; i < count; i++, l++) largest[l] = x[i] > largest[l] ? x[i] : largest[l];
    for (int l = 1; l < PX_LANES; l++) largest[0] = largest[l] > largest[0] ? largest[l] : largest[0];
    return largest[0];
}

/* Sum of x in lanes of a fixed number, so that every instruction set of that width adds in one order. */
static inline __attribute__((always_inline)) double row_sum(const float *x, long count)
{
    enum { BLOCK = 512 };
    double total = 0;
    for (long begin = 0; begin < count; begin += BLOCK) {
        long end = begin + BLOCK < count ? begin + BLOCK : count, i = begin;
        float sum[2 * PX_LANES] = {0};
        for (; i + 2 * PX_LANES <= end; i += 2 * PX_LANES)
            for (int l = 0; l < 2 * PX_LANES; l++) sum[l] += x[i + l];
        for (int l = 0; i < end; i++, l++) sum[l] += x[i];
        for (int l = 0; l < 2 * PX_LANES; l++) total += sum[l];
    }
    return total;
}

/* Turns logits into exp(x - max) and gives log(sum exp) relative to max. A row of NaN or +inf gives NaN, never a number. */
static inline __attribute__((always_inline)) double exponentials(float *out, const float *x, long count, float largest)
{
    if (isinf(largest)) { /* the softmax's limit, as in loss.h */
        for (long i = 0; i < count; i++) out[i] = x[i] == largest ? 1.0f : expf(x[i] - largest);
        return row_sum(out, count);
    }
#pragma omp simd
    for (long i = 0; i < count; i++) out[i] = expf(x[i] - largest);
    return row_sum(out, count);
}

/* -log p of a logit in a row whose exponentials sum to sum; the case of equality is exact also where both are infinite (loss.h). */
static inline __attribute__((always_inline)) double target_nll(float logit, float largest, double sum)
{
    if (logit == largest) return logit == -INFINITY ? INFINITY : log(sum);
    return log(sum) + ((double)largest - (double)logit);
}

double PX_ISA_NAME(softmax_gradient)(float *x, long count, long target, float scale)
{
    const float largest = row_maximum(x, count), at_target = x[target];
    const double sum = exponentials(x, x, count, largest);
    const float factor = (float)((double)scale / sum);
    for (long i = 0; i < count; i++) x[i] *= factor;
    x[target] -= scale;
    return target_nll(at_target, largest, sum);
}

double PX_ISA_NAME(softmax_nll)(float *x, long count, long target)
{
    const float largest = row_maximum(x, count), at_target = x[target];
    return target_nll(at_target, largest, exponentials(x, x, count, largest));
}

void PX_ISA_NAME(softmax)(float *x, long count)
{
    const double sum = exponentials(x, x, count, row_maximum(x, count));
    const float factor = (float)(1.0 / sum);
    for (long i = 0; i < count; i++) x[i] *= factor;
}

double PX_ISA_NAME(sum_squares)(const float *x, long count)
{
    double sum[PX_LANES] = {0};
    long i = 0;
    for (; i + PX_LANES <= count; i += PX_LANES)
        for (int l = 0; l < PX_LANES; l++) sum[l] += (double)x[i + l] * (double)x[i + l];
    for (int l = 0; i < count; i++, l++) sum[l] += (double)x[i] * (double)x[i];
    for (int l = 1; l < PX_LANES; l++) sum[0] += sum[l];
    return sum[0];
}

void PX_ISA_NAME(add)(float *restrict y, const float *restrict x, long count)
{
    for (long i = 0; i < count; i++) y[i] += x[i];
}

void PX_ISA_NAME(add_scaled)(float *restrict y, const float *restrict x, float scale, long count)
{
    for (long i = 0; i < count; i++) y[i] += scale * x[i];
}

void PX_ISA_NAME(average)(float *restrict average, const float *restrict w, long count, float weight)
{
    for (long i = 0; i < count; i++) average[i] += weight * (w[i] - average[i]);
}
