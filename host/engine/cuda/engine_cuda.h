/* The CUDA engine's inside: one struct, and the functions by which its files call each other.
 *
 * A window travels: staging.c (host: check, sort by token, pinned memory, copy stream) -> window.c (a captured graph,
 * or plain launches) -> embed.c -> recurrence.c -> head.c -> and back -> update.c. The phase files only enqueue
 * products and kernels on engine->compute; they wait for nothing and allocate nothing, so all of them can be captured.
 *
 * A layer's steps may be cut into pieces that compute beside other layers' (wavefront.h); then they run on the layer's
 * own stream, a lane.
 *
 * Who calls whom, without a circle: engine_cuda.c -> window.c -> {phases, timing.c, reduce.c} -> wait.c; the phases
 * know operands.h and kernels, and neither each other nor what comes after them. */
#ifndef PX_ENGINE_CUDA_H
#define PX_ENGINE_CUDA_H

#include "blas.h"
#include "cuda_check.h"
#include "devices.h"
#include "engine.h"
#include "kernels.h"
#include "plan.h"
#include "stall.h"

/* Memory of one engine. */
typedef struct px_cuda_memory {
    px_cuda_arena arena[PX_ARENA_COUNT];
} px_cuda_memory;

/* Double-buffered windows on their way to the device. Slot s of pinned memory may be rewritten once copied[s] has
 * happened; slot s of device memory once consumed[s] has. */
typedef struct px_cuda_staging {
    cudaStream_t copy;
    cudaEvent_t copied[2], consumed[2], update_copied[2];
    int next, next_update;
    int32_t *count;    /* [V + 1] of the counting sort; only where training */
    uint8_t *no_reset; /* [n] zeros, for next() without marks */
    /* of an adaptive output layer, in the window staged last: cluster i has the places [begin[i], begin[i + 1]) */
    int cluster_begin[PX_CUTOFFS_MAX + 1];
} px_cuda_staging;

/* What a window is run for. */
typedef enum px_cuda_mode { PX_CUDA_TRAIN, PX_CUDA_EVALUATE, PX_CUDA_NEXT, PX_CUDA_DECODE } px_cuda_mode;

/* One shape of window. */
typedef struct px_cuda_shape {
    px_cuda_mode mode;
    int32_t T, n;  /* T of DECODE: tokens drawn, one window each */
    int32_t group; /* whose carried state; 0 unless training */
    int32_t first; /* 1: of a step: what it does to gradients that the update has kept is written, not added */
} px_cuda_shape;

/* A stream on which a layer's steps run beside other layers'. */
typedef struct px_cuda_lane {
    cudaStream_t stream;
    px_blas blas;
    cudaEvent_t done; /* what the lane had been given when it was marked */
} px_cuda_lane;

/* Steps [begin, end) of layer l: all of a window, or a piece of it. */
typedef struct px_cuda_steps {
    px_cuda_shape shape; /* of the window */
    int32_t l, begin, end;
    const px_cuda_lane *lane; /* where they run */
} px_cuda_steps;

/* Time stamps of the phases, taken only once somebody has asked (phase_times with reset): two sets, so that the host
 * reads the stamps of the window before last. */
enum { PX_CUDA_STAMPS = PX_PHASE_UPDATE + 1 };
typedef struct px_cuda_stamps {
    cudaEvent_t at[PX_CUDA_STAMPS]; /* the start, and the end of each phase of a window */
    cudaEvent_t update[2];
    int first,
        phases; /* phases [first, phases) of the window that has been recorded and not been read; phases 0 = none */
    int update_pending;
} px_cuda_stamps;

typedef struct px_cuda_timing {
    int on, set; /* set: the one that the current window uses */
    px_cuda_stamps stamps[2];
    double seconds[PX_PHASE_COUNT];
} px_cuda_timing;

/* A captured window, or a part of one. */
typedef struct px_cuda_graph {
    px_cuda_shape shape;
    int first, last;      /* its phases [first, last) */
    int stamps;           /* -1: without, 0 or 1: with that set of stamps */
    cudaGraphExec_t exec; /* NULL: an empty place */
    uint64_t last_used;
} px_cuda_graph;

enum { PX_CUDA_GRAPHS = 16 }; /* and two more for each further group of streams and length of windows */

