/* Order without a GPU: streams as queues, events, graphs that are recorded and replayed. See fake_control.h. */
#include "fake_device.h"

#include "control.h"
#include "fake_stream.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <memory>
#include <string>
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
    bool spins = false; /* run says cudaErrorNotReady until something outside of this process has happened */
};

struct CUevent_st {
    std::shared_ptr<event_state> state = std::make_shared<event_state>();
    uint64_t capture = 0; /* the number of the capture in which it was recorded last, as its mark; 0: in none */
    size_t mark = 0;
};
/* A node of a lane, a stream that was captured: it does work, or records an event anew at every launch, or is a mark
 * that other lanes wait for, or waits for one. */
struct graph_node {
    std::string name;
    enum kind_type { WORK, RECORD, MARK, WAIT } kind;
    px_fake::work run;
    std::shared_ptr<event_state> records;
    size_t lane, mark;
};
/* How many nodes of each lane come before some point of one. */
typedef std::vector<size_t> lane_clock;
struct CUgraph_st {
    uint64_t number;
    std::vector<graph_node> nodes;
    std::vector<CUstream_st *> lanes;
    std::vector<lane_clock> now, at_mark;
};
struct CUgraphExec_st {
    std::shared_ptr<std::vector<graph_node>> nodes;
    size_t marks, lanes;
};
struct CUstream_st {
    px_fake_stream door; /* first, so that a library that knows only a handle finds it */
    std::deque<operation> queue;
    CUgraph_st *capture = nullptr;
    size_t lane = 0; /* of the capture */
    bool behind_kernel = false;
};

