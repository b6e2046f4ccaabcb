/* Variants of the recurrence's steps: several ways to the same numbers, of which a device and a shape have one that is
 * fastest.
 *
 * A variant is one row of the table in variants.c. Which one a run takes is a pure function of device, shapes and this
 * version's table of measurements, never of what is timed or free at the moment, so that a run repeats; the run keeps
 * it, so that a resume takes the same. */
#ifndef PX_CUDA_VARIANTS_H
#define PX_CUDA_VARIANTS_H

#include "engine_cuda.h"

struct px_cuda_variant {
    px_recurrence name;
    /* NULL where it can run that model on that device, else why not: "it is for cells of one gate". */
    const char *(*unfit)(const px_cuda_plan *plan, const px_device_info *info);
    /* Bytes that it needs beside everybody's buffers, as buffers.recurrent. */
    size_t (*workspace)(const px_cuda_plan *plan);
    /* A piece's steps; w_hh is the operand [G h, h]. Forward: from the input's terms and the state before the piece to
     * H and what goes up. Backward: from the gradient of what went up, and dZ of the step after the piece, to dZ
     * (px_cuda_dz). Both only enqueue. Pieces of a cell that keeps its gates are whole windows. */
    px_status (*forward)(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh);
    px_status (*backward)(px_cuda *engine, const px_cuda_steps *piece, const void *w_hh);
};

/* The variant for a plan whose sizes are known: the one that shape.recurrence names, or the table's choice. info: zeros
 * where no device has been asked. PX_ERR_DEVICE: the one asked for does not fit; why, and which do. */
px_status px_cuda_choose_variant(const px_cuda_plan *plan, const px_device_info *info, const px_cuda_variant **variant);

/* ---- the rows */
extern const px_cuda_variant px_cuda_variant_step;       /* recurrence_step.c */
extern const px_cuda_variant px_cuda_variant_fused;      /* recurrence_fused.c */
extern const px_cuda_variant px_cuda_variant_persistent; /* recurrence_persistent.c */
extern const px_cuda_variant px_cuda_variant_grid;       /* recurrence_grid.c */
extern const px_cuda_variant px_cuda_variant_wide;       /* recurrence_wide.c */

#endif
