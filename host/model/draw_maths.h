/* The choice of the next token: from probabilities and a uniform to an id, the same bits wherever it runs.
 *
 * The host's sampler and the kernel that draws on a GPU both include this file, each with
 *   PX_DRAW_FUNCTION     what stands before a function
 *   PX_DRAW_MUL(a, b)    a product that no compiler joins with a sum into one rounding
 * Logarithm and exponential are made of basic operations here, each of which IEEE 754 rounds in one way: those of
 * libraries differ in the last bit from machine to machine, and a text is made of comparisons between sums of them.
 * Both are within 2 units in the last place. */
#ifndef PX_DRAW_MATHS_H
#define PX_DRAW_MATHS_H

#include "draw.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* A token and its weight exp(log(p / p_max) / temperature). */
typedef struct px_candidate {
    double weight;
    int32_t id;
} px_candidate;

/* ln 2 in two parts; the product of the first, 32 bits long, and a binary exponent is exact. */
#define PX_DRAW_LN2_HIGH 0x1.62e42feep-1
#define PX_DRAW_LN2_LOW 0x1.a39ef35793c76p-33

PX_DRAW_FUNCTION double px_draw_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

PX_DRAW_FUNCTION uint64_t px_draw_bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* log x of a normal x > 0, as every float is here: x = 2^e m with m between sqrt(1/2) and sqrt(2), log m = 2 atanh(s) =
 * 2 s (1 + z/3 + z^2/5 + ...), z = s^2 < 0.0295; the first term that is left out is below 2^-55. */
PX_DRAW_FUNCTION double px_draw_log(double x)
{
    /* counted from sqrt(1/2), so that the bits above the mantissa's are e */
    const uint64_t root = 0x3fe6a09e667f3bcdu, from_root = px_draw_bits_of(x) - root;
    const double e = (double)((int64_t)from_root >> 52);
    const double m = px_draw_of_bits((from_root & 0xfffffffffffffu) + root);
    const double s = (m - 1) / (m + 1), z = PX_DRAW_MUL(s, s), y = PX_DRAW_MUL(z, z);
    /* even and odd powers of z apart: half as many that wait for one another */
    double t = 1.0 / 21, o = 1.0 / 19;
    t = PX_DRAW_MUL(t, y) + 1.0 / 17;
    o = PX_DRAW_MUL(o, y) + 1.0 / 15;
    t = PX_DRAW_MUL(t, y) + 1.0 / 13;
    o = PX_DRAW_MUL(o, y) + 1.0 / 11;
    t = PX_DRAW_MUL(t, y) + 1.0 / 9;
    o = PX_DRAW_MUL(o, y) + 1.0 / 7;
    t = PX_DRAW_MUL(t, y) + 1.0 / 5;
    o = PX_DRAW_MUL(o, y) + 1.0 / 3;
    t = PX_DRAW_MUL(t, z) + o;
    const double low = PX_DRAW_MUL(2 * s, PX_DRAW_MUL(z, t)) + PX_DRAW_MUL(e, PX_DRAW_LN2_LOW);
    return PX_DRAW_MUL(e, PX_DRAW_LN2_HIGH) + (2 * s + low);
}

/* e^x, x <= 0: x = k ln 2 + r with |r| <= ln(2) / 2, e^r by its series up to r^13 / 13!; what is left out is below
 * 2^-57. */
PX_DRAW_FUNCTION double px_draw_exp(double x)
{
    const double to_integer = 0x1.8p52; /* added and taken away again: rounds to one */
    if (x < -746) return 0;
    const double k = (PX_DRAW_MUL(x, 0x1.71547652b82fep0) + to_integer) - to_integer;
    const double r = (x - PX_DRAW_MUL(k, PX_DRAW_LN2_HIGH)) - PX_DRAW_MUL(k, PX_DRAW_LN2_LOW), q = PX_DRAW_MUL(r, r);
    double t = 1.0 / 6227020800.0, e = 1.0 / 479001600.0;
    t = PX_DRAW_MUL(t, q) + 1.0 / 39916800.0;
    e = PX_DRAW_MUL(e, q) + 1.0 / 3628800.0;
    t = PX_DRAW_MUL(t, q) + 1.0 / 362880.0;
    e = PX_DRAW_MUL(e, q) + 1.0 / 40320.0;
    t = PX_DRAW_MUL(t, q) + 1.0 / 5040.0;
    e = PX_DRAW_MUL(e, q) + 1.0 / 720.0;
    t = PX_DRAW_MUL(t, q) + 1.0 / 120.0;
    e = PX_DRAW_MUL(e, q) + 1.0 / 24.0;
    t = PX_DRAW_MUL(t, q) + 1.0 / 6.0;
    e = PX_DRAW_MUL(e, q) + 0.5;
    t = (PX_DRAW_MUL(q, PX_DRAW_MUL(t, r) + e) + r) + 1;
    /* in two steps where the result is no normal number: rounded once */
    const int64_t low = k < -1000 ? 100 : 0, exponent = (int64_t)k + low + 1023;
    t = PX_DRAW_MUL(t, px_draw_of_bits((uint64_t)exponent << 52));
    return low ? PX_DRAW_MUL(t, 0x1p-100) : t;
}

/* The scale of weights: the largest probability, and its logarithm. */
typedef struct px_draw_scale {
    double temperature, best, log_best;
} px_draw_scale;

