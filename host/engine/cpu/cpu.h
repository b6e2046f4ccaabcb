/* The CPU engine's inside: its buffers, and the phases that work on them. Included by the files of this folder alone.
 *
 * Phases over a whole window, named as in kernels/: embed -> recurrence (layer by layer) -> head, then backward in
 * reverse, then update. Weights lie in row layout (parameters.h): a one-hot W_xh is [V,h], so that a token is one row.
 */
#ifndef PX_CPU_H
#define PX_CPU_H

#include "arena.h"
#include "engine.h"
#include "product.h"
#include "rate_scaling.h"
#include "team.h"

/* A weight matrix W [out,in] with its two packed forms: forward multiplies by its transpose, backward by itself. */
typedef struct px_cpu_matrix {
    const px_tensor *tensor;
    int gates;                         /* parts of `out` that are packed by themselves: G of W_hh, else 1 */
    float *w, *g;                      /* values and gradient [out,in] */
    px_panels forward;                 /* [in,out] packed; W_hh gate by gate, each [h,h] from a panel of its own on */
    px_panels backward;                /* [out,in] packed; training only */
    int forward_ready, backward_ready; /* the panels hold the present weights */
} px_cpu_matrix;

typedef struct px_cpu_layer {
    px_cpu_matrix w_hh;
    px_cpu_matrix w_xh;           /* [G h, in]; unused (tensor NULL) where the input is one-hot */
    float *b, *db;                /* [G h] */
    float *b_lone, *db_lone;      /* [h] of the lone gate's recurrent part, or NULL */
    float *h;                     /* [T+1,n,h]: row 0 is the state before the window, row t+1 the output of step t */
    float *s[PX_CELL_STATES_MAX]; /* every state so: s[0] is h */
    float *z; /* [T,n,G h] the input's term, then what the cell keeps, then dz; NULL: a cell that keeps nothing has them
                 in h and d */
    float *z_hh;      /* [T,n,G h] with a lone gate: its recurrent part, then the gradient of H_{t-1} W_hh; else NULL */
    px_panels packed; /* h packed as [(T+1) n, h] for the weight gradients that read it; data NULL unless training */
    float *up;        /* [T,n,h] the dropped copy that goes up, or NULL where no mask applies */
} px_cpu_layer;

/* Row pointers of one step of the recurrence: what px_cell_rows and the products of a step read and write. */
typedef struct px_cpu_rows {
    const float **a, **add; /* of the products */
    float **out;
    float **z, **z_hh, **now[PX_CELL_STATES_MAX], **returns[PX_CELL_STATES_MAX];
    const float **before[PX_CELL_STATES_MAX], **returned[PX_CELL_STATES_MAX];
} px_cpu_rows;

/* An adaptive output layer (host/model/output_layer.h). */
typedef struct px_cpu_adaptive {
    px_cpu_matrix head;                                              /* [c_0 + K, h] */
    px_cpu_matrix tail_in[PX_CUTOFFS_MAX], tail_out[PX_CUTOFFS_MAX]; /* D_i, U_i */
    int32_t *head_targets;          /* [T,n] the head's row that a target belongs to; -1: not scored */
    int32_t *order, *targets;       /* [T n] rows of the window, sorted by cluster, and their targets inside it */
    long begin[PX_CUTOFFS_MAX + 1]; /* cluster i has the places [begin[i], begin[i + 1]) of these */
    float *gathered;                /* [T n, h] what the top layer sends up in the rows of a cluster; its gradient */
    float *t, *dt;                  /* [T n, d_0] T = H D_i^T of these, and its gradient */
} px_cpu_adaptive;

typedef struct px_cpu_head px_cpu_head; /* head.h */
extern const px_cpu_head px_cpu_head_softmax, px_cpu_head_adaptive;

