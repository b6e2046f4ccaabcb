/* The CUDA kernels of perplex, seen from the host: one launcher for each thing that a kernel does.
 *
 * host/engine/cuda owns buffers, streams, cuBLAS products and graphs, and calls these between the products. Every
 * launcher only launches: it allocates nothing, waits for nothing, keeps no state, may be captured into a CUDA graph,
 * and returns the error of the launch (cudaErrorInvalidValue for sizes that no kernel here takes). Sizes of 0 rows
 * launch nothing and succeed. What changes from one replay of a graph to the next is read from device memory:
 * px_window_scalars, px_update_scalars, token ids, marks.
 *
 * Letters: n streams, T steps, V vocabulary, d embedding, h hidden; "width" is h, d or V, whatever a row is long.
 * Arrays over a window are [T,n,width], row = t * n + i, rows = T * n below 2^31 - 8192. All pointers are device
 * pointers, all arrays row-major and dense unless a row stride (ld, in elements) stands beside them. Nothing needs more
 * than the alignment of its type; rows aligned to 16 bytes (width a multiple of 4, base aligned) take a path with
 * 16-byte accesses. No kernel uses atomics on floats: every sum has one order, fixed by the sizes alone, so results
 * repeat bitwise.
 *
 * Formulas: docs/DESIGN.md, "The model, once"; the same names as host/engine/reference. */
#ifndef PX_KERNELS_H
#define PX_KERNELS_H

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <stdint.h>

#include "draw.h"
#include "model_config.h"
#include "optimizer.h"
#include "parameters.h"
#include "precision.h"
#include "stream.h"
#include "rate_scaling.h"

#ifdef __CUDACC__
#define PX_BOTH_SIDES __host__ __device__
#else
#define PX_BOTH_SIDES
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef uint16_t px_bf16; /* bits of a bfloat16: the upper half of a float, rounded to nearest even */

typedef enum px_element { PX_ELEMENT_FP32, PX_ELEMENT_BF16 } px_element;

/* ---- what lives in device memory and changes between replays ----------------------------------------------------- */

/* Numbers of one window; staged with its tokens. */
typedef struct px_window_scalars {
    uint64_t step;           /* px_batch.step */
    uint32_t first_stream;   /* px_batch.first_stream */
    uint32_t streams_in_all; /* px_batch.streams_in_all */
    double inv_count;        /* px_batch.inv_count */
} px_window_scalars;

/* Numbers of one update; written by the host before the update graph is launched. */
typedef struct px_update_scalars {
    uint64_t step; /* px_update.step; remembered as bad_step where loss or norm is not finite */
    double lr;
    double average_weight; /* after the step: average += average_weight * (w - average); 0 = none */
    double bias1, bias2; /* Adam, AdamW: 1 - beta^(steps taken, this one included); the host computes them in double */
} px_update_scalars;

/* Counters of the device; read (and, where metrics() resets, rewritten) by the host. Start: zeros, bad_step = -1. */
typedef struct px_device_metrics {
    double loss_sum;   /* nats over scored tokens since the host last cleared it */
    int64_t tokens;    /* scored tokens in loss_sum */
    double step_loss;  /* nats accumulated by training windows since the last update; checked and cleared by it */
    double grad_norm;  /* global norm before clipping, of the last update */
    int64_t updates;   /* updates applied */
    int64_t bad_step;  /* first step whose step_loss or norm was not finite, -1 if none. While >= 0 no update is
                                applied; the host writes -1 when it writes the parameters anew */
    double bad_norm;   /* norm at bad_step */
    float clip_factor; /* of the current update: theta / max(theta, norm), 1 without clipping */
    int32_t skip;      /* 1: the current update is not applied */
    uint32_t ended;    /* blocks of the norm's kernel that have ended; 0 before and after it */
} px_device_metrics;

/* What a kernel waits for in a loop of its own. None lasts more than microseconds; one that outlasts its bound is a
 * mistake or a defect, and ends the launch with an error instead of hanging. Which, the kernel as a person knows it,
 * and what it waits for. */
