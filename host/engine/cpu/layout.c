/* Where everything of a CPU engine lies: one walk over all buffers that either counts bytes (memory prediction) or cuts
 * the arena, so that what --dry-run says and what create() allocates cannot differ. */
#include "layout.h"

#include <string.h>

typedef struct cutter {
    px_arena *arena; /* NULL: count only */
    size_t *bytes;   /* the class that is counted into */
    size_t total;
} cutter;

static void *take(cutter *cut, size_t bytes)
{
    *cut->bytes += px_arena_round(bytes);
    cut->total += px_arena_round(bytes);
    return cut->arena ? px_arena_take(cut->arena, bytes) : NULL;
}

static float *floats(cutter *cut, size_t count) { return take(cut, sizeof(float) * count); }

static void matrix(cutter *cut, px_cpu *cpu, px_cpu_matrix *m, const px_tensor *tensor, int gates)
{
    m->tensor = tensor;
    m->gates = gates;
    if (!tensor) return;
    m->forward.data = floats(cut, (size_t)gates * px_panels_floats(cpu->isa, tensor->cols, tensor->rows / gates));
    if (cpu->base.shape.training)
        m->backward.data = floats(cut, px_panels_floats(cpu->isa, tensor->rows, tensor->cols));
    if (!cut->arena) return;
    m->w = cpu->w + tensor->offset;
    m->g = cpu->g ? cpu->g + tensor->offset : NULL;
}

static void flat_buffers(cutter *cut, px_cpu *cpu, px_engine_memory *memory)
{
    const px_engine_shape *shape = &cpu->base.shape;
    const size_t count = cpu->table.count;
    cut->bytes = &memory->parameters;
    cpu->w = floats(cut, count);
    if (!shape->training) return;
    cut->bytes = &memory->gradients;
    cpu->g = floats(cut, count);
    cut->bytes = &memory->moments;
    cpu->m1 = cpu->has_m1 ? floats(cut, count) : NULL;
    cpu->m2 = cpu->has_m2 ? floats(cut, count) : NULL;
    cut->bytes = &memory->averages;
    cpu->average = shape->averaging ? floats(cut, count) : NULL;
}

static void layers(cutter *cut, px_cpu *cpu, size_t rows)
{
    const px_model_config *model = &cpu->base.model;
    const size_t n = (size_t)cpu->base.shape.n, h = (size_t)model->hidden;
    const size_t blocks = px_state_blocks(model), gates = (size_t)cpu->gate_rows;
    const int training = cpu->base.shape.training;
    cpu->states = training ? floats(cut, blocks * px_cpu_streams(cpu) * h) : NULL;
    /* in front of each there is room for the row 0 that a layer's states begin with */
    float *states = floats(cut, (2 * blocks + 1) * n * h);
    cpu->eval_states = states ? states + n * h : NULL;
    cpu->next_states = states ? cpu->eval_states + blocks * n * h : NULL;
    for (int l = 0; l < model->layers; l++) {
        px_cpu_layer *layer = &cpu->layer[l];
        const double p = l == model->layers - 1 ? model->dropout_output : model->dropout_between;
        for (int s = 0; s < cpu->cell->states; s++) layer->s[s] = floats(cut, (rows + n) * h);
        layer->h = layer->s[0];
        layer->z = cpu->cell->keeps ? floats(cut, rows * gates) : NULL;
        layer->z_hh = cpu->cell->lone != PX_NO_GATE ? floats(cut, rows * gates) : NULL;
        layer->packed.data = training ? floats(cut, px_panels_floats(cpu->isa, (long)(rows + n), (long)h)) : NULL;
        layer->up = training && p > 0 ? floats(cut, rows * h) : NULL;
    }
}