/* Sums over ranks, beside the backward pass: on a stream of their own, in parts that follow one another towards the
 * front of the flat gradient: [layer 0 with the token table][layer 1]...[layer L-1][output layer]. */
typedef struct px_cuda_reduction {
    px_reducer reducer; /* start NULL: none */
    cudaStream_t stream;
    cudaEvent_t final[PX_MAX_LAYERS + 1]; /* part l holds this rank's sum of the whole step; L: the output layer's */
    cudaEvent_t reduced;
    int under_way; /* parts have been started since the last update */
} px_cuda_reduction;

typedef struct px_cuda {
    px_engine base;
    int ordinal;
    px_device_info info;
    size_t shared_bytes; /* what a block may have */
    px_cuda_plan plan;
    px_cuda_memory memory;
    px_cuda_buffers b;
    cudaStream_t compute;
    px_blas blas, head_blas; /* the second: of the output layer's windows, through lt where the plan says cuBLASLt */
    px_blas_lt lt;
    px_cuda_lane lane[PX_MAX_LAYERS]; /* the first is compute with blas; others where there is a wavefront */
    px_cuda_staging staging;
    px_cuda_graph *graph; /* [graphs] */
    int graphs;
    cudaGraphExec_t update_graph;
    uint64_t clock;         /* of the graph cache */
    int capturing;          /* enqueued work goes into a graph */
    int can_overlap;        /* kernels wait for their stream, and graphs keep that they may come early */
    int dependent_launches; /* PERPLEX_CUDA_DEPENDENT_LAUNCHES=1, and can_overlap */
    int behind_kernel;      /* what was enqueued last is a kernel or a product (place.c) */
    int use_graphs; /* 0: PERPLEX_CUDA_GRAPHS=0, plain launches, so that a profiler sees phases around kernels */
    px_cuda_timing timing;
    px_cuda_reduction reduction;
    px_stall_watch stalls;
    int32_t fresh;  /* no window has been accumulated since the last update */
    float *scratch; /* host [count]: row layout on its way to file layout; NULL where the layouts agree */
} px_cuda;

extern const px_engine_ops px_cuda_ops;

/* ---- memory.c */
/* Allocates every arena, zeroes them and cuts the buffers. PX_ERR_MEMORY: what was asked, what is free, which flag to
 * lower. */
px_status px_cuda_memory_create(px_cuda *engine);
void px_cuda_memory_destroy(px_cuda *engine);

/* ---- staging.c */
px_status px_cuda_staging_create(px_cuda *engine);
void px_cuda_staging_destroy(px_cuda *engine);
/* Checks and copies a window: afterwards the batch belongs to its owner again, and the compute stream has the window in
 * buffers.window before anything enqueued later. draw: how its token is drawn, or NULL. PX_ERR_INPUT names a token
 * that is out of range. */
px_status px_cuda_stage_window(px_cuda *engine, const px_batch *batch, const px_draw *draw);
px_status px_cuda_stage_update(px_cuda *engine, const px_update_scalars *scalars);

/* ---- place.c: programmatic dependent launches. Between two kernels of one stream the second may come to the device
 * before the first has ended (kernels/stream.h); behind anything else, or where several streams meet, it does not. */
/* Whether they can be had: capability 9.0, kernels compiled for it, and CUDA 12.3, whose graphs know such edges. */
int px_cuda_can_overlap(const px_device_info *info);
/* Where the next kernel goes. */
px_stream px_cuda_place(px_cuda *engine, cudaStream_t stream);
/* Something else than a kernel has been enqueued, or a graph begins. */
void px_cuda_place_after_other(px_cuda *engine);

/* ---- window.c */
/* Runs a staged window: replays its graph, capturing it first where it is new. */
px_status px_cuda_run_window(px_cuda *engine, px_cuda_shape shape);
px_status px_cuda_run_update(px_cuda *engine);
/* Draws T tokens for each of n streams after a staged window of one step, into buffers.drawn. */
px_status px_cuda_run_decode(px_cuda *engine, px_cuda_shape shape);
/* For measuring: one phase of a staged training window, after all that come before it; only its own time is counted. */
px_status px_cuda_run_phase(px_cuda *engine, px_cuda_shape shape, px_phase which);
/* Captures the update and the full training window, so that what this loads and allocates happens before the first
 * step. */