#define PX_STALLS(X)                                                                                                   \
    X(PERSISTENT_FORWARD, "recurrence_persistent_kernel (forward)", "the state from the other blocks of its cluster")  \
    X(PERSISTENT_BACKWARD, "recurrence_persistent_kernel (backward)",                                                  \
      "the gradients from the other blocks of its cluster")                                                            \
    X(GRID_FORWARD, "recurrence_grid_kernel (forward)", "the state from the other blocks of the grid")                 \
    X(GRID_BACKWARD, "recurrence_grid_kernel (backward)", "the gradients from the other blocks of the grid")           \
    X(WIDE_FORWARD, "recurrence_wide_kernel (forward)", "the state from the other blocks of its cluster")              \
    X(WIDE_BACKWARD, "recurrence_wide_kernel (backward)", "the gradients from the other blocks of its cluster")        \
    X(GATES_FORWARD, "gates_persistent_kernel (forward)", "the state from the other blocks of its cluster")            \
    X(GATES_BACKWARD, "gates_persistent_kernel (backward)", "the gradients from the other blocks of its cluster")

typedef enum px_stall_kind {
    PX_STALL_NONE,
#define PX_STALL_ENUM(NAME, kernel, awaits) PX_STALL_##NAME,
    PX_STALLS(PX_STALL_ENUM)
#undef PX_STALL_ENUM
} px_stall_kind;

/* What such a kernel leaves before it gives up. In host memory that the device can write, since nothing else can be
 * read once a launch has failed; aligned to its size, for it is written as one. All zeros: nothing has happened. */
typedef struct px_stall {
    uint32_t kind;  /* px_stall_kind */
    uint32_t block; /* blockIdx.x */
    uint32_t step;  /* of the kernel's own, from 0 */
    uint32_t T;     /* of how many */
} px_stall;

/* One kind of dropout mask (host/base/philox.h). threshold 0 = no dropout; the struct may then be all zeros. The mask
 * of element j of stream i at step t is lane e % 4 of Philox block e / 4 of (seed, purpose, layer), with e =
 * px_mask_element(window.step, window.streams_in_all, window.first_stream + i, T_max, t, width, j, locked); kept (lane
 * >= threshold) values are multiplied by scale, others are 0. */
typedef struct px_dropout {
    uint64_t seed;
    uint32_t purpose, layer; /* px_random_purpose */
    uint32_t threshold;      /* px_dropout_threshold(p) */
    float scale;             /* px_dropout_scale(p) */
    int32_t T_max;           /* the configured number of steps, also in a shorter window */
    int32_t locked;          /* 1: the same mask at every t */
} px_dropout;

/* ---- carried states ---------------------------------------------------------------------------------------------- */

/* States on their way into a window or out of it: to [count] = from, and to_bf16 [count] or NULL the same in bf16. They
 * overlap neither each other nor what else the launch touches that takes them along. */
enum { PX_STATE_COPIES_MAX = PX_MAX_LAYERS * PX_CELL_STATES_MAX };
typedef struct px_state_copy {
    float *to;
    const float *from;
    px_bf16 *to_bf16;
} px_state_copy;
typedef struct px_state_copies {
    px_state_copy copy[PX_STATE_COPIES_MAX];
    int32_t copies; /* 0: nothing travels */
    size_t count;
} px_state_copies;
/* Alone, where no other launch takes them. */
cudaError_t px_launch_recurrence_states(const px_state_copies *states, px_stream stream);

/* ---- embed ------------------------------------------------------------------------------------------------------- */

/* Rows of a table for every token of a window.
 * table [V,width]: E (width = d) or the one-hot W_xh (width = h); tokens [rows] in [0,V).
 * out and/or out_bf16 [rows,width] (either may be NULL): table[token] * mask * the row's mask.
 * one_hot = 0: mask of width `width` per element. one_hot = V > 0: the masks have width V and the one element j = token
 * scales the whole row, as multiplying a dropped one-hot vector does. */
