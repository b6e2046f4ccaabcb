/* Phase update: the norm of the gradient, its bound, and the step of every optimiser, in double. */
#include "check.h"
#include "rate_scaling.h"
#include "reference_internal.h"

typedef struct step_numbers {
    double lr, momentum, beta1, beta2, alpha, epsilon, rest1, rest2, rest_alpha;
    double correction1, correction2; /* 1 - beta^(steps taken, this one included) */
} step_numbers;

#define PX_STEP(name) static double step_##name(const step_numbers *s, double g, double w, double *m, double *v)
#define PX_STEP_ROOT(x) sqrt(x)
#define PX_STEP_MEAN(s, m) ((s)->lr * ((m) / (s)->correction1))
#define PX_STEP_DEVIATION(s, v) sqrt((v) / (s)->correction2)
#include "optimizer_step.h"

/* factor: of the rate of the gradient's step (rate_scaling.h). */
static step_numbers step_of(const px_optimizer_config *c, const px_update *update, double factor)
{
    const double t = (double)update->step + (double)update->moment_steps + 1;
    return (step_numbers){.lr = update->lr * factor,
                          .momentum = c->momentum,
                          .beta1 = c->beta1,
                          .beta2 = c->beta2,
                          .alpha = c->alpha,
                          .epsilon = c->epsilon,
                          .rest1 = 1 - c->beta1,
                          .rest2 = 1 - c->beta2,
                          .rest_alpha = 1 - c->alpha,
                          .correction1 = 1 - pow(c->beta1, t),
                          .correction2 = 1 - pow(c->beta2, t)};
}

/* Weight decay is added to the gradient, or where it is decoupled shrinks the weight; g is clipped. */
static void update_element(reference *r, const px_update *update, const step_numbers *s, size_t i, double g)
{
#define STEP(NAME, name, step, ...) [PX_##NAME] = step_##step,
    static double (*const steps[])(const step_numbers *, double, double, double *, double *) = {PX_OPTIMIZERS(STEP)};
#undef STEP
    const px_optimizer_row *row = px_optimizer_of(r->optimizer.kind);
    double w = r->w[i], m = row->moment1 ? r->moment1[i] : 0, v = row->moment2 ? r->moment2[i] : 0;
    if (row->decoupled)
        w -= update->lr * r->optimizer.weight_decay * w;
    else
        g += r->optimizer.weight_decay * w;
    r->w[i] = (float)steps[r->optimizer.kind](s, g, w, &m, &v);
    if (row->moment1) r->moment1[i] = (float)m;
    if (row->moment2) r->moment2[i] = (float)v;
    if (update->average_weight > 0)
        r->average[i] = (float)(r->average[i] + update->average_weight * ((double)r->w[i] - r->average[i]));
}

px_status reference_update(px_engine *engine, const px_update *update)
{
    reference *r = self(engine);
    double clock = px_clock(), square = 0, clip = r->optimizer.clip;
    if (r->reducing) {
        r->reducing = 0;
        PX_TRY(r->reducer.finish(r->reducer.context, NULL));
    }
    for (size_t i = 0; i < r->table.count; i++) square += (double)r->dw[i] * r->dw[i];
    double norm = sqrt(square);

    if (r->metrics.bad_step < 0 && (update->loss_not_finite || !isfinite(norm)))
        r->metrics.bad_step = (int64_t)update->step;
    if (r->metrics.bad_step == (int64_t)update->step) r->metrics.bad_norm = norm;
    if (r->metrics.bad_step < 0) {
        /* g * clip / max(clip, norm); clip = 0 means no bound */
        double factor = clip > 0 && norm > clip ? clip / norm : 1;
        for (int32_t k = 0; k < r->table.tensor_count; k++) {
            const px_tensor *tensor = &r->table.tensor[k];
            const step_numbers numbers =
                step_of(&r->optimizer, update, px_rate_factor(&r->model, &r->optimizer, tensor));
            for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++)
                update_element(r, update, &numbers, i, factor * r->dw[i]);
        }
        r->metrics.grad_norm = norm;
        r->metrics.updates++;
    }
    memset(r->dw, 0, r->table.count * sizeof *r->dw);
    phase_end(r, PX_PHASE_UPDATE, clock);
    return PX_OK;
}
