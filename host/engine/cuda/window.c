/* A window as a CUDA graph: captured when its shape first comes, replayed from then on; and the update likewise.
 *
 * What changes between replays (ids, step number, learning rate) is read from device memory, so a graph depends on the
 * window's shape alone. A small cache keeps the shapes of a run: full windows, tails, evaluation, decoding. */
#include "engine_cuda.h"
#include "trace.h"

#include <stdlib.h>

/* Longer windows (evaluation of one stream) are enqueued directly: their graphs would take longer to make than they
 * save. */
enum { GRAPH_STEPS_MAX = 2048, LENGTHS_MAX = 64 /* of windows whose lengths are drawn: their graphs take memory */ };

static const char *const mode_name[] = {"accumulate", "evaluate", "next", "decode"};

/* Parts of the flat gradient that are final after a phase may be summed over ranks from there on. */
static px_status head_backward(px_cuda *engine, px_cuda_shape shape)
{
    PX_TRY(px_cuda_head(engine, shape));
    return shape.mode == PX_CUDA_TRAIN ? px_cuda_reduce_mark(engine, engine->plan.L) : PX_OK;
}

static px_status layers_backward(px_cuda *engine, px_cuda_shape shape)
{
    PX_TRY(px_cuda_recurrence_backward_begin(engine, shape));
    for (int32_t l = engine->plan.L - 1; l >= 0; l--) {
        PX_TRY(px_cuda_recurrence_backward(engine, shape, l));
        if (l > 0) PX_TRY(px_cuda_reduce_mark(engine, l)); /* layer 0 shares its part with the token table */
    }
    return PX_OK;
}

static px_status embed_backward(px_cuda *engine, px_cuda_shape shape)
{
    PX_TRY(px_cuda_embed_backward(engine, shape));
    return px_cuda_reduce_mark(engine, 0);
}

/* Those of a window, in its order; the update is a graph of its own. */
static const struct {
    const char *name;
    uint32_t colour;
    px_status (*enqueue)(px_cuda *, px_cuda_shape);
} phases[PX_PHASE_UPDATE] = {
    [PX_PHASE_EMBED] = {"embed", PX_COLOUR_EMBED, px_cuda_embed_forward},
    [PX_PHASE_RECURRENCE_FORWARD] = {"recurrence forward", PX_COLOUR_RECURRENCE, px_cuda_recurrence_forward},
    [PX_PHASE_HEAD] = {"head", PX_COLOUR_HEAD, head_backward},
    [PX_PHASE_RECURRENCE_BACKWARD] = {"recurrence backward", PX_COLOUR_RECURRENCE, layers_backward},
    [PX_PHASE_EMBED_BACKWARD] = {"embed backward", PX_COLOUR_EMBED, embed_backward},
};

/* One phase inside its profiler range, with a time stamp at its end. */
static px_status enqueue_phase(px_cuda *engine, px_cuda_shape shape, int which)
{
    px_trace_push(phases[which].name, phases[which].colour);
    px_status status = phases[which].enqueue(engine, shape);
    px_trace_pop();
    PX_TRY(status);
    return px_cuda_stamp(engine, which);
}

/* How many phases a window of that mode has. */
static int phases_of(px_cuda_mode mode)
{
    return mode == PX_CUDA_TRAIN      ? PX_PHASE_UPDATE
           : mode == PX_CUDA_EVALUATE ? PX_PHASE_HEAD + 1
                                      : PX_PHASE_RECURRENCE_FORWARD + 1;
}

/* Phases [first, last) of a window, between their stamps. */
static px_status enqueue_phases(px_cuda *engine, px_cuda_shape shape, int first, int last)
{
    px_cuda_place_after_other(engine);
    PX_TRY(px_cuda_stamp(engine, first - 1));
    for (int which = first; which < last; which++) PX_TRY(enqueue_phase(engine, shape, which));
    return PX_OK;
}

/* Each step reads the tokens that the one before has drawn. */
static px_status enqueue_decode(px_cuda *engine, px_cuda_shape shape)
{
    const px_cuda_shape one = {PX_CUDA_DECODE, 1, shape.n, 0, 0};
    px_cuda_place_after_other(engine);
    for (int32_t k = 0; k < shape.T; k++) {
        PX_TRY(px_cuda_embed_forward(engine, one));
        PX_TRY(px_cuda_recurrence_forward(engine, one));
        PX_TRY(px_cuda_head_draw(engine, shape.n, k));
    }
    return PX_OK;
}