/* A chunk of logits of every width that the output layer has. */
static size_t logits_floats(const px_cpu *cpu)
{
    const px_model_config *model = &cpu->base.model;
    if (model->output != PX_OUTPUT_ADAPTIVE) return (size_t)px_cpu_chunk_rows(cpu, model->vocab) * (size_t)model->vocab;
    const long head = px_cutoffs_head_rows(&model->cutoffs);
    size_t most = (size_t)px_cpu_chunk_rows(cpu, head) * (size_t)head;
    for (int32_t i = 0; i < model->cutoffs.count; i++) {
        const px_cluster cluster = px_cutoffs_cluster(&model->cutoffs, model->vocab, model->hidden, i);
        const long width = cluster.end - cluster.begin;
        const size_t some = (size_t)px_cpu_chunk_rows(cpu, width) * (size_t)width;
        most = some > most ? some : most;
    }
    return most;
}

static void adaptive_rows(cutter *cut, px_cpu *cpu, size_t rows)
{
    const px_model_config *model = &cpu->base.model;
    px_cpu_adaptive *a = &cpu->adaptive;
    const size_t widest = (size_t)px_cutoffs_cluster(&model->cutoffs, model->vocab, model->hidden, 0).width;
    a->head_targets = take(cut, sizeof(int32_t) * rows);
    a->order = take(cut, sizeof(int32_t) * rows);
    a->targets = take(cut, sizeof(int32_t) * rows);
    a->gathered = floats(cut, rows * (size_t)model->hidden);
    a->t = floats(cut, rows * widest);
    a->dt = cpu->base.shape.training ? floats(cut, rows * widest) : NULL;
}

static void activations(cutter *cut, px_cpu *cpu)
{
    const px_model_config *model = &cpu->base.model;
    const size_t n = (size_t)cpu->base.shape.n, rows = n * (size_t)cpu->base.shape.T, h = (size_t)model->hidden,
                 d = (size_t)model->embed;
    const int training = cpu->base.shape.training;
    const px_tensor *projection = px_parameters_find(&cpu->table, PX_TENSOR_PROJECTION, 0);
    layers(cut, cpu, rows);
    if (d) cpu->x = floats(cut, rows * d);
    if (projection) cpu->u = floats(cut, rows * d);
    if (training) {
        cpu->d[0] = floats(cut, rows * h);
        cpu->d[1] = model->layers > 1 ? floats(cut, rows * h) : NULL;
        for (int s = 0; cpu->cell->keeps && s < cpu->cell->states; s++) cpu->returned[s] = floats(cut, n * h);
        if (d) cpu->dx = floats(cut, rows * d);
        if (projection) cpu->du = floats(cut, rows * d);
    }
    cpu->logits = floats(cut, logits_floats(cpu));
    cpu->nll = take(cut, sizeof(double) * rows);
    if (model->output == PX_OUTPUT_ADAPTIVE) adaptive_rows(cut, cpu, rows);
}

static void row_pointers(cutter *cut, px_cpu *cpu)
{
    const size_t bytes = sizeof(float *) * px_cpu_row_pointers(cpu) * (size_t)cpu->threads;
    px_cpu_rows *rows = &cpu->rows;
    rows->a = take(cut, bytes);
    rows->add = take(cut, bytes);
    rows->out = take(cut, bytes);
    rows->z = take(cut, bytes);
    rows->z_hh = cpu->cell->lone != PX_NO_GATE ? take(cut, bytes) : NULL;
    for (int s = 0; s < cpu->cell->states; s++) {
        rows->now[s] = take(cut, bytes);
        if (!cpu->cell->keeps) continue;
        rows->before[s] = take(cut, bytes);
        rows->returned[s] = take(cut, bytes);
        rows->returns[s] = take(cut, bytes);
    }
}

static void output_layer(cutter *cut, px_cpu *cpu)
{
    const px_model_config *model = &cpu->base.model;
    px_cpu_adaptive *a = &cpu->adaptive;
    if (model->output != PX_OUTPUT_ADAPTIVE) {
        matrix(cut, cpu, &cpu->projection, px_parameters_find(&cpu->table, PX_TENSOR_PROJECTION, 0), 1);
        matrix(cut, cpu, &cpu->output,
               px_parameters_find(&cpu->table, model->tied ? PX_TENSOR_EMBEDDING : PX_TENSOR_W_HQ, 0), 1);
        return;
    }
    matrix(cut, cpu, &a->head, px_parameters_find(&cpu->table, PX_TENSOR_HEAD, 0), 1);
    for (int32_t i = 0; i < model->cutoffs.count; i++) {
        matrix(cut, cpu, &a->tail_in[i], px_parameters_find(&cpu->table, PX_TENSOR_TAIL_IN, i), 1);
        matrix(cut, cpu, &a->tail_out[i], px_parameters_find(&cpu->table, PX_TENSOR_TAIL_OUT, i), 1);
    }
}

