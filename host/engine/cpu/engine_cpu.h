/* The CPU engine: single precision, all cores, our own recurrence. Chosen by device name "cpu" (engine.h). */
#ifndef PX_ENGINE_CPU_H
#define PX_ENGINE_CPU_H

#include "engine.h"

extern const px_engine_ops px_cpu_ops;

/* "avx512 avx2 baseline": the instruction sets of this build, the best first. */
extern const char px_cpu_instruction_sets[];
/* The one that this processor takes (or that PERPLEX_ISA asks for); NULL where PERPLEX_ISA names one that cannot run.
 */
const char *px_cpu_instruction_set(void);

#endif