typedef struct px_embed_args {
    const float *table;
    const int32_t *tokens;
    float *out;
    px_bf16 *out_bf16;
    const px_window_scalars *window; /* read only with dropout */
    px_dropout dropout;
    px_dropout row_dropout; /* of table rows: element = window.step * vocab + token; T_max and locked are not read */
    int32_t T, n, width, one_hot, vocab;
    px_state_copies states; /* taken along */
} px_embed_args;
cudaError_t px_launch_embed_forward(const px_embed_args *args, px_stream stream);

/* Gradient of the table: dtable[token] += the row's mask * sum over the token's rows of dx[row] * mask.
 * dx [rows,width]; dtable [V,width].
 * order [rows]: the permutation of 0..rows-1 that sorts rows by token, stable (rows of one token ascend): what a
 * counting sort by token gives. The host makes it while it stages the window, and it travels with the window. partial:
 * scratch of px_embed_partial_floats(rows, width) floats, one for each stream that may run this kernel. Order of a
 * token's sum: within runs of PX_EMBED_CHUNK places of `order`, then over the runs, then onto dtable. */
typedef struct px_embed_backward_args {
    const float *dx;
    const int32_t *tokens, *order;
    float *dtable, *partial;
    const px_window_scalars *window;
    px_dropout dropout, row_dropout; /* as px_embed_args */
    int32_t T, n, width, one_hot, vocab;
} px_embed_backward_args;
enum { PX_EMBED_CHUNK = 32 };
static inline size_t px_embed_partial_floats(size_t rows, size_t width)
{
    return 2 * ((rows + PX_EMBED_CHUNK - 1) / PX_EMBED_CHUNK) * width;
}
cudaError_t px_launch_embed_backward(const px_embed_backward_args *args, px_stream stream);

/* ---- recurrence -------------------------------------------------------------------------------------------------- */

/* One step of one layer, after the product: h = act(xz + keep * recurrent + b), keep = 0 where reset, else 1.
 * xz [n,width]: the input's term; recurrent [n,width]: H_{t-1} W_hh (written with beta = 0), or NULL where it is zero
 * or has been accumulated onto xz already (then without resets). reset [n] or NULL: row t of the window's marks; the
 * product of a marked row is left out (whatever it is), so H_{t-1} needs no masked copy here. h [n,width] (may be xz);
 * h_bf16 [n,width] or NULL: the operand of the next product in bf16. output, output_bf16 [n,width] or NULL: h * mask,
 * the copy that goes to the layer above or to the head; h itself stays whole. Masks belong to step t of the window. */
typedef struct px_step_forward_args {
    const float *xz, *recurrent, *bias;
    const uint8_t *reset;
    float *h, *output;
    px_bf16 *h_bf16, *output_bf16;
    const px_window_scalars *window;
    px_dropout dropout;
    px_cell cell;
    int32_t n, width, t;
} px_step_forward_args;
cudaError_t px_launch_recurrence_forward(const px_step_forward_args *args, px_stream stream);

/* One step back: dz = (d_output * mask + keep * recurrent) * act'(h), keep = 0 where reset_next, else 1.
 * d_output [n,width] or NULL (zero): the gradient that comes down from above, at step t, before the mask of step t is
 * applied. recurrent [n,width] or NULL at the last step: dZ_{t+1} W_hh^T (written with beta = 0). reset_next [n] or
 * NULL: marks of step t + 1. h [n,width]: H_t, kept by the forward pass. dz [n,width] (may be d_output); dz_bf16
 * [n,width] or NULL. */
typedef struct px_step_backward_args {
    const float *d_output, *recurrent, *h;
    const uint8_t *reset_next;
    float *dz;
    px_bf16 *dz_bf16;
    const px_window_scalars *window;
    px_dropout dropout;
    px_cell cell;
    int32_t n, width, t;
} px_step_backward_args;
cudaError_t px_launch_recurrence_backward(const px_step_backward_args *args, px_stream stream);

/* The same steps with their product in the same kernel (recurrence_fused.cu); step.recurrent is NULL. operand: type of
 * h_before, dz_after and w_hh [width out, width in]; sums are fp32, in an order that depends on width alone. Forward:
 * h_before [n,width], the operand H_{t-1}. Backward: dz_after [n,width], the operand dZ_{t+1}, NULL at the last step.
 */
