/* How kernels are launched and get shared memory: the one macro family, so that a kernel need not know where it runs.
 *
 * With nvcc the macros are what CUDA says; with PX_SIMULATOR (tests/cuda_on_cpu) the host compiler builds the very same
 * .cu files and simulator.h runs every CUDA thread as a fiber. Rules that keep both true: every kernel begins with
 * wait_for_stream() (device.h), kernels are launched only through PX_LAUNCH and PX_LAUNCH_WITH inside extern "C"
 * launchers, shared memory is declared only with PX_SHARED and PX_DYN_SHARED at the top of a kernel or of a function
 * that all threads of the block call, and everything beyond plain CUDA C++ comes from device.h. */
#ifndef PX_LAUNCH_H
#define PX_LAUNCH_H

#include "launch_attributes.h"

#ifdef PX_SIMULATOR
#include "simulator.h"
#else

#include <cuda_runtime.h>

/* PX_SHARED(float, name, [32]): a block's static shared array. PX_DYN_SHARED(float, name): its dynamic shared memory.
 */
#define PX_SHARED(type, name, ...) __shared__ type name __VA_ARGS__
#define PX_DYN_SHARED(type, name)                                                                                      \
    extern __shared__ __align__(16) unsigned char px_dyn_shared_[];                                                    \
    type *name = reinterpret_cast<type *>(px_dyn_shared_)

/* PX_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...) is the cudaError_t of this launch into a
 * px_stream. Write a kernel with several template arguments in parentheses. */
#define PX_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                      \
    px_launch_kernel(px_launch_attributes{}, kernel, grid, block, shared_bytes, stream, __VA_ARGS__)

/* The same with attributes. */
#define PX_LAUNCH_WITH(attributes, kernel, grid, block, shared_bytes, stream, ...)                                     \
    px_launch_kernel(attributes, kernel, grid, block, shared_bytes, stream, __VA_ARGS__)

/* Lets a kernel have more than 48 KiB of dynamic shared memory; once per kernel and device would do, repeating is
 * cheap. */
#define PX_ALLOW_SHARED(kernel, bytes)                                                                                 \
    cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes))

/* Lets a kernel have clusters of more than 8 blocks, where the device has them. */
#define PX_ALLOW_LARGE_CLUSTERS(kernel) cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1)

/* The attributes as CUDA takes them; returns how many. list has room for all three. */
static inline unsigned px_launch_list(const px_launch_attributes &wanted, cudaLaunchAttribute *list)
{
    unsigned count = 0;
    if (wanted.cluster) {
        list[count].id = cudaLaunchAttributeClusterDimension;
        list[count].val.clusterDim.x = wanted.cluster;
        list[count].val.clusterDim.y = list[count].val.clusterDim.z = 1;
        count++;
    }
    if (wanted.cooperative) {
        list[count].id = cudaLaunchAttributeCooperative;
        list[count++].val.cooperative = 1;
    }
    if (wanted.overlap) {
        list[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
        list[count++].val.programmaticStreamSerializationAllowed = 1;
    }
    return count;
}

template <class... P, class... A>
static inline cudaError_t px_launch_kernel(const px_launch_attributes &wanted, void (*kernel)(P...), dim3 grid,
                                           dim3 block, size_t shared_bytes, px_stream stream, A... arguments)
{
    cudaLaunchAttribute list[3];
    cudaLaunchConfig_t config = {};
    config.attrs = list;
    config.numAttrs = px_launch_list(px_attributes_in(stream, wanted), list);
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream.stream;
    return cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
}

#endif

/* Evaluates a launch with NAME, a constant that it may use as a template argument, being what the condition is: one
 * launch of kernel<ALIGNED> instead of a ladder with one for each case. They nest:
 *     return PX_SWITCH(aligned, ALIGNED, PX_SWITCH(drops, DROP, PX_LAUNCH((kernel<ALIGNED, DROP>), grid, block, 0, stream, args))); */
#define PX_SWITCH(condition, NAME, ...)                                                                                \
    [&] {                                                                                                              \
        if (condition) {                                                                                               \
            constexpr bool NAME = true;                                                                                \
            return __VA_ARGS__;                                                                                        \
        } else {                                                                                                       \
            constexpr bool NAME = false;                                                                               \
            return __VA_ARGS__;                                                                                        \
        }                                                                                                              \
    }()

/* Every launcher's way out on a failed launch. */
#define PX_TRY_CUDA(call)                                                                                              \
    do {                                                                                                               \
        cudaError_t px_error_ = (call);                                                                                \
        if (px_error_ != cudaSuccess) return px_error_;                                                                \
    } while (0)

#endif
