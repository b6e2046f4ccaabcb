/* The CUDA vocabulary for the host compiler: with PX_SIMULATOR, kernels/launch.h includes this instead of CUDA's
 * runtime, and the very same .cu files become C++ in which every CUDA thread is a fiber (scheduler.cpp).
 *
 * What a kernel may use: threadIdx, blockIdx, blockDim, gridDim; shared memory through PX_SHARED and PX_DYN_SHARED;
 * clusters through kernels/cluster.h and matrix instructions through kernels/matrix.h;
 * __syncthreads, __syncwarp; shuffles over whole warps (no width argument); votes; counters between blocks through
 * kernels/device.h. There are no other atomics: no kernel needs one, and what is missing here does not compile. Shared
 * memory starts as NaN (bytes 0xff) and is allocated apart for every variable, so that reads before a write and indices
 * that leave it are seen. */
#ifndef PX_SIMULATOR_H
#define PX_SIMULATOR_H

/* Before CUDA's headers, which would otherwise expand it for the host compiler. */
#include <cuda_runtime_api.h>
#include <vector_functions.h>
#undef __launch_bounds__
#define __launch_bounds__(...)

#include "launch_attributes.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>

namespace px_sim
{

/* A place in the source, for messages. */
struct place {
    const char *file;
    int line;
};

/* What a running CUDA thread sees of itself. */
struct view {
    uint3 thread_index, block_index;
    unsigned linear; /* in the block */
};
extern view *running;
extern dim3 block_size, grid_size;

/* One launch, as the stream carries it. */
struct launch {
    const char *kernel;
    const void *function;
    dim3 grid, block;
    size_t shared_bytes; /* dynamic */
    place where;
    px_launch_attributes attributes;
};

void barrier(const place *where);
/* In a launch that overlaps: here the one before it has ended. What touched device memory before has met nothing of
 * what is there (control.h, curtain_hook); a thread that returns without having been here is a fault. */
void stream_wait(const place *where);
void pause(); /* others run first: for loops that wait for another block */
/* A counter in device memory: release and acquire (device.h). */
void counter_add(unsigned *counter);
unsigned counter_next(unsigned *counter); /* and returns what it was */
unsigned counter_read(const unsigned *counter);
/* The launch ends here with an error: what the thread had waited for in vain. */
void trap();
enum warp_op { SHUFFLE, SHUFFLE_XOR, SHUFFLE_UP, SHUFFLE_DOWN, BALLOT, ANY, ALL, SYNC, GATHER };
/* All lanes of mask meet; a shuffle returns the value of lane `source`, a vote the bits of all lanes' values. */
uint64_t meet(warp_op op, unsigned mask, uint64_t value, unsigned source, const place *where);
/* The words (at most GATHER_WORDS) of all 32 lanes, lane after lane, as matrix instructions read each other's
 * registers; good until the calling lane's next meeting. Orders nothing. */
enum { GATHER_WORDS = 8 };
inline const uint32_t *gather(const uint32_t *mine, unsigned words, const place *where)
{
    return reinterpret_cast<const uint32_t *>(
        static_cast<uintptr_t>(meet(GATHER, 0xffffffffu, reinterpret_cast<uintptr_t>(mine), words, where)));
}

/* Clusters (cluster.cpp); what each does: kernels/cluster.h. */
unsigned cluster_rank();
char *cluster_map(const void *mine, unsigned rank, const place *where);
void cluster_arrive(const place *where);
void cluster_wait(const place *where);
void mbarrier_init(uint64_t *barrier, unsigned arrivals, const place *where);
void mbarrier_expect(uint64_t *barrier, unsigned bytes, const place *where);
/* Where nobody could ever end it, it returns false at last, and the launch's fault is that deadlock. */
bool mbarrier_wait(uint64_t *barrier, unsigned parity, const place *where);
/* true: the store has been taken and arrives later. false: it arrives now, and the caller, whom sanitizers see, makes
 * it and says so. */
bool store_later(char *to, const uint32_t words[4], char *barrier, const place *where);
void stored(char *barrier, unsigned bytes, const place *where);
inline void store_async(char *to, uint4 v, char *barrier, const place *where)
{
    const uint32_t words[4] = {v.x, v.y, v.z, v.w};
    if (store_later(to, words, barrier, where)) return;
    *reinterpret_cast<uint4 *>(to) = v;
    stored(barrier, sizeof v, where);
}

/* Warpgroups (warpgroup.cpp); what each does: kernels/warpgroup.h, which makes the products where sanitizers see it. A
 * product of what a lane needs: its four lanes' registers of A. */
struct product {
    float *c;
    unsigned count;
    uint32_t a[4][4];
    uint64_t matrix;
    bool adds;
};
typedef void (*product_maker)(const product &p);
void shared_writes_fence();
void warpgroup_fence();
/* Where the sums of c stand until land_products() brings them; c is NaN meanwhile. */
float *accumulators(float *c, unsigned count, uint64_t matrix, const place *where);
/* Made when they are given, or when they are waited for: by the schedule. */
bool products_are_prompt();
void product_later(const product &p, product_maker make);
product_maker next_product(product *p); /* in their order; NULL: all are made */
void land_products(float *c, const place *where);

/* The block's variable behind key: allocated and filled with 0xff when the first thread asks. */
void *shared_variable(const void *key, size_t bytes, size_t alignment);
void *dynamic_shared();
cudaError_t allow_shared(const void *function, size_t bytes);
cudaError_t allow_large_clusters(const void *function);
/* Hands a launch to the stream (control.h: by default it runs at once). */
cudaError_t submit(const launch &what, cudaStream_t stream, std::function<void()> body);
/* Whether a pointer argument may be one: tests and the fake runtime say what device memory is. */
bool is_device_pointer(const void *p);
void refuse_argument(const launch &what, int index);

template <class T> inline bool argument_is_valid(const T &) { return true; }
template <class T> inline bool argument_is_valid(T *const &p) { return !p || is_device_pointer(p); }

template <class... P, class... A>
cudaError_t launch_kernel(const px_launch_attributes &attributes, const char *name, place where, void (*kernel)(P...),
                          dim3 grid, dim3 block, size_t shared_bytes, px_stream stream, A... arguments)
{
    const launch what = {name,  reinterpret_cast<const void *>(kernel), grid, block, shared_bytes,
                         where, px_attributes_in(stream, attributes)};
    std::tuple<P...> values(static_cast<P>(arguments)...); /* copied now, as a launch copies its arguments */
    int index = 0, wrong = -1;
    std::apply([&](const auto &...x) { ((wrong = wrong < 0 && !argument_is_valid(x) ? index : wrong, index++), ...); },
               values);
    if (wrong >= 0) {
        refuse_argument(what, wrong);
        return cudaErrorInvalidValue;
    }
    return submit(what, stream.stream, [kernel, values] { std::apply(kernel, values); });
}

template <class T> inline uint64_t bits_of(T v)
{
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes here");
    uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    return bits;
}

template <class T> inline T value_of(uint64_t bits)
{
    T v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
}

inline unsigned lane() { return running->linear % 32; }

template <class T> inline T shuffle(warp_op op, unsigned mask, T v, unsigned source, bool inside, const place *where)
{
    return value_of<T>(meet(op, mask, bits_of(v), inside ? source : lane(), where));
}

} // namespace px_sim

