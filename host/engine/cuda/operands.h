/* What the phases compute on: places of tensors, operands of products, masks. Nothing here enqueues anything.
 *
 * An operand is what a product reads: fp32, or bf16 in bf16 mode. */
#ifndef PX_CUDA_OPERANDS_H
#define PX_CUDA_OPERANDS_H

#include "engine_cuda.h"

/* Place of a tensor in a flat fp32 buffer; the tensor must exist. */
static inline float *px_cuda_tensor(const px_cuda *engine, float *flat, px_tensor_role role, int32_t layer)
{
    return flat + px_parameters_find(&engine->plan.table, role, layer)->offset;
}

/* Weights of a tensor as products read them. */
static inline const void *px_cuda_operand(const px_cuda *engine, px_tensor_role role, int32_t layer)
{
    size_t offset = px_parameters_find(&engine->plan.table, role, layer)->offset;
    return engine->plan.bf16 ? (const void *)(engine->b.weights_bf16 + offset)
                             : (const void *)(engine->b.weights + offset);
}

/* Element i of an operand buffer. */
static inline void *px_cuda_at(const px_cuda *engine, void *operand, size_t i)
{
    return (unsigned char *)operand + i * (engine->plan.bf16 ? sizeof(px_bf16) : sizeof(float));
}

/* What a gradient that the update has kept is multiplied by before a window's is added. */
static inline float px_cuda_beta(px_cuda_shape shape) { return shape.first ? 0.0f : 1.0f; }

/* A buffer as the fp32 or the bf16 output of a kernel, NULL for the other. */
static inline float *px_cuda_as_float(const px_cuda *engine, void *operand)
{
    return engine->plan.bf16 ? NULL : operand;
}

static inline px_bf16 *px_cuda_as_bf16(const px_cuda *engine, void *operand)
{
    return engine->plan.bf16 ? operand : NULL;
}

/* Masks of one purpose; none outside training. */
px_dropout px_cuda_dropout(const px_cuda *engine, px_cuda_mode mode, uint32_t purpose, int32_t layer, double p);
/* The masks of layer l's output on its way up. */
px_dropout px_cuda_output_dropout(const px_cuda *engine, px_cuda_mode mode, int32_t l);
/* The same for the steps back: none where the penalties' pass has applied them. */
px_dropout px_cuda_backward_dropout(const px_cuda *engine, px_cuda_mode mode, int32_t l);
/* Whether the outputs of layer l are penalised. */
int px_cuda_has_penalties(const px_cuda *engine, int32_t l);
/* H of layer l from step -1 on: operand [(T + 1) n, h]. */
void *px_cuda_h(const px_cuda *engine, int32_t l);
/* What goes up from layer l: the dropped copy, or H itself. Operand [rows,h]. */
void *px_cuda_output(const px_cuda *engine, px_cuda_shape shape, int32_t l);
/* Gradient of layer l's output, [rows,h]. */
static inline float *px_cuda_d_output(const px_cuda *engine, int32_t l) { return engine->b.d_output[l]; }

/* Where the input's term of layer l [rows, G h] goes before the steps: z, or h in the place of H_1 to H_T. */
float *px_cuda_input_term(const px_cuda *engine, px_cuda_shape shape, int32_t l);
/* Where the backward pass leaves layer l's dZ [rows, G h]. */
float *px_cuda_dz(const px_cuda *engine, int32_t l);
/* The same as products read it; of a cell that keeps its gates, the gradient of the input's term. */
void *px_cuda_dz_operand(const px_cuda *engine, int32_t l);
/* The states of all layers, from where the streams of this window carry them into the rows of step -1; and those of its
 * last step back. */
px_state_copies px_cuda_states_in(const px_cuda *engine, px_cuda_shape shape);
px_state_copies px_cuda_states_out(const px_cuda *engine, px_cuda_shape shape);
/* Where a loss that is not finite must show on every rank: in the gradient of the output table. NULL without a reducer.
 */
float *px_cuda_poison(const px_cuda *engine);

#endif
