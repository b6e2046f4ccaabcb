/* The CUDA runtime without a GPU: devices, memory, errors. See fake_control.h; streams are in fake_streams.cpp. */
#include "fake_device.h"

#include "control.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

namespace px_fake
{

px_fake_counts counts;

namespace
{

enum memory_kind { DEVICE, PINNED };
struct block {
    size_t bytes;
    memory_kind kind;
};

std::map<const char *, block> blocks;

px_fake_settings initial_settings()
{
    const char *driver = getenv("PERPLEX_FAKE_DRIVER"), *devices = getenv("PERPLEX_FAKE_DEVICES"),
               *memory = getenv("PERPLEX_FAKE_MEMORY"), *lost = getenv("PERPLEX_FAKE_LOST_STORE"),
               *multiprocessors = getenv("PERPLEX_FAKE_MULTIPROCESSORS");
    px_fake_settings s = {};
    s.lazy = getenv("PERPLEX_FAKE_EAGER") ? 0 : 1;
    s.seed = 1;
    s.devices = devices ? atoi(devices) : 1;
    s.driver = driver ? atoi(driver) : 1;
    s.memory_bytes = memory ? strtoull(memory, nullptr, 10) : size_t(1) << 30;
    s.total_bytes = 64 << 10;
    s.major = 9;
    s.multiprocessors = multiprocessors ? atoi(multiprocessors) : 1;
    s.lt_refuses = getenv("PERPLEX_FAKE_LT_REFUSES") ? 1 : 0;
    s.fail_at = -1;
    s.lost_store = lost ? strtoull(lost, nullptr, 10) : 0;
    return s;
}

const std::pair<const char *const, block> *find(const void *p)
{
    auto it = blocks.upper_bound(static_cast<const char *>(p));
    if (it == blocks.begin()) return nullptr;
    --it;
    return static_cast<const char *>(p) < it->first + it->second.bytes ? &*it : nullptr;
}

bool in_range(const void *p, size_t bytes, memory_kind kind)
{
    auto *found = find(p);
    return found && found->second.kind == kind &&
           static_cast<const char *>(p) + bytes <= found->first + found->second.bytes;
}

size_t used_bytes()
{
    size_t used = 0;
    for (auto &b : blocks) used += b.second.kind == DEVICE ? b.second.bytes : 0;
    return used;
}

cudaError_t submit_kernel(const px_sim::launch &what, cudaStream_t stream, std::function<void()> body)
{
    if (what.attributes.overlap && !is_behind_kernel(stream)) {
        complain("%s overlaps what is no kernel", what.kernel);
        return report(cudaErrorInvalidValue);
    }
    return enqueue(stream, what.kernel, [what, body] {
        counts.kernels++;
        if (what.attributes.overlap) counts.overlapping++;
        if (settings().lost_store) px_sim::control().lost_store = settings().lost_store;
        settings().lost_store = 0;
        return px_sim::run(what, body);
    });
}

bool is_pointer_of_ours(const void *p) { return find(p) != nullptr; }

/* What is in device memory while the curtain is drawn, block after block, but for cuBLAS's workspace, the largest, which
 * no kernel touches: engines make hundreds of launches. */
enum { HIDDEN_MOST = 16 << 20 };
std::vector<char> &hidden = *new std::vector<char>;

void curtain(bool drawn)
{
    size_t at = 0;
    if (drawn) hidden.resize(used_bytes());
    for (auto &b : blocks) {
        if (b.second.kind != DEVICE || b.second.bytes > HIDDEN_MOST) continue;
        char *p = const_cast<char *>(b.first);
        if (drawn) {
            memcpy(hidden.data() + at, p, b.second.bytes);
            memset(p, 0xff, b.second.bytes);
        } else {
            memcpy(p, hidden.data() + at, b.second.bytes);
        }
        at += b.second.bytes;
    }
}

/* The simulator hands its launches to these streams from the start. */
struct plug {
    plug()
    {
        px_sim::set_hooks(submit_kernel, is_pointer_of_ours);
        px_sim::set_curtain(curtain);
    }
} plugged;

cudaError_t allocate(void **p, size_t bytes, memory_kind kind)
{
    if (forbidden()) return report(cudaErrorStreamCaptureUnsupported);
    if (creation_fails() || (kind == DEVICE && used_bytes() + bytes > settings().memory_bytes))
        return report(cudaErrorMemoryAllocation);
    void *block = nullptr;
    if (posix_memalign(&block, 256, bytes ? bytes : 1) != 0) return report(cudaErrorMemoryAllocation);
    memset(block, 0xff, bytes);
    blocks[static_cast<char *>(block)] = {bytes, kind};
    counts.allocations++;
    counts.bytes += bytes;
    *p = block;
    return cudaSuccess;
}

cudaError_t release(void *p, memory_kind kind)
{
    if (!p) return cudaSuccess;
    if (forbidden()) return report(cudaErrorStreamCaptureUnsupported);
    auto it = blocks.find(static_cast<char *>(p));
    if (it == blocks.end() || it->second.kind != kind) {
        complain("freeing %p, which was not allocated so", p);
        return report(cudaErrorInvalidValue);
    }
    drain_all(); /* as cudaFree does */
    counts.allocations--;
    counts.bytes -= it->second.bytes;
    blocks.erase(it);
    free(p);
    return broken();
}

} // namespace

px_fake_settings &settings()
{
    static px_fake_settings now = initial_settings();
    return now;
}

bool creation_fails()
{
    int64_t &left = settings().fail_at;
    counts.creations++;
    if (left < 0) return false;
    return left-- == 0;
}

void object_created() { counts.objects++; }

void object_destroyed() { counts.objects--; }

bool device_range(const void *p, size_t bytes) { return in_range(p, bytes, DEVICE); }

void complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("fake CUDA: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

} // namespace px_fake

using namespace px_fake;

extern "C" {

px_fake_settings *px_fake_control(void) { return &settings(); }

px_fake_counts px_fake_count(void) { return counts; }

/* ---- devices */

cudaError_t cudaGetDeviceCount(int *count)
{
    if (!settings().driver)
        return report(cudaErrorInsufficientDriver); /* the result stays unwritten, as it does in reality */
    if (settings().devices == 0) return report(cudaErrorNoDevice);
    *count = settings().devices;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = settings().driver ? CUDART_VERSION : 0;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = 0;
    return settings().driver && settings().devices ? cudaSuccess : report(cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int device)
{
    return device < settings().devices && settings().driver ? cudaSuccess : report(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    if (device >= settings().devices || !settings().driver) return report(cudaErrorInvalidDevice);
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "Simulated GPU");
    properties->totalGlobalMem = settings().total_bytes;
    properties->major = settings().major;
    properties->minor = settings().minor;
    properties->multiProcessorCount = settings().multiprocessors;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int)
{
    if (attribute != cudaDevAttrMaxSharedMemoryPerBlockOptin) return report(cudaErrorInvalidValue);
    *value = 227 << 10;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *bus, int length, int)
{
    snprintf(bus, size_t(length), "0000:00:00.0");
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    *total = settings().memory_bytes;
    *free_bytes = *total - used_bytes();
    return cudaSuccess;
}

/* ---- errors */

const char *cudaGetErrorName(cudaError_t error)
{
    return error == cudaErrorInsufficientDriver ? "cudaErrorInsufficientDriver"
           : error == cudaErrorNoDevice         ? "cudaErrorNoDevice"
           : error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation"
                                                : "a CUDA error";
}

const char *cudaGetErrorString(cudaError_t error)
{
    static char text[64];
    if (error == cudaErrorInsufficientDriver) return "CUDA driver version is insufficient for CUDA runtime version";
    if (error == cudaErrorNoDevice) return "no CUDA-capable device is detected";
    if (error == cudaErrorMemoryAllocation) return "out of memory";
    snprintf(text, sizeof text, "CUDA error %d", int(error));
    return text;
}

/* ---- memory */

cudaError_t cudaMalloc(void **p, size_t bytes) { return allocate(p, bytes, DEVICE); }

cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned) { return allocate(p, bytes, PINNED); }

cudaError_t cudaFree(void *p) { return release(p, DEVICE); }

cudaError_t cudaFreeHost(void *p) { return release(p, PINNED); }

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    bool to_pinned = !to_device && find(to), from_pinned = !from_device && find(from);
    if (bytes == 0) return cudaSuccess;
    if ((to_device && !in_range(to, bytes, DEVICE)) || (from_device && !in_range(from, bytes, DEVICE)) ||
        (to_pinned && !in_range(to, bytes, PINNED)) || (from_pinned && !in_range(from, bytes, PINNED))) {
        complain("a copy of %zu bytes leaves its allocation, or is of the wrong kind", bytes);
        return report(cudaErrorInvalidValue);
    }
    bool pageable = (!to_device && !to_pinned) || (!from_device && !from_pinned);
    if (pageable && is_capturing(stream)) return report(cudaErrorStreamCaptureUnsupported);
    if (!from_device && !from_pinned) { /* pageable memory is staged before the call returns */
        auto staged = std::make_shared<std::vector<char>>(static_cast<const char *>(from),
                                                          static_cast<const char *>(from) + bytes);
        return enqueue(stream, "copy", [=] { return memcpy(to, staged->data(), bytes), cudaSuccess; });
    }
    cudaError_t error = enqueue(stream, "copy", [=] { return memmove(to, from, bytes), cudaSuccess; });
    if (error == cudaSuccess && !to_device && !to_pinned) { /* and pageable memory has arrived when the call returns */
        drain(stream);
        error = broken();
    }
    return error;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream)
{
    if (!in_range(p, bytes, DEVICE)) {
        complain("a fill of %zu bytes leaves its allocation", bytes);
        return report(cudaErrorInvalidValue);
    }
    return enqueue(stream, "fill", [=] { return memset(p, value, bytes), cudaSuccess; });
}

cudaError_t cudaMemset(void *p, int value, size_t bytes) { return cudaMemsetAsync(p, value, bytes, nullptr); }

} /* extern "C" */