PX_DRAW_FUNCTION px_draw_scale px_draw_scale_of(const px_draw *draw, float best)
{
    px_draw_scale scale = {draw->temperature, (double)best, 0};
    if (scale.temperature != 1) scale.log_best = px_draw_log(scale.best);
    return scale;
}

/* Of probability p; at temperature 1 nothing but a quotient. */
PX_DRAW_FUNCTION double px_draw_weight(float p, const px_draw_scale *scale)
{
    if (!(p > 0)) return 0;
    if (scale->temperature == 1) return (double)p / scale->best;
    return px_draw_exp((px_draw_log((double)p) - scale->log_best) / scale->temperature);
}

PX_DRAW_FUNCTION int px_draw_better(const px_candidate *a, const px_candidate *b)
{
    return a->weight != b->weight ? a->weight > b->weight : a->id < b->id;
}

PX_DRAW_FUNCTION void px_draw_sift_down(px_candidate *heap, size_t count, size_t i)
{
    px_candidate moved = heap[i];
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && px_draw_better(&heap[child + 1], &heap[child])) child++;
        if (!px_draw_better(&heap[child], &moved)) break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

/* Takes the best `want` out of a heap of count; they end up behind what is left, the best one last. */
PX_DRAW_FUNCTION void px_draw_pop_best(px_candidate *heap, size_t *count, size_t want)
{
    while (want-- > 0 && *count > 0) {
        px_candidate best = heap[0];
        heap[0] = heap[--*count];
        heap[*count] = best;
        if (*count) px_draw_sift_down(heap, *count, 0);
    }
}

/* The first of list[0], list[step], ... at which the running sum exceeds u times the whole; the last where rounding
 * eats it. */
PX_DRAW_FUNCTION int32_t px_draw_one(const px_candidate *list, ptrdiff_t step, size_t count, double u)
{
    double mass = 0, sum = 0;
    for (size_t i = 0; i < count; i++) mass += list[(ptrdiff_t)i * step].weight;
    for (size_t i = 0; i < count; i++) {
        sum += list[(ptrdiff_t)i * step].weight;
        if (u * mass < sum) return list[(ptrdiff_t)i * step].id;
    }
    return list[(ptrdiff_t)(count - 1) * step].id;
}

/* How many of a heap's best have at least top_p of the mass of its first `keep`, which, where they are fewer than the
 * heap's count, lie at its end already. */
PX_DRAW_FUNCTION size_t px_draw_nucleus(px_candidate *list, size_t count, size_t keep, double top_p)
{
    double mass = 0, sum = 0;
    size_t left = count, taken = 0;
    for (size_t i = 0; i < keep; i++) mass += list[keep < count ? count - 1 - i : i].weight;
    while (taken < keep) {
        if (keep == count) px_draw_pop_best(list, &left, 1);
        sum += list[count - 1 - taken].weight;
        taken++;
        if (sum >= PX_DRAW_MUL(top_p, mass)) break;
    }
    return taken;
}

/* The token drawn from candidates in order of their ids, each of a weight above 0, count >= 1. The list is used up. */
PX_DRAW_FUNCTION int32_t px_draw_among(px_candidate *list, size_t count, const px_draw *draw, double u)
{
    const size_t keep = draw->top_k > 0 && (size_t)draw->top_k < count ? (size_t)draw->top_k : count;
    if (keep == count && !(draw->top_p < 1)) return px_draw_one(list, 1, count, u); /* nothing is cut: no order */
    size_t left = count;
    for (size_t i = count / 2; i-- > 0;) px_draw_sift_down(list, count, i);
    if (keep < count) px_draw_pop_best(list, &left, keep);
    /* list[count - 1], list[count - 2], ... are the best */
    const size_t taken = draw->top_p < 1 ? px_draw_nucleus(list, count, keep, draw->top_p) : keep;
    return px_draw_one(list + count - 1, -1, taken, u);
}

/* The most probable token from id `first` on, the first of equals; -1 where there is none, or a probability is not
 * finite. */
PX_DRAW_FUNCTION int32_t px_draw_best(const float *probabilities, int32_t vocab, int32_t first)
{
    int32_t best = -1;
    for (int32_t i = first; i < vocab; i++) {
        if (!isfinite(probabilities[i])) return -1;
        if (probabilities[i] > 0 && (best < 0 || probabilities[i] > probabilities[best])) best = i;
    }
    return best;
}

/* The token drawn from probabilities [vocab] for a uniform u in [0, 1), or -1 where none can be. list: room for vocab.
 */
PX_DRAW_FUNCTION int32_t px_draw_choose(const float *probabilities, int32_t vocab, const px_draw *draw, double u,
                                        px_candidate *list)
{
    const int32_t first = draw->exclude_unknown ? 1 : 0, best = px_draw_best(probabilities, vocab, first);
    if (best < 0 || draw->greedy || draw->temperature == 0) return best;
    size_t count = 0;
    const px_draw_scale scale = px_draw_scale_of(draw, probabilities[best]);
    for (int32_t i = first; i < vocab; i++) {
        const double weight = px_draw_weight(probabilities[i], &scale);
        if (!(weight > 0)) continue;
        list[count].weight = weight;
        list[count++].id = i;
    }
    return px_draw_among(list, count, draw, u);
}

#endif
