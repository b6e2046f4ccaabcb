/* The reference engine: every option of the model, in plain loops and double precision. Other engines are compared with
 * it, so it is written to be read: a file per phase, named as in the fast engines; no blocking, no threads, no tricks.
 * Here is the seam: windows through all phases, what is read and written, and the engine as a whole.
 *
 *     embed -> recurrence (layer by layer, step by step) -> head -> the same in reverse -> update
 *
 * With shape.precision tf32 or bf16 it is the same-precision reference of the engines that have these: what they round
 * (operands of matrix products and, where training in bf16, logits) is rounded here too, where product() stands; sums
 * and everything else stay double.
 *
 * What crosses the seam (parameters, gradients, moments, averages, hidden states) is kept in fp32, in file layout, so
 * that reading and writing lose nothing and a resumed run is exact; everything inside one window or one update is
 * double. */
#include "reference.h"

#include "check.h"
#include "reference_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- windows
 * ---------------------------------------------------------------------------------------------------------- */

static px_status check_tokens(const reference *r, const px_batch *batch)
{
    size_t rows = (size_t)batch->T * (size_t)batch->n;
    int32_t V = r->model.vocab;
    for (size_t row = 0; row < rows; row++)
        if (batch->tokens[row] < 0 || batch->tokens[row] >= V || batch->targets[row] < -1 || batch->targets[row] >= V)
            return px_fail(PX_ERR_INPUT, "step %zu, stream %zu of a window: token %d, target %d; the vocabulary has %d",
                           row / (size_t)batch->n, row % (size_t)batch->n, (int)batch->tokens[row],
                           (int)batch->targets[row], (int)V);
    return PX_OK;
}

/* The last step's states of every layer, rounded to fp32, are what the next window starts from. */
static void keep_state(const reference *r, const window *win, float *state)
{
    size_t h = (size_t)r->model.hidden, n = (size_t)win->n;
    for (int s = 0; s < cell_of(r)->states; s++)
        for (int32_t l = 0; l < r->model.layers; l++) {
            const double *last = layer_state(r, s, l, win->n) + (size_t)(win->T - 1) * n * h;
            for (size_t i = 0; i < n * h; i++) state[state_place(r, win, s, l) + i] = (float)last[i];
        }
}

static void forward(reference *r, const window *win, const float *state)
{
    double clock = px_clock();
    reference_embed_forward(r, win);
    clock = phase_end(r, PX_PHASE_EMBED, clock);
    for (int32_t l = 0; l < r->model.layers; l++) reference_recurrence_forward(r, win, l, state);
    phase_end(r, PX_PHASE_RECURRENCE_FORWARD, clock);
}

static px_status reference_accumulate(px_engine *engine, const px_batch *batch)
{
    reference *r = self(engine);
    window win = {batch, 1, batch->n, batch->T};
    size_t rows = (size_t)win.T * (size_t)win.n, h = (size_t)r->model.hidden;
    const double *top = layer_up(r, r->model.layers - 1);
    double window_loss = 0;

    PX_TRY(check_tokens(r, batch));
    r->training = 1;
    forward(r, &win, r->state);

    double clock = px_clock();
    memset(r->grad, 0, r->table.count * sizeof *r->grad);
    r->penalties = 0;
    for (size_t row = 0; row < rows; row++) {
        const double *up = top + row * h;
        int32_t target = batch->targets[row];
        if (target < 0) {
            memset(r->dup + row * h, 0, h * sizeof *r->dup);
            continue;
        }
        window_loss += r->head->forward(r, up, target);
        r->metrics.tokens++;
        r->head->backward(r, up, target, batch->inv_count, r->dup + row * h);
    }
    clock = phase_end(r, PX_PHASE_HEAD, clock);

    for (int32_t l = r->model.layers - 1; l >= 0; l--) {
        reference_recurrence_backward(r, &win, l);
        if (l > 0)
            memcpy(r->dup, r->dx, rows * h * sizeof *r->dup); /* the input of layer l is what layer l - 1 sent up */
    }
    clock = phase_end(r, PX_PHASE_RECURRENCE_BACKWARD, clock);
    if (r->model.embed > 0) reference_embed_backward(r, &win);
    for (size_t i = 0; i < r->table.count; i++) r->dw[i] = (float)(r->dw[i] + r->grad[i]);
    if (batch->last && r->reducer.start) {
        r->reducing = 1;
        PX_TRY(r->reducer.start(r->reducer.context, r->dw, r->table.count, NULL));
    }
    phase_end(r, PX_PHASE_EMBED_BACKWARD, clock);

    keep_state(r, &win, r->state);
    r->metrics.loss_sum += window_loss;
    if (!isfinite(window_loss) && r->metrics.bad_step < 0) {
        r->metrics.bad_step = (int64_t)batch->step;
        r->metrics.bad_norm = NAN; /* until update() has seen the gradient */
    }
    return PX_OK;
}

