/* The seam's own side: checks arguments against what an engine can do and the sizes it was made with, and hands each
 * call on. What depends on the values of token ids is left to the engines; they are found by registry.c. */
#include "engine.h"

#include "check.h"

#include <math.h>
#include <stdio.h>

static px_status check_probability(const char *name, double p)
{
    if (!(p >= 0 && p < 1))
        return px_fail(PX_ERR_ARGUMENT, "%s %g: a probability of at least 0 and below 1 is needed", name, p);
    return PX_OK;
}

static px_status check_not_negative(const char *name, double value)
{
    if (!(value >= 0 && isfinite(value)))
        return px_fail(PX_ERR_ARGUMENT, "%s %g: a finite number of at least 0 is needed", name, value);
    return PX_OK;
}

/* The names of a mask's bits, for a person: "fp32, tf32". */
static void list_names(unsigned mask, const char *const *names, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; names[i] && used < bytes; i++)
        if (mask >> i & 1) used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? ", " : "", names[i]);
}

/* What an engine has several kinds of, and this one lacks the kind asked for. */
static px_status check_kinds(const px_engine_ops *ops, const px_engine_shape *shape)
{
    char names[64];
    list_names(ops->precisions, px_precision_names, names, sizeof names);
    if (!(ops->precisions >> shape->precision & 1))
        return px_fail(PX_ERR_DEVICE, "device %s: computes in %s only; leave --precision away or use a GPU", ops->name,
                       names);
    list_names(ops->recurrences | 1 << PX_RECURRENCE_AUTO, px_recurrence_names, names, sizeof names);
    if (shape->recurrence != PX_RECURRENCE_AUTO && !(ops->recurrences >> shape->recurrence & 1))
        return px_fail(PX_ERR_DEVICE, "device %s: has no --recurrence %s; it has %s", ops->name,
                       px_recurrence_name(shape->recurrence), names);
    if (shape->wavefront > 0 && !ops->wavefront)
        return px_fail(PX_ERR_DEVICE, "device %s: has no --wavefront %d; use --wavefront off, or a GPU", ops->name,
                       shape->wavefront);
    if (shape->products == PX_PRODUCTS_CUBLASLT && !ops->products)
        return px_fail(PX_ERR_DEVICE, "device %s: has no --products cublaslt; use --products cublas, or a GPU",
                       ops->name);
    return PX_OK;
}

/* What no engine can run, whatever the device. */
static px_status check_setting(const px_model_config *model, const px_optimizer_config *optimizer,
                               const px_engine_shape *shape)
{
    px_parameters table;
    int64_t rows, groups, activations;
    PX_TRY(px_parameters_make(model, &table));
    PX_TRY(check_probability("dropout-input", model->dropout_input));
    PX_TRY(check_probability("dropout-embedding", model->dropout_embedding));
    PX_TRY(check_probability("dropout-between", model->dropout_between));
    PX_TRY(check_probability("dropout-output", model->dropout_output));
    PX_TRY(check_probability("dropout-weight", model->dropout_weight));
    PX_TRY(check_not_negative("penalty-activation", model->penalty_activation));
    PX_TRY(check_not_negative("penalty-temporal", model->penalty_temporal));
    PX_TRY(check_not_negative("momentum", optimizer->momentum));
    PX_TRY(check_probability("beta1", optimizer->beta1));
    PX_TRY(check_probability("beta2", optimizer->beta2));
    PX_TRY(check_not_negative("alpha", optimizer->alpha));
    PX_TRY(check_not_negative("epsilon", optimizer->epsilon));
    PX_TRY(check_not_negative("weight-decay", optimizer->weight_decay));
    PX_TRY(check_not_negative("clip", optimizer->clip));
    if (shape->n < 1 || shape->T < 1)
        return px_fail(PX_ERR_ARGUMENT, "batch %d, steps %d: a window has at least 1 stream and 1 step", (int)shape->n,
                       (int)shape->T);
    if (shape->threads < 0)
        return px_fail(PX_ERR_ARGUMENT, "threads %d: give 0 for the cores of this machine, or a number above 0",
                       (int)shape->threads);
    if (shape->groups < 0) return px_fail(PX_ERR_ARGUMENT, "groups %d: at least 1, or 0 for one", (int)shape->groups);
    /* rows of a window are counted in int32, activations in bytes that a size_t holds with room to spare */
    rows = (int64_t)shape->n * shape->T;
    groups = shape->groups > 1 ? shape->groups : 1;
    if (rows > INT32_MAX - shape->n || groups * shape->n > INT32_MAX ||
        __builtin_mul_overflow(rows + groups * shape->n, (int64_t)model->hidden * model->layers, &activations) ||
        activations > INT64_MAX / 1024)
        return px_fail(PX_ERR_ARGUMENT, "a window of %d streams and %d steps is too large; lower --batch or --steps",
                       (int)shape->n, (int)shape->T);
    return PX_OK;
}

