/* The one seam between what is trained and where it runs.
 *
 * An engine owns everything between a batch of token ids and the numbers that come out: parameters, gradients,
 * optimiser moments, averages, activations, hidden states. It is told what to do a whole step at a time.
 * Calls may return before a device has finished; px_engine_metrics, phase_times, read and next wait for it.
 * An engine is used by one thread at a time. Buffers given to a call belong to the caller and may be reused
 * when the call returns. */
#ifndef PX_ENGINE_H
#define PX_ENGINE_H

#include "batch.h"
#include "draw.h"
#include "model_config.h"
#include "optimizer.h"
#include "parameters.h"
#include "recurrence_choice.h"
#include "precision.h"
#include "product_choice.h"
#include "reducer.h"
#include "sections.h"

typedef struct px_engine px_engine;

/* Sizes fixed at creation. rows = T * n bounds every window: evaluate() takes any n' <= n and
 * T' with T' * n' <= T * n; accumulate() takes T' <= T with n' <= n. */
typedef struct px_engine_shape {
    int32_t n, T;
    int32_t lengths;          /* how many T' the windows of a training may have, for what is kept of each; 0: a few */
    int32_t training;         /* 0: no gradients, moments or averages are allocated */
    int32_t averaging;        /* 1: a buffer of averaged weights is allocated */
    int32_t threads;          /* CPU engines; 0 = cores of this process */
    px_precision precision;   /* of the operands of matrix products; px_engine_ops.precisions */
    px_recurrence recurrence; /* how the steps are computed; px_engine_ops.recurrences */
    int32_t wavefront;        /* steps of a piece of a window, or PX_WAVEFRONT_AUTO, _OFF; px_engine_ops.wavefront */
    px_products products;     /* who makes those of the output layer; px_engine_ops.products */
    uint64_t seed;
    int32_t groups; /* a step of groups * n streams is accumulated in windows of n: the engine holds the carried
                       training state of all of them, and px_batch.group says whose a window is. 0 or 1: there is one
                       group */
} px_engine_shape;

/* What update() is told beside the gradients. */
typedef struct px_update {
    uint64_t step;        /* from 0; Adam's bias correction uses step + 1 */
    int64_t moment_steps; /* updates that the moments had seen before step 0: Adam's bias correction counts them too */
    double lr;
    double average_weight;   /* after the step: average += average_weight * (parameters - average); 0 = no averaging */
    int32_t loss_not_finite; /* 1: a loss of this step was not finite, here or on another rank: all ranks skip the same
                                update */
} px_update;

/* Sums since the last call with reset, and the state of the last update. */
typedef struct px_metrics {
    double loss_sum;  /* nats over scored tokens of accumulate() or evaluate() calls; may be +inf */
    int64_t tokens;   /* scored tokens in loss_sum */
    double grad_norm; /* global norm before clipping, of the last update */
    int64_t updates;  /* updates applied since creation */
    int64_t bad_step; /* first step whose loss or gradient norm was not finite, -1 if none: that update and every
                                later one are skipped until the parameters are written anew */
    double bad_norm;  /* gradient norm at bad_step */
} px_metrics;

/* Phases in the order of a step; seconds since creation or the last reset. */
typedef enum px_phase {
    PX_PHASE_EMBED,
    PX_PHASE_RECURRENCE_FORWARD,
    PX_PHASE_HEAD,
    PX_PHASE_RECURRENCE_BACKWARD,
    PX_PHASE_EMBED_BACKWARD,
    PX_PHASE_UPDATE,
    PX_PHASE_COUNT
} px_phase;

typedef struct px_phase_times {
    double seconds[PX_PHASE_COUNT];
} px_phase_times;

/* Bytes that create() would allocate. */
typedef struct px_engine_memory {
    size_t parameters, gradients, moments, averages, activations, workspace, total;
} px_engine_memory;

/* What a device can reach at most, measured on the spot: what a benchmark holds speeds against. */
typedef struct px_device_peak {
    char what[24];         /* what did the product: "cublas fp32" */
    double gflops;         /* large product, 1e9 operations per second */
    double copy_gb_s;      /* device copy: bytes read plus bytes written, 1e9 per second */
    double step_latency_s; /* least cost of one dependent step of the recurrence beyond its product */
} px_device_peak;

/* Which weights px_engine_read_weights reads. */
typedef enum px_weights {
    PX_WEIGHTS_STEP,      /* every matrix that a step of decoding reads */
    PX_WEIGHTS_RECURRENT, /* W_hh of the lowest layer alone, as the steps of a window read it again and again */
    PX_WEIGHTS_COUNT
} px_weights;