static px_status reference_evaluate(px_engine *engine, const px_batch *batch, float *token_nll)
{
    reference *r = self(engine);
    window win = {batch, 0, batch->n, batch->T};
    size_t rows = (size_t)win.T * (size_t)win.n, h = (size_t)r->model.hidden;
    const double *top = layer_up(r, r->model.layers - 1);

    PX_TRY(check_tokens(r, batch));
    r->training = 0;
    forward(r, &win, r->eval_state);
    double clock = px_clock();
    for (size_t row = 0; row < rows; row++) {
        int32_t target = batch->targets[row];
        double nll = 0;
        if (target >= 0) {
            nll = r->head->forward(r, top + row * h, target);
            r->metrics.loss_sum += nll;
            r->metrics.tokens++;
        }
        if (token_nll) token_nll[row] = (float)nll;
    }
    phase_end(r, PX_PHASE_HEAD, clock);
    keep_state(r, &win, r->eval_state);
    return PX_OK;
}

static px_status reference_next(px_engine *engine, const int32_t *tokens, const uint8_t *reset, int32_t n,
                                float *probabilities)
{
    reference *r = self(engine);
    int32_t V = r->model.vocab;
    const double *top = layer_up(r, r->model.layers - 1);
    for (int32_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || tokens[i] >= V)
            return px_fail(PX_ERR_INPUT, "stream %d: token %d; the vocabulary has %d", (int)i, (int)tokens[i], (int)V);
        r->next_reset[i] = reset ? reset[i] : 0;
    }
    px_batch batch = {.tokens = tokens, .reset = r->next_reset, .T = 1, .n = n};
    window win = {&batch, 0, n, 1};
    r->training = 0;
    forward(r, &win, r->eval_state);
    double clock = px_clock();
    for (int32_t i = 0; i < n; i++)
        r->head->probabilities(r, top + (size_t)i * (size_t)r->model.hidden, probabilities + (size_t)i * (size_t)V);
    phase_end(r, PX_PHASE_HEAD, clock);
    keep_state(r, &win, r->eval_state);
    return PX_OK;
}

/* ---- gradients
 * -------------------------------------------------------------------------------------------------------- */

static px_status reference_gradients(px_engine *engine, float **flat, size_t *count)
{
    *flat = self(engine)->dw;
    *count = self(engine)->table.count;
    return PX_OK;
}

static px_status reference_set_reducer(px_engine *engine, const px_reducer *reducer)
{
    self(engine)->reducer = reducer ? *reducer : (px_reducer){0};
    return PX_OK;
}

/* ---- state
 * ------------------------------------------------------------------------------------------------------------ */

static float *section_of(const reference *r, px_section section)
{
    switch (section) {
    case PX_SECTION_PARAMETERS: return r->w;
    case PX_SECTION_GRADIENTS: return r->dw;
    case PX_SECTION_MOMENT1: return r->moment1;
    case PX_SECTION_MOMENT2: return r->moment2;
    case PX_SECTION_AVERAGE: return r->average;
    case PX_SECTION_STATE: return r->state;
    case PX_SECTION_EVAL_STATE: return r->eval_state;
    }
    return NULL;
}

static size_t reference_section_count(const px_engine *engine, px_section section)
{
    const reference *r = (const reference *)engine;
    if (!section_of(r, section)) return 0;
    if (section == PX_SECTION_STATE) return px_state_blocks(&r->model) * streams_carried(r) * (size_t)r->model.hidden;
    if (section == PX_SECTION_EVAL_STATE)
        return px_state_blocks(&r->model) * (size_t)r->shape.n * (size_t)r->model.hidden;
    return r->table.count;
}

