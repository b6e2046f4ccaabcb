/* What kernel_cases needs of a device beyond device_memory.h: time, and the products of the variants that take them
 * from cuBLAS. */
#ifndef PX_TEST_DEVICE_TIME_H
#define PX_TEST_DEVICE_TIME_H

#include "kernels.h"

#include <cstddef>
#include <functional>

bool device_measures(); /* true on a GPU: times mean something, and large cases are worth their time */
/* Seconds that the device takes for that many launches, one after the other; 0 where nothing is measured. */
double device_seconds(const std::function<cudaError_t()> &launch, int launches);

void device_clear(void *p, size_t bytes); /* zeros, before what is launched next */

/* c [m,n] fp32 = a [m,k] b^T, b [n,k]; or with b [k,n] not transposed. a, b of that type. */
cudaError_t device_product(int m, int n, int k, const void *a, const void *b, bool transposed, px_element type,
                           float *c);

#endif
