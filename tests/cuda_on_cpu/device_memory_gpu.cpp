/* Kernel tests on a GPU; a machine without one is a loud skip. */
#include "device_memory.h"

#include <cstdlib>
#include <cstdio>

static cudaError_t last = cudaSuccess;

static void must(cudaError_t error, const char *what)
{
    if (error == cudaSuccess) return;
    std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
    std::exit(1);
}

px_stream device_stream() { return {nullptr, 0}; }

bool device_works(const char **why)
{
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    *why = error != cudaSuccess ? cudaGetErrorString(error) : "no GPU";
    return error == cudaSuccess && count > 0;
}

void *device_alloc(size_t bytes)
{
    void *p = nullptr;
    must(cudaMalloc(&p, bytes ? bytes : 1), "cudaMalloc");
    must(cudaMemset(p, 0xff, bytes), "cudaMemset");
    return p;
}

void device_free(void *p) { must(cudaFree(p), "cudaFree"); }

void device_write(void *to, const void *from, size_t bytes)
{
    must(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "cudaMemcpy to the device");
}

void device_read(void *to, const void *from, size_t bytes)
{
    must(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "cudaMemcpy from the device");
}

cudaError_t device_wait()
{
    last = cudaDeviceSynchronize();
    return last;
}

const char *device_fault() { return cudaGetErrorString(last); }

size_t device_guard() { return 64; }

int device_schedules() { return 1; }

void device_set_schedule(int) {}

const char *device_schedule() { return "gpu"; }

unsigned device_cluster_blocks()
{
    int major = 0;
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
    return major < 9 ? 0 : major < 12 ? 16 : 8;
}

bool device_has_warpgroups()
{
    int major = 0;
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
    return major == 9;
}

int device_multiprocessors()
{
    int count = 0;
    must(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0), "multiprocessors");
    return count;
}

size_t device_shared_bytes()
{
    int bytes = 48 * 1024;
    must(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), "shared memory of a block");
    return static_cast<size_t>(bytes);
}
