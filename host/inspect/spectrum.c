/* Eigenvalues of a real matrix by Hessenberg reduction and the QR method: see spectrum.h. */
#include "spectrum.h"

#include "check.h"
#include "eigenvalues_lapack.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { STEPS_MAX = 300, EXCEPTIONAL_EVERY = 10 };

/* a = P a P with Householder reflections P, until everything below the first subdiagonal is zero. v [n] is scratch. */
static void to_hessenberg(double *a, size_t n, double *v)
{
    for (size_t c = 0; c + 2 < n; c++) {
        double scale = 0, sum = 0;
        for (size_t i = c + 1; i < n; i++) scale = fmax(scale, fabs(a[i * n + c]));
        if (scale == 0) continue;
        for (size_t i = c + 1; i < n; i++) {
            v[i] = a[i * n + c] / scale;
            sum += v[i] * v[i];
        }
        double alpha = v[c + 1] > 0 ? -sqrt(sum) : sqrt(sum); /* away from v, so that nothing cancels */
        double beta = sum - v[c + 1] * alpha;                 /* P = 1 - v v' / beta */
        v[c + 1] -= alpha;
        /* rows: a -= v (v' a) / beta, column by column of the product, kept in the row that is being eliminated */
        double *product = v + n;
        for (size_t j = c; j < n; j++) product[j] = 0;
        for (size_t i = c + 1; i < n; i++)
            for (size_t j = c; j < n; j++) product[j] += v[i] * a[i * n + j];
        for (size_t i = c + 1; i < n; i++) {
            double factor = v[i] / beta;
            for (size_t j = c; j < n; j++) a[i * n + j] -= factor * product[j];
        }
        /* columns: a -= (a v) v' / beta */
        for (size_t i = 0; i < n; i++) {
            double dot = 0;
            for (size_t j = c + 1; j < n; j++) dot += a[i * n + j] * v[j];
            dot /= beta;
            for (size_t j = c + 1; j < n; j++) a[i * n + j] -= dot * v[j];
        }
        a[(c + 1) * n + c] = alpha * scale;
        for (size_t i = c + 2; i < n; i++) a[i * n + c] = 0;
    }
}

/* The QR method works on the block [first, last] of h; where a subdiagonal element is negligible the block is cut. */
typedef struct block {
    double *h;
    size_t n;
    size_t first, last;
    double norm;    /* of the whole matrix: what is negligible where the diagonal is zero */
    double shifted; /* subtracted from the diagonal by exceptional shifts */
} block;

static double *at(const block *b, size_t row, size_t column) { return &b->h[row * b->n + column]; }

/* The least row such that the block from it to `last` stands alone. */
static size_t find_first(const block *b)
{
    size_t row = b->last;
    for (; row > 0; row--) {
        double size = fabs(*at(b, row - 1, row - 1)) + fabs(*at(b, row, row));
        if (size == 0) size = b->norm;
        if (fabs(*at(b, row, row - 1)) <= DBL_EPSILON * size) {
            *at(b, row, row - 1) = 0;
            break;
        }
    }
    return row;
}

/* The two eigenvalues of the last 2 x 2 block. */
static void solve_pair(const block *b, double *real, double *imaginary)
{
    size_t k = b->last;
    double x = *at(b, k, k), y = *at(b, k - 1, k - 1), w = *at(b, k, k - 1) * *at(b, k - 1, k);
    double p = 0.5 * (y - x), q = p * p + w, root = sqrt(fabs(q));
    x += b->shifted;
    if (q >= 0) {
        double z = p + copysign(root, p);
        real[k - 1] = x + z;
        real[k] = z != 0 ? x - w / z : x + z;
        imaginary[k - 1] = imaginary[k] = 0;
    } else {
        real[k - 1] = real[k] = x + p;
        imaginary[k] = root;
        imaginary[k - 1] = -root;
    }
}

/* A reflection of three (at the end two) rows or columns k, k+1, k+2: 1 - (1, q, r)' (x, y, z). */
typedef struct reflection {
    double q, r, x, y, z;
    int three;
} reflection;

static void reflect(block *b, size_t k, const reflection *f)
{
    double *r0 = at(b, k, 0), *r1 = r0 + b->n, *r2 = f->three ? r1 + b->n : r1;
    size_t end = k + 3 < b->last ? k + 3 : b->last;
    if (f->three)
        for (size_t j = k; j <= b->last; j++) {
            double p = r0[j] + f->q * r1[j] + f->r * r2[j];
            r0[j] -= p * f->x;
            r1[j] -= p * f->y;
            r2[j] -= p * f->z;
        }
    else
        for (size_t j = k; j <= b->last; j++) {
            double p = r0[j] + f->q * r1[j];
            r0[j] -= p * f->x;
            r1[j] -= p * f->y;
        }
    for (size_t i = b->first; i <= end; i++) {
        double *row = at(b, i, k), p = f->x * row[0] + f->y * row[1];
        if (f->three) {
            p += f->z * row[2];
            row[2] -= p * f->r;
        }
        row[1] -= p * f->q;
        row[0] -= p;
    }
}

