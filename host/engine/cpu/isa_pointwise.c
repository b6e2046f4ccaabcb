/* Pointwise loops of the CPU engine: softmax with its gradient, norms. Compiled once per
 * instruction set (isa.h); the compiler vectorises them, with glibc's vector expf where it has one.
 *
 * Sums run in a fixed order that depends on neither threads nor addresses. */
#include "isa_local.h"

#include <math.h>
#include <stdint.h>

/* glibc's libmvec has a vector form of it on x86-64; declaring it so lets loops call the vector form without
 * -ffast-math. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&                           \
    (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 35)
extern float expf(float) __attribute__((simd("notinbranch"), const));
#endif

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

/* Turns logits into exp(x - max) and gives log(sum exp) relative to max. A row of NaN or +inf gives NaN, never a
 * number. */
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

/* -log p of a logit in a row whose exponentials sum to sum; the case of equality is exact also where both are infinite
 * (loss.h). */
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