namespace px_fake
{
namespace
{

/* For libraries like NCCL, whose kernels wait for those of other processes. */
int enqueue_spinning(void *stream, int (*run)(void *argument), void *argument);

std::vector<CUstream_st *> streams;
std::deque<CUstream_st> lane_streams; /* of all graphs: lanes but the first, which runs on the stream of the launch */
CUstream_st default_stream;
std::vector<CUgraph_st *> captures;
uint64_t captures_begun;
cudaError_t sticky = cudaSuccess, last = cudaSuccess;
uint64_t stream_waits;
double clock_ms;

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

/* Runs the first operation of a stream, if it may run. */
bool step(CUstream_st *stream)
{
    if (stream->queue.empty()) return false;
    operation &first = stream->queue.front();
    if (first.wait && first.wait->done < first.version && sticky == cudaSuccess) return false;
    if (first.spins && sticky == cudaSuccess) {
        if (first.run() == cudaErrorNotReady) return false;
        stream->queue.pop_front();
        return true;
    }
    operation now = std::move(first);
    stream->queue.pop_front();
    if (now.run && sticky == cudaSuccess) {
        sticky = now.run();
        if (sticky != cudaSuccess)
            complain("%s", px_sim::last_fault()[0] ? px_sim::last_fault() : "an operation failed");
    }
    return true;
}

std::vector<CUstream_st *> all_streams()
{
    std::vector<CUstream_st *> all = streams;
    all.push_back(&default_stream);
    for (CUstream_st &lane : lane_streams) all.push_back(&lane);
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

/* Does another stream get ahead now? Never with some seeds, seldom or often with others: what must have been waited for
 * is then surely not there, or overwritten. */
bool others_move()
{
    static const uint32_t one_in[] = {0, 4, 32};
    uint32_t n = one_in[settings().seed % 3];
    return settings().lazy && n && random_below(n) == 0;
}

/* One operation of a stream, and now and then one of another; or one of another where this one waits. */
bool move(CUstream_st *stream)
{
    while (settings().others_first && settings().lazy && step_other(stream)) {
    }
    if (!step(stream)) return step_other(stream);
    if (others_move()) step_other(stream);
    return true;
}

bool somebody_spins()
{
    for (CUstream_st *stream : all_streams())
        if (!stream->queue.empty() && stream->queue.front().spins) return true;
    return false;
}

void pause()
{
    const timespec moment = {0, 200000};
    nanosleep(&moment, nullptr);
}

/* Runs a stream until `finished`, and of the others what it waits for, and now and then a little more. */
template <class F> void advance(CUstream_st *stream, F finished)
{
    while (!finished()) {
        if (move(stream)) continue;
        if (sticky != cudaSuccess) return; /* what it waits for has failed */
        if (somebody_spins())
            pause();
        else {
            complain("a stream waits for an event that nothing will record");
            abort();
        }
    }
}

/* An event happens, in the version that was fixed when it was recorded: by a call, or by the launch of a graph. */
cudaError_t mark(const std::shared_ptr<event_state> &state, uint64_t version)
{
    state->done = version;
    if (state->timing) state->at_ms = ++clock_ms; /* a clock that ticks at every time stamp */
    return cudaSuccess;
}

CUgraph_st *open_capture(uint64_t number)
{
    for (CUgraph_st *graph : captures)
        if (graph->number == number) return graph;
    return nullptr;
}

/* The next node of a stream that is captured. */
void add_node(CUstream_st *stream, graph_node node)
{
    node.lane = stream->lane;
    stream->behind_kernel = stream->behind_kernel && node.kind == graph_node::WORK;
    stream->capture->nodes.push_back(node);
    stream->capture->now[node.lane][node.lane]++;
}

/* A stream becomes a lane of a capture. */
void join_capture(CUgraph_st *graph, CUstream_st *stream)
{
    stream->capture = graph;
    stream->lane = graph->lanes.size();
    graph->lanes.push_back(stream);
    for (lane_clock &clock : graph->now) clock.push_back(0);
    graph->now.push_back(lane_clock(graph->lanes.size()));
}

/* An event inside a capture: what waits for it comes after this point. */
cudaError_t mark_in_capture(CUstream_st *stream, CUevent_st *event)
{
    CUgraph_st *graph = stream->capture;
    if (event->state->timing) {
        complain("a time stamp is recorded inside a capture, not as external");
        return report(cudaErrorStreamCaptureUnsupported);
    }
    event->capture = graph->number;
    event->mark = graph->at_mark.size();
    add_node(stream, {"mark of a lane", graph_node::MARK, nullptr, nullptr, 0, event->mark});
    graph->at_mark.push_back(graph->now[stream->lane]);
    return cudaSuccess;
}

/* A wait for such an event brings its stream into the capture. */
cudaError_t wait_in_capture(CUstream_st *stream, CUevent_st *event)
{
    CUgraph_st *graph = open_capture(event->capture);
    uint64_t &lost = settings().lost_wait;
    if (!graph) {
        complain("a wait for an event that was recorded inside a capture");
        return report(cudaErrorCapturedEvent);
    }
    if (stream->capture && stream->capture != graph) return report(cudaErrorStreamCaptureMerge);
    if (lost && --lost == 0) return cudaSuccess;
    if (!stream->capture) join_capture(graph, stream);
    add_node(stream, {"wait of a lane", graph_node::WAIT, nullptr, nullptr, 0, event->mark});
    const lane_clock &then = graph->at_mark[event->mark];
    lane_clock &now = graph->now[stream->lane];
    for (size_t lane = 0; lane < then.size(); lane++) now[lane] = std::max(now[lane], then[lane]);
    return cudaSuccess;
}

/* Does the first lane come after all nodes of all lanes? */
bool is_joined(const CUgraph_st &graph)
{
    for (size_t lane = 0; lane < graph.lanes.size(); lane++)
        if (graph.now[0][lane] != graph.now[lane][lane]) return false;
    return true;
}

/* The streams of a launch's lanes. */
CUstream_st *stream_of_lane(size_t lane, CUstream_st *launched_on)
{
    if (lane == 0) return launched_on;
    while (lane_streams.size() < lane) lane_streams.emplace_back();
    return &lane_streams[lane - 1];
}

int enqueue_spinning(void *stream, int (*run)(void *argument), void *argument)
{
    auto *which = static_cast<CUstream_st *>(stream);
    if (sticky != cudaSuccess || which->capture) return 1;
    which->queue.push_back(
        {[run, argument] { return run(argument) ? cudaErrorNotReady : cudaSuccess; }, nullptr, 0, true});
    if (!settings().lazy) drain(which);
    return 0;
}

} // namespace

cudaError_t broken() { return report(sticky); }

cudaError_t report(cudaError_t error)
{
    if (error != cudaSuccess) last = error;
    return error;
}

void drain(cudaStream_t stream)
{
    CUstream_st *which = stream ? stream : &default_stream;
    advance(which, [which] { return which->queue.empty(); });
}

void drain_all()
{
    for (CUstream_st *stream : all_streams()) drain(stream);
}

bool forbidden()
{
    if (captures.empty()) return false;
    complain("a call that is not allowed while a stream is captured");
    return true;
}

bool is_capturing(cudaStream_t stream) { return stream && stream->capture; }

bool is_behind_kernel(cudaStream_t stream) { return stream && stream->behind_kernel; }

cudaError_t enqueue(cudaStream_t stream, const char *name, work run)
{
    if (sticky != cudaSuccess) return report(sticky);
    if (!stream) {
        if (!captures.empty()) return report(cudaErrorStreamCaptureImplicit);
        drain_all();
        sticky = run();
        return report(sticky);
    }
    const std::string what = name;
    stream->behind_kernel = what != "copy" && what != "fill" && what != "mark" && what != "node";
    if (stream->capture) {
        add_node(stream, {name, graph_node::WORK, run, nullptr, 0, 0});
        return cudaSuccess;
    }
    stream->queue.push_back({run, nullptr, 0, false});
    if (!settings().lazy) drain(stream);
    return report(sticky);
}

} // namespace px_fake

using namespace px_fake;

extern "C" {

void px_fake_reset(void)
{
    for (CUstream_st *stream : all_streams()) stream->queue.clear();
    sticky = last = cudaSuccess;
    stream_waits = 0;
}

size_t px_fake_nodes(const void *graph, const char **names, size_t capacity)
{
    const auto &nodes = *static_cast<const CUgraphExec_st *>(graph)->nodes;
    for (size_t i = 0; i < nodes.size() && i < capacity; i++) names[i] = nodes[i].name.c_str();
    return nodes.size();
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = sticky != cudaSuccess ? sticky : last;
    last = cudaSuccess;
    return error;
}

/* ---- streams */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    if (creation_fails()) return report(cudaErrorMemoryAllocation);
    *stream = new CUstream_st;
    (*stream)->door = {PX_FAKE_STREAM_MAGIC, enqueue_spinning};
    streams.push_back(*stream);
    object_created();
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int)
{
    return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0;
    *greatest = -5;
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

/* Whoever asks gives the device some time. */
cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    if (forbidden()) return report(cudaErrorStreamCaptureUnsupported);
    for (int i = 0; i < 256 && !stream->queue.empty(); i++)
        if (!move(stream)) break;
    if (sticky != cudaSuccess) return report(sticky);
    return stream->queue.empty() ? cudaSuccess : report(cudaErrorNotReady);
}

cudaError_t cudaDeviceSynchronize(void) { return cudaStreamSynchronize(nullptr); }

/* ---- events */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    if (creation_fails()) return report(cudaErrorMemoryAllocation);
    *event = new CUevent_st;
    (*event)->state->timing = !(flags & cudaEventDisableTiming);
    object_created();
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

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
    if (external && !is_capturing(stream)) {
        complain("an event is recorded as external, outside of a capture");
        return report(cudaErrorStreamCaptureUnsupported);
    }
    if (!external && is_capturing(stream)) return mark_in_capture(stream, event);
    event->capture = 0;
    if (external) {
        add_node(stream, {"mark", graph_node::RECORD, nullptr, state, 0, 0});
        return cudaSuccess;
    }
    uint64_t version = ++state->recorded;
    state->stream = stream ? stream : &default_stream;
    return enqueue(stream, "mark", [state, version] { return mark(state, version); });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    if (event->capture) return wait_in_capture(stream, event);
    uint64_t call = stream_waits++;
    if (is_capturing(stream)) return report(cudaErrorStreamCaptureIsolation);
    if (settings().fault == (call % 2 == 0 ? PX_FAKE_NO_FIRST_STREAM_WAIT : PX_FAKE_NO_SECOND_STREAM_WAIT))
        return cudaSuccess;
    if (settings().wait_period && call % settings().wait_period == settings().wait_missing) return cudaSuccess;
    if (event->state->recorded == event->state->done) return cudaSuccess;
    stream->behind_kernel = false;
    stream->queue.push_back({nullptr, event->state, event->state->recorded, false});
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

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    if (forbidden()) return report(cudaErrorStreamCaptureUnsupported);
    auto state = event->state;
    for (int i = 0; i < 256 && state->done < state->recorded; i++)
        if (!move(state->stream)) break;
    if (sticky != cudaSuccess) return report(sticky);
    return state->done >= state->recorded ? cudaSuccess : report(cudaErrorNotReady);
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
    auto *graph = new CUgraph_st;
    graph->number = ++captures_begun;
    stream->behind_kernel = false;
    captures.push_back(graph);
    join_capture(graph, stream);
    object_created();
    counts.captures++;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    if (!is_capturing(stream)) return report(cudaErrorStreamCaptureUnmatched);
    CUgraph_st *made = stream->capture;
    stream->behind_kernel = false;
    captures.erase(std::find(captures.begin(), captures.end(), made));
    for (CUstream_st *lane : made->lanes) lane->capture = nullptr;
    *graph = made;
    if (is_joined(*made)) return cudaSuccess;
    complain("a capture ends before all its streams have met the first");
    cudaGraphDestroy(made);
    *graph = nullptr;
    return report(cudaErrorStreamCaptureUnjoined);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    if (creation_fails()) return report(cudaErrorMemoryAllocation);
    *exec = new CUgraphExec_st{std::make_shared<std::vector<graph_node>>(graph->nodes), graph->at_mark.size(),
                               graph->lanes.size()};
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
    stream->behind_kernel = false;
    std::vector<std::shared_ptr<event_state>> marks;
    for (size_t i = 0; i < exec->marks; i++) {
        marks.push_back(std::make_shared<event_state>());
        marks.back()->timing = false;
    }
    for (size_t i = 0; i < nodes->size(); i++) {
        const graph_node &node = (*nodes)[i];
        CUstream_st *on = stream_of_lane(node.lane, stream);
        const bool waits = node.kind == graph_node::WAIT;
        auto state = node.kind == graph_node::WORK ? nullptr : node.records ? node.records : marks[node.mark];
        const uint64_t version = !state ? 0 : node.records ? ++state->recorded : 1;
        if (node.records) state->stream = on;
        if (waits) {
            on->queue.push_back({nullptr, state, version, false});
            if (!settings().lazy) drain(on);
            continue;
        }
        cudaError_t error = enqueue(
            on, "node", [nodes, i, state, version] { return state ? mark(state, version) : (*nodes)[i].run(); });
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

} /* extern "C" */
