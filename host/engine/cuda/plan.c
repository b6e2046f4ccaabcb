/* The memory plan of a CUDA engine: see plan.h. */
#include "plan.h"
#include "blas.h"
#include "check.h"
#include "layout.h"
#include "variants.h"
#include "head.h"
#include "wavefront.h"

#include <string.h>

enum {
    ALIGN = 256,          /* what cudaMalloc aligns to; enough for every vector access */
    HEAD_ROWS_MIN = 64,   /* below, products of a chunk no longer fill a GPU */
    HEAD_SHARE = 32,      /* a chunk of logits has this part of the device's memory */
    SWAP_FLOATS = 1 << 20 /* parameters and averages are exchanged in pieces of this size */
};
static const size_t MEMORY_ASSUMED_BYTES = (size_t)8 << 30; /* used where no device has been asked */
static const size_t PROBABILITIES_BYTES = (size_t)32 << 20; /* that go to the host at a time */

static size_t round_up(size_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

/* The next block of an arena; NULL while only counting, or where the block is empty. */
static void *take(px_cuda_arena *arena, size_t bytes)
{
    void *block = arena->base && bytes ? arena->base + arena->used : NULL;
    arena->used += round_up(bytes);
    return block;
}

/* The scalars of a staged window, and how its token is drawn, stand before its arrays. */
static size_t window_head_bytes(void) { return round_up(sizeof(px_window_scalars) + sizeof(px_draw)); }

/* Offsets inside a staged window: wide elements first, so that each array is aligned. */
px_cuda_window px_cuda_window_at(const px_cuda_plan *plan, unsigned char *block)
{
    size_t ids = plan->rows * sizeof(int32_t);
    unsigned char *at = block + window_head_bytes();
    px_cuda_window window = {.scalars = (px_window_scalars *)block,
                             .draw = (px_draw *)(block + sizeof(px_window_scalars))};
    window.tokens = (int32_t *)at;
    at += ids;
    window.targets = (int32_t *)at;
    at += ids;
    if (plan->shape.training) {
        window.order = (int32_t *)at;
        at += ids;
    }
    if (plan->adaptive) {
        window.head_targets = (int32_t *)at;
        window.cluster_order = (int32_t *)(at + ids);
        window.cluster_targets = (int32_t *)(at + 2 * ids);
        at += 3 * ids;
    }
    window.reset = at;
    return window;
}

static void cut_parameters(const px_cuda_plan *plan, px_cuda_arena *arenas, px_cuda_buffers *b)
{
    size_t count = plan->table.count,
           state = px_state_blocks(&plan->model) * (size_t)plan->shape.n * (size_t)plan->h * sizeof(float);
    px_cuda_arena *parameters = &arenas[PX_ARENA_PARAMETERS];
    b->weights = take(parameters, count * sizeof(float));
    b->weights_bf16 = take(parameters, plan->bf16 ? count * sizeof(px_bf16) : 0);
    b->eval_state = take(parameters, state);
    b->state = take(parameters, plan->shape.training ? (size_t)plan->groups * state : 0);
    b->metrics = take(parameters, sizeof(px_device_metrics));
    b->update_scalars = take(parameters, sizeof(px_update_scalars));
    if (plan->shape.training) {
        b->gradients = take(&arenas[PX_ARENA_GRADIENTS], count * sizeof(float));
        b->norm_partial = take(&arenas[PX_ARENA_GRADIENTS], px_norm_partials(count) * sizeof(double));
        b->moment1 = take(&arenas[PX_ARENA_MOMENTS], plan->has_moment1 ? count * sizeof(float) : 0);
        b->moment2 = take(&arenas[PX_ARENA_MOMENTS], plan->has_moment2 ? count * sizeof(float) : 0);
    }
    if (plan->shape.averaging) {
        b->average = take(&arenas[PX_ARENA_AVERAGES], count * sizeof(float));
        b->swap = take(&arenas[PX_ARENA_AVERAGES], plan->swap_count * sizeof(float));
    }
}

/* Bytes of a logit: what training makes of it is an operand. */
static size_t logit_bytes(const px_cuda_plan *plan, int training)
{
    return plan->bf16 && training ? sizeof(px_bf16) : sizeof(float);
}

/* Of a chunk of that width, whatever the window is for. */
static size_t chunk_bytes(const px_cuda_plan *plan, int32_t width)
{
    size_t most = 0;
    for (int training = 0; training <= plan->shape.training; training++) {
        const size_t rows = (size_t)px_cuda_head_rows(plan, width, training),
                     bytes = rows * (size_t)width * logit_bytes(plan, training);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* A chunk of logits of every width that the output layer has. */
static size_t logits_bytes(const px_cuda_plan *plan)
{
    const px_cutoffs *cutoffs = &plan->model.cutoffs;
    if (!plan->adaptive) return chunk_bytes(plan, plan->columns);
    size_t most = chunk_bytes(plan, px_cuda_columns(px_cutoffs_head_rows(cutoffs)));
    for (int32_t i = 0; i < cutoffs->count; i++) {
        const px_cluster cluster = px_cutoffs_cluster(cutoffs, plan->V, plan->h, i);
        const size_t some = chunk_bytes(plan, px_cuda_columns(cluster.end - cluster.begin));
        most = some > most ? some : most;
    }
    return most;
}

/* Rows of probabilities that are made at a time. */
static int32_t next_rows(const px_cuda_plan *plan)
{
    const size_t fit = PROBABILITIES_BYTES / ((size_t)plan->V * sizeof(float));
    const int32_t chunk = px_cuda_head_rows(plan, plan->columns, 0),
                  most = plan->shape.n < chunk ? plan->shape.n : chunk;
    return fit < 1 ? 1 : fit < (size_t)most ? (int32_t)fit : most;
}

static void cut_adaptive(const px_cuda_plan *plan, px_cuda_arena *arena, px_cuda_buffers *b)
{
    const px_cutoffs *cutoffs = &plan->model.cutoffs;
    const size_t rows = plan->rows, h = (size_t)plan->h;
    const size_t d_0 = (size_t)px_cutoffs_cluster(cutoffs, plan->V, plan->h, 0).width;
    const size_t operand = plan->bf16 ? sizeof(px_bf16) : sizeof(float);
    const int training = plan->shape.training;
    b->zeros = take(arena, (size_t)plan->columns * sizeof(float));
    b->head_probabilities =
        take(arena, (size_t)plan->next_rows * (size_t)px_cutoffs_head_rows(cutoffs) * sizeof(float));
    b->cluster_probabilities =
        take(arena, (size_t)plan->next_rows * (size_t)(plan->V - cutoffs->at[0]) * sizeof(float));
    b->gathered = take(arena, rows * h * operand);
    b->t = take(arena, rows * d_0 * operand);
    b->t_wide = take(arena, plan->bf16 ? rows * d_0 * sizeof(float) : 0);
    b->tail_nll = take(arena, rows * sizeof(float));
    b->d_gathered = take(arena, training ? rows * h * sizeof(float) : 0);
    b->dt = take(arena, training ? rows * d_0 * sizeof(float) : 0);
    b->dt_bf16 = take(arena, training && plan->bf16 ? rows * d_0 * sizeof(px_bf16) : 0);
}

/* Whether layer l uses the first one's of what one layer at a time needs. */
static int is_shared(const px_cuda_plan *plan, int32_t l) { return l > 0 && plan->wavefront == 0; }

/* What the forward pass of a window needs. */
static void cut_forward(const px_cuda_plan *plan, px_cuda_arena *arena, px_cuda_buffers *b)
{
    const px_model_config *model = &plan->model;
    size_t rows = plan->rows, h = (size_t)plan->h, d = (size_t)plan->d, n = (size_t)plan->shape.n;
    size_t operand = plan->bf16 ? sizeof(px_bf16) : sizeof(float), h_rows = rows + n, gates = (size_t)plan->gate_rows;
    int training = plan->shape.training;
    b->slot[0] = take(arena, plan->window_bytes);
    b->slot[1] = take(arena, plan->window_bytes);
    b->window_block = take(arena, plan->window_bytes);
    if (b->window_block) b->window = px_cuda_window_at(plan, b->window_block);
    b->x = take(arena, rows * d * operand);
    for (int32_t l = 0; l < plan->L; l++) {
        px_cuda_layer *layer = &b->layer[l];
        double dropout = l + 1 < plan->L ? model->dropout_between : model->dropout_output;
        for (int s = 0; s < plan->states; s++) layer->s[s] = take(arena, h_rows * h * sizeof(float));
        layer->h = layer->s[0];
        layer->z = take(arena, plan->keeps ? rows * gates * sizeof(float) : 0);
        layer->u = take(arena, plan->lone != PX_NO_GATE ? rows * h * sizeof(float) : 0);
        layer->h_bf16 = take(arena, plan->bf16 ? h_rows * h * sizeof(px_bf16) : 0);
        layer->output = take(arena, training && dropout > 0 ? rows * h * operand : 0);
        layer->w_hat = take(arena, training && model->dropout_weight > 0 ? gates * h * operand : 0);
    }
    for (int32_t l = 0; l < plan->L; l++)
        b->recurrent[l] = is_shared(plan, l) ? b->recurrent[0] : take(arena, plan->variant->workspace(plan));
    b->u = take(arena, plan->projection ? rows * d * operand : 0);
    b->u_wide = take(arena, plan->projection && plan->bf16 ? rows * d * sizeof(float) : 0);
    b->logits = take(arena, logits_bytes(plan));
    b->probabilities = take(arena, (size_t)plan->next_rows * (size_t)plan->V * sizeof(float));
    b->drawn = take(arena, PX_DECODE_TOKENS_MAX * n * sizeof(int32_t));
    if (plan->adaptive) cut_adaptive(plan, arena, b);
    b->nll = take(arena, rows * sizeof(float));
}

static void cut_backward(const px_cuda_plan *plan, px_cuda_arena *arena, px_cuda_buffers *b)
{
    size_t rows = plan->rows, h = (size_t)plan->h, d = (size_t)plan->d;
    size_t gates = (size_t)plan->gate_rows, n = (size_t)plan->shape.n;
    /* the top layer's first; without a wavefront the third's is the first's again */
    for (int32_t l = plan->L - 1; l >= 0; l--) {
        const int again = plan->wavefront == 0 && l < plan->L - 2;
        b->d_output[l] = again ? b->d_output[l + 2] : take(arena, rows * h * sizeof(float));
    }
    for (int32_t l = 0; l < plan->L; l++)
        b->dz_bf16[l] =
            is_shared(plan, l) ? b->dz_bf16[0] : take(arena, plan->bf16 ? rows * gates * sizeof(px_bf16) : 0);
    b->dz_hh =
        take(arena, plan->lone != PX_NO_GATE ? rows * gates * (plan->bf16 ? sizeof(px_bf16) : sizeof(float)) : 0);
    for (int s = 0; s < plan->states; s++) b->returned[s] = take(arena, plan->keeps ? n * h * sizeof(float) : 0);
    b->dx = take(arena, rows * d * sizeof(float));
    b->du_bf16 = take(arena, plan->bf16 && plan->projection ? rows * d * sizeof(px_bf16) : 0);
    b->dw_hat = take(arena, plan->model.dropout_weight > 0 ? gates * h * sizeof(float) : 0);
    b->embed_partial = take(arena, px_embed_partial_floats(rows, plan->d ? d : gates) * sizeof(float));
    size_t column = px_column_sum_partial_floats(rows, gates + (plan->lone != PX_NO_GATE ? h : 0));
    size_t segments = (size_t)(plan->head_rows < PX_HEAD_SEGMENTS ? plan->head_rows : PX_HEAD_SEGMENTS);
    size_t column_head = plan->adaptive ? 0 : segments * (size_t)plan->columns;
    b->column_partial = take(arena, (column > column_head ? column : column_head) * sizeof(float));
}

static void cut_pinned(const px_cuda_plan *plan, px_cuda_arena *arena, px_cuda_buffers *b)
{
    for (int i = 0; i < 2; i++) {
        b->pinned_slot[i] = take(arena, plan->window_bytes);
        b->pinned_update[i] = take(arena, sizeof(px_update_scalars));
    }
    b->pinned_stall = take(arena, sizeof(px_stall));
    b->pinned_metrics = take(arena, sizeof(px_device_metrics));
    b->pinned_nll = take(arena, plan->rows * sizeof(float));
    b->pinned_probabilities = take(arena, (size_t)plan->next_rows * (size_t)plan->V * sizeof(float));
    b->pinned_drawn = take(arena, PX_DECODE_TOKENS_MAX * (size_t)plan->shape.n * sizeof(int32_t));
}

void px_cuda_plan_cut(const px_cuda_plan *plan, px_cuda_arena arenas[PX_ARENA_COUNT], px_cuda_buffers *buffers)
{
    *buffers = (px_cuda_buffers){0};
    for (int i = 0; i < PX_ARENA_COUNT; i++) arenas[i].used = 0;
    cut_parameters(plan, arenas, buffers);
    cut_forward(plan, &arenas[PX_ARENA_ACTIVATIONS], buffers);
    if (plan->shape.training) cut_backward(plan, &arenas[PX_ARENA_ACTIVATIONS], buffers);
    for (int32_t l = 0; l < plan->L; l++)
        if (!is_shared(plan, l))
            buffers->blas_workspace[l] = take(&arenas[PX_ARENA_WORKSPACE], PX_BLAS_WORKSPACE_BYTES);
    cut_pinned(plan, &arenas[PX_ARENA_PINNED], buffers);
}

/* Rows of a chunk of logits. Long products gain more than logits that stay in the L2 cache (H200, 10,000 wide, tf32:
 * 340 TFLOP/s at 16,384 rows, 107 to 232 at the 780 that fit there), so a chunk is as long as its share of the device's
 * memory in all allows, which no other program changes; the chunks of a window are of about the same length. */
int32_t px_cuda_head_rows(const px_cuda_plan *plan, int32_t width, int training)
{
    const size_t budget = (plan->memory_bytes ? plan->memory_bytes : MEMORY_ASSUMED_BYTES) / HEAD_SHARE;
    size_t fit = budget / ((size_t)width * logit_bytes(plan, training));
    if (fit < HEAD_ROWS_MIN) fit = HEAD_ROWS_MIN;
    const size_t chunks = (plan->rows + fit - 1) / fit;
    return (int32_t)((plan->rows + chunks - 1) / chunks);
}

px_status px_cuda_plan_make(const px_model_config *model, const px_optimizer_config *optimizer,
                            const px_engine_shape *shape, const px_device_info *info, px_cuda_plan *plan)
{
    *plan = (px_cuda_plan){.model = *model, .optimizer = *optimizer, .shape = *shape};
    if (shape->n < 1 || shape->T < 1)
        return px_fail(PX_ERR_ARGUMENT, "--batch %d, --steps %d: both must be at least 1", shape->n, shape->T);
    plan->rows = (size_t)shape->T * (size_t)shape->n;
    if (plan->rows > (size_t)1 << 30)
        return px_fail(PX_ERR_ARGUMENT, "--batch %d times --steps %d: a window of more than 2^30 tokens; lower one",
                       shape->n, shape->T);
    PX_TRY(px_parameters_make(model, &plan->file_table));
    plan->table = px_cuda_layout(&plan->file_table, model->tied);
    plan->rates = px_rate_spans_make(&plan->table, model, optimizer);
    plan->d = model->embed;
    plan->h = model->hidden;
    plan->V = model->vocab;
    plan->L = model->layers;
    const px_cell_info *cell = px_cell_of(model->cell);
    plan->gate_rows = cell->gates * plan->h;
    plan->states = cell->states;
    plan->keeps = cell->keeps;
    plan->lone = cell->lone;
    plan->groups = shape->groups > 1 ? shape->groups : 1;
    plan->k = model->tied ? plan->d : plan->h;
    plan->bf16 = shape->precision == PX_BF16;
    plan->projection = model->tied && plan->d != plan->h;
    plan->has_moment1 = px_optimizer_of(optimizer->kind)->moment1;
    plan->has_moment2 = px_optimizer_of(optimizer->kind)->moment2;
    plan->swap_count = plan->table.count < SWAP_FLOATS ? plan->table.count : SWAP_FLOATS;
    plan->adaptive = model->output == PX_OUTPUT_ADAPTIVE;
    plan->memory_bytes = info->memory_bytes;
    plan->columns = px_cuda_columns(plan->V);
    plan->head_rows = px_cuda_head_rows(plan, plan->columns, shape->training);
    plan->next_rows = next_rows(plan);
    PX_TRY(px_cuda_choose_variant(plan, info, &plan->variant));
    PX_TRY(px_cuda_choose_wavefront(plan, info, &plan->wavefront));
    PX_TRY(px_cuda_choose_products(plan, &plan->products));
    plan->window_bytes = round_up(
        window_head_bytes() +
        plan->rows * (((shape->training ? 3 : 2) + (plan->adaptive ? 3 : 0)) * sizeof(int32_t) + sizeof(uint8_t)));
    px_cuda_arena arenas[PX_ARENA_COUNT] = {0};
    px_cuda_buffers buffers;
    px_cuda_plan_cut(plan, arenas, &buffers);
    for (int i = 0; i < PX_ARENA_COUNT; i++) plan->bytes[i] = arenas[i].used;
    return PX_OK;
}

px_engine_memory px_cuda_plan_memory(const px_cuda_plan *plan)
{
    const size_t *bytes = plan->bytes;
    px_engine_memory memory = {
        .parameters = bytes[PX_ARENA_PARAMETERS],
        .gradients = bytes[PX_ARENA_GRADIENTS],
        .moments = bytes[PX_ARENA_MOMENTS],
        .averages = bytes[PX_ARENA_AVERAGES],
        .activations = bytes[PX_ARENA_ACTIVATIONS],
        .workspace = bytes[PX_ARENA_WORKSPACE],
    };
    memory.total =
        memory.parameters + memory.gradients + memory.moments + memory.averages + memory.activations + memory.workspace;
    return memory;
}
