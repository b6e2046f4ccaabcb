/* The processor's energy counters (energy.h). Source: Documentation/power/powercap/powercap.rst of Linux. */
#include "energy.h"

#include "check.h"
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ZONES = 64 };

typedef struct zone {
    char path[PATH_MAX];  /* of energy_uj */
    uint64_t range, last; /* microjoules: the counter goes from 0 to range; what it said when it was last read */
} zone;

struct px_energy {
    int count;
    double microjoules;
    char text[128];
    zone zone[ZONES];
};

/* The first line of folder/zone/file. */
static px_status read_text(const char *folder, const char *zone_name, const char *file, char *text, size_t bytes)
{
    char path[PATH_MAX];
    size_t got;
    snprintf(path, sizeof path, "%s/%s/%s", folder, zone_name, file);
    PX_TRY(px_file_read_start(path, text, bytes - 1, &got));
    text[got] = 0;
    text[strcspn(text, "\n")] = 0;
    return PX_OK;
}

static px_status read_counter(const char *path, uint64_t *value)
{
    char text[32], *end;
    size_t got;
    PX_TRY(px_file_read_start(path, text, sizeof text - 1, &got));
    text[got] = 0;
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (end == text || errno || text[0] == '-')
        return px_fail(PX_ERR_DEVICE, "%s: no counter of energy, a number of microjoules", path);
    return PX_OK;
}

/* "intel-rapl:0" is a package, "intel-rapl:0:1" a part of one. The whole machine ("psys") and the other way to the same
 * packages (intel-rapl-mmio) would count twice what packages have, as would cores; memory ("dram") is beside them. */
static int is_counted(const char *entry, const char *name)
{
    int package, part, end = 0;
    if (sscanf(entry, "intel-rapl:%d:%d%n", &package, &part, &end) == 2 && !entry[end])
        return strcmp(name, "dram") == 0;
    end = 0;
    return sscanf(entry, "intel-rapl:%d%n", &package, &end) == 1 && !entry[end] && strncmp(name, "package-", 8) == 0;
}

static px_status add_zone(px_energy *e, const char *folder, const char *entry)
{
    char name[64], path[PATH_MAX];
    if (strncmp(entry, "intel-rapl:", 11) != 0) return PX_OK;
    if (e->count == ZONES || read_text(folder, entry, "name", name, sizeof name) != PX_OK) return PX_OK;
    if (!is_counted(entry, name)) return PX_OK;
    zone *z = &e->zone[e->count];
    snprintf(z->path, sizeof z->path, "%s/%s/energy_uj", folder, entry);
    snprintf(path, sizeof path, "%s/%s/max_energy_range_uj", folder, entry);
    if (access(z->path, R_OK) != 0)
        return px_fail(PX_ERR_DEVICE, "%s: %s%s", z->path, strerror(errno),
                       errno == EACCES ? "; root alone may read it, and may allow it to all: chmod a+r" : "");
    PX_TRY(read_counter(z->path, &z->last));
    PX_TRY(read_counter(path, &z->range));
    const size_t used = strlen(e->text);
    snprintf(e->text + used, sizeof e->text - used, "%s%s", e->count++ ? ", " : "RAPL ", name);
    return PX_OK;
}

/* In the order of names, so that counters are named alike each time. */
static px_status find_zones(px_energy *e, const char *folder)
{
    struct dirent **entries;
    px_status status = PX_OK;
    const int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (status == PX_OK) status = add_zone(e, folder, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    if (status == PX_OK && e->count == 0)
        return px_fail(PX_ERR_DEVICE,
                       "%s: no energy counter of a processor there: a virtual machine, or a kernel without intel_rapl",
                       folder);
    return status;
}

px_status px_energy_open(px_energy **energy)
{
    const char *folder = getenv("PERPLEX_POWERCAP");
    px_energy *e = calloc(1, sizeof *e);
    if (!e) return px_fail(PX_ERR_MEMORY, "no memory for energy counters");
    px_status status = find_zones(e, folder ? folder : "/sys/class/powercap");
    if (status == PX_OK)
        *energy = e;
    else
        px_energy_close(e);
    return status;
}

void px_energy_close(px_energy *energy) { free(energy); }

px_status px_energy_read(px_energy *e, double *joules)
{
    for (int i = 0; i < e->count; i++) {
        zone *z = &e->zone[i];
        uint64_t now;
        PX_TRY(read_counter(z->path, &now));
        e->microjoules += (double)(now >= z->last ? now - z->last : now + (z->range - z->last));
        z->last = now;
    }
    *joules = e->microjoules * 1e-6;
    return PX_OK;
}

const char *px_energy_counters(const px_energy *energy) { return energy->text; }
