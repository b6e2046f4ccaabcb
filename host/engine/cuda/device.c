/* Which GPUs there are, and whether one works. */
#include "engine_cuda.h"

#include <string.h>

enum { CAPABILITY_MIN = 75 }; /* what nvcc 13 still compiles for */

/* Why there is no GPU, in the runtime's words, and what to do. */
static px_status no_gpu(cudaError_t error)
{
    int driver = 0, runtime = 0;
    cudaGetLastError();
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (driver == 0)
        return px_fail(PX_ERR_DEVICE,
                       "no usable GPU: %s (%s): no NVIDIA driver is installed; install one that supports CUDA %d.%d, "
                       "or use --device cpu",
                       cudaGetErrorString(error), cudaGetErrorName(error), runtime / 1000, runtime % 1000 / 10);
    return px_fail(
        PX_ERR_DEVICE,
        "no usable GPU: %s (%s): the driver supports CUDA %d.%d, this build needs %d.%d; update the driver, check that "
        "CUDA_VISIBLE_DEVICES shows a GPU, or use --device cpu",
        cudaGetErrorString(error), cudaGetErrorName(error), driver / 1000, driver % 1000 / 10, runtime / 1000,
        runtime % 1000 / 10);
}

/* Without a driver cudaGetDeviceCount leaves its result unwritten. */
static px_status count_devices(int *count)
{
    *count = 0;
    cudaError_t error = cudaGetDeviceCount(count);
    if (error == cudaSuccess && *count > 0) return PX_OK;
    *count = 0;
    return no_gpu(error == cudaSuccess ? cudaErrorNoDevice : error);
}

px_status px_cuda_device_info(int ordinal, px_device_info *info)
{
    struct cudaDeviceProp properties;
    memset(&properties, 0, sizeof properties);
    PX_CUDA(cudaGetDeviceProperties(&properties, ordinal));
    *info = (px_device_info){
        .ordinal = ordinal,
        .memory_bytes = properties.totalGlobalMem,
        .major = properties.major,
        .minor = properties.minor,
        .multiprocessors = properties.multiProcessorCount,
    };
    memcpy(info->name, properties.name, sizeof info->name - 1);
    PX_CUDA(cudaDriverGetVersion(&info->driver_version));
    PX_CUDA(cudaRuntimeGetVersion(&info->runtime_version));
    return PX_OK;
}

px_status px_cuda_devices(px_device_info *list, int capacity, int *count)
{
    PX_TRY(count_devices(count));
    for (int i = 0; i < *count && i < capacity; i++) {
        PX_TRY(px_cuda_device_info(i, &list[i]));
        size_t total;
        /* free memory needs a context; a GPU that gives none is listed all the same */
        if (cudaSetDevice(i) != cudaSuccess || cudaMemGetInfo(&list[i].free_bytes, &total) != cudaSuccess)
            cudaGetLastError();
    }
    return PX_OK;
}

/* One of our kernels on a few numbers: shows that the context, memory and code for this GPU are there. */
static px_status run_kernel(void)
{
    enum { COUNT = 64 };
    float *in = NULL;
    PX_CUDA(cudaMalloc((void **)&in, 2 * COUNT * sizeof *in));
    cudaError_t error = cudaMemset(in, 0, 2 * COUNT * sizeof *in);
    if (error == cudaSuccess) error = px_launch_layout_bf16((void *)(in + COUNT), in, COUNT, (px_stream){NULL, 0});
    if (error == cudaSuccess) error = cudaDeviceSynchronize();
    cudaFree(in);
    PX_CUDA(error);
    return PX_OK;
}

static px_status set_device(int ordinal)
{
    if (cudaSetDevice(ordinal) == cudaSuccess) return PX_OK;
    const cudaError_t error = cudaGetLastError();
    return px_fail(PX_ERR_DEVICE, "%s (%s); another program may hold it exclusively", cudaGetErrorString(error),
                   cudaGetErrorName(error));
}

px_status px_cuda_probe(int ordinal, px_device_info *info)
{
    int count;
    size_t total;
    PX_TRY(count_devices(&count));
    if (ordinal >= count)
        return px_fail(PX_ERR_DEVICE, "cuda:%d: there %s only %d GPU%s, numbered from 0; see perplex info --devices",
                       ordinal, count == 1 ? "is" : "are", count, count == 1 ? "" : "s");
    px_status status;
    PX_TRY_GOTO(status, px_cuda_device_info(ordinal, info), fail);
    if (10 * info->major + info->minor < CAPABILITY_MIN)
        return px_fail(PX_ERR_DEVICE,
                       "cuda:%d %s: compute capability %d.%d; at least %d.%d is needed, use --device cpu", ordinal,
                       info->name, info->major, info->minor, CAPABILITY_MIN / 10, CAPABILITY_MIN % 10);
    PX_TRY_GOTO(status, set_device(ordinal), fail);
    PX_TRY_GOTO(status, run_kernel(), fail);
    PX_CUDA(cudaMemGetInfo(&info->free_bytes, &total));
    return PX_OK;
fail:
    (void)px_fail_context(status, "cuda:%d does not work", ordinal);
    return PX_ERR_DEVICE;
}
