/* A stand-in for NVIDIA's management library with two GPUs; the second has no thermometer. What bench_program_test
 * and cuda_program expect. */
#include <stdio.h>
#include <string.h>

typedef struct gpu {
    int index;
} gpu;

static gpu gpus[2] = {{0}, {1}};

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlSystemGetDriverVersion(char *version, unsigned int length);
int nvmlDeviceGetCount_v2(unsigned int *count);
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, gpu **device);
int nvmlDeviceGetName(gpu *device, char *name, unsigned int length);
int nvmlDeviceGetPciInfo_v3(gpu *device, void *pci);
int nvmlDeviceGetClockInfo(gpu *device, int type, unsigned int *clock);
int nvmlDeviceGetMaxClockInfo(gpu *device, int type, unsigned int *clock);
int nvmlDeviceGetEnforcedPowerLimit(gpu *device, unsigned int *limit);
int nvmlDeviceGetTemperature(gpu *device, int sensor, unsigned int *temperature);
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, gpu **device);
int nvmlDeviceGetTotalEnergyConsumption(gpu *device, unsigned long long *millijoules);

enum { NOT_SUPPORTED = 3, CLOCK_SM = 1, BUS_ID_AT = 16 + 5 * 4 };

int nvmlInit_v2(void) { return 0; }

int nvmlShutdown(void) { return 0; }

int nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    snprintf(version, length, "999.88.77");
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned int *count)
{
    *count = 2;
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, gpu **device)
{
    *device = &gpus[index];
    return 0;
}

int nvmlDeviceGetName(gpu *device, char *name, unsigned int length)
{
    snprintf(name, length, "Stand-in %d", device->index);
    return 0;
}

/* The long form of the bus stands after the short one [16] and five numbers. */
int nvmlDeviceGetPciInfo_v3(gpu *device, void *pci)
{
    snprintf((char *)pci + BUS_ID_AT, 32, "00000000:%02d:00.0", device->index);
    return 0;
}

int nvmlDeviceGetClockInfo(gpu *device, int type, unsigned int *clock)
{
    *clock = (type == CLOCK_SM ? 1500u : 2601u) + (unsigned)device->index;
    return 0;
}

int nvmlDeviceGetMaxClockInfo(gpu *device, int type, unsigned int *clock)
{
    *clock = (type == CLOCK_SM ? 1980u : 2701u) + (unsigned)device->index;
    return 0;
}

int nvmlDeviceGetEnforcedPowerLimit(gpu *device, unsigned int *limit)
{
    *limit = 350500;
    return 0;
}

int nvmlDeviceGetTemperature(gpu *device, int sensor, unsigned int *temperature)
{
    *temperature = 40;
    return device->index == 0 ? 0 : NOT_SUPPORTED;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, gpu **device)
{
    if (strcmp(bus, "0000:00:00.0") != 0) return NOT_SUPPORTED;
    *device = &gpus[0];
    return 0;
}

/* A joule between two looks, however long that is. */
int nvmlDeviceGetTotalEnergyConsumption(gpu *device, unsigned long long *millijoules)
{
    static unsigned long long total = 123456;
    *millijoules = total += 1000;
    return device->index == 0 ? 0 : NOT_SUPPORTED;
}
