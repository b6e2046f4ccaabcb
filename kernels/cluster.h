/* Clusters of blocks (compute capability 9.0): each other's shared memory, the cluster's barrier, barriers that count
 * bytes, and stores that report to one of these when they arrive.
 *
 * Here is the PTX; in the simulator every function is one of the same name in tests/cuda_on_cpu/simulator/cluster.cpp,
 * which says in words what is used wrongly. What this file has on hardware is compared with what it promises by
 * conformance.cu. */
#ifndef PX_CLUSTER_H
#define PX_CLUSTER_H

#include "launch.h"

#include <stdint.h>

/* A place in the shared memory of a block of the cluster; a sum with a number of bytes is one, too. */
#ifdef PX_SIMULATOR
typedef char *cluster_address;
#else
typedef uint32_t cluster_address;
#endif

/* A kernel that calls what stands here has a body only where there are clusters: other devices never launch it. */
#if defined(PX_SIMULATOR) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
#define PX_HAS_CLUSTERS 1
#endif

#ifndef PX_SIMULATOR

static __device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/* The block's number in its cluster. */
static __device__ __forceinline__ unsigned cluster_rank()
{
    uint32_t rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}

/* What lies at `mine` of this block's dynamic shared memory, in the block of that rank. */
static __device__ __forceinline__ cluster_address cluster_map(const void *mine, unsigned rank)
{
    uint32_t address;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(address) : "r"(shared_address(mine)), "r"(rank));
    return address;
}

/* The barrier of all threads of the cluster, in two halves: what was written before the one is seen after the other.
 * Warps are converged. */
static __device__ __forceinline__ void cluster_arrive()
{
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}

static __device__ __forceinline__ void cluster_wait()
{
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/* Makes 8 bytes of shared memory a barrier. Its phases, numbered from 0, end when `arrivals` have come and no expected
 * byte is lacking. Others in the cluster may use it after the cluster's next barrier. */
static __device__ __forceinline__ void mbarrier_init(uint64_t *barrier, unsigned arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

/* Arrives, and says that the phase lacks so many bytes more. They may have come already. */
static __device__ __forceinline__ void mbarrier_expect(uint64_t *barrier, unsigned bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
                 : "memory");
}

/* Waits for the end of the phase of that parity (0: even), which is this one or the last one. false: in vain, for a
 * hundred million times as long as it should take; the caller ends the launch (stall()). */
static __device__ __forceinline__ bool mbarrier_wait(uint64_t *barrier, unsigned parity)
{
    const uint32_t address = shared_address(barrier);
    uint32_t done;
    unsigned tries = 0;
    do {
        asm volatile("{\n\t.reg .pred p;\n\tmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\n\t"
                     "selp.u32 %0, 1, 0, p;\n\t}"
                     : "=r"(done)
                     : "r"(address), "r"(parity)
                     : "memory");
    } while (!done && ++tries < 1u << 22);
    return done != 0;
}

/* Stores 16 bytes at a multiple of 16 in a block of the cluster and then tells that block's barrier, which must be
 * expecting them; it must not end before. Whoever waits there sees them. */
static __device__ __forceinline__ void store_async(cluster_address to, uint4 v, cluster_address barrier)
{
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%0], {%1,%2,%3,%4}, [%5];" ::"r"(to),
        "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w), "r"(barrier)
        : "memory");
}

#endif

#endif
