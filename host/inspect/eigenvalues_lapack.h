/* Eigenvalues by the machine's LAPACK, where there is one. */
#ifndef PX_EIGENVALUES_LAPACK_H
#define PX_EIGENVALUES_LAPACK_H

#include <perplex/status.h>
#include <stddef.h>

/* As px_eigenvalues (spectrum.h), by dgebal, dgehrd and dhseqr. *done = 0: perplex was built without LAPACK, its
 * library is not there, or its workspace would not fit an int; a is then as it was. PX_ERR_MEMORY; PX_ERR_NUMERIC where
 * it does not converge. */
px_status px_eigenvalues_lapack(double *a, size_t n, double *real, double *imaginary, int *done);

#endif
