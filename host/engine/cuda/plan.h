/* The memory plan: every buffer of a CUDA engine, its size and its place.
 *
 * One function walks through all buffers. Without memory it adds up their sizes (what `--dry-run` prints and create()
 * asks for); with memory it hands out the pointers. So prediction and allocation cannot differ. One arena per lifetime:
 * parameters, gradients, moments, averages, activations, workspace, each one cudaMalloc; and one of pinned host memory.
 *
 * Letters: rows = T * n of the configured shape; k = width of the head's input (d where tied, else h). "operand"
 * buffers are fp32, or bf16 in bf16 mode: what the products read. */
#ifndef PX_CUDA_PLAN_H
#define PX_CUDA_PLAN_H

#include "devices.h"
#include "engine.h"
#include "kernels.h"

typedef struct px_cuda_variant px_cuda_variant; /* variants.h */

typedef enum px_cuda_arena_kind {
    PX_ARENA_PARAMETERS,
    PX_ARENA_GRADIENTS,
    PX_ARENA_MOMENTS,
    PX_ARENA_AVERAGES,
    PX_ARENA_ACTIVATIONS,
    PX_ARENA_WORKSPACE,
    PX_ARENA_PINNED, /* host memory */
    PX_ARENA_COUNT
} px_cuda_arena_kind;

/* Memory being handed out; base NULL: only counted. */
typedef struct px_cuda_arena {
    unsigned char *base;
    size_t used;
} px_cuda_arena;

/* One window as it is staged: pointers into one block, on the host and on the device alike. */
typedef struct px_cuda_window {
    px_window_scalars *scalars;
    px_draw *draw;             /* of windows whose tokens are drawn */
    int32_t *tokens, *targets; /* [rows] */
    /* of an adaptive output layer, [rows] each: rows of its head that the targets belong to, -1: not scored; rows of
     * the window sorted by cluster, and their targets inside it */
    int32_t *head_targets, *cluster_order, *cluster_targets;
    int32_t *order; /* [rows]; only where training */
    uint8_t *reset; /* [rows] */
} px_cuda_window;

/* Buffers of one layer. */
typedef struct px_cuda_layer {
    float *h; /* [(T + 1) n, h]: rows of step -1 hold the carried state, the others first the input's term, then H_t */
    px_bf16 *h_bf16;              /* [(T + 1) n, h] in bf16 mode, else NULL */
    float *s[PX_CELL_STATES_MAX]; /* every state of the cell so; s[0] is h */
    float *z; /* [rows, G h] where the cell keeps its gates: the input's term, then what is kept, then dZ; else NULL */
    float *u; /* [rows,h] of a lone gate: its recurrent part, then the gradient of that; else NULL */
    void *output; /* operand [rows,h]: the dropped copy that goes up; NULL without dropout */
    void *w_hat;  /* operand [G h,h]: W_hh under weight dropout; NULL without */
} px_cuda_layer;

