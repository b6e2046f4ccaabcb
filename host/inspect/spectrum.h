/* Eigenvalues of a real square matrix, and the largest of their absolute values. */
#ifndef PX_SPECTRUM_H
#define PX_SPECTRUM_H

#include <perplex/status.h>
#include <stddef.h>

/* All eigenvalues of a [n,n], row-major, which is overwritten: real and imaginary [n], in no particular order; complex
 * ones stand in conjugate pairs. Reduction to Hessenberg form by Householder reflections, then the QR method with
 * implicit double shifts: the result is exact for a matrix that differs from a by about 1e-15 n |a|. PX_ERR_NUMERIC
 * where a value of a is not finite, or (not seen in practice) 300 steps do not isolate an eigenvalue. Source: Martin,
 * Peters and Wilkinson 1970, in Wilkinson and Reinsch, Handbook for Automatic Computation II/13 and II/14. */
px_status px_eigenvalues_qr(double *a, size_t n, double *real, double *imaginary);
/* The same by the machine's LAPACK (eigenvalues_lapack.h) where it has one. */
px_status px_eigenvalues(double *a, size_t n, double *real, double *imaginary);

/* The largest |eigenvalue| of w [n,n], which stays as it is. */
px_status px_spectral_radius(const float *w, size_t n, double *radius);

#endif
