/* On a GPU: each device function that uses PTX or an intrinsic gives what its plain C++ twin gives, since the simulator
 * has run the twin only; and cuRAND's Philox on the device gives the host's. Exit 77 without a GPU. */
#include "cluster.h"
#include "device.h"
#include "matrix.h"
#include "philox.h"
#include "warpgroup.h"

#include <curand_philox4x32_x.h>

#include <cmath>
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

__global__ void tf32_kernel(unsigned *differences)
{
    const uint32_t bits = blockIdx.x << 13 | threadIdx.x;
    for (uint32_t low = 0; low < 1u << 13; low += blockDim.x) {
        const float x = __uint_as_float(bits + low);
        if (to_tf32(x) != px_twin::to_tf32(x)) atomicAdd(differences, 1u);
    }
}

/* in [sets,32,6] words of A and B, c, twin [sets,32,4]. */
template <bool BF16> __global__ void matrix_kernel(const uint32_t *in, float *c, float *twin)
{
    const uint32_t *words = in + static_cast<size_t>(blockIdx.x) * 32 * 6, *w = words + threadIdx.x * 6;
    float real[4] = {}, plain[4] = {};
    matrix_multiply<BF16>(real, make_uint4(w[0], w[1], w[2], w[3]), w[4], w[5]);
    px_twin::matrix_multiply<BF16>(plain, static_cast<int>(threadIdx.x), words);
    for (int r = 0; r < 4; r++) {
        c[(blockIdx.x * 32 + threadIdx.x) * 4 + r] = real[r];
        twin[(blockIdx.x * 32 + threadIdx.x) * 4 + r] = plain[r];
    }
}

/* a [sets,128,4], b [sets,N,8] words; c, twin [sets,128,N/2]. */
template <bool BF16, int N>
__global__ void warpgroup_kernel(const uint32_t *a, const uint32_t *b, float *c, float *twin)
{
#ifdef PX_HAS_WARPGROUPS
    enum { QUAD_BYTES = N * 16 + 16 };
    __shared__ uint4 shared[2 * QUAD_BYTES / 16];
    const unsigned lane = threadIdx.x % 32, first = blockIdx.x * PX_WARPGROUP + threadIdx.x / 32 * 32;
    const uint32_t *mine = a + (first + lane) * 4;
    for (unsigned p = threadIdx.x; p < N * 8; p += PX_WARPGROUP)
        reinterpret_cast<uint32_t *>(shared)[p % 8 / 4 * (QUAD_BYTES / 4) + p / 8 * 4 + p % 4] =
            b[blockIdx.x * N * 8 + p];
    __syncthreads();
    float real[N / 2] = {}, plain[N / 2] = {};
    const uint64_t matrix = shared_matrix(matrix_address(shared), QUAD_BYTES, 128);
    shared_writes_fence();
    warpgroup_fence();
    for (int twice = 0; twice < 2; twice++)
        warpgroup_multiply<BF16>(real, make_uint4(mine[0], mine[1], mine[2], mine[3]), matrix, twice > 0);
    warpgroup_wait(real);
    for (int twice = 0; twice < 2; twice++)
        px_twin::warpgroup_multiply<BF16>(plain, N / 2, static_cast<int>(lane),
                                          reinterpret_cast<const uint32_t(*)[4]>(a + (first + lane / 4 * 4) * 4),
                                          static_cast<const char *>(__cvta_shared_to_generic(0)), matrix);
    for (int r = 0; r < N / 2; r++) {
        c[(first + lane) * (N / 2) + r] = real[r];
        twin[(first + lane) * (N / 2) + r] = plain[r];
    }
#endif
}

enum { CLUSTER = 8, ROUNDS = 100 };