typedef struct px_cuda_buffers {
    /* parameters */
    float *weights;            /* [count], row layout */
    px_bf16 *weights_bf16;     /* [count] in bf16 mode, else NULL */
    float *state, *eval_state; /* [S,L,groups,n,h] only where training; [S,L,n,h] */
    px_device_metrics *metrics;
    px_update_scalars *update_scalars;
    /* gradients, moments, averages; NULL where there are none */
    float *gradients, *moment1, *moment2, *average;
    double *norm_partial;
    float *swap; /* [plan.swap_count]: on the way between parameters and averages */
    /* activations */
    unsigned char *slot[2], *window_block; /* the two staged windows, and the one that is computed on: [window_bytes] */
    px_cuda_window window;                 /* inside window_block */
    px_cuda_layer layer[PX_MAX_LAYERS];
    void *x; /* operand [rows,d]; NULL where d = 0 */
    float
        *recurrent[PX_MAX_LAYERS]; /* the variant's workspace: of "step" [n, G h], the recurrent product of one step. It
                           is one for all layers, as are those below that say so, but where there is a wavefront */
    float *returned[PX_CELL_STATES_MAX]; /* [n,h] where the cell keeps its gates: gradients that a step has returned
                                            past W_hh */
    void *u;                             /* operand [rows,d]: projected head input; NULL without projection */
    float *u_wide;                       /* [rows,d] fp32 result of the projection in bf16 mode, else NULL */
    void *logits; /* [px_cuda_head_rows(width), width] for every width of the output layer, then their gradients; bf16
                     where training in bf16 mode, else fp32 */
    float *probabilities; /* [next_rows, V] */
    int32_t *drawn;       /* [PX_DECODE_TOKENS_MAX, n] */
    /* of an adaptive output layer, else NULL; d_0 is the width of its first cluster */
    float *zeros;                 /* [columns]: it has no bias */
    float *head_probabilities;    /* [next_rows, c_0 + K] */
    float *cluster_probabilities; /* [next_rows, a cluster's width], V - c_0 at most */
    void *gathered;               /* operand [rows,h]: what goes up in the rows of a cluster */
    void *t;                      /* operand [rows,d_0]: T of these */
    float *t_wide;                /* [rows,d_0] in bf16 mode */
    float *tail_nll;              /* [rows] */
    float *d_gathered, *dt;       /* [rows,h], [rows,d_0] gradients of both; only where training */
    px_bf16 *dt_bf16;             /* [rows,d_0] in bf16 mode */
    float *nll;                   /* [rows] */
    float
        *d_output[PX_MAX_LAYERS]; /* [rows,h]: gradients of the layers' outputs, two for all; dZ replaces them but where
                           a layer has a z */
    px_bf16 *dz_bf16[PX_MAX_LAYERS]; /* [rows, G h] in bf16 mode; one for all */
    void *dz_hh;      /* operand [rows, G h] with a lone gate: the gradient of H_{t-1} W_hh; else NULL, for it is dZ */
    float *dx;        /* [rows,d]: gradient of the embedded input, before that of the projection */
    px_bf16 *du_bf16; /* [rows,d] in bf16 mode with a projection */
    float *dw_hat;    /* [G h,h]: gradient of the dropped W_hh */
    float *embed_partial, *column_partial;
    /* workspace */
    void *blas_workspace[PX_MAX_LAYERS]; /* of each lane */
    /* pinned host memory */
    unsigned char *pinned_slot[2]; /* [window_bytes] */
    px_update_scalars *pinned_update[2];
    px_stall *pinned_stall; /* written by kernels that waited in vain */
    px_device_metrics *pinned_metrics;
    float *pinned_nll;           /* [rows] */
    float *pinned_probabilities; /* [next_rows, V] */
    int32_t *pinned_drawn;       /* [PX_DECODE_TOKENS_MAX, n] */
} px_cuda_buffers;

typedef struct px_cuda_plan {
    px_model_config model;
    px_optimizer_config optimizer;
    px_engine_shape shape;
    px_parameters table;      /* of the device (layout.h) */
    px_parameters file_table; /* of the seam and of files */
    px_rate_spans rates;
    size_t rows; /* T * n */
    int32_t d, h, V, L, k;
    int32_t columns;           /* of a row of V logits: V rounded up (layout.h) */
    int32_t gate_rows, states; /* G h, S */
    int32_t keeps, lone;       /* of the cell (cells.h) */
    int32_t groups;            /* of n streams each, at least 1 */
    int32_t bf16;              /* 1: bf16 operands */
    int32_t projection;        /* 1: tied with d != h */
    int32_t adaptive;          /* 1: an adaptive output layer */
    int32_t has_moment1, has_moment2;
    int32_t head_rows;              /* rows of a chunk of V logits; of evaluation where there is no training */
    int32_t next_rows;              /* of probabilities that are made at a time */
    size_t memory_bytes;            /* of the device, in all; 0: not known */
    const px_cuda_variant *variant; /* of the recurrence */
    px_products products;           /* who makes those of the output layer (head.h) */
    int32_t wavefront;              /* steps of a piece; 0: layers run one after the other (wavefront.h) */
    size_t window_bytes;
    size_t swap_count; /* floats that are exchanged at a time */
    size_t bytes[PX_ARENA_COUNT];
} px_cuda_plan;

/* info: the device; zeros: not known, and memory of a common size is assumed. PX_ERR_ARGUMENT for impossible
 * sizes, PX_ERR_DEVICE where the variant asked for is not for them. */
px_status px_cuda_plan_make(const px_model_config *model, const px_optimizer_config *optimizer,
                            const px_engine_shape *shape, const px_device_info *info, px_cuda_plan *plan);
/* Rows of a chunk of logits that are `width` wide, in a window of training or not. */
int32_t px_cuda_head_rows(const px_cuda_plan *plan, int32_t width, int training);
/* Hands out all buffers; arenas[i].base has plan->bytes[i] bytes, or is NULL where that is 0. */
void px_cuda_plan_cut(const px_cuda_plan *plan, px_cuda_arena arenas[PX_ARENA_COUNT], px_cuda_buffers *buffers);
/* The pointers into one staged window. */
px_cuda_window px_cuda_window_at(const px_cuda_plan *plan, unsigned char *block);
px_engine_memory px_cuda_plan_memory(const px_cuda_plan *plan);

#endif