typedef struct px_cpu {
    px_engine base; /* must be first */
    px_optimizer_config optimizer;
    px_rate_spans rates; /* of training */
    px_parameters table;
    const px_isa *isa;
    const px_cell_info *cell;
    long gate_rows; /* G h */
    px_product_context product;
    int threads;
    int parts; /* of a phase whose threads wait for one another: no more than there are processors */
    px_team *team;
    px_arena arena;

    float *w, *g, *m1, *m2, *average; /* flat buffers [table.count]; NULL where there is none */
    int has_m1, has_m2;
    float *states, *eval_states; /* [S,L,groups*n,h], [S,L,n,h]: carried between windows */
    float *next_states;          /* [S,L,n,h]: where a step of decoding leaves them; then the two change places */

    px_cpu_layer layer[PX_MAX_LAYERS];
    float *one_hot, *d_one_hot;     /* W_xh of layer 0 as [V,G h], d = 0 */
    float *embedding, *d_embedding; /* E [V,d], d > 0 */
    px_cpu_matrix projection;       /* tensor NULL unless tied and d != h */
    const px_cpu_head *head;        /* the output layer; of a softmax: */
    px_cpu_matrix output;           /* W_hq [V,h], or E [V,d] where tied */
    float *b_q, *db_q;              /* [V] */
    px_cpu_adaptive adaptive;       /* zeros unless the output layer is one */

    float *x, *dx;                       /* [T,n,d] embedded inputs and their gradient */
    float *d[2];                         /* [T,n,h] gradients of layer outputs; used in turn */
    float *returned[PX_CELL_STATES_MAX]; /* [n,h] gradients of the states that a step has returned past W_hh; NULL where
                                            the cell keeps nothing */
    float *u, *du;                       /* [T,n,d] input of the output layer where projected */
    float *logits;                       /* [px_cpu_chunk_rows(width), width] for every width of the output layer */
    double *nll;                         /* [T,n] */
    float *masked_w;                     /* [G h,h] W_hh under weight dropout; also its gradient's scratch */
    float *zeros;                        /* [max(G h,d)] */
    px_cpu_rows
        rows; /* row pointers of the recurrence, [threads, px_cpu_row_pointers]: a part of the team has its own */

    /* The table of token rows (one-hot W_xh, or E where untied): its gradient is zero but for the rows of tokens seen.
     */
    const px_tensor *sparse;
    unsigned char *touched; /* [V] */
    int32_t *touched_list;  /* [V] */
    double *norms;          /* partial sums of squares */

    unsigned walked;     /* steps of all windows so far: their parity says from which end the next one reads W_hh */
    px_meeting *meeting; /* [threads] between the steps of a recurrence: one for each part of the rows */
    int loss_is_bad;     /* a loss since the last update was not finite */
    px_reducer reducer;  /* start NULL: none */
    int reducing;        /* parts have been started since the last update */
    px_metrics metrics;
    px_phase_times times;
} px_cpu;

/* Row pointers of one part of the team: n in whole cache lines, which it writes at every step. */
static inline size_t px_cpu_row_pointers(const px_cpu *cpu) { return ((size_t)cpu->base.shape.n + 7) / 8 * 8; }

enum {
    PX_CPU_UPDATE_BLOCK = 16384, /* floats of one partial sum of the gradient norm */
    PX_CPU_GROUP = 4             /* panels of W_hh that a step of the recurrence takes before the cell follows */
};

/* Where a window runs: its sizes, its marks, and whether masks apply. */
typedef struct px_cpu_window {
    const px_batch *batch;
    int32_t T, n;
    long rows;    /* T n */
    int training; /* masks apply; carried state is the training one */
    int decoding; /* the layers' states of its one step lie in next_states */
} px_cpu_window;

/* ---- embed.c: from token ids to the input term of layer 0 -------------------------------------------------------- */
void px_cpu_embed_forward(px_cpu *cpu, const px_cpu_window *window);
/* dz [T,n,G h] of layer 0; adds to the gradients of W_xh (one-hot), or of W_xh and E. */
void px_cpu_embed_backward(px_cpu *cpu, const px_cpu_window *window, const float *dz);

/* ---- recurrence.c ------------------------------------------------------------------------------------------------ */
/* Fills layer l's h; layers above 0 multiply what comes up from below first. */
void px_cpu_recurrence_forward(px_cpu *cpu, const px_cpu_window *window, int l);
/* d [T,n,h]: gradient of layer l's outputs, used up. Returns dz [T,n,G h], in d or in the layer. Adds to dW_hh and
 * db_h. The packed h is used up (rows under a reset are zeroed). */
float *px_cpu_recurrence_backward(px_cpu *cpu, const px_cpu_window *window, int l, float *d);
/* dW_xh of layer l > 0 from dz, and the gradient of the output of the layer below into d_below. */
void px_cpu_between_backward(px_cpu *cpu, const px_cpu_window *window, int l, const float *dz, float *d_below);
/* Where the input's term of layer l [T,n,G h] goes before the recurrence: z, or h in the place of H_1 to H_T. */
float *px_cpu_input_term(const px_cpu *cpu, const px_cpu_window *window, int l);
/* What layer l sends up: h itself or its dropped copy. */
const float *px_cpu_layer_output(const px_cpu *cpu, const px_cpu_window *window, int l);

/* ---- head.c: logits, loss, and the gradient of the top layer's outputs ------------------------------------------- */
/* Rows of a chunk of logits that are `width` wide. */
long px_cpu_chunk_rows(const px_cpu *cpu, long width);
void px_cpu_head_train(px_cpu *cpu, const px_cpu_window *window, float *d_top);
void px_cpu_head_evaluate(px_cpu *cpu, const px_cpu_window *window, float *token_nll);
void px_cpu_head_probabilities(px_cpu *cpu, const px_cpu_window *window, float *probabilities);

