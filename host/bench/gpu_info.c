/* GPUs, driver and clocks for a result (gpu_info.h). The library (NVML) comes with the driver, so it is looked for at
 * run time; the few declarations that are used stand here, as its documentation gives them. */
#include "gpu_info.h"

#include <dlfcn.h>
#include <stddef.h>

typedef struct nvml_device_st *nvml_device;

enum { CLOCK_SM = 1, CLOCK_MEMORY = 2, TEMPERATURE_GPU = 0, TEXT_BYTES = 96 };

/* The head of nvmlPciInfo_t (version 3): the bus in its short form, the numbers, and the bus as CUDA writes it. */
typedef struct nvml_pci {
    char short_bus[16];
    unsigned int domain, bus, device, pci_device, pci_subsystem;
    char bus_id[32];
    char reserved[64];
} nvml_pci;

typedef struct nvml {
    int (*start)(void);
    int (*end)(void);
    int (*driver)(char *, unsigned int);
    int (*count)(unsigned int *);
    int (*by_index)(unsigned int, nvml_device *);
    int (*name)(nvml_device, char *, unsigned int);
    int (*pci)(nvml_device, nvml_pci *);
    int (*clock)(nvml_device, int, unsigned int *);
    int (*clock_max)(nvml_device, int, unsigned int *);
    int (*power_limit)(nvml_device, unsigned int *);
    int (*temperature)(nvml_device, int, unsigned int *);
} nvml;

/* 0 where a function is missing: the library is older than all that this program runs on. */
static int find(void *library, nvml *n)
{
    const struct {
        const char *name;
        void **place;
    } wanted[] = {
        {"nvmlInit_v2", (void **)&n->start},
        {"nvmlShutdown", (void **)&n->end},
        {"nvmlSystemGetDriverVersion", (void **)&n->driver},
        {"nvmlDeviceGetCount_v2", (void **)&n->count},
        {"nvmlDeviceGetHandleByIndex_v2", (void **)&n->by_index},
        {"nvmlDeviceGetName", (void **)&n->name},
        {"nvmlDeviceGetPciInfo_v3", (void **)&n->pci},
        {"nvmlDeviceGetClockInfo", (void **)&n->clock},
        {"nvmlDeviceGetMaxClockInfo", (void **)&n->clock_max},
        {"nvmlDeviceGetEnforcedPowerLimit", (void **)&n->power_limit},
        {"nvmlDeviceGetTemperature", (void **)&n->temperature},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!(*wanted[i].place = dlsym(library, wanted[i].name))) return 0;
    return 1;
}

static void add(cJSON *object, const char *name, int code, double value)
{
    if (code == 0)
        cJSON_AddNumberToObject(object, name, value);
    else
        cJSON_AddNullToObject(object, name);
}

static cJSON *describe(const nvml *n, nvml_device device)
{
    char name[TEXT_BYTES] = "";
    nvml_pci pci = {0};
    unsigned int value = 0;
    cJSON *object = cJSON_CreateObject();
    n->name(device, name, sizeof name);
    n->pci(device, &pci);
    pci.bus_id[sizeof pci.bus_id - 1] = 0;
    cJSON_AddStringToObject(object, "name", name);
    cJSON_AddStringToObject(object, "bus", pci.bus_id);
    int code = n->clock(device, CLOCK_SM, &value);
    add(object, "sm_mhz", code, value);
    code = n->clock_max(device, CLOCK_SM, &value);
    add(object, "sm_mhz_max", code, value);
    code = n->clock(device, CLOCK_MEMORY, &value);
    add(object, "memory_mhz", code, value);
    code = n->clock_max(device, CLOCK_MEMORY, &value);
    add(object, "memory_mhz_max", code, value);
    code = n->power_limit(device, &value); /* milliwatts */
    add(object, "power_limit_w", code, value * 1e-3);
    code = n->temperature(device, TEMPERATURE_GPU, &value);
    add(object, "temperature_c", code, value);
    return object;
}

static void add_all(cJSON *object, const nvml *n)
{
    char driver[TEXT_BYTES] = "";
    unsigned int count = 0;
    n->driver(driver, sizeof driver);
    n->count(&count);
    cJSON *nvidia = cJSON_AddObjectToObject(object, "nvidia");
    cJSON_AddStringToObject(nvidia, "driver", driver);
    cJSON *gpus = cJSON_AddArrayToObject(nvidia, "gpus");
    for (unsigned int i = 0; i < count; i++) {
        nvml_device device = NULL;
        if (n->by_index(i, &device) == 0) cJSON_AddItemToArray(gpus, describe(n, device));
    }
}

void px_gpu_info_add(cJSON *object)
{
    nvml n;
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library && find(library, &n) && n.start() == 0) {
        add_all(object, &n);
        n.end();
    } else {
        cJSON_AddNullToObject(object, "nvidia");
    }
    if (library) dlclose(library);
}
