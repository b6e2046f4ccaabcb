/* Eigenvalues of matrices that have known ones, and of others through what eigenvalues must add up to. */
#include "eigenvalues_lapack.h"
#include "spectrum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_MAX = 120 };

static double a[N_MAX * N_MAX], kept[N_MAX * N_MAX], re[N_MAX], im[N_MAX];

static uint32_t seed = 2718;

static double uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (double)(seed >> 8) / (1 << 23) - 1;
}

static px_status by_lapack(double *matrix, size_t n, double *real, double *imaginary)
{
    int done;
    px_status status = px_eigenvalues_lapack(matrix, n, real, imaginary, &done);
    return status == PX_OK && !done ? PX_ERR_INTERNAL : status;
}

static px_status (*eigenvalues)(double *a, size_t n, double *real, double *imaginary) = px_eigenvalues_qr;

static void solve(size_t n)
{
    memcpy(kept, a, n * n * sizeof *a);
    if (eigenvalues(a, n, re, im) != PX_OK) fail_msg("%s", px_error_message());
}

/* The matrix has, besides others, this eigenvalue. */
static void expect(size_t n, double real, double imaginary, double tolerance)
{
    double best = INFINITY;
    for (size_t i = 0; i < n; i++) best = fmin(best, hypot(re[i] - real, im[i] - imaginary));
    if (!(best <= tolerance))
        fail_msg("of %zu eigenvalues none is %.12g %+.12g i: the nearest is %.3g away", n, real, imaginary, best);
}

/* sum lambda = tr A, sum lambda^2 = tr A^2, and complex ones in pairs. */
static void check_sums(size_t n, double scale)
{
    double trace = 0, square = 0, sum = 0, sum_square = 0, imaginary = 0;
    for (size_t i = 0; i < n; i++) {
        trace += kept[i * n + i];
        for (size_t j = 0; j < n; j++) square += kept[i * n + j] * kept[j * n + i];
        sum += re[i];
        sum_square += re[i] * re[i] - im[i] * im[i];
        imaginary += im[i];
    }
    double tolerance = 1e-13 * (double)n * (double)n * scale;
    if (!(fabs(sum - trace) < tolerance && fabs(sum_square - square) < tolerance * scale &&
          fabs(imaginary) < tolerance))
        fail_msg(
            "n %zu: eigenvalues add up to %.15g (trace %.15g), their squares to %.15g (%.15g), imaginary parts to %.3g",
            n, sum, trace, sum_square, square, imaginary);
}

static void small_matrices_have_the_eigenvalues_of_the_formula(void **state)
{
    (void)state;
    a[0] = -3;
    solve(1);
    expect(1, -3, 0, 0);
    memcpy(a, (double[]){1, 2, 3, 4}, 4 * sizeof *a);
    solve(2);
    expect(2, (5 + sqrt(33)) / 2, 0, 1e-14);
    expect(2, (5 - sqrt(33)) / 2, 0, 1e-14);
    memcpy(a, (double[]){0.6, -0.8, 0.8, 0.6}, 4 * sizeof *a);
    solve(2);
    expect(2, 0.6, 0.8, 1e-15);
    expect(2, 0.6, -0.8, 1e-15);
    memset(a, 0, 9 * sizeof *a);
    solve(3);
    expect(3, 0, 0, 0);
}

/* x^4 - 10 x^3 + 35 x^2 - 50 x + 24 has the roots 1, 2, 3, 4. */
static void a_companion_matrix_has_the_roots_of_its_polynomial(void **state)
{
    (void)state;
    memcpy(a, (double[]){10, -35, 50, -24, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}, 16 * sizeof *a);
    solve(4);
    for (int root = 1; root <= 4; root++) expect(4, root, 0, 1e-11);
}

/* Every eigenvalue has size 1, so that ordinary shifts get nowhere: what exceptional shifts are for. */
static void a_cyclic_permutation_has_the_roots_of_unity(void **state)
{
    (void)state;
    for (size_t n = 3; n <= 61; n += n < 8 ? 1 : 13) {
        memset(a, 0, n * n * sizeof *a);
        for (size_t i = 0; i < n; i++) a[i * n + (i + 1) % n] = 1;
        solve(n);
        for (size_t k = 0; k < n; k++)
            expect(n, cos(2 * M_PI * (double)k / (double)n), sin(2 * M_PI * (double)k / (double)n), 1e-12);
    }
}