/* ---- reduce.c: the flat gradient in the parts that become final together, last ones first ------------------------ */
/* Everything behind the layers (output layer, projection); layer l > 0; layer 0 with the token table. Without a
 * reducer, or where more windows follow before the update, nothing happens. */
px_status px_cpu_reduce_head(px_cpu *cpu, const px_cpu_window *window);
px_status px_cpu_reduce_layer(px_cpu *cpu, const px_cpu_window *window, int l);
px_status px_cpu_reduce_finish(px_cpu *cpu);
/* Rows of the training state that all groups have together. */
size_t px_cpu_streams(const px_cpu *cpu);

/* ---- update.c ---------------------------------------------------------------------------------------------------- */
void px_cpu_update(px_cpu *cpu, const px_update *update);
void px_cpu_touch_all(px_cpu *cpu);

/* ---- masks.c: dropout of rows [T,n,width] ------------------------------------------------------------------------ */
/* out = in under the mask of (purpose, layer) with probability p; out may be in. */
void px_cpu_mask_rows(px_cpu *cpu, const px_cpu_window *window, uint32_t purpose, uint32_t layer, double p, long width,
                      const float *in, float *out);
/* Whether a factor applies to the row that is looked up for a token; and that factor: of the embedding's mask, and of
 * the input's where that is one-hot (of width V, its element is the token). */
int px_cpu_masks_tokens(const px_cpu *cpu, const px_cpu_window *window);
float px_cpu_mask_token(const px_cpu *cpu, const px_cpu_window *window, long row, int32_t token);
/* out [G h,h] = W under layer l's weight mask of this window's step. */
void px_cpu_mask_weights(px_cpu *cpu, const px_cpu_window *window, int l, const float *in, float *out);

/* ---- read.c: see px_engine_read_weights ---------------------------------------------------------------------------- */
void px_cpu_read_weights(px_cpu *cpu, px_weights which, int32_t passes, px_weight_reading *result);

/* ---- penalties.c */
int px_cpu_has_penalties(const px_cpu *cpu);
/* d [T,n,h] += the penalties' gradient of the top layer's outputs: below the mask of what goes up. */
void px_cpu_add_penalties(px_cpu *cpu, const px_cpu_window *window, float *d);

/* ---- dense.c: products of activations with weight matrices ------------------------------------------------------- */
/* x W^T for all rows: the forward product of a matrix. A row's bits do not depend on the rows beside it. */
void px_cpu_forward_product(px_cpu *cpu, px_cpu_matrix *matrix, long rows, const float *x, const float *bias,
                            float *out);
/* dx = dy W, and dW += dy^T x. */
void px_cpu_data_gradient(px_cpu *cpu, px_cpu_matrix *matrix, long rows, const float *dy, float *dx);
void px_cpu_weight_gradient(px_cpu *cpu, const px_cpu_matrix *matrix, long rows, const float *dy, const float *x);
/* The same where x is rows [first, first + rows) of a packed matrix. */
void px_cpu_weight_gradient_packed(px_cpu *cpu, const px_cpu_matrix *matrix, long rows, const float *dy,
                                   const px_panels *x, long first);
/* The same where x is rows [first, first + rows) of what layer l sends up, packed or not. */
void px_cpu_weight_gradient_of_layer(px_cpu *cpu, const px_cpu_window *window, const px_cpu_matrix *matrix, long rows,
                                     const float *dy, int l, long first);
/* Packs W (given as w, which may be a masked copy) for forward or backward products. */
void px_cpu_pack_matrix(px_cpu *cpu, px_cpu_matrix *matrix, const float *w, int backward);
/* One gate's panels of a matrix that is packed for forward products. */
px_panels px_cpu_gate_panels(const px_cpu *cpu, const px_cpu_matrix *matrix, int gate);
/* Packs the present weights unless they are. */
void px_cpu_ready(px_cpu *cpu, px_cpu_matrix *matrix, int backward);
/* To be called when weights have changed. */
void px_cpu_weights_changed(px_cpu *cpu);
/* sums [count] += the sum of rows of x [rows,count], in row order. */
void px_cpu_add_columns(px_cpu *cpu, const float *x, long rows, long count, float *sums);
/* Hands out columns [0, count) of something of `rows` rows, in whole cache lines; and rows of `width` floats. */
void px_cpu_for_columns(px_cpu *cpu, long count, long rows, px_team_body body, void *context);
void px_cpu_for_rows(px_cpu *cpu, long rows, long width, px_team_body body, void *context);

#endif
