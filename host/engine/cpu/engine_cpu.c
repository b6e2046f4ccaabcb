/* The CPU engine: creation, the order of the phases, and the sections of its state. The phases are in embed.c,
 * recurrence.c, head.c and update.c; their products in dense.c and product.c; the inner loops in isa_*.c. */
#include "engine_cpu.h"

#include "check.h"
#include "layout.h"
#include "machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static px_cpu *of(px_engine *engine) { return (px_cpu *)engine; }

static px_status prepare(px_cpu *cpu, const px_model_config *model, const px_optimizer_config *optimizer,
                         const px_engine_shape *shape)
{
    *cpu = (px_cpu){.base = {.model = *model, .shape = *shape}, .optimizer = *optimizer};
    PX_TRY(px_parameters_make(model, &cpu->table));
    cpu->rates = px_rate_spans_make(&cpu->table, model, optimizer);
    cpu->isa = px_isa_best();
    if (!cpu->isa)
        return px_fail(
            PX_ERR_DEVICE,
            "PERPLEX_ISA=%s: this processor, or this build, has no such instruction set; the best it has is %s",
            getenv("PERPLEX_ISA"), px_isa_all()[0]->name);
    cpu->cell = px_cell_of(model->cell);
    cpu->gate_rows = (long)cpu->cell->gates * model->hidden;
    cpu->threads = shape->threads > 0 ? shape->threads : px_machine_cores();
    cpu->parts = cpu->threads < px_machine_processors() ? cpu->threads : px_machine_processors();
    cpu->product = (px_product_context){.isa = cpu->isa};
    cpu->head = model->output == PX_OUTPUT_ADAPTIVE ? &px_cpu_head_adaptive : &px_cpu_head_softmax;
    cpu->has_m1 = px_optimizer_of(optimizer->kind)->moment1;
    cpu->has_m2 = px_optimizer_of(optimizer->kind)->moment2;
    cpu->metrics.bad_step = -1;
    return PX_OK;
}

static px_status cpu_memory(const px_model_config *model, const px_optimizer_config *optimizer,
                            const px_engine_shape *shape, px_engine_memory *memory)
{
    px_cpu *cpu = aligned_alloc(64, (sizeof *cpu + 63) / 64 * 64);
    if (!cpu) return px_fail(PX_ERR_MEMORY, "no memory to plan an engine");
    px_status status = prepare(cpu, model, optimizer, shape);
    if (status == PX_OK) px_cpu_layout(cpu, NULL, memory);
    free(cpu);
    return status;
}

static px_status cpu_create(const px_model_config *model, const px_optimizer_config *optimizer,
                            const px_engine_shape *shape, int ordinal, px_engine **engine)
{
    (void)ordinal;
    px_engine_memory memory;
    px_cpu *cpu = aligned_alloc(64, (sizeof *cpu + 63) / 64 * 64);
    if (!cpu) return px_fail(PX_ERR_MEMORY, "no memory for an engine");
    px_status status;
    PX_TRY_GOTO(status, prepare(cpu, model, optimizer, shape), fail_cpu);
    px_cpu_layout(cpu, NULL, &memory);
    PX_TRY_GOTO(status, px_arena_create(&cpu->arena, memory.total, "the model, its training state and one window"),
                fail_cpu);
    px_cpu_layout(cpu, &cpu->arena, &memory);
    PX_TRY_GOTO(status, px_team_create(cpu->threads, &cpu->team), fail_arena);
    cpu->product.team = cpu->team;
    *engine = &cpu->base;
    return PX_OK;
fail_arena:
    px_arena_destroy(&cpu->arena);
fail_cpu:
    free(cpu);
    return status;
}

static void cpu_destroy(px_engine *engine)
{
    px_cpu *cpu = of(engine);
    px_team_destroy(cpu->team);
    px_arena_destroy(&cpu->arena);
    free(cpu);
}

