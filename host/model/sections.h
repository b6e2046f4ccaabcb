/* The sections of a model and of its training: what is read and written as whole flat tensors, always as fp32 and in
 * file layout (parameters.h), and a pair of functions that whoever holds them gives to whoever keeps them. An engine
 * holds all of them (px_engine_sections); a caller with weights alone may offer just those. */
#ifndef PX_SECTIONS_H
#define PX_SECTIONS_H

#include <perplex/status.h>
#include <stddef.h>

typedef enum px_section {
    PX_SECTION_PARAMETERS, /* [count] */
    PX_SECTION_GRADIENTS,  /* [count]; gradients accumulated since the last update */
    PX_SECTION_MOMENT1,    /* [count]; momentum buffer, or Adam's first moment; size 0 where the optimiser has none */
    PX_SECTION_MOMENT2,    /* [count]; Adam's second moment, RMSProp's mean square */
    PX_SECTION_AVERAGE,    /* [count]; averaged weights; size 0 without averaging */
    PX_SECTION_STATE, /* [S, L, groups*n, h] in the order of streams; states carried between training windows, H first
                         (cells.h) */
    PX_SECTION_EVAL_STATE /* [S,L,n,h]; states carried by evaluation and sampling */
} px_section;

typedef struct px_sections {
    void *holder;
    size_t (*count)(const void *holder, px_section);                   /* floats; 0: it has none */
    px_status (*read)(void *holder, px_section, float *values);        /* values [count]; nothing where that is 0 */
    px_status (*write)(void *holder, px_section, const float *values); /* NULL: they can only be read */
} px_sections;

#endif