typedef struct px_fused_forward_args {
    px_step_forward_args step;
    const void *h_before, *w_hh;
    px_element operand;
} px_fused_forward_args;
cudaError_t px_launch_recurrence_fused_forward(const px_fused_forward_args *args, px_stream stream);

typedef struct px_fused_backward_args {
    px_step_backward_args step;
    const void *dz_after, *w_hh;
    px_element operand;
} px_fused_backward_args;
cudaError_t px_launch_recurrence_fused_backward(const px_fused_backward_args *args, px_stream stream);

/* All steps of a layer's window in one launch, W_hh on chip meanwhile (recurrence_persistent.cu). Compute
 * capability 9.0. No dropout of what goes up: px_launch_recurrence_dropout does that, after the one and before the
 * other.
 *
 * w_hh [width out, width in]: bf16 where operand is PX_BF16, else fp32. reset [T,n] or NULL: the window's marks.
 *
 * Forward: h [T+1,n,width]: row 0 is read; rows 1..T hold the input's terms xz and become
 *     H_t = act(xz_t + keep H_{t-1} W_hh + bias)
 * Backward: h is read; dz [T,n,width] holds the gradient of H_t that comes down from above (masked) and becomes dZ_t.
 *
 * dz_after [n,width] or NULL: a piece of a window on the way back goes on from dZ_T, the first of the piece after it,
 * whose first marks are reset[T].
 *
 * h_bf16 [T+1,n,width] (rows 1..T) and dz_bf16 [T,n,width], or NULL: copies, only where operand is PX_BF16.
 * multiprocessors: of the device. How many streams a cluster takes depends on it, and no number does. A row's bits
 * depend on its own data, width and operand alone. stall, or NULL: where a wait in vain is told. */
typedef struct px_persistent_args {
    const void *w_hh;
    const float *bias, *dz_after;
    const uint8_t *reset;
    float *h, *dz;
    px_bf16 *h_bf16, *dz_bf16;
    px_stall *stall;
    px_precision operand;
    px_cell cell;
    int32_t T, n, width, multiprocessors;
} px_persistent_args;
cudaError_t px_launch_recurrence_persistent_forward(const px_persistent_args *args, px_stream stream);
cudaError_t px_launch_recurrence_persistent_backward(const px_persistent_args *args, px_stream stream);

/* The width that a layer of `width` units is padded to, the blocks of its clusters, and the shared memory of one of
 * them; zeros: it is too wide for the chip. */
typedef struct px_persistent_fit {
    int32_t width, blocks, shared_bytes;
} px_persistent_fit;
px_persistent_fit px_persistent_fit_of(px_precision operand, int32_t width);

/* The same with up to 32 streams of a cluster, in bf16 or tf32 (recurrence_wide.cu): compute capability 9.0 alone, by
 * code for sm_90a, which px_wide_is_built says is there. A row's bits depend on its own data, width and operand alone;
 * they are not those of the variant "persistent". */
cudaError_t px_launch_recurrence_wide_forward(const px_persistent_args *args, px_stream stream);
cudaError_t px_launch_recurrence_wide_backward(const px_persistent_args *args, px_stream stream);
px_persistent_fit px_wide_fit_of(px_precision operand, int32_t width);
int px_wide_is_built(void);

/* The same for any GPU of compute capability 7.0 (bf16 and tf32: 8.0) with enough multiprocessors, and for layers that
 * are wider than a cluster (recurrence_grid.cu): the launch is cooperative, and blocks exchange the state through
 * `workspace`, px_grid_workspace_bytes of it, at a multiple of 16, whose first px_grid_counter_words(n) words are zeros
 * when the launch begins. A row's bits are those of the variant "persistent" where both add in the same slices. */
