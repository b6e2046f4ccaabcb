/* What the phases compute on: see operands.h. */
#include "operands.h"
#include "philox.h"

px_dropout px_cuda_dropout(const px_cuda *engine, px_cuda_mode mode, uint32_t purpose, int32_t layer, double p)
{
    if (mode != PX_CUDA_TRAIN || p == 0) return (px_dropout){0};
    return (px_dropout){
        .seed = engine->plan.shape.seed,
        .purpose = purpose,
        .layer = (uint32_t)layer,
        .threshold = px_dropout_threshold(p),
        .scale = px_dropout_scale(p),
        .T_max = engine->plan.shape.T,
        .locked = engine->plan.model.dropout_locked,
    };
}

px_dropout px_cuda_output_dropout(const px_cuda *engine, px_cuda_mode mode, int32_t l)
{
    const px_model_config *model = &engine->plan.model;
    if (l == engine->plan.L - 1)
        return px_cuda_dropout(engine, mode, PX_RANDOM_DROPOUT_OUTPUT, 0, model->dropout_output);
    return px_cuda_dropout(engine, mode, PX_RANDOM_DROPOUT_BETWEEN, l, model->dropout_between);
}

int px_cuda_has_penalties(const px_cuda *engine, int32_t l)
{
    const px_model_config *model = &engine->plan.model;
    return l == engine->plan.L - 1 && (model->penalty_activation > 0 || model->penalty_temporal > 0);
}

px_dropout px_cuda_backward_dropout(const px_cuda *engine, px_cuda_mode mode, int32_t l)
{
    const px_dropout none = {0};
    return px_cuda_has_penalties(engine, l) ? none : px_cuda_output_dropout(engine, mode, l);
}

void *px_cuda_h(const px_cuda *engine, int32_t l)
{
    const px_cuda_layer *layer = &engine->b.layer[l];
    return engine->plan.bf16 ? (void *)layer->h_bf16 : (void *)layer->h;
}

void *px_cuda_output(const px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    if (px_cuda_output_dropout(engine, shape.mode, l).threshold) return engine->b.layer[l].output;
    return px_cuda_at(engine, px_cuda_h(engine, l), (size_t)shape.n * (size_t)engine->plan.h);
}

float *px_cuda_input_term(const px_cuda *engine, px_cuda_shape shape, int32_t l)
{
    const px_cuda_layer *layer = &engine->b.layer[l];
    return layer->z ? layer->z : layer->h + (size_t)shape.n * (size_t)engine->plan.h;
}

float *px_cuda_dz(const px_cuda *engine, int32_t l)
{
    return engine->b.layer[l].z ? engine->b.layer[l].z : px_cuda_d_output(engine, l);
}

/* Where the streams of this window have their state s of layer l: [n,h] of eval_state [S,L,n,h] or of state
 * [S,L,groups,n,h]. */
static float *carried_state(const px_cuda *engine, px_cuda_shape shape, int s, int32_t l)
{
    const px_cuda_plan *plan = &engine->plan;
    size_t streams = (size_t)plan->shape.n * (size_t)plan->h, block = (size_t)s * (size_t)plan->L + (size_t)l;
    if (shape.mode != PX_CUDA_TRAIN) return engine->b.eval_state + block * streams;
    return engine->b.state + (block * (size_t)plan->groups + (size_t)shape.group) * streams;
}

px_state_copies px_cuda_states_in(const px_cuda *engine, px_cuda_shape shape)
{
    px_state_copies copies = {.count = (size_t)shape.n * (size_t)engine->plan.h};
    for (int32_t l = 0; l < engine->plan.L; l++)
        for (int s = 0; s < engine->plan.states; s++)
            copies.copy[copies.copies++] = (px_state_copy){engine->b.layer[l].s[s], carried_state(engine, shape, s, l),
                                                           s == 0 ? engine->b.layer[l].h_bf16 : NULL};
    return copies;
}

px_state_copies px_cuda_states_out(const px_cuda *engine, px_cuda_shape shape)
{
    px_state_copies copies = {.count = (size_t)shape.n * (size_t)engine->plan.h};
    for (int32_t l = 0; l < engine->plan.L; l++)
        for (int s = 0; s < engine->plan.states; s++)
            copies.copy[copies.copies++] = (px_state_copy){
                carried_state(engine, shape, s, l), engine->b.layer[l].s[s] + (size_t)shape.T * copies.count, NULL};
    return copies;
}

void *px_cuda_dz_operand(const px_cuda *engine, int32_t l)
{
    return engine->plan.bf16 ? (void *)engine->b.dz_bf16[l] : (void *)px_cuda_dz(engine, l);
}

float *px_cuda_poison(const px_cuda *engine)
{
    const px_tensor_role role = engine->plan.adaptive     ? PX_TENSOR_HEAD
                                : engine->plan.model.tied ? PX_TENSOR_EMBEDDING
                                                          : PX_TENSOR_W_HQ;
    return engine->reduction.reducer.start ? px_cuda_tensor(engine, engine->b.gradients, role, 0) : NULL;
}