typedef struct px_weight_reading {
    double seconds, bytes; /* of all passes; bytes as the weights lie in memory, padding included */
} px_weight_reading;

typedef struct px_engine_ops {
    const char *name;     /* "cpu": as in the registry */
    int on_host;          /* 1: computes on the processor, so that reading metrics waits for nothing */
    unsigned precisions;  /* 1 << px_precision for each that it has */
    unsigned recurrences; /* 1 << px_recurrence for each that it has; AUTO is every engine's */
    px_status (*memory)(const px_model_config *, const px_optimizer_config *, const px_engine_shape *,
                        px_engine_memory *);
    px_status (*create)(const px_model_config *, const px_optimizer_config *, const px_engine_shape *, int ordinal,
                        px_engine **);
    void (*destroy)(px_engine *);
    px_status (*accumulate)(px_engine *, const px_batch *);
    px_status (*gradients)(px_engine *, float **flat, size_t *count);
    px_status (*update)(px_engine *, const px_update *);
    px_status (*evaluate)(px_engine *, const px_batch *, float *token_nll);
    px_status (*next)(px_engine *, const int32_t *tokens, const uint8_t *reset, int32_t n, float *probabilities);
    /* Optional: NULL where only the host draws. */
    px_status (*decode)(px_engine *, const int32_t *tokens, const uint8_t *reset, int32_t n, const px_draw *draw,
                        int32_t count, int32_t *drawn);
    size_t (*section_count)(const px_engine *, px_section);
    px_status (*read)(px_engine *, px_section, float *);
    px_status (*write)(px_engine *, px_section, const float *);
    px_status (*swap_average)(px_engine *);
    px_status (*metrics)(px_engine *, int reset, px_metrics *);
    px_status (*phase_times)(px_engine *, int reset, px_phase_times *);
    px_recurrence (*recurrence)(const px_engine *); /* the way that creation took; NULL: there is one alone */
    int32_t (*wavefront)(
        const px_engine *); /* steps of a piece that creation took, 0: none; NULL: it has no wavefront */
    void (*products)(const px_engine *, px_product_choice *); /* what creation took; NULL: there is one way alone */
    px_status (*describe)(const px_engine *, char *buffer, size_t buffer_bytes);
    /* Optional, NULL where a device does not offer it; the benchmark uses them. */
    px_status (*peak)(int ordinal, px_precision, px_device_peak *);
    px_status (*energy)(px_engine *, double *joules); /* used by the device since an arbitrary start */
    px_status (*run_phase)(px_engine *, px_phase, const px_batch *, const px_update *);
    px_status (*read_weights)(px_engine *, px_weights, int32_t passes, px_weight_reading *);
    /* Optional: NULL where an engine cannot reduce while it computes. NULL as reducer takes it away. */
    px_status (*set_reducer)(px_engine *, const px_reducer *);
} px_engine_ops;

/* Every engine's struct begins with this. px_engine_create fills it in; an engine only leaves room for it. */
struct px_engine {
    const px_engine_ops *ops;
    px_model_config model; /* what it was created with: arguments are checked against these in engine.c */
    px_engine_shape shape;
};

/* Finds the engine for a device name (registry.h), or the best that works for "auto".
 * PX_ERR_DEVICE names what is wrong and the remedy. */
px_status px_engine_find(const char *device, const px_engine_ops **ops, int *ordinal);

/* Everything is allocated here; later calls allocate nothing. Parameters start as zeros: write them. */
px_status px_engine_create(const char *device, const px_model_config *, const px_optimizer_config *,
                           const px_engine_shape *, px_engine **engine);
px_status px_engine_memory_of(const char *device, const px_model_config *, const px_optimizer_config *,
                              const px_engine_shape *, px_engine_memory *memory);
void px_engine_destroy(px_engine *engine); /* NULL does nothing */

/* Forward and backward over one window: gradients += d(inv_count * sum of scored -log p); carried state advances;
 * metrics gain the unscaled sum. Dropout masks are those of batch->step. Here, in evaluate(), next() and decode():
 * PX_ERR_INPUT where a token id is outside the vocabulary, and nothing has changed. */