px_status px_engine_create(const char *device, const px_model_config *model, const px_optimizer_config *optimizer,
                           const px_engine_shape *shape, px_engine **engine)
{
    const px_engine_ops *ops = NULL;
    int ordinal = 0;
    *engine = NULL;
    PX_TRY(px_engine_find(device, &ops, &ordinal));
    PX_TRY(check_kinds(ops, shape));
    PX_TRY(check_setting(model, optimizer, shape));
    PX_TRY(ops->create(model, optimizer, shape, ordinal, engine));
    (*engine)->ops = ops;
    (*engine)->model = *model;
    (*engine)->shape = *shape;
    return PX_OK;
}

px_status px_engine_memory_of(const char *device, const px_model_config *model, const px_optimizer_config *optimizer,
                              const px_engine_shape *shape, px_engine_memory *memory)
{
    const px_engine_ops *ops = NULL;
    int ordinal = 0;
    PX_TRY(px_engine_find(device, &ops, &ordinal));
    PX_TRY(check_kinds(ops, shape));
    PX_TRY(check_setting(model, optimizer, shape));
    return ops->memory(model, optimizer, shape, memory);
}

void px_engine_destroy(px_engine *engine)
{
    if (engine) engine->ops->destroy(engine);
}

static px_status check_training(const px_engine *engine, const char *call)
{
    if (!engine->shape.training)
        return px_fail(PX_ERR_ARGUMENT, "%s: this engine was created for evaluation only", call);
    return PX_OK;
}

static px_status check_batch(const px_engine *engine, const char *call, const px_batch *batch, int64_t rows_max)
{
    if (!batch->tokens || !batch->targets || !batch->reset)
        return px_fail(PX_ERR_ARGUMENT, "%s: a batch needs tokens, targets and reset marks", call);
    if (batch->n < 1 || batch->n > engine->shape.n || batch->T < 1 || (int64_t)batch->T * batch->n > rows_max)
        return px_fail(PX_ERR_ARGUMENT,
                       "%s: a window of %d streams and %d steps; this engine was created for %d and %d", call,
                       (int)batch->n, (int)batch->T, (int)engine->shape.n, (int)engine->shape.T);
    return PX_OK;
}

px_status px_engine_accumulate(px_engine *engine, const px_batch *batch)
{
    PX_TRY(check_training(engine, "accumulate"));
    PX_TRY(check_batch(engine, "accumulate", batch, (int64_t)engine->shape.T * batch->n));
    if ((uint64_t)batch->first_stream + (uint64_t)batch->n > batch->streams_in_all)
        return px_fail(PX_ERR_ARGUMENT, "accumulate: streams %u to %u of %u in all", (unsigned)batch->first_stream,
                       (unsigned)batch->first_stream + (unsigned)batch->n - 1, (unsigned)batch->streams_in_all);
    if (batch->group < 0 || batch->group >= (engine->shape.groups > 1 ? engine->shape.groups : 1))
        return px_fail(PX_ERR_ARGUMENT, "accumulate: group %d of %d", (int)batch->group,
                       (int)(engine->shape.groups > 1 ? engine->shape.groups : 1));
    if (!(batch->inv_count >= 0 && isfinite(batch->inv_count)))
        return px_fail(PX_ERR_ARGUMENT, "accumulate: 1 / scored tokens is %g", batch->inv_count);
    return engine->ops->accumulate(engine, batch);
}

