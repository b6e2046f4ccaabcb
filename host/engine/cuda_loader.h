/* Loads the CUDA engine's module, perplex-cuda.so, the first time it is asked for. */
#ifndef PX_CUDA_LOADER_H
#define PX_CUDA_LOADER_H

#include "cuda/module.h"
#include "registry.h"

/* The module, loaded once per process and kept. It is looked for as $PERPLEX_CUDA_MODULE (a path, nothing else is tried
 * then), beside the executable, beside the library that holds this code, and in ../lib/perplex from each.
 * PX_ERR_DEVICE names the library that is missing, or what else is wrong, and the remedy. */
px_status px_cuda_module_load(const px_cuda_module **module);

/* The row of the registry: the module is loaded and GPU `ordinal` has been tried; about says which it is. PX_ERR_DEVICE
 * carries the runtime's message and the remedy. */
px_status px_cuda_open(int ordinal, const px_engine_ops **ops, char *about);

#endif
