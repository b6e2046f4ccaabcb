/* kernel_cases in the simulator: nothing is timed, and products are plain loops. */
#include "device_time.h"

#include "kernel_test.h"

bool device_measures() { return false; }

double device_seconds(const std::function<cudaError_t()> &, int) { return 0; }

void device_clear(void *p, size_t bytes) { std::memset(p, 0, bytes); }

static float value(const void *p, size_t i, px_element type)
{
    return type == PX_ELEMENT_BF16 ? float_of(static_cast<const px_bf16 *>(p)[i]) : static_cast<const float *>(p)[i];
}

cudaError_t device_product(int m, int n, int k, const void *a, const void *b, bool transposed, px_element type,
                           float *c)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++) {
                const size_t at = transposed ? static_cast<size_t>(j) * k + l : static_cast<size_t>(l) * n + j;
                sum += static_cast<double>(value(a, static_cast<size_t>(i) * k + l, type)) * value(b, at, type);
            }
            c[static_cast<size_t>(i) * n + j] = static_cast<float>(sum);
        }
    return cudaSuccess;
}