px_status px_engine_gradients(px_engine *engine, float **flat, size_t *count)
{
    PX_TRY(check_training(engine, "gradients"));
    return engine->ops->gradients(engine, flat, count);
}

px_status px_engine_set_reducer(px_engine *engine, const px_reducer *reducer)
{
    PX_TRY(check_training(engine, "reducer"));
    if (!engine->ops->set_reducer)
        return px_fail(PX_ERR_DEVICE,
                       "device %s: cannot reduce gradients while it computes; use another --reduce or --device",
                       engine->ops->name);
    return engine->ops->set_reducer(engine, reducer);
}

px_status px_engine_update(px_engine *engine, const px_update *update)
{
    PX_TRY(check_training(engine, "update"));
    if (!(update->lr >= 0 && isfinite(update->lr)))
        return px_fail(PX_ERR_ARGUMENT, "update: a learning rate of %g", update->lr);
    if (!(update->average_weight >= 0 && update->average_weight <= 1))
        return px_fail(PX_ERR_ARGUMENT, "update: an averaging weight of %g is not between 0 and 1",
                       update->average_weight);
    if (update->average_weight > 0 && !engine->shape.averaging)
        return px_fail(PX_ERR_ARGUMENT, "update: this engine was created without averaging");
    return engine->ops->update(engine, update);
}

px_status px_engine_evaluate(px_engine *engine, const px_batch *batch, float *token_nll)
{
    PX_TRY(check_batch(engine, "evaluate", batch, (int64_t)engine->shape.T * engine->shape.n));
    return engine->ops->evaluate(engine, batch, token_nll);
}

px_status px_engine_next(px_engine *engine, const int32_t *tokens, const uint8_t *reset, int32_t n,
                         float *probabilities)
{
    if (!tokens || !probabilities)
        return px_fail(PX_ERR_ARGUMENT, "next: tokens and room for probabilities are needed");
    if (n < 1 || n > engine->shape.n)
        return px_fail(PX_ERR_ARGUMENT, "next: %d streams; this engine was created for %d", (int)n,
                       (int)engine->shape.n);
    return engine->ops->next(engine, tokens, reset, n, probabilities);
}

int px_engine_decodes(const px_engine *engine, const px_draw *draw)
{
    return engine->ops->decode && (!px_draw_orders(draw) || engine->model.vocab <= PX_DRAW_ORDERED_MAX);
}

px_status px_engine_decode(px_engine *engine, const int32_t *tokens, const uint8_t *reset, int32_t n,
                           const px_draw *draw, int32_t count, int32_t *drawn)
{
    if (!tokens || !draw || !drawn || count < 1 || count > PX_DECODE_TOKENS_MAX)
        return px_fail(PX_ERR_ARGUMENT, "decode: tokens, room for what is drawn, and a count of 1 to %d are needed",
                       PX_DECODE_TOKENS_MAX);
    if (n < 1 || n > engine->shape.n)
        return px_fail(PX_ERR_ARGUMENT, "decode: %d streams; this engine was created for %d", (int)n,
                       (int)engine->shape.n);
    if (!px_engine_decodes(engine, draw))
        return px_fail(PX_ERR_DEVICE, "decode: the %s engine does not draw so; draw from what next() gives",
                       engine->ops->name);
    return engine->ops->decode(engine, tokens, reset, n, draw, count, drawn);
}

size_t px_engine_section_count(const px_engine *engine, px_section section)
{
    return engine->ops->section_count(engine, section);
}

static px_status check_section(const char *call, px_section section)
{
    if ((unsigned)section > PX_SECTION_EVAL_STATE)
        return px_fail(PX_ERR_ARGUMENT, "%s: there is no section %d", call, (int)section);
    return PX_OK;
}

/* A section of size 0 has nothing to copy, and that is no failure. */
px_status px_engine_read(px_engine *engine, px_section section, float *values)
{
    PX_TRY(check_section("read", section));
    if (engine->ops->section_count(engine, section) == 0) return PX_OK;
    return engine->ops->read(engine, section, values);
}