typedef struct px_grid_args {
    px_persistent_args window;
    void *workspace;
} px_grid_args;
cudaError_t px_launch_recurrence_grid_forward(const px_grid_args *args, px_stream stream);
cudaError_t px_launch_recurrence_grid_backward(const px_grid_args *args, px_stream stream);
/* As px_persistent_fit_of; blocks: how many multiprocessors it needs at least. */
px_persistent_fit px_grid_fit_of(px_precision operand, int32_t width);
static inline size_t px_grid_counter_words(int32_t n) { return ((size_t)n + 3) / 4 * 4; }
static inline size_t px_grid_workspace_bytes(px_precision operand, int32_t width, int32_t n)
{
    const size_t state = (size_t)px_grid_fit_of(operand, width).width / (operand == PX_BF16 ? 2 : 1);
    return (px_grid_counter_words(n) + 2 * (size_t)n * state) * sizeof(uint32_t);
}

/* One step of a layer whose cell keeps gates (cells.h: G gates, S states), after its products. Shapes: "wide" is [n, G
 * width], gate by gate in every row, the others [n,width]. Equations: host/model/cells. z wide: the input's term,
 * turned into what the cell keeps. recurrent wide: H_{t-1} W_hh (written with beta = 0), left out in rows that reset
 * marks, whose states before count as zeros. bias [G width]; bias_lone [width] and u with a lone gate, else NULL: u =
 * keep * recurrent + bias_lone. before, now [S]: the states around the step. output, output_bf16, h_bf16: as
 * px_step_forward_args. */
typedef struct px_gates_forward_args {
    const float *recurrent, *bias, *bias_lone;
    const float *before[PX_CELL_STATES_MAX];
    const uint8_t *reset;
    float *z, *u, *now[PX_CELL_STATES_MAX], *output;
    px_bf16 *h_bf16, *output_bf16;
    const px_window_scalars *window;
    px_dropout dropout;
    px_cell cell;
    int32_t n, width, t;
} px_gates_forward_args;
cudaError_t px_launch_gates_forward(const px_gates_forward_args *args, px_stream stream);

/* One step back. d_output: the gradient that comes down from above, before the mask of step t. recurrent, NULL at the
 * last step: the next step's gradient of its H_{t-1} W_hh times W_hh (beta = 0); it and `returned` count as zero in
 * rows that reset_next marks. z wide: what was kept, turned into dz, the gradient of the input's term; dz_bf16 a copy
 * or NULL. u: kept, turned into the gradient of the lone gate's recurrent part. dz_hh and/or dz_hh_bf16 wide, with a
 * lone gate: the gradient of H_{t-1} W_hh, which is dz but for that gate. returned [S]: what the step after returned to
 * the states past W_hh, turned into what this step returns. */
typedef struct px_gates_backward_args {
    const float *d_output, *recurrent, *before[PX_CELL_STATES_MAX], *now[PX_CELL_STATES_MAX];
    const uint8_t *reset, *reset_next;
    float *z, *u, *dz_hh, *returned[PX_CELL_STATES_MAX];
    px_bf16 *dz_bf16, *dz_hh_bf16;
    const px_window_scalars *window;
    px_dropout dropout;
    px_cell cell;
    int32_t n, width, t;
} px_gates_backward_args;
cudaError_t px_launch_gates_backward(const px_gates_backward_args *args, px_stream stream);

/* All steps of such a layer's window in one launch, as px_persistent_args: what stands there holds here. "wide" is
 * [T,n, G width], gate by gate in every row.
 *
 * w_hh [G width out, width in]. state [S], each [T+1,n,width]: the states, row 0 before the window.
 *
 * Forward: row 0 of the states is read, rows 1..T are written; z wide: the inputs' terms, turned into what the cell
 * keeps; u [T,n,width] with a lone gate, else NULL: written. bias [G width], bias_lone [width] with a lone gate.
 * h_bf16 [T+1,n,width] (rows 1..T) or NULL: a copy of H, only where operand is PX_BF16.
 *
 * Backward: states are read. d_output [T,n,width]: the gradient of H_t that comes down from above (masked). z: what was
 * kept, turned into dz; u: into the gradient of the lone gate's recurrent part. dz_bf16 wide where operand is PX_BF16:
 * a copy. dz_hh wide, of the operand's type (bf16, or fp32), with a lone gate: the gradient of H_{t-1} W_hh. */
