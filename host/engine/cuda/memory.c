/* One allocation per lifetime: see plan.h for what lies in each. */
#include "engine_cuda.h"

/* What each arena is called, and the flags that make it smaller. */
static const struct {
    const char *name, *remedy;
} arena_text[PX_ARENA_COUNT] = {
    [PX_ARENA_PARAMETERS] = {"parameters", "--hidden, --layers, --embed or --max-vocab"},
    [PX_ARENA_GRADIENTS] = {"gradients", "--hidden, --layers, --embed or --max-vocab"},
    [PX_ARENA_MOMENTS] = {"the optimiser's moments", "--hidden, --layers, --embed or --max-vocab"},
    [PX_ARENA_AVERAGES] = {"averaged weights", "--hidden, --layers, --embed or --max-vocab, or leave out --average"},
    [PX_ARENA_ACTIVATIONS] = {"activations", "--batch, --steps, --hidden or --layers"},
    [PX_ARENA_WORKSPACE] = {"cuBLAS", "--batch, --steps or --hidden"},
    [PX_ARENA_PINNED] = {"staging (pinned host memory)", "--batch or --steps"},
};

static px_status out_of_memory(const px_cuda *engine, int kind)
{
    size_t free_bytes = 0, total = 0;
    cudaGetLastError();
    if (cudaMemGetInfo(&free_bytes, &total) != cudaSuccess) cudaGetLastError();
    double mib = 1048576.0;
    px_engine_memory all = px_cuda_plan_memory(&engine->plan);
    if (kind == PX_ARENA_PINNED)
        return px_fail(PX_ERR_MEMORY, "cuda:%d: no %.1f MiB of host memory for %s; lower %s", engine->ordinal,
                       (double)engine->plan.bytes[kind] / mib, arena_text[kind].name, arena_text[kind].remedy);
    return px_fail(
        PX_ERR_MEMORY,
        "cuda:%d: out of memory: %.1f MiB asked for %s, %.1f of %.1f MiB are free, %.1f are needed in all; lower %s",
        engine->ordinal, (double)engine->plan.bytes[kind] / mib, arena_text[kind].name, (double)free_bytes / mib,
        (double)total / mib, (double)all.total / mib, arena_text[kind].remedy);
}

px_status px_cuda_memory_create(px_cuda *engine)
{
    for (int kind = 0; kind < PX_ARENA_COUNT; kind++) {
        size_t bytes = engine->plan.bytes[kind];
        void *base = NULL;
        if (bytes == 0) continue;
        cudaError_t error =
            kind == PX_ARENA_PINNED ? cudaHostAlloc(&base, bytes, cudaHostAllocDefault) : cudaMalloc(&base, bytes);
        if (error == cudaErrorMemoryAllocation) return out_of_memory(engine, kind);
        PX_CUDA(error);
        engine->memory.arena[kind].base = base;
        if (kind != PX_ARENA_PINNED) PX_CUDA(cudaMemsetAsync(base, 0, bytes, engine->compute));
    }
    px_cuda_plan_cut(&engine->plan, engine->memory.arena, &engine->b);
    return PX_OK;
}

void px_cuda_memory_destroy(px_cuda *engine)
{
    for (int kind = 0; kind < PX_ARENA_COUNT; kind++) {
        void *base = engine->memory.arena[kind].base;
        if (!base) continue;
        if (kind == PX_ARENA_PINNED)
            cudaFreeHost(base);
        else
            cudaFree(base);
        engine->memory.arena[kind].base = NULL;
    }
}
