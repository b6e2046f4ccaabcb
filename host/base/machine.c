/* Cores, memory, processor name and clock: see machine.h. Linux's files are read where they exist. */
#include "machine.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static long long read_number(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    long long value = -1;
    if (fscanf(file, "%lld", &value) != 1) value = -1;
    fclose(file);
    return value;
}

/* Value in bytes of a "Name:   123 kB" line; -1 if absent. */
static long long read_kb_line(const char *path, const char *name)
{
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    char line[256];
    long long value = -1;
    size_t length = strlen(name);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            value = strtoll(line + length + 1, NULL, 10) * 1024;
            break;
        }
    fclose(file);
    return value;
}

static int cgroup_cpu_quota(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!file) return 0;
    long long quota = 0, period = 0;
    int fields = fscanf(file, "%lld %lld", &quota, &period);
    fclose(file);
    return fields == 2 && quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

static int positive_from_environment(const char *name)
{
    const char *text = getenv(name);
    if (!text) return 0;
    long value = strtol(text, NULL, 10);
    return value > 0 && value < 65536 ? (int)value : 0;
}

int px_machine_cores(void)
{
    int cores = positive_from_environment("SLURM_CPUS_PER_TASK");
    if (!cores) cores = positive_from_environment("OMP_NUM_THREADS");
    return cores ? cores : px_machine_processors();
}

int px_machine_processors(void)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = cgroup_cpu_quota();
    if (quota && quota < cores) cores = quota;
    return cores > 0 ? cores : 1;
}

size_t px_memory_available(void)
{
    long long available = read_kb_line("/proc/meminfo", "MemAvailable");
    if (available < 0) return 0;
    long long limit = read_number("/sys/fs/cgroup/memory.max"), used = read_number("/sys/fs/cgroup/memory.current");
    if (limit > 0 && used >= 0 && limit - used < available) available = limit > used ? limit - used : 0;
    struct rlimit bound;
    if (getrlimit(RLIMIT_AS, &bound) == 0 && bound.rlim_cur != RLIM_INFINITY) {
        long long mapped = read_kb_line("/proc/self/status", "VmSize");
        long long left = mapped >= 0 ? (long long)bound.rlim_cur - mapped : (long long)bound.rlim_cur;
        if (left < available) available = left > 0 ? left : 0;
    }
    return available > 0 ? (size_t)available : 1;
}

size_t px_memory_resident(void)
{
    long long bytes = read_kb_line("/proc/self/status", "VmRSS");
    return bytes > 0 ? (size_t)bytes : 0;
}

static char processor[128];

static void read_processor(void)
{
    snprintf(processor, sizeof processor, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) return;
    char line[512];
    while (fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10) != 0) continue;
        const int bytes = (int)strcspn(colon + 1, "\n");
        if (bytes > 1) snprintf(processor, sizeof processor, "%.*s", bytes - 1, colon + 2);
        break;
    }
    fclose(file);
}

const char *px_machine_processor(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_processor);
    return processor;
}

double px_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
