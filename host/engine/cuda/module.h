/* The contract between the program and the CUDA module: one exported function, one table.
 *
 * The module (perplex-cuda.so) is a plugin of this very build: both sides must agree on the seam's structs and on what
 * they mean. The build ID, made of the text of every header that crosses it (build_id.cmake), is the same on both sides
 * or the module is refused. */
#ifndef PX_CUDA_MODULE_H
#define PX_CUDA_MODULE_H

#include "devices.h"
#include "engine.h"

/* What the module needs of the program: where its error messages go. */
typedef struct px_cuda_host {
    void (*record)(const char *message); /* as that of the last failure */
    const char *(*message)(void);        /* the one recorded last */
} px_cuda_host;

typedef struct px_cuda_module {
    const px_engine_ops *ops;
    /* As px_engine_devices. */
    px_status (*devices)(px_device_info *list, int capacity, int *count);
    /* Tries GPU `ordinal`: context, memory, a kernel of ours. PX_ERR_DEVICE says what fails. */
    px_status (*probe)(int ordinal, px_device_info *info);
    void (*range_push)(const char *name, uint32_t colour);
    void (*range_pop)(void);
} px_cuda_module;

/* The exported function: NULL where the build is not the module's own. host must outlive the module. */
typedef const px_cuda_module *(*px_cuda_module_open_function)(const char *build_id, const px_cuda_host *host);
__attribute__((visibility("default"))) const px_cuda_module *px_engine_module_open(const char *build_id,
                                                                                   const px_cuda_host *host);
#define PX_CUDA_MODULE_SYMBOL "px_engine_module_open"

#endif