typedef struct px_persistent_gates_args {
    const void *w_hh;
    const float *bias, *bias_lone, *d_output;
    const uint8_t *reset;
    float *z, *u, *state[PX_CELL_STATES_MAX];
    px_bf16 *h_bf16, *dz_bf16;
    void *dz_hh;
    px_stall *stall;
    px_precision operand;
    px_cell cell;
    int32_t T, n, width, multiprocessors;
} px_persistent_gates_args;
cudaError_t px_launch_gates_persistent_forward(const px_persistent_gates_args *args, px_stream stream);
cudaError_t px_launch_gates_persistent_backward(const px_persistent_gates_args *args, px_stream stream);
/* As px_persistent_fit_of; shared_bytes is the larger of both directions. */
px_persistent_fit px_persistent_gates_fit_of(px_precision operand, px_cell cell, int32_t width);

/* Dropout over steps [first, first + T) of a window, which the arrays begin with: out and/or out_bf16 [T*n,width]
 * = in * mask; out may be in. Also the backward of itself. */
cudaError_t px_launch_recurrence_dropout(float *out, px_bf16 *out_bf16, const float *in, const px_dropout *dropout,
                                         const px_window_scalars *window, int32_t first, int32_t T, int32_t n,
                                         int32_t width, px_stream stream);

/* Gradients of the penalties on the top layer's outputs (docs/DESIGN.md), for a whole window before its steps go back.
 * d_output [T*n,width], in place: the gradient of what goes up becomes that of H, mask and penalties included, so that
 * the steps apply no mask. h [T*n,width]: H_1 to H_T. targets, reset [T*n]: rows with a target count, and pairs of them
 * that no reset parts. activation, temporal: the factors of the means of (m h)^2 and of (h_t - h_{t-1})^2. */
typedef struct px_penalties_args {
    float *d_output;
    const float *h;
    const int32_t *targets;
    const uint8_t *reset;
    const px_window_scalars *window;
    px_dropout dropout;
    double activation, temporal;
    int32_t T, n, width;
} px_penalties_args;
cudaError_t px_launch_penalties(const px_penalties_args *args, px_stream stream);

/* Weight dropout of W_hh, total = G h^2, index = out * h + in as it lies in memory, element = window.step * total +
 * index: out = in * mask, or out += in * mask where accumulate (dW_hh += dW^ * mask). out may be in; out and/or
 * out_bf16 [total]. */
cudaError_t px_launch_recurrence_weight_dropout(float *out, px_bf16 *out_bf16, const float *in,
                                                const px_dropout *dropout, const px_window_scalars *window,
                                                size_t total, int32_t accumulate, px_stream stream);

/* What follows a layer's steps back. Bias gradients, of `sums` sets of columns: out[j] += (accumulate) or = the sum
 * over rows of in[row][j]; in [rows,cols]; partial: scratch of px_column_sum_partial_floats(rows, cols) floats each.
 * Order: rows of a segment of PX_COLUMN_SEGMENT rows, then segments. H_{t-1} for dW_hh = sum_t (keep_t H_{t-1})^T dZ_t,
 * in place: h_prev [rows,width] of `element`, or NULL, gets rows of zeros where reset [rows] != 0. And states, taken
 * along. */
enum { PX_COLUMN_SEGMENT = 128, PX_COLUMN_SUMS_MAX = 2 };
static inline size_t px_column_sum_partial_floats(size_t rows, size_t cols)
{
    return (rows + PX_COLUMN_SEGMENT - 1) / PX_COLUMN_SEGMENT * cols;
}
typedef struct px_column_sum {
    float *out;
    const float *in;
    float *partial;
    int32_t cols;
} px_column_sum;
typedef struct px_layer_end_args {
    px_column_sum sum[PX_COLUMN_SUMS_MAX];
    void *h_prev;
    const uint8_t *reset;
    size_t rows;
    px_element element;
    int32_t sums, accumulate, width;
    px_state_copies states;
} px_layer_end_args;
cudaError_t px_launch_recurrence_end(const px_layer_end_args *args, px_stream stream);

/* ---- head -------------------------------------------------------------------------------------------------------- */

