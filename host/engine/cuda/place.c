/* Where kernels go: whether they may come to the device before what is ahead of them has ended.
 *
 * A product ends with a kernel, so what stands behind it stands behind a kernel. Launchers launch something: windows,
 * layers and clusters without rows never get here. */
#include "engine_cuda.h"

enum { OVERLAP_MAJOR = 9, OVERLAP_CUDA = 12030 };

int px_cuda_can_overlap(const px_device_info *info)
{
    return info->major >= OVERLAP_MAJOR && info->runtime_version >= OVERLAP_CUDA &&
           info->driver_version >= OVERLAP_CUDA && px_kernels_wait();
}

px_stream px_cuda_place(px_cuda *engine, cudaStream_t stream)
{
    const px_stream place = {stream, engine->dependent_launches && engine->behind_kernel && !engine->plan.wavefront};
    engine->behind_kernel = 1;
    return place;
}

void px_cuda_place_after_other(px_cuda *engine) { engine->behind_kernel = 0; }