/* H D H with a reflection H: the same eigenvalues in another basis. */
static void a_hidden_diagonal_is_found(void **state)
{
    double v[N_MAX], length = 0;
    enum { n = 50 };
    (void)state;
    for (size_t i = 0; i < n; i++) {
        v[i] = uniform();
        length += v[i] * v[i];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            a[i * n + j] = 0;
            for (size_t k = 0; k < n; k++)
                a[i * n + j] += ((double)(i == k) - 2 * v[i] * v[k] / length) * ((double)k * 0.1 - 2) *
                                ((double)(k == j) - 2 * v[k] * v[j] / length);
        }
    solve(n);
    for (size_t k = 0; k < n; k++) expect(n, (double)k * 0.1 - 2, 0, 1e-12);
}

static void eigenvalues_of_random_matrices_add_up(void **state)
{
    (void)state;
    for (size_t n = 1; n <= N_MAX; n = n * 3 / 2 + 1)
        for (int round = 0; round < 3; round++) {
            for (size_t i = 0; i < n * n; i++) a[i] = round == 2 && uniform() > 0 ? 0 : uniform();
            solve(n);
            check_sums(n, sqrt((double)n));
        }
}

/* |A^m|^(1/m) by repeated squaring: another way to the same number. */
static void the_radius_is_what_powers_grow_by(void **state)
{
    enum { n = 40 };
    float w[n * n];
    double power[n * n], square[n * n], log_size = 0, radius;
    (void)state;
    for (size_t i = 0; i < n * n; i++) power[i] = w[i] = (float)(uniform() * 0.3);
    double m = 1;
    for (int s = 0; s < 40; s++, m *= 2) {
        double size = 0;
        for (size_t i = 0; i < n * n; i++) size = fmax(size, fabs(power[i]));
        log_size = 2 * (log_size + log(size));
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0;
                for (size_t k = 0; k < n; k++) sum += power[i * n + k] / size * (power[k * n + j] / size);
                square[i * n + j] = sum;
            }
        memcpy(power, square, sizeof power);
    }
    assert_int_equal(px_spectral_radius(w, n, &radius), PX_OK);
    if (!(fabs(radius / exp(log_size / m) - 1) < 1e-9))
        fail_msg("radius %.15g, growth of powers %.15g", radius, exp(log_size / m));
}

static void a_jordan_block_has_one_eigenvalue(void **state)
{
    enum { n = 6 };
    (void)state;
    memset(a, 0, n * n * sizeof *a);
    for (size_t i = 0; i < n; i++) {
        a[i * n + i] = 0.5;
        if (i + 1 < n) a[i * n + i + 1] = 1;
    }
    solve(n);
    for (size_t i = 0; i < n; i++) assert_true(hypot(re[i] - 0.5, im[i]) < 1e-12);
}

static void what_is_not_finite_is_refused(void **state)
{
    float w[4] = {1, 2, NAN, 1};
    double radius;
    (void)state;
    assert_int_equal(px_spectral_radius(w, 2, &radius), PX_ERR_NUMERIC);
    w[2] = INFINITY;
    assert_int_equal(px_spectral_radius(w, 2, &radius), PX_ERR_NUMERIC);
}

/* Both ways to the same numbers, of a matrix as large as a network's. */
static void lapack_agrees_with_the_qr_method(void **state)
{
    static double b[N_MAX * N_MAX], real[N_MAX], imaginary[N_MAX];
    (void)state;
    for (size_t i = 0; i < N_MAX * N_MAX; i++) a[i] = b[i] = uniform();
    solve(N_MAX);
    assert_int_equal(px_eigenvalues_qr(b, N_MAX, real, imaginary), PX_OK);
    for (size_t i = 0; i < N_MAX; i++) expect(N_MAX, real[i], imaginary[i], 1e-11);
}

int main(void)
{
    int done;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_matrices_have_the_eigenvalues_of_the_formula),
        cmocka_unit_test(a_companion_matrix_has_the_roots_of_its_polynomial),
        cmocka_unit_test(a_cyclic_permutation_has_the_roots_of_unity),
        cmocka_unit_test(a_hidden_diagonal_is_found),
        cmocka_unit_test(eigenvalues_of_random_matrices_add_up),
        cmocka_unit_test(the_radius_is_what_powers_grow_by),
        cmocka_unit_test(a_jordan_block_has_one_eigenvalue),
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(lapack_agrees_with_the_qr_method),
    };
    int failed = cmocka_run_group_tests_name("qr", tests, NULL, NULL);
    a[0] = 1;
    if (px_eigenvalues_lapack(a, 1, re, im, &done) != PX_OK) return 1;
    eigenvalues = by_lapack;
    if (done)
        failed += cmocka_run_group_tests_name("lapack", tests, NULL, NULL);
    else
        print_message("no LAPACK here: its half is left out\n");
    return failed;
}
