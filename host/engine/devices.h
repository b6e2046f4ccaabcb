/* GPUs as an embedding program sees them: which there are, what `--device auto` took and why, and named ranges for a
 * profiler.
 *
 * Everything here works without a GPU, a driver or the CUDA libraries: the CUDA engine is a module that is loaded on
 * demand (cuda_loader.c), and a machine without one gets a reason instead. */
#ifndef PX_DEVICES_H
#define PX_DEVICES_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct px_device_info {
    int32_t ordinal;      /* k of "cuda:k" */
    char name[128];       /* "NVIDIA H100 80GB HBM3" */
    size_t memory_bytes;  /* in all */
    size_t free_bytes;    /* now; 0 = not known */
    int32_t major, minor; /* compute capability */
    int32_t multiprocessors;
    int32_t driver_version;  /* CUDA version that the driver supports: 13000 = 13.0 */
    int32_t runtime_version; /* CUDA version that the module was built with */
} px_device_info;

/* The GPUs that the CUDA runtime sees; *count gets their number, the first `capacity` are written to list (may be NULL
 * where capacity is 0). PX_ERR_DEVICE says why there is none (no module, a library that is missing, no driver, no GPU)
 * and the remedy; *count is 0 then. */
px_status px_engine_devices(px_device_info *list, int capacity, int *count);

/* Whether the CUDA engine's module is there; nothing is loaded. */
int px_engine_has_cuda(void);

/* What the last px_engine_find in this thread took, for a person: "cuda:0 NVIDIA H100 ..., 80.0 GB, capability 9.0", or
 * "cpu, because ..." where `auto` found no GPU that works; "" for a device that was named and is no GPU. Valid until
 * the next px_engine_find. */
const char *px_engine_choice_text(void);

/* Named, coloured and nested ranges in the profiler's domain "perplex" (NVTX). Free, and harmless, where no CUDA module
 * is loaded or no profiler listens. name lives for the process's life; colour is 0xRRGGBB. */
void px_range_push(const char *name, uint32_t colour);
void px_range_pop(void);

#endif
