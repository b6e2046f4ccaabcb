/* The CUDA runtime without a GPU: memory, streams, events, graphs. See fake_control.h. */
#include "fake_device.h"

#include "control.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <vector>

/* An event's record is one version of it; waiting means: that version has happened. */
struct event_state {
    uint64_t recorded = 0, done = 0;
    struct CUstream_st *stream = nullptr; /* that records the last version */
    bool timing = true;
    double at_ms = 0;
};

struct operation {
    px_fake::work run;
    std::shared_ptr<event_state> wait; /* instead of run: blocks the stream until version is done */
    uint64_t version = 0;
};

struct CUevent_st {
    std::shared_ptr<event_state> state = std::make_shared<event_state>();
};
/* A node does work, or records an event anew at every launch. */
struct graph_node {
    px_fake::work run;
    std::shared_ptr<event_state> records;
};
struct CUgraph_st {
    std::vector<graph_node> nodes;
};
struct CUgraphExec_st {
    std::shared_ptr<std::vector<graph_node>> nodes;
};
struct CUstream_st {
    std::deque<operation> queue;
    CUgraph_st *capture = nullptr;
};

namespace px_fake {

px_fake_counts counts;

namespace {

enum memory_kind { DEVICE, PINNED };
struct block {
    size_t bytes;
    memory_kind kind;
};

std::map<const char *, block> blocks;
std::vector<CUstream_st *> streams;
CUstream_st default_stream;
cudaError_t sticky = cudaSuccess, last = cudaSuccess;
int captures_open;
uint64_t stream_waits;
double clock_ms;

px_fake_settings initial_settings()
{
    const char *driver = getenv("PERPLEX_FAKE_DRIVER"), *devices = getenv("PERPLEX_FAKE_DEVICES"), *memory = getenv("PERPLEX_FAKE_MEMORY");
    px_fake_settings s = {};
    s.lazy = getenv("PERPLEX_FAKE_EAGER") ? 0 : 1;
    s.seed = 1;
    s.devices = devices ? atoi(devices) : 1;
    s.driver = driver ? atoi(driver) : 1;
    s.memory_bytes = memory ? strtoull(memory, nullptr, 10) : size_t(1) << 30;
    s.l2_bytes = 64 << 10;
    s.major = 9;
    s.fail_at = -1;
    return s;
}

px_fake_settings &settings()
{
    static px_fake_settings s = initial_settings();
    return s;
}

uint32_t random_below(uint32_t n)
{
    static uint64_t state = 0, seed = 0;
    if (seed != settings().seed) {
        seed = settings().seed;
        state = seed * 0x9e3779b97f4a7c15ull + 88172645463325252ull;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return uint32_t(state >> 11) % n;
}

cudaError_t report(cudaError_t error)
{
    if (error != cudaSuccess) last = error;
    return error;
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
    return found && found->second.kind == kind && static_cast<const char *>(p) + bytes <= found->first + found->second.bytes;
}

/* Runs the first operation of a stream, if it may run. */
bool step(CUstream_st *stream)
{
    if (stream->queue.empty()) return false;
    operation &first = stream->queue.front();
    if (first.wait && first.wait->done < first.version) return false;
    operation now = std::move(first);
    stream->queue.pop_front();
    if (now.run && sticky == cudaSuccess) {
        sticky = now.run();
        if (sticky != cudaSuccess) complain("%s", px_sim::last_fault()[0] ? px_sim::last_fault() : "an operation failed");
    }
    return true;
}

std::vector<CUstream_st *> all_streams()
{
    std::vector<CUstream_st *> all = streams;
    all.push_back(&default_stream);
    return all;
}

/* One operation of any other stream, starting at a random one. */
bool step_other(CUstream_st *stream)
{
    std::vector<CUstream_st *> all = all_streams();
    uint32_t start = random_below(uint32_t(all.size()));
    for (size_t i = 0; i < all.size(); i++) {
        CUstream_st *other = all[(start + i) % all.size()];
        if (other != stream && step(other)) return true;
    }
    return false;
}

/* Does another stream get ahead now? Never with some seeds, seldom or often with others: what must have been waited for is then
 * surely not there, or overwritten. */
bool others_move()
{
    static const uint32_t one_in[] = {0, 4, 32};
    uint32_t n = one_in[settings().seed % 3];
    return settings().lazy && n && random_below(n) == 0;
}

/* Runs a stream until `finished`, and of the others what it waits for, and now and then a little more. */
template <class F> void advance(CUstream_st *stream, F finished)
{
    while (!finished()) {
        if (step(stream)) {
            if (others_move()) step_other(stream);
        } else if (!step_other(stream)) {
            complain("a stream waits for an event that nothing will record");
            abort();
        }
    }
}

void drain(CUstream_st *stream)
{
    advance(stream, [stream] { return stream->queue.empty(); });
}

void drain_all()
{
    for (CUstream_st *stream : all_streams()) drain(stream);
}

/* What may not be called while any stream of this thread is captured. */
bool forbidden()
{
    if (captures_open == 0) return false;
    complain("a call that is not allowed while a stream is captured");
    return true;
}

} // namespace

bool is_capturing(cudaStream_t stream)
{
    return stream && stream->capture;
}

cudaError_t enqueue(cudaStream_t stream, work run)
{
    if (sticky != cudaSuccess) return report(sticky);
    if (!stream) {
        if (captures_open) return report(cudaErrorStreamCaptureImplicit);
        drain_all();
        sticky = run();
        return report(sticky);
    }
    if (stream->capture) {
        stream->capture->nodes.push_back({run, nullptr});
        return cudaSuccess;
    }
    stream->queue.push_back({run, nullptr, 0});
    if (!settings().lazy) drain(stream);
    return report(sticky);
}

bool creation_fails()
{
    int64_t &left = settings().fail_at;
    counts.creations++;
    if (left < 0) return false;
    return left-- == 0;
}

void object_created()
{
    counts.objects++;
}

void object_destroyed()
{
    counts.objects--;
}

bool device_range(const void *p, size_t bytes)
{
    return in_range(p, bytes, DEVICE);
}

void complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("fake CUDA: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

namespace {

cudaError_t submit_kernel(const px_sim::launch &what, cudaStream_t stream, std::function<void()> body)
{
    return enqueue(stream, [what, body] {
        counts.kernels++;
        return px_sim::run(what, body);
    });
}

bool is_pointer_of_ours(const void *p)
{
    return find(p) != nullptr;
}

/* The simulator hands its launches to these streams from the start. */
struct plug {
    plug() { px_sim::set_hooks(submit_kernel, is_pointer_of_ours); }
} plugged;

cudaError_t allocate(void **p, size_t bytes, memory_kind kind)
{
    if (forbidden()) return report(cudaErrorStreamCaptureUnsupported);
    size_t used = 0;
    for (auto &b : blocks) used += b.second.kind == DEVICE ? b.second.bytes : 0;
    if (creation_fails() || (kind == DEVICE && used + bytes > settings().memory_bytes)) return report(cudaErrorMemoryAllocation);
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
    return report(sticky);
}

/* An event happens, in the version that was fixed when it was recorded: by a call, or by the launch of a graph. */
cudaError_t mark(const std::shared_ptr<event_state> &state, uint64_t version)
{
    state->done = version;
    if (state->timing) state->at_ms = ++clock_ms; /* a clock that ticks at every time stamp */
    return cudaSuccess;
}

} // namespace
} // namespace px_fake

using namespace px_fake;

extern "C" {

px_fake_settings *px_fake_control(void)
{
    return &settings();
}

px_fake_counts px_fake_count(void)
{
    return counts;
}

void px_fake_reset(void)
{
    for (CUstream_st *stream : all_streams()) stream->queue.clear();
    sticky = last = cudaSuccess;
    stream_waits = 0;
}

/* ---- devices */

cudaError_t cudaGetDeviceCount(int *count)
{
    if (!settings().driver) return report(cudaErrorInsufficientDriver); /* the result stays unwritten, as it does in reality */
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
    properties->totalGlobalMem = settings().memory_bytes;
    properties->major = settings().major;
    properties->minor = settings().minor;
    properties->multiProcessorCount = 1;
    properties->l2CacheSize = int(settings().l2_bytes);
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
    size_t used = 0;
    for (auto &b : blocks) used += b.second.kind == DEVICE ? b.second.bytes : 0;
    *total = settings().memory_bytes;
    *free_bytes = *total - used;
    return cudaSuccess;
}

/* ---- errors */

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = sticky != cudaSuccess ? sticky : last;
    last = cudaSuccess;
    return error;
}

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

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    return allocate(p, bytes, DEVICE);
}

cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned)
{
    return allocate(p, bytes, PINNED);
}