/* Adds the time since *mark to a phase. */
static void phase(px_cpu *cpu, px_phase which, double *mark)
{
    const double now = px_clock();
    cpu->times.seconds[which] += now - *mark;
    *mark = now;
}

static px_status check_tokens(const px_cpu *cpu, const px_batch *batch)
{
    const long rows = (long)batch->T * batch->n;
    const int32_t V = cpu->base.model.vocab;
    for (long i = 0; i < rows; i++)
        if (batch->tokens[i] < 0 || batch->tokens[i] >= V || batch->targets[i] < -1 || batch->targets[i] >= V)
            return px_fail(PX_ERR_INPUT, "token %ld of a window: id %d, target %d, outside a vocabulary of %d", i,
                           batch->tokens[i], batch->targets[i], V);
    return PX_OK;
}

static px_cpu_window window_of(const px_batch *batch, int training)
{
    return (px_cpu_window){
        .batch = batch, .T = batch->T, .n = batch->n, .rows = (long)batch->T * batch->n, .training = training};
}

static void recurrence_forward(px_cpu *cpu, const px_cpu_window *window)
{
    for (int l = 0; l < cpu->base.model.layers; l++) px_cpu_recurrence_forward(cpu, window, l);
}

/* From the gradient of the top layer's outputs in d[0]; *dz ends as that of the lowest layer. */
static px_status recurrence_backward(px_cpu *cpu, const px_cpu_window *window, float **dz)
{
    int turn = 0;
    for (int l = cpu->base.model.layers - 1; l >= 0; l--) {
        *dz = px_cpu_recurrence_backward(cpu, window, l, cpu->d[turn]);
        if (l > 0) {
            px_cpu_between_backward(cpu, window, l, *dz, cpu->d[1 - turn]);
            PX_TRY(px_cpu_reduce_layer(cpu, window, l));
            turn = 1 - turn;
        }
    }
    return PX_OK;
}

static void forward(px_cpu *cpu, const px_cpu_window *window, double *mark)
{
    px_cpu_embed_forward(cpu, window);
    if (cpu->x || px_cpu_masks_tokens(cpu, window)) /* else hardly any; looking at the clock has its price */
        phase(cpu, PX_PHASE_EMBED, mark);
    recurrence_forward(cpu, window);
    phase(cpu, PX_PHASE_RECURRENCE_FORWARD, mark);
}

static px_status cpu_accumulate(px_engine *engine, const px_batch *batch)
{
    px_cpu *cpu = of(engine);
    PX_TRY(check_tokens(cpu, batch));
    const px_cpu_window window = window_of(batch, 1);
    double mark = px_clock();
    forward(cpu, &window, &mark);
    px_cpu_head_train(cpu, &window, cpu->d[0]);
    PX_TRY(px_cpu_reduce_head(cpu, &window));
    phase(cpu, PX_PHASE_HEAD, &mark);
    float *dz = NULL;
    PX_TRY(recurrence_backward(cpu, &window, &dz));
    phase(cpu, PX_PHASE_RECURRENCE_BACKWARD, &mark);
    px_cpu_embed_backward(cpu, &window, dz);
    PX_TRY(px_cpu_reduce_layer(cpu, &window, 0));
    phase(cpu, PX_PHASE_EMBED_BACKWARD, &mark);
    return PX_OK;
}

static px_status cpu_gradients(px_engine *engine, float **flat, size_t *count)
{
    px_cpu_touch_all(of(engine)); /* another rank may add to any row */
    *flat = of(engine)->g;
    *count = of(engine)->table.count;
    return PX_OK;
}

static px_status cpu_set_reducer(px_engine *engine, const px_reducer *reducer)
{
    of(engine)->reducer = reducer ? *reducer : (px_reducer){0};
    return PX_OK;
}

