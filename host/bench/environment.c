/* Where a result was measured (environment.h). */
#include "environment.h"

#include "gpu_info.h"
#include "machine.h"
#include "px_commit.h" /* PX_COMMIT: made at each build (cmake/PerplexVersion.cmake) */

#include <gnu/libc-version.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* "0-3,8": the processors that this process may run on. */
static void affinity_text(char *text, size_t bytes)
{
    cpu_set_t set;
    size_t used = 0;
    text[0] = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return;
    for (int i = 0; i < CPU_SETSIZE && used + 16 < bytes; i++) {
        if (!CPU_ISSET(i, &set)) continue;
        int last = i;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set)) last++;
        used += (size_t)snprintf(text + used, bytes - used, last > i ? "%s%d-%d" : "%s%d", used ? "," : "", i, last);
        i = last;
    }
}

/* The first line of a small file in /sys or /proc; 0 if it cannot be read. */
static int read_line(const char *path, char *line, size_t bytes)
{
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    int ok = fgets(line, (int)bytes, file) != NULL;
    fclose(file);
    line[ok ? strcspn(line, "\n") : 0] = 0;
    return ok;
}

static void add_clock(cJSON *machine)
{
    char line[256];
    if (read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", line, sizeof line))
        cJSON_AddStringToObject(machine, "governor", line);
    FILE *file = fopen("/proc/cpuinfo", "r");
    double mhz = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "cpu MHz : %lf", &mhz) == 1) break;
    if (file) fclose(file);
    if (mhz > 0) cJSON_AddNumberToObject(machine, "clock_mhz", mhz);
}

static void add_environment_variable(cJSON *object, const char *name)
{
    const char *value = getenv(name);
    if (value)
        cJSON_AddStringToObject(object, name, value);
    else
        cJSON_AddNullToObject(object, name);
}

void px_environment_add(cJSON *object)
{
    char text[256];
    struct utsname kernel;
    cJSON_AddStringToObject(object, "commit", PX_COMMIT);

    cJSON *machine = cJSON_AddObjectToObject(object, "machine");
    cJSON_AddStringToObject(machine, "processor", px_machine_processor());
    cJSON_AddNumberToObject(machine, "cores", px_machine_cores());
    cJSON_AddNumberToObject(machine, "processors_online", (double)sysconf(_SC_NPROCESSORS_ONLN));
    cJSON_AddNumberToObject(machine, "memory_bytes", (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE));
    cJSON_AddNumberToObject(machine, "cache_l2_bytes", (double)sysconf(_SC_LEVEL2_CACHE_SIZE));
    cJSON_AddNumberToObject(machine, "cache_l3_bytes", (double)sysconf(_SC_LEVEL3_CACHE_SIZE));
    if (uname(&kernel) == 0) {
        snprintf(text, sizeof text, "%.60s %.100s %.60s", kernel.sysname, kernel.release, kernel.machine);
        cJSON_AddStringToObject(machine, "system", text);
    }
    double load[3];
    if (getloadavg(load, 3) == 3) cJSON_AddNumberToObject(machine, "load_average_1_minute", load[0]);
    add_clock(machine);

    px_gpu_info_add(object);

    cJSON *pinning = cJSON_AddObjectToObject(object, "pinning");
    affinity_text(text, sizeof text);
    cJSON_AddStringToObject(pinning, "affinity", text);
    add_environment_variable(pinning, "OMP_PROC_BIND");
    add_environment_variable(pinning, "OMP_PLACES");
    add_environment_variable(pinning, "OMP_WAIT_POLICY");
    add_environment_variable(pinning, "OMP_NUM_THREADS");

    cJSON *build = cJSON_AddObjectToObject(object, "build");
#if defined(__clang__)
    cJSON_AddStringToObject(build, "compiler", "clang " __VERSION__);
#else
    cJSON_AddStringToObject(build, "compiler", "gcc " __VERSION__);
#endif
#ifdef NDEBUG
    cJSON_AddBoolToObject(build, "assertions", 0);
#else
    cJSON_AddBoolToObject(build, "assertions", 1);
#endif

    cJSON *libraries = cJSON_AddObjectToObject(object, "libraries"); /* an engine's own are in its description */
    cJSON_AddStringToObject(libraries, "glibc", gnu_get_libc_version());
    cJSON_AddStringToObject(libraries, "cjson", cJSON_Version());
}
