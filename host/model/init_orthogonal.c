/* Orthogonal initial matrices: Q of the QR factorisation of a normal random matrix, by Householder reflections in
 * double, with the signs of R's diagonal moved into Q so that Q is uniformly distributed (Mezzadri 2007).
 *
 * The matrix lies by columns. Reflections act in panels that fit the second-level cache, on four columns at a time, so
 * that h = 2048 takes seconds rather than a minute. Only a fixed order of plain operations is used: the same
 * numbers come out for any number of threads. */
#include "init_internal.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 32, GROUP = 4 };

/* Four doubles side by side, readable from any double's address. */
typedef double double4 __attribute__((vector_size(32), aligned(8), may_alias));

static double sum4(const double4 *x) { return ((*x)[0] + (*x)[2]) + ((*x)[1] + (*x)[3]); }

/* column -= v (v . column), over m values: one reflection I - v vT, where v.v = 2. */
static void reflect1(const double *restrict v, double *restrict column, size_t m)
{
    double4 dot4 = {0};
    size_t i = 0;
    for (; i + 4 <= m; i += 4) dot4 += *(const double4 *)(v + i) * *(const double4 *)(column + i);
    double dot = sum4(&dot4);
    for (; i < m; i++) dot += v[i] * column[i];
    for (i = 0; i < m; i++) column[i] -= v[i] * dot;
}

/* The same for four columns at once, which lie `stride` apart: v is read once for all. Each column gets the same
 * bits as from reflect1. */
static void reflect4(const double *restrict v, double *restrict columns, size_t stride, size_t m)
{
    double *restrict a = columns, *restrict b = a + stride, *restrict c = b + stride, *restrict d = c + stride;
    double4 dot_a4 = {0}, dot_b4 = {0}, dot_c4 = {0}, dot_d4 = {0};
    size_t i = 0;
    for (; i + 4 <= m; i += 4) {
        double4 x = *(const double4 *)(v + i);
        dot_a4 += x * *(const double4 *)(a + i);
        dot_b4 += x * *(const double4 *)(b + i);
        dot_c4 += x * *(const double4 *)(c + i);
        dot_d4 += x * *(const double4 *)(d + i);
    }
    double dot_a = sum4(&dot_a4), dot_b = sum4(&dot_b4), dot_c = sum4(&dot_c4), dot_d = sum4(&dot_d4);
    for (; i < m; i++) {
        dot_a += v[i] * a[i];
        dot_b += v[i] * b[i];
        dot_c += v[i] * c[i];
        dot_d += v[i] * d[i];
    }
    for (i = 0; i < m; i++) {
        a[i] -= v[i] * dot_a;
        b[i] -= v[i] * dot_b;
        c[i] -= v[i] * dot_c;
        d[i] -= v[i] * dot_d;
    }
}

/* Reflection number r of the h x h matrix acts on values r..h-1 of `count` columns, count <= GROUP. */
static void reflect(const double *matrix, size_t r, double *columns, size_t count, size_t h)
{
    const double *v = matrix + r * h + r;
    if (count == GROUP)
        reflect4(v, columns + r, h, h - r);
    else
        for (size_t j = 0; j < count; j++) reflect1(v, columns + j * h + r, h - r);
}

/* Turns x [m] into the vector v, v.v = 2, whose reflection takes x to a multiple of the first axis. Returns the sign
 * of that multiple, R's diagonal element: the opposite of x[0]'s, which avoids cancellation. */
static double make_reflection(double *x, size_t m)
{
    double square = 0;
    for (size_t i = 0; i < m; i++) square += x[i] * x[i];
    if (square == 0) return 1; /* v = 0 is the identity */
    double sign = x[0] < 0 ? -1 : 1;
    x[0] += sign * sqrt(square);
    double length = 0;
    for (size_t i = 0; i < m; i++) length += x[i] * x[i];
    double scale = sqrt(2 / length);
    for (size_t i = 0; i < m; i++) x[i] *= scale;
    return -sign;
}

/* Replaces the matrix by its reflections (column r from row r on) and fills sign [h] with those of R's diagonal. */
static void factor(double *matrix, double *sign, size_t h)
{
    for (size_t p0 = 0; p0 < h; p0 += PANEL) {
        size_t p1 = p0 + PANEL < h ? p0 + PANEL : h;
        for (size_t j = p0; j < p1; j++) {
            for (size_t r = p0; r < j; r++) reflect(matrix, r, matrix + j * h, 1, h);
            sign[j] = make_reflection(matrix + j * h + j, h - j);
        }
        for (size_t j = p1; j < h; j += GROUP)
            for (size_t r = p0; r < p1; r++) reflect(matrix, r, matrix + j * h, h - j < GROUP ? h - j : GROUP, h);
    }
}

px_status px_init_orthogonal(uint64_t seed, uint32_t k, uint64_t pair, size_t h, double gain, float *out)
{
    double *matrix = NULL;
    size_t values; /* the matrix, the signs, and GROUP columns of Q */
    if (!__builtin_mul_overflow(h, h + 1 + GROUP, &values) && values < SIZE_MAX / sizeof *matrix)
        matrix = malloc(values * sizeof *matrix);
    if (!matrix)
        return px_fail(PX_ERR_MEMORY,
                       "an orthogonal W_hh of %zu x %zu: no memory for its %.1f MiB; lower --hidden or use another "
                       "--init-recurrent",
                       h, h, (double)h * (double)h / 131072.0);
    double *sign = matrix + h * h, *q = sign + h;

    for (size_t i = 0; i < h * h; i += 2) {
        double normal[2];
        px_init_normal_pair(seed, k, pair + i / 2, normal);
        matrix[i] = normal[0];
        if (i + 1 < h * h) matrix[i + 1] = normal[1];
    }
    factor(matrix, sign, h);

    /* Column j of Q is H_0 H_1 ... H_j e_j: later reflections leave e_j alone. It becomes row j of the result: the
     * transpose of a uniformly distributed orthogonal matrix is one too. */
    for (size_t j0 = 0; j0 < h; j0 += GROUP) {
        size_t count = h - j0 < GROUP ? h - j0 : GROUP;
        memset(q, 0, count * h * sizeof *q);
        for (size_t j = 0; j < count; j++) q[j * h + j0 + j] = sign[j0 + j];
        for (size_t r = j0 + count; r-- > 0;) reflect(matrix, r, q, count, h);
        for (size_t j = 0; j < count; j++)
            for (size_t i = 0; i < h; i++) out[(j0 + j) * h + i] = (float)(gain * q[j * h + i]);
    }
    free(matrix);
    return PX_OK;
}