/* Records phases into a graph that can be launched. */
static px_status capture(px_cuda *engine, px_cuda_shape shape, int first, int last, cudaGraphExec_t *exec)
{
    cudaGraph_t graph = NULL;
    PX_CUDA(cudaStreamBeginCapture(engine->compute, cudaStreamCaptureModeThreadLocal));
    engine->capturing = 1;
    px_status status = first == PX_PHASE_UPDATE       ? px_cuda_update_enqueue(engine)
                       : shape.mode == PX_CUDA_DECODE ? enqueue_decode(engine, shape)
                                                      : enqueue_phases(engine, shape, first, last);
    engine->capturing = 0;
    cudaError_t error =
        cudaStreamEndCapture(engine->compute, &graph); /* also after a failure: the stream must be usable again */
    if (status == PX_OK && error == cudaSuccess) error = cudaGraphInstantiate(exec, graph, 0);
    if (graph) cudaGraphDestroy(graph);
    if (status != PX_OK) {
        cudaGetLastError();
        return status;
    }
    PX_CUDA(error);
    return PX_OK;
}

/* The place of that graph in the cache: the one that holds it, else an empty one, else the one used longest ago. */
static px_cuda_graph *find_graph(px_cuda *engine, px_cuda_shape shape, int first, int last, int stamps)
{
    px_cuda_graph *oldest = &engine->graph[0];
    for (int i = 0; i < engine->graphs; i++) {
        px_cuda_graph *graph = &engine->graph[i];
        if (graph->exec && graph->stamps == stamps && graph->first == first && graph->last == last &&
            graph->shape.mode == shape.mode && graph->shape.T == shape.T && graph->shape.n == shape.n &&
            graph->shape.group == shape.group && graph->shape.first == shape.first)
            return graph;
        if (graph->last_used < oldest->last_used) oldest = graph;
    }
    if (oldest->exec) cudaGraphExecDestroy(oldest->exec); /* one that still runs is freed when it has ended */
    *oldest = (px_cuda_graph){.shape = shape, .first = first, .last = last, .stamps = stamps};
    return oldest;
}

static px_status ready_graph(px_cuda *engine, px_cuda_shape shape, int first, int last, px_cuda_graph **graph)
{
    *graph = find_graph(engine, shape, first, last, engine->timing.on ? engine->timing.set : -1);
    if (!(*graph)->exec) PX_TRY(capture(engine, shape, first, last, &(*graph)->exec));
    (*graph)->last_used = ++engine->clock;
    return PX_OK;
}

/* Which of phases [first, last) one graph holds: returns the end of those from `first` on. The head of an adaptive
 * output layer is in none: how many rows each cluster has differs from window to window. */
static int end_of_graph(const px_cuda *engine, int first, int last)
{
    if (!engine->plan.adaptive || first > PX_PHASE_HEAD || last <= PX_PHASE_HEAD) return last;
    return first < PX_PHASE_HEAD ? PX_PHASE_HEAD : PX_PHASE_HEAD + 1;
}

/* Whether a phase is enqueued as it comes. */
static int is_plain(const px_cuda *engine, int which) { return engine->plan.adaptive && which == PX_PHASE_HEAD; }

static px_status launch_phases(px_cuda *engine, px_cuda_shape shape, int first, int last)
{
    px_cuda_graph *graph;
    if (!engine->use_graphs || shape.T > GRAPH_STEPS_MAX) return enqueue_phases(engine, shape, first, last);
    for (int end; first < last; first = end) {
        end = end_of_graph(engine, first, last);
        if (is_plain(engine, first)) {
            PX_TRY(enqueue_phases(engine, shape, first, end));
            continue;
        }
        PX_TRY(ready_graph(engine, shape, first, end, &graph));
        PX_CUDA(cudaGraphLaunch(graph->exec, engine->compute));
    }
    return PX_OK;
}

px_status px_cuda_run_window(px_cuda *engine, px_cuda_shape shape)
{
    PX_TRY(px_cuda_timing_begin(engine));
    px_trace_push(mode_name[shape.mode], PX_COLOUR_WINDOW);
    px_status status = launch_phases(engine, shape, 0, phases_of(shape.mode));
    px_trace_pop();
    PX_TRY(status);
    px_cuda_timing_end(engine, 0, phases_of(shape.mode));
    return PX_OK;
}

