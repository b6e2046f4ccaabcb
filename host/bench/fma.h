/* The processor's peaks of one thread: independent multiply-adds in registers, for each instruction set that perplex
 * knows. */
#ifndef PX_FMA_H
#define PX_FMA_H

#include <stddef.h>

/* One instruction set's kernel: runs `iterations` of a loop of flops_per_iteration operations in this thread, and
 * returns a value that depends on all of them. A multiply and an add count as two operations, fused or not. */
typedef struct px_fma_kernel {
    const char *name; /* "avx512", "avx2", "generic" */
    double flops_per_iteration;
    float (*run)(size_t iterations);
} px_fma_kernel;

/* The kernels that this processor can run, widest first, ended by name NULL. */
const px_fma_kernel *px_fma_kernels(void);

#endif
