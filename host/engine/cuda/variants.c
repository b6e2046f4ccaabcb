/* The table of variants and the choice among them: see variants.h. */
#include "variants.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

/* All there are. The first fits everywhere. */
static const px_cuda_variant *const variants[] = {&px_cuda_variant_step, &px_cuda_variant_fused,
                                                  &px_cuda_variant_persistent, &px_cuda_variant_grid,
                                                  &px_cuda_variant_wide};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* What measurements say: the first row that covers device and shape, and whose variant fits, is what `auto` takes. A
 * row is added from bench/gpu.sh's figures of every variant on that card, and named after their file in bench/results.
 * `fused`, `persistent`, `grid` and `wide` have not been timed on a GPU in this form, so no row names them. */
static const struct {
    int capability;          /* 10 * major + minor, from which on */
    int32_t hidden, streams; /* up to which */
    const px_cuda_variant *variant;
} measured[] = {
    {0, INT32_MAX, INT32_MAX, &px_cuda_variant_step},
};

static const px_cuda_variant *automatic(const px_cuda_plan *plan, const px_device_info *info)
{
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++)
        if (10 * info->major + info->minor >= measured[i].capability && plan->h <= measured[i].hidden &&
            plan->shape.n <= measured[i].streams && !measured[i].variant->unfit(plan, info))
            return measured[i].variant;
    return variants[0];
}

/* Names of those that fit, for a person. */
static void list_fitting(const px_cuda_plan *plan, const px_device_info *info, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < VARIANTS && used < bytes; i++)
        if (!variants[i]->unfit(plan, info))
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? ", " : "",
                                     px_recurrence_name(variants[i]->name));
}

px_status px_cuda_choose_variant(const px_cuda_plan *plan, const px_device_info *info, const px_cuda_variant **variant)
{
    const px_recurrence asked = plan->shape.recurrence;
    char fitting[64];
    *variant = asked == PX_RECURRENCE_AUTO ? automatic(plan, info) : NULL;
    for (size_t i = 0; i < VARIANTS && !*variant; i++)
        if (variants[i]->name == asked) *variant = variants[i];
    const char *reason = *variant ? (*variant)->unfit(plan, info) : "this version has no such way";
    if (!reason) return PX_OK;
    list_fitting(plan, info, fitting, sizeof fitting);
    return px_fail(PX_ERR_DEVICE, "--recurrence %s: not for this model on this GPU: %s; here there is: auto, %s",
                   px_recurrence_name(asked), reason, fitting);
}