px_status px_cuda_run_decode(px_cuda *engine, px_cuda_shape shape)
{
    px_cuda_graph *graph;
    if (!engine->use_graphs) return enqueue_decode(engine, shape);
    PX_TRY(ready_graph(engine, shape, 0, PX_PHASE_HEAD + 1, &graph));
    PX_CUDA(cudaGraphLaunch(graph->exec, engine->compute));
    return PX_OK;
}

/* What comes before is run again each time: phases turn their input into their output in place. Both parts are graphs,
 * as in a training. */
px_status px_cuda_run_phase(px_cuda *engine, px_cuda_shape shape, px_phase which)
{
    PX_TRY(px_cuda_timing_begin(engine));
    if (which > 0) PX_TRY(launch_phases(engine, shape, 0, (int)which));
    PX_TRY(launch_phases(engine, shape, (int)which, (int)which + 1));
    px_cuda_timing_end(engine, (int)which, (int)which + 1);
    return PX_OK;
}

static px_status ready_update(px_cuda *engine)
{
    if (engine->update_graph) return PX_OK;
    return capture(engine, (px_cuda_shape){PX_CUDA_TRAIN, 0, 0, 0, 0}, PX_PHASE_UPDATE, PX_PHASE_UPDATE + 1,
                   &engine->update_graph);
}

static px_status launch_update(px_cuda *engine)
{
    if (!engine->use_graphs) return px_cuda_update_enqueue(engine);
    PX_TRY(ready_update(engine));
    PX_CUDA(cudaGraphLaunch(engine->update_graph, engine->compute));
    return PX_OK;
}

px_status px_cuda_run_update(px_cuda *engine)
{
    PX_TRY(px_cuda_timing_update_begin(engine));
    px_trace_push("update", PX_COLOUR_UPDATE);
    px_status status = launch_update(engine);
    px_trace_pop();
    PX_TRY(status);
    return px_cuda_timing_update_end(engine);
}

/* The graphs of a training window. */
static px_status capture_window(px_cuda *engine, px_cuda_shape shape)
{
    px_cuda_graph *graph;
    for (int first = 0, end; first < PX_PHASE_UPDATE; first = end) {
        end = end_of_graph(engine, first, PX_PHASE_UPDATE);
        if (!is_plain(engine, first)) PX_TRY(ready_graph(engine, shape, first, end, &graph));
    }
    return PX_OK;
}

px_status px_cuda_graphs_prepare(px_cuda *engine)
{
    const px_engine_shape *shape = &engine->plan.shape;
    const int lengths = shape->lengths < LENGTHS_MAX ? shape->lengths : LENGTHS_MAX;
    const int graphs = PX_CUDA_GRAPHS + 2 * (engine->plan.groups * (lengths > 1 ? lengths : 1) - 1);
    if (!engine->graph) {
        engine->graph = calloc((size_t)graphs, sizeof *engine->graph);
        if (!engine->graph)
            return px_fail(PX_ERR_MEMORY, "no host memory for the graphs of %d groups of streams; lower --accumulate",
                           engine->plan.groups);
        engine->graphs = graphs;
    }
    if (!engine->use_graphs || !shape->training) return PX_OK;
    PX_TRY(ready_update(engine));
    if (shape->T > GRAPH_STEPS_MAX) return PX_OK;
    for (int32_t group = 0; group < engine->plan.groups; group++)
        PX_TRY(capture_window(engine, (px_cuda_shape){PX_CUDA_TRAIN, shape->T, shape->n, group, group == 0}));
    return PX_OK;
}

void px_cuda_graphs_clear(px_cuda *engine)
{
    for (int i = 0; i < engine->graphs; i++) {
        if (engine->graph[i].exec) cudaGraphExecDestroy(engine->graph[i].exec);
        engine->graph[i] = (px_cuda_graph){0};
    }
    if (engine->update_graph) cudaGraphExecDestroy(engine->update_graph);
    engine->update_graph = NULL;
}

void px_cuda_graphs_destroy(px_cuda *engine)
{
    px_cuda_graphs_clear(engine);
    free(engine->graph);
    engine->graph = NULL;
    engine->graphs = 0;
}
