/* Every buffer of the reference engine: how many bytes each takes and counts as, and cutting them from the arena. */
#include "check.h"
#include "reference_internal.h"

/* One block: where its address goes, how large it is, and what it counts as. */
typedef struct block {
    void *at; /* the address of a pointer member */
    size_t bytes;
    size_t *counted;
} block;

enum { BLOCKS_MAX = 28 };

/* Every buffer of an engine, for predicting bytes and for cutting them alike. */
static int list_blocks(reference *r, px_engine_memory *memory, block list[BLOCKS_MAX])
{
    size_t count = r->table.count, L = (size_t)r->model.layers, h = (size_t)r->model.hidden, d = (size_t)r->model.embed;
    size_t n = (size_t)r->shape.n, rows = (size_t)r->shape.T * n, wide = d > h ? d : h;
    const px_optimizer_row *optimizer = px_optimizer_of(r->optimizer.kind);
    int b = 0;
    size_t blocks = px_state_blocks(&r->model), gates = gate_rows(&r->model);

    list[b++] = (block){&r->w, count * sizeof(float), &memory->parameters};
    list[b++] = (block){&r->eval_state, blocks * n * h * sizeof(float), &memory->activations};
    list[b++] = (block){&r->x, rows * (d > 0 ? d : 1) * sizeof(double), &memory->activations};
    list[b++] = (block){&r->h, blocks * (rows + n) * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->z, L * rows * gates * sizeof(double), &memory->activations};
    if (cell_of(r)->lone != PX_NO_GATE)
        list[b++] = (block){&r->lone, L * rows * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->up, L * rows * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->w_hh, L * gates * h * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->u, wide * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->o, ((size_t)r->model.vocab + PX_CUTOFFS_MAX) * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->next_reset, n, &memory->workspace};
    if (!r->shape.training) return b;
    list[b++] = (block){&r->dw, count * sizeof(float), &memory->gradients};
    list[b++] = (block){&r->grad, count * sizeof(double), &memory->gradients};
    list[b++] = (block){&r->state, blocks * streams_carried(r) * h * sizeof(float), &memory->activations};
    list[b++] = (block){&r->dx, rows * wide * sizeof(double), &memory->activations};
    list[b++] = (block){&r->dup, rows * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->dz, gates * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->dz_hh, gates * sizeof(double), &memory->workspace};
    list[b++] = (block){&r->dh, (size_t)cell_of(r)->states * n * h * sizeof(double), &memory->activations};
    list[b++] = (block){&r->du, wide * sizeof(double), &memory->workspace};
    if (optimizer->moment1) list[b++] = (block){&r->moment1, count * sizeof(float), &memory->moments};
    if (optimizer->moment2) list[b++] = (block){&r->moment2, count * sizeof(float), &memory->moments};
    if (r->shape.averaging) list[b++] = (block){&r->average, count * sizeof(float), &memory->averages};
    assert(b <= BLOCKS_MAX);
    return b;
}

px_status reference_prepare(reference *r, const px_model_config *model, const px_optimizer_config *optimizer,
                            const px_engine_shape *shape, px_engine_memory *memory)
{
    block list[BLOCKS_MAX];
    r->model = *model;
    r->head = model->output == PX_OUTPUT_ADAPTIVE ? &reference_head_adaptive : &reference_head_softmax;
    r->optimizer = *optimizer;
    r->shape = *shape;
    r->metrics.bad_step = -1;
    *memory = (px_engine_memory){0};
    PX_TRY(px_parameters_make(model, &r->table));
    const int blocks = list_blocks(r, memory, list);
    for (int b = 0; b < blocks; b++) {
        *list[b].counted += px_arena_round(list[b].bytes);
        memory->total += px_arena_round(list[b].bytes);
    }
    return PX_OK;
}

px_status reference_allocate(reference *r)
{
    px_engine_memory memory = {0};
    block list[BLOCKS_MAX];
    size_t total = 0;
    const int blocks = list_blocks(r, &memory, list);
    for (int b = 0; b < blocks; b++) total += px_arena_round(list[b].bytes);
    PX_TRY(px_arena_create(&r->arena, total, "the reference engine"));
    for (int b = 0; b < blocks; b++) {
        void *bytes = px_arena_take(&r->arena, list[b].bytes);
        memcpy(list[b].at, &bytes, sizeof bytes); /* float * and double * members alike */
    }
    return PX_OK;
}
