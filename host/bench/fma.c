/* Kernels of the peaks (fma.h), in vector extensions: one body, one clone per instruction set.
 *
 * The clones are explicit functions rather than target_clones, since the width of a vector is part of the type and each
 * width needs its own body. 12 accumulators on x86 cover two pipes of latency 4 and fit the 16 registers of AVX2 and
 * SSE; other processors have 32 registers and up to four pipes, so 24 there. */
#include "fma.h"

#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#define PX_ACCUMULATORS 12
#define PX_ACC_LIST(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define PX_REGISTER "+x"
#else
#define PX_ACCUMULATORS 24
#define PX_ACC_LIST(X)                                                                                                 \
    X(0)                                                                                                               \
    X(1)                                                                                                               \
    X(2)                                                                                                               \
    X(3)                                                                                                               \
    X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
#if defined(__aarch64__)
#define PX_REGISTER "+w"
#else
#define PX_REGISTER "+m"
#endif
#endif

/* acc = acc * x + y has the fixed point y / (1 - x) = 1: values stay normal however long it runs. The empty assembly
 * statements hide the constants from the compiler and keep the loop from being folded. */
#define PX_DECLARE(i) vector a##i = one + (float)i;
#define PX_HIDE(i) __asm__ volatile("" : PX_REGISTER(a##i));
#define PX_STEP(i) a##i = a##i * x + y;
#define PX_SUM(i) sum += a##i;
#define PX_FMA_KERNEL(name, attributes, bytes)                                                                         \
    attributes __attribute__((noinline)) static float name(size_t iterations)                                          \
    {                                                                                                                  \
        typedef float vector __attribute__((vector_size(bytes)));                                                      \
        vector one = (vector){0} + 1.0f, x = (vector){0} + 0.999f, y = (vector){0} + 0.001f, sum = (vector){0};        \
        PX_ACC_LIST(PX_DECLARE)                                                                                        \
        PX_ACC_LIST(PX_HIDE)                                                                                           \
        __asm__ volatile("" : PX_REGISTER(x));                                                                         \
        __asm__ volatile("" : PX_REGISTER(y));                                                                         \
        for (size_t i = 0; i < iterations; i++) {                                                                      \
            PX_ACC_LIST(PX_STEP)                                                                                       \
            __asm__ volatile("");                                                                                      \
        }                                                                                                              \
        PX_ACC_LIST(PX_SUM)                                                                                            \
        float total = 0;                                                                                               \
        for (size_t k = 0; k < bytes / sizeof(float); k++) total += sum[k];                                            \
        return total;                                                                                                  \
    }

#define PX_FLOPS(bytes) (2.0 * PX_ACCUMULATORS * (bytes / 4))

#if defined(__x86_64__)
PX_FMA_KERNEL(run_avx512, __attribute__((target("avx512f,fma"))), 64)
PX_FMA_KERNEL(run_avx2, __attribute__((target("avx2,fma"))), 32)
#endif
PX_FMA_KERNEL(run_generic, , 16)

const px_fma_kernel *px_fma_kernels(void)
{
    static _Thread_local px_fma_kernel list[4];
    int count = 0;
    memset(list, 0, sizeof list);
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) list[count++] = (px_fma_kernel){"avx512", PX_FLOPS(64), run_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        list[count++] = (px_fma_kernel){"avx2", PX_FLOPS(32), run_avx2};
#endif
    list[count++] = (px_fma_kernel){"generic", PX_FLOPS(16), run_generic};
    list[count] = (px_fma_kernel){NULL, 0, NULL};
    return list;
}
