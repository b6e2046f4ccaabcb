/* Lists of values as a person writes them (sweep.h). */
#include "sweep.h"

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const px_sweep_works[] = {"train",
                                      "evaluate",
                                      "decode",
                                      "next",
                                      "data",
                                      "embed",
                                      "recurrence_forward",
                                      "head",
                                      "recurrence_backward",
                                      "embed_backward",
                                      "update",
                                      NULL};

/* Cuts the next part up to a comma into part; returns where the rest begins, NULL after the last one. */
static const char *next_part(const char *text, char *part, size_t part_bytes)
{
    size_t length = strcspn(text, ",");
    snprintf(part, part_bytes, "%.*s", (int)(length < part_bytes ? length : part_bytes - 1), text);
    return text[length] == ',' ? text + length + 1 : NULL;
}

static px_status append(const char *what, px_sweep *sweep, int32_t value)
{
    if (sweep->count == PX_SWEEP_MAX) return px_fail(PX_ERR_ARGUMENT, "%s: more than %d values", what, PX_SWEEP_MAX);
    for (int32_t i = 0; i < sweep->count; i++)
        if (sweep->value[i] == value) return px_fail(PX_ERR_ARGUMENT, "%s: the same value twice", what);
    sweep->value[sweep->count++] = value;
    return PX_OK;
}

static px_status number(const char *what, const char *text, char **end, int32_t min, int32_t max, int32_t *value)
{
    errno = 0;
    long parsed = strtol(text, end, 10);
    if (*end == text || text[0] == ' ')
        return px_fail(PX_ERR_ARGUMENT, "%s: \"%s\" is no whole number; write a..b (doubling) or a,b,c", what, text);
    if (errno || parsed < min || parsed > max)
        return px_fail(PX_ERR_ARGUMENT, "%s: %.*s is out of range; %d to %d is accepted", what, (int)(*end - text),
                       text, min, max);
    *value = (int32_t)parsed;
    return PX_OK;
}

px_status px_sweep_numbers(const char *what, const char *text, int32_t min, int32_t max, px_sweep *sweep)
{
    char part[64];
    memset(sweep, 0, sizeof *sweep);
    for (const char *rest = text; rest;) {
        rest = next_part(rest, part, sizeof part);
        char *end;
        int32_t low = 0, high = 0;
        PX_TRY(number(what, part, &end, min, max, &low));
        high = low;
        if (strncmp(end, "..", 2) == 0) PX_TRY(number(what, end + 2, &end, min, max, &high));
        if (*end)
            return px_fail(PX_ERR_ARGUMENT, "%s: \"%s\" is not understood; write a..b (doubling) or a,b,c", what, part);
        if (high < low)
            return px_fail(PX_ERR_ARGUMENT, "%s: %d..%d runs backwards; write %d..%d", what, low, high, high, low);
        if (high > low && low == 0)
            return px_fail(PX_ERR_ARGUMENT, "%s: a range cannot start at 0, since it doubles", what);
        for (int64_t value = low; value < high; value *= 2) PX_TRY(append(what, sweep, (int32_t)value));
        PX_TRY(append(what, sweep, high));
    }
    return PX_OK;
}

px_status px_sweep_names(const char *what, const char *text, const char *const *names, px_sweep *sweep)
{
    char part[64];
    memset(sweep, 0, sizeof *sweep);
    for (const char *rest = text; rest;) {
        rest = next_part(rest, part, sizeof part);
        int found = -1;
        char known[192] = "";
        for (int i = 0; names[i]; i++) {
            size_t used = strlen(known);
            snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names[i]);
            if (strcmp(names[i], part) == 0) found = i;
        }
        if (found < 0) return px_fail(PX_ERR_ARGUMENT, "%s: \"%s\" is not known; use %s", what, part, known);
        PX_TRY(append(what, sweep, found));
    }
    return PX_OK;
}

px_status px_sweep_devices(const char *text, px_sweep *sweep)
{
    char part[sizeof sweep->text[0]];
    memset(sweep, 0, sizeof *sweep);
    for (const char *rest = text; rest;) {
        rest = next_part(rest, part, sizeof part);
        if (!part[0]) return px_fail(PX_ERR_ARGUMENT, "--device %s: an empty name; write cpu or cpu,cuda:0", text);
        if (sweep->count == PX_SWEEP_MAX_DEVICES)
            return px_fail(PX_ERR_ARGUMENT, "--device %s: more than %d devices", text, PX_SWEEP_MAX_DEVICES);
        for (int32_t i = 0; i < sweep->count; i++)
            if (strcmp(sweep->text[i], part) == 0) return px_fail(PX_ERR_ARGUMENT, "--device %s: %s twice", text, part);
        snprintf(sweep->text[sweep->count++], sizeof part, "%s", part);
    }
    return PX_OK;
}