static px_status cpu_update(px_engine *engine, const px_update *update)
{
    px_cpu *cpu = of(engine);
    double mark = px_clock();
    PX_TRY(px_cpu_reduce_finish(cpu));
    px_cpu_update(cpu, update);
    phase(cpu, PX_PHASE_UPDATE, &mark);
    return PX_OK;
}

static px_status cpu_evaluate(px_engine *engine, const px_batch *batch, float *token_nll)
{
    px_cpu *cpu = of(engine);
    PX_TRY(check_tokens(cpu, batch));
    const px_cpu_window window = window_of(batch, 0);
    double mark = px_clock();
    forward(cpu, &window, &mark);
    px_cpu_head_evaluate(cpu, &window, token_nll);
    phase(cpu, PX_PHASE_HEAD, &mark);
    return PX_OK;
}

/* Has the layers write H_1 and the other states of a window of one step straight to next_states: each step copies
 * nothing, and a thread's part of the states is read by the next step in the caches of the core that made it. before:
 * the layers' own places. */
static void redirect_states(px_cpu *cpu, float *before[PX_MAX_LAYERS][PX_CELL_STATES_MAX])
{
    const size_t block = (size_t)cpu->base.shape.n * (size_t)cpu->base.model.hidden, L = (size_t)cpu->base.model.layers;
    for (size_t l = 0; l < L; l++) {
        px_cpu_layer *layer = &cpu->layer[l];
        for (int s = 0; s < cpu->cell->states; s++) {
            before[l][s] = layer->s[s];
            layer->s[s] = cpu->next_states + ((size_t)s * L + l) * block - block; /* H_1 is its second row */
        }
        layer->h = layer->s[0];
    }
}

static void restore_states(px_cpu *cpu, float *const before[PX_MAX_LAYERS][PX_CELL_STATES_MAX])
{
    for (int l = 0; l < cpu->base.model.layers; l++) {
        memcpy(cpu->layer[l].s, before[l], sizeof before[l]);
        cpu->layer[l].h = before[l][0];
    }
    float *carried = cpu->next_states;
    cpu->next_states = cpu->eval_states;
    cpu->eval_states = carried;
}

/* One step of decoding: probabilities [n,V]. */
static void step(px_cpu *cpu, px_cpu_window *window, float *probabilities)
{
    float *before[PX_MAX_LAYERS][PX_CELL_STATES_MAX] = {{NULL}};
    double mark = px_clock();
    window->decoding = window->n == cpu->base.shape.n; /* fewer: the states of the others stay where they are */
    if (window->decoding) redirect_states(cpu, before);
    forward(cpu, window, &mark);
    px_cpu_head_probabilities(cpu, window, probabilities);
    phase(cpu, PX_PHASE_HEAD, &mark);
    if (window->decoding) restore_states(cpu, before);
}

static px_status cpu_next(px_engine *engine, const int32_t *tokens, const uint8_t *reset, int32_t n,
                          float *probabilities)
{
    px_cpu *cpu = of(engine);
    static const uint8_t none[4096];
    uint8_t *marks = NULL;
    if (!reset && n > (int32_t)sizeof none) {
        marks = calloc((size_t)n, 1);
        if (!marks) return px_fail(PX_ERR_MEMORY, "next: no memory for %d streams", n);
    }
    const px_batch batch = {.tokens = tokens,
                            .targets = tokens,
                            .reset = reset   ? reset
                                     : marks ? marks
                                             : none,
                            .T = 1,
                            .n = n,
                            .streams_in_all = (uint32_t)n};
    px_status status = check_tokens(cpu, &batch);
    if (status == PX_OK) {
        px_cpu_window window = window_of(&batch, 0);
        step(cpu, &window, probabilities);
    }
    free(marks);
    return status;
}

/* ---- one phase alone, for measuring ------------------------------------------------------------------------------ */

/* Plain numbers of some size. A phase that runs again and again over its own results would shrink them into denormal
 * numbers. */
