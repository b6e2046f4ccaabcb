/* Loads the CUDA engine's module, perplex-cuda.so, the first time it is asked for. */
#ifndef PX_CUDA_LOADER_H
#define PX_CUDA_LOADER_H

#include "cuda/module.h"

/* The module, loaded once per process and kept. It is looked for as $PERPLEX_CUDA_MODULE (a path, nothing else is tried
 * then), beside the executable, beside the library that holds this code, and in ../lib/perplex from each.
 * PX_ERR_DEVICE names the library that is missing, or what else is wrong, and the remedy. */
px_status px_cuda_module_load(const px_cuda_module **module);

/* Finds the CUDA engine for "cuda" or "cuda:k": the module is loaded and GPU k has been tried. PX_ERR_DEVICE carries the
 * runtime's message and the remedy. info may be NULL. */
px_status px_cuda_find(const char *device, const px_engine_ops **ops, int *ordinal, px_device_info *info);

/* The branches of px_engine_find: "cuda[:k]", and "auto" (the GPU if one works, else *ops = fallback with ordinal 0).
 * Both record px_engine_choice_text; other devices leave it cleared. */
void px_engine_choice_clear(void);
px_status px_engine_find_cuda(const char *device, const px_engine_ops **ops, int *ordinal);
px_status px_engine_find_auto(const px_engine_ops *fallback, const px_engine_ops **ops, int *ordinal);

#endif