static void workspace(cutter *cut, px_cpu *cpu)
{
    const px_model_config *model = &cpu->base.model;
    const size_t d = (size_t)model->embed, V = (size_t)model->vocab, gates = (size_t)cpu->gate_rows;
    for (int l = 0; l < model->layers; l++) {
        px_cpu_layer *layer = &cpu->layer[l];
        matrix(cut, cpu, &layer->w_hh, px_parameters_find(&cpu->table, PX_TENSOR_W_HH, l), cpu->cell->gates);
        matrix(cut, cpu, &layer->w_xh, l == 0 && d == 0 ? NULL : px_parameters_find(&cpu->table, PX_TENSOR_W_XH, l), 1);
    }
    output_layer(cut, cpu);
    cpu->product.scratch = floats(cut, cpu->base.shape.training ? px_product_scratch_floats(cpu->threads) : 0);
    cpu->zeros = floats(cut, gates > d ? gates : d);
    row_pointers(cut, cpu);
    cpu->meeting = take(cut, sizeof(px_meeting) * (size_t)cpu->threads);
    if (!cpu->base.shape.training) return;
    if (model->dropout_weight > 0) cpu->masked_w = floats(cut, gates * (size_t)model->hidden);
    cpu->touched = take(cut, V);
    cpu->touched_list = take(cut, sizeof(int32_t) * V);
    cpu->norms = take(cut, sizeof(double) * (cpu->table.count / PX_CPU_UPDATE_BLOCK + 3 + V));
}

/* Pointers into the flat buffers that are not matrices. */
static void name_vectors(px_cpu *cpu)
{
    const px_tensor *embedding = px_parameters_find(&cpu->table, PX_TENSOR_EMBEDDING, 0);
    const px_tensor *w_xh = px_parameters_find(&cpu->table, PX_TENSOR_W_XH, 0),
                    *b_q = px_parameters_find(&cpu->table, PX_TENSOR_B_Q, 0);
    const int training = cpu->base.shape.training;
    if (embedding) {
        cpu->embedding = cpu->w + embedding->offset;
        cpu->d_embedding = training ? cpu->g + embedding->offset : NULL;
    } else {
        cpu->one_hot = cpu->w + w_xh->offset;
        cpu->d_one_hot = training ? cpu->g + w_xh->offset : NULL;
    }
    cpu->sparse = !training || cpu->base.model.tied ? NULL : embedding ? embedding : w_xh;
    cpu->b_q = b_q ? cpu->w + b_q->offset : NULL;
    cpu->db_q = b_q && training ? cpu->g + b_q->offset : NULL;
    for (int l = 0; l < cpu->base.model.layers; l++) {
        const px_tensor *b = px_parameters_find(&cpu->table, PX_TENSOR_B_H, l);
        cpu->layer[l].b = cpu->w + b->offset;
        cpu->layer[l].db = training ? cpu->g + b->offset : NULL;
        const px_tensor *lone = px_parameters_find(&cpu->table, PX_TENSOR_B_HN, l);
        cpu->layer[l].b_lone = lone ? cpu->w + lone->offset : NULL;
        cpu->layer[l].db_lone = lone && training ? cpu->g + lone->offset : NULL;
    }
}

void px_cpu_layout(px_cpu *cpu, px_arena *arena, px_engine_memory *memory)
{
    cutter cut = {.arena = arena};
    memset(memory, 0, sizeof *memory);
    flat_buffers(&cut, cpu, memory);
    cut.bytes = &memory->activations;
    activations(&cut, cpu);
    cut.bytes = &memory->workspace;
    workspace(&cut, cpu);
    memory->total = cut.total;
    if (arena) name_vectors(cpu);
}
