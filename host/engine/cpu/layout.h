/* Counts or cuts the buffers of a CPU engine: see layout.c. */
#ifndef PX_CPU_LAYOUT_H
#define PX_CPU_LAYOUT_H

#include "cpu.h"

/* Needs base.model, base.shape, table, isa, threads, has_m1 and has_m2. arena NULL: only memory is filled in. Otherwise
 * the arena has memory->total bytes, and every buffer of cpu points into it. */
void px_cpu_layout(px_cpu *cpu, px_arena *arena, px_engine_memory *memory);

#endif