/* Every block sends its rank and the round to all blocks of its cluster, ROUNDS times, and adds up what has come. */
__global__ void exchange_kernel(unsigned *out)
{
#ifdef PX_HAS_CLUSTERS
    PX_DYN_SHARED(uint64_t, barrier); /* two, then two buffers of CLUSTER quads */
    uint4 *quad = reinterpret_cast<uint4 *>(barrier + 2);
    unsigned sum = 0;
    for (int b = 0; threadIdx.x == 0 && b < 2; b++) {
        mbarrier_init(barrier + b, 1);
        mbarrier_expect(barrier + b, CLUSTER * sizeof(uint4));
    }
    __syncwarp();
    cluster_arrive();
    cluster_wait();
    for (unsigned round = 0; round < ROUNDS; round++) {
        const unsigned b = round % 2;
        if (threadIdx.x < CLUSTER)
            store_async(cluster_map(quad + b * CLUSTER + cluster_rank(), threadIdx.x),
                        make_uint4(round, cluster_rank(), 0, 0), cluster_map(barrier + b, threadIdx.x));
        if (!mbarrier_wait(barrier + b, round / 2 % 2)) __trap();
        if (threadIdx.x == 0) {
            if (round + 2 < ROUNDS) mbarrier_expect(barrier + b, CLUSTER * sizeof(uint4));
            for (unsigned i = 0; i < CLUSTER; i++) sum += quad[b * CLUSTER + i].x * (quad[b * CLUSTER + i].y + 1);
        }
        __syncthreads();
    }
    cluster_arrive();
    cluster_wait();
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
#endif
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

void check_tf32()
{
    unsigned *differences;
    must(cudaMallocManaged(&differences, sizeof *differences));
    *differences = 0;
    tf32_kernel<<<1u << 19, 256>>>(differences);
    must(cudaDeviceSynchronize());
    report("to_tf32 of every float", *differences == 0);
}

/* Random words: whole numbers up to 64, whose sums are exact, or anything up to 2, where the order of sums shows. */
uint32_t word_of(uint32_t random, bool bf16, bool whole)
{
    const float x = static_cast<float>(static_cast<int>(random % 129) - 64),
                y = static_cast<float>(static_cast<int>(random / 129 % 129) - 64);
    const float scale = whole ? 1.0f : 0.0312347f;
    if (!bf16) return px_twin::to_tf32(x * scale);
    return static_cast<uint32_t>(px_twin::to_bf16(y * scale)) << 16 | px_twin::to_bf16(x * scale);
}

template <bool BF16> void check_matrix(const char *what, bool whole)
{
    enum { SETS = 64 };
    uint32_t *in;
    float *c, *twin;
    must(cudaMallocManaged(&in, SETS * 32 * 6 * sizeof *in));
    must(cudaMallocManaged(&c, SETS * 32 * 4 * sizeof *c));
    must(cudaMallocManaged(&twin, SETS * 32 * 4 * sizeof *twin));
    for (int i = 0; i < SETS * 32 * 6; i++) in[i] = word_of(px_random_u32(2, PX_RANDOM_SYNTHETIC, 0, i), BF16, whole);
    matrix_kernel<BF16><<<SETS, 32>>>(in, c, twin);
    must(cudaDeviceSynchronize());
    bool same = true;
    /* 16 products of at most 4 each: a tensor core may round every sum towards zero */
    for (int i = 0; i < SETS * 32 * 4; i++) same = same && std::fabs(c[i] - twin[i]) <= (whole ? 0.0f : 64 * 0x1p-20f);
    report(what, same);
}

template <bool BF16, int N> void check_warpgroup(const char *what, bool whole)
{
    enum { SETS = 16, A = SETS * PX_WARPGROUP * 4, B = SETS * N * 8, C = SETS * PX_WARPGROUP * N / 2 };
    uint32_t *in;
    float *out;
    must(cudaMallocManaged(&in, (A + B) * sizeof *in));
    must(cudaMallocManaged(&out, 2 * C * sizeof *out));
    for (int i = 0; i < A + B; i++) in[i] = word_of(px_random_u32(3, PX_RANDOM_SYNTHETIC, 0, i), BF16, whole);
    warpgroup_kernel<BF16, N><<<SETS, PX_WARPGROUP>>>(in, in + A, out, out + C);
    must(cudaDeviceSynchronize());
    bool same = true;
    /* as check_matrix, twice as many products */
    for (int i = 0; i < C; i++) same = same && std::fabs(out[i] - out[C + i]) <= (whole ? 0.0f : 128 * 0x1p-20f);
    report(what, same);
}

/* Where the device has warpgroups: every number of columns. */
void check_warpgroups()
{
    int major = 0;
    must(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    if (major != 9) return;
    for (const bool whole : {true, false}) {
        check_warpgroup<true, 8>("m64n8k16 of bf16", whole);
        check_warpgroup<true, 16>("m64n16k16 of bf16", whole);
        check_warpgroup<true, 24>("m64n24k16 of bf16", whole);
        check_warpgroup<true, 32>("m64n32k16 of bf16", whole);
        check_warpgroup<false, 8>("m64n8k8 of tf32", whole);
        check_warpgroup<false, 32>("m64n32k8 of tf32", whole);
    }
}

/* Where the device has clusters. */
void check_cluster()
{
    int major = 0;
    unsigned *out;
    px_launch_attributes attributes = {};
    attributes.cluster = CLUSTER;
    must(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    if (major < 9) return;
    must(cudaMallocManaged(&out, 4 * CLUSTER * sizeof *out));
    must(PX_LAUNCH_WITH(attributes, exchange_kernel, 4 * CLUSTER, 64, 16 + 2 * CLUSTER * sizeof(uint4), px_stream{},
                        out));
    must(cudaDeviceSynchronize());
    bool right = true;
    for (int b = 0; b < 4 * CLUSTER; b++)
        right = right && out[b] == ROUNDS * (ROUNDS - 1) / 2 * CLUSTER * (CLUSTER + 1) / 2;
    report("st.async and mbarriers among the blocks of a cluster", right);
}

/* How many clusters of persistent kernels' size the device holds at once: kernels/persistent_kernel.h reckons with one
 * fewer than divide its multiprocessors. */
void check_clusters_at_once()
{
    enum { THREADS = 512, SHARED = 200 * 1024 };
    int major = 0, multiprocessors = 0;
    must(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    must(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0));
    if (major < 9 || major > 11) return; /* others have less shared memory */
    must(PX_ALLOW_SHARED(exchange_kernel, SHARED));
    must(PX_ALLOW_LARGE_CLUSTERS(exchange_kernel));
    for (const int size : {4, 8, 16}) {
        px_launch_attributes attributes = {};
        attributes.cluster = static_cast<unsigned>(size);
        cudaLaunchAttribute list[3];
        cudaLaunchConfig_t config = {};
        config.attrs = list;
        config.numAttrs = px_launch_list(attributes, list);
        config.gridDim = size * multiprocessors;
        config.blockDim = THREADS;
        config.dynamicSmemBytes = SHARED;
        int held = 0;
        char what[80];
        must(cudaOccupancyMaxActiveClusters(&held, exchange_kernel, &config));
        const int reckoned = multiprocessors / size > 1 ? multiprocessors / size - 1 : 1;
        std::snprintf(what, sizeof what, "clusters of %d blocks at once: %d, reckoned with %d", size, held, reckoned);
        report(what, held >= reckoned);
    }
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
    check_tf32();
    check_matrix<true>("m16n8k16 of whole numbers in bf16", true);
    check_matrix<true>("m16n8k16 of bf16, but for the order of sums", false);
    check_matrix<false>("m16n8k8 of whole numbers in tf32", true);
    check_matrix<false>("m16n8k8 of tf32, but for the order of sums", false);
    check_cluster();
    check_clusters_at_once();
    check_warpgroups();
    return failures ? 1 : 0;
}
