/* The contract between the program and the CUDA module: one exported function, one table.
 *
 * The module (perplex-cuda.so) is a plugin of this very build: both sides must agree on the seam's structs. The version is
 * raised when this table changes; the layout stamp catches a module of another build whose structs differ. */
#ifndef PX_CUDA_MODULE_H
#define PX_CUDA_MODULE_H

#include "../devices.h"
#include "../engine.h"

enum { PX_CUDA_MODULE_VERSION = 1 };

/* Sizes of everything that crosses the seam, folded into one number. */
#define PX_CUDA_MODULE_LAYOUT                                                                                                  \
    ((uint64_t)sizeof(px_engine_ops) ^ (uint64_t)sizeof(struct px_engine) << 8 ^ (uint64_t)sizeof(px_model_config) << 18 ^     \
     (uint64_t)sizeof(px_optimizer_config) << 28 ^ (uint64_t)sizeof(px_batch) << 36 ^ (uint64_t)sizeof(px_metrics) << 44 ^     \
     (uint64_t)sizeof(px_device_info) << 50 ^ (uint64_t)sizeof(px_update) << 58)

/* What the module needs of the program: where its error messages go. */
typedef struct px_cuda_host {
    px_status (*fail)(px_status status, const char *message); /* records a finished message */
    const char *(*message)(void);                             /* the one recorded last */
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

/* The exported function: NULL where version or layout are not the module's own. host must outlive the module. */
typedef const px_cuda_module *(*px_cuda_module_open_function)(uint32_t version, uint64_t layout, const px_cuda_host *host);
__attribute__((visibility("default"))) const px_cuda_module *px_cuda_module_open(uint32_t version, uint64_t layout, const px_cuda_host *host);
#define PX_CUDA_MODULE_SYMBOL "px_cuda_module_open"

#endif