cudaError_t cudaFree(void *p)
{
    return release(p, DEVICE);
}

cudaError_t cudaFreeHost(void *p)
{
    return release(p, PINNED);
}

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
        auto staged = std::make_shared<std::vector<char>>(static_cast<const char *>(from), static_cast<const char *>(from) + bytes);
        return enqueue(stream, [=] { return memcpy(to, staged->data(), bytes), cudaSuccess; });
    }
    cudaError_t error = enqueue(stream, [=] { return memmove(to, from, bytes), cudaSuccess; });
    if (error == cudaSuccess && !to_device && !to_pinned) { /* and pageable memory has arrived when the call returns */
        drain(stream ? stream : &default_stream);
        error = report(sticky);
    }
    return error;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream)
{
    if (!in_range(p, bytes, DEVICE)) {
        complain("a fill of %zu bytes leaves its allocation", bytes);
        return report(cudaErrorInvalidValue);
    }
    return enqueue(stream, [=] { return memset(p, value, bytes), cudaSuccess; });
}

cudaError_t cudaMemset(void *p, int value, size_t bytes)
{
    return cudaMemsetAsync(p, value, bytes, nullptr);
}

/* ---- streams */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    if (creation_fails()) return report(cudaErrorMemoryAllocation);
    *stream = new CUstream_st;
    streams.push_back(*stream);
    object_created();
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    drain(stream);
    for (auto it = streams.begin(); it != streams.end(); ++it)
        if (*it == stream) {
            streams.erase(it);
            break;
        }
    delete stream;
    object_destroyed();
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    if (forbidden()) return report(cudaErrorStreamCaptureUnsupported);
    if (stream)
        drain(stream);
    else
        drain_all();
    return report(sticky);
}

