/* Engines by name: see registry.h. An engine joins by a row; one that is loaded only where its devices are has a loader
 * beside this file. */
#include "registry.h"

#include "check.h"
#include "cuda_loader.h"
#include "devices.h"
#include "engine_cpu.h"
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AUTO "auto"

static px_status open_cpu(int ordinal, const px_engine_ops **ops, char *about)
{
    (void)ordinal, (void)about;
    *ops = &px_cpu_ops;
    return PX_OK;
}

static px_status open_reference(int ordinal, const px_engine_ops **ops, char *about)
{
    (void)ordinal, (void)about;
    *ops = &px_reference_ops;
    return PX_OK;
}

const px_engine_entry px_engine_entries[] = {
    {"cuda", NULL, 0, 1, 1, px_cuda_open},
    {"cpu", NULL, 1, 0, 1, open_cpu},
    {"reference", "plain loops in double precision, one thread", 1, 0, 0, open_reference},
};
const size_t px_engine_entry_count = sizeof px_engine_entries / sizeof px_engine_entries[0];

static _Thread_local char choice[2 * PX_DEVICE_ABOUT_BYTES + 16];

/* ---- names ------------------------------------------------------------------------------------------------------ */

const char *px_device_of_host(void)
{
    const px_engine_entry *entry = px_engine_entries;
    while (!entry->on_host) entry++;
    return entry->name;
}

const char *px_device_or_default(const char *device) { return device ? device : px_device_of_host(); }

int px_device_is_auto(const char *device) { return device && strcmp(device, AUTO) == 0; }

/* The entry that a name is of, whatever follows it; NULL: none. */
static const px_engine_entry *entry_of(const char *device)
{
    const size_t bytes = strcspn(device, ":");
    for (size_t i = 0; i < px_engine_entry_count; i++) {
        const px_engine_entry *entry = &px_engine_entries[i];
        if (strlen(entry->name) == bytes && memcmp(entry->name, device, bytes) == 0 &&
            (entry->numbered || !device[bytes]))
            return entry;
    }
    return NULL;
}

int px_device_is_open(const char *device)
{
    const px_engine_entry *entry = entry_of(device);
    return px_device_is_auto(device) || (entry && entry->numbered && strcmp(device, entry->name) == 0);
}

void px_device_numbered(const char *device, int k, char *name, size_t bytes)
{
    const px_engine_entry *entry = entry_of(device);
    for (size_t i = 0; !entry; i++)
        if (px_engine_entries[i].numbered) entry = &px_engine_entries[i];
    snprintf(name, bytes, "%s:%d", entry->name, k);
}

static size_t add_name(size_t used, const char *before, const char *name, const char *after, char *names, size_t bytes)
{
    const int length = used < bytes ? snprintf(names + used, bytes - used, "%s%s%s", before, name, after) : 0;
    return used + (size_t)length;
}

void px_device_names(const char *between, const char *last, int with_numbers, char *names, size_t bytes)
{
    size_t used = add_name(0, "", AUTO, "", names, bytes);
    for (size_t i = 0; i < px_engine_entry_count; i++) {
        const px_engine_entry *entry = &px_engine_entries[i];
        used = add_name(used, i + 1 == px_engine_entry_count ? last : between, entry->name, "", names, bytes);
        if (entry->numbered && with_numbers) used = add_name(used, between, entry->name, ":k", names, bytes);
    }
}

px_status px_device_unknown(const char *device)
{
    char names[128];
    px_device_names(", ", " or ", 1, names, sizeof names);
    return px_fail(PX_ERR_DEVICE, "device \"%.40s%s\" is not known; use %s", device, strlen(device) > 40 ? "..." : "",
                   names);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static px_status read_ordinal(const px_engine_entry *entry, const char *device, int *ordinal)
{
    const char *number = device + strlen(entry->name);
    char *end = NULL;
    *ordinal = 0;
    if (!*number) return PX_OK;
    const long k = strtol(++number, &end, 10);
    if (end == number || *end || k < 0 || k > 1023)
        return px_fail(PX_ERR_DEVICE, "--device %s: a GPU is \"%s\" or \"%s:k\" with k from 0", device, entry->name,
                       entry->name);
    *ordinal = (int)k;
    return PX_OK;
}

/* The first automatic engine that opens; where that is not the first of all, the choice says why. */
static px_status find_auto(const px_engine_ops **ops)
{
    char about[PX_DEVICE_ABOUT_BYTES], why[PX_DEVICE_ABOUT_BYTES] = "";
    for (size_t i = 0; i < px_engine_entry_count; i++) {
        const px_engine_entry *entry = &px_engine_entries[i];
        about[0] = 0;
        if (!entry->automatic) continue;
        if (entry->open(0, ops, about) == PX_OK) {
            snprintf(choice, sizeof choice, "%s (auto: %s)", *about ? about : entry->name,
                     *why ? why : "the first GPU works");
            return PX_OK;
        }
        snprintf(why, sizeof why, "%s", px_error_message());
    }
    return px_fail(PX_ERR_DEVICE, "%s", why);
}

px_status px_engine_find(const char *device, const px_engine_ops **ops, int *ordinal)
{
    const char *name = device ? device : "";
    char about[PX_DEVICE_ABOUT_BYTES] = "";
    *ordinal = 0;
    choice[0] = 0;
    if (px_device_is_auto(name)) return find_auto(ops);
    const px_engine_entry *entry = entry_of(name);
    if (!entry) return px_device_unknown(name);
    PX_TRY(read_ordinal(entry, name, ordinal));
    PX_TRY(entry->open(*ordinal, ops, about));
    snprintf(choice, sizeof choice, "%s", about);
    return PX_OK;
}

const char *px_engine_choice_text(void) { return choice; }
