/* Where kernels go: whether they may come to the device before what is ahead of them has ended. */
#include "engine_cuda.h"

px_stream px_cuda_place(px_cuda *engine, cudaStream_t stream)
{
    const px_stream place = {stream, engine->dependent_launches && engine->behind_kernel && !engine->plan.wavefront};
    engine->behind_kernel = 1;
    return place;
}

void px_cuda_place_after_other(px_cuda *engine) { engine->behind_kernel = 0; }