#define PX_SIM_HERE                                                                                                    \
    ([]() -> const px_sim::place * {                                                                                   \
        static constexpr px_sim::place here_ = {__FILE__, __LINE__};                                                   \
        return &here_;                                                                                                 \
    }())

#define threadIdx (px_sim::running->thread_index)
#define blockIdx (px_sim::running->block_index)
#define blockDim (px_sim::block_size)
#define gridDim (px_sim::grid_size)

#define PX_SHARED(type, name, ...)                                                                                     \
    using name##_type_ = type __VA_ARGS__;                                                                             \
    static char name##_key_;                                                                                           \
    name##_type_ &name = *static_cast<name##_type_ *>(                                                                 \
        px_sim::shared_variable(&name##_key_, sizeof(name##_type_), alignof(name##_type_)))
#define PX_DYN_SHARED(type, name) type *name = static_cast<type *>(px_sim::dynamic_shared())
#define PX_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                      \
    px_sim::launch_kernel({}, #kernel, {__FILE__, __LINE__}, kernel, grid, block, shared_bytes, stream, __VA_ARGS__)
#define PX_LAUNCH_WITH(attributes, kernel, grid, block, shared_bytes, stream, ...)                                     \
    px_sim::launch_kernel(attributes, #kernel, {__FILE__, __LINE__}, kernel, grid, block, shared_bytes, stream,        \
                          __VA_ARGS__)
#define PX_ALLOW_LARGE_CLUSTERS(kernel) px_sim::allow_large_clusters(reinterpret_cast<const void *>(kernel))
#define PX_ALLOW_SHARED(kernel, bytes) px_sim::allow_shared(reinterpret_cast<const void *>(kernel), bytes)

#define cluster_rank() px_sim::cluster_rank()
#define cluster_map(mine, rank) px_sim::cluster_map(mine, rank, PX_SIM_HERE)
#define cluster_arrive() px_sim::cluster_arrive(PX_SIM_HERE)
#define cluster_wait() px_sim::cluster_wait(PX_SIM_HERE)
#define mbarrier_init(barrier, arrivals) px_sim::mbarrier_init(barrier, arrivals, PX_SIM_HERE)
#define mbarrier_expect(barrier, bytes) px_sim::mbarrier_expect(barrier, bytes, PX_SIM_HERE)
#define mbarrier_wait(barrier, parity) px_sim::mbarrier_wait(barrier, parity, PX_SIM_HERE)
#define store_async(to, v, barrier) px_sim::store_async(to, v, barrier, PX_SIM_HERE)

#define wait_for_stream() px_sim::stream_wait(PX_SIM_HERE)

#define __syncthreads() px_sim::barrier(PX_SIM_HERE)
#define __syncwarp() static_cast<void>(px_sim::meet(px_sim::SYNC, 0xffffffffu, 0, 0, PX_SIM_HERE))
#define __shfl_sync(mask, v, source)                                                                                   \
    px_sim::shuffle(px_sim::SHUFFLE, mask, v, static_cast<unsigned>(source) % 32, true, PX_SIM_HERE)
#define __shfl_xor_sync(mask, v, bits)                                                                                 \
    px_sim::shuffle(px_sim::SHUFFLE_XOR, mask, v, (px_sim::lane() ^ static_cast<unsigned>(bits)) % 32, true,           \
                    PX_SIM_HERE)
#define __shfl_up_sync(mask, v, delta)                                                                                 \
    px_sim::shuffle(px_sim::SHUFFLE_UP, mask, v, px_sim::lane() - static_cast<unsigned>(delta),                        \
                    px_sim::lane() >= static_cast<unsigned>(delta), PX_SIM_HERE)
#define __shfl_down_sync(mask, v, delta)                                                                               \
    px_sim::shuffle(px_sim::SHUFFLE_DOWN, mask, v, px_sim::lane() + static_cast<unsigned>(delta),                      \
                    px_sim::lane() + static_cast<unsigned>(delta) < 32, PX_SIM_HERE)
#define __ballot_sync(mask, p) static_cast<unsigned>(px_sim::meet(px_sim::BALLOT, mask, (p) ? 1 : 0, 0, PX_SIM_HERE))
#define __any_sync(mask, p) (px_sim::meet(px_sim::ANY, mask, (p) ? 1 : 0, 0, PX_SIM_HERE) != 0)
#define __all_sync(mask, p) (px_sim::meet(px_sim::ALL, mask, (p) ? 0 : 1, 0, PX_SIM_HERE) == 0)

static inline float __uint_as_float(unsigned bits) { return px_sim::value_of<float>(bits); }
static inline unsigned __float_as_uint(float x) { return static_cast<unsigned>(px_sim::bits_of(x)); }

#endif
