/* Ranges for a profiler: the NVTX domain "perplex". Header-only; without a profiler a range costs one test. */
#ifndef PX_CUDA_TRACE_H
#define PX_CUDA_TRACE_H

#include <stdint.h>

/* One colour per kind of work, 0xRRGGBB. */
enum {
    PX_COLOUR_EMBED = 0x4c9f70,
    PX_COLOUR_RECURRENCE = 0x2b6cb0,
    PX_COLOUR_HEAD = 0xc05621,
    PX_COLOUR_UPDATE = 0x805ad5,
    PX_COLOUR_STAGE = 0x718096,
    PX_COLOUR_WINDOW = 0x2d3748
};

void px_trace_push(const char *name, uint32_t colour);
void px_trace_pop(void);

#endif