cudaError_t cudaDeviceSynchronize(void)
{
    return cudaStreamSynchronize(nullptr);
}

/* ---- events */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    if (creation_fails()) return report(cudaErrorMemoryAllocation);
    *event = new CUevent_st;
    (*event)->state->timing = !(flags & cudaEventDisableTiming);
    object_created();
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event; /* its state lives on in what is queued */
    object_destroyed();
    return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags)
{
    auto state = event->state;
    bool external = flags & cudaEventRecordExternal;
    if (external != is_capturing(stream)) { /* a fork inside a capture, or the flag outside of one */
        complain("an event is recorded %s", external ? "as external, outside of a capture" : "inside a capture, not as external");
        return report(cudaErrorStreamCaptureUnsupported);
    }
    if (external) {
        stream->capture->nodes.push_back({nullptr, state});
        return cudaSuccess;
    }
    uint64_t version = ++state->recorded;
    state->stream = stream ? stream : &default_stream;
    return enqueue(stream, [state, version] { return mark(state, version); });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    uint64_t call = stream_waits++;
    if (is_capturing(stream)) return report(cudaErrorStreamCaptureIsolation);
    if (settings().fault == (call % 2 == 0 ? PX_FAKE_NO_FIRST_STREAM_WAIT : PX_FAKE_NO_SECOND_STREAM_WAIT)) return cudaSuccess;
    if (event->state->recorded == event->state->done) return cudaSuccess;
    stream->queue.push_back({nullptr, event->state, event->state->recorded});
    if (!settings().lazy) drain(stream);
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (forbidden()) return report(cudaErrorStreamCaptureUnsupported);
    if (settings().fault == PX_FAKE_NO_EVENT_SYNCHRONIZE) return cudaSuccess;
    auto state = event->state;
    if (state->done >= state->recorded) return report(sticky);
    advance(state->stream, [state] { return state->done >= state->recorded; });
    return report(sticky);
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    if (!from->state->timing || !to->state->timing) return report(cudaErrorInvalidResourceHandle);
    *ms = float(to->state->at_ms - from->state->at_ms);
    return cudaSuccess;
}

/* ---- graphs */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode)
{
    if (!stream || stream->capture) return report(cudaErrorStreamCaptureUnsupported);
    stream->capture = new CUgraph_st;
    object_created();
    captures_open++;
    counts.captures++;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    if (!is_capturing(stream)) return report(cudaErrorStreamCaptureUnmatched);
    *graph = stream->capture;
    stream->capture = nullptr;
    captures_open--;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    if (creation_fails()) return report(cudaErrorMemoryAllocation);
    *exec = new CUgraphExec_st{std::make_shared<std::vector<graph_node>>(graph->nodes)};
    object_created();
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    object_destroyed();
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec; /* launches in flight keep the nodes */
    object_destroyed();
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    auto nodes = exec->nodes;
    if (is_capturing(stream)) return report(cudaErrorStreamCaptureUnsupported);
    counts.graph_launches++;
    for (size_t i = 0; i < nodes->size(); i++) {
        auto state = (*nodes)[i].records;
        uint64_t version = state ? ++state->recorded : 0;
        if (state) state->stream = stream;
        cudaError_t error = enqueue(stream, [nodes, i, state, version] { return state ? mark(state, version) : (*nodes)[i].run(); });
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

} /* extern "C" */