static void fill(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) values[i] = 1e-3f * (float)((int)(i * 2654435761u >> 24 & 255) - 128) / 128;
}

/* What the phase finds in a training step, not counted as its time: weights that have just changed, gradients that came
 * from above. */
static void set_up_phase(px_cpu *cpu, const px_cpu_window *window, px_phase which)
{
    if (which == PX_PHASE_EMBED || which == PX_PHASE_RECURRENCE_FORWARD || which == PX_PHASE_HEAD)
        px_cpu_weights_changed(cpu);
    if (which == PX_PHASE_RECURRENCE_BACKWARD) {
        fill(cpu->d[0], (size_t)window->rows * (size_t)cpu->base.model.hidden);
        for (int l = 0; l < cpu->base.model.layers; l++) {
            const px_cpu_layer *layer = &cpu->layer[l];
            if (layer->z) fill(layer->z, (size_t)window->rows * (size_t)cpu->gate_rows);
            if (layer->z_hh) fill(layer->z_hh, (size_t)window->rows * (size_t)cpu->gate_rows);
        }
    }
    if (which == PX_PHASE_UPDATE) {
        fill(cpu->g, cpu->table.count);
        for (long row = 0; cpu->sparse && row < window->rows; row++) cpu->touched[window->batch->tokens[row]] = 1;
    }
}

static px_status cpu_run_phase(px_engine *engine, px_phase which, const px_batch *batch, const px_update *update)
{
    px_cpu *cpu = of(engine);
    PX_TRY(check_tokens(cpu, batch));
    const px_cpu_window window = window_of(batch, 1);
    const int top = cpu->base.model.layers - 1;
    set_up_phase(cpu, &window, which);
    double mark = px_clock();
    float *dz = NULL;
    switch (which) {
    case PX_PHASE_EMBED: px_cpu_embed_forward(cpu, &window); break;
    case PX_PHASE_RECURRENCE_FORWARD: recurrence_forward(cpu, &window); break;
    case PX_PHASE_HEAD: px_cpu_head_train(cpu, &window, cpu->d[0]); break;
    case PX_PHASE_RECURRENCE_BACKWARD: PX_TRY(recurrence_backward(cpu, &window, &dz)); break;
    case PX_PHASE_EMBED_BACKWARD:
        px_cpu_embed_backward(cpu, &window, cpu->layer[0].z ? cpu->layer[0].z : cpu->d[top % 2]);
        break;
    case PX_PHASE_UPDATE: px_cpu_update(cpu, update); break;
    case PX_PHASE_COUNT: break;
    }
    phase(cpu, which, &mark);
    return PX_OK;
}

static px_status cpu_read_weights(px_engine *engine, px_weights which, int32_t passes, px_weight_reading *reading)
{
    px_cpu_read_weights(of(engine), which, passes, reading);
    return PX_OK;
}

/* ---- sections ---------------------------------------------------------------------------------------------------- */

/* The buffer behind a section and whether it lies by the parameter table. */
static float *section_buffer(px_cpu *cpu, px_section section, size_t *count, int *by_table)
{
    const size_t streams = section == PX_SECTION_STATE ? px_cpu_streams(cpu) : (size_t)cpu->base.shape.n;
    const size_t states = px_state_blocks(&cpu->base.model) * streams * (size_t)cpu->base.model.hidden;
    float *buffer = NULL;
    *by_table = 1;
    switch (section) {
    case PX_SECTION_PARAMETERS: buffer = cpu->w; break;
    case PX_SECTION_GRADIENTS: buffer = cpu->g; break;
    case PX_SECTION_MOMENT1: buffer = cpu->m1; break;
    case PX_SECTION_MOMENT2: buffer = cpu->m2; break;
    case PX_SECTION_AVERAGE: buffer = cpu->average; break;
    case PX_SECTION_STATE:
        buffer = cpu->states;
        *by_table = 0;
        break;
    case PX_SECTION_EVAL_STATE:
        buffer = cpu->eval_states;
        *by_table = 0;
        break;
    }
    *count = !buffer ? 0 : *by_table ? cpu->table.count : states;
    return buffer;
}