px_status px_cuda_graphs_prepare(px_cuda *engine);
/* Forgets what was captured: prepare may follow. */
void px_cuda_graphs_clear(px_cuda *engine);
void px_cuda_graphs_destroy(px_cuda *engine);

/* ---- reduce.c */
/* Takes the reducer (NULL: none); graphs that were captured before hold the wrong marks. */
px_status px_cuda_reduce_set(px_cuda *engine, const px_reducer *reducer);
void px_cuda_reduce_destroy(px_cuda *engine);
/* While a training window is enqueued: part l is final here. Nothing without a reducer. */
px_status px_cuda_reduce_mark(px_cuda *engine, int32_t l);
/* After the last window of a step: starts the reducer on every part, each behind its mark; and before the update: the
 * compute stream waits for the sums. */
px_status px_cuda_reduce_start(px_cuda *engine);
px_status px_cuda_reduce_finish(px_cuda *engine);

/* ---- wait.c: the host waits for the device, and lets the reducer watch meanwhile: another rank may never come. */
px_status px_cuda_wait_stream(px_cuda *engine, cudaStream_t stream);
px_status px_cuda_wait_event(px_cuda *engine, cudaEvent_t event);

/* ---- timing.c */
void px_cuda_timing_destroy(px_cuda *engine);
/* Marks the end of a phase (or the start: phase < 0) on the compute stream, where timing is on. */
px_status px_cuda_stamp(px_cuda *engine, int phase);
/* Before a window: makes room in the set of stamps that comes next, waiting for its window where it has not been read.
 */
px_status px_cuda_timing_begin(px_cuda *engine);
/* After phases [first, last) of a window have been enqueued; and around an update. */
void px_cuda_timing_end(px_cuda *engine, int first, int last);
px_status px_cuda_timing_update_begin(px_cuda *engine);
px_status px_cuda_timing_update_end(px_cuda *engine);
px_status px_cuda_phase_times(px_engine *engine, int reset, px_phase_times *times);

/* ---- the phases; enqueue only */
px_status px_cuda_embed_forward(px_cuda *engine, px_cuda_shape shape);
px_status px_cuda_embed_backward(px_cuda *engine, px_cuda_shape shape);
px_status px_cuda_recurrence_forward(px_cuda *engine, px_cuda_shape shape);
/* Before all layers: where the window is cut, the steps of all, back to each layer's dZ. */
px_status px_cuda_recurrence_backward_begin(px_cuda *engine, px_cuda_shape shape);
/* Layer l alone: the gradient of its outputs is in buffers.d_output, and on return that of the layer's below. */
px_status px_cuda_recurrence_backward(px_cuda *engine, px_cuda_shape shape, int32_t l);
/* Loss of the window and, where training, the gradients of the head and of the top layer's output. */
px_status px_cuda_head(px_cuda *engine, px_cuda_shape shape);
/* Probabilities of n rows to the host; waits. */
px_status px_cuda_head_probabilities(px_cuda *engine, int32_t n, float *probabilities);
/* Row `step` of buffers.drawn, from the state that a window of one step has left; the tokens become the next input,
 * and the states are carried on. */
px_status px_cuda_head_draw(px_cuda *engine, int32_t n, int32_t step);
px_status px_cuda_update_enqueue(px_cuda *engine);

/* ---- sections.c */
/* Zeros for the gradients of a step that has no window yet. */
px_status px_cuda_settle_gradients(px_cuda *engine);
size_t px_cuda_section_count(const px_engine *engine, px_section section);
px_status px_cuda_read(px_engine *engine, px_section section, float *values);
px_status px_cuda_write(px_engine *engine, px_section section, const float *values);
px_status px_cuda_swap_average(px_engine *engine);

/* ---- device.c */
px_status px_cuda_devices(px_device_info *list, int capacity, int *count);
px_status px_cuda_probe(int ordinal, px_device_info *info);
/* What is known of one GPU, without a context on it but for free_bytes (0 here). */
px_status px_cuda_device_info(int ordinal, px_device_info *info);

/* ---- peak.c */
px_status px_cuda_peak(int ordinal, px_precision precision, px_device_peak *peak);
px_status px_cuda_energy(px_engine *engine, double *joules);

static inline px_cuda *px_cuda_self(px_engine *engine) { return (px_cuda *)engine; }

#endif