/* Losses of a chunk of rows of logits and, where `gradient`, what replaces the logits.
 * logits [rows,V] of `type`, row stride ld: U W_hq without bias; bias [V] is added inside. targets [rows]: in [0,V), or
 * -1: not scored (nll 0, gradient 0). nll [rows]: -log softmax(logits + bias)[target] in nats, +inf where the target's
 * probability is 0; infinite logits as in host/model/loss.h; a NaN stays a NaN. All arithmetic is fp32.
 * gradient: (softmax - onehot) * window.inv_count, and 0 in columns V to ld, so that products may run over all of ld.
 * partial: NULL, or where sums of the gradient over rows go (before it is rounded), a row for each segment of
 * px_head_segment_rows(rows) rows: [px_head_segments(rows), ld]. How rows are cut depends on their number alone.
 * ld that is a multiple of 4 gives rows 16-byte (bf16: 8-byte) accesses whatever V is. shared_bytes: what a block may
 * have on this device (cudaDevAttrMaxSharedMemoryPerBlockOptin); no result depends on it. */
typedef struct px_head_args {
    void *logits;
    px_element type;
    const float *bias;
    const int32_t *targets;
    float *nll, *partial;
    const px_window_scalars *window; /* read only for gradients */
    size_t rows, ld, shared_bytes;
    int32_t V, gradient;
} px_head_args;
enum { PX_HEAD_SEGMENTS = 256 }; /* at most: two blocks for each multiprocessor of an H100 */
static inline PX_BOTH_SIDES size_t px_head_segment_rows(size_t rows)
{
    return (rows + PX_HEAD_SEGMENTS - 1) / PX_HEAD_SEGMENTS;
}
static inline size_t px_head_segments(size_t rows)
{
    return rows ? (rows + px_head_segment_rows(rows) - 1) / px_head_segment_rows(rows) : 0;
}
cudaError_t px_launch_head_loss(const px_head_args *args, px_stream stream);

/* What comes of a chunk's rows. metrics.loss_sum += sum of nll [rows], metrics.tokens += scored rows; step_loss += the
 * sum too where training. In double. poison, where not NULL and training: becomes NaN where the sum is not finite, so
 * that a gradient summed over ranks shows it to all; it is none of d_bias.
 * d_bias [ld], or NULL: += (accumulate) or = the sum over partial [segments, ld] of px_launch_head_loss; both aligned
 * to 16 bytes, ld a multiple of 4. */
typedef struct px_head_sum_args {
    px_device_metrics *metrics;
    const float *nll;
    const int32_t *targets;
    float *poison, *d_bias;
    const float *partial;
    size_t rows, segments, ld;
    int32_t training, accumulate;
} px_head_sum_args;
cudaError_t px_launch_head_sum(const px_head_sum_args *args, px_stream stream);

/* probabilities [rows,V] = softmax(logits + bias); logits [rows,V] fp32, row stride ld; may be the same buffer if ld =
 * V. */
cudaError_t px_launch_head_softmax(float *probabilities, const float *logits, const float *bias, size_t rows, int32_t V,
                                   size_t ld, px_stream stream);

/* Of an adaptive output layer (output_layer.h), whose softmax over the head and inside each cluster are the two above:
 * rows of a window into a cluster and back. order [rows]: distinct rows of in (gather), of out (scatter).
 * gather: out[r] = in[order[r]]; element: type of both. scatter: out[order[r]] += in[r]. Rows are `width` long. */
cudaError_t px_launch_adaptive_gather(void *out, const void *in, const int32_t *order, px_element element, size_t rows,
                                      int32_t width, px_stream stream);
cudaError_t px_launch_adaptive_scatter(float *out, const float *in, const int32_t *order, size_t rows, int32_t width,
                                       px_stream stream);

/* p[row][first + j] = part[row][j] share[row], j < count. p [rows,V]; part has row stride part_ld; share NULL: 1, else
 * one number for each row, at share[row * share_ld]. */
typedef struct px_adaptive_probabilities_args {
    float *p;
    const float *part, *share;
    size_t rows;
    int32_t V, first, count, part_ld, share_ld;
} px_adaptive_probabilities_args;
cudaError_t px_launch_adaptive_probabilities(const px_adaptive_probabilities_args *args, px_stream stream);

