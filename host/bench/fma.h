/* The processor's peaks of one thread: independent multiply-adds in registers, and loads, for each instruction set that
 * perplex knows. */
#ifndef PX_FMA_H
#define PX_FMA_H

#include <stddef.h>

enum { PX_READ_FLOATS = 128 }; /* of one turn of the widest loop that reads */

/* One instruction set's kernel: runs `iterations` of a loop of flops_per_iteration operations in this thread, and
 * returns a value that depends on all of them. A multiply and an add count as two operations, fused or not. */
typedef struct px_fma_kernel {
    const char *name; /* "avx512", "avx2", "generic" */
    double flops_per_iteration;
    float (*run)(size_t iterations);
    float (*read)(
        const float *data,
        size_t count); /* loads all; 64-byte aligned, count a multiple of PX_READ_FLOATS; a value that depends on it */
} px_fma_kernel;

/* The kernels that this processor can run, widest first, ended by name NULL. */
const px_fma_kernel *px_fma_kernels(void);

#endif
