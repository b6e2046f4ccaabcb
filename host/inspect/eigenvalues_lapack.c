/* LAPACK: see eigenvalues_lapack.h.
 *
 * It is loaded when it is first asked for, not linked: a BLAS may start threads as soon as it is loaded, and the other
 * commands want none that is not theirs. While it is loaded all signals are blocked, so that such a thread never takes
 * one; it then computes on one thread, so that a result does not depend on how many there are. */
#include "eigenvalues_lapack.h"

#include "check.h"
#include "inspect.h"

#ifndef PERPLEX_LAPACK

px_status px_eigenvalues_lapack(double *a, size_t n, double *real, double *imaginary, int *done)
{
    (void)a, (void)n, (void)real, (void)imaginary;
    *done = 0;
    return PX_OK;
}

int px_inspect_has_lapack(void) { return 0; }

#else

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Fortran's calls: everything by reference, and the lengths of texts behind. Matrices lie by columns: what is given
 * here by rows is the transpose, which has the same eigenvalues. */
typedef void balance_call(const char *job, const int *n, double *a, const int *lda, int *low, int *high, double *scale,
                          int *info, size_t);
typedef void hessenberg_call(const int *n, const int *low, const int *high, double *a, const int *lda, double *tau,
                             double *work, const int *room, int *info);
typedef void eigenvalues_call(const char *job, const char *vectors, const int *n, const int *low, const int *high,
                              double *h, const int *ldh, double *real, double *imaginary, double *z, const int *ldz,
                              double *work, const int *room, int *info, size_t, size_t);

static balance_call *dgebal;
static hessenberg_call *dgehrd;
static eigenvalues_call *dhseqr;

static void load(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    void *library = dlopen(PERPLEX_LAPACK, RTLD_NOW | RTLD_LOCAL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!library) return;
    *(void **)&dgebal = dlsym(library, "dgebal_");
    *(void **)&dgehrd = dlsym(library, "dgehrd_");
    *(void **)&dhseqr = dlsym(library, "dhseqr_");
    void (*one_thread)(int);
    *(void **)&one_thread = dlsym(library, "openblas_set_num_threads");
    if (one_thread) one_thread(1);
}

int px_inspect_has_lapack(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return dgebal && dgehrd && dhseqr;
}

px_status px_eigenvalues_lapack(double *a, size_t n, double *real, double *imaginary, int *done)
{
    *done = 0;
    if (!px_inspect_has_lapack() || n == 0 || n > INT_MAX / 64) return PX_OK;
    const int order = (int)n, room = 64 * order, one = 1; /* 64: the widest block that LAPACK's own tables ask for */
    int low, high, info;
    double *work = malloc((2 + 64) * n * sizeof *work);
    if (!work) return px_fail(PX_ERR_MEMORY, "no memory for the eigenvalues of a matrix of %zu rows", n);
    double *scale = work + (size_t)room, *tau = scale + n;
    dgebal("B", &order, a, &order, &low, &high, scale, &info, 1);
    if (info == 0) dgehrd(&order, &low, &high, a, &order, tau, work, &room, &info);
    if (info == 0)
        dhseqr("E", "N", &order, &low, &high, a, &order, real, imaginary, NULL, &one, work, &room, &info, 1, 1);
    free(work);
    if (info != 0)
        return px_fail(PX_ERR_NUMERIC, "LAPACK did not find the eigenvalues of a matrix of %zu rows (%d)", n, info);
    *done = 1;
    return PX_OK;
}

#endif
