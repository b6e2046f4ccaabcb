/* How a layer's steps are computed, where an engine has several ways: the values of --recurrence. */
#ifndef PX_RECURRENCE_CHOICE_H
#define PX_RECURRENCE_CHOICE_H

typedef enum px_recurrence {
    PX_RECURRENCE_AUTO,       /* the engine's choice, a pure function of device, shapes and version */
    PX_RECURRENCE_STEP,       /* one product and one kernel a step: every device, cell and size */
    PX_RECURRENCE_FUSED,      /* one kernel a step, which makes the product itself */
    PX_RECURRENCE_PERSISTENT, /* one kernel a window, W_hh on chip meanwhile: a cluster of blocks */
    PX_RECURRENCE_GRID,       /* the same with blocks that exchange the state through device memory */
    PX_RECURRENCE_WIDE,       /* the same in clusters, with products that take more streams at once */
    PX_RECURRENCE_COUNT
} px_recurrence;

/* Steps of a piece where layers compute as a wavefront, beside each other: the values of --wavefront that are none. */
enum {
    PX_WAVEFRONT_AUTO = -1, /* the engine's choice, as above */
    PX_WAVEFRONT_OFF = 0    /* layers compute one after the other */
};

extern const char *const px_recurrence_names[];           /* in the order of the enum, ended by NULL */
const char *px_recurrence_name(px_recurrence recurrence); /* "step" */

#endif