static size_t cpu_section_count(const px_engine *engine, px_section section)
{
    size_t count;
    int by_table;
    section_buffer((px_cpu *)engine, section, &count, &by_table);
    return count;
}

static px_status cpu_read(px_engine *engine, px_section section, float *values)
{
    px_cpu *cpu = of(engine);
    size_t count;
    int by_table;
    const float *buffer = section_buffer(cpu, section, &count, &by_table);
    if (!buffer) return PX_OK;
    if (by_table)
        px_parameters_from_rows(&cpu->table, buffer, values);
    else
        memcpy(values, buffer, sizeof(float) * count);
    return PX_OK;
}

static px_status cpu_write(px_engine *engine, px_section section, const float *values)
{
    px_cpu *cpu = of(engine);
    size_t count;
    int by_table;
    float *buffer = section_buffer(cpu, section, &count, &by_table);
    if (!buffer) return PX_OK;
    if (by_table)
        px_parameters_to_rows(&cpu->table, values, buffer);
    else
        memcpy(buffer, values, sizeof(float) * count);
    if (section == PX_SECTION_GRADIENTS) px_cpu_touch_all(cpu);
    if (section == PX_SECTION_PARAMETERS) {
        px_cpu_weights_changed(cpu);
        cpu->metrics.bad_step = -1; /* training may go on from good weights */
        cpu->metrics.bad_norm = 0;
        cpu->loss_is_bad = 0;
    }
    return PX_OK;
}

static px_status cpu_swap_average(px_engine *engine)
{
    px_cpu *cpu = of(engine);
    for (size_t i = 0; i < cpu->table.count; i++) {
        const float w = cpu->w[i];
        cpu->w[i] = cpu->average[i];
        cpu->average[i] = w;
    }
    px_cpu_weights_changed(cpu);
    return PX_OK;
}

static px_status cpu_metrics(px_engine *engine, int reset, px_metrics *metrics)
{
    px_cpu *cpu = of(engine);
    *metrics = cpu->metrics;
    if (reset) {
        cpu->metrics.loss_sum = 0;
        cpu->metrics.tokens = 0;
    }
    return PX_OK;
}

static px_status cpu_phase_times(px_engine *engine, int reset, px_phase_times *times)
{
    *times = of(engine)->times;
    if (reset) memset(&of(engine)->times, 0, sizeof of(engine)->times);
    return PX_OK;
}

static px_status cpu_describe(const px_engine *engine, char *buffer, size_t buffer_bytes)
{
    const px_cpu *cpu = (const px_cpu *)engine;
    snprintf(buffer, buffer_bytes, "cpu: %s, %s, %d thread%s", px_machine_processor(), cpu->isa->name, cpu->threads,
             cpu->threads == 1 ? "" : "s");
    return PX_OK;
}

const px_engine_ops px_cpu_ops = {
    .name = "cpu",
    .on_host = 1,
    .precisions = 1 << PX_FP32,
    .recurrences = 1 << PX_RECURRENCE_STEP,
    .memory = cpu_memory,
    .create = cpu_create,
    .destroy = cpu_destroy,
    .accumulate = cpu_accumulate,
    .gradients = cpu_gradients,
    .update = cpu_update,
    .evaluate = cpu_evaluate,
    .next = cpu_next,
    .section_count = cpu_section_count,
    .read = cpu_read,
    .write = cpu_write,
    .swap_average = cpu_swap_average,
    .metrics = cpu_metrics,
    .phase_times = cpu_phase_times,
    .describe = cpu_describe,
    .set_reducer = cpu_set_reducer,
    .run_phase = cpu_run_phase,
    .read_weights = cpu_read_weights,
};