px_status px_engine_write(px_engine *engine, px_section section, const float *values)
{
    PX_TRY(check_section("write", section));
    if (engine->ops->section_count(engine, section) == 0) return PX_OK;
    return engine->ops->write(engine, section, values);
}

static size_t sections_count(const void *engine, px_section section)
{
    return px_engine_section_count(engine, section);
}

static px_status sections_read(void *engine, px_section section, float *values)
{
    return px_engine_read(engine, section, values);
}

static px_status sections_write(void *engine, px_section section, const float *values)
{
    return px_engine_write(engine, section, values);
}

px_sections px_engine_sections(px_engine *engine)
{
    return (px_sections){.holder = engine, .count = sections_count, .read = sections_read, .write = sections_write};
}

px_status px_engine_swap_average(px_engine *engine)
{
    if (!engine->shape.averaging) return px_fail(PX_ERR_ARGUMENT, "swap: this engine was created without averaging");
    return engine->ops->swap_average(engine);
}

px_status px_engine_metrics(px_engine *engine, int reset, px_metrics *metrics)
{
    return engine->ops->metrics(engine, reset, metrics);
}

px_status px_engine_phase_times(px_engine *engine, int reset, px_phase_times *times)
{
    return engine->ops->phase_times(engine, reset, times);
}

px_status px_engine_run_phase(px_engine *engine, px_phase phase, const px_batch *batch, const px_update *update)
{
    PX_TRY(check_training(engine, "run_phase"));
    PX_TRY(check_batch(engine, "run_phase", batch, (int64_t)engine->shape.T * batch->n));
    if ((unsigned)phase >= PX_PHASE_COUNT)
        return px_fail(PX_ERR_ARGUMENT, "run_phase: there is no phase %d", (int)phase);
    if (!engine->ops->run_phase)
        return px_fail(
            PX_ERR_DEVICE,
            "device %s: runs whole steps only, no phase alone; --work train gives the phases' times within a step",
            engine->ops->name);
    return engine->ops->run_phase(engine, phase, batch, update);
}

px_status px_engine_read_weights(px_engine *engine, px_weights which, int32_t passes, px_weight_reading *reading)
{
    if ((unsigned)which >= PX_WEIGHTS_COUNT || passes < 1)
        return px_fail(PX_ERR_ARGUMENT,
                       "read_weights: %d passes over weights %d: give 1 pass or more, and weights of 0 to %d", passes,
                       (int)which, PX_WEIGHTS_COUNT - 1);
    if (!engine->ops->read_weights)
        return px_fail(PX_ERR_DEVICE, "device %s: does not read its weights alone; --device cpu does",
                       engine->ops->name);
    return engine->ops->read_weights(engine, which, passes, reading);
}

px_recurrence px_engine_recurrence(const px_engine *engine)
{
    return engine->ops->recurrence ? engine->ops->recurrence(engine) : PX_RECURRENCE_AUTO;
}

int32_t px_engine_wavefront(const px_engine *engine)
{
    return engine->ops->wavefront ? engine->ops->wavefront(engine) : PX_WAVEFRONT_AUTO;
}

px_product_choice px_engine_products(const px_engine *engine)
{
    px_product_choice choice = {.library = PX_PRODUCTS_AUTO};
    if (engine->ops->products) engine->ops->products(engine, &choice);
    return choice;
}

px_status px_engine_describe(const px_engine *engine, char *buffer, size_t buffer_bytes)
{
    return engine->ops->describe(engine, buffer, buffer_bytes);
}

const char *px_phase_name(px_phase phase)
{
    static const char *const name[PX_PHASE_COUNT] = {[PX_PHASE_EMBED] = "embed",
                                                     [PX_PHASE_RECURRENCE_FORWARD] = "recurrence_forward",
                                                     [PX_PHASE_HEAD] = "head",
                                                     [PX_PHASE_RECURRENCE_BACKWARD] = "recurrence_backward",
                                                     [PX_PHASE_EMBED_BACKWARD] = "embed_backward",
                                                     [PX_PHASE_UPDATE] = "update"};
    return (unsigned)phase < PX_PHASE_COUNT ? name[phase] : "unknown";
}