static px_status reference_read(px_engine *engine, px_section section, float *values)
{
    const float *section_values = section_of(self(engine), section);
    if (section_values) memcpy(values, section_values, reference_section_count(engine, section) * sizeof *values);
    return PX_OK;
}

static px_status reference_write(px_engine *engine, px_section section, const float *values)
{
    reference *r = self(engine);
    float *section_values = section_of(r, section);
    if (section_values) memcpy(section_values, values, reference_section_count(engine, section) * sizeof *values);
    if (section == PX_SECTION_PARAMETERS) { /* a new start: the bad step is behind us */
        r->metrics.bad_step = -1;
        r->metrics.bad_norm = 0;
    }
    return PX_OK;
}

static px_status reference_swap_average(px_engine *engine)
{
    reference *r = self(engine);
    for (size_t i = 0; i < r->table.count; i++) {
        float w = r->w[i];
        r->w[i] = r->average[i];
        r->average[i] = w;
    }
    return PX_OK;
}

static px_status reference_metrics(px_engine *engine, int reset, px_metrics *metrics)
{
    reference *r = self(engine);
    *metrics = r->metrics;
    if (reset) {
        r->metrics.loss_sum = 0;
        r->metrics.tokens = 0;
    }
    return PX_OK;
}

static px_status reference_phase_times(px_engine *engine, int reset, px_phase_times *times)
{
    reference *r = self(engine);
    *times = r->times;
    if (reset) r->times = (px_phase_times){{0}};
    return PX_OK;
}

static px_status reference_describe(const px_engine *engine, char *buffer, size_t buffer_bytes)
{
    static const char *const operands[] = {
        [PX_FP32] = "", [PX_TF32] = ", operands of products in tf32", [PX_BF16] = ", operands of products in bf16"};
    const reference *r = (const reference *)engine;
    snprintf(buffer, buffer_bytes, "reference, plain loops in double precision%s, 1 thread of %s",
             operands[r->shape.precision], px_machine_processor());
    return PX_OK;
}

/* ---- the engine
 * ------------------------------------------------------------------------------------------------------- */

static px_status reference_memory(const px_model_config *model, const px_optimizer_config *optimizer,
                                  const px_engine_shape *shape, px_engine_memory *memory)
{
    reference r = {0};
    return reference_prepare(&r, model, optimizer, shape, memory);
}

static void reference_destroy(px_engine *engine)
{
    if (!engine) return;
    px_arena_destroy(&self(engine)->arena);
    free(engine);
}

static px_status reference_create(const px_model_config *model, const px_optimizer_config *optimizer,
                                  const px_engine_shape *shape, int ordinal, px_engine **engine)
{
    px_engine_memory memory;
    px_status status;
    (void)ordinal;
    reference *r = calloc(1, sizeof *r);
    if (!r) return px_fail(PX_ERR_MEMORY, "memory for the reference engine: %zu bytes are not there", sizeof *r);
    r->base.ops = &px_reference_ops;
    PX_TRY_GOTO(status, reference_prepare(r, model, optimizer, shape, &memory), fail);
    PX_TRY_GOTO(status, reference_allocate(r), fail);
    *engine = &r->base;
    return PX_OK;
fail:
    reference_destroy(&r->base);
    return status;
}

double px_reference_penalties(const px_engine *engine) { return ((const reference *)engine)->penalties; }

const px_engine_ops px_reference_ops = {
    .name = "reference",
    .on_host = 1,
    .precisions = 1 << PX_FP32 | 1 << PX_TF32 | 1 << PX_BF16,
    .recurrences = 1 << PX_RECURRENCE_STEP,
    .memory = reference_memory,
    .create = reference_create,
    .destroy = reference_destroy,
    .accumulate = reference_accumulate,
    .gradients = reference_gradients,
    .update = reference_update,
    .evaluate = reference_evaluate,
    .next = reference_next,
    .section_count = reference_section_count,
    .read = reference_read,
    .write = reference_write,
    .swap_average = reference_swap_average,
    .metrics = reference_metrics,
    .phase_times = reference_phase_times,
    .describe = reference_describe,
    .set_reducer = reference_set_reducer,
};