px_status px_engine_accumulate(px_engine *engine, const px_batch *batch);
/* The one flat gradient buffer, in the engine's own layout, for a reduction over ranks. */
px_status px_engine_gradients(px_engine *engine, float **flat, size_t *count);
/* From now on accumulate() starts the reducer on each part of the flat gradient that becomes final in a window with
 * batch->last, output layer first, and update() begins with finish(): the norm, the bound and the step are those of the
 * sums. Between the two the gradients may not be read. The reducer is copied, its context belongs to the caller; NULL
 * takes it away. PX_ERR_DEVICE where the engine cannot do it. */
px_status px_engine_set_reducer(px_engine *engine, const px_reducer *reducer);
/* Clip, optimiser step, averaging; gradients are cleared. Skipped where loss or norm is not finite (metrics.bad_step).
 */
px_status px_engine_update(px_engine *engine, const px_update *update);
/* Loss of a window without dropout, on the evaluation state. token_nll [T,n] or NULL: nats, +inf where the model gives
 * the target probability 0, 0 where the target is -1. Results do not depend on how windows cut a stream, nor on the
 * other streams, beyond rounding; the CPU engines give the same bits. */
px_status px_engine_evaluate(px_engine *engine, const px_batch *batch, float *token_nll);
/* One step of decoding for n streams on the evaluation state. tokens [n]; reset [n] or NULL; probabilities [n,V]. */
px_status px_engine_next(px_engine *engine, const int32_t *tokens, const uint8_t *reset, int32_t n,
                         float *probabilities);
/* Whether px_engine_decode draws so: the engine has it, and orders no more than PX_DRAW_ORDERED_MAX candidates. */
int px_engine_decodes(const px_engine *engine, const px_draw *draw);
/* `count` steps of decoding at once, each token drawn being the next one's input: drawn [count,n], stream i's token at
 * position draw->position + k in drawn[k * n + i], the one that px_draw_choose would draw from the probabilities of
 * next(); -1 where none can be, and what follows it in that stream means nothing. tokens, reset: as next(), of the
 * first step. count: 1 to PX_DECODE_TOKENS_MAX. PX_ERR_DEVICE where px_engine_decodes says 0. */
enum { PX_DECODE_TOKENS_MAX = 32 };
px_status px_engine_decode(px_engine *engine, const int32_t *tokens, const uint8_t *reset, int32_t n,
                           const px_draw *draw, int32_t count, int32_t *drawn);
size_t px_engine_section_count(const px_engine *engine, px_section section);
px_status px_engine_read(px_engine *engine, px_section section, float *values);
px_status px_engine_write(px_engine *engine, px_section section, const float *values);
/* The three calls above for a file's writer or reader; the engine stays the caller's. */
px_sections px_engine_sections(px_engine *engine);
/* Exchanges parameters and averages: call before and after an evaluation of the averaged weights. */
px_status px_engine_swap_average(px_engine *engine);
px_status px_engine_metrics(px_engine *engine, int reset, px_metrics *metrics);
px_status px_engine_phase_times(px_engine *engine, int reset, px_phase_times *times);
/* How the steps are computed; AUTO where the engine has no choice. What AUTO became is a pure function of device,
 * shapes and version: a run keeps it, and asks for it when it is resumed. */
px_recurrence px_engine_recurrence(const px_engine *engine);
/* The same of its wavefront: steps of a piece, PX_WAVEFRONT_OFF, or AUTO where the engine has none. */
int32_t px_engine_wavefront(const px_engine *engine);
/* The same of the output layer's products: AUTO where the engine has no choice. */
px_product_choice px_engine_products(const px_engine *engine);
/* One line for a person: device, instruction set or compute capability, threads, libraries. */
px_status px_engine_describe(const px_engine *engine, char *buffer, size_t buffer_bytes);
/* For measuring: one phase of a training step alone, on what accumulate() of this very batch left; only phase_times()
 * tells its time. The engine's parameters, gradients and moments mean nothing afterwards. PX_ERR_DEVICE where a device
 * has no such call. */
px_status px_engine_run_phase(px_engine *engine, px_phase phase, const px_batch *batch, const px_update *update);
/* For measuring: loads the weights `passes` times and computes nothing. They are read where evaluation and decoding
 * read them, each thread its own share, every other pass from the end to the beginning, and no faster than the threads
 * can: the limit of a step that uses every weight once. Results do not change. PX_ERR_ARGUMENT where passes < 1 or
 * there is no such `which`, PX_ERR_DEVICE where a device has no such call. */
px_status px_engine_read_weights(px_engine *engine, px_weights which, int32_t passes, px_weight_reading *reading);
const char *px_phase_name(px_phase phase); /* "recurrence_forward" */

#endif
