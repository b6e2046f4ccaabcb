/* What NVIDIA's management library says of the GPUs of this machine. */
#ifndef PX_GPU_INFO_H
#define PX_GPU_INFO_H

#include <cjson/cJSON.h>

/* Adds "nvidia": the driver's version and each GPU's name, bus, clocks, power limit and temperature at this moment;
 * null where the library is not there or does not start. A single value that a GPU does not give is null. */
void px_gpu_info_add(cJSON *object);

#endif
