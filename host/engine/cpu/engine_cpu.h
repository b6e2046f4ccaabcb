/* The CPU engine: single precision, all cores, our own recurrence. Chosen by device name "cpu" (engine.h). */
#ifndef PX_ENGINE_CPU_H
#define PX_ENGINE_CPU_H

#include "engine.h"

extern const px_engine_ops px_cpu_ops;

#endif