/* One double step: the shifts are the roots with sum x + y and product x y - w. */
static void double_step(block *b, double x, double y, double w)
{
    size_t m = b->last - 2;
    double p, q, r;
    for (;; m--) { /* the lowest row from which the step may start: two small subdiagonal elements in a row */
        double z = *at(b, m, m), dx = x - z, dy = y - z;
        p = (dx * dy - w) / *at(b, m + 1, m) + *at(b, m, m + 1);
        q = *at(b, m + 1, m + 1) - z - dx - dy;
        r = *at(b, m + 2, m + 1);
        double size = fabs(p) + fabs(q) + fabs(r);
        p /= size;
        q /= size;
        r /= size;
        if (m == b->first) break;
        double small = fabs(*at(b, m, m - 1)) * (fabs(q) + fabs(r));
        if (small <= DBL_EPSILON * fabs(p) * (fabs(*at(b, m - 1, m - 1)) + fabs(z) + fabs(*at(b, m + 1, m + 1)))) break;
    }
    for (size_t i = m + 2; i <= b->last; i++) {
        *at(b, i, i - 2) = 0;
        if (i > m + 2) *at(b, i, i - 3) = 0;
    }
    for (size_t k = m; k < b->last; k++) {
        reflection f = {.three = k + 1 < b->last};
        double size = 1;
        if (k > m) {
            p = *at(b, k, k - 1);
            q = *at(b, k + 1, k - 1);
            r = f.three ? *at(b, k + 2, k - 1) : 0;
            size = fabs(p) + fabs(q) + fabs(r);
            if (size == 0) continue;
            p /= size;
            q /= size;
            r /= size;
        }
        double s = copysign(sqrt(p * p + q * q + r * r), p);
        if (s == 0) continue;
        if (k > m)
            *at(b, k, k - 1) = -s * size;
        else if (b->first != m)
            *at(b, k, k - 1) = -*at(b, k, k - 1);
        p += s;
        f = (reflection){.q = q / p, .r = r / p, .x = p / s, .y = q / s, .z = r / s, .three = f.three};
        reflect(b, k, &f);
    }
}

/* QR steps until one or two eigenvalues stand alone at the block's end; *found gets how many. */
static px_status isolate(block *b, int *found)
{
    for (int step = 1;; step++) {
        b->first = find_first(b);
        *found = b->first == b->last ? 1 : b->first + 1 == b->last ? 2 : 0;
        if (*found) return PX_OK;
        if (step > STEPS_MAX)
            return px_fail(PX_ERR_NUMERIC, "the eigenvalues of a matrix of %zu rows were not found in %d steps", b->n,
                           STEPS_MAX);
        size_t k = b->last;
        double x = *at(b, k, k), y = *at(b, k - 1, k - 1), w = *at(b, k, k - 1) * *at(b, k - 1, k);
        if (step % EXCEPTIONAL_EVERY == 0) { /* the usual shifts may go round in a circle: others break it */
            b->shifted += x;
            for (size_t i = 0; i <= k; i++) *at(b, i, i) -= x;
            double size = fabs(*at(b, k, k - 1)) + fabs(*at(b, k - 1, k - 2));
            x = y = 0.75 * size;
            w = -0.4375 * size * size;
        }
        double_step(b, x, y, w);
    }
}

static px_status check_finite(const double *a, size_t n)
{
    for (size_t i = 0; i < n * n; i++)
        if (!isfinite(a[i]))
            return px_fail(PX_ERR_NUMERIC, "a matrix of %zu rows has values that are not finite, and so no eigenvalues",
                           n);
    return PX_OK;
}

px_status px_eigenvalues_qr(double *a, size_t n, double *real, double *imaginary)
{
    PX_TRY(check_finite(a, n));
    double *scratch = calloc(2 * n + 1, sizeof *scratch);
    if (!scratch) return px_fail(PX_ERR_MEMORY, "no memory for the eigenvalues of a matrix of %zu rows", n);
    to_hessenberg(a, n, scratch);
    free(scratch);

    block b = {.h = a, .n = n};
    for (size_t i = 0; i < n; i++)
        for (size_t j = i ? i - 1 : 0; j < n; j++) b.norm += fabs(a[i * n + j]);
    for (size_t left = n; left > 0;) {
        int found;
        b.last = left - 1;
        PX_TRY(isolate(&b, &found));
        if (found == 2)
            solve_pair(&b, real, imaginary);
        else {
            real[b.last] = *at(&b, b.last, b.last) + b.shifted;
            imaginary[b.last] = 0;
        }
        left -= (size_t)found;
    }
    return PX_OK;
}

px_status px_eigenvalues(double *a, size_t n, double *real, double *imaginary)
{
    int done;
    PX_TRY(check_finite(a, n));
    PX_TRY(px_eigenvalues_lapack(a, n, real, imaginary, &done));
    return done ? PX_OK : px_eigenvalues_qr(a, n, real, imaginary);
}

px_status px_spectral_radius(const float *w, size_t n, double *radius)
{
    double *a = n < SIZE_MAX / sizeof *a / (n + 2) ? malloc((n + 2) * n * sizeof *a) : NULL;
    if (!a) return px_fail(PX_ERR_MEMORY, "no memory for the eigenvalues of a matrix of %zu rows", n);
    double *real = a + n * n, *imaginary = real + n;
    for (size_t i = 0; i < n * n; i++) a[i] = w[i];
    px_status status = px_eigenvalues(a, n, real, imaginary);
    *radius = 0;
    for (size_t i = 0; status == PX_OK && i < n; i++) *radius = fmax(*radius, hypot(real[i], imaginary[i]));
    free(a);
    return status;
}
