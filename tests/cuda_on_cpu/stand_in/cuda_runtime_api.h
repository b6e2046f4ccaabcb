/* The few names of CUDA's runtime that kernels and the simulator need, for machines without the toolkit, so that the
 * kernels run in every test run. Where the toolkit is found its own headers are used instead. */
#ifndef PX_STAND_IN_CUDA_RUNTIME_API_H
#define PX_STAND_IN_CUDA_RUNTIME_API_H

#define __host__
#define __device__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))

/* Values as in CUDA. */
typedef enum cudaError {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorLaunchFailure = 719
} cudaError_t;

typedef struct CUstream_st *cudaStream_t;

#ifdef __cplusplus
struct uint2 {
    unsigned x, y;
} __attribute__((aligned(8)));
struct uint3 {
    unsigned x, y, z;
};
struct uint4 {
    unsigned x, y, z, w;
} __attribute__((aligned(16)));
struct float2 {
    float x, y;
} __attribute__((aligned(8)));
struct float4 {
    float x, y, z, w;
} __attribute__((aligned(16)));
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
#endif

#endif