/* ---- draw -------------------------------------------------------------------------------------------------------- */

/* One token for each of `rows` streams, as px_draw_choose (draw_maths.h) draws it from the stream's probabilities [V]
 * and the uniform of stream first_stream + row at draw.position + step. drawn [rows]: the tokens, -1 where none can be
 * drawn; tokens [rows]: the same as the next window's input, 0 for -1; reset [rows]: cleared. draw is read from device
 * memory. Where it orders candidates (px_draw_orders) V is at most PX_DRAW_ORDERED_MAX, for which shared memory has
 * room. */
typedef struct px_draw_args {
    const float *probabilities;
    const px_draw *draw;
    int32_t *tokens, *drawn;
    uint8_t *reset;
    int32_t rows, V, first_stream, step;
    px_state_copies states; /* taken along */
} px_draw_args;
cudaError_t px_launch_draw(const px_draw_args *args, px_stream stream);

/* ---- update ------------------------------------------------------------------------------------------------------ */

/* The global norm in one launch: partial[b] = sum of squares of block b's share, in double; the block that ends last
 * adds them in order, writes metrics.grad_norm, clip_factor and skip, counts the update, and remembers the first bad
 * step. partial: px_norm_partials(count) doubles. clip = 0: no clipping. */
enum { PX_NORM_BLOCKS_MAX = 1024, PX_NORM_SHARE = 8192 };
static inline size_t px_norm_partials(size_t count)
{
    size_t blocks = (count + PX_NORM_SHARE - 1) / PX_NORM_SHARE;
    if (blocks < 1) return 1;
    return blocks < PX_NORM_BLOCKS_MAX ? blocks : (size_t)PX_NORM_BLOCKS_MAX;
}
typedef struct px_norm_args {
    const float *gradients;
    double *partial;
    px_device_metrics *metrics;
    const px_update_scalars *scalars;
    size_t count;
    double clip;
} px_norm_args;
cudaError_t px_launch_update_norm(const px_norm_args *args, px_stream stream);

/* The optimiser's step (optimizer_step.h) over the flat buffers, each [count], at the rate lr * the span's factor, from
 * g = clip_factor * gradients: g += decay w, or where decay is decoupled w -= lr decay w before it. Then average +=
 * average_weight * (w - average) where average is not NULL, and weights_bf16 = bf16(w) where not NULL. Nothing but the
 * gradients changes where metrics.skip; gradients are cleared in every case (only where they are not zero: most rows of
 * a table are), but for floats [kept_begin, kept_end), which the next step writes before it adds to them. Unused
 * moments are NULL. */
typedef struct px_update_args {
    float *weights, *gradients, *moment1, *moment2, *average;
    px_bf16 *weights_bf16;
    size_t count;
    const px_optimizer_config *optimizer; /* host pointer, read during the call */
    const px_update_scalars *scalars;
    const px_device_metrics *metrics;
    px_rate_spans rates;         /* of the buffers; spans begin at multiples of 4 floats */
    size_t kept_begin, kept_end; /* multiples of 4 */
} px_update_args;
cudaError_t px_launch_update_apply(const px_update_args *args, px_stream stream);

/* ---- layout ------------------------------------------------------------------------------------------------------ */

/* out [count] = bf16(in), rounded to nearest even. */
cudaError_t px_launch_layout_bf16(px_bf16 *out, const float *in, size_t count, px_stream stream);
/* out [cols,rows] = transpose of in [rows,cols]; not overlapping. For reading and writing a one-hot W_xh. */
cudaError_t px_launch_layout_transpose(float *out, const float *in, int32_t rows, int32_t cols, px_stream stream);

/* ---- launches ---------------------------------------------------------------------------------------------------- */

/* 1: on the current device kernels wait for what is before them in their stream (device.h, wait_for_stream), so that a
 * px_stream may overlap. Code that a driver makes of an older architecture's does not, whatever the device. */
int px_kernels_wait(void);

#ifdef __cplusplus
}
#endif
#endif
