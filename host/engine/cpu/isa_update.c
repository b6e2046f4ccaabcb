/* Optimiser steps of the CPU engine, over some parameters: optimizer_step.h in float, a loop for each row of
 * optimizer.h. Compiled once per instruction set (isa.h); the compiler vectorises them. */
#include "isa_local.h"

#include <math.h>

#define PX_STEP(name)                                                                                                  \
    static inline __attribute__((always_inline)) float step_##name(const px_optimizer_step *s, float g, float w,       \
                                                                   float *m, float *v)
#define PX_STEP_ROOT(x) sqrtf(x)
#define PX_STEP_MEAN(s, m) ((s)->mean_scale * (m))
#define PX_STEP_DEVIATION(s, v) (sqrtf(v) * (s)->root_scale)
#include "optimizer_step.h"

/* What the row says is known when this is compiled: a buffer that is not there is not read, and a loop has no branch.
 */
#define LOOP(NAME, name, step, moment1, moment2, decoupled, ...)                                                       \
    static void name##_loop(float *restrict w, float *restrict m, float *restrict v, const float *restrict g,          \
                            long count, const px_optimizer_step *numbers)                                              \
    {                                                                                                                  \
        const px_optimizer_step s = *numbers;                                                                          \
        for (long i = 0; i < count; i++) {                                                                             \
            float first = moment1 ? m[i] : 0.0f, second = moment2 ? v[i] : 0.0f;                                       \
            const float gradient = s.scale * g[i] + s.decay * w[i];                                                    \
            w[i] = step_##step(&s, gradient, decoupled ? w[i] * s.shrink : w[i], &first, &second);                     \
            if (moment1) m[i] = first;                                                                                 \
            if (moment2) v[i] = second;                                                                                \
        }                                                                                                              \
    }
PX_OPTIMIZERS(LOOP)

#define ENTRY(NAME, name, ...) [PX_##NAME] = name##_loop,
const px_optimizer_loop PX_ISA_NAME(optimizers)[PX_OPTIMIZER_COUNT] = {PX_OPTIMIZERS(ENTRY)};
