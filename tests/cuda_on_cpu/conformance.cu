/* On a GPU: each device function that uses PTX or an intrinsic gives what its plain C++ twin gives, since the simulator
 * has run the twin only; and cuRAND's Philox on the device gives the host's. Exit 77 without a GPU. */
#include "device.h"
#include "philox.h"

#include <curand_philox4x32_x.h>

#include <cstdio>
#include <cstdlib>

namespace
{

/* Every float whose low half is one of these: all exponents and mantissas that bfloat16 keeps, all ways of rounding. */
__constant__ const uint32_t low_halves[] = {0x0000, 0x0001, 0x7fff, 0x8000, 0x8001, 0xffff};

__global__ void bf16_kernel(unsigned *differences)
{
    const uint32_t high = blockIdx.x * blockDim.x + threadIdx.x;
    for (uint32_t low : low_halves) {
        const float x = __uint_as_float(high << 16 | low);
        if (to_bf16(x) != px_twin::to_bf16(x)) atomicAdd(differences, 1u);
    }
}

__global__ void once_kernel(const float4 *in, float4 *out, float4 *twin)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    store_once(out + i, load_once(in + i));
    px_twin::store_once(twin + i, px_twin::load_once(in + i));
}

__global__ void philox_kernel(uint4 *out)
{
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    out[i] = curand_Philox4x32_10(make_uint4(i * 2654435761u, i, i % 7, i % 11), make_uint2(i ^ 0xdeadbeefu, ~i));
}

int failures;

void must(cudaError_t error)
{
    if (error == cudaSuccess) return;
    std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
    std::exit(1);
}

void report(const char *what, bool right)
{
    std::printf("%s: %s\n", right ? "same" : "DIFFERENT", what);
    failures += !right;
}

} // namespace

int main()
{
    enum { COUNT = 4096 };
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        std::printf("SKIP conformance: no GPU\n");
        return 77;
    }
    unsigned *differences, count;
    must(cudaMallocManaged(&differences, sizeof *differences));
    *differences = 0;
    bf16_kernel<<<65536 / 256, 256>>>(differences);
    must(cudaDeviceSynchronize());
    count = *differences;
    report("to_bf16 of every upper half, six lower halves each", count == 0);

    float4 *in, *out, *twin;
    must(cudaMallocManaged(&in, COUNT * sizeof *in));
    must(cudaMallocManaged(&out, COUNT * sizeof *out));
    must(cudaMallocManaged(&twin, COUNT * sizeof *twin));
    for (int i = 0; i < COUNT * 4; i++)
        reinterpret_cast<uint32_t *>(in)[i] = px_random_u32(1, PX_RANDOM_SYNTHETIC, 0, i);
    once_kernel<<<COUNT / 256, 256>>>(in, out, twin);
    must(cudaDeviceSynchronize());
    report("load_once, store_once",
           memcmp(in, out, COUNT * sizeof *in) == 0 && memcmp(in, twin, COUNT * sizeof *in) == 0);

    uint4 *blocks;
    must(cudaMallocManaged(&blocks, COUNT * sizeof *blocks));
    philox_kernel<<<COUNT / 256, 256>>>(blocks);
    must(cudaDeviceSynchronize());
    bool same = true;
    for (uint32_t i = 0; i < COUNT; i++) {
        const px_philox_block b = px_philox(static_cast<uint64_t>(~i) << 32 | (i ^ 0xdeadbeefu), i % 11, i % 7,
                                            static_cast<uint64_t>(i) << 32 | i * 2654435761u);
        same = same && memcmp(&blocks[i], b.lane, sizeof b.lane) == 0;
    }
    report("cuRAND's Philox on the device and host/base/philox.h", same);
    return failures ? 1 : 0;
}
